package tap

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// patience is how long anything may take on a loaded machine.
const patience = 90 * time.Second

// site is a node with an FRR and a tap, a ToR router with two sessions to it, over IPv4 with TCP MD5 and over IPv6 with routes
// of both families, and a route reflector with an iBGP session of both families, with ADD-PATH.
type site struct {
	t                    *testing.T
	node, tor, reflector *lab.Router
	tap                  *Tap
	sessions             []Session

	mu        sync.Mutex
	refreshes map[Session]int
	// lose says which packets of the capture to lose; nil means none. capture takes all of them, and so does witness, which is
	// another tap.
	lose    func(packet) bool
	capture *os.File
	witness *Tap
	count   tally
	// ends are how far each connection was.
	ends map[flow]uint32

	seed   uint64
	random *rand.Rand
	// networks are those that the node originates, with the route-map of each.
	networks map[netip.Prefix]string
}

// tally counts what happens while packets come.
type tally struct {
	// compared is how often tap and witness were held against each other.
	compared int
	// lost are packets that the tap did not get, again segments that were sent again.
	lost, again int
}

var (
	overIPv4 = Session{Neighbor: netip.MustParseAddr("10.0.1.254"), Port: 179}
	overIPv6 = Session{Neighbor: netip.MustParseAddr("fd01::254"), Port: 179}
	overIBGP = Session{Neighbor: netip.MustParseAddr("10.0.2.254"), Port: 179}
)

const nodeConf = `router bgp 65000
 bgp router-id 10.0.1.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.1.254 remote-as 65001
 neighbor 10.0.1.254 timers 3 30
 neighbor 10.0.1.254 timers connect 1
 neighbor 10.0.1.254 password s3cret
 neighbor fd01::254 remote-as 65001
 neighbor fd01::254 timers 3 30
 neighbor fd01::254 timers connect 1
 neighbor fd01::254 capability extended-nexthop
 neighbor 10.0.2.254 remote-as 65000
 neighbor 10.0.2.254 timers 3 30
 neighbor 10.0.2.254 timers connect 1
 neighbor 10.0.2.254 shutdown
 address-family ipv4 unicast
  neighbor 10.0.2.254 addpath-tx-all-paths
 exit-address-family
 address-family ipv6 unicast
  neighbor fd01::254 activate
  neighbor 10.0.2.254 activate
  neighbor 10.0.2.254 addpath-tx-all-paths
 exit-address-family
exit
`

const torConf = `route-map GLOBAL permit 10
 set ipv6 next-hop prefer-global
exit
router bgp 65001
 bgp router-id 10.0.1.254
 no bgp ebgp-requires-policy
 neighbor 10.0.1.1 remote-as 65000
 neighbor 10.0.1.1 timers 3 30
 neighbor 10.0.1.1 timers connect 1
 neighbor 10.0.1.1 password s3cret
 neighbor fd01::1 remote-as 65000
 neighbor fd01::1 timers 3 30
 neighbor fd01::1 timers connect 1
 neighbor fd01::1 capability extended-nexthop
 address-family ipv6 unicast
  neighbor fd01::1 activate
  neighbor fd01::1 route-map GLOBAL in
 exit-address-family
exit
`

const reflectorConf = `route-map GLOBAL permit 10
 set ipv6 next-hop prefer-global
exit
router bgp 65000
 bgp router-id 10.0.2.254
 neighbor 10.0.2.1 remote-as 65000
 neighbor 10.0.2.1 timers 3 30
 neighbor 10.0.2.1 timers connect 1
 address-family ipv6 unicast
  neighbor 10.0.2.1 activate
  neighbor 10.0.2.1 route-map GLOBAL in
 exit-address-family
exit
`

// groups is how many route-maps the node has, each of other attributes.
const groups = 40

