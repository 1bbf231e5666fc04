package bmp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/bmp"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/verify"
)

// nodeConfig announces over two sessions what farConfig's router feeds to the station as received.
const nodeConfig = `bgp route-map delay-timer 1
route-map GROUP permit 10
 set community 65000:100 65000:7
 set large-community 65000:2:1 65000:1:1
 set metric 50
exit
route-map ALL permit 10
exit
router bgp 4200000001
 bgp router-id 192.0.2.1
 no bgp network import-check
 neighbor 192.0.2.2 remote-as 65001
 neighbor 192.0.2.2 timers connect 1
 neighbor 2001:db8::2 remote-as 65001
 neighbor 2001:db8::2 timers connect 1
 address-family ipv4 unicast
  network 10.16.0.5/32 route-map GROUP
  network 10.17.0.0/16
  network 10.20.0.0/16
  neighbor 192.0.2.2 route-map ALL out
  neighbor 192.0.2.2 route-map ALL in
  no neighbor 2001:db8::2 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:16::/64 route-map GROUP
  neighbor 2001:db8::2 activate
  neighbor 2001:db8::2 route-map ALL out
  neighbor 2001:db8::2 route-map ALL in
 exit-address-family
exit
`

// farConfig refuses 10.17.0.0/16 after it has received it. FRR 8.4 tells the station nothing of it, 10.3 nothing of its
// withdrawal. It is passive: of two connections that cross it could keep no OPEN, and the station could not read the routes.
const farConfig = `ip prefix-list NO seq 5 permit 10.17.0.0/16
route-map IN deny 10
 match ip address prefix-list NO
exit
route-map IN permit 20
 set local-preference 300
exit
route-map ALL permit 10
exit
router bgp 65001
 bgp router-id 192.0.2.2
 neighbor 192.0.2.1 remote-as 4200000001
 neighbor 192.0.2.1 passive
 neighbor 2001:db8::1 remote-as 4200000001
 neighbor 2001:db8::1 passive
 address-family ipv4 unicast
  neighbor 192.0.2.1 route-map IN in
  neighbor 192.0.2.1 route-map ALL out
  neighbor 192.0.2.1 soft-reconfiguration inbound
  no neighbor 2001:db8::1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8::1 activate
  neighbor 2001:db8::1 route-map ALL in
  neighbor 2001:db8::1 soft-reconfiguration inbound
  neighbor 2001:db8::1 route-map ALL out
 exit-address-family
 bmp targets STATION
  bmp stats interval 1000
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv4 unicast post-policy
  bmp monitor ipv6 unicast pre-policy
  bmp monitor ipv6 unicast post-policy
%s  bmp connect 127.0.0.1 port %d min-retry 100 max-retry 500
 exit
exit
`

// judge compares what is intended with what the station tells, as the agent does.
type judge struct {
	mu        sync.Mutex
	comparers map[verify.Session]*verify.Comparer
}

func (j *judge) observe(o verify.Observation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.comparers[o.Session].Observe(o)
}

// verdicts is what is said of each prefix of a session, after all deadlines.
func (j *judge) verdicts(s verify.Session) map[string]string {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.comparers[s]
	c.Advance(time.Now().Add(time.Hour))
	result := map[string]string{}
	for v := range c.All() {
		text := v.Kind.String() + " " + v.Proof.String()
		for _, d := range v.Differences {
			text += "; " + d.String()
		}
		result[v.Prefix.String()] = text
	}
	return result
}

func announcement(prefix string, edits ...func(*route.Announcement)) route.Announcement {
	a := route.Announcement{Prefix: netip.MustParsePrefix(prefix), ASPath: []route.ASN{4200000001}}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

func group(a *route.Announcement) {
	a.MED = 50
	a.Communities = []route.Community{65000<<16 | 7, 65000<<16 | 100}
	a.LargeCommunities = []route.LargeCommunity{
		{GlobalAdministrator: 65000, LocalData1: 1, LocalData2: 1}, {GlobalAdministrator: 65000, LocalData1: 2, LocalData2: 1},
	}
}

// TestFRR has a real router at the other end tell what it receives and uses, and compares that with what is intended and with
// what the router itself shows.
func TestFRR(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			testFRR(t, v)
		})
	}
}

