package render_test

import (
	"net/netip"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
)

// cases are the speakers whose frr.conf stands in testdata, by the name of its file.
func cases() map[string]route.Speaker {
	return map[string]route.Speaker{
		"empty":            one(route.Router{}),
		"one-switch":       one(oneSwitch()),
		"pair-of-switches": one(pairOfSwitches()),
		"every-setting":    one(everySetting()),
		"frr-defaults":     one(frrDefaults()),
		"internal":         one(internal()),
		"attributes":       one(attributes()),
		"audiences":        one(audiences()),
		"both-on-ipv4":     one(bothOnIPv4()),
		"ipv6-only":        one(ipv6Only()),
		"views":            views(),
		"unnumbered":       one(unnumbered()),
		"bfd":              one(bfd()),
		"session-keys":     one(sessionKeys()),
		"family-keys":      one(familyKeys()),
		"receive":          one(receive()),
		"transit":          one(transit()),
		"receive-in-views": receiveInViews(),
		"reflector":        one(reflector()),
		"vrf":              vrf(),
		"scope":            one(scope()),
		"station":          fed(views(), "127.0.0.1:11019"),
		"station-vrf":      fed(vrf(), "[::1]:5000"),
	}
}

// fed has a speaker feed a BMP station.
func fed(s route.Speaker, station string) route.Speaker {
	s.Station = netip.MustParseAddrPort(station)
	return s
}

// one gives a speaker with one router, AS 65000 and router ID 10.0.1.2 where r has none of its own.
func one(r route.Router) route.Speaker {
	if r.ASN == 0 {
		r.ASN = 65000
	}
	if !r.RouterID.IsValid() {
		r.RouterID = netip.MustParseAddr("10.0.1.2")
	}
	return route.Speaker{Node: "node1", Routers: []route.Router{r}}
}

// neighbor gives a session as config makes it by default.
func neighbor(address string, remote route.RemoteAS, change ...func(*route.Neighbor)) route.Neighbor {
	a := netip.MustParseAddr(address)
	n := route.Neighbor{
		Address:       a,
		Port:          179,
		RemoteAS:      remote,
		HoldTime:      90 * time.Second,
		KeepaliveTime: 30 * time.Second,
		Families:      []route.Family{route.FamilyOf(a)},
		Audience:      route.Everyone,
	}
	for _, c := range change {
		c(&n)
	}
	return n
}

// routes gives one route for each prefix, all with the same attributes, told to everyone.
func routes(a route.Attributes, prefixes ...string) []route.Route {
	return routesTo([]route.Audience{route.Everyone}, a, prefixes...)
}

func routesTo(to []route.Audience, a route.Attributes, prefixes ...string) []route.Route {
	var out []route.Route
	for _, p := range prefixes {
		out = append(out, route.Route{Prefix: netip.MustParsePrefix(p), Attributes: a, To: to})
	}
	return out
}

func oneSwitch() route.Router {
	return route.Router{
		Neighbors: []route.Neighbor{
			neighbor("10.32.32.254", route.RemoteASN(65030)),
			neighbor("2409:ab00:ab00:2000::afb:8afe", route.RemoteASN(65030)),
		},
		Routes: routes(route.Attributes{}, "10.16.0.0/16", "10.16.0.5/32", "fd00:10:16::/64", "fd00:10:16::5/128"),
	}
}

func pairOfSwitches() route.Router {
	r := oneSwitch()
	r.Neighbors = []route.Neighbor{
		neighbor("10.32.32.252", route.RemoteASN(65030)),
		neighbor("10.32.32.253", route.RemoteASN(65030)),
		neighbor("2409:ab00:ab00:2000::afb:8afc", route.RemoteASN(65030)),
		neighbor("2409:ab00:ab00:2000::afb:8afd", route.RemoteASN(65030)),
	}
	return r
}

func everySetting() route.Router {
	return route.Router{
		ASN:       4200000001,
		ClusterID: netip.MustParseAddr("10.0.0.9"),
		GracefulRestart: route.GracefulRestart{
			RestartTime: 90 * time.Second, DeferralTime: 100 * time.Second, StaleTime: 200 * time.Second,
		},
		Neighbors: []route.Neighbor{
			neighbor("10.0.1.1", route.RemoteASN(65001), func(n *route.Neighbor) {
				n.Port, n.Passive, n.EBGPMultihop, n.GracefulRestart = 1179, true, 5, true
				n.HoldTime, n.KeepaliveTime, n.ConnectTime = 9*time.Second, 3*time.Second, 5*time.Second
				n.Password = "s3cret!~#%&"
			}),
			neighbor("10.0.1.3", route.External, func(n *route.Neighbor) { n.EBGPMultihop = 254 }),
			neighbor("10.0.1.4", route.Internal, func(n *route.Neighbor) {
				n.Password = route.Secret(strings.Repeat("p", 80))
			}),
		},
		Routes: routes(route.Attributes{}, "10.16.0.5/32"),
	}
}

