package prove

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/bmp"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/tap"
	"github.com/fairlead/fairlead/verify"
)

// Options are what a Prover works with; they must not change afterwards.
type Options struct {
	// FRR is asked for its word.
	FRR FRR
	// Deadline is how long a route may be on its way; 0 means verify.DefaultDeadline.
	Deadline time.Duration
	// Tap has the packets of the sessions read, where this process may (NET_RAW).
	Tap bool
	// Claims is how often FRR is asked for all that it claims to have sent, where no other witness sees the whole.
	Claims time.Duration
	// Station is host:port where routers are listened to; "" means none. Allowed are the sources that may connect; empty means
	// this machine alone.
	Station string
	Allowed []netip.Prefix
	// Log is told which witnesses there are.
	Log logrus.FieldLogger
	// Changed is called when a session may stand otherwise than before, not more often than each 100 ms, with how long each route
	// that was proven since the last call took, from the decision to announce it. It may call the Prover.
	Changed func(proven []time.Duration)
	// Fed is told every few seconds of the routers that feed the station, and those that did or were refused; nil tells nobody.
	Fed func([]bmp.Router)
}

// Prover follows the sessions of a node. Its methods may be called from any goroutine.
type Prover struct {
	options Options
	// wake holds at most one wish to look again, poll one to ask FRR, and unfed one to tell of the station.
	wake, poll, unfed chan struct{}

	mu      sync.Mutex
	tap     *tap.Tap
	station *bmp.Station
	blind   map[verify.Witness]string
	intent  *intent
	// intended says that it was said once what the node should announce; grace is what Settle was told.
	intended bool
	grace    verify.Grace
	sessions map[verify.Session]*session
	// order is that of the speaker.
	order []*session
	// openings are those that FRR on this machine has told, of each session the last, until they are handed on.
	openings map[ends]*opening
	// complaints are those about routers that feed the station.
	complaints complaints
	proven     []time.Duration
	news       bool
}

// intent is what is yet to be taken over.
type intent struct {
	speaker route.Speaker
	at      time.Time
	whole   bool
}

// ends are the addresses of a session.
type ends struct{ near, far netip.Addr }

type opening struct {
	sent, received []byte
	told           bool
}

// session is one that this node should hold.
type session struct {
	key      verify.Session
	tap      tap.Session
	router   route.Router
	neighbor route.Neighbor
	options  verify.Options
	comparer *verify.Comparer
	// whole has the tap's whole table taken over, because the comparer knows nothing of it.
	whole bool
	// up is whether the tap saw a session the last time.
	up bool
	// acknowledged and blocked are what the tap said the last time.
	acknowledged uint64
	blocked      time.Time
	// peer is what FRR said of it at asked, the zero Time where it did not yet, or does not any more: then only the addresses are
	// kept.
	peer  frr.Neighbor
	asked time.Time
	// watched says that the station tells of it.
	watched bool
	// claim is when FRR is asked the next time for all that it has sent.
	claim time.Time
	// why is when FRR is asked the next time at the earliest why routes are missing.
	why time.Time
	// unmet, unclaimed and unexplained are FRR's silence to how the session is, what it has sent, and why routes are missing.
	unmet, unclaimed, unexplained silence
}

const (
	// told is how often Changed is called at most.
	told = 100 * time.Millisecond
	// many is from how many routes on it matters that FRR takes routeTime for one: 0.2 ms on FRR 8.4, more where others are busy.
	many      = 1000
	routeTime = 500 * time.Microsecond
	// bgpPort is that of bgpd (RFC 4271, section 8.2.2), where a neighbor connects to us.
	bgpPort = 179
)

// New gives a Prover that follows nothing before Run.
func New(o Options) *Prover {
	return &Prover{
		options: o, wake: make(chan struct{}, 1), poll: make(chan struct{}, 1), unfed: make(chan struct{}, 1),
		blind: map[verify.Witness]string{}, sessions: map[verify.Session]*session{}, openings: map[ends]*opening{}, complaints: complaints{},
	}
}

// Intend says what the node should announce from now on, decided at that time. Where that is not the whole, because not all is
// known yet, what FRR announces beside it stays and counts as passed on. It does not wait.
func (p *Prover) Intend(s route.Speaker, at time.Time, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intent, p.intended = &intent{speaker: s, at: at, whole: whole}, true
	p.look()
}

// Intended reports whether Intend was called: before that nobody knows what neighbors should be told.
func (p *Prover) Intended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.intended
}

// Settle says that a policy changes: what is intended at that time and later may take until another (verify.Grace).
func (p *Prover) Settle(at, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.grace.Extend(at, until)
	for _, s := range p.order {
		s.comparer.Settle(at, until)
	}
}

// Takes is how much longer than one FRR may take for so many routes that change at once.
func Takes(routes int) time.Duration {
	if routes < many {
		return 0
	}
	return time.Duration(routes) * routeTime
}

// Run follows the sessions until ctx ends. A witness that cannot be had is no error: the others are asked.
func (p *Prover) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	p.open(ctx, g)
	g.Go(func() error { p.ask(ctx); return nil })
	g.Go(func() error { p.follow(ctx); return nil })
	return g.Wait()
}

