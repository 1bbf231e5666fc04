package reload_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/reload"
)

// tellingConf has two audiences: 10.0.0.2 and 10.0.0.3 are told what is marked 1, 10.0.0.4 what is marked 2.
const tellingConf = `bgp large-community-list standard FL-TO-a seq 5 permit 65000:4242:1
bgp large-community-list standard FL-TO-b seq 5 permit 65000:4242:2
bgp large-community-list expanded FL-MARKERS seq 5 permit ^65000:4242:
ip prefix-list FL-PL seq 5 permit 192.0.2.0/24
route-map FL-GROUP-a permit 10
 set large-community 65000:4242:1
exit
route-map FL-GROUP-ab permit 10
 set large-community 65000:4242:1 65000:4242:2
exit
route-map FL-GROUP-c permit 10
 set community 65000:7
 set large-community 65000:4242:1
exit
route-map FL-IN permit 10
 match ip address prefix-list FL-PL
exit
route-map FL-IN-NONE deny 10
exit
route-map FL-OUT-a permit 10
 match large-community FL-TO-a
 set large-comm-list FL-MARKERS delete
exit
route-map FL-OUT-b permit 10
 match large-community FL-TO-b
 set large-comm-list FL-MARKERS delete
exit
router bgp 65000
 neighbor 10.0.0.2 remote-as 65001
 neighbor 10.0.0.3 remote-as 65001
 neighbor 10.0.0.4 remote-as 65001
 address-family ipv4 unicast
  network 10.16.0.1/32 route-map FL-GROUP-a
  network 10.16.0.2/32 route-map FL-GROUP-ab
  network 10.16.0.3/32 route-map FL-GROUP-c
  neighbor 10.0.0.2 activate
  neighbor 10.0.0.2 route-map FL-IN in
  neighbor 10.0.0.2 route-map FL-OUT-a out
  neighbor 10.0.0.3 activate
  neighbor 10.0.0.3 route-map FL-IN-NONE in
  neighbor 10.0.0.3 route-map FL-OUT-a out
  neighbor 10.0.0.4 activate
  neighbor 10.0.0.4 route-map FL-IN-NONE in
  neighbor 10.0.0.4 route-map FL-OUT-b out
 exit-address-family
exit
`

