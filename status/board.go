package status

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// DefaultBound is how long a loop may go without moving before it counts as stuck. Every run of vtysh ends within a minute, and
// an apply that goes wrong in each of its steps takes several of them: what lasts longer than this waits for something that
// nobody will do.
const DefaultBound = 5 * time.Minute

// Board holds the current State. Those who have news publish the next one, and those who tell about it read it without
// waiting. All its methods may be called from any goroutine. The zero Board is not usable; make one with New.
type Board struct {
	// publishing is held while the next State is made from the last one.
	publishing sync.Mutex
	state      atomic.Pointer[State]
	// audit wishes for an audit, or is nil; audited is closed and replaced when one was made, or could not be.
	audit   func()
	audited chan struct{}
}

// Options are what New needs to know.
type Options struct {
	// Node is the name of the Kubernetes node.
	Node string
	// Version is that of the agent.
	Version string
	// Bound is how long the loop may go without moving before it counts as stuck; 0 means DefaultBound.
	Bound time.Duration
	// Audit asks the loop for an audit and returns at once; nil means that nobody may wish for one.
	Audit func()
}

// New gives the Board of an agent that starts now and knows nothing yet.
func New(o Options) *Board {
	now := time.Now()
	first := &State{
		Node:      o.Node,
		Version:   o.Version,
		Started:   now,
		Loop:      Loop{Moved: now, Bound: cmp.Or(o.Bound, DefaultBound).Seconds()},
		Sources:   []Source{},
		Objects:   []Count{},
		Routers:   []Router{},
		Neighbors: []Neighbor{},
		Skipped:   []reduce.Skipped{},
		Warnings:  []reduce.Warning{},
		Audit:     Audit{Counts: countsOf(nil), Statements: []Drift{}},
		Proof:     Proof{Sessions: []Session{}, Blind: []Blindness{}},
		Station:   []Feed{},
	}
	for i, stage := range stages {
		first.Stages[i].Stage = stage
	}
	first.Conditions = conditionsOf(first, nil, now)
	b := &Board{audit: o.Audit, audited: make(chan struct{})}
	b.state.Store(first)
	return b
}

// State gives the current State, which is not to be changed.
func (b *Board) State() *State { return b.state.Load() }

// publish replaces the State by a copy that change has changed. What change puts into it belongs to it from then on.
func (b *Board) publish(now time.Time, change func(next *State)) {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	next := *b.state.Load()
	change(&next)
	next.Conditions = conditionsOf(&next, next.Conditions, now)
	b.state.Store(&next)
}

// Configured says that the version of that digest of the operator's files, whose configuration is at path file, is in force.
// It does not say that it is the latest one: what Misconfigured said stays. The digest must not tell anything of a password.
func (b *Board) Configured(file, digest string) {
	now := time.Now()
	b.publish(now, func(next *State) {
		c := &next.Configuration
		if c.File == "" || c.Digest != digest {
			c.Since = now
		}
		c.File, c.Digest = file, digest
	})
}

// Misconfigured says why the latest version of the operator's files is not in force, or by nil that it is, or says the same as
// the one that is. What is in force stays. A new reason does not move the time since when the latest version is broken.
func (b *Board) Misconfigured(reason error) {
	now := time.Now()
	b.publish(now, func(next *State) {
		c := &next.Configuration
		switch {
		case reason == nil:
			c.BrokenSince = time.Time{}
		case c.Broken == "":
			c.BrokenSince = now
		}
		c.Broken = textOf(reason)
	})
}

// Follow says how the sources are, all of them, each time in the same order. The slice belongs to the Board from then on.
func (b *Board) Follow(sources []Source) {
	if slices.Equal(sources, b.State().Sources) {
		return
	}
	b.publish(time.Now(), func(next *State) { next.Sources = list(sources) })
}

// Told says how many Events were written to Kubernetes since the start, and how many were given up.
func (b *Board) Told(e Events) {
	if e == b.State().Events {
		return
	}
	b.publish(time.Now(), func(next *State) { next.Events = e })
}

// Move says that the loop that makes the passes is alive, where it has no pass to make: while sources are read, for example.
func (b *Board) Move() {
	now := time.Now()
	b.publish(now, func(next *State) { next.move(now, false, "") })
}

// Begin says that a pass begins. There is one at a time.
func (b *Board) Begin() *Pass {
	now := time.Now()
	b.publish(now, func(next *State) { next.move(now, true, "") })
	return &Pass{board: b, began: now, outcome: Waiting, wait: ForFRR}
}

// move says where the loop is.
func (s *State) move(now time.Time, busy bool, stage Stage) {
	s.Loop.Busy, s.Loop.Stage, s.Loop.Moved = busy, stage, now
}

// Pass is one pass that is under way. Its methods are called by the goroutine that makes the pass. The zero Pass is not usable;
// Board.Begin gives one.
type Pass struct {
	board          *Board
	began, entered time.Time
	stage          Stage
	// outcome is what it will be where no error ends the pass, and wait what for where that is Waiting.
	outcome Outcome
	wait    Wait
}

