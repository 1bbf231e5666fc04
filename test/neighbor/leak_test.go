package neighbor

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/test/lab"
)

// injected is what switch a sends: one route with every marker that the node can know, one with guessed ones, one with
// communities that others act on, and plain ones.
var injected = []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "0.0.0.0/0", "172.31.0.0/24"}

// leaky gives a random configuration in which nothing that a sends may reach b: b is a neighbor of the same router without
// transit from a, or of another router, with all else as it comes.
func leaky(random *rand.Rand) string {
	one := func(choices ...string) string { return choices[random.IntN(len(choices))] }
	receive := func() string {
		return one("", ", receive: default", ", receive: all", ", receive: {accept: all, install: true}",
			", receive: {accept: list, prefixes: [{prefix: 0.0.0.0/0, le: 32}]}", ", receive: {prefixes: [{prefix: 192.0.2.0/24}], install: true}")
	}
	nextHop := func() string { return one("", ", nextHop: self", ", nextHop: {ipv4: 10.1.0.77}") }
	// Where the two are in one router, a may be passed what b sends: the other way round.
	apart := random.IntN(2) == 0
	top, of, transit := "", "", one("", ", transit: [b]")
	if apart {
		top, of, transit = fmt.Sprintf("routers: [{name: mesh, asn: %s}]\n", one("65000", "65200")), ", router: mesh", ""
	}
	top += one("", "communities: [\"65000:7\"]\n", "largeCommunities: [\"65000:1:2\"]\n")
	a := toA(receive() + nextHop() + transit + one("", ", allowASIn: 1", ", maximumPrefixOut: 10"))
	b := toB(receive() + nextHop() + of + one("", ", transit: [other]", ", allowASIn: 2"))
	if apart {
		b = toB(receive() + nextHop() + of + one("", ", allowASIn: 2"))
	}
	other := "  - {name: other, address: 10.1.0.99, asn: 65003" + receive() + one("", ", transit: [a, b]") + "}\n"
	if apart {
		other = "  - {name: other, address: 10.1.0.99, asn: 65003" + receive() + one("", ", transit: [a]") + "}\n"
	}
	return speaker(top, a, b, other)
}

// markersOf gives every marker that the frr.conf of a configuration names, so that a switch can send them.
func markersOf(t *testing.T, yaml string) map[string]bool {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(yaml))
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	result, err := reduce.Reduce(cluster("10.1.0.2"), c, "node1")
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := render.New(templates.FS)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := renderer.Render(result.Speaker)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, word := range strings.Fields(string(conf)) {
		if strings.Contains(word, ":4242:") && !strings.HasPrefix(word, "^") {
			found[word] = true
		}
	}
	return found
}

// What switch a sends, whatever it bears, never reaches switch b.
func TestNothingLeaks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rounds := 10
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		rounds = 1000
	}
	t.Logf("seed %d", seed)
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			configs := make([]string, rounds)
			markers := make(map[string]bool)
			for i := range configs {
				configs[i] = leaky(random)
				// What config refuses, such as transit of nothing, is none.
				for _, err := config.Parse("", []byte(configs[i])); err != nil; _, err = config.Parse("", []byte(configs[i])) {
					configs[i] = leaky(random)
				}
				for m := range markersOf(t, configs[i]) {
					markers[m] = true
				}
			}
			f := newFabric(t, v)
			f.inject(markers)
			f.peer(f.b, "65002", session("10.2.0.2", "external", "4 network 172.30.0.0/24")...)
			for i, yaml := range configs {
				f.apply(t, yaml, cluster("10.1.0.2"))
				// What both are told of our own shows that the sessions are up; what a sent was there before.
				eventually(t, func() error {
					return all(told(f.a, "10.16.0.5/32", any1), told(f.b, "10.16.0.5/32", any1), f.heard(yaml))
				})
				table := f.b.Routes(route.IPv4Unicast)
				for _, p := range injected {
					if got := table[netip.MustParsePrefix(p)]; len(got) > 0 {
						t.Fatalf("configuration %d: %s leaked: %+v\n%s", i, p, got, yaml)
					}
				}
			}
		})
	}
	t.Run("the same would be found", func(t *testing.T) {
		f := newFabric(t, lab.Versions(t)[0])
		f.inject(map[string]bool{"65000:4242:1": true})
		f.peer(f.b, "65002", session("10.2.0.2", "65000")...)
		f.apply(t, speaker("", toA(", receive: all"), toB(", transit: [a]")), cluster("10.1.0.2"))
		eventually(t, func() error {
			clean := func(p lab.Path) bool {
				return p.ASPath == "65000 65001" && !strings.Contains(fmt.Sprint(p.LargeCommunities), ":4242:")
			}
			return all(told(f.b, injected[0], clean), told(f.b, injected[1], clean), told(f.b, injected[4], clean))
		})
	})
}

// inject has switch a send what injected lists.
func (f *fabric) inject(markers map[string]bool) {
	var conf strings.Builder
	conf.WriteString("route-map MARKED permit 10\n set large-community")
	for m := range markers {
		conf.WriteString(" " + m)
	}
	conf.WriteString("\nexit\nroute-map GUESSED permit 10\n set large-community")
	for i := range 30 {
		fmt.Fprintf(&conf, " 65000:4242:%d", i)
	}
	conf.WriteString("\nexit\nroute-map KNOWN permit 10\n set community 65000:7 accept-own\nexit\n")
	f.a.Load(conf.String())
	f.peer(f.a, "65001", session("10.1.0.2", "65000", "4 network 192.0.2.0/24 route-map MARKED",
		"4 network 198.51.100.0/24 route-map GUESSED", "4 network 203.0.113.0/24 route-map KNOWN", "4 network 0.0.0.0/0 route-map MARKED",
		"4 network 172.31.0.0/24")...)
}

// heard is an error until the node has what it accepts from a, where it accepts all.
func (f *fabric) heard(yaml string) error {
	_, line, _ := strings.Cut(yaml, "name: a,")
	line, _, _ = strings.Cut(line, "\n")
	if !strings.Contains(line, "receive: all") && !strings.Contains(line, "accept: all") {
		return nil
	}
	return told(f.node, injected[0], any1)
}
