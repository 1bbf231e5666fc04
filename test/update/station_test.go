package update

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/fairlead/fairlead/bmp"
	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/test/lab"
)

// TestStation has FRR feed a BMP station, another one, and none again, with two routers. The station is told of each session that is
// up, with the two OPENs that it began with, and of one that begins and ends; the neighbors notice nothing, as is foretold.
func TestStation(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, v, 65001, 65002)
			first, second := listen(t, s), listen(t, s)
			const keys = "asn: 65000\nrouterID: 10.0.0.1\nrouters: [{name: other, asn: 65000}]\nneighbors:\n" +
				"- {address: 10.0.0.2, asn: 65001, connectTime: 1s}\n- {address: 10.0.1.2, asn: 65002, connectTime: 1s, router: other}\n"
			apply := func(more string) reload.Change {
				t.Helper()
				c, err := config.Parse("config.yaml", []byte(keys+more))
				if err != nil {
					t.Fatal(err)
				}
				wanted, err := speaker(c, reduce.Snapshot{Nodes: []*reduce.Node{{Meta: reduce.Meta{Name: "node1"}}}})
				if err != nil {
					t.Fatal(err)
				}
				return s.apply(t, wanted)
			}
			feeding := func(l *listened) string {
				return fmt.Sprintf("verify: {bmp: {feed: true, listen: '127.0.0.1:%d'}}\n", l.port)
			}
			apply("")
			before := s.undisturbed(t, "at first", nil)

			apply(feeding(first))
			openings := map[string]bool{}
			lab.Eventually(t, patience, "the station is told of both sessions", func() error {
				return first.holds(map[netip.Addr]bool{s.far[0].address: true, s.far[1].address: true})
			})
			if s.renew(t, first) {
				before = s.undisturbed(t, "after sessions were begun anew", nil)
			}
			for len(openings) < 2 {
				o := <-first.openings
				openings[fmt.Sprintf("%s-%s %t", o.Near, o.Far, o.Here)] = true
				if ours, theirs := asnOf(t, o.Sent), asnOf(t, o.Received); ours != 65000 || theirs != 65001 && theirs != 65002 {
					t.Errorf("the OPENs of %s are of AS %d and %d", o.Far, ours, theirs)
				}
			}
			if diff := cmp.Diff(map[string]bool{"10.0.0.1-10.0.0.2 true": true, "10.0.1.1-10.0.1.2 true": true}, openings); diff != "" {
				t.Errorf("openings (-want +got)\n%s", diff)
			}
			s.undisturbed(t, "fed", before)

			apply(feeding(second))
			lab.Eventually(t, patience, "another station is told of both sessions", func() error {
				return second.holds(map[netip.Addr]bool{s.far[0].address: true, s.far[1].address: true})
			})
			lab.Eventually(t, patience, "the first one is left", func() error { return first.left() })
			s.undisturbed(t, "fed elsewhere", before)

			s.far[1].Load("router bgp 65002\n neighbor 10.0.1.1 shutdown\nexit\n")
			lab.Eventually(t, patience, "the station is told of the end", func() error {
				return second.holds(map[netip.Addr]bool{s.far[0].address: true, s.far[1].address: false})
			})
			s.far[1].Load("router bgp 65002\n no neighbor 10.0.1.1 shutdown\nexit\n")
			lab.Eventually(t, patience, "the station is told of the new begin", func() error {
				return second.holds(map[netip.Addr]bool{s.far[0].address: true, s.far[1].address: true})
			})
			before = s.undisturbed(t, "after a session's end", nil)

			apply("")
			lab.Eventually(t, patience, "no station is left", func() error { return second.left() })
			s.undisturbed(t, "no longer fed", before)
			if again := apply(""); !again.Empty() {
				t.Errorf("there is no end:\n%s", again)
			}
		})
	}
}

