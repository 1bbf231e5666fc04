package tap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/test/lab"
)

// TestTap compares what the tap shows of real sessions with what the far FRRs hold as received, and with what tshark, which
// shares nothing with the tap, decodes of the same packets: from the middle of a session and from its beginning, with real loss
// on the path, with packets lost from the capture, and with both. All the time it holds the tap against a second one that
// loses nothing. At the end the same packets come once more, as they would over other devices (replay).
//
// FAIRLEAD_SOAK takes more than 50,000 UPDATEs, and of each session more than 50,000 changed routes, in the place of hundreds.
func TestTap(t *testing.T) {
	if _, err := exec.LookPath("tshark"); err != nil {
		t.Skipf("the second decoder is missing: run hack/setup --test: %v", err)
	}
	rounds, episodes, soak := 3, 1, os.Getenv("FAIRLEAD_SOAK") != ""
	if soak {
		rounds, episodes = 200, 40
	}
	seed := lab.Seed(t)
	t.Logf("FAIRLEAD_SEED=%d", seed)
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v, seed)
			s.churn(400)
			everybody := s.sessions
			s.sessions = []Session{overIPv4, overIPv6}
			lab.Eventually(t, patience, "the sessions are there before the tap is", func() error {
				if received := s.received(); len(received[overIPv4]) == 0 || len(received[overIPv6]) != len(s.networks) {
					return errors.New("they are not")
				}
				return nil
			})
			s.follow(everybody)
			s.settles("the tap has begun in the middle")
			if n := s.asked(); n != len(everybody) {
				t.Errorf("tables were asked for %d times, want once each", n)
			}
			asked := s.asked()
			s.sessions = everybody
			s.command("configure terminal", "router bgp 65000", "no neighbor 10.0.2.254 shutdown")
			for range rounds {
				s.churn(120)
			}
			s.settles("routes have come, gone and changed")
			s.drop(5)
			for range rounds {
				s.churn(120)
			}
			s.settles("routes have changed while the path lost packets")
			s.drop(0)
			s.command("clear bgp *")
			s.churn(10)
			s.settles("the sessions have begun anew")
			if n := s.asked(); n != asked {
				t.Errorf("tables were asked for %d times more, and nothing was missed", n-asked)
			}
			if again := s.tally().again; soak && again < rounds/2 {
				t.Errorf("%d segments were sent again: the path has lost too little", again)
			}
			for i := range episodes {
				s.episode(i, min(rounds, 8))
				if i == 0 && s.asked() == asked {
					t.Error("no table was asked for after the capture had lost packets")
				}
			}
			counted := s.tally()
			t.Logf("%d segments sent again, %d packets lost from the capture, tables asked for %d times, compared %d times",
				counted.again, counted.lost, s.asked(), counted.compared)
			updates, neighbors := 0, tshark(t, s.captureNow())
			for _, session := range everybody {
				decoded := neighbors[session.Neighbor]
				updates += decoded.updates
				if diff := cmp.Diff(decoded.table, all(s.tap, session)); diff != "" {
					t.Errorf("%s: tshark decodes (-), the tap shows (+):\n%s", session, first(diff))
				}
				t.Logf("%s: %d UPDATEs that announced %d and withdrew %d, as tshark counts", session, decoded.updates, decoded.announced, decoded.withdrawn)
				if soak && decoded.announced+decoded.withdrawn < 50_000 {
					t.Errorf("%s: that is too little", session)
				}
			}
			if soak && updates < 50_000 {
				t.Errorf("%d UPDATEs are too few", updates)
			}
			s.replay(soak)
			if err := s.tap.Follow([]Session{overIPv4}); err != nil {
				t.Fatal(err)
			}
			if v := s.tap.Take(overIPv4); v.State != Whole || v.Routes == 0 {
				t.Errorf("of what is followed still: %s, %d routes", v.State, v.Routes)
			}
			if v := s.tap.Take(overIPv6); v.State != NoSession || !v.Unseen || len(s.tap.Table(overIPv6)) > 0 {
				t.Errorf("of what is not followed any more: %s", v.State)
			}
		})
	}
}

// episode has the capture lose packets while routes change; every second time the path loses some too, and now and then a
// session begins anew.
func (s *site) episode(i, rounds int) {
	s.t.Helper()
	s.loses(1)
	if i%2 == 1 {
		s.drop(3)
	}
	for range rounds {
		s.churn(120)
		if i%3 == 2 && s.random.IntN(rounds) == 0 {
			s.command("clear bgp " + s.sessions[s.random.IntN(len(s.sessions))].String())
		}
	}
	s.loses(0)
	s.drop(0)
	s.settles(fmt.Sprintf("routes have changed while the capture lost packets, %d", i))
}

// TestOpenNeedsNetRaw shows what an operator reads who has taken the capability away.
func TestOpenNeedsNetRaw(t *testing.T) {
	lab.Require(t)
	result := make(chan error, 1)
	go func() {
		// The thread ends with its capabilities.
		runtime.LockOSThread()
		if err := dropNetRaw(); err != nil {
			result <- err
			return
		}
		_, err := Open(Config{})
		result <- err
	}()
	if err := <-result; !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "NET_RAW") {
		t.Errorf("got %v", err)
	}
}

// dropNetRaw takes the capability from the calling thread.
func dropNetRaw() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_RAW
	return unix.Capset(&header, &data[0])
}
