package prove_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/prove"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/verify"
)

// TestProver: FRR's own word alone is enough for a Prover to say what a session was told, what is missing and why, and what nobody
// wanted.
func TestProver(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			log := logrus.New()
			log.SetOutput(io.Discard)
			changed := make(chan struct{}, 1)
			p := prove.New(prove.Options{FRR: pair(t, v), Claims: time.Second, Log: log, Changed: func([]time.Duration) {
				select {
				case changed <- struct{}{}:
				default:
				}
			}})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- p.Run(ctx) }()
			defer func() {
				cancel()
				if err := <-done; err != nil {
					t.Error(err)
				}
			}()
			announce := func(prefix string) route.Route {
				return route.Route{Prefix: netip.MustParsePrefix(prefix), To: []route.Audience{route.Everyone}}
			}
			router := route.Router{
				ASN: 65000,
				Neighbors: []route.Neighbor{{
					Name: "tor", Address: netip.MustParseAddr("192.0.2.2"), RemoteAS: route.RemoteASN(65001),
					Families: []route.Family{route.IPv4Unicast}, Audience: route.Everyone, Transit: []string{"tor"},
				}},
				Routes: []route.Route{announce("10.16.0.5/32"), announce("10.18.0.0/16")},
			}
			p.Intend(route.Speaker{Routers: []route.Router{router}}, time.Now(), true)
			session := verify.Session{Neighbor: "192.0.2.2"}
			expect := func(want map[string]verify.Kind) {
				t.Helper()
				lab.Eventually(t, 30*time.Second, "each route is judged as it is", func() error {
					table, is := p.AdjRIBOut(session)
					if !is || len(table) != len(want) {
						return fmt.Errorf("got %v", table)
					}
					for _, v := range table {
						if v.Kind != want[v.Prefix.String()] || v.Witness != verify.Claim {
							return fmt.Errorf("%s is %s by %s", v.Prefix, v.Kind, v.Witness)
						}
						if v.Kind == verify.Missing && v.Cause != verify.NotInTable {
							return fmt.Errorf("%s is missing: %s", v.Prefix, v.Cause)
						}
					}
					return nil
				})
			}
			// 10.99.0.0/16 is passed on as the session's transit allows, and nobody wanted 10.17.0.0/16.
			expect(map[string]verify.Kind{
				"10.16.0.5/32": verify.Mismatch, "10.17.0.0/16": verify.Unexpected, "10.18.0.0/16": verify.Missing, "10.99.0.0/16": verify.PassedOn,
			})
			router.Routes = []route.Route{announce("10.16.0.5/32"), announce("10.17.0.0/16")}
			router.Routes[0].Attributes.MED = 50
			p.Intend(route.Speaker{Routers: []route.Router{router}}, time.Now(), true)
			expect(map[string]verify.Kind{"10.16.0.5/32": verify.Announced, "10.17.0.0/16": verify.Announced, "10.99.0.0/16": verify.PassedOn})
			if !p.Await(ctx) {
				t.Error("something is still on its way")
			}
			standing := p.Sessions(0)
			if len(standing) != 1 || !standing[0].Report.Agrees() || standing[0].Peer.State != "Established" {
				t.Errorf("it stands so: %+v", standing)
			}
			lab.Eventually(t, 5*time.Second, "the change is told", func() error {
				select {
				case <-changed:
					return nil
				default:
					return errors.New("it is not")
				}
			})
			if blind := p.Blind(); len(blind) != 2 || blind[verify.Wire] == "" || blind[verify.Received] == "" {
				t.Errorf("the witnesses that are missing: %v", blind)
			}
		})
	}
}
