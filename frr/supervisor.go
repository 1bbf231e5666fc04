package frr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// Supervisor runs those daemons of FRR that are needed at the moment, and starts each again that ends.
//
// What is needed comes from two sides. A configuration in force needs its daemons for as long as it takes: they are started
// again and again, and bgpd waits for none that it can do without. A configuration that has yet to prove itself may ask for
// more; what does not answer in time is given up, and then all is as it was.
//
// Its methods but Run are for one goroutine, which may be another one than that of Run.
type Supervisor struct {
	daemons Daemons
	// look holds at most one word for Run that something is wished that was not before.
	look chan struct{}

	mu sync.Mutex
	// begun says that anything is wished at all.
	begun bool
	// inForce is what the configuration in force needs; trial is what another one needs beside, or nil.
	inForce Needs
	trial   *trial
	// up are the daemons that answer and shall go on, as they were started; failed is how a daemon ended last.
	up     map[string]plan
	failed map[string]error

	// These belong to Run.
	events   chan event
	children []*child
}

// trial is what a configuration needs that has yet to prove itself.
type trial struct {
	needs Needs
	// listen says that bgpd is to listen already, and not only at the end.
	listen bool
	// err is why it was given up; nil while it goes on.
	err error
}

// current are the needs that are tried at the moment.
func (t *trial) current() Needs {
	n := t.needs
	n.Listen = t.listen
	return n
}

const (
	// defaultPatience is that of Daemons.
	defaultPatience = 10 * time.Second
	// bgpPort is what bgpd listens on where no -p says otherwise.
	bgpPort = ":179"
)

// NewSupervisor gives a Supervisor that has started nothing yet.
func NewSupervisor(d Daemons) *Supervisor {
	if d.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		d.Log = silent
	}
	return &Supervisor{
		daemons: d, look: make(chan struct{}, 1), up: map[string]plan{}, failed: map[string]error{}, events: make(chan event),
	}
}

// Serve asks for daemons that serve n, which a configuration in force needs, and reports whether bgpd answers, so that bgpd's
// part of that configuration can be given to it; Run calls ready when it answers. The others may be missing: Run goes on
// starting them. A bgpd that was started already does not begin to listen; Listen is for that. An error says that they cannot
// be started here.
func (s *Supervisor) Serve(n Needs) (bool, error) {
	if err := s.daemons.possible(n); err != nil {
		return false, fmt.Errorf("start FRR: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n.Listen = n.Listen && !s.begun
	if all := s.inForce.with(n); all != s.inForce || !s.begun {
		s.inForce, s.begun = all, true
		s.wake()
	}
	_, up := s.up["bgpd"]
	return up, nil
}

// Try asks for daemons that serve n, which a configuration needs that has yet to prove itself, and reports whether all of
// them answer now; whether a bgpd that was started already listens does not matter yet. Where they do not, Run calls ready
// when one more does, or when they did not in time (Daemons.Patience): then the next Try of the same needs gives the reason,
// and what n needs beside the configuration in force is no longer started. The Try after that begins anew.
func (s *Supervisor) Try(n Needs) (bool, error) {
	if err := s.daemons.possible(n); err != nil {
		return false, fmt.Errorf("start FRR: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.trial == nil || s.trial.needs != n {
		s.trial, s.begun = &trial{needs: n, listen: n.Listen && !s.begun}, true
		s.wake()
	}
	if err := s.trial.err; err != nil {
		s.trial = nil
		return false, err
	}
	return s.missing(s.trial.current()) == "", nil
}

// CanListen is an error where a bgpd runs that does not listen, and that could not where it were started again for that.
func (s *Supervisor) CanListen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, up := s.up["bgpd"]; !up || p.listens() {
		return nil
	}
	return s.daemons.portFree(ctx)
}

// Listen reports whether bgpd listens. One that does not is started again, which resets its sessions, after a call of
// announce; it begins with Daemons.Config, so call Listen once a configuration of the needs n was applied and written there,
// and before Trim. Run calls ready when bgpd answers again. Where it does not in time, or where it is known at once that it
// could not listen, bgpd runs as it did before, and the error says why; for the same needs that is so until Try or Trim is
// called, because each attempt resets the sessions.
func (s *Supervisor) Listen(ctx context.Context, n Needs, announce func()) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, up := s.up["bgpd"]
	switch {
	case up && p.listens():
		return true, nil
	case s.trial != nil && s.trial.needs == n && s.trial.listen:
		return false, s.trial.err
	case !up:
		// It is about to answer, and may listen then.
		return false, nil
	}
	if err := s.daemons.portFree(ctx); err != nil {
		return false, err
	}
	announce()
	s.trial = &trial{needs: n, listen: true}
	delete(s.up, "bgpd")
	s.wake()
	return false, nil
}

// Trim says that a configuration of the needs n is in force now, and no other: it ends the daemons that n does not need, and
// any Try. Call it once that configuration has been applied, never before: a bfdd that ends takes the sessions that it
// watches down. A bgpd that listens goes on listening until it starts again, because that would reset its sessions.
func (s *Supervisor) Trim(n Needs) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inForce != n || s.trial != nil {
		s.inForce, s.trial = n, nil
		s.wake()
	}
}

