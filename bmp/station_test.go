package bmp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/packet/bmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

var (
	near    = netip.MustParseAddr("192.0.2.1")
	far     = netip.MustParseAddr("192.0.2.2")
	prefix  = netip.MustParsePrefix("10.0.0.0/24")
	watched = Watched{Session: verify.Session{Neighbor: far.String()}, Near: near, Far: far}
)

// compareNetip lets cmp look at addresses as values.
var compareNetip = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// told keeps what a station observes, as text.
type told struct{ lines []string }

func (l *told) observe(o verify.Observation) {
	text := fmt.Sprintf("%s %s", o.Witness, o.State)
	if o.Snapshot {
		text += " snapshot"
	}
	for _, c := range o.Changes {
		if c.Attributes == nil {
			text += fmt.Sprintf(" -%s", c.Prefix)
		} else {
			text += fmt.Sprintf(" +%s", c.Prefix)
		}
	}
	l.lines = append(l.lines, text)
}

// take gives what was told since the last call.
func (l *told) take() []string {
	lines := l.lines
	l.lines = nil
	return lines
}

// ipv6 is a Route Monitoring message with a route of IPv6, or with its End-of-RIB.
func ipv6(t testing.TB, h bmp.BMPPeerHeader, end bool) []byte {
	if end {
		m := bgp.NewEndOfRib(bgp.RF_IPv6_UC)
		data, err := m.Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return raw(t, bmp.BMP_MSG_ROUTE_MONITORING, h, data)
	}
	attributes := []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(2),
		bgp.NewPathAttributeAsPath(nil), bgp.NewPathAttributeLocalPref(200),
		bgp.NewPathAttributeLargeCommunities([]*bgp.LargeCommunity{{ASN: 2, LocalData1: 1}, {ASN: 1, LocalData1: 1}}),
		bgp.NewPathAttributeMpReachNLRI("2001:db8::1", []bgp.AddrPrefixInterface{bgp.NewIPv6AddrPrefix(64, "2001:db8:16::")}),
	}
	data, err := bgp.NewBGPUpdateMessage(nil, attributes, nil).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw(t, bmp.BMP_MSG_ROUTE_MONITORING, h, data)
}