// frrDefaults says everything that FRR would do anyway; none of it may be written.
func frrDefaults() route.Router {
	return route.Router{
		GracefulRestart: route.GracefulRestart{
			RestartTime: 120 * time.Second, DeferralTime: 360 * time.Second, StaleTime: 360 * time.Second,
		},
		Neighbors: []route.Neighbor{neighbor("10.0.1.1", route.RemoteASN(65001), func(n *route.Neighbor) {
			n.HoldTime, n.KeepaliveTime, n.ConnectTime = 180*time.Second, 60*time.Second, 120*time.Second
		})},
		Routes: routes(route.Attributes{}, "10.16.0.5/32"),
	}
}

func internal() route.Router {
	return route.Router{
		Neighbors: []route.Neighbor{neighbor("10.0.1.1", route.RemoteASN(65000)), neighbor("10.0.1.4", route.Internal)},
		Routes:    routes(route.Attributes{LocalPreference: 200}, "10.16.0.5/32"),
	}
}

func attributes() route.Router {
	r := route.Router{Neighbors: []route.Neighbor{neighbor("10.0.1.1", route.RemoteASN(65001))}}
	r.Routes = append(r.Routes, routes(route.Attributes{MED: 50}, "10.16.0.1/32")...)
	r.Routes = append(r.Routes, routes(route.Attributes{
		Communities: []route.Community{65000<<16 | 1, 65000<<16 | 2, 65001<<16 | 3},
	}, "10.16.0.2/32", "10.16.0.3/32")...)
	r.Routes = append(r.Routes, routes(route.Attributes{
		LargeCommunities: []route.LargeCommunity{{GlobalAdministrator: 64999, LocalData1: 1, LocalData2: 2}, {GlobalAdministrator: 4200000001, LocalData1: 4294967295}},
	}, "10.16.0.4/32")...)
	for i, wellKnown := range []route.Community{0xFFFF0000, 0xFFFF0001, 0xFFFF029A, 0xFFFFFF01, 0xFFFFFF02, 0xFFFFFF03, 0xFFFFFF04} {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 17, 0, byte(i)}), 32)
		r.Routes = append(r.Routes, routes(route.Attributes{Communities: []route.Community{65000<<16 | 1, wellKnown}}, prefix.String())...)
	}
	r.Routes = append(r.Routes, routes(route.Attributes{LocalPreference: 1, MED: 4294967295}, "10.18.0.0/24")...)
	return r
}

// audiences has three classes of neighbors, and routes that one, two and none of them are told.
func audiences() route.Router {
	audience := func(a route.Audience) func(*route.Neighbor) { return func(n *route.Neighbor) { n.Audience = a } }
	r := route.Router{Neighbors: []route.Neighbor{
		neighbor("10.0.1.1", route.RemoteASN(65001), audience("tors")),
		neighbor("10.0.1.3", route.RemoteASN(65002), audience("firewalls")),
		neighbor("10.0.1.4", route.RemoteASN(65002), audience("firewalls")),
		neighbor("10.0.1.5", route.RemoteASN(65003)),
	}}
	r.Routes = append(r.Routes, routesTo([]route.Audience{"tors"}, route.Attributes{}, "10.16.0.1/32")...)
	r.Routes = append(r.Routes, routesTo([]route.Audience{"firewalls", "tors"}, route.Attributes{}, "10.16.0.2/32")...)
	r.Routes = append(r.Routes, routesTo(nil, route.Attributes{}, "10.16.0.3/32")...)
	r.Routes = append(r.Routes, routesTo([]route.Audience{"nobody-here"}, route.Attributes{}, "10.16.0.4/32")...)
	return r
}

func bothOnIPv4() route.Router {
	r := oneSwitch()
	r.Neighbors = []route.Neighbor{neighbor("10.32.32.254", route.RemoteASN(65030), func(n *route.Neighbor) {
		n.Families = []route.Family{route.IPv4Unicast, route.IPv6Unicast}
	})}
	return r
}