// groupsConf gives them attributes at random.
func groupsConf(r *rand.Rand) string {
	var b strings.Builder
	line := func(percent int, format string, args ...any) {
		if r.IntN(100) < percent {
			fmt.Fprintf(&b, format+"\n", args...)
		}
	}
	list := func(n int, one func() string) string {
		var words []string
		for range 1 + r.IntN(n) {
			words = append(words, one())
		}
		return strings.Join(words, " ")
	}
	for i := range groups {
		fmt.Fprintf(&b, "route-map G%d permit 10\n set metric %d\n", i, i+1)
		line(50, " set community %s", list(40, func() string { return fmt.Sprintf("65000:%d", r.IntN(1<<16)) }))
		line(50, " set large-community %s", list(30, func() string { return fmt.Sprintf("65000:%d:%d", r.Uint32(), r.Uint32()) }))
		line(40, " set as-path prepend %s", list(12, func() string { return fmt.Sprint(1 + r.Uint32N(4_000_000_000)) }))
		line(30, " set origin %s", []string{"igp", "egp", "incomplete"}[r.IntN(3)])
		line(50, " set local-preference %d", r.Uint32N(1000))
		line(20, " set atomic-aggregate")
		line(20, " set aggregator as 65000 10.9.9.%d", 1+r.IntN(200))
		line(20, " set ip next-hop 10.0.1.%d", 100+r.IntN(100))
		b.WriteString("exit\n")
	}
	return b.String()
}

func newSite(t *testing.T, v lab.Version, seed uint64) *site {
	t.Helper()
	node, tor, reflector := lab.NewNamespace(t, "node"), lab.NewNamespace(t, "tor"), lab.NewNamespace(t, "rr")
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for _, ns := range []*lab.Namespace{node, tor, reflector} {
		// FRR's router advertisements would give each end a second address, and sessions would start from that.
		if out, err := exec.CommandContext(t.Context(), "ip", "netns", "exec", ns.Name, "sysctl", "-qw", "net.ipv6.conf.default.autoconf=0").CombinedOutput(); err != nil {
			t.Fatalf("turn autoconfiguration off: %v: %s", err, out)
		}
	}
	lab.Link(t, node, "eth0", prefixes("10.0.1.1/24", "fd01::1/64"), tor, "eth0", prefixes("10.0.1.254/24", "fd01::254/64"))
	lab.Link(t, node, "eth1", prefixes("10.0.2.1/24", "fd02::1/64"), reflector, "eth0", prefixes("10.0.2.254/24", "fd02::254/64"))
	s := &site{
		t: t, sessions: []Session{overIPv4, overIPv6, overIBGP}, refreshes: make(map[Session]int), ends: make(map[flow]uint32),
		seed: seed, random: rand.New(rand.NewPCG(seed, 0)), networks: make(map[netip.Prefix]string),
	}
	s.capture = newCapture(t)
	s.tor = tor.StartFRR(t, v, torConf)
	s.reflector = reflector.StartFRR(t, v, reflectorConf)
	s.node = node.StartFRR(t, v, groupsConf(s.random)+nodeConf)
	return s
}

// newCapture is a file of IP packets.
func newCapture(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "capture.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	// LINKTYPE_RAW.
	if _, err := file.Write(captureHeader(101)); err != nil {
		t.Fatal(err)
	}
	return file
}

// follow opens the tap for some sessions, and the witness beside it.
func (s *site) follow(sessions []Session) {
	s.t.Helper()
	log := logrus.New()
	log.SetOutput(s.t.Output())
	log.SetLevel(logrus.DebugLevel)
	err := lab.Inside(s.node.Namespace.Name, func() (err error) {
		s.tap, err = Open(Config{Port: 179, Refresher: s, Log: log})
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.tap.pace = pace{
		quiet: 2 * time.Second, least: 4 * time.Second, most: 10 * time.Second, jitter: 100 * time.Millisecond,
		again: 500 * time.Millisecond, longest: time.Second,
	}
	s.witness = offline(sessions)
	ctx, cancel := context.WithCancel(s.t.Context())
	ended := make(chan error, 1)
	if err := s.tap.Follow(sessions); err != nil {
		s.t.Fatal(err)
	}
	go func() { ended <- s.tap.run(ctx, s.packets) }()
	s.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.t.Errorf("the tap ended: %v", err)
		}
	})
}

