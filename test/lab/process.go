package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Process is a program that runs in a namespace. Its methods may be called from any goroutine.
type Process struct {
	cmd    *exec.Cmd
	output buffer
	done   chan struct{}
	err    error
}

// Start runs a program of v in ns until t ends: then it gets SIGTERM, and SIGKILL 5 s later.
func (ns *Namespace) Start(t T, v Version, args ...string) *Process {
	t.Helper()
	p, err := ns.start(v, args...)
	if err != nil {
		t.Fatalf("start %s: %v", strings.Join(args, " "), err)
	}
	t.Cleanup(p.Stop)
	return p
}

func (ns *Namespace) start(v Version, args ...string) (*Process, error) {
	p := &Process{done: make(chan struct{})}
	p.cmd = ns.Command(context.Background(), v, args...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	// A Ctrl-C at the terminal reaches the demo program alone, which then ends its children in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = outputDelay
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the program's process number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Output is what the program has written so far, on both streams.
func (p *Process) Output() string { return p.output.String() }

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the program's end and returns how it ended, as exec.Cmd.Wait does.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends a signal to the program; one that has ended gets none.
func (p *Process) Signal(sig syscall.Signal) error {
	select {
	case <-p.done:
		return nil
	default:
	}
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", sig, p.PID(), err)
	}
	return nil
}

// Stop ends the program with SIGTERM, or with SIGKILL where it still runs 5 s later, and waits for its end.
func (p *Process) Stop() {
	if p.Signal(syscall.SIGTERM) == nil {
		timer := time.NewTimer(stopTimeout)
		defer timer.Stop()
		select {
		case <-p.done:
			return
		case <-timer.C:
		}
	}
	p.Kill()
}

// Kill ends the program with SIGKILL and waits for its end.
func (p *Process) Kill() {
	_ = p.Signal(syscall.SIGKILL)
	<-p.done
}

// buffer is a bytes.Buffer for one writer and any number of readers.
type buffer struct {
	mu   sync.Mutex
	data bytes.Buffer
}

// Write implements io.Writer.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.Write(p)
}

// String returns all that was written so far.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.data.String()
}
