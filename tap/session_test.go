package tap

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

func TestSessionFromItsBeginning(t *testing.T) {
	for _, weDial := range []bool{true, false} {
		w := newWire(t)
		if !weDial {
			w.ours, w.theirs = netip.AddrPortFrom(w.ours.Addr(), 179), netip.AddrPortFrom(w.theirs.Addr(), 50000)
		}
		w.connect(weDial)
		w.hear(frrOpen(t))
		w.tell(frrOpen(t))
		w.tell(keepalive)
		w.want(NoSession, 0)
		w.hear(keepalive)
		w.want(Learning, 0)
		w.tell(plainUpdate(0, 300))
		w.want(Learning, 300)
		w.tell(plainUpdate(300, 10), endOfRIB)
		w.want(Whole, 310)
		w.tell(withdrawal(5))
		w.want(Whole, 309)
		if w.session().asks > 0 {
			t.Error("the table was asked for")
		}
	}
}

// TestQuiet shows what tells that a table is sent where FRR sends no End-of-RIB.
func TestQuiet(t *testing.T) {
	w := newWire(t)
	w.connect(true)
	w.hear(open(t, bgp.NewCapFourOctetASNumber(65001)))
	w.tell(open(t, bgp.NewCapFourOctetASNumber(65000)), keepalive)
	w.hear(keepalive)
	w.pass(3 * time.Second)
	w.want(Learning, 0)
	w.tell(plainUpdate(0, 10))
	w.pass(1900 * time.Millisecond)
	w.want(Learning, 10)
	w.send(true, plainUpdate(10, 10))
	w.pass(3 * time.Second)
	// Not while something is not acknowledged.
	w.want(Learning, 20)
	w.ack(true)
	w.pass(0)
	w.want(Whole, 20)

	empty := newWire(t)
	empty.connect(true)
	empty.hear(open(t))
	empty.tell(open(t), keepalive)
	empty.hear(keepalive)
	empty.pass(3900 * time.Millisecond)
	empty.want(Learning, 0)
	empty.pass(200 * time.Millisecond)
	empty.want(Whole, 0)

	// New routes all the time: the first table was sent all the same.
	busy := newWire(t)
	busy.connect(true)
	busy.hear(open(t, bgp.NewCapFourOctetASNumber(65001)))
	busy.tell(open(t, bgp.NewCapFourOctetASNumber(65000)), keepalive)
	busy.hear(keepalive)
	for i := range 11 {
		busy.want(Learning, i)
		busy.tell(plainUpdate(i, 1))
		busy.pass(950 * time.Millisecond)
	}
	busy.want(Whole, 11)
}

func TestSessionEnds(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(w *wire)
		not  bool
	}{
		{name: "NOTIFICATION from us", end: func(w *wire) { w.tell(message(messageNotification, 6, 4)) }},
		{name: "NOTIFICATION from the neighbor", end: func(w *wire) { w.hear(message(messageNotification, 6, 4)) }},
		{name: "FIN from us", end: func(w *wire) { w.put(true, w.sent, w.arrived, flagFIN|flagACK, nil) }},
		{name: "FIN from the neighbor", end: func(w *wire) { w.put(false, w.arrived, w.sent, flagFIN|flagACK, nil) }},
		{name: "RST from us", end: func(w *wire) { w.put(true, w.sent, 0, flagRST, nil) }},
		{name: "RST from the neighbor", end: func(w *wire) { w.put(false, w.arrived, 0, flagRST, nil) }},
		{name: "RST from a stranger", end: func(w *wire) { w.put(false, w.arrived+1<<30, 0, flagRST, nil) }, not: true},
		{name: "SYN from a stranger", end: func(w *wire) { w.put(false, 99, 0, flagSYN, nil) }, not: true},
		{name: "FIN from a stranger", end: func(w *wire) { w.put(false, w.arrived+1<<30, w.sent, flagFIN|flagACK, nil) }, not: true},
		{name: "acknowledgement from a stranger", end: func(w *wire) { w.put(false, w.arrived, w.sent+1<<30, flagACK, nil) }, not: true},
		{name: "SYN from us", end: func(w *wire) { w.put(true, 99, 0, flagSYN, nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := whole(t, 10)
			tt.end(w)
			if tt.not {
				w.want(Whole, 10)
				return
			}
			w.want(NoSession, 0)
			if v := w.tap.Take(w.key); v.State != NoSession || !v.All || len(v.Changes) != 0 {
				t.Errorf("the tap tells %+v", v)
			}
			// What comes late changes nothing.
			w.tell(plainUpdate(10, 10))
			w.want(NoSession, 0)
			// The next one is another connection.
			w.ours = netip.AddrPortFrom(w.ours.Addr(), w.ours.Port()+1)
			w.sent, w.arrived = 77, 88
			w.establish(false)
			w.tell(plainUpdate(0, 3), endOfRIB)
			w.want(Whole, 3)
		})
	}
}

