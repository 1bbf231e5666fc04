package lab

import (
	"os"
	"strconv"
	"time"
)

// Seed gives what a random test begins with: that of a failure, from FAIRLEAD_SEED, or a new one. The test is to print it.
func Seed(t T) uint64 {
	t.Helper()
	given := os.Getenv("FAIRLEAD_SEED")
	if given == "" {
		return uint64(time.Now().UnixNano())
	}
	seed, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		t.Fatalf("read FAIRLEAD_SEED: %v", err)
	}
	return seed
}
