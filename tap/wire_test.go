package tap

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// wire is a TCP connection between us and a neighbor, as the tap sees it: a clock, and packets.
type wire struct {
	t             *testing.T
	tap           *Tap
	key           Session
	now           time.Time
	ours, theirs  netip.AddrPort
	sent, arrived uint32
	// through changes the packets on their way to the tap; nil means that it gets each once.
	through func(packet) []packet
	window  uint16
}

// begin is a time, and of sequence numbers the one that is about to wrap around.
var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

const firstSequence = 0xffffffff - 100

func newWire(t *testing.T) *wire {
	t.Helper()
	key := Session{Neighbor: theirIPv4.Addr(), Port: 179}
	p := usualPace()
	p.jitter = 0
	tap := newTap(Config{Port: 179}, p)
	tap.byAddress = map[netip.Addr][]Session{key.Neighbor: {key}}
	w := &wire{t: t, tap: tap, key: key, now: begin, ours: ourIPv4, theirs: theirIPv4, sent: firstSequence, arrived: firstSequence / 2, window: 100}
	tap.sessions[key] = newSession(p, w.now)
	return w
}

func (w *wire) session() *session { return w.tap.sessions[w.key] }

func (w *wire) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.tap.tick(w.now, 0)
}

// put shows the tap a packet.
func (w *wire) put(out bool, sequence, ack uint32, flags uint8, payload []byte) {
	from, to, window := w.ours, w.theirs, uint16(100)
	if !out {
		from, to, window = to, from, w.window
	}
	w.now = w.now.Add(time.Millisecond)
	protocol, data := ip(from.Addr(), to.Addr(), protocolTCP, tcp(from, to, sequence, ack, flags, window, payload))
	p := packet{at: w.now, protocol: protocol, outgoing: out, data: data}
	list := []packet{p}
	if w.through != nil {
		list = w.through(p)
	}
	w.tap.packets(slices.Values(list))
}

// connect dials, in one of two directions.
func (w *wire) connect(weDial bool) {
	w.put(weDial, w.sequence(weDial), 0, flagSYN, nil)
	*w.counter(weDial)++
	w.put(!weDial, w.sequence(!weDial), w.sequence(weDial), flagSYN|flagACK, nil)
	*w.counter(!weDial)++
	w.put(weDial, w.sequence(weDial), w.sequence(!weDial), flagACK, nil)
}

func (w *wire) counter(out bool) *uint32 {
	if out {
		return &w.sent
	}
	return &w.arrived
}

func (w *wire) sequence(out bool) uint32 { return *w.counter(out) }

// send sends octets that are not acknowledged yet.
func (w *wire) send(out bool, octets []byte) {
	w.put(out, w.sequence(out), w.sequence(!out), flagACK, octets)
	*w.counter(out) += uint32(len(octets))
}

// ack acknowledges all that was sent to one side.
func (w *wire) ack(ours bool) { w.put(!ours, w.sequence(!ours), w.sequence(ours), flagACK, nil) }

// tell sends messages to the neighbor, which acknowledges them.
func (w *wire) tell(messages ...[]byte) {
	w.send(true, slices.Concat(messages...))
	w.ack(true)
}

// hear has the neighbor send messages.
func (w *wire) hear(messages ...[]byte) {
	w.send(false, slices.Concat(messages...))
	w.ack(false)
}

var keepalive = message(messageKeepalive)

func frrOpen(t *testing.T) []byte {
	t.Helper()
	return open(t, bgp.NewCapFourOctetASNumber(65000), bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC), bgp.NewCapGracefulRestart(false, false, 120, nil))
}

// establish goes on to an established session.
func (w *wire) establish(weDial bool) {
	w.connect(weDial)
	w.hear(frrOpen(w.t))
	w.tell(frrOpen(w.t))
	w.tell(keepalive)
	w.hear(keepalive)
}

func (w *wire) want(state State, routes int) {
	w.t.Helper()
	s := w.session()
	if s.state != state || len(s.table.routes) != routes {
		w.t.Fatalf("%s (%s) with %d routes, want %s with %d", s.state, s.reason, len(s.table.routes), state, routes)
	}
}

var endOfRIB = message(messageUpdate, 0, 0, 0, 0)

func withdrawal(i int) []byte {
	return message(messageUpdate, 0, 5, 32, 10, byte(i>>16), byte(i>>8), byte(i), 0, 0)
}

// whole has a session with some routes, of which all is known.
func whole(t *testing.T, routes int) *wire {
	t.Helper()
	w := newWire(t)
	w.establish(true)
	w.tell(plainUpdate(0, routes), endOfRIB)
	w.want(Whole, routes)
	w.tap.Take(w.key)
	return w
}
