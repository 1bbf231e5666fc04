package neighbor

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/test/lab"
)

const defaults = "neighborDefaults: {connectTime: 1s}\n"

// toA and toB are the node's neighbors, with more keys.
func toA(more string) string {
	return "  - {name: a, address: 10.1.0.1, asn: external" + more + "}\n"
}

func toB(more string) string {
	return "  - {name: b, address: 10.2.0.1, port: 1179, asn: external" + more + "}\n"
}

// speaker is a configuration of the node.
func speaker(top string, neighbors ...string) string {
	return "asn: 65000\n" + defaults + top + "neighbors:\n" + strings.Join(neighbors, "")
}

// Every key, on the far side. Each case takes the node and the switches on from the one before.
func TestKeys(t *testing.T) {
	const (
		node1 = "10.1.0.2"
		node2 = "10.2.0.2"
	)
	tests := []struct {
		name  string
		play  func(f *fabric) string
		check func(f *fabric) error
		// not must hold for a while, once check does.
		not func(f *fabric) error
	}{
		{
			name: "two switches on two links each get this node's address on their own",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000")...)
				f.peer(f.b, "65002", session(node2, "65000")...)
				return speaker("", toA(""), toB(""))
			},
			check: func(f *fabric) error {
				return all(told(f.a, "10.16.0.5/32", via(node1)), told(f.b, "10.16.0.5/32", via(node2)))
			},
		},
		{
			name: "holdTime, keepaliveTime, passwordFile, description, passive",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "neighbor 10.1.0.2 password s3cret!")...)
				return speaker("", toA(`, holdTime: 9s, keepaliveTime: 2s, passwordFile: password, passive: true, description: "a: ToR 5"`))
			},
			check: func(f *fabric) error {
				description := error(nil)
				if !strings.Contains(f.node.RunningConfig(), " neighbor 10.1.0.1 description a: ToR 5\n") {
					description = fmt.Errorf("the description is not there")
				}
				return all(description,
					peerIs("Established", f.a, node1, "bgpState"), peerIs(9000, f.a, node1, "bgpTimerHoldTimeMsecs"),
					peerIs(2000, f.node, "10.1.0.1", "bgpTimerKeepAliveIntervalMsecs"),
					// The switch has connected to the node.
					peerIs(179, f.a, node1, "portForeign"),
				)
			},
		},
		{
			name: "another password is no session",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "neighbor 10.1.0.2 password other")...)
				return speaker("", toA(", passwordFile: password"))
			},
			check: func(f *fabric) error { return down(f.a, node1) },
			not:   func(f *fabric) error { return down(f.a, node1) },
		},
		{
			name: "port",
			play: func(f *fabric) string {
				f.peer(f.b, "65002", session(node2, "65000", "neighbor 10.2.0.2 passive")...)
				return speaker("", toB(""))
			},
			check: func(f *fabric) error {
				return all(peerIs("Established", f.b, node2, "bgpState"), peerIs(1179, f.b, node2, "portLocal"))
			},
		},
		{
			name: "ebgpMultihop over a routed hop",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node2, "65000", "neighbor 10.2.0.2 ebgp-multihop 5", "neighbor 10.2.0.2 update-source 10.99.0.1")...)
				return speaker("", "  - {name: far, address: 10.99.0.1, asn: 65001, ebgpMultihop: 5}\n")
			},
			check: func(f *fabric) error { return told(f.a, "10.16.0.5/32", via(node2)) },
		},
		{
			name: "sourceAddress",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session("10.88.0.2", "65000", "neighbor 10.88.0.2 ebgp-multihop 2", "neighbor 10.88.0.2 passive")...)
				return speaker("", toA(", ebgpMultihop: 2, sourceAddress: 10.88.0.2"))
			},
			check: func(f *fabric) error {
				return all(peerIs("10.88.0.2", f.a, "10.88.0.2", "hostForeign"), told(f.a, "10.16.0.5/32", via("10.88.0.2")))
			},
		},
		{
			name: "ttlSecurityHops",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "neighbor 10.1.0.2 ttl-security hops 1")...)
				return speaker("", toA(", ttlSecurityHops: 1"))
			},
			check: func(f *fabric) error { return told(f.a, "10.16.0.5/32", via(node1)) },
		},
		{
			name: "ttlSecurityHops against a neighbor that sends less",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000")...)
				return speaker("", toA(", ttlSecurityHops: 1"))
			},
			check: func(f *fabric) error { return told(f.a, "10.16.0.5/32", nil) },
			// What the node sends arrives, so the switch may think for a moment that the session is up.
			not: func(f *fabric) error { return told(f.a, "10.16.0.5/32", nil) },
		},
		{
			name: "bfd with intervals",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "neighbor 10.1.0.2 bfd")...)
				return speaker("", toA(", bfd: {receiveInterval: 200, transmitInterval: 250, detectMultiplier: 4}"))
			},
			check: func(f *fabric) error {
				const peer = "show bfd peer 10.1.0.2 local-address 10.1.0.1 interface eth0 json"
				return all(is("up", f.a, peer, "status"), is(200, f.a, peer, "remote-receive-interval"),
					is(250, f.a, peer, "remote-transmit-interval"), is(4, f.a, peer, "remote-detect-multiplier"))
			},
		},
		{
			name: "bfd with FRR's own intervals",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "neighbor 10.1.0.2 bfd")...)
				return speaker("", toA(", bfd: {}"))
			},
			check: func(f *fabric) error {
				const peer = "show bfd peer 10.1.0.2 local-address 10.1.0.1 interface eth0 json"
				return all(is("up", f.a, peer, "status"), is(300, f.a, peer, "remote-receive-interval"),
					is(300, f.a, peer, "remote-transmit-interval"), is(3, f.a, peer, "remote-detect-multiplier"))
			},
		},
		{
			name: "gracefulRestart",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000")...)
				return speaker("gracefulRestart: {restartTime: 77s}\n", toA(", gracefulRestart: true"))
			},
			check: func(f *fabric) error {
				return all(peerIs("Established", f.a, node1, "bgpState"),
					peerIs(77, f.a, node1, "gracefulRestartInfo", "timers", "receivedRestartTimer"))
			},
		},
		{
			name: "families: both over IPv4",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "6 neighbor 10.1.0.2 activate")...)
				return speaker("", toA(", families: [ipv4, ipv6]"))
			},
			check: func(f *fabric) error { return all(told(f.a, "10.16.0.5/32", any1), told(f.a, "fd00:16::5/128", any1)) },
		},
		{
			name: "extendedNextHop: IPv4 over IPv6",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session("fd01::2", "65000", "neighbor fd01::2 capability extended-nexthop", "4 neighbor fd01::2 activate")...)
				return speaker("", "  - {name: a, address: \"fd01::1\", asn: 65001, extendedNextHop: true, families: [ipv4, ipv6]}\n")
			},
			check: func(f *fabric) error {
				six := func(p lab.Path) bool { return p.NextHop.Is6() }
				return all(told(f.a, "10.16.0.5/32", six), told(f.a, "fd00:16::5/128", six))
			},
		},
		{
			name: "interface: unnumbered",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", "neighbor eth0 interface remote-as 65000", "neighbor eth0 timers connect 1",
					"4 neighbor eth0 activate", "6 neighbor eth0 activate")
				return speaker("", "  - {name: a, interface: eth0, asn: external}\n")
			},
			check: func(f *fabric) error {
				linkLocal := func(p lab.Path) bool { return p.NextHop.IsLinkLocalUnicast() }
				kernel := error(nil)
				if out := kernelRoute(f.a, "10.16.0.5"); !strings.Contains(out, "via inet6 fe80::") {
					kernel = fmt.Errorf("the kernel's route to 10.16.0.5: %q", out)
				}
				return all(told(f.a, "10.16.0.5/32", linkLocal), told(f.a, "fd00:16::5/128", linkLocal), kernel)
			},
		},
		{
			name: "communities, largeCommunities, med",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000")...)
				return speaker("communities: [\"65000:7\"]\nlargeCommunities: [\"65000:1:2\"]\nmed: 50\n", toA(""))
			},
			check: func(f *fabric) error {
				return told(f.a, "10.16.0.5/32", func(p lab.Path) bool {
					return slices.Equal(p.Communities, []string{"65000:7"}) && slices.Equal(p.LargeCommunities, []string{"65000:1:2"}) && p.MED == 50
				})
			},
		},
		{
			name: "communities: those that bound how far a route goes bind the neighbors, and not what is passed on",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24")...)
				f.peer(f.b, "65000", session(node2, "65000")...)
				return speaker("communities: [no-advertise, \"65000:7\", local-as, no-export]\n",
					toA(", receive: all"), "  - {name: b, address: 10.2.0.1, port: 1179, asn: internal, transit: [a]}\n")
			},
			check: func(f *fabric) error {
				bound := func(p lab.Path) bool {
					return slices.Equal(p.Communities, []string{"65000:7", "no-export", "no-advertise", "local-AS"})
				}
				free := func(p lab.Path) bool { return len(p.Communities) == 0 }
				return all(told(f.a, "10.16.0.5/32", bound), told(f.b, "10.16.0.5/32", bound), told(f.b, "192.0.2.0/24", free))
			},
		},
		{
			name: "localPreference, asn internal",
			play: func(f *fabric) string {
				f.peer(f.a, "65000", session(node1, "65000")...)
				return speaker("localPreference: 333\n", "  - {name: a, address: 10.1.0.1, asn: internal}\n")
			},
			check: func(f *fabric) error {
				return told(f.a, "10.16.0.5/32", func(p lab.Path) bool { return p.LocalPreference == 333 && p.ASPath == "" })
			},
		},
		{
			name: "localASN",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65099")...)
				return speaker("", toA(", localASN: 65099"))
			},
			check: func(f *fabric) error { return told(f.a, "10.16.0.5/32", along("65099")) },
		},
		{
			name: "nextHop: an address for each family",
			play: func(f *fabric) string {
				// FRR adds its own link-local address to the IPv6 one, and would use that.
				f.peer(f.a, "65001", session(node1, "65000", "6 neighbor 10.1.0.2 activate", "6 neighbor 10.1.0.2 route-map GLOBAL in")...)
				return speaker("", toA(", families: [ipv4, ipv6], nextHop: {ipv4: 10.1.0.77, ipv6: \"fd01::77\"}"))
			},
			check: func(f *fabric) error {
				return all(told(f.a, "10.16.0.5/32", via("10.1.0.77")), told(f.a, "fd00:16::5/128", via("fd01::77")))
			},
		},
		{
			name: "receive all and transit; nothing is installed",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24", "4 network 198.51.100.0/24")...)
				f.peer(f.b, "65002", session(node2, "65000", "4 network 203.0.113.0/24")...)
				return speaker("", toA(", receive: all"), toB(", receive: all, transit: [a]"))
			},
			check: func(f *fabric) error {
				return all(told(f.b, "192.0.2.0/24", along("65000 65001")), told(f.b, "10.16.0.5/32", along("65000")),
					told(f.node, "203.0.113.0/24", any1), kernelHas(f.node, "192.0.2.0/24", false))
			},
			not: func(f *fabric) error { return told(f.a, "203.0.113.0/24", nil) },
		},
		{
			name: "receive a list, installed",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24", "4 network 198.51.100.0/25", "4 network 0.0.0.0/0")...)
				return speaker("", toA(", receive: {prefixes: [{prefix: 198.51.100.0/24, ge: 25, le: 26}], install: true}"))
			},
			check: func(f *fabric) error {
				return all(told(f.node, "198.51.100.0/25", any1), kernelHas(f.node, "198.51.100.0/25", true),
					told(f.node, "192.0.2.0/24", nil), told(f.node, "0.0.0.0/0", nil))
			},
		},
		{
			name: "receive the default route, installed, from one of two",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24", "4 network 0.0.0.0/0")...)
				f.peer(f.b, "65002", session(node2, "65000", "4 network 203.0.113.0/24")...)
				return speaker("", toA(", receive: {accept: default, install: true}"), toB(", receive: all"))
			},
			check: func(f *fabric) error {
				return all(told(f.node, "0.0.0.0/0", any1), kernelHas(f.node, "default", true), told(f.node, "192.0.2.0/24", nil),
					told(f.node, "203.0.113.0/24", any1), kernelHas(f.node, "203.0.113.0/24", false))
			},
		},
		{
			name: "receive nothing",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24")...)
				return speaker("", toA(""))
			},
			check: func(f *fabric) error {
				return all(told(f.a, "10.16.0.5/32", any1), told(f.node, "192.0.2.0/24", nil), kernelHas(f.node, "default", false))
			},
		},
		{
			name: "nextHop unchanged",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24")...)
				f.peer(f.b, "65002", session(node2, "65000")...)
				return speaker("", toA(", receive: all"), toB(", transit: [a], nextHop: unchanged"))
			},
			check: func(f *fabric) error {
				return all(told(f.b, "192.0.2.0/24", via("10.1.0.1")), told(f.b, "10.16.0.5/32", via(node2)))
			},
		},
		{
			name: "nextHop self",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24")...)
				f.peer(f.b, "65000", session(node2, "65000")...)
				return speaker("", toA(", receive: all"), "  - {name: b, address: 10.2.0.1, port: 1179, asn: internal, transit: [a], nextHop: self}\n")
			},
			check: func(f *fabric) error {
				return all(told(f.b, "192.0.2.0/24", via(node2)), told(f.b, "10.16.0.5/32", via(node2)))
			},
		},
		{
			name: "routeReflectorClient, clusterID",
			play: func(f *fabric) string {
				f.peer(f.a, "65000", session(node1, "65000", "4 network 192.0.2.0/24")...)
				f.peer(f.b, "65000", session(node2, "65000")...)
				return speaker("clusterID: 9.9.9.9\n",
					"  - {name: a, address: 10.1.0.1, asn: internal, routeReflectorClient: true, receive: all}\n",
					"  - {name: b, address: 10.2.0.1, port: 1179, asn: internal, routeReflectorClient: true, transit: [a]}\n")
			},
			check: func(f *fabric) error {
				out := fmt.Sprint(shown(f.b, "show bgp ipv4 unicast 192.0.2.0/24 json", "paths"))
				marks := error(nil)
				if !strings.Contains(out, "9.9.9.9") || !strings.Contains(out, "originatorId:10.1.0.1") || strings.Contains(out, ":4242:") {
					marks = fmt.Errorf("192.0.2.0/24 as reflected: %s", out)
				}
				return all(marks, told(f.b, "192.0.2.0/24", via("10.1.0.1")))
			},
		},
		{
			name: "maximumPrefix",
			play: func(f *fabric) string {
				// FRR 8.4 counts a route only when the next one comes.
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24", "4 network 192.0.3.0/24",
					"4 network 198.51.100.0/24 route-map MED1", "4 network 203.0.113.0/24 route-map MED2")...)
				return speaker("", toA(", receive: all, maximumPrefix: 2"))
			},
			check: func(f *fabric) error {
				return peerIs("Cease/Maximum Number of Prefixes Reached", f.a, node1, "lastNotificationReason")
			},
		},
		{
			name: "maximumPrefixOut",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000")...)
				return speaker("", toA(", maximumPrefixOut: 1"))
			},
			check: func(f *fabric) error {
				return peerIs(1, f.a, node1, "addressFamilyInfo", "ipv4Unicast", "acceptedPrefixCounter")
			},
			not: func(f *fabric) error {
				return peerIs(1, f.a, node1, "addressFamilyInfo", "ipv4Unicast", "acceptedPrefixCounter")
			},
		},
		{
			name: "allowASIn",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24 route-map PREPEND")...)
				f.peer(f.b, "65002", session(node2, "65000")...)
				return speaker("", toA(", receive: all, allowASIn: 1"), toB(", transit: [a]"))
			},
			check: func(f *fabric) error { return told(f.b, "192.0.2.0/24", along("65000 65001 65000")) },
		},
		{
			name: "our own AS does not come back",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24 route-map PREPEND", "4 network 198.51.100.0/24")...)
				return speaker("", toA(", receive: all"))
			},
			check: func(f *fabric) error { return told(f.node, "198.51.100.0/24", any1) },
			not:   func(f *fabric) error { return told(f.node, "192.0.2.0/24", nil) },
		},
		{
			name: "routers: a view with its own AS, router ID and neighbor",
			play: func(f *fabric) string {
				f.peer(f.a, "65001", session(node1, "65000", "4 network 192.0.2.0/24")...)
				f.peer(f.b, "65002", session(node2, "65200", "4 network 203.0.113.0/24")...)
				return speaker("routers: [{name: mesh, asn: 65200, routerID: 7.7.7.7}]\n", toA(", receive: all"), toB(", receive: all, router: mesh"))
			},
			check: func(f *fabric) error {
				return all(told(f.a, "10.16.0.5/32", along("65000")), told(f.b, "10.16.0.5/32", along("65200")),
					peerIs("7.7.7.7", f.b, node2, "remoteRouterId"))
			},
			not: func(f *fabric) error { return all(told(f.a, "203.0.113.0/24", nil), told(f.b, "192.0.2.0/24", nil)) },
		},
	}
	type story struct {
		name string
		tell func(*testing.T, *fabric)
	}
	stories := []story{{"connectTime", connectTime}, {"allowASIn: own prefixes that come back", ownPrefixes}}
	for _, tt := range tests {
		stories = append(stories, story{tt.name, func(t *testing.T, f *fabric) {
			f.tellOnFailure(t)
			yaml := tt.play(f)
			f.apply(t, yaml, cluster(node1))
			eventually(t, func() error { return tt.check(f) })
			if tt.not != nil {
				stays(t, "what must not be", func() error { return tt.not(f) })
			}
		}})
	}
	stories = append(stories, story{"router ID of a node without IPv4", withoutIPv4})

	// Nearly all the time goes into FRR's timers, so that several fabrics can be told their stories at once, whatever the number
	// of processors; t.Parallel would not.
	const fabrics = 2
	var done sync.WaitGroup
	for _, v := range lab.Versions(t) {
		for some := range slices.Chunk(stories, (len(stories)+fabrics-1)/fabrics) {
			done.Go(func() {
				t.Run(v.Name, func(t *testing.T) {
					f := newFabric(t, v)
					// So long FRR waits after a change of route-maps before it looks at its routes again, 5 s by default.
					f.node.Load("bgp route-map delay-timer 1\n")
					for _, s := range some {
						t.Run(s.name, func(t *testing.T) { s.tell(t, f) })
					}
				})
			})
		}
	}
	done.Wait()
}

// down is an error where a session is up.
func down(r *lab.Router, address string) error {
	if state := shown(r, "show bgp neighbors "+address+" json", address, "bgpState"); state == "Established" {
		return fmt.Errorf("the session with %s is up", address)
	}
	return nil
}

func kernelRoute(r *lab.Router, prefix string) string {
	out, err := ip(r, "route", "show", prefix)
	if err != nil {
		return err.Error()
	}
	return out
}

func kernelHas(r *lab.Router, prefix string, want bool) error {
	if out := kernelRoute(r, prefix); strings.Contains(out, "proto bgp") != want {
		return fmt.Errorf("the kernel's route to %s: %q, want one: %t", prefix, out, want)
	}
	return nil
}
