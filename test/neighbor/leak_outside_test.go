package neighbor

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// outsider is a speaker beside the node, which sends it all that might leak.
type outsider struct {
	name   string
	number int
	// port is where it listens.
	port string
	ends []*leakEnd
}

// leakEnd is what an outsider can be to the node: its AS, and where the session's ends are. No two outsiders share an
// address, so that a line of bgpd's log says by the peer's address alone whose it is.
type leakEnd struct {
	of  *outsider
	asn string
	// internal means that it is an iBGP neighbor of a router of this AS, and not an eBGP one of any.
	internal  bool
	far, near netip.Addr
}

// outsiders are the two switches of the fabric, and one more.
var outsiders = []*outsider{
	newOutsider("a", 1, "179", "10.1.0.1", "10.1.0.2", "fd01::1", "fd01::2"),
	newOutsider("b", 2, "1179", "10.2.0.1", "10.2.0.2", "fd02::1", "fd02::2"),
	newOutsider("c", 3, "179", "10.4.0.1", "10.4.0.2", "fd04::1", "fd04::2"),
}

// newOutsider gives one that can be in AS 65000 and 65200 too, with the addresses of its ends and the node's.
func newOutsider(name string, number int, port string, addresses ...string) *outsider {
	o := &outsider{name: name, number: number, port: port}
	for pair := range slices.Chunk(addresses, 2) {
		for _, asn := range []string{fmt.Sprint(65000 + number), "65000", "65200"} {
			o.ends = append(o.ends, &leakEnd{
				of: o, asn: asn, internal: asn == "65000" || asn == "65200",
				far: netip.MustParseAddr(pair[0]), near: netip.MustParseAddr(pair[1]),
			})
		}
	}
	return o
}

// keys are those of the node's neighbor that make it speak to this end.
func (e *leakEnd) keys() string {
	return fmt.Sprintf(`address: "%s", port: %s, asn: %s`, e.far, e.of.port, e.kind())
}

// kind is what the two ends are to each other.
func (e *leakEnd) kind() string {
	if e.internal {
		return "internal"
	}
	return "external"
}

// statement opens the instance in frr.conf.
func (e *leakEnd) statement() string { return "router bgp " + e.asn + "\n" }

// pool4 and pool6 hold all that the outsider alone sends.
func (o *outsider) pool4() string { return fmt.Sprintf("100.%d.0.0/16", 64+o.number) }
func (o *outsider) pool6() string { return fmt.Sprintf("2001:db8:%d::/48", o.number) }

// owns reports whether nobody but the outsider sends a prefix.
func (o *outsider) owns(prefix netip.Prefix) bool {
	return netip.MustParsePrefix(o.pool4()).Contains(prefix.Addr()) || netip.MustParsePrefix(o.pool6()).Contains(prefix.Addr())
}

// echoes are addresses that the outsider sends and the node announces in some configurations.
func (o *outsider) echoes() []string {
	return []string{fmt.Sprintf("10.16.1.%d", o.number), fmt.Sprintf("fd00:16::1:%d", o.number)}
}

// fresh are routes that the outsider sends in one round only: no node has seen them before.
func (o *outsider) fresh(round int) []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix(fmt.Sprintf("100.%d.%d.%d/32", 64+o.number, 200+round>>8%50, round&255)),
		netip.MustParsePrefix(fmt.Sprintf("2001:db8:%d:ffff::%x/128", o.number, round)),
	}
}

// kind is what a route bears.
type kind struct {
	name string
	// large are its large communities; sets are the other lines of its route-map.
	large, sets []string
	// origin is the AS at the end of its path; 0 is the sender's.
	origin route.ASN
}