func testFRR(t *testing.T, v lab.Version) {
	node, tor := lab.NewNamespace(t, "node"), lab.NewNamespace(t, "tor")
	lab.Link(t,
		node, "eth0", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")},
		tor, "eth0", []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("2001:db8::2/64")})

	four := bmp.Watched{Session: verify.Session{Neighbor: "192.0.2.2"}, Near: netip.MustParseAddr("192.0.2.1"), Far: netip.MustParseAddr("192.0.2.2")}
	six := bmp.Watched{Session: verify.Session{Neighbor: "2001:db8::2"}, Near: netip.MustParseAddr("2001:db8::1"), Far: netip.MustParseAddr("2001:db8::2")}
	j := &judge{comparers: map[verify.Session]*verify.Comparer{}}
	intend := map[verify.Session]route.RIB{
		four.Session: {announcement("10.16.0.5/32", group), announcement("10.17.0.0/16"), announcement("10.18.0.0/16"), announcement("10.20.0.0/16")},
		six.Session:  {announcement("2001:db8:16::/64", group)},
	}
	for _, w := range []bmp.Watched{four, six} {
		c := verify.NewComparer(w.Session, verify.Options{Prepended: 4200000001})
		c.Own(time.Now(), w.Near)
		c.Intend(time.Now(), route.Diff(nil, intend[w.Session]))
		j.comparers[w.Session] = c
	}
	station := bmp.NewStation(bmp.Config{Observe: j.observe, Failed: func(source netip.AddrPort, err error) { t.Logf("%s: %v", source, err) }})
	station.Watch([]bmp.Watched{four, six})
	port := serve(t, tor, station)

	// 8.4 tells nothing of the routes that it uses.
	used, locRIB := "", !strings.HasPrefix(v.Name, "8.")
	if locRIB {
		used = "  bmp monitor ipv4 unicast loc-rib\n  bmp monitor ipv6 unicast loc-rib\n"
	}
	torRouter := tor.StartFRR(t, v, "", lab.WithArgs("bgpd", "-M", "bmp"))
	nodeRouter := node.StartFRR(t, v, nodeConfig)
	torRouter.Load(fmt.Sprintf(farConfig, used, port))

	best, denied := "received", "missing unproven"
	if locRIB {
		best, denied = "best", "announced received"
	}
	expect := func(what string, w bmp.Watched, want map[string]string) {
		t.Helper()
		torRouter.Eventually(time.Minute, what, func() error {
			if diff := cmp.Diff(want, j.verdicts(w.Session)); diff != "" {
				return fmt.Errorf("verdicts (-want +got)\n%s\n%+v", diff, station.Routers())
			}
			return nil
		})
	}
	expect("the first table is judged", four, map[string]string{
		"10.16.0.5/32": "announced " + best, "10.17.0.0/16": denied, "10.18.0.0/16": "missing unproven",
		"10.20.0.0/16": "announced " + best,
	})
	expect("the first table of IPv6 is judged", six, map[string]string{"2001:db8:16::/64": "announced " + best})
	torRouter.Eventually(time.Minute, "the station's tables are the router's", func() error {
		return errors.Join(compareTables(station, torRouter, route.IPv4Unicast, four.Near, locRIB),
			compareTables(station, torRouter, route.IPv6Unicast, six.Near, locRIB))
	})

	nodeRouter.Load("route-map GROUP permit 10\n set metric 60\nexit\nrouter bgp 4200000001\n address-family ipv4 unicast\n" +
		"  network 10.18.0.0/16\n  no network 10.20.0.0/16\n  network 10.19.0.0/16\n exit-address-family\nexit\n")
	expect("what was changed by hand is found", four, map[string]string{
		"10.16.0.5/32": "mismatch unproven; MED: wanted 50, got 60", "10.17.0.0/16": denied,
		"10.18.0.0/16": "announced " + best, "10.19.0.0/16": "unexpected unproven", "10.20.0.0/16": "missing unproven",
	})
	nodeRouter.Load("router bgp 4200000001\n neighbor 192.0.2.2 shutdown\nexit\n")
	expect("the session is down", four, map[string]string{
		"10.16.0.5/32": "not-comparable unproven", "10.17.0.0/16": "not-comparable unproven", "10.18.0.0/16": "not-comparable unproven",
		"10.20.0.0/16": "not-comparable unproven",
	})
	nodeRouter.Load("router bgp 4200000001\n no neighbor 192.0.2.2 shutdown\n address-family ipv4 unicast\n  network 10.20.0.0/16\n" +
		"  no network 10.19.0.0/16\n exit-address-family\nexit\nroute-map GROUP permit 10\n set metric 50\nexit\n")
	expect("all is well again", four, map[string]string{
		"10.16.0.5/32": "announced " + best, "10.17.0.0/16": denied, "10.18.0.0/16": "announced " + best,
		"10.20.0.0/16": "announced " + best,
	})
	statistics(t, station, four.Near)
}