// Enter says that the pass goes on to a stage, and has left the one before.
func (p *Pass) Enter(stage Stage) {
	now := time.Now()
	p.board.publish(now, func(next *State) {
		p.leave(next, now)
		next.move(now, true, stage)
	})
	p.stage, p.entered = stage, now
}

// leave times the stage that the pass is in, where it is in one.
func (p *Pass) leave(next *State, now time.Time) {
	for i := range next.Stages {
		if next.Stages[i].Stage == p.stage {
			next.Stages[i].observe(now.Sub(p.entered))
		}
	}
}

// Reduced says what the pass was given and what it wants. Nothing of them is copied that grows with the number of objects.
func (p *Pass) Reduced(given reduce.Snapshot, wanted reduce.Result) {
	objects := objectsOf(given)
	routers, neighbors := speakerOf(wanted.Speaker)
	p.board.publish(time.Now(), func(next *State) {
		next.Objects, next.Routers, next.Neighbors = objects, routers, neighbors
		next.Skipped, next.Warnings = list(wanted.Skipped), list(wanted.Warnings)
	})
}

// Applied says how an apply went: how many lines it changed and how many sessions it took down by that, or what FRR refused.
func (p *Pass) Applied(lines, resets int, err error) {
	now := time.Now()
	p.board.publish(now, func(next *State) {
		a := &next.Applies
		switch {
		case err != nil:
			a.Failed++
			a.Error, a.Erred = textOf(err), now
		case lines == 0:
			a.Unchanged++
		default:
			a.Changed++
			a.Lines += uint64(lines)
			a.Resets += uint64(resets)
			a.Last = Change{Time: now, Lines: lines, Resets: resets}
		}
	})
	switch {
	case err != nil:
	case lines > 0:
		p.outcome = Changed
	case p.outcome == Waiting:
		p.outcome = Unchanged
	}
}

// Waits says what the pass waits for, where it ends without an error and without an apply that went well: ForFRR where nobody
// says so. The last one counts.
func (p *Pass) Waits(reason Wait) { p.wait = reason }

// End says that the pass is over, and with what error. Without one, and without an apply that went well, it waits for what
// Waits said.
func (p *Pass) End(err error) {
	now := time.Now()
	if err != nil {
		p.outcome = Failed
	}
	p.board.publish(now, func(next *State) {
		p.leave(next, now)
		next.move(now, false, "")
		passes := &next.Passes
		*passes.counter(p.outcome)++
		passes.Outcome, passes.Wait, passes.Error, passes.Ended = p.outcome, "", textOf(err), now
		if p.outcome == Waiting {
			passes.Wait = p.wait
		}
		passes.Duration.observe(now.Sub(p.began))
	})
}

// counter gives the one that counts passes of that outcome.
func (p *Passes) counter(o Outcome) *uint64 {
	switch o {
	case Changed:
		return &p.Changed
	case Unchanged:
		return &p.Unchanged
	case Waiting:
		return &p.Waiting
	default:
		return &p.Failed
	}
}

// textOf gives the text of err, or "" for nil.
func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// objectsOf counts the objects of a snapshot, by their kinds in Kubernetes.
func objectsOf(s reduce.Snapshot) []Count {
	return []Count{
		{"IptablesEIP", len(s.EIPs)},
		{"Node", len(s.Nodes)},
		{"Pod", len(s.Pods)},
		{"Secret", len(s.Secrets)},
		{"Service", len(s.Services)},
		{"Subnet", len(s.Subnets)},
		{"VpcNatGateway", len(s.Gateways)},
	}
}

// speakerOf gives what a State tells of a Speaker.
func speakerOf(s route.Speaker) ([]Router, []Neighbor) {
	routers, neighbors := make([]Router, 0, len(s.Routers)), []Neighbor{}
	for _, r := range s.Routers {
		all := countRoutes(r.Routes, func(*route.Route) bool { return true })
		routers = append(routers, Router{Name: r.Name, ASN: r.ASN, RouterID: r.RouterID, Routes: all})
		// Neighbors of one audience are told the same, and are counted for once.
		told := make(map[route.Audience]Routes)
		for _, n := range r.Neighbors {
			routes, known := told[n.Audience]
			if !known {
				routes = countRoutes(r.Routes, func(r *route.Route) bool { return slices.Contains(r.To, n.Audience) })
				told[n.Audience] = routes
			}
			if !n.Speaks(route.IPv4Unicast) {
				routes.IPv4 = 0
			}
			if !n.Speaks(route.IPv6Unicast) {
				routes.IPv6 = 0
			}
			neighbors = append(neighbors, Neighbor{
				Router: r.Name, Name: n.Name, Address: n.Address, Interface: n.Interface,
				RemoteAS: n.RemoteAS, Families: list(n.Families), Routes: routes,
			})
		}
	}
	return routers, neighbors
}

// countRoutes counts those that are meant.
func countRoutes(routes []route.Route, meant func(*route.Route) bool) Routes {
	var count Routes
	for i := range routes {
		switch r := &routes[i]; {
		case !meant(r):
		case r.Prefix.Addr().Is4():
			count.IPv4++
		default:
			count.IPv6++
		}
	}
	return count
}

// list gives s, and an empty list where it is nil.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
