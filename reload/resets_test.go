package reload_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
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

// resetCase is an edit of a configuration, old to new.
type resetCase struct {
	name, old, new string
	cause          string
	// lonely says that the far side of TestResetsOnFRR holds no session like that.
	lonely bool
}

// gracefulConf is sessionConf with graceful restart, as render gives it, and gracefulChanges are edits of it.
var (
	gracefulConf = strings.NewReplacer(" address-family", " neighbor 10.0.0.2 graceful-restart\n address-family",
		" no bgp network", " bgp graceful-restart preserve-fw-state\n no bgp network").Replace(sessionConf)
	gracefulChanges = []resetCase{
		{"restart-time", " no bgp network", " bgp graceful-restart restart-time 60\n no bgp network", "bgp graceful-restart restart-time", false},
		{"stalepath-time", " no bgp network", " bgp graceful-restart stalepath-time 60\n no bgp network", "", false},
		{"select-defer-time", " no bgp network", " bgp graceful-restart select-defer-time 60\n no bgp network", "", false},
		{"preserve-fw-state", " bgp graceful-restart preserve-fw-state\n", "", "", false},
	}
)

// changes are edits of sessionConf, and the cause of the reset that each is; "" is none. What this table says of a reset is
// measured by TestResetsOnFRR.
var changes = []resetCase{
	{"nothing", "", "", "", false},
	{"timers", "timers 3 9", "timers 4 12", "", false},
	{"connect time", "timers connect 1", "timers connect 5", "", false},
	{"description", " address-family", " neighbor 10.0.0.2 description far side\n address-family", "", false},
	{"outbound policy", "FL-OUT-a out", "FL-OUT-b out", "", false},
	{"another network", "10.16.0.0/16", "10.17.0.0/16", "", false},
	{"maximum-prefix", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 maximum-prefix 10", "", false},
	{"maximum-prefix-out", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 maximum-prefix-out 10", "", false},
	{"allowas-in", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 allowas-in 1", "", false},
	{"next-hop-self", "  neighbor 10.0.0.2 activate", "  neighbor 10.0.0.2 activate\n  neighbor 10.0.0.2 next-hop-self force", "", false},
	{"another session", " address-family", " neighbor 10.0.0.3 remote-as 65003\n address-family", "", false},
	{"restart-time", " no bgp network", " bgp graceful-restart restart-time 60\n no bgp network", "", false},
	{"preserve-fw-state", " no bgp network", " bgp graceful-restart preserve-fw-state\n no bgp network", "", false},
	{"graceful-restart", " address-family", " neighbor 10.0.0.2 graceful-restart\n address-family", "neighbor graceful-restart", false},
	{"bfd", " address-family", " neighbor 10.0.0.2 bfd\n address-family", "", false},
	{"port", " address-family", " neighbor 10.0.0.2 port 1179\n address-family", "neighbor port", false},
	{"passive", " address-family", " neighbor 10.0.0.2 passive\n address-family", "neighbor passive", false},
	{"update-source", " address-family", " neighbor 10.0.0.2 update-source 10.0.0.1\n address-family", "neighbor update-source", false},
	{"extended-nexthop", " address-family", " neighbor 10.0.0.2 capability extended-nexthop\n address-family", "neighbor capability extended-nexthop", false},
	{"ebgp-multihop", " address-family", " neighbor 10.0.0.2 ebgp-multihop 5\n address-family", "neighbor ebgp-multihop", false},
	{"ttl-security", " address-family", " neighbor 10.0.0.2 ttl-security hops 1\n address-family", "neighbor ttl-security hops", true},
	{"remote-as", "remote-as 65001", "remote-as 65009", "neighbor remote-as", true},
	{"remote-as in words", "remote-as 65001", "remote-as external", "neighbor remote-as", false},
	{"local-as", " address-family", " neighbor 10.0.0.2 local-as 65010 no-prepend replace-as\n address-family", "neighbor local-as", false},
	{"password", " address-family", " neighbor 10.0.0.2 password secret\n address-family", "neighbor password", true},
	{"another family", " exit-address-family", " exit-address-family\n address-family ipv6 unicast\n  neighbor 10.0.0.2 activate\n" +
		"  neighbor 10.0.0.2 route-map FL-IN-NONE in\n  neighbor 10.0.0.2 route-map FL-OUT-a out\n exit-address-family", "neighbor activate of ipv6 unicast", false},
	{"router ID", "router-id 10.0.0.1", "router-id 10.0.0.9", "bgp router-id", false},
	{"cluster ID", " no bgp network", " bgp cluster-id 10.0.0.9\n no bgp network", "", false},
	{"removal", " neighbor 10.0.0.2 ", " neighbor 10.0.0.4 ", "no neighbor", true},
	{"AS number", "router bgp 65000", "router bgp 65010", "router bgp", false},
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
				want = []reload.Reset{{Router: "router bgp 65000", Neighbor: "10.0.0.2", Cause: c.cause, May: c.name == "port"}}
			}
			got := reload.Resets("", reload.Parse([]byte(sessionConf)).Owned(), reload.Parse([]byte(wanted)).Owned())
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("resets (-want +got)\n%s", diff)
			}
			if c.name == "AS number" || c.name == "removal" || c.name == "another session" {
				return
			}
			if c.name == "port" {
				want = nil
			}
			back := reload.Resets("", reload.Parse([]byte(wanted)).Owned(), reload.Parse([]byte(sessionConf)).Owned())
			if diff := cmp.Diff(want, back); diff != "" {
				t.Errorf("resets of the way back (-want +got)\n%s", diff)
			}
		})
	}
}

