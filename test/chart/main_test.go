package chart

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/fairlead/fairlead/watch"
)

// home holds what all tests share.
var home = filepath.Join(os.TempDir(), fmt.Sprintf("fairlead-chart-%d", os.Getpid()))

func TestMain(m *testing.M) {
	// client-go's own words stay out of the tests' output. klog has one logger for the whole process, and parallel tests use it.
	log, _ := logtest.NewNullLogger()
	watch.LogClientGo(log)
	code := m.Run()
	if err := os.RemoveAll(home); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// fairlead builds it once for all tests, with the flags of make build, so that what that has compiled is not compiled again.
var fairlead = sync.OnceValues(func() (string, error) {
	path := filepath.Join(home, "fairlead")
	command := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-buildvcs=false", "-o", path,
		"github.com/fairlead/fairlead/cmd/fairlead")
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fairlead: %w\n%s", err, out)
	}
	return path, nil
})
