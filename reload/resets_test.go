package reload_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/test/lab"
)

// sessionConf is a router with one session, in the form that render gives it.
const sessionConf = `route-map FL-IN-NONE deny 10
exit
route-map FL-OUT-a permit 10
exit
route-map FL-OUT-b permit 10
exit
router bgp 65000
 bgp router-id 10.0.0.1
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.0.0.2 remote-as 65001
 neighbor 10.0.0.2 timers 3 9
 neighbor 10.0.0.2 timers connect 1
 address-family ipv4 unicast
  network 10.16.0.0/16
  neighbor 10.0.0.2 activate
  neighbor 10.0.0.2 route-map FL-IN-NONE in
  neighbor 10.0.0.2 route-map FL-OUT-a out
 exit-address-family
exit
`

// changes are edits of sessionConf, and the cause of the reset that each is; "" is none. What this table says of a reset is
// measured by TestResetsOnFRR.
var changes = []struct {
	name, old, new string
	cause          string
}{
	{"nothing", "", "", ""},
	{"timers", "timers 3 9", "timers 4 12", ""},
	{"connect time", "timers connect 1", "timers connect 5", ""},
	{"description", " address-family", " neighbor 10.0.0.2 description far side\n address-family", ""},
	{"outbound policy", "FL-OUT-a out", "FL-OUT-b out", ""},
	{"another network", "10.16.0.0/16", "10.17.0.0/16", ""},
	{"maximum-prefix", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 maximum-prefix 10", ""},
	{"maximum-prefix-out", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 maximum-prefix-out 10", ""},
	{"allowas-in", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 allowas-in 1", ""},
	{"next-hop-self", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 next-hop-self force", ""},
	{"another session", " address-family", " neighbor 10.0.0.3 remote-as 65003\n address-family", ""},
	{"restart-time", " no bgp network", " bgp graceful-restart restart-time 60\n no bgp network", ""},
	{"preserve-fw-state", " no bgp network", " bgp graceful-restart preserve-fw-state\n no bgp network", ""},
	{"graceful-restart", " address-family", " neighbor 10.0.0.2 graceful-restart\n address-family", "neighbor graceful-restart"},
	{"port", " address-family", " neighbor 10.0.0.2 port 1179\n address-family", "neighbor port"},
	{"passive", " address-family", " neighbor 10.0.0.2 passive\n address-family", "neighbor passive"},
	{"update-source", " address-family", " neighbor 10.0.0.2 update-source 10.0.0.1\n address-family", "neighbor update-source"},
	{"extended-nexthop", " address-family", " neighbor 10.0.0.2 capability extended-nexthop\n address-family", "neighbor capability extended-nexthop"},
	{"ebgp-multihop", " address-family", " neighbor 10.0.0.2 ebgp-multihop 5\n address-family", "neighbor ebgp-multihop"},
	{"ttl-security", " address-family", " neighbor 10.0.0.2 ttl-security hops 1\n address-family", "neighbor ttl-security hops"},
	{"remote-as", "remote-as 65001", "remote-as 65009", "neighbor remote-as"},
	{"remote-as in words", "remote-as 65001", "remote-as external", "neighbor remote-as"},
	{"local-as", " address-family", " neighbor 10.0.0.2 local-as 65010 no-prepend replace-as\n address-family", "neighbor local-as"},
	{"password", " address-family", " neighbor 10.0.0.2 password secret\n address-family", "neighbor password"},
	{"another family", " exit-address-family", " exit-address-family\n address-family ipv6 unicast\n  neighbor 10.0.0.2 activate\n" +
		"  neighbor 10.0.0.2 route-map FL-IN-NONE in\n  neighbor 10.0.0.2 route-map FL-OUT-a out\n exit-address-family", "neighbor activate of ipv6 unicast"},
	{"router ID", "router-id 10.0.0.1", "router-id 10.0.0.9", "bgp router-id"},
	{"cluster ID", " no bgp network", " bgp cluster-id 10.0.0.9\n no bgp network", ""},
	{"removal", " neighbor 10.0.0.2 ", " neighbor 10.0.0.4 ", "no neighbor"},
	{"AS number", "router bgp 65000", "router bgp 65010", "router bgp"},
}

func TestResets(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			wanted := strings.ReplaceAll(sessionConf, c.old, c.new)
			if c.old == "" {
				wanted = sessionConf
			}
			var want []reload.Reset
			if c.cause != "" {
				want = []reload.Reset{{Router: "router bgp 65000", Neighbor: "10.0.0.2", Cause: c.cause}}
			}
			got := reload.Resets(reload.Parse([]byte(sessionConf)).Owned(), reload.Parse([]byte(wanted)).Owned())
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("resets (-want +got)\n%s", diff)
			}
			if c.name == "AS number" || c.name == "removal" || c.name == "another session" {
				return
			}
			back := reload.Resets(reload.Parse([]byte(wanted)).Owned(), reload.Parse([]byte(sessionConf)).Owned())
			if diff := cmp.Diff(want, back); diff != "" {
				t.Errorf("resets of the way back (-want +got)\n%s", diff)
			}
		})
	}
}

