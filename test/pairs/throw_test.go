package pairs

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// thrower makes sites by chance.
type thrower struct {
	*rand.Rand
	// version is that of the FRR that is to take them.
	version string
}

func (r thrower) one(choices ...string) string { return choices[r.IntN(len(choices))] }

// some gives between one and most of the choices, each once, in their order.
func (r thrower) some(most int, choices ...string) []string {
	r.Shuffle(len(choices), func(i, j int) { choices[i], choices[j] = choices[j], choices[i] })
	return slices.Sorted(slices.Values(choices[:1+r.IntN(min(most, len(choices)))]))
}

// site gives one of any size that the agent takes.
func (r thrower) site() site {
	s := site{{of: ofTop, key: "asn", value: "65000"}}
	for range 1 + r.IntN(8) {
		s = r.accepted(s, r.neighbor)
	}
	return r.edits(s, 10+r.IntN(100))
}

// edits gives s with so many changes of one thing each.
func (r thrower) edits(s site, n int) site {
	for range n {
		s = r.accepted(s, r.edit)
	}
	return s
}

// accepted gives what change makes of s, where the agent takes that.
func (r thrower) accepted(s site, change func(site) site) site {
	const enough = 20
	for range enough {
		next := change(s)
		if _, err := next.conf(); err == nil {
			return next
		}
	}
	return s
}

func (r thrower) edit(s site) site {
	neighbors := s.names(ofNeighbor)
	switch n := r.IntN(20); {
	case n < 1 || len(neighbors) == 0:
		return r.neighbor(s)
	case n < 2:
		return s.without(r.thing(s, ofNeighbor))
	case n < 8:
		return s.with(r.neighborKey(s, r.one(neighbors...)))
	case n < 10:
		return s.without(r.oneFact(s, func(f fact) bool { return f.of == ofNeighbor }))
	case n < 11:
		return s.with(r.topKey())
	case n < 12:
		return r.router(s)
	case n < 13:
		return s.without(r.oneFact(s, func(f fact) bool { return f.of == ofTop || f.of == ofRouter }))
	case n < 15:
		return r.routes(s)
	case n < 16:
		return s.without(r.routesGone())
	case n < 19:
		return r.stanza(s)
	default:
		return s.without(r.oneFact(s, func(f fact) bool { return f.of == ofStanza }))
	}
}

// thing chooses one thing of a kind, with all that is known of it.
func (r thrower) thing(s site, of string) func(fact) bool {
	names := s.names(of)
	if len(names) == 0 {
		return func(fact) bool { return false }
	}
	name := r.one(names...)
	return func(f fact) bool { return f.of == of && f.name == name }
}

// oneFact chooses one fact among those that may go.
func (r thrower) oneFact(s site, may func(fact) bool) func(fact) bool {
	among := slices.DeleteFunc(slices.Clone(s), func(f fact) bool { return !may(f) })
	if len(among) == 0 {
		return func(fact) bool { return false }
	}
	gone := among[r.IntN(len(among))]
	return func(f fact) bool { return f == gone }
}

func (r thrower) neighbor(s site) site {
	name := r.one("10.0.1.1", "10.0.1.3", "10.0.1.4", "10.0.1.5", "10.0.1.60", "10.32.32.254", "192.0.2.9",
		"fd00::1", "fd00::1:3", "2409:ab00:ab00:2000::afb:8afe", "2001:db8::a00:1", "eth0", "eth1.100", "Ethernet1")
	key := "address"
	if strings.HasPrefix(strings.ToLower(name), "eth") {
		key = "interface"
	}
	s = s.with(fact{of: ofNeighbor, name: name, key: key, value: fmt.Sprintf("%q", name)})
	return s.with(fact{of: ofNeighbor, name: name, key: "asn", value: r.asn()})
}

func (r thrower) asn() string {
	return r.one("65001", "65001", "65002", "65000", "65200", "external", "internal", "4200000001")
}

// neighborKey gives one key of a neighbor, or another value of one; FRR's defaults are among these.
func (r thrower) neighborKey(s site, name string) fact {
	values := map[string][]string{
		"asn":                  {r.asn()},
		"port":                 {"179", "1179", "17900"},
		"localASN":             {"65099", "4200000099"},
		"sourceAddress":        {"10.0.1.2", `"fd00::2"`, "127.0.0.1"},
		"passive":              {"true"},
		"ebgpMultihop":         {"1", "2", "5", "254", "255"},
		"ttlSecurityHops":      {"1", "10", "254"},
		"bfd":                  {"true", "{receiveInterval: 100}", "{transmitInterval: 100, detectMultiplier: 5}", "{detectMultiplier: 3}", "{receiveInterval: 60000}"},
		"holdTime":             {"3s", "9s", "90s", "180s", "65535s"},
		"keepaliveTime":        {"1s", "3s", "60s"},
		"connectTime":          {"1s", "5s", "120s", "65535s"},
		"gracefulRestart":      {"true"},
		"families":             {"[ipv4]", "[ipv6]", "[ipv4, ipv6]", "[ipv4, ipv6]"},
		"extendedNextHop":      {"true"},
		"routeReflectorClient": {"true"},
		"nextHop":              {"self", "unchanged", "{ipv4: 10.9.9.9}", `{ipv6: "fd00::9"}`, `{ipv4: 10.9.9.8, ipv6: "fd00::9"}`},
		"maximumPrefix":        {"1", "1000", "4294967295"},
		"maximumPrefixOut":     {"1", "1000", "4294967295"},
		"allowASIn":            {"1", "3", "10"},
		"description":          {"tor1", `"top of rack 1, left! #2"`, "password", "route-map FL-X out", `"'q' \" ?"`},
		"router":               append(s.names(ofRouter), `""`),
		"receive":              {"none", "default", "all", "{accept: all, install: true}", "{accept: default, install: true}", r.list(), r.list()},
		"transit":              {"[" + strings.Join(quoted(r.some(3, s.names(ofNeighbor)...)), ", ") + "]"},
		"+password":            {"s3cret!~#%&", "a", strings.Repeat("p", 80), "password"},
		"+audience":            {"tors", "firewalls"},
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	key := r.one(keys...)
	return fact{of: ofNeighbor, name: name, key: key, value: r.one(values[key]...)}
}

func quoted(texts []string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = fmt.Sprintf("%q", text)
	}
	return out
}

