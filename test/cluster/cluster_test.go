package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"github.com/fairlead/fairlead/test/lab"
)

// inner is what FAIRLEAD_E2E says to the process that runs the tests.
const inner = "inner"

// TestMain leaves these tests to make e2e: they take minutes, and need containerd. It has another process run them, and removes what that
// one leaves where it is killed, interrupted, or takes too long.
func TestMain(m *testing.M) {
	switch os.Getenv("FAIRLEAD_E2E") {
	case "":
		fmt.Println("these tests are run by make e2e")
	case inner:
		os.Exit(m.Run())
	default:
		os.Exit(outer())
	}
}

func outer() int {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	command := exec.CommandContext(context.Background(), os.Args[0], os.Args[1:]...)
	command.Env = append(os.Environ(), "FAIRLEAD_E2E="+inner)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// The kernel looks at the thread that starts it.
	runtime.LockOSThread()
	// A Ctrl-C at the terminal is passed on like any other signal.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "run the tests:", err)
		return 1
	}
	go func() {
		for s := range interrupts {
			_ = command.Process.Signal(s)
		}
	}()
	err := command.Wait()
	lab.Sweep(log{})
	sweepCgroups(log{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "run the tests:", err)
		return 1
	}
	return 0
}

// log is who sweeps after the tests.
type log struct{}

func (log) Helper()        {}
func (log) Cleanup(func()) {}

func (log) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (l log) Skipf(format string, args ...any) { l.Fatalf(format, args...) }

func (l log) Fatalf(format string, args ...any) {
	l.Logf(format, args...)
	os.Exit(1)
}
