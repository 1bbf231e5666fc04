package prove

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// silent is an FRR that does not answer.
type silent struct{}

var errSilent = errors.New("bgpd is not running")

func (silent) Neighbors(context.Context, string) ([]frr.Neighbor, error) { return nil, errSilent }

func (silent) AdvertisedRoutes(context.Context, string, route.Family, frr.Peer) ([]frr.Advertised, error) {
	return nil, errSilent
}

func (silent) SoftOut(context.Context, string, string, []route.Family) error { return errSilent }

func (silent) Own(context.Context, string, netip.Prefix) (frr.Originated, bool, error) {
	return frr.Originated{}, false, errSilent
}

func speakerOf(prefixes ...string) route.Speaker {
	r := route.Router{ASN: 65000, Neighbors: []route.Neighbor{{
		Address: netip.MustParseAddr("192.0.2.2"), RemoteAS: route.RemoteASN(65001), Families: []route.Family{route.IPv4Unicast}, Audience: route.Everyone,
	}}}
	for _, p := range prefixes {
		r.Routes = append(r.Routes, route.Route{Prefix: netip.MustParsePrefix(p), To: []route.Audience{route.Everyone}})
	}
	return route.Speaker{Routers: []route.Router{r}}
}

// TestIntent: what is intended is compared change by change, a session that goes is forgotten, and one that comes back knows
// nothing. While not all is known, what a neighbor was told beside it is no drift.
func TestIntent(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	p := New(Options{FRR: silent{}, Log: log, Changed: func([]time.Duration) {}})
	key := verify.Session{Neighbor: "192.0.2.2"}
	now := time.Now()
	wire := func(prefixes ...string) {
		o := verify.Observation{Session: key, Witness: verify.Wire, At: now, State: verify.Whole, Snapshot: true}
		for _, text := range prefixes {
			o.Changes = append(o.Changes, verify.Change{Prefix: netip.MustParsePrefix(text), Attributes: &verify.Attributes{ASPath: "65000"}})
		}
		p.received(o)
	}
	intend := func(s route.Speaker, whole bool) {
		p.Intend(s, now, whole)
		p.takeOver()
	}
	expect := func(what string, want ...string) {
		t.Helper()
		p.observe(now.Add(time.Minute))
		var got []string
		table, _ := p.AdjRIBOut(key)
		for _, v := range table {
			got = append(got, v.Prefix.String()+" "+v.Kind.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	intend(speakerOf("10.16.0.1/32", "10.16.0.2/32"), true)
	expect("with no witness", "10.16.0.1/32 not-comparable", "10.16.0.2/32 not-comparable")
	wire("10.16.0.1/32", "10.16.0.9/32")
	expect("on the wire", "10.16.0.1/32 announced", "10.16.0.2/32 missing", "10.16.0.9/32 unexpected")
	intend(speakerOf("10.16.0.1/32", "10.16.0.9/32"), true)
	expect("with another intent", "10.16.0.1/32 announced", "10.16.0.9/32 announced")
	intend(route.Speaker{}, true)
	if got := p.Sessions(0); len(got) != 0 {
		t.Errorf("a session that is gone stands so: %v", got)
	}
	// A router that tells of it later is not listened to.
	wire("10.16.0.1/32")
	intend(speakerOf("10.16.0.1/32"), false)
	expect("again", "10.16.0.1/32 not-comparable")
	wire("10.16.0.1/32", "10.16.0.9/32")
	expect("while not all is known", "10.16.0.1/32 announced", "10.16.0.9/32 transit")
	intend(speakerOf("10.16.0.1/32"), true)
	wire("10.16.0.1/32", "10.16.0.9/32")
	expect("when all is known", "10.16.0.1/32 announced", "10.16.0.9/32 unexpected")
}

// TestUnseen: a session that nobody sees whole is neither settled nor agreed with, also where it should be told nothing.
func TestUnseen(t *testing.T) {
	p := New(Options{FRR: silent{}, Log: logrus.New()})
	now := time.Now()
	p.Intend(speakerOf(), now, true)
	p.takeOver()
	for _, state := range []verify.State{verify.Unknown, verify.Learning, verify.Whole} {
		p.received(verify.Observation{Session: verify.Session{Neighbor: "192.0.2.2"}, Witness: verify.Wire, At: now, State: state})
		want := state == verify.Whole
		if settled, agrees := p.settled(), p.Sessions(0)[0].Report.Agrees(); settled != want || agrees != want {
			t.Errorf("where its witness is %s it is settled %t and agrees %t", state, settled, agrees)
		}
	}
}

// TestSettle: a policy that FRR takes its time to evaluate gives its routes that time, also where it makes another session of one.
func TestSettle(t *testing.T) {
	for _, isNew := range []bool{false, true} {
		p := New(Options{FRR: silent{}, Log: logrus.New(), Deadline: time.Second})
		now := time.Now()
		p.Intend(speakerOf(), now, !isNew)
		p.takeOver()
		p.Settle(now, now.Add(10*time.Second))
		p.Settle(now.Add(time.Second), now.Add(2*time.Second))
		key := verify.Session{Neighbor: "192.0.2.2"}
		p.Intend(speakerOf("10.16.0.1/32"), now.Add(time.Second), true)
		p.takeOver()
		p.received(verify.Observation{Session: key, Witness: verify.Wire, At: now.Add(time.Second), State: verify.Whole, Snapshot: true})
		for _, step := range []struct {
			after time.Duration
			want  verify.Kind
		}{{9 * time.Second, verify.Pending}, {11 * time.Second, verify.Missing}} {
			p.observe(now.Add(step.after))
			if v, _ := p.sessions[key].comparer.Verdict(netip.MustParsePrefix("10.16.0.1/32")); v.Kind != step.want {
				t.Errorf("after %s it is %s, want %s", step.after, v.Kind, step.want)
			}
		}
	}
}

// TestMany: many routes that change at once have the time that FRR takes for them, and one has its own.
func TestMany(t *testing.T) {
	key, now := verify.Session{Neighbor: "192.0.2.2"}, time.Now()
	for _, tt := range []struct {
		routes      int
		early, late time.Duration
	}{{1, 900 * time.Millisecond, 3 * time.Second}, {4000, 2900 * time.Millisecond, time.Minute}} {
		p := New(Options{FRR: silent{}, Log: logrus.New()})
		var prefixes []string
		for i := range tt.routes {
			prefixes = append(prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 16, byte(i >> 8), byte(i)}), 32).String())
		}
		p.Intend(speakerOf(), now, true)
		p.takeOver()
		p.received(verify.Observation{Session: key, Witness: verify.Wire, At: now, State: verify.Whole, Snapshot: true})
		// The pass that decided this took long.
		p.Intend(speakerOf(prefixes...), now.Add(-time.Second), true)
		p.takeOver()
		for _, step := range []struct {
			after time.Duration
			want  verify.Kind
		}{{tt.early, verify.Pending}, {tt.late, verify.Missing}} {
			p.observe(now.Add(step.after))
			if n := p.sessions[key].comparer.Routes(step.want); n != tt.routes {
				t.Errorf("%d of %d routes are %s after %s", n, tt.routes, step.want, step.after)
			}
		}
	}
}