// list gives prefixes to accept.
func (r thrower) list() string {
	return "{accept: list, prefixes: [" + strings.Join(r.some(4, "{prefix: 0.0.0.0/0}", "{prefix: 0.0.0.0/0, le: 32}", "{prefix: 10.0.0.0/8, ge: 8}",
		"{prefix: 10.0.0.0/8, ge: 16, le: 24}", "{prefix: 10.0.0.0/8, le: 24}", "{prefix: 192.0.2.0/24, ge: 32}", "{prefix: 192.0.2.1/32}",
		`{prefix: "::/0"}`, `{prefix: "::/0", ge: 1}`, `{prefix: "fd00::/8", le: 64}`, `{prefix: "2001:db8::/32", ge: 48, le: 48}`), ", ") +
		r.one("]}", "]}", "], install: true}")
}

func (r thrower) topKey() fact {
	values := map[string][]string{
		"asn":             {"65000", "65010", "4200000000"},
		"routerID":        {"10.0.0.7", "1.1.1.1"},
		"clusterID":       {"10.0.0.9", "9.9.9.9"},
		"communities":     {"[no-export]", "[no-export, no-advertise, local-as]", `["65000:7"]`},
		"verify":          {"{bmp: {feed: true}}", "{bmp: {feed: true, listen: '10.0.1.2:5000'}}", "{bmp: {feed: true, listen: '[::1]:5000'}}", "{tap: false}"},
		"gracefulRestart": {"{restartTime: 120s}", "{restartTime: 90s, staleTime: 200s}", "{deferralTime: 100s}", "{staleTime: 1s}"},
	}
	key := r.one("asn", "routerID", "clusterID", "communities", "gracefulRestart", "verify")
	return fact{of: ofTop, key: key, value: r.one(values[key]...)}
}

// router adds an instance, or a key of one, or takes one away.
func (r thrower) router(s site) site {
	name := r.one("mesh", "storage", "a.b-c_d")
	switch r.IntN(6) {
	case 0:
		return s.without(func(f fact) bool { return f.of == ofRouter && f.name == name || f.key == "router" && f.value == name })
	case 1:
		s = s.with(fact{of: ofRouter, name: name, key: "vrf", value: "true"})
	case 2:
		s = s.with(fact{of: ofRouter, name: name, key: "asn", value: r.one("65000", "65200", "65201")})
	case 3:
		s = s.with(fact{of: ofRouter, name: name, key: "routerID", value: r.one("7.7.7.7", "8.8.8.8")})
	case 4:
		s = s.with(fact{of: ofRouter, name: name, key: "clusterID", value: "10.0.0.8"})
	}
	return s.with(fact{of: ofRouter, name: name, key: "name", value: name})
}

// routes adds one route or many, or other attributes of some.
func (r thrower) routes(s site) site {
	var words []string
	for _, word := range []string{
		"localPreference=" + r.one("1", "100", "200", "4294967295"), "med=" + r.one("0", "5", "4294967295"),
		"communities=" + strings.Join(r.some(3, "65000:1", "65001:65535", "0:0", "no-peer", "blackhole", "graceful-shutdown"), ","),
		"large=" + strings.Join(r.some(2, "1:2:3", "64999:0:0", "4294967295:4294967295:4294967295"), ","),
		"to=" + strings.Join(r.some(3, "everyone", "tors", "firewalls"), ","), "only=" + r.one("default", "mesh", "storage"),
	} {
		if r.IntN(3) == 0 {
			words = append(words, word)
		}
	}
	value, count := strings.Join(words, " "), 1
	if r.IntN(4) == 0 {
		count = r.IntN(300)
	}
	start := r.IntN(4000)
	for i := range count {
		n := start + i
		name := r.one(fmt.Sprintf("10.16.%d.%d/32", n>>8, n&255), fmt.Sprintf("fd00:10:16::%x/128", n+1), fmt.Sprintf("10.%d.%d.0/24", 20+n>>8, n&255))
		s = s.with(fact{of: ofRoute, name: name, value: value})
	}
	return s
}

// routesGone chooses about one route of so many.
func (r thrower) routesGone() func(fact) bool {
	of := r.one("0", "1", "5", "all")
	return func(f fact) bool { return f.of == ofRoute && (of == "all" || strings.Contains(f.name, of+"/")) }
}