// kinds gives all that a route may bear which should make no difference: every marker that the node uses, alone and all
// together, others of the same form, what other speakers act on, and AS numbers of the node's own.
func kinds(markers []string) []kind {
	var guessed []string
	for _, asn := range []string{"65000", "65200", "65099"} {
		for i := range 5 {
			guessed = append(guessed, fmt.Sprintf("%s:4242:%d", asn, i))
		}
	}
	out := []kind{
		{name: "NONE"},
		{name: "ALL", large: markers},
		{name: "GUESSED", large: guessed},
		{name: "KNOWN", large: append(slices.Clip(markers), "65000:1:2"), sets: []string{"set community 65000:7 accept-own"}},
		{name: "SCOPE", large: markers, sets: []string{"set community no-export"}},
		{name: "WELL-KNOWN", large: markers, sets: []string{"set community no-peer blackhole graceful-shutdown"}},
		{name: "EXTENDED", large: markers, sets: []string{"set extcommunity rt 65000:4242 65200:4242", "set extcommunity soo 65000:4242"}},
	}
	for _, asn := range []route.ASN{65000, 65200, 65099} {
		out = append(out, kind{name: fmt.Sprintf("OF-%d", asn), large: markers, sets: []string{fmt.Sprintf("set as-path prepend %d", asn)}, origin: asn})
	}
	// Each alone, unless they are very many.
	const most = 25
	for share := range slices.Chunk(markers, (len(markers)+most-1)/most) {
		out = append(out, kind{name: "MARKED-" + share[0], large: share})
	}
	return out
}

// routeMap gives the route-map of a kind, with a metric. FRR does not read a line with a hundred communities.
func (k kind) routeMap(name string, metric int) string {
	const most = 50
	var b strings.Builder
	fmt.Fprintf(&b, "route-map %s permit 10\n set metric %d\n", name, metric)
	for _, s := range k.sets {
		fmt.Fprintf(&b, " %s\n", s)
	}
	sequence, additive := 10, ""
	for share := range slices.Chunk(k.large, most) {
		sequence += 10
		fmt.Fprintf(&b, " on-match next\nexit\nroute-map %s permit %d\n set large-community %s%s\n", name, sequence, strings.Join(share, " "), additive)
		additive = " additive"
	}
	return b.String() + "exit\n"
}

// sent is one route that an outsider sends.
type sent struct {
	by     *outsider
	prefix netip.Prefix
	kind   kind
}

// sends gives all routes of an outsider that stay: one of each kind in its own pool, and with all markers the default route,
// and what the node announces always or sometimes.
func (o *outsider) sends(markers []string) []sent {
	var out []sent
	add := func(prefix string, k kind) {
		out = append(out, sent{by: o, prefix: netip.MustParsePrefix(prefix), kind: k})
	}
	all := kinds(markers)
	for i, k := range all {
		add(fmt.Sprintf("100.%d.%d.0/24", 64+o.number, i), k)
		add(fmt.Sprintf("2001:db8:%d:%x::/64", o.number, i), k)
	}
	marked := all[1]
	for _, p := range []string{"0.0.0.0/0", "::/0", "10.16.0.0/16", "10.16.0.5/32", "fd00:16::5/128"} {
		add(p, marked)
	}
	for _, a := range o.echoes() {
		add(netip.PrefixFrom(netip.MustParseAddr(a), netip.MustParseAddr(a).BitLen()).String(), marked)
	}
	return out
}

// routeMaps gives two route-maps for each kind, so that a route that goes from one to the other is sent again, and one for
// what comes from the node, which is not sent back to it.
func routeMaps(markers []string) string {
	var b strings.Builder
	b.WriteString("route-map KEEP permit 10\n set community no-advertise additive\nexit\n")
	for _, k := range kinds(markers) {
		for generation := range 2 {
			b.WriteString(k.routeMap(fmt.Sprintf("%s-%d", k.name, generation), generation))
		}
	}
	return b.String()
}

// router gives the instance in frr.conf, for this end. It waits for the node to connect: one that tries in vain waits ever
// longer, and refuses whoever connects meanwhile.
func (e *leakEnd) router() string {
	var b strings.Builder
	b.WriteString(e.statement())
	fmt.Fprintf(&b, " bgp router-id 10.9.0.%d\n no bgp ebgp-requires-policy\n no bgp network import-check\n no bgp default ipv4-unicast\n", e.of.number)
	fmt.Fprintf(&b, " coalesce-time 10\n neighbor %s remote-as %s\n", e.near, e.kind())
	fmt.Fprintf(&b, " neighbor %s passive\n", e.near)
	if e.near.Is6() {
		fmt.Fprintf(&b, " neighbor %s capability extended-nexthop\n", e.near)
	}
	for _, family := range []string{"ipv4", "ipv6"} {
		fmt.Fprintf(&b, " address-family %s unicast\n  neighbor %s activate\n  neighbor %[2]s route-map KEEP in\n exit-address-family\n", family, e.near)
	}
	b.WriteString("exit\n")
	return b.String()
}

