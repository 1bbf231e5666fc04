package e2e

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// What manifests ask for reaches the ToR, in both families, with nothing on it that nobody asked for; and it leaves again.
func TestAnnounce(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		n, _, tor := external(t, v, torConfig)
		n.configure("external", oneToR)
		n.write("subnet.yaml", subnetObject)
		n.write("service.yaml", serviceObject)
		n.write("pod.yaml", podThat("", "sample", "10.16.0.5", "fd00:10:16::5"))
		n.start()
		base := []string{"10.16.0.0/16", "10.96.0.10/32", "fd00:10:16::/64", "fd00:10:96::a/128"}
		told(t, tor, base...)

		n.write("pod.yaml", podThat("true", "sample", "10.16.0.5", "fd00:10:16::5"))
		told(t, tor, append(slices.Clone(base), "10.16.0.5/32", "fd00:10:16::5/128")...)

		for _, family := range []route.Family{route.IPv4Unicast, route.IPv6Unicast} {
			from, hop := netip.MustParseAddr(nodeV4), nodeV4
			if family == route.IPv6Unicast {
				from, hop = netip.MustParseAddr(nodeV6), nodeV6
			}
			// FRR sends MED 0 with a network statement; a path has no other attribute than it must.
			want := []lab.Path{{From: from, ASPath: "65000", Origin: "IGP", Best: true}}
			for prefix, paths := range tor.Routes(family) {
				if diff := cmp.Diff(want, paths, cmpopts.IgnoreFields(lab.Path{}, "NextHop"), alike()); diff != "" {
					t.Errorf("path to %s (-want +got)\n%s", prefix, diff)
				}
				if hops := nextHops(t, tor, prefix); !slices.Contains(hops, hop) {
					t.Errorf("next hops of %s are %v, want the node's address %s among them", prefix, hops, hop)
				}
			}
		}

		n.write("pod.yaml", podThat("", "sample", "10.16.0.5", "fd00:10:16::5"))
		told(t, tor, base...)
	})
}

// alike compares paths: addresses by their value, and no communities are none however they are written.
func alike() cmp.Option {
	return cmp.Options{cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()}
}

// nextHops are all the next hops of a prefix: IPv6 has a global and a link-local one.
func nextHops(t *testing.T, r *lab.Router, prefix netip.Prefix) []string {
	t.Helper()
	family := "ipv4"
	if prefix.Addr().Is6() {
		family = "ipv6"
	}
	out, err := r.Vtysh(t.Context(), fmt.Sprintf("show bgp %s unicast %s json", family, prefix))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths []struct {
			NextHops []struct {
				IP string `json:"ip"`
			} `json:"nexthops"`
		} `json:"paths"`
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in\n%s", err, out)
	}
	var hops []string
	for _, p := range doc.Paths {
		for _, h := range p.NextHops {
			hops = append(hops, h.IP)
		}
	}
	return hops
}

const twoToRs = `asn: 65000
neighbors:
- {address: 10.0.1.1, asn: 65001, connectTime: 1s, families: [ipv4, ipv6]}
- {address: 10.0.2.1, asn: internal, connectTime: 1s}
- {address: "fd00:2::1", asn: internal, connectTime: 1s}
`

// torsConfig is the first of two ToRs: it announces a route of its own, and one that carries one of our markers.
const torsConfig = `
route-map MARKED permit 10
 set large-community %s
exit
router bgp 65001
 bgp router-id 10.0.1.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.1.2 remote-as 65000
 neighbor 10.0.1.2 timers connect 1
 address-family ipv4 unicast
  network 192.0.2.0/24
  network 198.51.100.0/24 route-map MARKED
  neighbor 10.0.1.2 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8::/32 route-map MARKED
  neighbor 10.0.1.2 activate
 exit-address-family
exit
`

