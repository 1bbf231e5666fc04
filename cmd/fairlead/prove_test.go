package main

import (
	"context"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/prove"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
)

// TestVerifyUnknown: an agent that has not found out yet what neighbors should be told does not say that they are told so; one on a
// node that has none does.
func TestVerifyUnknown(t *testing.T) {
	a := &agent{prover: prove.New(prove.Options{})}
	if _, err := a.askVerify(t.Context(), url.Values{"wait": {"1ms"}}); err == nil {
		t.Error("it agrees before it knows")
	}
	a.prover.Intend(route.Speaker{}, a.started, true)
	if answer, err := a.askVerify(t.Context(), url.Values{}); err != nil {
		t.Errorf("with no neighbor: %v, %v", answer, err)
	}
}

// TestNeighborOfRouter: a router that is named counts with and without a neighbor, and one that does not have it is told so in words
// that do not contradict themselves.
func TestNeighborOfRouter(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	changed := make(chan struct{}, 1)
	a := &agent{prover: prove.New(prove.Options{
		FRR: frr.Vtysh{Command: []string{"false"}}, Log: log,
		Changed: func([]time.Duration) {
			select {
			case changed <- struct{}{}:
			default:
			}
		},
	})}
	neighbor := func(address string) route.Neighbor {
		return route.Neighbor{Address: netip.MustParseAddr(address), RemoteAS: route.RemoteASN(65030), Families: []route.Family{route.IPv4Unicast}}
	}
	a.prover.Intend(route.Speaker{Routers: []route.Router{
		{ASN: 65000, Neighbors: []route.Neighbor{neighbor("10.0.1.1"), neighbor("10.0.1.2")}},
		{Name: "blue", ASN: 65000, Neighbors: []route.Neighbor{neighbor("10.0.1.1")}},
	}}, time.Now(), true)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.prover.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for deadline := time.After(time.Minute); len(a.prover.Sessions(1)) < 3; {
		select {
		case <-changed:
		case <-deadline:
			t.Fatal("the sessions are not taken over")
		}
	}
	for _, tt := range []struct{ neighbor, router, want string }{
		{"", "", "default/10.0.1.1 default/10.0.1.2 blue/10.0.1.1"},
		{"", "blue", "blue/10.0.1.1"},
		{"", "default", "default/10.0.1.1 default/10.0.1.2"},
		{"10.0.1.1", "blue", "blue/10.0.1.1"},
		{"10.0.1.1", "default", "default/10.0.1.1"},
		{"10.0.1.2", "", "default/10.0.1.2"},
		{"10.0.1.1", "", "neighbor 10.0.1.1 is in more than one router: name one with --router"},
		{"", "red", "there is no neighbor in router red on this node: it has 10.0.1.1 in router default, 10.0.1.2 in router default, 10.0.1.1 in router blue"},
		{"10.0.1.2", "blue", "there is no neighbor 10.0.1.2 in router blue on this node: it has " +
			"10.0.1.1 in router default, 10.0.1.2 in router default, 10.0.1.1 in router blue"},
		{"10.0.1.9", "", "there is no neighbor 10.0.1.9 on this node: it has 10.0.1.1, 10.0.1.2, 10.0.1.1 in router blue"},
	} {
		answer, err := a.askNeighbor(t.Context(), url.Values{"neighbor": {tt.neighbor}, "router": {tt.router}})
		var got []string
		if err != nil {
			got = append(got, err.Error())
		} else {
			for _, s := range answer.(*status.Neighbors).Sessions {
				router := s.Router
				if router == "" {
					router = "default"
				}
				got = append(got, router+"/"+s.Neighbor)
			}
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("neighbor %q, router %q: got %q, want %q", tt.neighbor, tt.router, text, tt.want)
		}
	}
}
