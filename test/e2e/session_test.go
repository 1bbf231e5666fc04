package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/test/lab"
)

// Three sessions to one ToR, which listens on port 1179: over IPv4 with its own times and graceful restart, over IPv6 with
// both sides waiting at first, and over a second link to an address behind it.
const sessionsConfig = `asn: 65000
neighbors:
- {address: 10.0.1.1, asn: 65001, port: 1179, connectTime: 1s, holdTime: 9s, gracefulRestart: true}
- {address: "fd00:1::1", asn: 65001, port: 1179, connectTime: 1s, passive: true}
- {address: 198.51.100.1, asn: 65001, port: 1179, connectTime: 1s, ebgpMultihop: 2}
gracefulRestart: {restartTime: 77s}
`

const sessionsToR = `
router bgp 65001
 bgp router-id 10.0.1.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor 10.0.1.2 remote-as 65000
 neighbor 10.0.1.2 passive
 neighbor 10.0.2.2 remote-as 65000
 neighbor 10.0.2.2 passive
 neighbor 10.0.2.2 ebgp-multihop 2
 neighbor 10.0.2.2 update-source 198.51.100.1
 neighbor fd00:1::2 remote-as 65000
 neighbor fd00:1::2 passive
 neighbor fd00:1::2 timers connect 1
 address-family ipv4 unicast
  neighbor 10.0.1.2 activate
  neighbor 10.0.2.2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:1::2 activate
 exit-address-family
exit
`

// What the configuration says of a session is what the other side sees of it.
func TestSessions(t *testing.T) {
	firstAndLast(t, func(t *testing.T, v lab.Version) {
		n, ns := newNode(t, v), lab.NewNamespace(t, "tor")
		lab.Link(t, n.Namespace, "eth0", on(nodeV4, nodeV6), ns, "eth0", on(torV4, torV6))
		lab.Link(t, n.Namespace, "eth1", on(node2V4, node2V6), ns, "eth1", on(tor2V4, tor2V6))
		ns.Address(t, "lo", netip.MustParsePrefix("198.51.100.1/32"))
		n.IP(t, "route", "add", "198.51.100.1/32", "via", tor2V4)
		n.StartFRR(t, v, "")
		tor := ns.StartFRR(t, v, sessionsToR, lab.WithArgs("bgpd", "-p", "1179"))

		n.configure("external", sessionsConfig)
		n.write("subnet.yaml", subnetObject)
		n.start()
		for _, neighbor := range []string{nodeV4, node2V4} {
			lab.Eventually(t, converge, "the session with "+neighbor+" is up", func() error { return up(t, tor, neighbor) })
		}

		s := session(t, tor, nodeV4)
		if s.HoldTime != 9000 || s.Keepalive != 3000 {
			t.Errorf("negotiated hold time %d ms and keepalive %d ms, want 9000 and 3000", s.HoldTime, s.Keepalive)
		}
		// The ToR waits, so it was we who connected to its port.
		if s.LocalPort != 1179 {
			t.Errorf("the session is on the ToR's port %d, want 1179", s.LocalPort)
		}
		if s.GracefulRestart.Timers.Received != 77 || !strings.Contains(s.Capabilities.GracefulRestart, "eceived") {
			t.Errorf("graceful restart received as %q with %d s, want 77", s.Capabilities.GracefulRestart, s.GracefulRestart.Timers.Received)
		}
		plain := session(t, tor, node2V4)
		if plain.HoldTime != 90000 || plain.Keepalive != 30000 {
			t.Errorf("without a word about times: %d ms and %d ms, want 90000 and 30000", plain.HoldTime, plain.Keepalive)
		}
		lab.Eventually(t, converge, "the route has come over both sessions", func() error {
			hops := nextHops(t, tor, netip.MustParsePrefix("10.16.0.0/16"))
			slices.Sort(hops)
			if diff := cmp.Diff([]string{nodeV4, node2V4}, hops); diff != "" {
				return fmt.Errorf("next hops (-want +got)\n%s", diff)
			}
			return nil
		})

		// Two that wait never meet; once the ToR connects there is a session.
		holds(t, 3*time.Second, "nobody connects", func() error {
			if up(t, tor, nodeV6) == nil {
				return errors.New("the session is up")
			}
			return nil
		})
		tor.Load("router bgp 65001\nno neighbor fd00:1::2 passive\n")
		lab.Eventually(t, converge, "the ToR has connected", func() error { return up(t, tor, nodeV6) })
		if s := session(t, tor, nodeV6); s.RemotePort != 179 {
			t.Errorf("the ToR has connected to port %d, want 179", s.RemotePort)
		}
		told(t, tor, "10.16.0.0/16", "fd00:10:16::/64")
	})
}

func up(t *testing.T, r *lab.Router, neighbor string) error {
	t.Helper()
	if s := session(t, r, neighbor); s.State != "Established" {
		return fmt.Errorf("it is %s", s.State)
	}
	return nil
}

// sessionOf is what a router says of one session, times in milliseconds.
type sessionOf struct {
	State     string `json:"bgpState"`
	HoldTime  int    `json:"bgpTimerHoldTimeMsecs"`
	Keepalive int    `json:"bgpTimerKeepAliveIntervalMsecs"`
	// LocalPort and RemotePort are the ends of the TCP connection as the router sees it.
	LocalPort  int `json:"portLocal"`
	RemotePort int `json:"portForeign"`
	// Capabilities are those that both sides told.
	Capabilities struct {
		GracefulRestart string `json:"gracefulRestart"`
	} `json:"neighborCapabilities"`
	GracefulRestart struct {
		Timers struct {
			Received int `json:"receivedRestartTimer"`
		} `json:"timers"`
	} `json:"gracefulRestartInfo"`
}

func session(t testing.TB, r *lab.Router, neighbor string) sessionOf {
	t.Helper()
	out, err := r.Vtysh(t.Context(), "show bgp neighbors "+neighbor+" json")
	if err != nil {
		t.Fatal(err)
	}
	// FRR 10.x has members beside that of the neighbor.
	var doc map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("parse neighbor %s: %v in\n%s", neighbor, err, out)
	}
	var s sessionOf
	if err := json.Unmarshal(doc[neighbor], &s); err != nil {
		t.Fatalf("parse neighbor %s: %v in\n%s", neighbor, err, out)
	}
	return s
}
