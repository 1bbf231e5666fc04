package update

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// pods is how many pods may be there.
const pods = 40

// pods4 and pods6 hold the pods' addresses.
var (
	pods4 = netip.MustParsePrefix("10.16.0.0/16")
	pods6 = netip.MustParsePrefix("fd00:16::/64")
)

// choices are the keys of a configuration that change, each with its lines; "" is the default. Those of a neighbor begin with
// its name. What would end the session by another way than a reset, or not let it come again, is not among them, but in the
// tests of reload: BFD, which a busy machine takes down, and another port, where a neighbor that helps with graceful restart
// waits to be connected to (RFC 4724) and nobody listens.
func choices() map[string][]string {
	return map[string][]string{
		"routerID":         {"routerID: 10.0.0.1", "routerID: 10.0.0.99"},
		"clusterID":        {"", "", "clusterID: 10.0.0.9", "clusterID: 10.0.0.10"},
		"communities":      {"", `communities: ["65000:7"]`, `communities: ["65000:7", "65000:8"]`, `communities: [no-export]`},
		"largeCommunities": {"", `largeCommunities: ["65000:1:2"]`},
		"localPreference":  {"", "localPreference: 300"},
		"med":              {"", "med: 5"},
		"verify":           {"", "verify: {bmp: {feed: true}}", "verify: {bmp: {feed: true, listen: '127.0.0.1:11020'}}"},
		"restart":          {"", "gracefulRestart: {restartTime: 90s}", "gracefulRestart: {restartTime: 60s, staleTime: 100s}", "gracefulRestart: {deferralTime: 100s}"},
		"routers":          {"", "", "routers: [{name: mesh, asn: 65200}]"},

		"ext asn":                  {"asn: 65001", "asn: external"},
		"ext router":               {"", "", "", "router: mesh"},
		"ext localASN":             {"", "", "localASN: 65099"},
		"ext passive":              {"", "", "passive: true"},
		"ext ebgpMultihop":         {"", "", "ebgpMultihop: 3", "ttlSecurityHops: 1"},
		"ext sourceAddress":        {"", "sourceAddress: 10.0.0.1"},
		"int asn":                  {"asn: 65000", "asn: internal"},
		"int routeReflectorClient": {"", "", "routeReflectorClient: true"},
		"int passive":              {"", "", "passive: true"},
		"int sourceAddress":        {"", "sourceAddress: 10.0.1.1"},
	}
}

// either are the choices of each neighbor.
func either() map[string][]string {
	list := "receive: {accept: list, prefixes: [{prefix: %s}]}"
	return map[string][]string{
		"description":      {"", "description: one", "description: another one"},
		"passwordFile":     {"", "", "passwordFile: one", "passwordFile: two"},
		"timers":           {"", "holdTime: 60s", "holdTime: 180s, keepaliveTime: 60s"},
		"connectTime":      {"", "connectTime: 2s"},
		"gracefulRestart":  {"", "", "gracefulRestart: true"},
		"families":         {"families: [ipv4]", "families: [ipv4]", "families: [ipv4, ipv6]"},
		"nextHop":          {"", "nextHop: self", "nextHop: unchanged", "nextHop: {ipv4: 10.0.0.77}"},
		"receive":          {"", "receive: all", "receive: default", "receive: {accept: all, install: true}", fmt.Sprintf(list, "192.0.2.0/32"), fmt.Sprintf(list, "192.0.2.1/32")},
		"transit":          {"", "transit: [ext]", "transit: [int]"},
		"maximumPrefix":    {"", "maximumPrefix: 1000", "maximumPrefix: 2000"},
		"maximumPrefixOut": {"", "maximumPrefixOut: 1000"},
		"allowASIn":        {"", "allowASIn: 1", "allowASIn: 3"},
	}
}

// draw is a configuration and a cluster, which change at random.
type draw struct {
	random  *rand.Rand
	choices map[string][]string
	// keys are the names of choices, sorted, and now is what is chosen of each; pods says which are there.
	keys []string
	now  map[string]string
	pods [pods]bool
	// deaf says that the last view went and none has come since: FRR 8.4 and 10.3 close bgpd's listening sockets when a view
	// is removed, also those that the default router needs, and open them again with the next new one (FRR's pull request 18758).
	// Until then a neighbor that is to be passive has no session, whatever else changes.
	deaf bool
	dir  string
}

