package live_test

import (
	"os"
	"testing"

	"github.com/fairlead/fairlead/test/site"
)

func TestMain(m *testing.M) { os.Exit(site.Main(m)) }
