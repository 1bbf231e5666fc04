package proof

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/fairlead/fairlead/test/lab"
)

// TestNotReading has a neighbor stop to read, and then the path to another drop what it acknowledges, while both sessions stay up: the
// agent says which one takes nothing, and how far a route came that is new since then, until all goes on.
func TestNotReading(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, v, 499)
			w.hold = "180s"
			w.configure(attributes)
			w.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 timers 60 180\nexit\n")
			w.Spine.Load("router bgp 65002\n neighbor fd02::1 timers 60 180\nexit\n")
			w.start("tap", "acknowledged")

			bgpd := w.ToR.Process("bgpd")
			proceed := func() {
				if err := bgpd.Signal(syscall.SIGCONT); err != nil {
					t.Error(err)
				}
			}
			if err := bgpd.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proceed)
			// What tor's kernel takes for it must be full first: all routes again and again, with another MED.
			med := 20
			lab.Eventually(t, patience, "tor takes nothing", func() error {
				med++
				mark := w.Mark()
				w.configure(fmt.Sprintf("communities: [65000:100]\nmed: %d\n", med))
				w.Says(mark, "configuration applied")
				a, err := w.ask()
				if err == nil && a.session(tor).Proof.Blocked.IsZero() {
					err = fmt.Errorf("with MED %d the agent says\n%s", med, a.summary())
				}
				return err
			})
			w.stuck(tor, spine, "10.16.200.1", "missing by tap, unproven (the neighbor's TCP takes nothing")
			proceed()
			w.proven("since tor reads again", "tap", "acknowledged")

			w.Spine.Namespace.IP(t, "-6", "route", "add", "blackhole", "fd02::1/128")
			w.stuck(spine, tor, "10.16.200.2", "announced by tap, sent")
			w.Spine.Namespace.IP(t, "-6", "route", "del", "blackhole", "fd02::1/128")
			w.proven("since spine is heard again", "tap", "acknowledged")
			if a, err := w.ask(); err != nil || a.session(tor).Resets+a.session(spine).Resets > 0 {
				t.Errorf("the sessions have not stayed up: %v, %+v", err, a.Sessions)
			}
		})
	}
}

// stuck announces one pod more, and waits until the agent says that a neighbor takes nothing and how far the route came there, and
// that another one has everything.
func (w *world) stuck(neighbor, other, address, far string) {
	w.t.Helper()
	w.Write("manifests/"+address+".yaml", pod("pod-"+address, netip.MustParseAddr(address)))
	w.routes++
	var a answer
	lab.Eventually(w.t, patience, neighbor+" takes nothing, "+address+" is "+far, func() (err error) {
		if a, err = w.ask(); err != nil {
			return err
		}
		if s := a.session(neighbor); a.Agrees || s.State != "Established" || s.Proof.Blocked.IsZero() {
			return fmt.Errorf("all agrees %v, the session is %s, blocked since %s: %s", a.Agrees, s.State, s.Proof.Blocked, a.summary())
		}
		if s := a.session(other); !s.Proof.Blocked.IsZero() || !w.has(s, "tap", "acknowledged") {
			return fmt.Errorf("%s does not have everything, or is blocked since %s: %s", other, s.Proof.Blocked, a.summary())
		}
		page, err := w.Ask("neighbor", neighbor, "adj-out", "-o", "json")
		if err != nil {
			return fmt.Errorf("%w: %s", err, page)
		}
		var out struct{ Routes []verdict }
		if err := json.Unmarshal([]byte(page), &out); err != nil {
			return err
		}
		for _, v := range out.Routes {
			if text := fmt.Sprintf("%s by %s, %s (%s)", v.Verdict, v.Witness, v.Proof, v.Cause); v.Prefix.Addr().String() == address {
				if strings.HasPrefix(text, far) {
					return nil
				}
				return fmt.Errorf("it is %s", text)
			}
		}
		return errors.New("nothing is said of it")
	})
	if page, err := w.Ask("verify"); err == nil || !strings.Contains(page, neighbor+": its TCP takes nothing for ") ||
		strings.Contains(page, other+": its TCP takes nothing") {
		w.t.Errorf("verify does not say which neighbor takes nothing: %v\n%s", err, page)
	}
}