// offline is a tap without a socket.
func offline(sessions []Session) *Tap {
	t := newTap(Config{Port: 179}, usualPace())
	t.byAddress = make(map[netip.Addr][]Session)
	for _, key := range sessions {
		t.sessions[key], t.byAddress[key.Neighbor] = newSession(t.pace, time.Time{}), []Session{key}
	}
	return t
}

// packets stands between the kernel and the tap.
func (s *site) packets(block iter.Seq[packet]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	captures := slices.Collect(block)
	var taken []packet
	for _, p := range captures {
		seg, tcp := parseSegment(p.protocol, p.data)
		if !tcp {
			continue
		}
		if _, err := s.capture.Write(captured(p.at, p.data)); err != nil {
			s.t.Error(err)
		}
		s.again(p, seg)
		if s.lose != nil && s.lose(p) {
			s.count.lost++
			continue
		}
		taken = append(taken, p)
	}
	s.witness.packets(slices.Values(captures))
	s.tap.packets(slices.Values(taken))
	s.compare()
}

// again counts what was sent again.
func (s *site) again(p packet, seg segment) {
	if !p.outgoing || len(seg.payload) == 0 {
		return
	}
	f := flow{local: seg.source, remote: seg.destination}
	if end, known := s.ends[f]; known && int32(seg.sequence-end) < 0 {
		s.count.again++
	} else {
		s.ends[f] = seg.sequence + uint32(len(seg.payload))
	}
}

// compare holds the tap against the witness, which has lost nothing: where the tap says that it knows all, and both have seen as
// much, it must. What nobody has acknowledged yet can still be missing. The witness must have seen the session begin.
func (s *site) compare() {
	s.tap.mu.Lock()
	defer s.tap.mu.Unlock()
	for key, w := range s.witness.sessions {
		a := s.tap.sessions[key]
		if a == nil || a.current == nil || w.current == nil || w.current.middle {
			continue
		}
		if c := w.current; !a.current.negotiated() && a.told == nil && c.negotiated() {
			// BMP would have told it.
			o, err := negotiate(c.openSent, c.openReceived)
			if err != nil {
				s.t.Error(err)
			}
			a.tell(o, time.Now())
		}
		if a.state != Whole || w.state != Whole || len(a.current.flight)+len(w.current.flight) > 0 || a.current.out.next != w.current.out.next {
			continue
		}
		s.count.compared++
		if !sameTables(a.table, w.table) {
			s.t.Errorf("%s: the tap has lost packets, and says that it knows all: %d routes, in truth %d",
				key, len(a.table.routes), len(w.table.routes))
			a.gap(time.Now(), "the test has found a difference")
		}
	}
}

func sameTables(a, b table) bool {
	if len(a.routes) != len(b.routes) {
		return false
	}
	for id, e := range a.routes {
		if other, there := b.routes[id]; !there || other.shared.raw != e.shared.raw {
			return false
		}
	}
	return true
}

// Refresh implements Refresher.
func (s *site) Refresh(ctx context.Context, session Session) error {
	s.mu.Lock()
	s.refreshes[session]++
	s.mu.Unlock()
	var commands []string
	for _, family := range []string{"ipv4", "ipv6"} {
		if family == "ipv4" || session != overIPv4 {
			commands = append(commands, "clear bgp "+family+" unicast "+session.Neighbor.String()+" soft out")
		}
	}
	_, err := s.node.Vtysh(ctx, commands...)
	return err
}

// text shows what an FRR tells of a route that it has received, as FRR writes it.
func text(nextHop netip.Addr, origin, path string, med, preference uint32, communities, large []string) string {
	return fmt.Sprintf("via %s origin %s path %s med %d preference %d %v %v", nextHop, origin, path, med, preference, communities, large)
}