// TestCollision has both sides dial (RFC 4271, section 6.8): the connection that is given up does not count.
func TestCollision(t *testing.T) {
	w := newWire(t)
	w.connect(true)
	w.hear(frrOpen(t))
	w.tell(frrOpen(t))
	first := *w
	w.ours, w.theirs = netip.AddrPortFrom(w.ours.Addr(), 179), netip.AddrPortFrom(w.theirs.Addr(), 50000)
	w.sent, w.arrived = 77, 88
	w.connect(false)
	w.hear(frrOpen(t))
	w.tell(frrOpen(t), keepalive)
	first.now = w.now
	first.tell(keepalive)
	first.tell(message(messageNotification, 6, 7))
	w.hear(keepalive)
	w.tell(plainUpdate(0, 5), endOfRIB)
	w.want(Whole, 5)
	first.put(true, first.sent, first.arrived, flagRST, nil)
	w.want(Whole, 5)
}

func TestGap(t *testing.T) {
	w := whole(t, 100)
	// Two UPDATEs, of which nobody sees the first: a withdrawal.
	lost := withdrawal(7)
	w.sent += uint32(len(lost))
	w.send(true, plainUpdate(200, 1))
	w.want(Whole, 100)
	w.ack(true)
	w.want(Gap, 101)
	s := w.session()
	if !s.ask(w.now.Add(time.Second)) {
		t.Fatal("the table is not asked for")
	}
	w.pass(time.Minute)
	w.want(Gap, 101)
	// FRR sends what it has.
	w.tell(plainUpdate(0, 7), plainUpdate(8, 92))
	s.answered(w.now, nil)
	w.tell(plainUpdate(200, 1))
	w.pass(1500 * time.Millisecond)
	w.want(Gap, 101)
	w.pass(time.Second)
	w.pass(2 * time.Second)
	w.want(Whole, 100)
	v := w.tap.Take(w.key)
	if len(v.Changes) != 2 || v.All {
		t.Fatalf("the tap tells %+v, want the new route and the one that is gone", v.Changes)
	}
	for _, r := range v.Changes {
		if gone := r.Prefix == prefixKey(7).prefix; gone != (r.Attributes == nil) {
			t.Errorf("told %v", r)
		}
	}
}

// TestGapInARefresh shows that a refresh in which something was lost proves nothing.
func TestGapInARefresh(t *testing.T) {
	w := whole(t, 100)
	w.tap.tick(w.now, 3)
	w.want(Gap, 100)
	s := w.session()
	if !s.ask(w.now) {
		t.Fatal("the table is not asked for")
	}
	w.tell(plainUpdate(0, 50))
	w.sent += uint32(len(plainUpdate(50, 50)))
	w.ack(true)
	s.answered(w.now, nil)
	w.pass(time.Minute)
	w.want(Gap, 100)
	if !s.ask(w.now) {
		t.Fatal("the table is not asked for again")
	}
	s.answered(w.now, nil)
	w.tell(plainUpdate(0, 100))
	w.pass(5 * time.Second)
	w.want(Whole, 100)
}

// TestEnhancedRefresh has the neighbor ask (RFC 7313): FRR marks the begin and the end of what it sends.
func TestEnhancedRefresh(t *testing.T) {
	w := whole(t, 100)
	w.tap.tick(w.now, 3)
	w.tell(message(messageRouteRefresh, 0, 1, endOfRefresh, 1))
	w.want(Gap, 100)
	w.tell(message(messageRouteRefresh, 0, 1, beginOfRefresh, 1), plainUpdate(0, 90), message(messageRouteRefresh, 0, 1, endOfRefresh, 1))
	w.want(Whole, 90)
}

