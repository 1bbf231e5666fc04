package frr_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
)

// compareNetip lets cmp look at addresses as values.
var compareNetip = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
}

func address(text string) frr.Peer { return frr.Peer{Address: netip.MustParseAddr(text)} }

func TestParseSummary(t *testing.T) {
	wants := map[string]frr.Summary{
		"summary": {RouterID: netip.MustParseAddr("192.0.2.1"), ASN: 65000, Sessions: []frr.Session{
			{Neighbor: frr.Peer{Interface: "eth0"}, Family: route.IPv4Unicast, State: "Idle"},
			{Neighbor: address("192.0.2.2"), Family: route.IPv4Unicast, RemoteAS: 65001, State: frr.Established, Received: 1, Sent: 3},
			{Neighbor: address("192.0.2.77"), Family: route.IPv4Unicast, RemoteAS: 65077, State: "Idle (Admin)"},
			{Neighbor: address("2001:db8::2"), Family: route.IPv6Unicast, RemoteAS: 65001, State: frr.Established, Sent: 1},
		}},
		"summary view": {RouterID: netip.MustParseAddr("192.0.2.10"), ASN: 65010, Sessions: []frr.Session{
			{Neighbor: address("192.0.2.3"), Family: route.IPv4Unicast, RemoteAS: 65010, State: "Connect"},
		}},
		"summary no view": {},
	}
	for version, files := range fixtures(t) {
		for name, want := range wants {
			t.Run(version+" "+name, func(t *testing.T) {
				got, err := frr.ParseSummary(files[name])
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, compareNetip, cmpopts.IgnoreFields(frr.Session{}, "Uptime")); diff != "" {
					t.Errorf("summary (-want +got)\n%s", diff)
				}
				for _, s := range got.Sessions {
					if up := s.Uptime > 0; up != (s.State == frr.Established) || s.Uptime > time.Minute {
						t.Errorf("neighbor %s is %s for %s", s.Neighbor, s.State, s.Uptime)
					}
				}
			})
		}
	}
}

func TestParseNeighbors(t *testing.T) {
	both := frr.Capability{Advertised: true, Received: true}
	all := frr.Capabilities{FourOctetAS: both, ExtendedMessage: both, RouteRefresh: both, GracefulRestart: both}
	unspecified, id := netip.IPv4Unspecified(), netip.MustParseAddr("192.0.2.1")
	family := func(f route.Family) []frr.NeighborFamily { return []frr.NeighborFamily{{Family: f}} }
	unapplied := family(route.IPv4Unicast)
	unapplied[0].PolicyMissing = true
	wants := map[string][]frr.Neighbor{
		"neighbors": {{
			Peer: frr.Peer{Interface: "eth0"}, LocalAS: 65000, RemoteRouterID: unspecified, LocalRouterID: id, State: "Idle",
			ConfiguredHoldTime: 180 * time.Second, ConfiguredKeepalive: time.Minute, HoldTime: 180 * time.Second, Keepalive: time.Minute,
			Families: family(route.IPv4Unicast),
		}, {
			Peer: address("192.0.2.2"), RemoteAS: 65001, LocalAS: 65000, RemoteRouterID: netip.MustParseAddr("192.0.2.2"), LocalRouterID: id,
			State: frr.Established, ConfiguredHoldTime: 9 * time.Second, ConfiguredKeepalive: 3 * time.Second,
			HoldTime: 9 * time.Second, Keepalive: 3 * time.Second, Remote: netip.MustParseAddrPort("192.0.2.2:179"),
			MD5: true, MaxHops: 1, Capabilities: all, RestartTime: 2 * time.Minute,
			Families: []frr.NeighborFamily{{Family: route.IPv4Unicast, Agreed: true, Accepted: 1, Sent: 3, RouteMapIn: "IN", RouteMapOut: "OUT"}},
		}, {
			Peer: address("192.0.2.77"), RemoteAS: 65077, LocalAS: 65000, RemoteRouterID: unspecified, LocalRouterID: id,
			State: "Idle", AdminDown: true, MaxHops: 1,
			ConfiguredHoldTime: 180 * time.Second, ConfiguredKeepalive: time.Minute, HoldTime: 180 * time.Second, Keepalive: time.Minute,
			Families: unapplied,
		}, {
			Peer: address("2001:db8::2"), RemoteAS: 65001, LocalAS: 65000, RemoteRouterID: netip.MustParseAddr("192.0.2.2"), LocalRouterID: id,
			State: frr.Established, ConfiguredHoldTime: 180 * time.Second, ConfiguredKeepalive: time.Minute,
			HoldTime: 180 * time.Second, Keepalive: time.Minute, Remote: netip.MustParseAddrPort("[2001:db8::2]:179"),
			MaxHops: 3, Capabilities: all, RestartTime: 2 * time.Minute,
			Families: []frr.NeighborFamily{{Family: route.IPv6Unicast, Agreed: true, Sent: 1, RouteMapIn: "IN", RouteMapOut: "OUT"}},
		}},
		"neighbors view": {{
			Peer: address("192.0.2.3"), RemoteAS: 65010, LocalAS: 65010, RemoteRouterID: unspecified,
			LocalRouterID: netip.MustParseAddr("192.0.2.10"), State: "Connect",
			ConfiguredHoldTime: 180 * time.Second, ConfiguredKeepalive: time.Minute, HoldTime: 180 * time.Second, Keepalive: time.Minute,
			Families: family(route.IPv4Unicast),
		}},
	}
	// These differ from capture to capture: they hang on time, and on a port that the kernel chooses.
	volatile := cmpopts.IgnoreFields(frr.Neighbor{}, "Uptime", "Local", "NextHops", "UpdatesSent", "UpdatesReceived", "Resets", "LastReset")
	for version, files := range fixtures(t) {
		for name, want := range wants {
			t.Run(version+" "+name, func(t *testing.T) {
				got, err := frr.ParseNeighbors(files[name])
				if err != nil {
					t.Fatal(err)
				}
				for i := range got {
					n := &got[i]
					up := n.State == frr.Established
					if up != (n.Uptime > 0) || up != (n.UpdatesSent > 0) || up && !n.Local.IsValid() {
						t.Errorf("neighbor %s is %s: up %s, %d updates sent, from %s", n.Peer, n.State, n.Uptime, n.UpdatesSent, n.Local)
					}
					// 192.0.2.1, 2001:db8::1 and the link-local address.
					if up && (len(n.NextHops) != 3 || !slices.Contains(n.NextHops, n.Local.Addr())) {
						t.Errorf("neighbor %s: next hops %s from %s", n.Peer, n.NextHops, n.Local)
					}
					if !up {
						// 10.x tells of a connection that it is still trying to open.
						n.Remote = netip.AddrPort{}
					}
				}
				if diff := cmp.Diff(want, got, compareNetip, volatile); diff != "" {
					t.Errorf("neighbors (-want +got)\n%s", diff)
				}
			})
		}
	}
}

