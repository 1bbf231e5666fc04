package neighbor

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// leakCase is one configuration of the node, and what it makes of it.
type leakCase struct {
	// seed makes the shape that the case is of, and number is its place among all.
	seed   uint64
	number int
	yaml   string
	// ends are where the node's neighbors stand, by their names, and keys how it speaks to them.
	ends     map[string]*leakEnd
	keys     map[string]string
	config   config.Config
	snapshot reduce.Snapshot
	speaker  route.Speaker
}

// leakShape is what stays the same for some configurations, because its change resets sessions: which router and which end
// each neighbor has, and how it is spoken to.
type leakShape struct {
	seed uint64
	top  string
	ends map[string]*leakEnd
	// keys are those of each neighbor, and families what it exchanges, such as "ipv4, ipv6".
	keys, families map[string]string
}

// newLeakShape gives the shape that a seed stands for, and the random numbers that its configurations go on with.
func newLeakShape(seed uint64) (leakShape, *rand.Rand) {
	random := rand.New(rand.NewPCG(seed, 0))
	one := chooser(random)
	s := leakShape{seed: seed, ends: map[string]*leakEnd{}, keys: map[string]string{}, families: map[string]string{}}
	asns := map[string]string{"": "65000"}
	if random.IntN(2) == 0 {
		asns["mesh"] = one("65000", "65200")
		s.top = "routers: [{name: mesh, asn: " + asns["mesh"] + one("", ", routerID: 7.7.7.7") + "}]\n"
	}
	for _, o := range outsiders {
		router := ""
		if len(asns) > 1 {
			router = one("", "mesh")
		}
		var fit []*leakEnd
		for _, e := range o.ends {
			if !e.internal || e.asn == asns[router] {
				fit = append(fit, e)
			}
		}
		e := fit[random.IntN(len(fit))]
		families := one("ipv4", "ipv6", "ipv4, ipv6", "ipv4, ipv6")
		keys := e.keys() + ", families: [" + families + "]"
		if e.far.Is6() && strings.Contains(families, "ipv4") {
			keys += ", extendedNextHop: true"
		}
		if !e.internal {
			keys += one("", "", ", localASN: 65099")
		} else {
			client := one("", ", routeReflectorClient: true")
			if client != "" && router == "" && !strings.Contains(s.top, "clusterID") {
				s.top += one("", "clusterID: 9.9.9.9\n")
			}
			keys += client
		}
		if router != "" {
			keys += ", router: " + router
		}
		s.ends[o.name], s.keys[o.name], s.families[o.name] = e, keys, families
	}
	return s, random
}

// chooser gives a function that gives one of its arguments.
func chooser(random *rand.Rand) func(...string) string {
	return func(choices ...string) string { return choices[random.IntN(len(choices))] }
}

// newCase gives a random configuration of this shape; one that config refuses is thrown again.
func (s leakShape) newCase(t *testing.T, number int, random *rand.Rand) *leakCase {
	t.Helper()
	const enough = 10_000
	var refused error
	for range enough {
		yaml := s.throw(random)
		c, err := config.Parse("config.yaml", []byte(yaml))
		if err != nil {
			refused = err
			continue
		}
		out := &leakCase{seed: s.seed, number: number, yaml: yaml, ends: s.ends, keys: s.keys, config: c, snapshot: cluster("10.1.0.2")}
		for _, o := range outsiders {
			if random.IntN(3) == 0 {
				out.snapshot = withPod(out.snapshot, o.echoes()...)
			}
		}
		result, err := reduce.Reduce(out.snapshot, c, "node1")
		if err != nil || len(result.Skipped) > 0 {
			t.Fatalf("reduce: %v, skipped %v\n%s", err, result.Skipped, yaml)
		}
		out.speaker = result.Speaker
		return out
	}
	t.Fatalf("seed %d gives no configuration that is accepted: %v", s.seed, refused)
	return nil
}