func TestForesee(t *testing.T) {
	const router, family = "router bgp 65000", "ipv4 unicast"
	prefixes := func(hosts ...int) []netip.Prefix {
		var out []netip.Prefix
		for _, h := range hosts {
			out = append(out, netip.MustParsePrefix(fmt.Sprintf("10.16.0.%d/32", h)))
		}
		return out
	}
	a, b := []string{"10.0.0.2", "10.0.0.3"}, []string{"10.0.0.4"}
	routes := func(neighbors []string, announced, replaced, withdrawn []netip.Prefix) reload.Routes {
		return reload.Routes{Router: router, Family: family, Neighbors: neighbors, Announced: announced, Replaced: replaced, Withdrawn: withdrawn}
	}
	policy := func(inbound bool, cause string, neighbors ...string) reload.Policy {
		return reload.Policy{Router: router, Family: family, Neighbors: neighbors, Inbound: inbound, Cause: cause}
	}
	delayed := func(p reload.Policy) reload.Policy {
		p.Delayed = true
		return p
	}
	for name, c := range map[string]struct {
		old, new string
		want     reload.Foresight
	}{
		"nothing": {"", "", reload.Foresight{}},
		"a route more": {"  network 10.16.0.2/32", "  network 10.16.0.9/32 route-map FL-GROUP-a\n  network 10.16.0.2/32",
			reload.Foresight{Routes: []reload.Routes{routes(a, prefixes(9), nil, nil)}}},
		"a route less": {"  network 10.16.0.2/32 route-map FL-GROUP-ab\n", "",
			reload.Foresight{Routes: []reload.Routes{routes(a, nil, nil, prefixes(2)), routes(b, nil, nil, prefixes(2))}}},
		"other attributes": {"10.16.0.1/32 route-map FL-GROUP-a\n", "10.16.0.1/32 route-map FL-GROUP-c\n",
			reload.Foresight{Routes: []reload.Routes{routes(a, nil, prefixes(1), nil)}}},
		"another audience beside": {"10.16.0.1/32 route-map FL-GROUP-a\n", "10.16.0.1/32 route-map FL-GROUP-ab\n",
			reload.Foresight{Routes: []reload.Routes{routes(b, prefixes(1), nil, nil)}}},
		"one audience less": {"10.16.0.2/32 route-map FL-GROUP-ab\n", "10.16.0.2/32 route-map FL-GROUP-c\n",
			reload.Foresight{Routes: []reload.Routes{routes(a, nil, prefixes(2), nil), routes(b, nil, nil, prefixes(2))}}},
		"inbound policy": {"neighbor 10.0.0.3 route-map FL-IN-NONE in", "neighbor 10.0.0.3 route-map FL-IN in",
			reload.Foresight{Policies: []reload.Policy{policy(true, "neighbor route-map in", "10.0.0.3")}}},
		"outbound policy": {"neighbor 10.0.0.3 route-map FL-OUT-a out", "neighbor 10.0.0.3 route-map FL-OUT-b out",
			reload.Foresight{
				Policies: []reload.Policy{policy(false, "neighbor route-map out", "10.0.0.3")},
				Routes:   []reload.Routes{routes([]string{"10.0.0.3"}, nil, nil, prefixes(1, 3))},
			}},
		"next hop": {"  neighbor 10.0.0.3 activate", "  neighbor 10.0.0.3 activate\n  neighbor 10.0.0.3 next-hop-self force\n  neighbor 10.0.0.3 allowas-in 1",
			reload.Foresight{Policies: []reload.Policy{policy(false, "neighbor next-hop-self", "10.0.0.3"), policy(true, "neighbor allowas-in", "10.0.0.3")}}},
		"a list put right": {"prefix-list FL-PL seq 5 permit 192.0.2.0/24", "prefix-list FL-PL seq 5 permit 198.51.100.0/24",
			reload.Foresight{Policies: []reload.Policy{delayed(policy(true, "ip prefix-list FL-PL", "10.0.0.2"))}}},
		"a policy put right": {"route-map FL-OUT-a permit 10\n", "route-map FL-OUT-a permit 10\n set metric 5\n",
			reload.Foresight{Policies: []reload.Policy{delayed(policy(false, "route-map FL-OUT-a", a...))}}},
		"a neighbor that goes": {" neighbor 10.0.0.4 ", " neighbor 10.0.0.5 ",
			reload.Foresight{Resets: []reload.Reset{{Router: router, Neighbor: "10.0.0.4", Cause: "no neighbor"}}}},
		"a reset, and a route": {" neighbor 10.0.0.4 remote-as 65001\n address-family ipv4 unicast\n",
			" neighbor 10.0.0.4 remote-as 65001\n neighbor 10.0.0.4 passive\n address-family ipv4 unicast\n  network 10.16.0.9/32 route-map FL-GROUP-ab\n",
			reload.Foresight{
				Resets: []reload.Reset{{Router: router, Neighbor: "10.0.0.4", Cause: "neighbor passive"}},
				Routes: []reload.Routes{routes(a, prefixes(9), nil, nil)},
			}},
		"a new policy": {"FL-IN-NONE", "FL-IN-NEW", reload.Foresight{Policies: []reload.Policy{policy(true, "neighbor route-map in", "10.0.0.3", "10.0.0.4")}}},
		"another AS": {"router bgp 65000", "router bgp 65009", reload.Foresight{Resets: []reload.Reset{
			{Router: router, Neighbor: "10.0.0.2", Cause: "router bgp"}, {Router: router, Neighbor: "10.0.0.3", Cause: "router bgp"},
			{Router: router, Neighbor: "10.0.0.4", Cause: "router bgp"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			wanted := tellingConf
			if c.old != "" {
				if wanted = strings.ReplaceAll(tellingConf, c.old, c.new); wanted == tellingConf {
					t.Fatal("the case changes nothing")
				}
			}
			before, after := reload.Parse([]byte(tellingConf)).Owned(), reload.Parse([]byte(wanted)).Owned()
			got := reload.Foresee("", before, after, reload.Diff(before, after))
			if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
				t.Errorf("foresight (-want +got)\n%s", diff)
			}
		})
	}
}

func TestForesightInWords(t *testing.T) {
	const router, family = "router bgp 65000", "ipv4 unicast"
	neighbors := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"}
	withdrawn := []netip.Prefix{netip.MustParsePrefix("10.16.0.0/16")}
	for want, got := range map[string]string{
		"": reload.Routes{Announced: withdrawn}.Withdrawals(),
		"this change withdraws 1 ipv4 unicast routes of router bgp 65000 from 10.0.0.1, 10.0.0.2, 10.0.0.3, and 2 more: 10.16.0.0/16": reload.Routes{
			Router: router, Family: family, Neighbors: neighbors, Withdrawn: withdrawn}.Withdrawals(),
		"this change has all ipv4 unicast routes of router bgp 65000 sent again to 10.0.0.1 (neighbor route-map out)": reload.Policy{
			Router: router, Family: family, Neighbors: neighbors[:1], Cause: "neighbor route-map out"}.String(),
		"this change has 10.0.0.1 of router bgp 65000 asked for all ipv4 unicast routes again after FRR's delay timer (route-map FL-IN)": reload.Policy{
			Router: router, Family: family, Neighbors: neighbors[:1], Inbound: true, Delayed: true, Cause: "route-map FL-IN"}.String(),
	} {
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// BenchmarkForesee is one route more beside others.
func BenchmarkForesee(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var networks strings.Builder
			for i := range n {
				fmt.Fprintf(&networks, "  network 10.%d.%d.%d/32 route-map FL-GROUP-a\n", 32+i>>16, i>>8&255, i&255)
			}
			const first = "  network 10.16.0.1/32 route-map FL-GROUP-a\n"
			before := reload.Parse([]byte(strings.Replace(tellingConf, first, networks.String(), 1))).Owned()
			after := reload.Parse([]byte(strings.Replace(tellingConf, first, first+networks.String(), 1))).Owned()
			change := reload.Diff(before, after)
			b.ReportAllocs()
			for b.Loop() {
				if f := reload.Foresee("", before, after, change); len(f.Routes) != 1 || len(f.Routes[0].Announced) != 1 {
					b.Fatalf("foresight %v", f)
				}
			}
		})
	}
}