// received is what the far routers hold of each session.
func (s *site) received() map[Session]map[netip.Prefix]string {
	from := map[netip.Addr]Session{
		netip.MustParseAddr("10.0.1.1"): overIPv4, netip.MustParseAddr("fd01::1"): overIPv6, netip.MustParseAddr("10.0.2.1"): overIBGP,
	}
	tables := map[Session]map[netip.Prefix]string{overIPv4: {}, overIPv6: {}, overIBGP: {}}
	for _, router := range []*lab.Router{s.tor, s.reflector} {
		for _, family := range []route.Family{route.IPv4Unicast, route.IPv6Unicast} {
			for prefix, paths := range router.Routes(family) {
				for _, p := range paths {
					slices.Sort(p.Communities)
					slices.Sort(p.LargeCommunities)
					tables[from[p.From]][prefix] += text(p.NextHop, p.Origin, p.ASPath, p.MED, p.LocalPreference, p.Communities, p.LargeCommunities)
				}
			}
		}
	}
	return tables
}

func words[T fmt.Stringer](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	slices.Sort(out)
	return out
}

func path(list []route.ASN) string {
	var out []string
	for _, n := range list {
		out = append(out, fmt.Sprint(n))
	}
	return strings.Join(out, " ")
}

// text shows a route as the far router does: of two next hops FRR uses the link-local one, where no route-map prefers the other.
func (r Route) text() string {
	a := r.Attributes
	nextHop := a.NextHop
	if r.Prefix.Addr().Is4() && a.LinkLocal.IsValid() {
		nextHop = a.LinkLocal
	}
	origin := []string{"IGP", "EGP", "incomplete"}[a.Origin]
	return text(nextHop, origin, path(a.ASPath), a.MED, a.LocalPreference, words(a.Communities), words(a.LargeCommunities))
}

// whole shows all of a route that a decoder can.
func (r Route) whole() string {
	a := r.Attributes
	return fmt.Sprintf("%s, next hops %s %s, others %v, sets %v", r.text(), a.NextHop, a.LinkLocal, a.Others, a.Sets)
}

// name tells routes apart.
func (r Route) name() string { return fmt.Sprintf("%s path ID %d", r.Prefix, r.PathID) }

// shown is what a tap shows of a session as the far router has it.
func shown(t *Tap, session Session) map[netip.Prefix]string {
	table := make(map[netip.Prefix]string)
	for _, r := range t.Table(session) {
		table[r.Prefix] += r.text()
	}
	return table
}

// all is all that a tap shows of a session.
func all(t *Tap, session Session) map[string]string {
	table := make(map[string]string)
	for _, r := range t.Table(session) {
		table[r.name()] = r.whole()
	}
	return table
}

// settles waits until the tap knows all of each session, and shows what the far router has.
func (s *site) settles(what string) {
	s.t.Helper()
	want := map[Session]int{overIPv6: len(s.networks), overIBGP: len(s.networks)}
	for prefix := range s.networks {
		if prefix.Addr().Is4() {
			want[overIPv4]++
		}
	}
	lab.Eventually(s.t, patience, what, func() error {
		for _, session := range s.sessions {
			s.tap.mu.Lock()
			followed := s.tap.sessions[session]
			state, reason := followed.state, followed.reason
			s.tap.mu.Unlock()
			if state != Whole {
				return fmt.Errorf("%s: %s: %s", session, state, reason)
			}
		}
		received := s.received()
		for _, session := range s.sessions {
			if diff := cmp.Diff(received[session], shown(s.tap, session)); diff != "" {
				return fmt.Errorf("%s: the far router has (-), the tap shows (+):\n%s", session, first(diff))
			}
			if len(received[session]) != want[session] {
				return fmt.Errorf("%s: %d routes, want %d", session, len(received[session]), want[session])
			}
		}
		return nil
	})
}

func first(diff string) string {
	lines := strings.SplitAfterN(diff, "\n", 20)
	return strings.Join(lines[:min(len(lines), 19)], "")
}

// asked counts the refreshes so far.
func (s *site) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, count := range s.refreshes {
		n += count
	}
	return n
}

