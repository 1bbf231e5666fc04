package prove

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/bmp"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/tap"
	"github.com/fairlead/fairlead/verify"
)

// listenAgain is how long to wait before a port that is taken is tried again.
const listenAgain = 5 * time.Second

// open opens the witnesses that there are.
func (p *Prover) open(ctx context.Context, g *errgroup.Group) {
	if p.options.Tap {
		t, err := tap.Open(tap.Config{Port: bgpPort, Refresher: p, Log: p.options.Log})
		switch {
		case errors.Is(err, fs.ErrPermission):
			p.blindness(verify.Wire, "this process may not read packets: give it the capability NET_RAW")
		case err != nil:
			p.blindness(verify.Wire, err.Error())
		default:
			p.mu.Lock()
			p.tap = t
			p.mu.Unlock()
			g.Go(func() error {
				if err := t.Run(ctx); err != nil && ctx.Err() == nil {
					p.blindness(verify.Wire, err.Error())
					p.untap()
				}
				return nil
			})
		}
	} else {
		p.blindness(verify.Wire, "verify.tap is false")
	}
	if p.options.Station == "" {
		p.blindness(verify.Received, "verify.bmp.listen is empty")
		return
	}
	station := bmp.NewStation(bmp.Config{
		Allowed: p.options.Allowed, Observe: p.received, Opened: p.opened,
		Failed: func(source netip.AddrPort, err error) {
			// That this agent ends is no fault of a router.
			if ctx.Err() == nil {
				p.failed(source, err)
			}
		},
	})
	p.mu.Lock()
	p.station = station
	p.mu.Unlock()
	g.Go(func() error { p.serve(ctx, station); return nil })
	if p.options.Fed != nil {
		g.Go(func() error { p.tell(ctx, station); return nil })
	}
}

// untap does without the tap, which has ended: what it knew is true no more.
func (p *Prover) untap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tap, p.news = nil, true
	for _, s := range p.order {
		// The first forgets what was captured, the second says that the session may be there all the same.
		for _, state := range []verify.State{verify.Down, verify.Unknown} {
			s.comparer.Observe(verify.Observation{Session: s.key, Witness: verify.Wire, At: time.Now(), State: state})
		}
	}
	p.look()
	p.askSoon()
}

// serve listens to routers until ctx ends. A port that is taken is tried again.
func (p *Prover) serve(ctx context.Context, station *bmp.Station) {
	for ctx.Err() == nil {
		var config net.ListenConfig
		listener, err := config.Listen(ctx, "tcp", p.options.Station)
		if err == nil {
			p.blindness(verify.Received, "")
			err = station.Serve(ctx, listener)
		}
		if err == nil {
			continue
		}
		p.blindness(verify.Received, err.Error()+": set verify.bmp.listen to another address")
		pause(ctx, listenAgain, nil)
	}
}

// blindness says why a witness cannot be had; "" means that it can. It is logged once.
func (p *Prover) blindness(w verify.Witness, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blind[w] == reason {
		return
	}
	p.news = true
	if p.blind[w] = reason; reason == "" {
		delete(p.blind, w)
		return
	}
	p.options.Log.WithField("witness", w.String()).Warn("a witness is missing, the others are asked: " + reason)
}

// packets gives the tap; nil means that there is none.
func (p *Prover) packets() *tap.Tap {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tap
}

// Refresh implements tap.Refresher.
func (p *Prover) Refresh(ctx context.Context, wanted tap.Session) error {
	p.mu.Lock()
	var key verify.Session
	var families []route.Family
	for _, s := range p.order {
		if s.tap == wanted {
			key, families = s.key, s.neighbor.Families
		}
	}
	p.mu.Unlock()
	if families == nil {
		return nil
	}
	return p.options.FRR.SoftOut(ctx, key.Router, key.Neighbor, families)
}

// capture gives the comparer what the tap has seen of its session. p.mu is held.
func (p *Prover) capture(s *session, now time.Time) {
	view := p.tap.Take(s.tap)
	o := verify.Observation{Session: s.key, Witness: verify.Wire, At: now, Snapshot: view.All, Blocked: view.Closed}
	switch {
	case view.State == tap.Whole:
		o.State = verify.Whole
	case view.State == tap.Learning:
		o.State = verify.Learning
	case view.State == tap.Gap, view.Unseen:
		o.State = verify.Unknown
	default:
		o.State = verify.Down
	}
	routes := view.Changes
	if s.whole && !view.All {
		routes, o.Snapshot = p.tap.Table(s.tap), true
	}
	s.whole = false
	o.Changes = changesOf(routes)
	switch {
	case !view.Unacknowledged.IsZero():
		o.Acknowledged = uint64(view.Unacknowledged.UnixNano()) - 1
	case !view.Sent.IsZero():
		o.Acknowledged = uint64(view.Sent.UnixNano())
	}
	if up := view.State != tap.NoSession; up != s.up {
		// FRR knows the addresses of a session once it is there.
		s.up = up
		p.askSoon()
	}
	// What is silent tells nothing: FRR's later word counts that the session is down, where a link took its end with it.
	if o.Acknowledged != s.acknowledged || !o.Blocked.Equal(s.blocked) || o.Snapshot || len(o.Changes) > 0 || s.comparer.State(verify.Wire) != o.State {
		s.acknowledged, s.blocked, p.news = o.Acknowledged, o.Blocked, true
		s.comparer.Observe(o)
	}
	p.hand(s)
}

