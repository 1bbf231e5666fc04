package live_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// TestForgottenWithdrawal has routes go right after a session came up and was told its table again, as FRR itself does when a
// route-map has changed: none stays with the neighbor (ADR 11). FAIRLEAD_SOAK does so 20 times in the place of 4.
func TestForgottenWithdrawal(t *testing.T) {
	rounds := 4
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		rounds = 20
	}
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			s.Edit(site.SpineLine + fmt.Sprintf(site.ToRLine, ""))
			manifests, all := "", map[netip.Prefix]bool{}
			for i := range 1000 {
				addr := netip.AddrFrom4([4]byte{10, 16, byte(i / 250), byte(i % 250)})
				all[netip.PrefixFrom(addr, 32)] = true
				manifests += site.Pod(fmt.Sprint("pod-", i), addr.String())
			}
			s.Write("manifests/pods.yaml", manifests)
			told := func(pods map[netip.Prefix]bool) func() error {
				return func() error {
					got := map[netip.Prefix]bool{}
					for p := range s.ToR.Routes(route.IPv4Unicast) {
						if p.IsSingleIP() {
							got[p] = true
						}
					}
					if diff := cmp.Diff(pods, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
						return fmt.Errorf("tor's routes (-want +got):\n%s", diff)
					}
					return nil
				}
			}
			s.Start()
			s.ToR.Eventually(30*time.Second, "tor has all pods", told(all))
			// Its configuration is what matters here, and it would take the routes away all at once.
			s.Agent.Stop()

			networks := regexp.MustCompile(`network 10\.16\.1\.\d/32 route-map \S+`).FindAllString(s.Near.RunningConfig(), -1)
			if len(networks) != 10 {
				t.Fatalf("the networks are %q", networks)
			}
			rest := maps.Clone(all)
			for _, n := range networks {
				delete(rest, netip.MustParsePrefix(strings.Fields(n)[1]))
			}
			change := func(lines ...string) {
				s.Near.Load("router bgp 65000\n address-family ipv4 unicast\n" + strings.Join(lines, "\n") + "\n exit-address-family\nexit\n")
			}
			vtysh := func(r *lab.Router, command string) {
				if out, err := r.Vtysh(t.Context(), command); err != nil {
					t.Fatalf("%s: %v: %s", command, err, out)
				}
			}
			for range rounds {
				resets := s.Resets(s.ToR)
				vtysh(s.ToR, "clear bgp *")
				s.ToR.Eventually(30*time.Second, "the session is up anew", func() error {
					if n, err := s.Session(s.ToR); err != nil || n.State != frr.Established || n.Resets == resets {
						return fmt.Errorf("it is %s after %d resets, %w", n.State, n.Resets, err)
					}
					return nil
				})
				vtysh(s.Near, "clear bgp ipv4 unicast 10.0.1.254 soft out")
				for _, network := range networks {
					change("no " + network)
				}
				s.ToR.Eventually(10*time.Second, "tor has them no more", told(rest))
				change(networks...)
				s.ToR.Eventually(30*time.Second, "tor has all pods again", told(all))
			}
		})
	}
}