// throw gives a configuration, which may be none.
func (s leakShape) throw(random *rand.Rand) string {
	one := chooser(random)
	var neighbors []string
	for _, o := range outsiders {
		list := func(four, six, more string) string {
			var ranges []string
			for family, text := range map[string]string{"ipv4": four, "ipv6": six} {
				if strings.Contains(s.families[o.name], family) && text != "" {
					ranges = append(ranges, "{prefix: "+text+"}")
				}
			}
			slices.Sort(ranges)
			return ", receive: {accept: list, prefixes: [" + strings.Join(ranges, ", ") + "]" + more + "}"
		}
		receive := one("", ", receive: none", ", receive: default", ", receive: all", ", receive: all", ", receive: {accept: all, install: true}",
			list("0.0.0.0/0, le: 32", `"::/0", le: 128`, ""), list(o.pool4()+", le: 32", `"`+o.pool6()+`"`, ", install: true"),
			list(o.pool4(), `"`+o.pool6()+`", ge: 64, le: 100`, ""), list("10.16.0.0/16, ge: 24", `"fd00:16::/64", ge: 65, le: 128`, ""))
		hop := one("", "", ", nextHop: self", ", nextHop: unchanged", ", nextHop: {ipv4: 10.1.0.77}", `, nextHop: {ipv6: "fd01::77"}`)
		var passed []string
		for _, from := range outsiders {
			if from != o && random.IntN(2) == 0 {
				passed = append(passed, from.name)
			}
		}
		transit := ""
		if len(passed) > 0 {
			transit = ", transit: [" + strings.Join(passed, ", ") + "]"
		} else {
			transit = one("", ", maximumPrefixOut: 10")
		}
		neighbors = append(neighbors, fmt.Sprintf("  - {name: %s, %s%s%s%s%s}\n", o.name, s.keys[o.name], receive, hop, transit,
			one("", "", ", allowASIn: 1", ", allowASIn: 2")))
	}
	top := s.top + one("", "communities: [\"65000:7\"]\n", "communities: [\"65000:7\", no-export, no-advertise]\n") + one("", "largeCommunities: [\"65000:1:2\"]\n") + one("", "localPreference: 300\n") +
		one("", "med: 5\n")
	return speaker(top, neighbors...)
}

// withPod gives s with one more pod, which is announced.
func withPod(s reduce.Snapshot, ips ...string) reduce.Snapshot {
	pod := *s.Pods[0]
	pod.Name, pod.IPs = "more-"+ips[0], ips
	s.Pods = append(slices.Clip(s.Pods), &pod)
	return s
}

// of gives the router and the settings of a neighbor.
func (c *leakCase) of(name string) (route.Router, route.Neighbor) {
	for _, r := range c.speaker.Routers {
		for _, n := range r.Neighbors {
			if n.Name == name {
				return r, n
			}
		}
	}
	return route.Router{}, route.Neighbor{}
}

// announces reports whether prefix is one of the node's own.
func (c *leakCase) announces(prefix netip.Prefix) bool {
	return slices.ContainsFunc(c.speaker.Routers[0].Routes, func(r route.Route) bool { return r.Prefix == prefix })
}

// shown is the AS path that a neighbor sees of the node's own routes.
func (c *leakCase) shown(name string) string {
	r, n := c.of(name)
	switch {
	case n.RemoteAS.IsInternal(r.ASN):
		return ""
	case n.LocalAS != 0:
		return fmt.Sprint(n.LocalAS)
	default:
		return fmt.Sprint(r.ASN)
	}
}

// accepts reports whether the node takes prefix from a neighbor. origin is an AS that the sender put at the end of its path.
func (c *leakCase) accepts(from string, prefix netip.Prefix, origin route.ASN) bool {
	_, n := c.of(from)
	if !n.Speaks(route.FamilyOf(prefix.Addr())) || n.AllowASIn == 0 && c.ours(origin) {
		return false
	}
	return n.Receive.All || slices.ContainsFunc(n.Receive.Prefixes, func(r route.PrefixRange) bool {
		least, most := max(int(r.GE), r.Prefix.Bits()), int(r.LE)
		switch {
		case r.LE == 0 && r.GE == 0:
			most = r.Prefix.Bits()
		case r.LE == 0:
			most = r.Prefix.Addr().BitLen()
		}
		return r.Prefix.Contains(prefix.Addr()) && least <= prefix.Bits() && prefix.Bits() <= most
	})
}

// ours reports whether asn is one that the node shows to anybody.
func (c *leakCase) ours(asn route.ASN) bool {
	return asn != 0 && slices.ContainsFunc(c.speaker.Routers, func(r route.Router) bool {
		return r.ASN == asn || slices.ContainsFunc(r.Neighbors, func(n route.Neighbor) bool { return n.LocalAS == asn })
	})
}

// tells reports whether one neighbor may be told of a prefix that the node has accepted from another.
func (c *leakCase) tells(from, to string, prefix netip.Prefix) bool {
	source, _ := c.of(from)
	sink, n := c.of(to)
	return source.Name == sink.Name && n.Speaks(route.FamilyOf(prefix.Addr())) && slices.Contains(n.Transit, from)
}

// uses reports whether asn is that of one of the node's routers, so that large communities asn:4242:* are markers.
func (c *leakCase) uses(asn route.ASN) bool {
	return slices.ContainsFunc(c.speaker.Routers, func(r route.Router) bool { return r.ASN == asn })
}