// undisturbed waits until all sessions are up, and compares how often each went down with what was before. Nothing is foretold.
func (s *site) undisturbed(t *testing.T, when string, before []int) []int {
	t.Helper()
	if f := s.foretold; before != nil && !cmp.Equal(f, reload.Foresight{}) {
		t.Errorf("%s: foretold is %+v", when, f)
	}
	var resets []int
	for i, f := range s.far {
		lab.Eventually(t, patience, "the session is up", func() error {
			n, err := f.neighbor(t)
			if err == nil {
				resets = append(resets, n.Resets)
			}
			return err
		})
		if before != nil && resets[i] != before[i] {
			t.Errorf("%s: the session with %s was reset", when, f.address)
		}
	}
	return resets
}

// listened is a station in the node's namespace.
type listened struct {
	*bmp.Station
	port     int
	openings chan bmp.Opening
}

func listen(t *testing.T, s *site) *listened {
	t.Helper()
	l := &listened{openings: make(chan bmp.Opening, 16)}
	l.Station = bmp.NewStation(bmp.Config{Opened: func(o bmp.Opening) { l.openings <- o }})
	var listener net.Listener
	err := lab.Inside(s.near.Namespace.Name, func() (err error) {
		var lc net.ListenConfig
		listener, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l.port = listener.Addr().(*net.TCPAddr).Port
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l
}

// renew begins those sessions anew whose OPENs FRR has not kept, until it has them of all, and reports whether there was one.
func (s *site) renew(t *testing.T, l *listened) bool {
	t.Helper()
	renewed := map[netip.Addr]time.Time{}
	lab.Eventually(t, patience, "FRR has the OPENs of all sessions", func() error {
		var without error
		for _, r := range l.Routers() {
			for _, p := range r.Peers {
				if !p.Address.IsValid() || p.Up && p.Reason == "" {
					continue
				}
				without = fmt.Errorf("%s: up %t, %s", p, p.Up, p.Reason)
				far := s.far[slices.IndexFunc(s.far, func(f *far) bool { return f.address == p.Address })]
				if !p.Up || time.Since(renewed[p.Address]) < 10*time.Second {
					continue
				}
				renewed[p.Address] = time.Now()
				t.Logf("%s: %s", p, p.Reason)
				if _, err := far.Vtysh(t.Context(), "clear bgp *"); err != nil {
					return err
				}
			}
		}
		return without
	})
	return len(renewed) > 0
}

// holds says how what the station knows of sessions that are up, and down, differs from this.
func (l *listened) holds(want map[netip.Addr]bool) error {
	got := map[netip.Addr]bool{}
	for _, r := range l.Routers() {
		for _, p := range r.Peers {
			// FRR 10 has a peer without an address for each instance's own table.
			if r.Error == "" && p.Address.IsValid() {
				got[p.Address] = p.Up
			}
		}
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		return fmt.Errorf("(-want +got)\n%s", diff)
	}
	return nil
}

// left says which routers feed the station.
func (l *listened) left() error {
	for _, r := range l.Routers() {
		if r.Error == "" {
			return fmt.Errorf("%+v", r)
		}
	}
	return nil
}

// asnOf is the AS number that an OPEN says, in its capability for four octets.
func asnOf(t *testing.T, message []byte) uint32 {
	t.Helper()
	if len(message) < bgp.BGP_HEADER_LENGTH || int(binary.BigEndian.Uint16(message[16:])) != len(message) || !bytes.Equal(message[:16], bytes.Repeat([]byte{0xff}, 16)) {
		t.Fatalf("%x is no BGP message", message)
	}
	m, err := bgp.ParseBGPMessage(message)
	if err != nil {
		t.Fatal(err)
	}
	for _, parameter := range m.Body.(*bgp.BGPOpen).OptParams {
		list, _ := parameter.(*bgp.OptionParameterCapability)
		for _, c := range list.Capability {
			if four, is := c.(*bgp.CapFourOctetASNumber); is {
				return four.CapValue
			}
		}
	}
	return uint32(m.Body.(*bgp.BGPOpen).MyAS)
}