func TestStartInTheMiddle(t *testing.T) {
	w := newWire(t)
	s := w.session()
	if !s.ask(w.now) {
		t.Fatal("the table of a session that may be there is not asked for")
	}
	// The capture begins inside a message.
	w.tell(plainUpdate(500, 4)[11:])
	w.want(NoSession, 0)
	w.tell(plainUpdate(0, 10))
	s.answered(w.now, nil)
	w.want(Gap, 10)
	w.tell(plainUpdate(10, 10))
	w.pass(3 * time.Second)
	w.pass(3 * time.Second)
	w.want(Whole, 20)
	if s.asks != 1 {
		t.Errorf("asked %d times", s.asks)
	}

	// FRR takes long to answer, and the session shows before that.
	slow := newWire(t)
	slow.session().ask(slow.now)
	slow.pass(20 * time.Second)
	slow.tell(keepalive)
	slow.want(Gap, 0)
	slow.tell(plainUpdate(0, 10))
	slow.session().answered(slow.now, nil)
	slow.pass(5 * time.Second)
	slow.want(Whole, 10)

	// Silent until a KEEPALIVE, long after.
	silent := newWire(t)
	silent.session().ask(silent.now)
	silent.session().answered(silent.now, nil)
	silent.pass(time.Minute)
	silent.tell(keepalive)
	silent.want(Gap, 0)
	if !silent.session().ask(silent.now) {
		t.Error("the table is not asked for again")
	}
	silent.session().answered(silent.now, nil)
	silent.pass(5 * time.Second)
	silent.want(Whole, 0)
}

// TestRefreshIsRare shows how often a table is asked for while there are gaps all the time, and FRR does not answer.
func TestRefreshIsRare(t *testing.T) {
	w := whole(t, 10)
	var asked []time.Duration
	for range 4 * 3600 {
		w.tap.tick(w.now, 1)
		if s := w.session(); s.ask(w.now) {
			asked = append(asked, w.now.Sub(begin).Round(time.Second))
			s.answered(w.now, errors.New("vtysh is away"))
			w.want(Gap, 10)
		}
		w.now = w.now.Add(time.Second)
	}
	for i, want := range []time.Duration{0, 10, 20, 40, 80, 160, 300, 300} {
		if i > 0 && (asked[i]-asked[i-1]).Round(time.Second) != want*time.Second {
			t.Errorf("asked at %v", asked[:8])
			break
		}
	}
	if len(asked) > 60 {
		t.Errorf("asked %d times in four hours", len(asked))
	}
}

// TestKeepaliveIsNoGap: most packets of a quiet session are KEEPALIVEs, and a table is not asked for because of one.
func TestKeepaliveIsNoGap(t *testing.T) {
	w := whole(t, 10)
	w.sent += uint32(len(keepalive))
	w.ack(true)
	w.tell(plainUpdate(10, 1))
	w.want(Whole, 11)
}

// TestSeenManyTimes shows each packet as a bond, its member and the VLAN above do, and in the order of a bad network.
func TestSeenManyTimes(t *testing.T) {
	w := newWire(t)
	var late []packet
	w.through = func(p packet) []packet {
		protocol, data := tag(protocolVLAN, p.protocol, p.data)
		again := p
		again.protocol, again.data = protocol, data
		list := append([]packet{p, p, again}, late...)
		late = []packet{again, p}
		return list
	}
	w.establish(true)
	for i := range 50 {
		w.tell(plainUpdate(i*10, 10))
		if i%3 == 0 {
			w.tell(withdrawal(i * 10))
		}
	}
	w.tell(endOfRIB)
	w.want(Whole, 500-17)
	if n := len(w.session().connections); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// TestEndOfRIBOfEachFamily: a table of two families is whole once both are.
func TestEndOfRIBOfEachFamily(t *testing.T) {
	both := open(t, bgp.NewCapFourOctetASNumber(65000), bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC), bgp.NewCapMultiProtocol(bgp.RF_IPv6_UC),
		bgp.NewCapGracefulRestart(false, false, 120, nil))
	w := newWire(t)
	w.connect(true)
	w.hear(both)
	w.tell(both, keepalive)
	w.hear(keepalive)
	w.tell(plainUpdate(0, 10), endOfRIB)
	w.pass(9 * time.Second)
	w.want(Learning, 10)
	w.tell(message(messageUpdate, 0, 0, 0, 6, 0x80, 15, 3, 0, 2, 1))
	w.want(Whole, 10)
}