func ipv6Only() route.Router {
	return route.Router{
		Neighbors: []route.Neighbor{neighbor("fd00::1", route.RemoteASN(65001))},
		Routes:    routes(route.Attributes{}, "fd00:10:16::5/128", "fd00:10:16::6/128"),
	}
}

func views() route.Speaker {
	s := one(oneSwitch())
	second := internal()
	second.Name, second.ASN, second.RouterID = "mesh", 65030, netip.MustParseAddr("10.0.1.9")
	second.Neighbors = []route.Neighbor{neighbor("10.0.2.1", route.RemoteASN(65030))}
	s.Routers = append(s.Routers, second)
	return s
}

func unnumbered() route.Router {
	both := []route.Family{route.IPv4Unicast, route.IPv6Unicast}
	on := func(ifname string, remote route.RemoteAS) route.Neighbor {
		return neighbor("::", remote, func(n *route.Neighbor) { n.Address, n.Interface, n.Families = netip.Addr{}, ifname, both })
	}
	r := oneSwitch()
	r.Neighbors = append(r.Neighbors, on("eth0", route.External), on("eth1.100", route.RemoteASN(65030)))
	r.Neighbors[2].ExtendedNextHop = true
	return r
}

func bfd() route.Router {
	with := func(b route.BFD) func(*route.Neighbor) { return func(n *route.Neighbor) { n.BFD = b } }
	fast := route.BFD{On: true, ReceiveInterval: 50 * time.Millisecond, TransmitInterval: 60 * time.Millisecond, DetectMultiplier: 5}
	return route.Router{Neighbors: []route.Neighbor{
		neighbor("10.0.1.1", route.RemoteASN(65001), with(route.BFD{On: true})),
		neighbor("10.0.1.3", route.RemoteASN(65001), with(fast)),
		neighbor("10.0.1.4", route.RemoteASN(65001), with(fast)),
		neighbor("10.0.1.5", route.RemoteASN(65001), with(route.BFD{
			On: true, ReceiveInterval: 300 * time.Millisecond, TransmitInterval: 300 * time.Millisecond, DetectMultiplier: 3,
		})),
		neighbor("10.0.1.6", route.RemoteASN(65001), with(route.BFD{On: true, DetectMultiplier: 10})),
	}}
}

// sessionKeys has every setting of a session that every-setting has not.
func sessionKeys() route.Router {
	return route.Router{
		Neighbors: []route.Neighbor{
			neighbor("10.0.1.1", route.RemoteASN(65001), func(n *route.Neighbor) {
				n.LocalAS, n.Description, n.Source = 65099, "the  first ToR, rack 5! # ", netip.MustParseAddr("10.0.1.2")
				n.BFD, n.Password, n.Port, n.Passive, n.TTLSecurityHops = route.BFD{On: true, DetectMultiplier: 5}, "secret", 1179, true, 1
				n.ConnectTime, n.GracefulRestart = 5*time.Second, true
			}),
			neighbor("fd00::1", route.RemoteASN(65001), func(n *route.Neighbor) {
				n.Families = []route.Family{route.IPv4Unicast, route.IPv6Unicast}
				n.ExtendedNextHop, n.GracefulRestart, n.ConnectTime = true, true, 5*time.Second
				n.Source, n.TTLSecurityHops = netip.MustParseAddr("fd00::2"), 254
			}),
		},
		Routes: routes(route.Attributes{}, "10.16.0.5/32", "fd00:10:16::5/128"),
	}
}

// familyKeys has every setting of a neighbor in an address family.
func familyKeys() route.Router {
	both := []route.Family{route.IPv4Unicast, route.IPv6Unicast}
	return route.Router{
		Neighbors: []route.Neighbor{
			neighbor("10.0.1.1", route.RemoteASN(65001), func(n *route.Neighbor) {
				n.Families, n.MaximumPrefix, n.MaximumPrefixOut, n.AllowASIn = both, 1000, 100, 2
				n.NextHop = route.NextHop{IPv4: netip.MustParseAddr("10.9.9.9"), IPv6: netip.MustParseAddr("fd00::9")}
			}),
			neighbor("10.0.1.3", route.RemoteASN(65001), func(n *route.Neighbor) {
				n.AllowASIn, n.NextHop = 3, route.NextHop{Unchanged: true}
			}),
			neighbor("10.0.1.4", route.Internal, func(n *route.Neighbor) { n.AllowASIn, n.NextHop = 1, route.NextHop{Self: true} }),
			neighbor("10.0.1.5", route.RemoteASN(65001), func(n *route.Neighbor) {
				n.NextHop = route.NextHop{IPv4: netip.MustParseAddr("10.9.9.9")}
			}),
		},
		Routes: routes(route.Attributes{}, "10.16.0.5/32", "fd00:10:16::5/128"),
	}
}