// wake has Run look at what is wished.
func (s *Supervisor) wake() {
	select {
	case s.look <- struct{}{}:
	default:
	}
}

// needs is all that is needed now. The caller holds mu.
func (s *Supervisor) needs() Needs {
	if s.trial == nil || s.trial.err != nil {
		return s.inForce
	}
	return s.inForce.with(s.trial.current())
}

// missing names the first daemon that n needs and that does not answer, or "". The caller holds mu.
func (s *Supervisor) missing(n Needs) string {
	for _, p := range s.daemons.plans(n) {
		if running, up := s.up[p.name]; !up || !running.serves(p) {
			return p.name
		}
	}
	return ""
}

// Run starts nothing before Serve or Try has told what is needed; then, one after the other, mgmtd where this FRR has it, zebra,
// staticd where it is asked for, bfdd where it is needed, and bgpd last, which does not wait for one of these two that ends. One that
// ends is started again, after a pause that grows from 250 ms to 10 s and is forgotten after a minute of life. Daemons that a killed
// predecessor left running are ended first.
//
// Run calls ready, from its own goroutine, each time a daemon answers and bgpd does too: a restarted daemon may know less than
// it should, so it must be looked at; and when a Try is given up. While ready runs, no daemon is started or stopped.
//
// When ctx ends, Run ends the daemons, bgpd first, or behind a zebra with Daemons.Retain, each with SIGTERM and after 5 s with SIGKILL,
// and returns nil. It returns an error only where it could not begin: a program or a folder is missing, or a predecessor's daemon does
// not end. Call it once.
func (s *Supervisor) Run(ctx context.Context, ready func()) error {
	if err := s.prepare(ctx); err != nil {
		return fmt.Errorf("start FRR: %w", err)
	}
	defer s.endAll()
	var (
		current *trial
		expired <-chan time.Time
	)
	for {
		tell := false
		select {
		case <-ctx.Done():
			return nil
		case <-s.look:
		case e := <-s.events:
			tell = s.note(e)
		case <-expired:
			tell = s.giveUp(current)
		}
		if now := s.ongoing(); now != current {
			if current, expired = now, nil; now != nil {
				expired = time.After(s.daemons.patience(now.current()))
			}
		}
		tell = s.end() || tell
		s.startNext()
		if tell {
			ready()
		}
	}
}

// endAll ends the children, the last first. A zebra that is to leave the kernel's routes ends before them, because it would take
// bgpd's out when that ends.
func (s *Supervisor) endAll() {
	children := slices.Clone(s.children)
	slices.Reverse(children)
	slices.SortStableFunc(children, func(a, b *child) int { return cmp.Compare(b.plan.retains(), a.plan.retains()) })
	for _, c := range children {
		c.stop(s.events, func(event) {})
	}
}

