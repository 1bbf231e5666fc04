package proof

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/fairlead/fairlead/test/site"
)

func TestMain(m *testing.M) {
	// These tests wait more than they compute, so they are more than the processors; -parallel still says otherwise.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(site.Main(m))
}