// injection gives what makes an end send everything once more, and what is fresh in this round at last.
func (e *leakEnd) injection(markers []string, round, last int) string {
	var b strings.Builder
	b.WriteString(e.statement())
	for i, family := range []string{"ipv4", "ipv6"} {
		fmt.Fprintf(&b, " address-family %s unicast\n", family)
		for _, s := range e.of.sends(markers) {
			if s.prefix.Addr().Is4() == (i == 0) {
				fmt.Fprintf(&b, "  network %s route-map %s-%d\n", s.prefix, s.kind.name, round%2)
			}
		}
		if last > 0 {
			fmt.Fprintf(&b, "  no network %s\n", e.of.fresh(last)[i])
		}
		fmt.Fprintf(&b, "  network %s\n exit-address-family\n", e.of.fresh(round)[i])
	}
	b.WriteString("exit\n")
	return b.String()
}

// heard is what a router has received: one prefix of an UPDATE, or its attributes.
type heard struct {
	// from is the address of who sent it.
	from netip.Addr
	// prefix was announced, or withdrawn; it is the zero Prefix where attributes are told.
	prefix    netip.Prefix
	withdrawn bool
	// attributes are as FRR logs them. It does so before the prefixes that bear them, but not for each UPDATE.
	attributes string
}

// follower reads what a router's bgpd logs of each UPDATE that it receives, before any policy, as it is written. So
// nothing that was ever sent is missed, however soon it was taken back.
type follower struct {
	file *os.File
	rest []byte
}

// follow makes a router log, and gives its follower.
func follow(t *testing.T, r *lab.Router) *follower {
	t.Helper()
	r.Load("log file " + filepath.Join("/run/frr", r.Pathspace, "updates.log") + " debugging\ndebug bgp updates in\n")
	file, err := os.Open(filepath.Join(r.RunDir, "updates.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return &follower{file: file}
}

// more gives what was logged since the last call.
func (f *follower) more() ([]heard, error) {
	data, err := io.ReadAll(f.file)
	if err != nil {
		return nil, fmt.Errorf("read the log of bgpd: %w", err)
	}
	data = append(f.rest, data...)
	end := bytes.LastIndexByte(data, '\n') + 1
	f.rest = slices.Clone(data[end:])
	var out []heard
	for line := range strings.Lines(string(data[:end])) {
		head, tail, found := strings.Cut(strings.TrimSpace(line), " rcvd ")
		if !found {
			continue
		}
		words := strings.Fields(head)
		name, _, _ := strings.Cut(words[len(words)-1], "(")
		from, err := netip.ParseAddr(name)
		if err != nil {
			continue
		}
		if attributes, ok := strings.CutPrefix(tail, "UPDATE w/ attr: "); ok {
			out = append(out, heard{from: from, attributes: attributes})
			continue
		}
		text, rest, _ := strings.Cut(strings.TrimPrefix(tail, "UPDATE about "), " ")
		if prefix, err := netip.ParsePrefix(text); err == nil {
			out = append(out, heard{from: from, prefix: prefix, withdrawn: strings.Contains(rest, "-- withdrawn")})
		}
	}
	return out, nil
}

// row is a path of "show bgp ... json".
type row struct {
	Weight int    `json:"weight"`
	Peer   string `json:"peerId"`
	Path   string `json:"path"`
}

// tables gives the IPv4 and the IPv6 table of one of a router's instances, without its own routes: it always has some.
func tables(t *testing.T, r *lab.Router, view string) []map[netip.Prefix][]row {
	t.Helper()
	const own = 32768
	if view != "" {
		view = "view " + view + " "
	}
	out, err := r.Vtysh(t.Context(), "show bgp "+view+"ipv4 unicast json", "show bgp "+view+"ipv6 unicast json")
	if err != nil {
		t.Fatal(err)
	}
	var both []map[netip.Prefix][]row
	decoder := json.NewDecoder(strings.NewReader(out))
	for range 2 {
		var table struct {
			Routes map[netip.Prefix][]row `json:"routes"`
		}
		if err := decoder.Decode(&table); err != nil || len(table.Routes) == 0 {
			t.Fatalf("read the tables of %s: %v\n%s", r.Pathspace, err, out)
		}
		for p, rows := range table.Routes {
			table.Routes[p] = slices.DeleteFunc(rows, func(r row) bool { return r.Weight == own })
		}
		both = append(both, table.Routes)
	}
	return both
}
