package live_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// TestDaemons has the agent run the daemons that its configuration needs, and no others.
func TestDaemons(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, true)
			base := []string{"bgpd", "zebra"}
			if v.Has("mgmtd") {
				base = []string{"bgpd", "mgmtd", "zebra"}
			}
			expect := func(when string, want ...string) {
				t.Helper()
				slices.Sort(want)
				lab.Eventually(t, 20*time.Second, when+" the right daemons run", func() error {
					if diff := cmp.Diff(want, s.Daemons()); diff != "" {
						return fmt.Errorf("(-want +got)\n%s\nthe agent says:\n%s", diff, s.Agent.Output())
					}
					return nil
				})
			}
			plain := site.SpineLine + fmt.Sprintf(site.ToRLine, "")
			s.Edit(plain)
			s.Start()
			s.Settle()
			expect("at first", base...)
			if s.Listens() {
				t.Error("bgpd listens, and nobody is to connect")
			}

			s.Edit(site.SpineLine + fmt.Sprintf(site.ToRLine, ", bfd: {}"))
			s.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 bfd\nexit\n")
			s.ToR.Eventually(20*time.Second, "BFD is up", func() error { return site.BFDUp(s.ToR) })
			expect("with BFD", append([]string{"bfdd"}, base...)...)
			s.Undisturbed("BFD on")

			s.ToR.Load("router bgp 65001\n no neighbor 10.0.1.1 bfd\nexit\n")
			before := s.Resets(s.ToR)
			s.Edit(plain)
			expect("without BFD", base...)
			if after := s.Resets(s.ToR); after != before {
				t.Errorf("the end of BFD reset the session: %d resets, before %d", after, before)
			}
			s.Undisturbed("BFD off")

			mark := s.Mark()
			s.Edit(site.SpineLine + fmt.Sprintf(site.ToRLine, ", passive: true"))
			s.Says(mark, "starting it again for other arguments", "configuration applied")
			lab.Eventually(t, 20*time.Second, "bgpd listens", func() error {
				if !s.Listens() {
					return fmt.Errorf("the agent says:\n%s", s.Agent.Output()[mark:])
				}
				return nil
			})
			s.Announced(s.ToR)

			// An agent that is killed leaves its daemons; the next one ends them and starts its own. It finds them in /proc,
			// which the roots of other versions lack.
			if v.Root == "/" {
				s.Agent.Kill()
				if len(s.Daemons()) != len(base) {
					t.Errorf("after the agent's death the daemons are %v", s.Daemons())
				}
				s.Start()
				s.Says(0, "ending the daemon of a predecessor", "daemon answers")
				expect("after a restart", base...)
				s.Announced(s.ToR)
			}

			endAgent(t, s)
			if left := s.Processes(); len(left) > 0 {
				t.Errorf("after the agent's end there run %q", left)
			}
		})
	}
}

// endAgent ends the agent, and gives it the time that it takes to end its daemons.
func endAgent(t *testing.T, s *site.Site) {
	t.Helper()
	if err := s.Agent.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if err := s.Agent.Wait(); err != nil {
		t.Errorf("the agent ends with %v", err)
	}
}

// TestRestartKeepsRoutes kills bgpd under the agent: by graceful restart the far side keeps the routes, because bgpd begins
// with the last good configuration.
func TestRestartKeepsRoutes(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, true)
			s.Edit(strings.Replace(site.SpineLine, "}", ", gracefulRestart: true}", 1))
			s.Spine.Load("router bgp 65002\n bgp graceful-restart\nexit\n")
			s.Start()
			s.Announced(s.Spine)
			conf := v.Path("etc/frr", s.Node.Name, "frr.conf")
			lab.Eventually(t, 10*time.Second, "frr.conf is kept", func() error {
				_, err := os.Stat(conf)
				return err
			})
			// The capability is in the OPEN of a session that began with it.
			s.Counter = s.Spine.CountUpdates(site.SpineAddress)
			mark := s.Mark()
			s.Kill("bgpd")
			s.Says(mark, "daemon ended, starting it again", "daemon answers")
			s.Spine.Eventually(20*time.Second, "the session is back", func() error {
				if n, err := s.Session(s.Spine); err != nil || n.State != "Established" || n.Resets == 0 {
					return fmt.Errorf("it is %s with %d resets, %w", n.State, n.Resets, err)
				}
				return nil
			})
			s.Spine.Eventually(20*time.Second, "the route is no longer stale", func() error {
				if got := s.Paths(); len(got) != 1 || got[0].Stale {
					return fmt.Errorf("got %+v", got)
				}
				return nil
			})
			if got := s.Counter.Counts(); len(got.Withdrawn) > 0 {
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
			s := site.New(t, v, true)
			plain := site.SpineLine + fmt.Sprintf(site.ToRLine, "")
			s.Edit(plain)
			s.Start("setpriv", "--inh-caps=-all", "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+net_bind_service")
			s.Settle()
			if diff := cmp.Diff([]string{"bgpd"}, s.Daemons()); diff != "" {
				t.Errorf("daemons (-want +got)\n%s", diff)
			}
			mark := s.Mark()
			s.Edit(site.SpineLine + fmt.Sprintf(site.ToRLine, ", bfd: {}"))
			s.Says(mark, "keeping the last good configuration", "take bfd")
			s.Silent("BFD asked for")
			endAgent(t, s)
			if left := s.Processes(); len(left) > 0 {
				t.Errorf("after the agent's end there run %q", left)
			}
		})
	}
}