// follow takes over what is intended and what is observed, as it comes.
func (p *Prover) follow(ctx context.Context) {
	var packets <-chan struct{}
	if t := p.packets(); t != nil {
		packets = t.Changed()
	}
	due := time.NewTimer(0)
	defer due.Stop()
	var last time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		case <-packets:
		case <-due.C:
		}
		p.takeOver()
		next, proven, news := p.observe(time.Now())
		now := time.Now()
		if news {
			if wait := last.Add(told).Sub(now); wait > 0 {
				p.defers(proven)
				next = earlier(next, now.Add(wait))
			} else {
				last = now
				p.options.Changed(proven)
			}
		}
		if next.IsZero() {
			next = now.Add(time.Minute)
		}
		due.Reset(max(0, next.Sub(now)))
	}
}

// defers has what is not told yet told the next time.
func (p *Prover) defers(proven []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.news = true
	p.proven = append(proven, p.proven...)
}

// observe takes over what the tap has seen, and judges what is due. It gives when that is so the next time.
func (p *Prover) observe(now time.Time) (next time.Time, proven []time.Duration, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.order {
		if p.tap != nil {
			p.capture(s, now)
		}
		before := s.comparer.Next()
		s.comparer.Advance(now)
		after := s.comparer.Next()
		p.news = p.news || !before.Equal(after)
		if !after.IsZero() {
			next = earlier(next, after)
		}
	}
	proven, news = p.proven, p.news
	p.proven, p.news = nil, false
	return next, proven, news
}

// takeOver takes over what is intended, where that is new.
func (p *Prover) takeOver() {
	p.mu.Lock()
	i := p.intent
	p.intent = nil
	if i == nil {
		p.mu.Unlock()
		return
	}
	changed := p.intend(i)
	follow := make([]tap.Session, 0, len(p.order))
	for _, s := range p.order {
		follow = append(follow, s.tap)
	}
	packets := p.tap
	p.mu.Unlock()
	if !changed {
		return
	}
	if packets != nil {
		if err := packets.Follow(follow); err != nil {
			p.options.Log.WithError(err).Error("the packets of the sessions are not read")
		}
	}
	p.watch(true)
	p.askSoon()
}

// intend takes over a speaker, and reports whether there are other sessions than before.
func (p *Prover) intend(i *intent) bool {
	before := p.sessions
	p.sessions, p.order, p.news = map[verify.Session]*session{}, nil, true
	changed := false
	for _, r := range i.speaker.Routers {
		for _, n := range r.Neighbors {
			key := verify.Session{Router: r.Name, Neighbor: n.ID()}
			s := before[key]
			options, packets := p.optionsFor(r, n, i.whole), tapOf(n)
			if s == nil || !sameOptions(s.options, options) || s.tap != packets {
				s = &session{
					key: key, tap: packets, options: options, comparer: verify.NewComparer(key, options), whole: true,
				}
				changed = true
			}
			delete(before, key)
			if changes := route.DiffAdjRIBOut(s.router, s.neighbor, r, n); len(changes) > 0 {
				if takes := Takes(len(changes)); takes > 0 {
					s.comparer.Settle(i.at, time.Now().Add(takes+cmp.Or(p.options.Deadline, verify.DefaultDeadline)))
				}
				s.comparer.Intend(i.at, changes)
			}
			s.router, s.neighbor = r, n
			p.sessions[key], p.order = s, append(p.order, s)
		}
	}
	return changed || len(before) > 0
}

// optionsFor gives what a comparer must know of a session.
func (p *Prover) optionsFor(r route.Router, n route.Neighbor, whole bool) verify.Options {
	o := verify.Options{Deadline: p.options.Deadline, Grace: p.grace, Proven: func(took time.Duration, _ verify.Proof) {
		p.proven = append(p.proven, took)
	}}
	if !n.RemoteAS.IsInternal(r.ASN) {
		o.Prepended = r.ASN
		if n.LocalAS != 0 {
			o.Prepended = n.LocalAS
		}
	}
	o.Transit.Any = !whole
	for _, from := range r.Neighbors {
		if !slices.Contains(n.Transit, from.TransitName()) {
			continue
		}
		if asn, known := from.RemoteAS.Number(); known && asn != r.ASN {
			o.Transit.From = append(o.Transit.From, asn)
		} else {
			o.Transit.Any = true
		}
	}
	return o
}

func sameOptions(a, b verify.Options) bool {
	return a.Deadline == b.Deadline && a.Prepended == b.Prepended && a.Transit.Any == b.Transit.Any && slices.Equal(a.Transit.From, b.Transit.From)
}

// tapOf says which packets are those of a neighbor.
func tapOf(n route.Neighbor) tap.Session {
	s := tap.Session{Neighbor: n.Address, Interface: n.Interface, Source: n.Source, Port: n.Port}
	if s.Port == 0 {
		s.Port = bgpPort
	}
	if s.Interface != "" {
		s.Neighbor = netip.Addr{}
	}
	return s
}

// look has the sessions looked at again. p.mu is held or not.
func (p *Prover) look() { wish(p.wake) }

// askSoon has FRR asked again.
func (p *Prover) askSoon() { wish(p.poll) }

// wish leaves a wish in a channel that holds one, where none waits there.
func wish(of chan<- struct{}) {
	select {
	case of <- struct{}{}:
	default:
	}
}

// earlier gives the earlier of two times; the zero Time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}
