package frr

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
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

// event says that a daemon, started so, answers, or that it ended, and how.
type event struct {
	plan plan
	up   bool
	err  error
}

// childSpec is what a child needs: what it is, how it is started each time, what it is given when it answers, the folder of its socket,
// and its log.
type childSpec struct {
	plan    plan
	command func(context.Context) ([]string, error)
	give    func(context.Context) error
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
		send(ctx, events, event{plan: s.plan, err: err})
		pause = backoff(pause, time.Since(began))
		s.log.WithError(err).WithField("duration", pause).Warn("daemon ended, starting it again")
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
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

// live runs the daemon once, until it or ctx ends, and tells when it answers.
func (s childSpec) live(ctx context.Context, events chan<- event) error {
	output := &lineLogger{log: s.log}
	defer output.flush()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	command, err := s.command(ctx)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = output, output
	// Signals meant for this process, such as a terminal's, leave the daemons to it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// The end of ctx asks it to end; after the delay it is killed.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout
	if err := cmd.Start(); err != nil {
		return err
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
		err := fmt.Errorf("%s gave no answer: %w", s.plan.name, cmp.Or(result, errEnded))
		if output.first != "" {
			err = fmt.Errorf("%w; it said: %s", err, output.first)
		}
		return err
	}
	s.log.WithField("pid", cmd.Process.Pid).Info("daemon answers")
	err = s.give(ctx)
	send(ctx, events, event{plan: s.plan, up: true})
	s.giveAgain(ctx, ended, err)
	<-ended
	return cmp.Or(result, errEnded)
}

// giveAgain gives the daemon its part of frr.conf until it has it or refuses a line of it: that a vtysh failed, which err says of the last
// one, says nothing of the daemon. It ends with the daemon.
func (s childSpec) giveAgain(ctx context.Context, ended <-chan struct{}, err error) {
	var refused *ApplyError
	for pause := backoff(0, 0); err != nil && !errors.As(err, &refused); pause = backoff(pause, 0) {
		if ctx.Err() == nil {
			s.log.WithError(err).WithField("duration", pause).Warn("daemon was not given all of its part of frr.conf, and is given it again")
		}
		select {
		case <-ctx.Done():
			return
		case <-ended:
			return
		case <-time.After(pause):
			err = s.give(ctx)
		}
	}
	if err != nil {
		s.log.WithError(err).Warn("daemon runs without all of its part of frr.conf")
	}
}

// errEnded is the end of a daemon that exits with 0 although nobody asked it to.
var errEnded = errors.New("it ended by itself")

// awaitAnswer reports whether the daemon answers a word on its socket before it, ctx or its time ends. That it listens there
// does not suffice: it does so before it has read its configuration, and one whose port is taken ends only then.
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
			if replies(ctx, s.dir, s.plan.name) == nil {
				return true
			}
		}
	}
}

// replies asks a daemon for a word on its socket in dir, as vtysh does: a command ends with a zero byte, and so does what
// comes back, be it a refusal.
func replies(ctx context.Context, dir, daemon string) error {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", socket(dir, daemon))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write([]byte("enable\x00")); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
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
// the process it names runs the daemon's program. It goes then: a daemon ends where it cannot write one of an old user frr, which
// another image has by another number.
func (d Daemons) endPredecessor(ctx context.Context, name string) error {
	file := filepath.Join(d.runDir(), name+".pid")
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for an old %s: %w", name, err)
	}
	if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && pid > 1 {
		if err := d.endOld(ctx, name, pid); err != nil {
			return fmt.Errorf("end old %s, process %d: %w", name, pid, err)
		}
	}
	if err := os.Remove(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// endOld ends a process that runs the daemon's program, and leaves any other as it is.
func (d Daemons) endOld(ctx context.Context, name string, pid int) error {
	if !d.runs(pid, name) {
		return nil
	}
	d.Log.WithFields(logrus.Fields{"daemon": name, "pid": pid}).Info("ending the daemon of a predecessor")
	ctx, cancel := context.WithTimeout(ctx, 2*stopTimeout)
	defer cancel()
	if err := signal(pid, syscall.SIGTERM); err != nil {
		return err
	}
	tick := time.NewTicker(answerInterval)
	defer tick.Stop()
	hard := time.NewTimer(stopTimeout)
	defer hard.Stop()
	for d.runs(pid, name) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-hard.C:
			if err := signal(pid, syscall.SIGKILL); err != nil {
				return err
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
	// first is the first line: a daemon that gives up at its start says why there, before it dumps its memory.
	first string
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
		text = Mask(text)
		l.first = cmp.Or(l.first, text)
		l.log.Info(text)
	}
}