// What the versions of FRR differ in.
func TestResetsByVersion(t *testing.T) {
	for _, c := range []struct {
		version, old, new string
		told              bool
	}{
		{"8.4.4", "restart-time 90", "restart-time 60", false},
		{"10.3", "restart-time 90", "restart-time 60", false},
		{"10.7.1", "restart-time 90", "restart-time 60", true},
		{"", "restart-time 90", "restart-time 60", true},
		{"8.4.4", " neighbor 10.0.0.2 graceful-restart\n", "", false},
		{"10.3", " neighbor 10.0.0.2 graceful-restart\n", "", true},
	} {
		conf := strings.Replace(gracefulConf, " no bgp network", " bgp graceful-restart restart-time 90\n neighbor 10.0.0.3 remote-as 65003\n no bgp network", 1)
		got := reload.Resets(c.version, reload.Parse([]byte(conf)), reload.Parse([]byte(strings.Replace(conf, c.old, c.new, 1))))
		if len(got) > 1 || (len(got) == 1) != c.told || len(got) == 1 && got[0].Neighbor != "10.0.0.2" {
			t.Errorf("%q to %q on %q resets %v, told: %t", c.old, c.new, c.version, got, c.told)
		}
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
			if diff := cmp.Diff(c.want, reload.Resets("", tree("", ""), c.wanted)); diff != "" {
				t.Errorf("resets (-want +got)\n%s", diff)
			}
		})
	}
}

// TestResetsOnFRR makes each change on a real FRR, and asks the far side whether its session went down. FAIRLEAD_SOAK takes each
// back as such a change too.
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
			session := func() (frr.Neighbor, error) {
				neighbors, err := shell(far).Neighbors(t.Context(), "")
				if err != nil || len(neighbors) != 1 {
					return frr.Neighbor{}, fmt.Errorf("%d neighbors, %w", len(neighbors), err)
				}
				return neighbors[0], nil
			}
			// goes applies a configuration, and checks that the session goes down just where that is told.
			goes := func(what, from, to string) bool {
				t.Helper()
				before := 0
				lab.Eventually(t, 30*time.Second, "the session is up before "+what, func() error {
					now, err := session()
					if err == nil && now.State != "Established" {
						err = errors.New(now.State)
					}
					before = now.Resets
					return err
				})
				told := slices.ContainsFunc(reload.Resets(v.Name, reload.Parse([]byte(from)), reload.Parse([]byte(to))),
					func(r reload.Reset) bool { return r.Neighbor == "10.0.0.2" })
				if _, err := r.Apply(t.Context(), []byte(to)); err != nil {
					t.Errorf("%s: %v", what, err)
					return false
				}
				if !told {
					// What is told is waited for; what is not would be seen by now.
					<-time.After(700 * time.Millisecond)
				}
				after := before
				lab.Eventually(t, 30*time.Second, what+" has done what is told", func() error {
					now, err := session()
					if after = now.Resets; err == nil && told && after == before {
						err = errors.New("the session was not reset")
					}
					return err
				})
				if after != before {
					if !told {
						t.Errorf("%s: the session was reset, and that is not told", what)
					}
					// It starts again at once, not after the time that grows with each reset.
					if _, err := near.Vtysh(t.Context(), "clear bgp *"); err != nil {
						t.Error(err)
					}
				}
				return true
			}
			walk := func(conf string, cases []resetCase) {
				if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
					t.Fatal(err)
				}
				for _, c := range cases {
					wanted := strings.ReplaceAll(conf, c.old, c.new)
					if c.old == "" || !goes(c.name, conf, wanted) {
						continue
					}
					if !c.lonely && os.Getenv("FAIRLEAD_SOAK") != "" {
						goes("the end of "+c.name, wanted, conf)
					} else if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
						t.Fatalf("the end of %s: %v", c.name, err)
					}
				}
			}
			walk(gracefulConf, gracefulChanges)
			walk(sessionConf, changes)
		})
	}
}

func TestSessions(t *testing.T) {
	const conf = sessionConf + "router bgp 65010 view b\n neighbor fd00::2 remote-as 65001\n neighbor eth0 interface remote-as external\nexit\n"
	var got []string
	for _, r := range reload.Sessions([]byte(conf)) {
		got = append(got, r.String())
	}
	want := []string{
		"this change resets the session with 10.0.0.2 of router bgp 65000 (bgpd starts again)",
		"this change resets the session with eth0 of router bgp 65010 view b (bgpd starts again)",
		"this change resets the session with fd00::2 of router bgp 65010 view b (bgpd starts again)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
