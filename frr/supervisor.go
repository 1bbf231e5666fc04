package frr

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/sirupsen/logrus"
)

// Supervisor runs those daemons of FRR that are needed at the moment, and starts each again that ends.
type Supervisor struct {
	daemons Daemons
	// wants holds the latest needs that Run has not taken up yet.
	wants chan want
	// have is what the running daemons serve; nil while one of them does not answer.
	have atomic.Pointer[Needs]

	// These belong to Run.
	events   chan event
	children []*child
	needs    Needs
}

// want is a wish for other daemons: for more of them, or for no more than these.
type want struct {
	needs Needs
	trim  bool
}

// NewSupervisor gives a Supervisor that has started nothing yet.
func NewSupervisor(d Daemons) *Supervisor {
	if d.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		d.Log = silent
	}
	return &Supervisor{daemons: d, wants: make(chan want, 1), events: make(chan event)}
}

// Ensure reports whether daemons that serve n answer now, so that a configuration of these needs can be given to them. Where
// they do not, it asks Run for them, and returns; Run calls ready when they answer. What runs already goes on, except bgpd
// where it needs another argument: it is started again then, with its last good configuration. An error says that they
// cannot be started here. Ensure and Trim are for one goroutine.
func (s *Supervisor) Ensure(n Needs) (bool, error) {
	if err := s.daemons.possible(n); err != nil {
		return false, fmt.Errorf("start FRR: %w", err)
	}
	if have := s.have.Load(); have != nil && have.covers(n) {
		return true, nil
	}
	s.ask(want{needs: n})
	return false, nil
}

// Trim ends the daemons that n does not need. Call it once a configuration of these needs has been applied, never before: a
// bfdd that ends takes the sessions that it watches down. A bgpd that listens goes on listening until it starts again,
// because that would reset its sessions.
func (s *Supervisor) Trim(n Needs) {
	have := s.have.Load()
	if have == nil || !have.BFD || n.BFD {
		return
	}
	// From here on Ensure knows that bfdd may be gone.
	rest := *have
	rest.BFD = false
	s.have.CompareAndSwap(have, &rest)
	s.ask(want{needs: n, trim: true})
}

// ask leaves w for Run, with the needs or in the place of what it has not taken up yet.
func (s *Supervisor) ask(w want) {
	select {
	case old := <-s.wants:
		if !old.trim && !w.trim {
			w.needs = w.needs.with(old.needs)
		}
	default:
	}
	s.wants <- w
}

// Run starts nothing before Ensure has told what is needed; then, one after the other, mgmtd where this FRR has it, zebra,
// bfdd where it is needed, and bgpd last. One that ends is started again, after a pause that grows from 250 ms to 10 s and
// is forgotten after a minute of life. Daemons that a killed predecessor left running are ended first.
//
// Run calls ready, from its own goroutine, each time all daemons answer again: a restarted daemon may know less than it
// should, so it must be looked at. While ready runs, no daemon is started or stopped.
//
// When ctx ends, Run ends the daemons, bgpd first, each with SIGTERM and after 5 s with SIGKILL, and returns nil. It returns
// an error only where it could not begin: a program or a folder is missing, or a predecessor's daemon does not end. Call it
// once.
func (s *Supervisor) Run(ctx context.Context, ready func()) error {
	if err := s.prepare(ctx); err != nil {
		return fmt.Errorf("start FRR: %w", err)
	}
	defer func() {
		for _, c := range slices.Backward(s.children) {
			c.stop(s.events, func(event) {})
		}
	}()
	up := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-s.wants:
			s.adopt(w, up)
		case e := <-s.events:
			up[e.daemon] = e.up
		}
		if !s.complete(up) {
			s.have.Store(nil)
			continue
		}
		if s.have.Load() == nil {
			needs := s.needs
			s.have.Store(&needs)
			ready()
		}
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
	for _, name := range []string{"bgpd", "staticd", "bfdd", "zebra", "mgmtd"} {
		if err := d.endPredecessor(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// adopt ends the daemons that are in the way of w; complete starts the others. Whoever has asked for more is told ready again,
// even where all of it runs already.
func (s *Supervisor) adopt(w want, up map[string]bool) {
	needs := s.needs.with(w.needs)
	if w.trim {
		needs.BFD = w.needs.BFD
	}
	plans := s.daemons.plans(needs)
	s.needs = needs
	kept := s.children[:0]
	var ended []*child
	for _, c := range s.children {
		if slices.ContainsFunc(plans, c.plan.equal) {
			kept = append(kept, c)
		} else {
			ended = append(ended, c)
		}
	}
	s.children = kept
	for _, c := range slices.Backward(ended) {
		if c.plan.name == "bgpd" {
			s.daemons.Log.WithField("daemon", "bgpd").Info("starting it again for other arguments, which resets its sessions")
		}
		c.stop(s.events, func(e event) { up[e.daemon] = e.up })
		delete(up, c.plan.name)
	}
	if !w.trim {
		s.have.Store(nil)
	} else if s.have.Load() != nil {
		s.have.Store(&needs)
	}
}

// complete reports whether all that is needed answers. Where something does not, it starts the next daemon that is missing,
// once all those before it answer.
func (s *Supervisor) complete(up map[string]bool) bool {
	for _, p := range s.daemons.plans(s.needs) {
		if up[p.name] {
			continue
		}
		if !slices.ContainsFunc(s.children, func(c *child) bool { return c.plan.name == p.name }) {
			s.start(p)
		}
		return false
	}
	return true
}

// start starts a daemon and keeps the children in the order of their start.
func (s *Supervisor) start(p plan) {
	d := s.daemons
	s.children = append(s.children, startChild(p, childSpec{
		name: p.name, command: func() []string { return d.command(p) }, dir: d.runDir(), log: d.Log.WithField("daemon", p.name),
	}, s.events))
}
