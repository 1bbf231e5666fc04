package prove

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// Standing is how one session stands.
type Standing struct {
	Session verify.Session
	// Neighbor is the session as it should be.
	Neighbor route.Neighbor
	// Routes are those that its router originates, sorted by prefix; they are shared.
	Routes []route.Route
	// Peer is what FRR said of it at Asked; the zero Time means that it said nothing yet.
	Peer  frr.Neighbor
	Asked time.Time
	// Report is what was proven of it.
	Report verify.Report
}

// Sessions gives how each session of the node stands, in the order of the speaker. Their reports have at most so many open
// routes; 0 means all.
func (p *Prover) Sessions(most int) []Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	all := make([]Standing, 0, len(p.order))
	for _, s := range p.order {
		all = append(all, Standing{
			Session: s.key, Neighbor: s.neighbor, Routes: s.router.Routes, Peer: s.peer, Asked: s.asked, Report: s.comparer.Report(now, most),
		})
	}
	return all
}

// AdjRIBOut gives what there is to say about each route of a session, sorted by prefix; false means that there is no such
// session.
func (p *Prover) AdjRIBOut(key verify.Session) ([]verify.Verdict, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.sessions[key]
	if s == nil {
		return nil, false
	}
	s.comparer.Advance(time.Now())
	return slices.SortedFunc(s.comparer.All(), func(a, b verify.Verdict) int { return route.ComparePrefixes(a.Prefix, b.Prefix) }), true
}

// Told is what a session was told of one prefix.
type Told struct {
	Session verify.Session
	Verdict verify.Verdict
}

// Told gives what each session was told, or should be, of a prefix; in the order of the speaker.
func (p *Prover) Told(prefix netip.Prefix) []Told {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var all []Told
	for _, s := range p.order {
		s.comparer.Advance(now)
		if v, is := s.comparer.Verdict(prefix); is {
			all = append(all, Told{s.key, v})
		}
	}
	return all
}

// Await waits until it is known what neighbors should be told, no route is on its way any more and each session has been compared,
// or ctx ends, and reports whether it is so.
func (p *Prover) Await(ctx context.Context) bool {
	for !p.settled() {
		if !pause(ctx, told, nil) {
			return false
		}
	}
	return true
}

func (p *Prover) settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.intended || p.intent != nil {
		return false
	}
	now := time.Now()
	return !slices.ContainsFunc(p.order, func(s *session) bool {
		s.comparer.Advance(now)
		return !s.comparer.Whole() || s.comparer.Routes(verify.Pending)+s.comparer.Routes(verify.NotComparable) > 0
	})
}

// Blind says of each witness that cannot be had why; it may be changed.
func (p *Prover) Blind() map[verify.Witness]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.blind)
}