// TestClockSetBack: what was sent later is not acknowledged before what was sent first.
func TestClockSetBack(t *testing.T) {
	w := whole(t, 10)
	w.send(true, plainUpdate(20, 1))
	first := w.now
	w.now = w.now.Add(-time.Hour)
	w.send(true, plainUpdate(21, 1))
	v := w.tap.Take(w.key)
	if !v.Unacknowledged.Equal(first) || len(v.Changes) != 2 {
		t.Fatalf("got %+v", v)
	}
	for _, r := range v.Changes {
		if r.Sent.Before(v.Unacknowledged) {
			t.Errorf("%v counts as acknowledged", r.Prefix)
		}
	}
}

// TestOffload sends more at once than a packet holds on any link.
func TestOffload(t *testing.T) {
	w := whole(t, 10)
	var all []byte
	for i := range 20 {
		all = append(all, plainUpdate(1000+i*800, 800)...)
	}
	if len(all) < 70_000 {
		t.Fatalf("%d octets are not enough", len(all))
	}
	w.tell(all)
	w.want(Whole, 10+20*800)
}

func TestAcknowledgement(t *testing.T) {
	w := whole(t, 10)
	before := w.tap.Take(w.key)
	if !before.Unacknowledged.IsZero() || !before.Closed.IsZero() || before.Acknowledged.Before(before.Sent) {
		t.Fatalf("of a neighbor that has acknowledged all: %+v", before)
	}
	w.send(true, plainUpdate(20, 1))
	first := w.now
	w.now = w.now.Add(time.Second)
	w.send(true, plainUpdate(21, 1))
	second, middle := w.now, w.sent
	// Sent again, it is as old as it was.
	w.now = w.now.Add(time.Second)
	w.put(true, w.sent-uint32(len(plainUpdate(20, 1))), w.arrived, flagACK, plainUpdate(21, 1))
	v := w.tap.Take(w.key)
	if !v.Unacknowledged.Equal(first) || !v.Sent.Equal(second) {
		t.Errorf("unacknowledged since %v, sent %v, want %v, %v", v.Unacknowledged, v.Sent, first, second)
	}
	for _, r := range v.Changes {
		if r.Sent.Before(v.Unacknowledged) {
			t.Errorf("%v counts as acknowledged", r.Prefix)
		}
	}
	w.put(false, w.arrived, middle-uint32(len(plainUpdate(20, 1))), flagACK, nil)
	if v := w.tap.Take(w.key); !v.Unacknowledged.Equal(second) || !v.Acknowledged.Equal(w.now) {
		t.Errorf("unacknowledged since %v, want %v", v.Unacknowledged, second)
	}
	w.window = 0
	w.ack(true)
	closed := w.now
	w.now = w.now.Add(time.Second)
	w.ack(true)
	if v := w.tap.Take(w.key); !v.Closed.Equal(closed) || !v.Unacknowledged.IsZero() {
		t.Errorf("closed since %v, want %v; unacknowledged since %v", v.Closed, closed, v.Unacknowledged)
	}
	w.window = 5
	w.ack(true)
	if v := w.tap.Take(w.key); !v.Closed.IsZero() {
		t.Errorf("closed since %v after it was opened", v.Closed)
	}
}

func TestUndecodable(t *testing.T) {
	w := whole(t, 10)
	w.tell(message(messageUpdate, 0, 3, 32, 10, 0, 0, 0))
	w.want(Gap, 10)
	w.tell(plainUpdate(10, 1))
	w.want(Gap, 11)
}

// TestOpens has somebody else know what the two sides agreed on, after the tap has begun in the middle.
func TestOpens(t *testing.T) {
	w := newWire(t)
	w.session().ask(w.now)
	w.session().answered(w.now, nil)
	paths := func(mode bgp.BGPAddPathMode) []byte {
		return open(t, bgp.NewCapFourOctetASNumber(65000), bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC),
			bgp.NewCapAddPath([]*bgp.CapAddPathTuple{bgp.NewCapAddPathTuple(bgp.RF_IPv4_UC, mode)}))
	}
	update := message(messageUpdate, 0, 0, 0, 14, 0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 10, 0, 1, 1, 0, 0, 0, 7, 32, 10, 0, 0, 1)
	w.tell(update)
	w.want(Gap, 1)
	if err := w.tap.Opens(w.key, paths(bgp.BGP_ADD_PATH_SEND), paths(bgp.BGP_ADD_PATH_RECEIVE)); err != nil {
		t.Fatal(err)
	}
	w.want(Gap, 0)
	w.session().due = w.now
	if !w.session().ask(w.now) {
		t.Fatal("the table is not asked for again")
	}
	w.session().answered(w.now, nil)
	w.tell(update)
	w.pass(5 * time.Second)
	w.want(Whole, 1)
	if got := w.tap.Table(w.key)[0]; got.PathID != 7 || got.Prefix != prefixKey(1).prefix {
		t.Errorf("got %v", got)
	}
	if err := w.tap.Opens(w.key, []byte{1}, nil); err == nil {
		t.Error("no error for OPENs that are cut off")
	}
}