// prepare makes the folders, and ends what a predecessor has left.
func (s *Supervisor) prepare(ctx context.Context) error {
	d := s.daemons
	if err := d.possible(Needs{}); err != nil {
		return err
	}
	if err := d.makeFolders(); err != nil {
		return err
	}
	names := []string{"bgpd", "staticd", "bfdd", "zebra", "mgmtd"}
	if d.Retain {
		// As in endAll: it would take bgpd's routes out of the kernel.
		names = []string{"zebra", "bgpd", "staticd", "bfdd", "mgmtd"}
	}
	for _, name := range names {
		if err := d.endPredecessor(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// note takes an event up, and reports whether it is one to tell of.
func (s *Supervisor) note(e event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := e.plan.name
	if !e.up {
		delete(s.up, name)
		s.failed[name] = e.err
		return false
	}
	s.up[name] = e.plan
	delete(s.failed, name)
	_, bgpd := s.up["bgpd"]
	return bgpd
}

// ongoing is the trial whose daemons do not all answer yet, or nil.
func (s *Supervisor) ongoing() *trial {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.trial; t != nil && t.err == nil && s.missing(t.current()) != "" {
		return t
	}
	return nil
}

// giveUp ends t, unless something else is tried or it is served by now, and reports whether it did.
func (s *Supervisor) giveUp(t *trial) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.missing(t.current())
	if s.trial != t || name == "" {
		return false
	}
	t.err = fmt.Errorf("start %s, which this configuration needs: %w", name,
		cmp.Or(s.failed[name], fmt.Errorf("%s did not answer within %s", name, s.daemons.patience(t.current()))))
	return true
}

// end ends the daemons that are no longer needed, or not as they run, and reports whether meanwhile one came up to tell of.
func (s *Supervisor) end() bool {
	tell := false
	for _, c := range slices.Backward(s.surplus()) {
		name := c.plan.name
		if name == "bgpd" {
			s.daemons.Log.WithField("daemon", name).Info("starting it again for other arguments, which resets its sessions")
		}
		c.stop(s.events, func(e event) {
			if e.plan.name != name {
				tell = s.note(e) || tell
			}
		})
	}
	return tell
}

// surplus takes the children that are to end from the others. From here on they count as down.
func (s *Supervisor) surplus() []*child {
	s.mu.Lock()
	defer s.mu.Unlock()
	plans := s.daemons.plans(s.needs())
	var kept, ended []*child
	for _, c := range s.children {
		i := slices.IndexFunc(plans, func(p plan) bool { return p.name == c.plan.name })
		_, up := s.up[c.plan.name]
		// One that does more than it is needed for goes on; where it does not answer, it may be for just that.
		if i >= 0 && (c.plan.equal(plans[i]) || up && c.plan.serves(plans[i])) {
			kept = append(kept, c)
			continue
		}
		ended = append(ended, c)
		delete(s.up, c.plan.name)
		delete(s.failed, c.plan.name)
	}
	s.children = kept
	return ended
}

// startNext starts the daemon that is missing, once those before it answer.
func (s *Supervisor) startNext() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		return
	}
	for _, p := range s.daemons.plans(s.needs()) {
		if _, up := s.up[p.name]; up {
			continue
		}
		if !slices.ContainsFunc(s.children, func(c *child) bool { return c.plan.name == p.name }) {
			s.start(p)
		}
		// bgpd can do without one that is not vital and ends, and finds it when it comes.
		if p.vital() || s.failed[p.name] == nil {
			return
		}
	}
}

// start starts a daemon and keeps the children in the order of their start.
func (s *Supervisor) start(p plan) {
	d := s.daemons
	s.children = append(s.children, startChild(p, childSpec{
		plan: p, dir: d.runDir(), log: d.Log.WithField("daemon", p.name),
		command: func(ctx context.Context) ([]string, error) { return d.command(ctx, p) },
		give:    func(ctx context.Context) error { return d.give(ctx, p) },
	}, s.events))
}

// patience is how long daemons of these needs may take. A bgpd that starts again reads its whole configuration first.
func (d Daemons) patience(n Needs) time.Duration {
	patience := cmp.Or(d.Patience, defaultPatience)
	if n.Listen {
		patience *= 3
	}
	return patience
}

// portFree is an error where something has the port that bgpd would listen on: bgpd would end at its start. Of another
// network namespace nothing can be told.
func (d Daemons) portFree(ctx context.Context) error {
	if len(d.Command) > 0 {
		return nil
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", bgpPort)
	if err == nil {
		err = listener.Close()
	}
	if err != nil {
		return fmt.Errorf("have bgpd listen, which passive needs: %w: end what has the port, or take passive out", cmp.Or(errors.Unwrap(err), err))
	}
	return nil
}
