package live_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/test/lab"
)

// TestDaemons has the agent run the daemons that its configuration needs, and no others.
func TestDaemons(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v, true)
			base := []string{"bgpd", "zebra"}
			if v.Has("mgmtd") {
				base = []string{"bgpd", "mgmtd", "zebra"}
			}
			expect := func(when string, want ...string) {
				t.Helper()
				slices.Sort(want)
				lab.Eventually(t, 20*time.Second, when+" the right daemons run", func() error {
					if diff := cmp.Diff(want, s.daemons()); diff != "" {
						return fmt.Errorf("(-want +got)\n%s\nthe agent says:\n%s", diff, s.agent.Output())
					}
					return nil
				})
			}
			plain := spineLine + fmt.Sprintf(torLine, "")
			s.edit(plain)
			s.start()
			s.settle()
			expect("at first", base...)
			if s.listens() {
				t.Error("bgpd listens, and nobody is to connect")
			}

			s.edit(spineLine + fmt.Sprintf(torLine, ", bfd: {}"))
			s.tor.Load("router bgp 65001\n neighbor 10.0.1.1 bfd\nexit\n")
			s.tor.Eventually(20*time.Second, "BFD is up", func() error { return bfdUp(s.tor) })
			expect("with BFD", append([]string{"bfdd"}, base...)...)
			s.undisturbed("BFD on")

			s.tor.Load("router bgp 65001\n no neighbor 10.0.1.1 bfd\nexit\n")
			before := s.resets(s.tor)
			s.edit(plain)
			expect("without BFD", base...)
			if after := s.resets(s.tor); after != before {
				t.Errorf("the end of BFD reset the session: %d resets, before %d", after, before)
			}
			s.undisturbed("BFD off")

			mark := s.mark()
			s.edit(spineLine + fmt.Sprintf(torLine, ", passive: true"))
			s.says(mark, "starting it again for other arguments", "configuration applied")
			lab.Eventually(t, 20*time.Second, "bgpd listens", func() error {
				if !s.listens() {
					return fmt.Errorf("the agent says:\n%s", s.agent.Output()[mark:])
				}
				return nil
			})
			s.announced(s.tor)

			// An agent that is killed leaves its daemons; the next one ends them and starts its own. It finds them in /proc,
			// which the roots of other versions lack.
			if v.Root == "/" {
				s.agent.Kill()
				if len(s.daemons()) != len(base) {
					t.Errorf("after the agent's death the daemons are %v", s.daemons())
				}
				s.start()
				s.says(0, "ending the daemon of a predecessor", "daemon answers")
				expect("after a restart", base...)
				s.announced(s.tor)
			}

			s.agent.Stop()
			if left := s.processes(); len(left) > 0 {
				t.Errorf("after the agent's end there run %q", left)
			}
		})
	}
}

// TestRestartKeepsRoutes kills bgpd under the agent: by graceful restart the far side keeps the routes, because bgpd begins
// with the last good configuration.
func TestRestartKeepsRoutes(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v, true)
			s.edit(strings.Replace(spineLine, "}", ", gracefulRestart: true}", 1))
			s.spine.Load("router bgp 65002\n bgp graceful-restart\nexit\n")
			s.start()
			s.announced(s.spine)
			conf := v.Path("etc/frr", s.node.Name, "frr.conf")
			lab.Eventually(t, 10*time.Second, "frr.conf is kept", func() error {
				_, err := os.Stat(conf)
				return err
			})
			// The capability is in the OPEN of a session that began with it.
			s.counter = s.spine.CountUpdates(spineAddress)
			mark := s.mark()
			s.kill("bgpd")
			s.says(mark, "daemon ended, starting it again", "daemon answers")
			s.spine.Eventually(20*time.Second, "the session is back", func() error {
				if n, err := s.session(s.spine); err != nil || n.State != "Established" || n.Resets == 0 {
					return fmt.Errorf("it is %s with %d resets, %w", n.State, n.Resets, err)
				}
				return nil
			})
			s.spine.Eventually(20*time.Second, "the route is no longer stale", func() error {
				if got := s.paths(); len(got) != 1 || got[0].Stale {
					return fmt.Errorf("got %+v", got)
				}
				return nil
			})
			if got := s.counter.Counts(); len(got.Withdrawn) > 0 {
				t.Errorf("spine received %v", got)
			}
		})
	}
}

// TestFewCapabilities runs the agent as a container does that was given no capability: bgpd alone.
func TestFewCapabilities(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v, true)
			plain := spineLine + fmt.Sprintf(torLine, "")
			s.edit(plain)
			s.start("setpriv", "--inh-caps=-all", "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+net_bind_service")
			s.settle()
			if diff := cmp.Diff([]string{"bgpd"}, s.daemons()); diff != "" {
				t.Errorf("daemons (-want +got)\n%s", diff)
			}
			mark := s.mark()
			s.edit(spineLine + fmt.Sprintf(torLine, ", bfd: {}"))
			s.says(mark, "keeping the last good configuration", "take bfd")
			s.silent("BFD asked for")
			s.agent.Stop()
			if left := s.processes(); len(left) > 0 {
				t.Errorf("after the agent's end there run %q", left)
			}
		})
	}
}