// TestSession follows what one router tells of one session, from its Peer Up to its Peer Down.
func TestSession(t *testing.T) {
	var l told
	s := NewStation(Config{Observe: l.observe})
	s.Watch([]Watched{watched})
	c := newTestConnection(s)
	steps := []struct {
		name    string
		message []byte
		want    []string
	}{
		{"initiation", initiation(t), nil},
		{"peer up", peerUp(t, header(0), false), []string{"bmp unknown snapshot"}},
		{"loc-rib up", peerUp(t, locRIBHeader(), false), []string{"bmp loc-rib unknown snapshot"}},
		{"a route", monitoring(t, header(0), nil, ipv4("10.0.0.9", 24)), []string{"bmp learning +10.0.0.0/24"}},
		{"after policy", monitoring(t, header(bmp.BMP_PEER_FLAG_POST_POLICY), nil, ipv4("10.0.0.0", 24)), nil},
		{"sent", monitoring(t, header(bmp.BMP_PEER_FLAG_ADJ_RIB_TYP|bmp.BMP_PEER_FLAG_POST_POLICY), nil, ipv4("10.1.0.0", 24)), nil},
		{"used", monitoring(t, locRIBHeader(), nil, ipv4("10.0.0.0", 24)), []string{"bmp loc-rib learning +10.0.0.0/24"}},
		{"a route of IPv6", ipv6(t, header(0), false), []string{"bmp learning +2001:db8:16::/64"}},
		{"End-of-RIB of IPv4", monitoring(t, header(0), nil, nil), nil},
		{"End-of-RIB of IPv6", ipv6(t, header(0), true), []string{"bmp whole"}},
		{"withdrawn", monitoring(t, header(0), ipv4("10.0.0.0", 24), nil), []string{"bmp whole -10.0.0.0/24"}},
		{"a peer that is not asked for", peerUp(t, *bmp.NewBMPPeerHeader(0, 0, 0, "192.0.2.7", 65007, "192.0.2.7", 1), false), nil},
		{"statistics", session(t, false)[8], nil},
	}
	for _, step := range steps {
		if err := c.take(step.message, time.Unix(1, 0)); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, l.take()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.name, diff)
		}
	}
	r := s.Routers()[0]
	if r.Name != "tor" || r.Description != "a router" || r.Messages != uint64(len(steps)) || len(r.Peers) != 3 {
		t.Errorf("router %+v", r)
	}
	p := r.Peers[slices.IndexFunc(r.Peers, func(p Peer) bool { return p.Address == near })]
	wantTables := []Table{{InPrePolicy, verify.Whole, 1}, {InPostPolicy, verify.Learning, 1}, {OutPostPolicy, verify.Learning, 1}}
	if diff := cmp.Diff(wantTables, p.Tables); diff != "" {
		t.Errorf("tables (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[uint16]uint64{0: 4, 7: 1}, p.Statistics); diff != "" {
		t.Errorf("statistics (-want +got)\n%s", diff)
	}
	wantUsed := &verify.Attributes{
		ASPath: "65000 4200000001", NextHop: near, MED: 7, Communities: []route.Community{1, 3},
	}
	if diff := cmp.Diff(wantUsed, s.Lookup(r.Source, netip.Addr{}, LocRIB, prefix), compareNetip); diff != "" {
		t.Errorf("route that is used (-want +got)\n%s", diff)
	}
	wantSix := &verify.Attributes{
		Origin: verify.Incomplete, NextHop: netip.MustParseAddr("2001:db8::1"), LocalPreference: 200,
		LargeCommunities: []route.LargeCommunity{{GlobalAdministrator: 1, LocalData1: 1}, {GlobalAdministrator: 2, LocalData1: 1}},
	}
	if diff := cmp.Diff(wantSix, s.Lookup(r.Source, near, InPrePolicy, netip.MustParsePrefix("2001:db8:16::/64")), compareNetip); diff != "" {
		t.Errorf("route of IPv6 (-want +got)\n%s", diff)
	}

	// Whom it is asked about later it tells of at once.
	s.settled(time.Unix(3, 0))
	if lines := l.take(); lines != nil {
		t.Errorf("quiet for 2 s: %q", lines)
	}
	s.settled(time.Unix(5, 0))
	if diff := cmp.Diff([]string{"bmp loc-rib whole"}, l.take()); diff != "" {
		t.Errorf("quiet for 4 s (-want +got)\n%s", diff)
	}
	again := watched
	again.Session.Router = "other"
	s.Watch([]Watched{watched, again})
	if diff := cmp.Diff([]string{"bmp whole snapshot +2001:db8:16::/64", "bmp loc-rib whole snapshot +10.0.0.0/24"}, l.take()); diff != "" {
		t.Errorf("watched later (-want +got)\n%s", diff)
	}
	s.Watch([]Watched{watched})
	if err := c.take(session(t, false)[9], time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bmp down snapshot", "bmp loc-rib whole snapshot +10.0.0.0/24"}, l.take()); diff != "" {
		t.Errorf("peer down (-want +got)\n%s", diff)
	}
	if err := c.take(monitoring(t, header(0), nil, ipv4("10.0.0.0", 24)), time.Unix(1, 0)); err == nil {
		t.Error("a route of a peer that is down is taken")
	}
}

