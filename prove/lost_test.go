package prove

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/bmp"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/verify"
)

var far = verify.Session{Neighbor: "192.0.2.2"}

// following is a Prover of one session, with one route and a station.
func following(t *testing.T) *Prover {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	p := New(Options{FRR: silent{}, Log: log, Changed: func([]time.Duration) {}})
	p.station = bmp.NewStation(bmp.Config{Observe: p.received})
	if p.Intended() {
		t.Error("it knows what to tell before it was said")
	}
	p.Intend(speakerOf("10.16.0.1/32"), time.Now(), true)
	p.takeOver()
	if !p.Intended() {
		t.Error("it does not know what to tell")
	}
	return p
}

// see has a witness see the route.
func (p *Prover) see(w verify.Witness) {
	p.received(verify.Observation{Session: far, Witness: w, At: time.Now(), State: verify.Whole, Snapshot: true, Changes: []verify.Change{
		{Prefix: netip.MustParsePrefix("10.16.0.1/32"), Attributes: &verify.Attributes{ASPath: "65000"}, Sequence: 1},
	}})
}

// knows is what a witness knows of the session.
func (p *Prover) knows(w verify.Witness) verify.State {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions[far].comparer.State(w)
}

// said is what FRR says of the session where it has this state.
func said(state string) []frr.Neighbor {
	n := frr.Neighbor{Peer: frr.Peer{Address: netip.MustParseAddr(far.Neighbor)}, State: state}
	if state == frr.Established {
		n.Local, n.Remote = netip.MustParseAddrPort("192.0.2.1:179"), netip.MustParseAddrPort("192.0.2.2:40000")
	}
	return []frr.Neighbor{n}
}

// TestUntap: what a tap knew that has ended is no proof of anything.
func TestUntap(t *testing.T) {
	p := following(t)
	p.see(verify.Wire)
	if r := p.Sessions(0)[0].Report; !r.Agrees() || p.knows(verify.Wire) != verify.Whole {
		t.Fatalf("before it stands so: %+v", r)
	}
	p.untap()
	if r := p.Sessions(0)[0].Report; r.Agrees() || r.Unacknowledged != 0 || p.knows(verify.Wire) != verify.Unknown {
		t.Errorf("it stands so: %+v", r)
	}
}

// TestUnwatched: what the station told of a session that FRR has not any more is known no more, but where FRR only does not answer
// it goes on.
func TestUnwatched(t *testing.T) {
	p := following(t)
	step := func(found []frr.Neighbor, known bool, want verify.State) {
		t.Helper()
		p.meet("", found, time.Now(), known)
		p.watch(false)
		if got := p.knows(verify.Received); got != want {
			t.Errorf("the neighbor's word is %s, want %s", got, want)
		}
	}
	step(said(frr.Established), true, verify.Unknown)
	p.see(verify.Received)
	step(said(frr.Established), true, verify.Whole)
	step(nil, false, verify.Whole)
	step(said(frr.Established), true, verify.Whole)
	step(said("Idle"), true, verify.Unknown)
}

// TestOpened: the OPENs of a session are taken from this machine alone, and those of ever new sessions have a bound.
func TestOpened(t *testing.T) {
	p := following(t)
	near := netip.MustParseAddr("192.0.2.1")
	p.opened(bmp.Opening{Source: netip.MustParseAddrPort("192.0.2.9:1"), Near: near, Far: near})
	if len(p.openings) != 0 {
		t.Error("they are taken from elsewhere")
	}
	other := near
	for range 10_000 {
		other = other.Next()
		p.opened(bmp.Opening{Source: netip.MustParseAddrPort("192.0.2.1:1"), Here: true, Near: near, Far: other})
	}
	if n := len(p.openings); p.openings[ends{near, other}] == nil || n > 4096 {
		t.Errorf("%d are kept, and the last one is not among them", n)
	}
}