// accept gives ranges as "PREFIX GE LE" have them.
func accept(ranges ...route.PrefixRange) func(*route.Neighbor) {
	return func(n *route.Neighbor) { n.Receive.Prefixes = ranges }
}

func within(prefix string, ge, le uint8) route.PrefixRange {
	return route.PrefixRange{Prefix: netip.MustParsePrefix(prefix), GE: ge, LE: le}
}

func receive() route.Router {
	both := func(n *route.Neighbor) { n.Families = []route.Family{route.IPv4Unicast, route.IPv6Unicast} }
	installed := func(n *route.Neighbor) { n.Receive.Install = true }
	all := func(n *route.Neighbor) { n.Receive.All = true }
	return route.Router{
		Neighbors: []route.Neighbor{
			neighbor("10.0.1.1", route.RemoteASN(65001), both, accept(within("0.0.0.0/0", 0, 0), within("::/0", 0, 0)), installed),
			neighbor("10.0.1.3", route.RemoteASN(65001), both, all),
			neighbor("10.0.1.4", route.RemoteASN(65001), both, accept(
				within("10.0.0.0/8", 9, 32), within("10.0.0.0/8", 0, 24), within("172.16.0.0/12", 24, 0), within("192.168.0.0/16", 16, 0),
				within("192.168.0.0/16", 16, 24), within("192.0.2.0/24", 0, 24), within("198.51.100.0/24", 0, 0),
			)),
			neighbor("10.0.1.5", route.RemoteASN(65001), all, installed, func(n *route.Neighbor) { n.AllowASIn = 1 }),
			neighbor("10.0.1.6", route.RemoteASN(65002), func(n *route.Neighbor) { n.LocalAS = 65099 }),
		},
		Routes: routes(route.Attributes{}, "10.16.0.5/32", "fd00:10:16::5/128"),
	}
}

func transit() route.Router {
	r := receive()
	r.Neighbors[1].Transit = []string{"10.0.1.1", "not-on-this-node"}
	r.Neighbors[4].Transit = []string{"10.0.1.1", "10.0.1.4"}
	return r
}

func receiveInViews() route.Speaker {
	s := views()
	for i := range s.Routers {
		s.Routers[i].Neighbors[0].Receive.All = true
	}
	return s
}

func reflector() route.Router {
	client := func(n *route.Neighbor) { n.RouteReflectorClient, n.Receive.All, n.GracefulRestart = true, true, true }
	return route.Router{
		ClusterID: netip.MustParseAddr("10.0.0.9"),
		GracefulRestart: route.GracefulRestart{
			RestartTime: 90 * time.Second,
		},
		Neighbors: []route.Neighbor{
			neighbor("10.0.1.4", route.Internal, client, func(n *route.Neighbor) { n.Transit = []string{"10.0.1.5"} }),
			neighbor("10.0.1.5", route.RemoteASN(65000), client, func(n *route.Neighbor) { n.Transit = []string{"10.0.1.4"} }),
		},
		Routes: routes(route.Attributes{}, "10.16.0.5/32"),
	}
}

// scope bounds how far what we originate goes, beside what is passed on.
func scope() route.Router {
	r := transit()
	r.Scope = []route.Community{0xFFFFFF01, 0xFFFFFF02, 0xFFFFFF03}
	r.Neighbors[0].NextHop.IPv4 = netip.MustParseAddr("10.9.9.9")
	r.Routes = append(r.Routes, routes(route.Attributes{Communities: []route.Community{65000<<16 | 1}}, "fd00:10:16::6/128")...)
	return r
}

func vrf() route.Speaker {
	s := views()
	s.Routers[1].VRF = true
	s.Routers[1].Neighbors[0].Receive = route.Receive{All: true, Install: true}
	// It would use nothing of ours, and is not written.
	s.Routers = append(s.Routers, route.Router{Name: "none", VRF: true, ASN: 65000, RouterID: s.Routers[0].RouterID})
	return s
}