// TestResetsInternal has what only iBGP sessions mind.
func TestResetsInternal(t *testing.T) {
	tree := func(router, family string) reload.Tree {
		return reload.Parse([]byte("router bgp 65000\n" + router + " neighbor 10.0.0.2 remote-as 65000\n neighbor eth1 interface remote-as internal\n" +
			" neighbor 10.0.0.3 remote-as 650001\n address-family ipv4 unicast\n" + family + " exit-address-family\nexit\n")).Owned()
	}
	reset := func(neighbor, cause string) reload.Reset {
		return reload.Reset{Router: "router bgp 65000", Neighbor: neighbor, Cause: cause}
	}
	for name, c := range map[string]struct {
		wanted reload.Tree
		want   []reload.Reset
	}{
		"cluster ID": {tree(" bgp cluster-id 10.0.0.9\n", ""), []reload.Reset{reset("10.0.0.2", "bgp cluster-id"), reset("eth1", "bgp cluster-id")}},
		"reflector":  {tree("", "  neighbor eth1 route-reflector-client\n"), []reload.Reset{reset("eth1", "neighbor route-reflector-client of ipv4 unicast")}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, reload.Resets(tree("", ""), c.wanted)); diff != "" {
				t.Errorf("resets (-want +got)\n%s", diff)
			}
		})
	}
}

// TestResetsOnFRR makes each change on a real FRR, and asks the far side whether its session went down.
func TestResetsOnFRR(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			node, tor := lab.NewNamespace(t, "node"), lab.NewNamespace(t, "tor")
			lab.Link(t, node, "eth0", []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, tor, "eth0", []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")})
			far := tor.StartFRR(t, v, "router bgp 65001\n no bgp ebgp-requires-policy\n neighbor 10.0.0.1 remote-as external\n"+
				" neighbor 10.0.0.1 timers 3 9\n neighbor 10.0.0.1 timers connect 1\nexit\n")
			near := node.StartFRR(t, v, "")
			r := reload.New(shell(near), reload.File{})
			resets := func() (int, error) {
				neighbors, err := shell(far).Neighbors(t.Context(), "")
				if err != nil || len(neighbors) != 1 {
					return 0, fmt.Errorf("%d neighbors, %w", len(neighbors), err)
				}
				if neighbors[0].State != "Established" {
					return neighbors[0].Resets, errors.New(neighbors[0].State)
				}
				return neighbors[0].Resets, nil
			}
			for _, c := range changes {
				if c.old == "" {
					continue
				}
				if _, err := r.Apply(t.Context(), []byte(sessionConf)); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				before := 0
				lab.Eventually(t, 30*time.Second, "the session is up before "+c.name, func() (err error) {
					before, err = resets()
					return err
				})
				if _, err := r.Apply(t.Context(), []byte(strings.ReplaceAll(sessionConf, c.old, c.new))); err != nil {
					t.Errorf("%s: %v", c.name, err)
					continue
				}
				after := before
				deadline := time.NewTimer(700 * time.Millisecond)
				tick := time.NewTicker(100 * time.Millisecond)
				for looking := true; looking && after == before; {
					select {
					case <-deadline.C:
						looking = false
					case <-tick.C:
						after, _ = resets()
					}
				}
				tick.Stop()
				want := c.cause != ""
				if c.name == "graceful-restart" && strings.HasPrefix(v.Name, "8.") {
					want = false
				}
				if got := after != before; got != want {
					t.Errorf("%s: the session was reset: %t, told: %t", c.name, got, want)
				}
			}
		})
	}
}