// tally is what has been counted so far: the tap goes on counting.
func (s *site) tally() tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// network is the i'th of those that come and go: host routes and others, of both families. The default route is not among them:
// tshark guesses whether there are path IDs, and takes it for one.
func network(i int) netip.Prefix {
	switch {
	case i%8 == 4:
		return netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("fd10:0:0:%x::", i)), 64)
	case i%4 == 0:
		return netip.PrefixFrom(netip.MustParseAddr(fmt.Sprintf("fd10::%x", i)), 128)
	case i%4 == 1:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24+i%7)
	default:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 16, byte(i >> 8), byte(i)}), 32)
	}
}

// churn changes so many networks at random, in one run of vtysh: announces, withdraws, or gives other attributes.
func (s *site) churn(changes int) {
	s.t.Helper()
	lines := map[bool]*strings.Builder{true: {}, false: {}}
	for range changes {
		prefix := network(s.random.IntN(2000))
		to := lines[prefix.Addr().Is4()]
		group, there := s.networks[prefix]
		if there && s.random.IntN(3) == 0 {
			fmt.Fprintf(to, "  no network %s%s\n", prefix, group)
			delete(s.networks, prefix)
			continue
		}
		group = ""
		if i := s.random.IntN(groups + 4); i < groups {
			group = fmt.Sprintf(" route-map G%d", i)
		}
		s.networks[prefix] = group
		fmt.Fprintf(to, "  network %s%s\n", prefix, group)
	}
	s.node.Load("router bgp 65000\n address-family ipv4 unicast\n" + lines[true].String() + " exit-address-family\n address-family ipv6 unicast\n" +
		lines[false].String() + " exit-address-family\nexit\n")
}

// command has the node's FRR do something.
func (s *site) command(commands ...string) {
	s.t.Helper()
	if out, err := s.node.Vtysh(s.t.Context(), commands...); err != nil {
		s.t.Fatal(out, err)
	}
}

// drop has the far ends lose so many of a hundred packets of the sessions, in both directions; 0 none.
func (s *site) drop(percent int) {
	s.t.Helper()
	rules := "flush ruleset\n"
	if percent > 0 {
		rules += fmt.Sprintf(`table inet loss {
 chain in { type filter hook input priority 0; meta l4proto tcp numgen random mod 100 < %[1]d drop; }
 chain out { type filter hook output priority 0; meta l4proto tcp numgen random mod 100 < %[1]d drop; }
}
`, percent)
	}
	for _, router := range []*lab.Router{s.tor, s.reflector} {
		cmd := exec.CommandContext(s.t.Context(), "ip", "netns", "exec", router.Namespace.Name, "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(rules)
		if out, err := cmd.CombinedOutput(); err != nil {
			s.t.Fatalf("nft: %v: %s", err, out)
		}
	}
}

// loses has the capture lose so many of a hundred packets, and the next UPDATE first; 0 none.
func (s *site) loses(percent int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = nil
	if percent > 0 {
		begun, random := false, rand.New(rand.NewPCG(s.seed, uint64(s.count.lost)))
		s.lose = func(p packet) bool {
			seg, _ := parseSegment(p.protocol, p.data)
			if !begun && p.outgoing && len(seg.payload) > keepaliveLength {
				begun = true
				return true
			}
			return random.IntN(100) < percent
		}
	}
}

// The tests' captures are files of libpcap.
const maxCaptured = 1 << 18

func captureHeader(linkType uint32) []byte {
	header := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	header = append(header, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(header, maxCaptured), linkType)
}

func captured(at time.Time, data []byte) []byte {
	header := binary.LittleEndian.AppendUint32(nil, uint32(at.Unix()))
	header = binary.LittleEndian.AppendUint32(header, uint32(at.Nanosecond()/1000))
	header = binary.LittleEndian.AppendUint32(header, uint32(len(data)))
	header = binary.LittleEndian.AppendUint32(header, uint32(len(data)))
	return append(header, data...)
}