// TestOpened: the OPENs are told octet for octet, for as long as the message's memory is somebody else's too; those of a Loc-RIB
// are none.
func TestOpened(t *testing.T) {
	var got []Opening
	s := NewStation(Config{Opened: func(o Opening) { got = append(got, o) }})
	c := newTestConnection(s)
	c.router.Source = netip.MustParseAddrPort("127.0.0.1:40000")
	for _, m := range [][]byte{initiation(t), peerUp(t, locRIBHeader(), false), peerUp(t, header(0), true)} {
		if err := c.take(m, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		clear(m)
	}
	octets := func(m *bgp.BGPMessage) []byte {
		data, err := m.Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	want := []Opening{{
		Source: c.router.Source, Near: far, Far: near,
		Sent: octets(open(65001, bgp.BGP_ADD_PATH_RECEIVE)), Received: octets(open(65000, bgp.BGP_ADD_PATH_SEND)),
	}}
	if diff := cmp.Diff(want, got, compareNetip, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAddPath: of several paths to a prefix the first is told, and the next one when that goes.
func TestAddPath(t *testing.T) {
	var l told
	s := NewStation(Config{Observe: l.observe})
	s.Watch([]Watched{watched})
	c := newTestConnection(s)
	option := &bgp.MarshallingOption{AddPath: map[bgp.RouteFamily]bgp.BGPAddPathMode{bgp.RF_IPv4_UC: bgp.BGP_ADD_PATH_BOTH}}
	path := func(id uint32) []*bgp.IPAddrPrefix {
		list := ipv4("10.0.0.0", 24)
		list[0].SetPathLocalIdentifier(id)
		return list
	}
	messages := [][]byte{
		initiation(t), peerUp(t, header(0), true),
		monitoring(t, header(0), nil, path(5), option), monitoring(t, header(0), nil, path(2), option),
		monitoring(t, header(0), path(2), nil, option), monitoring(t, header(0), path(5), nil, option),
	}
	for i, message := range messages {
		if err := c.take(message, time.Unix(1, 0)); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if i == 3 && c.limit.routes != 2 {
			t.Errorf("%d routes", c.limit.routes)
		}
	}
	want := []string{"bmp unknown snapshot", "bmp learning +10.0.0.0/24", "bmp learning +10.0.0.0/24", "bmp learning +10.0.0.0/24", "bmp learning -10.0.0.0/24"}
	if diff := cmp.Diff(want, l.take()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestBroken: what is not understood of a table is no reason to trust the rest of it, nor to lose the others.
func TestBroken(t *testing.T) {
	var l told
	s := NewStation(Config{Observe: l.observe})
	s.Watch([]Watched{watched})
	for name, message := range map[string][]byte{
		"an attribute that is cut off": raw(t, bmp.BMP_MSG_ROUTE_MONITORING, header(0), append(bytes.Repeat([]byte{0xff}, 16), 0, 26, 2, 0, 0, 0, 3, 0x40, 1, 9)),
		"two-octet AS numbers":         monitoring(t, header(bmp.BMP_PEER_FLAG_TWO_AS), nil, ipv4("10.0.0.0", 24)),
		"another message":              raw(t, bmp.BMP_MSG_ROUTE_MONITORING, header(0), append(bytes.Repeat([]byte{0xff}, 16), 0, 19, 4)),
	} {
		c := newTestConnection(s)
		for _, m := range [][]byte{initiation(t), peerUp(t, header(0), false), monitoring(t, header(0), nil, ipv4("10.0.0.0", 24)), message} {
			if err := c.take(m, time.Unix(1, 0)); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		lines := l.take()
		if got := lines[len(lines)-1]; got != "bmp unknown" {
			t.Errorf("%s: told %q", name, lines)
		}
		if p := c.peers[keyOf(header(0))]; p.reason == "" {
			t.Errorf("%s: no reason", name)
		}
		// A new session begins with nothing broken.
		if err := c.take(peerUp(t, header(0), false), time.Unix(1, 0)); err != nil || c.limit.routes != 0 {
			t.Errorf("%s: %v, %d routes", name, err, c.limit.routes)
		}
	}
}

// serve runs a station on this machine and returns where.
func serve(t *testing.T, config Config) (*Station, string) {
	t.Helper()
	s := NewStation(config)
	var lc net.ListenConfig
	listener, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s, listener.Addr().String()
}

func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// eventually waits for what a station tells of its routers.
func eventually(t *testing.T, s *Station, what string, ready func([]Router) bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ready(s.Routers()) {
		select {
		case <-deadline.C:
			t.Fatalf("%s: the routers are %+v", what, s.Routers())
		case <-tick.C:
		}
	}
}

// TestHostile: each of these ends its own connection with an honest error, and nothing else.
func TestHostile(t *testing.T) {
	t.Parallel()
	begun := bytes.Join(session(t, false)[:4], nil)
	endless := func(w io.Writer) error {
		if _, err := w.Write(begun); err != nil {
			return err
		}
		var stopped error
		for i := 0; stopped == nil && i < 1<<20; i++ {
			update := monitoring(t, header(0), nil, ipv4(fmt.Sprintf("10.%d.%d.%d", i>>16&255, i>>8&255, i&255), 32))
			_, stopped = w.Write(update)
		}
		if stopped == nil {
			return errors.New("it was never stopped")
		}
		return nil
	}
	write := func(data ...[]byte) func(io.Writer) error {
		return func(w io.Writer) error {
			// The station may end the connection in the middle of it.
			_, _ = w.Write(bytes.Join(data, nil))
			return nil
		}
	}
	length := func(n uint32) []byte { return binary.BigEndian.AppendUint32([]byte{version}, n) }
	tests := []struct {
		name string
		send func(io.Writer) error
		want string
		hang bool
	}{
		{"garbage", write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")), "its version is 71, not 3", false},
		{"length 0", write(append(length(0), 4)), "it says that it has 0 octets, fewer than its header", false},
		{"oversized", write(append(length(1<<31), 4)), "more than 262144", false},
		{"unknown type", write(append(length(6), 9)), "its type is 9", false},
		{"truncated", write(begun[:len(begun)-3]), "unexpected EOF", false},
		{"slow", write(begun[:len(begun)-3]), "a message took longer than 2s", true},
		{"silent", write(), "a message took longer than 2s", true},
		{"endless", endless, "more routes than are kept", false},
		{"no initiation", write(peerUp(t, header(0), false)), "no Initiation", false},
		{"a route of nobody", write(initiation(t), monitoring(t, header(0), nil, ipv4("10.0.0.0", 8))), "a peer that is not up", false},
		{"no OPEN", write(initiation(t), raw(t, bmp.BMP_MSG_PEER_UP_NOTIFICATION, header(0), make([]byte, 20))), "decode message", false},
		{"terminated", write(initiation(t), serialize(t, bmp.NewBMPTermination(nil))), "the router has ended the connection", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config := Config{Routes: 5000}
			if test.hang {
				// On a busy machine, the router that behaves needs some of it too.
				config.Patience = 2 * time.Second
			}
			s, address := serve(t, config)
			conn := dial(t, address)
			if err := test.send(conn); err != nil {
				t.Fatal(err)
			}
			if !test.hang {
				_ = conn.Close()
			}
			eventually(t, s, "the connection ends", func(list []Router) bool { return len(list) == 1 && list[0].Error != "" })
			if r := s.Routers()[0]; !strings.Contains(r.Error, test.want) {
				t.Errorf("error %q, want %q", r.Error, test.want)
			}
			// A router that behaves is still served.
			if _, err := dial(t, address).Write(begun); err != nil {
				t.Fatal(err)
			}
			eventually(t, s, "a good router is served", func(list []Router) bool { return list[0].Error == "" && len(list[0].Peers) == 2 })
		})
	}
}

// TestCrowd: 200 connections at once get what there is, and no more memory than that.
func TestCrowd(t *testing.T) {
	s, address := serve(t, Config{Connections: 8, PerSource: 200})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	// Each promises the largest message that there is.
	promise := append(binary.BigEndian.AppendUint32([]byte{version}, MaxMessage), bmp.BMP_MSG_INITIATION)
	conns := make(chan net.Conn, 200)
	for range 200 {
		all.Go(func() {
			var d net.Dialer
			conn, err := d.DialContext(t.Context(), "tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			conns <- conn
			_, _ = conn.Write(promise)
		})
	}
	all.Wait()
	close(conns)
	eventually(t, s, "all but 8 are refused", func(list []Router) bool {
		return len(list) == 9 && list[8].Times == 192 && strings.HasPrefix(list[8].Error, "refused: 8 connections")
	})
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d octets more are held", grown)
	}
	for conn := range conns {
		_ = conn.Close()
	}
	eventually(t, s, "all are gone", func(list []Router) bool { return len(list) == 1 })
	if _, err := dial(t, address).Write(initiation(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, s, "there is room again", func(list []Router) bool { return len(list) == 2 && list[0].Name == "tor" })
}

func TestPerSource(t *testing.T) {
	s, address := serve(t, Config{PerSource: 2})
	for range 3 {
		dial(t, address)
	}
	eventually(t, s, "one is refused", func(list []Router) bool {
		return len(list) == 3 && list[2].Error == "refused: 2 connections of this address are open already"
	})
}

// TestNeverHeld: a table of which only withdrawals and End-of-RIB came is no witness that nothing was sent. So FRR tells of a
// neighbor without soft-reconfiguration inbound.
func TestNeverHeld(t *testing.T) {
	var l told
	s := NewStation(Config{Observe: l.observe})
	s.Watch([]Watched{watched})
	c := newTestConnection(s)
	for _, m := range [][]byte{
		initiation(t), peerUp(t, header(0), false), monitoring(t, header(0), ipv4("10.0.0.0", 24), nil),
		monitoring(t, header(0), nil, nil), ipv6(t, header(0), true),
	} {
		if err := c.take(m, time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	s.settled(time.Unix(100, 0))
	if diff := cmp.Diff([]string{"bmp unknown snapshot", "bmp unknown -10.0.0.0/24"}, l.take()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// end is a connection between two addresses, closed at once.
type end struct {
	net.Conn
	remote, local string
}

func (e end) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(e.remote)) }
func (e end) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(e.local)) }

// TestAllowed: this machine may always connect, and others that are named.
func TestAllowed(t *testing.T) {
	named := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")}
	for _, c := range []struct {
		remote, local string
		allowed       []netip.Prefix
		want, here    bool
	}{
		{"127.0.0.1:4000", "127.0.0.1:11019", nil, true, true},
		{"127.0.0.1:4000", "127.0.0.1:11019", named, true, true},
		{"[::1]:4000", "[::1]:11019", nil, true, true},
		{"10.0.1.2:4000", "10.0.1.2:11019", nil, true, true},
		{"[::ffff:10.0.1.2]:4000", "[::ffff:10.0.1.2]:11019", nil, true, true},
		{"10.0.1.3:4000", "10.0.1.2:11019", nil, false, false},
		{"10.0.1.3:4000", "10.0.1.2:11019", named, false, false},
		{"192.0.2.7:4000", "10.0.1.2:11019", named, true, false},
		{"[::ffff:192.0.2.7]:4000", "[::ffff:10.0.1.2]:11019", named, true, false},
		{"[2001:db8::7]:4000", "[2001:db8:1::2]:11019", named, true, false},
	} {
		s := NewStation(Config{Allowed: c.allowed})
		router, err := s.admit(end{remote: c.remote, local: c.local})
		if (err == nil) != c.want || err == nil && router.here != c.here {
			t.Errorf("%s, of %v: %v, %+v", c.remote, c.allowed, err, router)
		}
		if list := s.Routers(); err != nil && (len(list) != 1 || !strings.Contains(list[0].Error, "not among the allowed")) {
			t.Errorf("%s is told as %+v", c.remote, list)
		}
	}
}

// TestConnectionLost: what a router told is known no more when it is gone.
func TestConnectionLost(t *testing.T) {
	var mu sync.Mutex
	var l told
	s, address := serve(t, Config{Observe: func(o verify.Observation) {
		mu.Lock()
		defer mu.Unlock()
		l.observe(o)
	}})
	s.Watch([]Watched{watched})
	conn := dial(t, address)
	if _, err := conn.Write(bytes.Join(session(t, false)[:4], nil)); err != nil {
		t.Fatal(err)
	}
	eventually(t, s, "the route is there", func([]Router) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(l.lines, "bmp learning +10.0.0.0/24")
	})
	_ = conn.Close()
	eventually(t, s, "it is known no more", func([]Router) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(l.lines, "bmp loc-rib unknown snapshot") && l.lines[len(l.lines)-2] == "bmp unknown snapshot"
	})
}