// changesOf gives the changes of a table as a Comparer takes them. Routes that share their attributes go on to do so.
func changesOf(routes []tap.Route) []verify.Change {
	known := map[*tap.Attributes]*verify.Attributes{}
	changes := make([]verify.Change, 0, len(routes))
	for _, r := range routes {
		c := verify.Change{Prefix: r.Prefix, Sequence: uint64(r.Sent.UnixNano())}
		if r.Attributes != nil {
			if c.Attributes = known[r.Attributes]; c.Attributes == nil {
				c.Attributes = onWire(r.Attributes)
				known[r.Attributes] = c.Attributes
			}
		}
		changes = append(changes, c)
	}
	return changes
}

func onWire(a *tap.Attributes) *verify.Attributes {
	path := make([]string, len(a.ASPath))
	for i, asn := range a.ASPath {
		path[i] = strconv.FormatUint(uint64(asn), 10)
	}
	text := strings.Join(path, " ")
	if a.Sets {
		// Which of them are members of a set is not kept; nothing that we originate has one.
		text += " {}"
	}
	return &verify.Attributes{
		Origin: verify.Origin(a.Origin), ASPath: text, NextHop: a.NextHop, MED: a.MED, LocalPreference: a.LocalPreference,
		Communities: a.Communities, LargeCommunities: a.LargeCommunities,
	}
}

// watch has the station tell of the sessions whose addresses are known; anew, of all of them from the beginning.
func (p *Prover) watch(anew bool) {
	p.mu.Lock()
	station := p.station
	var watched []bmp.Watched
	var left []*session
	for _, s := range p.order {
		if s.watched && !s.peer.Local.IsValid() {
			left = append(left, s)
		}
		if s.watched = s.peer.Local.IsValid(); s.watched {
			watched = append(watched, bmp.Watched{Session: s.key, Near: bare(s.peer.Local), Far: bare(s.peer.Remote)})
		}
	}
	p.mu.Unlock()
	if station == nil {
		return
	}
	// The station tells of them here and now, so p.mu is free.
	if anew {
		station.Watch(nil)
	}
	station.Watch(watched)
	for _, s := range left {
		// It is not told any more when the neighbor forgets them.
		for _, w := range []verify.Witness{verify.Received, verify.LocRIB} {
			p.received(verify.Observation{Session: s.key, Witness: w, At: time.Now(), Snapshot: true})
		}
	}
}

// bare is an address as a BMP message has it.
func bare(end netip.AddrPort) netip.Addr { return end.Addr().Unmap().WithZone("") }

// received takes what a router tells of its session with us.
func (p *Prover) received(o verify.Observation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sessions[o.Session]; s != nil {
		s.comparer.Observe(o)
		p.news = true
		p.look()
	}
}

// opened takes the OPENs of a session that FRR on this machine tells of.
func (p *Prover) opened(o bmp.Opening) {
	if !o.Here {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	const most = 4096
	of := ends{o.Near, o.Far}
	if len(p.openings) >= most && p.openings[of] == nil {
		// So many are of sessions that are long gone.
		clear(p.openings)
	}
	p.openings[of] = &opening{sent: o.Sent, received: o.Received}
	p.look()
}

// hand hands the OPENs of a session on to the tap, which may not have seen them. p.mu is held.
func (p *Prover) hand(s *session) {
	if len(p.openings) == 0 || !s.peer.Local.IsValid() {
		return
	}
	o := p.openings[ends{bare(s.peer.Local), bare(s.peer.Remote)}]
	if o == nil || o.told {
		return
	}
	o.told = true
	if err := p.tap.Opens(s.tap, o.sent, o.received); err != nil {
		p.options.Log.WithField("neighbor", s.key.Neighbor).WithError(err).Warn("the OPENs that FRR tells of are not used")
	}
}

const (
	// askEvery is how often FRR is asked how its sessions are, or more often where its claims are wanted so; askAgain is how soon
	// after the last time at the earliest.
	askEvery = 5 * time.Second
	askAgain = time.Second
	// gently is how many times longer than asking took the pause after it is.
	gently = 10
	// explained is how many missing routes are explained at a time.
	explained = 20
	// explainAgain is how long what was found out of one is taken for true: what it waits for changes.
	explainAgain = 15 * time.Second
)

// ask asks FRR again and again until ctx ends.
func (p *Prover) ask(ctx context.Context) {
	every := askEvery
	if p.options.Claims > 0 {
		every = max(askAgain, min(askEvery, p.options.Claims))
	}
	for {
		start := time.Now()
		sessions := p.meetAll(ctx)
		took := time.Since(start)
		p.askMore(ctx, sessions)
		if ctx.Err() == nil {
			p.unheard(time.Now())
		}
		// Where a session comes or goes, FRR knows more of it than the wire.
		soonest := max(askAgain, took)
		if !pause(ctx, soonest, nil) || !pause(ctx, max(every, gently*took)-soonest, p.poll) {
			return
		}
	}
}

// pause waits, until sooner says something. It reports false where ctx has ended.
func pause(ctx context.Context, d time.Duration, sooner <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-sooner:
	}
	return true
}