// serve runs a station inside a namespace, and returns its port.
func serve(t *testing.T, ns *lab.Namespace, station *bmp.Station) int {
	t.Helper()
	var listener net.Listener
	err := lab.Inside(ns.Name, func() (err error) {
		var config net.ListenConfig
		listener, err = config.Listen(t.Context(), "tcp", "127.0.0.1:0")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- station.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return listener.Addr().(*net.TCPAddr).Port
}

// compareTables compares what the station holds with what the router shows of the routes from a peer.
func compareTables(station *bmp.Station, r *lab.Router, family route.Family, near netip.Addr, locRIB bool) error {
	routers := station.Routers()
	if len(routers) != 1 || routers[0].Error != "" {
		return fmt.Errorf("routers %+v", routers)
	}
	var wrong []error
	source := routers[0].Source
	views := map[bmp.View]netip.Addr{bmp.InPrePolicy: near}
	if locRIB {
		views[bmp.LocRIB] = netip.Addr{}
	}
	shown := r.Routes(family)
	for prefix, paths := range shown {
		at := slices.IndexFunc(paths, func(p lab.Path) bool { return p.From == near })
		if at < 0 {
			continue
		}
		p := paths[at]
		for view, address := range views {
			a := station.Lookup(source, address, view, prefix)
			if a == nil {
				wrong = append(wrong, fmt.Errorf("%s of %s: the station has no route", view, prefix))
				continue
			}
			got := lab.Path{
				From: near, NextHop: p.NextHop, Origin: a.Origin.String(), ASPath: a.ASPath,
				MED: a.MED, LocalPreference: a.LocalPreference, Best: true,
				Communities: words(a.Communities), LargeCommunities: words(a.LargeCommunities),
			}
			// Of two next hops FRR shows the link-local one in use; and it fills in what no eBGP session carries.
			if family == route.IPv4Unicast {
				got.NextHop = a.NextHop
			}
			if got.LocalPreference == 0 {
				got.LocalPreference = p.LocalPreference
			}
			slices.Sort(p.Communities)
			slices.Sort(got.Communities)
			if diff := cmp.Diff(p, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				wrong = append(wrong, fmt.Errorf("%s of %s (-router +station)\n%s", view, prefix, diff))
			}
		}
	}
	if len(shown) == 0 {
		wrong = append(wrong, fmt.Errorf("the router shows nothing of %s", family))
	}
	return errors.Join(wrong...)
}

func words[T fmt.Stringer](values []T) []string {
	list := []string{}
	for _, v := range values {
		list = append(list, v.String())
	}
	return list
}

// statistics waits until the router has reported what it counts.
func statistics(t *testing.T, station *bmp.Station, near netip.Addr) {
	t.Helper()
	lab.Eventually(t, time.Minute, "statistics have come", func() error {
		r := station.Routers()[0]
		for _, p := range r.Peers {
			if p.Address == near && len(p.Statistics) > 0 {
				return nil
			}
		}
		return fmt.Errorf("%+v", r)
	})
}