// internalConfig is the second one, an iBGP neighbor that takes all.
const internalConfig = `
router bgp 65000
 bgp router-id 10.0.2.1
 no bgp default ipv4-unicast
 neighbor 10.0.2.2 remote-as 65000
 neighbor 10.0.2.2 timers connect 1
 neighbor fd00:2::2 remote-as 65000
 neighbor fd00:2::2 timers connect 1
 address-family ipv4 unicast
  neighbor 10.0.2.2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:2::2 activate
 exit-address-family
exit
`

// Two ToRs on two links each get this node's address on their own link as the next hop; what one of them announces is
// neither taken nor passed on to the other, not even where it carries the marker of what we originate.
func TestTwoToRsAndNoTransit(t *testing.T) {
	firstAndLast(t, func(t *testing.T, v lab.Version) {
		n := newNode(t, v)
		ns1, ns2 := lab.NewNamespace(t, "tor1"), lab.NewNamespace(t, "tor2")
		lab.Link(t, n.Namespace, "eth0", on(nodeV4, nodeV6), ns1, "eth0", on(torV4, torV6))
		lab.Link(t, n.Namespace, "eth1", on(node2V4, node2V6), ns2, "eth0", on(tor2V4, tor2V6))
		speaker := n.StartFRR(t, v, "")
		tor1, tor2 := ns1.StartFRR(t, v, ""), ns2.StartFRR(t, v, internalConfig)

		n.configure("external", twoToRs)
		n.write("subnet.yaml", subnetObject)
		marker := regexp.MustCompile(`set large-community (\S+)`).FindStringSubmatch(n.fairlead("render"))
		if marker == nil {
			t.Fatal("render has no marker")
		}
		tor1.Load(fmt.Sprintf(torsConfig, marker[1]))
		n.start()
		ours := []string{"10.16.0.0/16", "fd00:10:16::/64"}
		foreign := []string{"192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"}
		told(t, tor1, append(slices.Clone(ours), foreign...)...)
		told(t, tor2, ours...)

		// What the speaker holds and passes on is looked at only once the ToR's routes have come to it.
		lab.Eventually(t, converge, "the ToR has sent its three routes", func() error {
			sent := 0
			for _, family := range []string{"ipv4", "ipv6"} {
				out, err := tor1.Vtysh(t.Context(), "show bgp "+family+" unicast summary json")
				if err != nil {
					return err
				}
				var summary struct {
					Peers map[string]struct {
						Sent int `json:"pfxSnt"`
					} `json:"peers"`
				}
				if err := json.Unmarshal([]byte(out), &summary); err != nil {
					return err
				}
				sent += summary.Peers[nodeV4].Sent
			}
			if sent < len(foreign) {
				return fmt.Errorf("it has sent %d", sent)
			}
			return nil
		})
		n.write("pod.yaml", pod("sample", "10.16.0.5"))
		ours = append(ours, "10.16.0.5/32")
		told(t, tor1, append(slices.Clone(ours), foreign...)...)
		told(t, tor2, ours...)
		told(t, speaker, ours...)

		for prefix, hop := range map[string]string{"10.16.0.0/16": nodeV4, "10.16.0.5/32": nodeV4, "fd00:10:16::/64": nodeV6} {
			if hops := nextHops(t, tor1, netip.MustParsePrefix(prefix)); !slices.Contains(hops, hop) {
				t.Errorf("the first ToR has next hops %v to %s, want %s", hops, prefix, hop)
			}
		}
		for prefix, hop := range map[string]string{"10.16.0.0/16": node2V4, "10.16.0.5/32": node2V4, "fd00:10:16::/64": node2V6} {
			if hops := nextHops(t, tor2, netip.MustParsePrefix(prefix)); !slices.Contains(hops, hop) {
				t.Errorf("the second ToR has next hops %v to %s, want %s", hops, prefix, hop)
			}
		}
		want := []lab.Path{{From: netip.MustParseAddr(node2V4), NextHop: netip.MustParseAddr(node2V4), Origin: "IGP", LocalPreference: 100, Best: true}}
		if diff := cmp.Diff(want, tor2.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.5/32")], alike()); diff != "" {
			t.Errorf("path of the iBGP neighbor (-want +got)\n%s", diff)
		}
	})
}
