package frr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

func (v Vtysh) writeScript(script []byte) (string, error) {
	if err := v.sweep(); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(v.dir(), scriptPattern)
	if err != nil {
		return "", fmt.Errorf("write script: %w", err)
	}
	_, err = file.Write(script)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write script: %w", err), os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// sweep removes scripts that an agent killed in the middle left behind: no run of ours is as old as they are, of 100,000
// lines neither.
func (v Vtysh) sweep() error {
	paths, err := filepath.Glob(filepath.Join(v.dir(), scriptPattern))
	if err != nil {
		return fmt.Errorf("look for old scripts: %w", err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < 10*v.timeout() {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove old script: %w", err)
		}
	}
	return nil
}

// outputs are what a vtysh has written; what it says about a script is all in stdout, in the order in which it was written.
type outputs struct{ stdout, stderr bytes.Buffer }

// exitError is how a vtysh ended that did not end well.
type exitError struct {
	// code is its exit status; -1 says that a signal ended it.
	code int
	text string
}

// Error implements error.
func (e *exitError) Error() string { return e.text }

// ask has vtysh ask questions, and returns what it prints. An error has its meaning already.
func (v Vtysh) ask(ctx context.Context, c call) ([]byte, error) {
	out, err := v.run(ctx, c)
	if err != nil {
		return nil, explain(err, out.stdout.String()+out.stderr.String())
	}
	return out.stdout.Bytes(), nil
}

// run has vtysh run, here or by a server, until it ends or the deadline is over, when it is killed. What it has written until then is
// given also with an error.
func (v Vtysh) run(ctx context.Context, c call) (*outputs, error) {
	more := time.Duration(bytes.Count(c.Script, []byte("\n"))) * perLine
	ctx, cancel := context.WithTimeout(ctx, v.timeout()+more)
	defer cancel()
	ctx, hangs := context.WithCancelCause(ctx)
	defer hangs(nil)
	all := &outputs{}
	out := &output{to: &all.stdout}
	go v.guard(ctx, patience+more, c.Daemon, out, hangs)
	execute := v.execute
	if v.Socket != "" {
		execute = v.request
	}
	err := execute(ctx, c, out, &all.stderr)
	cause := context.Cause(ctx)
	switch {
	case err == nil || cause == nil:
		return all, err
	case errors.Is(cause, errHangs):
		return all, cause
	default:
		return all, fmt.Errorf("vtysh gave no answer in time and was killed: %w", cause)
	}
}

// execute runs vtysh as a child of this process; where ctx ends it is killed, with the children that it has forked.
func (v Vtysh) execute(ctx context.Context, c call, stdout, stderr io.Writer) (err error) {
	path := ""
	if c.isScript() {
		if path, err = v.writeScript(c.Script); err != nil {
			return err
		}
		defer func() {
			if removed := os.Remove(path); removed != nil {
				err = errors.Join(err, fmt.Errorf("remove script: %w", removed))
			}
		}()
		// One writer for both streams keeps their order: a daemon's words come right before the line they are about.
		stderr = stdout
	}
	command := slices.Clone(v.Command)
	if len(command) == 0 {
		command = []string{"vtysh"}
	}
	if v.Pathspace != "" {
		command = append(command, "-N", v.Pathspace)
	}
	command = append(command, c.args(v.inside(path))...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return &exitError{exit.ExitCode(), exit.Error()}
	}
	return err
}

// output is what vtysh writes. It may be asked while that is written; to is read when vtysh has ended.
type output struct {
	to *bytes.Buffer

	mu sync.Mutex
	// locked is when vtysh last said that it waits for a lock, and done says that bgpd has taken its part of a script.
	locked time.Time
	done   bool
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.to.Write(p)
	// What was written before may end in the middle of a line.
	const line = 128
	last := o.to.Bytes()[max(0, o.to.Len()-len(p)-line):]
	if bytes.Contains(last, []byte("datastore locked by another session")) {
		o.locked = time.Now()
	}
	o.done = o.done || bytes.Contains(last, []byte("|bgpd] done"))
	return n, err
}

// kept reports whether mgmtd's lock alone keeps vtysh (10.x), which tries again without end and says so each time.
func (o *output) kept() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done && time.Since(o.locked) < busyInterval
}

// guard calls hangs once a vtysh that ends with ctx has had its patience and no daemon keeps it waiting, and sooner where a lock
// alone keeps it.
func (v Vtysh) guard(ctx context.Context, patience time.Duration, daemon string, out *output, hangs context.CancelCauseFunc) {
	began, ticker := time.Now(), time.NewTicker(busyInterval)
	defer ticker.Stop()
	for idle := 0; idle < idleLooks; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		switch {
		case out.kept():
			hangs(errHangs)
			return
		case time.Since(began) < patience:
		case v.busy(ctx, daemon):
			// A daemon that was busy until now has yet to give vtysh its answer.
			idle = 0
		default:
			idle++
		}
	}
	hangs(errHangs)
}

// busy reports whether one of FRR's daemons, the one that is meant among them, runs and does not answer now.
func (v Vtysh) busy(ctx context.Context, daemon string) bool {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	for _, daemon := range append(daemonsOfOurs(), daemon) {
		err := replies(ctx, v.dir(), daemon)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ECONNREFUSED) {
			return true
		}
	}
	return false
}
