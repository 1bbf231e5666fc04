package main

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// TestDecimals matches each number that is near a bound or in it.
func TestDecimals(t *testing.T) {
	t.Parallel()
	for _, bounds := range [][2]int64{{0, 0}, {0, 1}, {0, 9}, {0, 10}, {0, 32}, {0, 128}, {1, 60}, {3, math.MaxUint16}, {1, 21845}, {5, 3600}, {7, 7}, {10, 99}, {98, 101}, {100, 4095}, {999, 1001}} {
		low, high := bounds[0], bounds[1]
		text := decimals(low, high)
		pattern := regexp.MustCompile("^(" + text + ")$")
		for n := range 2*high + 100 {
			if got, want := pattern.MatchString(strconv.FormatInt(n, 10)), low <= n && n <= high; got != want {
				t.Fatalf("%s for %d to %d takes %d: %v", text, low, high, n, got)
			}
		}
		if pattern.MatchString("0"+strconv.FormatInt(high, 10)) || pattern.MatchString("") {
			t.Errorf("%s for %d to %d takes a zero before a number, or none", text, low, high)
		}
	}
	if got, want := decimals(1, math.MaxUint16), `[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]`; got != want {
		t.Errorf("the ports are %s, want %s", got, want)
	}
}
