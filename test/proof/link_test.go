package proof

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// TestLinkDown takes away the link under a session, and the end of the session with it, so that nothing of that is on the wire: what
// the packets showed before is no proof any more, of this session and of no other. Once the link is back all is proven again.
func TestLinkDown(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			s.Edit(site.SpineLine + fmt.Sprintf(site.ToRLine, ""))
			s.Start()
			s.Announced(s.ToR)
			s.Announced(s.Spine)
			expect := func(agrees bool, tor, spine string) {
				t.Helper()
				lab.Eventually(t, 60*time.Second, "verify says how far it is proven", func() error {
					out, err := s.Node.Command(t.Context(), v, s.Command("verify")[0], "verify", "-o", "json", "--socket", s.Inside("agent.sock")).Output()
					var exit *exec.ExitError
					if err != nil && !errors.As(err, &exit) {
						return err
					}
					var found struct {
						Agrees   bool
						Sessions []struct {
							Neighbor string
							Proof    struct {
								Counts []struct {
									Verdict, Witness string
									Routes           int
								}
							}
						}
					}
					if err := json.Unmarshal(out, &found); err != nil {
						return fmt.Errorf("%w: %s", err, out)
					}
					counts := map[string]string{}
					for _, session := range found.Sessions {
						counts[session.Neighbor] = fmt.Sprint(session.Proof.Counts)
					}
					if found.Agrees != agrees || (err == nil) != agrees || counts["10.0.1.254"] != tor || counts["10.0.2.254"] != spine {
						return fmt.Errorf("it agrees: %t, and counts %v", found.Agrees, counts)
					}
					return nil
				})
			}
			const proven, down = "[{announced tap 1}]", "[{not-comparable frr 1}]"
			expect(true, proven, proven)
			link := func(state string) {
				t.Helper()
				if out, err := s.Node.Command(t.Context(), v, "ip", "link", "set", "eth0", state).CombinedOutput(); err != nil {
					t.Fatalf("ip link set eth0 %s: %v\n%s", state, err, out)
				}
			}
			link("down")
			expect(false, down, proven)
			link("up")
			expect(true, proven, proven)
		})
	}
}