func newDraw(t *testing.T, seed uint64) *draw {
	t.Helper()
	d := &draw{random: rand.New(rand.NewPCG(seed, 0)), choices: choices(), now: map[string]string{}, dir: t.TempDir()}
	for _, name := range []string{"ext", "int"} {
		for key, texts := range either() {
			d.choices[name+" "+key] = texts
		}
	}
	d.keys = slices.Sorted(maps.Keys(d.choices))
	for _, key := range d.keys {
		d.now[key] = d.choices[key][0]
	}
	for i := range d.pods {
		d.pods[i] = i%2 == 0
	}
	for _, name := range []string{"one", "two"} {
		if err := os.WriteFile(filepath.Join(d.dir, name), []byte("secret-"+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// password is what a neighbor's session needs, or "".
func (d *draw) password(name string) string {
	if file, ok := strings.CutPrefix(d.now[name+" passwordFile"], "passwordFile: "); ok {
		return "secret-" + file
	}
	return ""
}

// yaml is the configuration.
func (d *draw) yaml() string {
	neighbors := map[string][]string{}
	var top []string
	for _, key := range d.keys {
		text := d.now[key]
		name, _, found := strings.Cut(key, " ")
		switch {
		case text == "":
		case found:
			neighbors[name] = append(neighbors[name], text)
		default:
			top = append(top, text)
		}
	}
	return "asn: 65000\n" + strings.Join(top, "\n") + "\nneighborDefaults: {connectTime: 1s}\nneighbors:\n" +
		"  - {name: ext, address: 10.0.0.2, " + strings.Join(neighbors["ext"], ", ") + "}\n" +
		"  - {name: int, address: 10.0.1.2, " + strings.Join(neighbors["int"], ", ") + "}\n"
}

// speaker is what the node should say; the configuration can be one that config refuses.
func (d *draw) speaker() (route.Speaker, error) {
	c, err := config.Parse("config.yaml", []byte(d.yaml()))
	if err == nil {
		err = c.ReadPasswords(d.dir)
	}
	if err != nil {
		return route.Speaker{}, err
	}
	snapshot := reduce.Snapshot{Nodes: []*reduce.Node{{Meta: reduce.Meta{Name: "node1"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}}
	for i, there := range d.pods {
		if there {
			four, six := addresses(i)
			snapshot.Pods = append(snapshot.Pods, &reduce.Pod{
				Meta: reduce.Meta{Namespace: "default", Name: fmt.Sprintf("pod%d", i), Annotations: map[string]string{"ovn.kubernetes.io/bgp": "true"}},
				Node: "node1", IPs: []string{four.String(), six.String()},
			})
		}
	}
	return speaker(c, snapshot)
}

// addresses are those of a pod.
func addresses(pod int) (four, six netip.Addr) {
	a, b := pods4.Addr().As4(), pods6.Addr().As16()
	a[3], b[15] = byte(pod+1), byte(pod+1)
	return netip.AddrFrom4(a), netip.AddrFrom16(b)
}

// prefixes are what a neighbor is told.
func (d *draw) prefixes(name string) []netip.Prefix {
	var prefixes []netip.Prefix
	for i, there := range d.pods {
		if !there {
			continue
		}
		four, six := addresses(i)
		for _, a := range []netip.Addr{four, six} {
			if slices.Contains(d.families(name), route.FamilyOf(a)) {
				prefixes = append(prefixes, netip.PrefixFrom(a, a.BitLen()))
			}
		}
	}
	return prefixes
}

// families are what a neighbor speaks.
func (d *draw) families(name string) []route.Family {
	if strings.Contains(d.now[name+" families"], "ipv6") {
		return []route.Family{route.IPv4Unicast, route.IPv6Unicast}
	}
	return []route.Family{route.IPv4Unicast}
}

// passive reports whether a neighbor is waited for.
func (d *draw) passive() bool { return d.now["ext passive"]+d.now["int passive"] != "" }

// change changes one key of the configuration, some pods, or both, and says what. It leaves no neighbor passive where deaf.
func (d *draw) change(t *testing.T) (string, route.Speaker) {
	t.Helper()
	const enough = 10_000
	var refused error
	for range enough {
		before, podsBefore := maps.Clone(d.now), d.pods
		what := ""
		kind := d.random.IntN(3)
		if kind != 0 {
			key := d.keys[d.random.IntN(len(d.keys))]
			d.now[key] = d.choices[key][d.random.IntN(len(d.choices[key]))]
			what = fmt.Sprintf("%s: %q instead of %q; ", key, d.now[key], before[key])
			if d.now[key] == before[key] {
				continue
			}
		}
		if kind != 1 {
			for range 1 + d.random.IntN(5) {
				i := d.random.IntN(pods)
				d.pods[i] = !d.pods[i]
				what += fmt.Sprintf("pod%d: %t; ", i, d.pods[i])
			}
		}
		deaf := d.deaf
		if d.now["routers"] != before["routers"] {
			deaf = d.now["routers"] == ""
		}
		s, err := d.speaker()
		if err == nil && deaf && d.passive() {
			err = errors.New("a neighbor is passive, and bgpd does not listen")
		}
		if err == nil {
			d.deaf = deaf
			return what, s
		}
		refused, d.now, d.pods = err, before, podsBefore
	}
	t.Fatalf("no change is accepted: %v\n%s", refused, d.yaml())
	return "", route.Speaker{}
}
