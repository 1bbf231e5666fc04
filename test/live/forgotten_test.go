package live_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// TestForgottenWithdrawal has a route go right after a session came up and was told its table again. FRR 8 passes such a withdrawal
// over for as long as its coalesce time lasts, which is made long here, by hand: the proof finds what stays with the neighbor, and
// what docs/troubleshooting.md says takes it back (ADR 11).
func TestForgottenWithdrawal(t *testing.T) {
	for _, v := range lab.Versions(t) {
		if !strings.HasPrefix(v.Name, "8.") {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			s.Write("mode", fmt.Sprintf("frr: {mode: external, pathspace: %s, audit: {drift: report}}\nstatus: {socket: %s}\n", s.Node.Name, s.Inside("agent.sock")))
			// With another session that is told the same, this one would soon be told everything together with that.
			s.Edit(fmt.Sprintf(site.ToRLine, ""))
			const prefix = "10.16.0.5/32"
			has := func(want bool) func() error {
				return func() error {
					if _, is := s.ToR.Routes(route.IPv4Unicast)[netip.MustParsePrefix(prefix)]; is != want {
						return fmt.Errorf("the router has %s: %t", prefix, is)
					}
					return nil
				}
			}
			vtysh := func(r *lab.Router, command string) string {
				out, err := r.Vtysh(t.Context(), command)
				if err != nil {
					t.Fatalf("%s: %v: %s", command, err, out)
				}
				return out
			}
			s.Start()
			s.Announced(s.ToR)
			s.Near.Load("router bgp 65000\n coalesce-time 10000\nexit\n")
			forgotten := func() bool {
				s.Write("manifests/pod.yaml", site.Pod("sample", "10.16.0.5"))
				s.ToR.Eventually(30*time.Second, "the pod is announced", has(true))
				resets := s.Resets(s.ToR)
				vtysh(s.ToR, "clear bgp *")
				s.ToR.Eventually(30*time.Second, "the session is up anew", func() error {
					if n, err := s.Session(s.ToR); err != nil || n.State != frr.Established || n.Resets == resets {
						return fmt.Errorf("it is %s after %d resets, %w", n.State, n.Resets, err)
					}
					return nil
				})
				vtysh(s.Near, "clear bgp ipv4 unicast 10.0.1.254 soft out")
				s.ToR.Eventually(30*time.Second, "the pod is announced again", has(true))
				if err := os.Remove(s.Path("manifests/pod.yaml")); err != nil {
					t.Fatal(err)
				}
				lab.Eventually(t, 30*time.Second, "FRR has the pod's route no more", func() error {
					if held := vtysh(s.Near, "show bgp ipv4 unicast "+prefix+" json"); strings.Contains(held, prefix) {
						return errors.New(held)
					}
					return nil
				})
				return has(true)() == nil
			}
			for tries := 1; !forgotten(); tries++ {
				if tries == 5 {
					t.Fatal("FRR has not forgotten the withdrawal, in five tries")
				}
			}
			lab.Eventually(t, 30*time.Second, "the proof finds the route", func() error {
				page, err := s.Ask("verify")
				if err == nil || !strings.Contains(page, prefix) || !strings.Contains(page, "unexpected") {
					return fmt.Errorf("verify says: %w\n%s", err, page)
				}
				return nil
			})
			resets := s.Resets(s.ToR)
			s.ToR.Eventually(30*time.Second, "the router has the route no more", func() error {
				s.Near.Load("router bgp 65000\n address-family ipv4 unicast\n  network " + prefix + "\n  no network " + prefix + "\n exit-address-family\nexit\n")
				return has(false)()
			})
			s.Standing(s.ToR, resets, "the route was taken back")
		})
	}
}
