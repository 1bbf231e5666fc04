package prove

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// halting is an FRR that says how its sessions are, and fails to list what they were told where err is not nil.
type halting struct {
	silent
	err error
}

func (h *halting) Neighbors(context.Context, string) ([]frr.Neighbor, error) {
	found := said(frr.Established)
	found[0].Families = []frr.NeighborFamily{{Family: route.IPv4Unicast, Agreed: true}}
	return found, nil
}

func (h *halting) AdvertisedRoutes(context.Context, string, route.Family, frr.Peer) ([]frr.Advertised, error) {
	return []frr.Advertised{{Prefix: netip.MustParsePrefix("10.16.0.1/32"), Origin: "IGP"}}, h.err
}

// TestUnheard: what FRR has claimed counts no more once it has not answered for long, and why is said once, until it answers again.
func TestUnheard(t *testing.T) {
	log, logged := test.NewNullLogger()
	asked := &halting{}
	p := New(Options{FRR: asked, Log: log, Claims: 10 * time.Second})
	now := time.Now()
	p.Intend(speakerOf("10.16.0.1/32"), now, true)
	p.takeOver()
	expect := func(what string, after time.Duration, state verify.State, blind string, logs int) {
		t.Helper()
		p.sessions[far].claim = time.Time{}
		p.askMore(t.Context(), p.meetAll(t.Context()))
		p.unheard(now.Add(after))
		if got := p.knows(verify.Claim); got != state {
			t.Errorf("%s: what FRR claims is %s, want %s", what, got, state)
		}
		if got := p.Blind()[verify.Claim]; got != blind {
			t.Errorf("%s: it is blind by %q, want %q", what, got, blind)
		}
		if got := len(logged.AllEntries()); got != logs {
			t.Errorf("%s: %d lines are logged, want %d", what, got, logs)
		}
	}
	expect("at first", 0, verify.Whole, "", 0)
	asked.err = errors.New("run vtysh: it took too long")
	expect("one failure", time.Second, verify.Whole, "", 0)
	if due := p.sessions[far].claim; due.IsZero() {
		t.Error("what failed is asked again at once")
	}
	long := time.Minute
	expect("for long", long, verify.Unknown, "FRR does not answer: run vtysh: it took too long", 1)
	expect("for longer", 2*long, verify.Unknown, "FRR does not answer: run vtysh: it took too long", 1)
	asked.err = nil
	expect("again", 3*long, verify.Whole, "", 1)
}

// TestUnmet: also an FRR that does not say how its sessions are is told of.
func TestUnmet(t *testing.T) {
	p := following(t)
	p.meetAll(t.Context())
	p.unheard(time.Now())
	if blind := p.Blind(); len(blind) != 0 {
		t.Errorf("at once: %v", blind)
	}
	p.unheard(time.Now().Add(time.Minute))
	if got := p.Blind()[verify.Claim]; got != "FRR does not answer: bgpd is not running" {
		t.Errorf("after long: %q", got)
	}
}
