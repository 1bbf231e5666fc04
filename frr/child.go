package frr

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
)

const (
	// minBackoff and maxBackoff bound the pause before a daemon is started again; steadyLife is how long it must have
	// lived for the pause to begin anew.
	minBackoff = 250 * time.Millisecond
	maxBackoff = 10 * time.Second
	steadyLife = time.Minute
	// startTimeout is how long a daemon may take to answer, on a machine that is busy starting pods.
	startTimeout = 30 * time.Second
	// stopTimeout is what a daemon gets between SIGTERM and SIGKILL.
	stopTimeout = 5 * time.Second
	// answerInterval is how often a starting or ending daemon is looked at.
	answerInterval = 20 * time.Millisecond
	// maxLine bounds a line of output that is kept until its end comes.
	maxLine = 8 << 10
)

// event says that a daemon began or ceased to answer.
type event struct {
	daemon string
	up     bool
}

// childSpec is what a child needs: its name, how it is started each time, the folder of its socket, and its log.
type childSpec struct {
	name    string
	command func() []string
	dir     string
	log     logrus.FieldLogger
}

// child is a daemon that is kept running by its own goroutine.
type child struct {
	plan   plan
	cancel context.CancelFunc
	done   chan struct{}
}

func startChild(p plan, spec childSpec, events chan<- event) *child {
	// A child outlives the context of Run, which ends the children one by one.
	ctx, cancel := context.WithCancel(context.Background())
	c := &child{plan: p, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		spec.supervise(ctx, events)
	}()
	return c
}

// stop ends the child and waits for its end. Events of all children go to seen meanwhile, so that none is stuck.
func (c *child) stop(events <-chan event, seen func(event)) {
	c.cancel()
	for {
		select {
		case e := <-events:
			seen(e)
		case <-c.done:
			return
		}
	}
}

func (s childSpec) supervise(ctx context.Context, events chan<- event) {
	var pause time.Duration
	for {
		began := time.Now()
		err := s.live(ctx, events)
		if ctx.Err() != nil {
			return
		}
		pause = backoff(pause, time.Since(began))
		s.log.WithError(err).WithField("duration", pause).Warn("daemon ended, starting it again")
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// backoff is the pause before the next start, after one pause and a life of some length.
func backoff(previous, lived time.Duration) time.Duration {
	if previous == 0 || lived >= steadyLife {
		return minBackoff
	}
	return min(2*previous, maxBackoff)
}

// live runs the daemon once, until it or ctx ends, and tells when it answers and when it no longer does.
func (s childSpec) live(ctx context.Context, events chan<- event) error {
	output := &lineLogger{log: s.log}
	defer output.flush()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command := s.command()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	// Signals meant for this process, such as a terminal's, leave the daemons to it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The end of ctx asks it to end; after the delay it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	var result error
	ended := make(chan struct{})
	go func() {
		result = cmd.Wait()
		close(ended)
	}()

	if !s.awaitAnswer(ctx, ended) {
		cancel()
		<-ended
		return fmt.Errorf("%s gave no answer: %w", s.name, cmp.Or(result, errEnded))
	}
	s.log.WithField("pid", cmd.Process.Pid).Info("daemon answers")
	send(ctx, events, event{s.name, true})
	<-ended
	send(ctx, events, event{s.name, false})
	return cmp.Or(result, errEnded)
}

// errEnded is the end of a daemon that exits with 0 although nobody asked it to.
var errEnded = errors.New("it ended by itself")

// awaitAnswer reports whether the daemon listens on its socket before it, ctx or its time ends.
func (s childSpec) awaitAnswer(ctx context.Context, ended <-chan struct{}) bool {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(answerInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-ended:
			return false
		case <-tick.C:
			if answers(ctx, s.dir, s.name) == nil {
				return true
			}
		}
	}
}

// send tells an event, unless ctx ends first.
func send(ctx context.Context, events chan<- event, e event) {
	select {
	case events <- e:
	case <-ctx.Done():
	}
}

// endPredecessor ends a daemon that still runs because the process that started it was killed: the kernel forgets
// Pdeathsig when a process changes its user, as FRR does, so it could not end with it. A pid file is believed only where
// the process it names runs the daemon's program.
func (d Daemons) endPredecessor(ctx context.Context, name string) error {
	data, err := os.ReadFile(filepath.Join(d.runDir(), name+".pid"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an old %s: %w", name, err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || pid <= 1 || !d.runs(pid, name) {
		return nil
	}
	d.Log.WithFields(logrus.Fields{"daemon": name, "pid": pid}).Info("ending the daemon of a predecessor")
	ctx, cancel := context.WithTimeout(ctx, 2*stopTimeout)
	defer cancel()
	if err := signal(pid, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end old %s: %w", name, err)
	}
	tick := time.NewTicker(answerInterval)
	defer tick.Stop()
	hard := time.NewTimer(stopTimeout)
	defer hard.Stop()
	for d.runs(pid, name) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("end old %s, process %d: %w", name, pid, ctx.Err())
		case <-hard.C:
			if err := signal(pid, syscall.SIGKILL); err != nil {
				return fmt.Errorf("end old %s: %w", name, err)
			}
		case <-tick.C:
		}
	}
	return nil
}

// runs reports whether a process runs the daemon's program. One that was replaced on disk is told by the kernel's suffix.
func (d Daemons) runs(pid int, name string) bool {
	exe, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "exe"))
	if err != nil {
		return false
	}
	program, err := filepath.EvalSymlinks(d.program(name))
	return err == nil && strings.TrimSuffix(exe, " (deleted)") == program
}

func signal(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("send %s to process %d: %w", sig, pid, err)
	}
	return nil
}

// lineLogger logs what is written to it, an entry for each line. It has one writer.
type lineLogger struct {
	log  logrus.FieldLogger
	rest []byte
}

// Write implements io.Writer.
func (l *lineLogger) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found && len(line) < maxLine {
			return len(p), nil
		}
		l.line(line)
		l.rest = rest
	}
}

func (l *lineLogger) flush() {
	l.line(l.rest)
	l.rest = nil
}

func (l *lineLogger) line(line []byte) {
	if text := strings.TrimSpace(string(line)); text != "" {
		l.log.Info(Mask(text))
	}
}