// meetAll asks FRR how its sessions are.
func (p *Prover) meetAll(ctx context.Context) []*session {
	sessions := p.all()
	peers := map[string][]frr.Neighbor{}
	for _, s := range sessions {
		if _, asked := peers[s.key.Router]; asked {
			continue
		}
		at := time.Now()
		found, err := p.options.FRR.Neighbors(ctx, s.key.Router)
		if err != nil {
			// FRR is not there, or has no such router yet: nothing is known of it.
			found = nil
		}
		peers[s.key.Router] = found
		p.meet(s.key.Router, found, at, err == nil)
		p.answered(s.key.Router, err, at)
	}
	p.watch(false)
	return sessions
}

// answered takes whether FRR has said how the sessions of a router are.
func (p *Prover) answered(router string, err error, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.order {
		if s.key.Router == router {
			s.unmet.heard(err, at)
		}
	}
}

// askMore asks FRR for its claims where nobody else sees the whole, and why routes are missing. Of each session it does so at its
// own pace, so that a table that takes long to list, or many routes that are missing, hide no session that goes down.
func (p *Prover) askMore(ctx context.Context, sessions []*session) {
	for _, s := range sessions {
		if ctx.Err() != nil {
			return
		}
		p.claim(ctx, s)
		p.explain(ctx, s)
	}
}

func (p *Prover) all() []*session {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.order
}

// meet takes what FRR says of the sessions of a router.
func (p *Prover) meet(router string, found []frr.Neighbor, at time.Time, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	byName := map[string]frr.Neighbor{}
	for _, n := range found {
		byName[n.String()] = n
	}
	for _, s := range p.order {
		if s.key.Router != router {
			continue
		}
		n, there := byName[s.key.Neighbor]
		before := s.peer
		s.peer, s.asked = n, at
		state := verify.Unknown
		switch {
		case !known:
			s.asked, s.peer.Local, s.peer.Remote = time.Time{}, before.Local, before.Remote
		case !there || n.State != frr.Established:
			state = verify.Down
		case s.comparer.State(verify.Claim) != verify.Down && !s.comparer.Seen():
			// Its claims are still what stands in.
			state = s.comparer.State(verify.Claim)
		}
		if there && n.State == frr.Established {
			s.comparer.Own(at, n.NextHops...)
		}
		if state != s.comparer.State(verify.Claim) || state == verify.Down {
			s.comparer.Observe(verify.Observation{Session: s.key, Witness: verify.Claim, At: at, State: state, Snapshot: true})
		}
		p.news = true
	}
	p.look()
}

// claim asks FRR for all that it claims to have sent over a session, where that is due and nobody else sees the whole.
func (p *Prover) claim(ctx context.Context, s *session) {
	p.mu.Lock()
	peer, prepended := s.peer, s.options.Prepended
	needed := !s.comparer.Seen() && !s.asked.IsZero() && peer.State == frr.Established && p.sessions[s.key] == s
	due := !time.Now().Before(s.claim) || s.comparer.Waits(time.Now())
	if !needed {
		s.unclaimed = silence{}
	}
	p.mu.Unlock()
	if !needed || !due {
		return
	}
	start := time.Now()
	o, err := Claim(ctx, p.options.FRR, s.key, peer, prepended)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.unclaimed.heard(err, start)
	s.claim = time.Now().Add(max(p.options.Claims, gently*time.Since(start)))
	if err == nil && p.sessions[s.key] == s {
		s.comparer.Observe(o)
		p.news = true
		p.look()
	}
}

// explain finds out why routes are missing, some at a time.
func (p *Prover) explain(ctx context.Context, s *session) {
	p.mu.Lock()
	missing := s.comparer.Unexplained(explained, time.Now().Add(-explainAgain))
	if missing == nil {
		s.unexplained = silence{}
	}
	p.mu.Unlock()
	if missing == nil || time.Now().Before(s.why) {
		return
	}
	start := time.Now()
	facts, err := Facts(ctx, p.options.FRR, s.key, missing...)
	p.mu.Lock()
	defer p.mu.Unlock()
	s.unexplained.heard(err, start)
	s.why = time.Now().Add(gently * time.Since(start))
	if err != nil {
		return
	}
	for i, prefix := range missing {
		facts[i].Blocked = !s.comparer.Blocked(time.Now()).IsZero()
		s.comparer.Explain(prefix, verify.Why(facts[i]), start)
	}
	p.news = true
	p.look()
}