func TestParseAdvertised(t *testing.T) {
	wants := map[string][]frr.Advertised{
		"advertised ipv4": {
			{Prefix: netip.MustParsePrefix("10.16.0.5/32"), NextHop: netip.IPv4Unspecified(), MED: 50, Origin: "IGP"},
			{Prefix: netip.MustParsePrefix("10.17.0.0/16"), NextHop: netip.IPv4Unspecified(), Origin: "IGP"},
			{Prefix: netip.MustParsePrefix("10.99.0.0/16"), NextHop: netip.IPv4Unspecified(), ASPath: "65001", Origin: "IGP"},
		},
		"advertised ipv6": {
			{Prefix: netip.MustParsePrefix("2001:db8:16::/64"), NextHop: netip.IPv6Unspecified(), MED: 50, Origin: "IGP"},
		},
		"advertised down": {},
	}
	for version, files := range fixtures(t) {
		for name, want := range wants {
			t.Run(version+" "+name, func(t *testing.T) {
				got, err := frr.ParseAdvertised(files[name])
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, compareNetip); diff != "" {
					t.Errorf("advertised routes (-want +got)\n%s", diff)
				}
			})
		}
		t.Run(version+" nobody", func(t *testing.T) {
			_, err := frr.ParseAdvertised(files["advertised nobody"])
			if err == nil || !strings.Contains(err.Error(), "FRR says No such neighbor in this view/vrf") {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestParseText(t *testing.T) {
	for name, parse := range map[string]func([]byte) error{
		"summary":    func(b []byte) error { _, err := frr.ParseSummary(b); return err },
		"neighbors":  func(b []byte) error { _, err := frr.ParseNeighbors(b); return err },
		"advertised": func(b []byte) error { _, err := frr.ParseAdvertised(b); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := parse([]byte("% BGP instance not found\nmore"))
			if err == nil || !strings.Contains(err.Error(), `FRR says "% BGP instance not found"`) {
				t.Errorf("got error %v", err)
			}
			// FRR writes dotted AS numbers as strings; an object of the wrong kind is an error, not a crash.
			if err := parse([]byte(`{"ipv4Unicast":7,"192.0.2.1":{"remoteAs":"1.10"},"advertisedRoutes":"none"}`)); (err == nil) != (name == "neighbors") {
				t.Errorf("got error %v", err)
			}
		})
	}
}

func TestParseRunningConfig(t *testing.T) {
	for version, files := range fixtures(t) {
		t.Run(version, func(t *testing.T) {
			got, err := frr.ParseRunningConfig(files["running-config"])
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(got), "\n")
			if diff := cmp.Diff("frr version "+version, first); diff != "" {
				t.Errorf("first line (-want +got)\n%s", diff)
			}
			if text := string(got); !strings.HasSuffix(text, "\n!\n") || !strings.Contains(text, "\n neighbor 192.0.2.2 password hunter2\n") {
				t.Errorf("got\n%s", text)
			}
			broken := files["running-config"][:len(files["running-config"])/2]
			if got, err := frr.ParseRunningConfig(broken); err == nil {
				t.Errorf("half a configuration was taken for a whole one:\n%s", got)
			}
		})
	}
}

func TestParseRefusals(t *testing.T) {
	unknown := "% Unknown command"
	want := []frr.Refusal{
		{Line: 2, Statement: "neighbor 192.0.2.9 password ***", Message: "% Specify remote-as or peer-group commands first"},
		{Line: 3, Statement: "neighbor 192.0.2.9 passwrod ***", Message: unknown},
		{Line: 4, Statement: "neighbour 192.0.2.2 remote-as 65001", Message: unknown},
		{Line: 7, Statement: "network 10.21.0.0/24 route-map", Message: "% Command incomplete"},
		{Line: 8, Statement: "neighbor 192.0.2.88 route-map OUT out", Message: "% Specify remote-as or peer-group commands first"},
		{Line: 12, Statement: "set metric banana", Message: unknown},
	}
	last := map[bool][]frr.Refusal{
		true: {{Line: 14, Statement: "router bgp 65009", Message: "BGP is already running; AS is 65000"}},
		false: {
			{Line: 14, Statement: "router bgp 65009", Message: "BGP instance name and AS number mismatch; BGP instance is already running; AS is 65000"},
			{Line: 15, Statement: "exit", Message: "early exit from config file"},
		},
	}
	for version, files := range fixtures(t) {
		t.Run(version, func(t *testing.T) {
			got := frr.ParseRefusals([]byte(refusedScript), files["refused"])
			want := append(want[:len(want):len(want)], last[version == "8.4.4"]...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("refusals (-want +got)\n%s", diff)
			}
			text := (&frr.ApplyError{Refusals: got}).Error()
			if strings.Contains(text, "s3cret") || !strings.Contains(text, "line 4: neighbour 192.0.2.2 remote-as 65001: % Unknown command") {
				t.Errorf("error text is\n%s", text)
			}
		})
	}
}

func TestMask(t *testing.T) {
	for in, want := range map[string]string{
		" neighbor 192.0.2.1 password hunter2":     " neighbor 192.0.2.1 password ***",
		"a\n neighbor x passwd two words \nb":      "a\n neighbor x passwd ***\nb",
		"no neighbor 192.0.2.1 password":           "no neighbor 192.0.2.1 password",
		" neighbor 192.0.2.1 passive":              " neighbor 192.0.2.1 passive",
		" NEIGHBOR 192.0.2.1 PASSWORD 8 deadbeef ": " NEIGHBOR 192.0.2.1 PASSWORD ***",
	} {
		if diff := cmp.Diff(want, frr.Mask(in)); diff != "" {
			t.Errorf("mask %q (-want +got)\n%s", in, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, files := range fixtures(f) {
		for _, data := range files {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := frr.ParseSummary(data); err == nil {
			for _, session := range s.Sessions {
				if session.Neighbor.String() == "" && session.Neighbor.Address.IsValid() {
					t.Errorf("neighbor %+v has no name", session.Neighbor)
				}
			}
		}
		neighbors, err := frr.ParseNeighbors(data)
		for i := 1; err == nil && i < len(neighbors); i++ {
			if neighbors[i-1].Compare(neighbors[i].Peer) > 0 {
				t.Errorf("neighbors %s and %s are not sorted", neighbors[i-1].Peer, neighbors[i].Peer)
			}
		}
		routes, err := frr.ParseAdvertised(data)
		for i := range routes {
			if err == nil && !routes[i].Prefix.IsValid() {
				t.Errorf("route %+v has no prefix", routes[i])
			}
		}
		if config, err := frr.ParseRunningConfig(data); err == nil && len(config) >= len(data) {
			t.Errorf("configuration is longer than what it is in: %q", config)
		}
	})
}

func FuzzParseRefusals(f *testing.F) {
	for _, files := range fixtures(f) {
		f.Add([]byte(refusedScript), files["refused"])
	}
	f.Fuzz(func(t *testing.T, script, output []byte) {
		for i, r := range frr.ParseRefusals(script, output) {
			if strings.Contains(r.Statement, "\n") || frr.Mask(r.Statement) != r.Statement || frr.Mask(r.Message) != r.Message {
				t.Errorf("refusal %d is not one masked line: %q", i, r)
			}
		}
	})
}