// TestNewSessionUnseen loses the end of a session and the beginning of the next, on the same ports.
func TestNewSessionUnseen(t *testing.T) {
	w := whole(t, 100)
	w.sent, w.arrived = w.sent+1<<29, w.arrived+1<<29
	w.tell(frrOpen(t))
	w.hear(frrOpen(t))
	w.tell(keepalive)
	w.hear(keepalive)
	w.tell(plainUpdate(0, 5), endOfRIB)
	w.want(Whole, 5)
}

// TestManyConnections shows that a neighbor that dials all the time costs no memory.
func TestManyConnections(t *testing.T) {
	w := whole(t, 10)
	for i := range 1000 {
		other := *w
		other.theirs = netip.AddrPortFrom(w.theirs.Addr(), 179)
		other.ours = netip.AddrPortFrom(w.ours.Addr(), uint16(1000+i))
		other.connect(true)
		w.now = other.now
	}
	w.want(Whole, 10)
	if n := len(w.session().connections); n > maxConnections {
		t.Errorf("%d connections", n)
	}
	w.tell(plainUpdate(10, 1))
	w.want(Whole, 11)
}

func TestUnnumbered(t *testing.T) {
	w := newWire(t)
	w.key = Session{Interface: "eth7", Port: 179}
	w.tap.byLink = map[string][]Session{"eth7": {w.key}}
	w.tap.links[7], w.tap.links[8] = "eth7", "eth8"
	w.tap.sessions[w.key] = newSession(w.tap.pace, w.now)
	w.ours, w.theirs = netip.MustParseAddrPort("[fe80::1]:40000"), netip.MustParseAddrPort("[fe80::2]:179")
	link := 7
	w.through = func(p packet) []packet {
		p.link = link
		return []packet{p}
	}
	w.establish(true)
	w.tell(plainUpdate(0, 5), endOfRIB)
	w.want(Whole, 5)
	// The same addresses on another link are another neighbor.
	link = 8
	w.send(true, plainUpdate(5, 5))
	w.want(Whole, 5)
}

func TestSourceTellsSessionsApart(t *testing.T) {
	w := newWire(t)
	other := Session{Neighbor: w.key.Neighbor, Source: netip.MustParseAddr("10.0.1.9"), Port: 179}
	w.key.Source = w.ours.Addr()
	w.tap.byAddress[w.key.Neighbor] = []Session{other, w.key}
	for _, key := range w.tap.byAddress[w.key.Neighbor] {
		w.tap.sessions[key] = newSession(w.tap.pace, w.now)
	}
	w.establish(true)
	w.tell(plainUpdate(0, 5), endOfRIB)
	w.want(Whole, 5)
	if s := w.tap.sessions[other]; s.state != NoSession {
		t.Errorf("the other session: %s", s.state)
	}
}

func TestChangedIsTold(t *testing.T) {
	w := whole(t, 10)
	select {
	case <-w.tap.Changed():
	default:
		t.Error("nothing was told of the session")
	}
	w.pass(time.Second)
	select {
	case <-w.tap.Changed():
		t.Error("told, and nothing has changed")
	default:
	}
	w.tell(plainUpdate(10, 1))
	<-w.tap.Changed()
	if v := w.tap.Take(w.key); len(v.Changes) != 1 || v.All || v.Routes != 11 {
		t.Errorf("told %+v, want one route", v)
	}
	if v := w.tap.Take(Session{}); v.State != NoSession || !v.Unseen || v.Reason == "" {
		t.Errorf("of what is not followed: %+v", v)
	}
}

func TestStateString(t *testing.T) {
	if got, want := fmt.Sprint(NoSession, Learning, Gap, Whole, State(9)), "no session learning gap whole state 9"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
