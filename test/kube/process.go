package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// pollInterval is how often a state of the server is asked for.
const pollInterval = 20 * time.Millisecond

// process is a running server.
type process struct {
	cmd *exec.Cmd
	// life is the server's standard input: it ends when this closes, so it cannot outlive this process.
	life io.Closer
	log  string
	done chan struct{}
}

// startProcess starts a server that appends to the file log.
func startProcess(log string, args ...string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer out.Close()
	cmd := exec.CommandContext(context.Background(), args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	// A Ctrl-C at the terminal reaches the test alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	life, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start process: %w", err)
	}
	p := &process{cmd: cmd, life: life, log: log, done: make(chan struct{})}
	go func() {
		// How it ended is in its ProcessState.
		_ = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// awaitReady waits until the server says that it is ready.
func (p *process) awaitReady(ctx context.Context, admin *rest.Config) error {
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		answer, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.done:
			return fmt.Errorf("wait until it is ready: %s", p.death())
		case <-ctx.Done():
			return fmt.Errorf("wait until it is ready: %w: %s\n%s", errors.Join(ctx.Err(), err), answer, p.tail())
		}
	}
}

// death says how the server ended by itself; it has ended.
func (p *process) death() string {
	return fmt.Sprintf("it ended by itself (%s):\n%s", p.cmd.ProcessState, p.tail())
}

// tail is the end of the log.
func (p *process) tail() string {
	const lines = 20
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// stop ends the server with SIGTERM, and with SIGKILL where it takes longer than stopTimeout.
func (p *process) stop() {
	if p.cmd.Process.Signal(syscall.SIGTERM) == nil {
		timer := time.NewTimer(stopTimeout)
		defer timer.Stop()
		select {
		case <-p.done:
		case <-timer.C:
		}
	}
	p.kill()
}

// kill ends the server with SIGKILL and waits for its end. Its standard input closes only then, so that the data stays.
func (p *process) kill() {
	// One that has ended already gets none.
	_ = p.cmd.Process.Kill()
	<-p.done
	_ = p.life.Close()
}

// stopped returns an error while a thread of the server runs in spite of SIGSTOP.
func (p *process) stopped() error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.cmd.Process.Pid))
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	if len(threads) == 0 {
		return errors.New("the process is gone")
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			return fmt.Errorf("read state: %w", err)
		}
		// The state follows the name, which is in parentheses: proc(5).
		_, state, _ := strings.Cut(string(text), ") ")
		if !strings.HasPrefix(state, "T") {
			return fmt.Errorf("thread %s is in state %.1s", thread, state)
		}
	}
	return nil
}
