package tap

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// speaker is an FRR that has a session with a neighbor: what it sends is cut into segments anywhere, sent again, and
// acknowledged late. One tap sees all of it, and one loses packets, sees them twice or late.
type speaker struct {
	*wire
	random  *rand.Rand
	witness *Tap
	// routes are its table: the MED of each.
	routes map[int]uint32
	// buffer is what it has written and not sent; sentSoFar are octets that are not acknowledged, and begin at unacknowledged.
	buffer, flying []byte
	unacknowledged uint32
	// loss is how many of a thousand packets the capture loses; at 0 it sees them all, and in order.
	loss     int
	late     []packet
	lost     int
	compared int
}

func newSpeaker(t *testing.T, random *rand.Rand) *speaker {
	s := &speaker{wire: newWire(t), random: random, routes: make(map[int]uint32), loss: 20}
	s.tap.pace.again, s.tap.pace.longest = time.Second, 5*time.Second
	s.session().pace = s.tap.pace
	s.witness = offline([]Session{s.key})
	s.through = func(p packet) []packet {
		s.witness.packets(slices.Values([]packet{p}))
		return s.captured(p)
	}
	return s
}

// captured is what the tap sees when a packet passes.
func (s *speaker) captured(p packet) []packet {
	now := s.late
	s.late = nil
	switch {
	case s.loss == 0:
		return append(now, p)
	case s.random.IntN(1000) < s.loss:
		s.lost++
		return now
	case s.random.IntN(20) == 0:
		s.late = []packet{p}
		return now
	case s.random.IntN(10) == 0:
		s.late = []packet{p}
	}
	return append([]packet{p}, now...)
}

// begin begins a session: FRR sends its table.
func (s *speaker) begin() {
	s.ours = netip.AddrPortFrom(s.ours.Addr(), uint16(1024+s.random.IntN(60_000)))
	s.sent, s.arrived = s.random.Uint32(), s.random.Uint32()
	s.buffer, s.flying = nil, nil
	s.establish(true)
	s.unacknowledged = s.sent
	s.table()
	s.buffer = append(s.buffer, endOfRIB...)
}

// table writes all routes.
func (s *speaker) table() {
	for i, med := range s.routes {
		s.buffer = append(s.buffer, medUpdate(i, med)...)
	}
}

func medUpdate(i int, med uint32) []byte {
	m := slices.Insert(plainUpdate(i, 1), 23, binary.BigEndian.AppendUint32([]byte{0x80, 4, 4}, med)...)
	binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
	binary.BigEndian.PutUint16(m[21:], binary.BigEndian.Uint16(m[21:])+7)
	return m
}

// change changes a route.
func (s *speaker) change() {
	i := s.random.IntN(60)
	if _, there := s.routes[i]; there && s.random.IntN(3) == 0 {
		delete(s.routes, i)
		s.buffer = append(s.buffer, withdrawal(i)...)
		return
	}
	s.routes[i] = s.random.Uint32N(5)
	s.buffer = append(s.buffer, medUpdate(i, s.routes[i])...)
}

// transmit sends a segment.
func (s *speaker) transmit() {
	n := min(len(s.buffer), 1+s.random.IntN([]int{30, 200, 1460, 20_000}[s.random.IntN(4)]))
	if n > 0 {
		s.flying = append(s.flying, s.buffer[:n]...)
		s.send(true, s.buffer[:n])
		s.buffer = s.buffer[n:]
	}
}

// again sends something again.
func (s *speaker) again() {
	if len(s.flying) > 0 {
		from := s.random.IntN(len(s.flying))
		to := from + 1 + s.random.IntN(len(s.flying)-from)
		s.put(true, s.unacknowledged+uint32(from), s.arrived, flagACK, s.flying[from:to])
	}
}

// acknowledge has the neighbor acknowledge some of it.
func (s *speaker) acknowledge() {
	n := s.random.IntN(len(s.flying) + 1)
	s.acknowledgeTo(n)
}

func (s *speaker) acknowledgeTo(n int) {
	s.unacknowledged += uint32(n)
	s.flying = s.flying[n:]
	s.put(false, s.arrived, s.unacknowledged, flagACK, nil)
}

// flush sends all, which the neighbor acknowledges.
func (s *speaker) flush() {
	for len(s.buffer) > 0 {
		s.transmit()
	}
	s.acknowledgeTo(len(s.flying))
}

// passes is time going by, in which FRR sends what it has: the tap asks for the table where it wants it.
func (s *speaker) passes(d time.Duration) {
	for len(s.buffer) > 0 {
		s.transmit()
	}
	s.pass(d)
	s.witness.tick(s.now, 0)
	if followed := s.session(); followed.ask(s.now) {
		s.table()
		followed.answered(s.now, nil)
	}
}

// end ends the session in one of the ways there are.
func (s *speaker) end() {
	switch s.random.IntN(4) {
	case 0:
		s.buffer = append(s.buffer, message(messageNotification, 6, 2)...)
		s.flush()
	case 1:
		s.put(true, s.sent, s.arrived, flagFIN|flagACK, nil)
	case 2:
		s.put(false, s.arrived, s.unacknowledged, flagFIN|flagACK, nil)
	case 3:
		s.put(true, s.sent, s.arrived, flagRST|flagACK, nil)
	}
}

// compare holds the tap against the witness, as the site does.
func (s *speaker) compare(seed uint64, step int) {
	a, w := s.session(), s.witness.sessions[s.key]
	if a.state != Whole || w.current == nil || len(a.current.flight)+len(w.current.flight) > 0 || a.current.out.next != w.current.out.next {
		return
	}
	s.compared++
	if !sameTables(a.table, w.table) {
		s.t.Fatalf("seed %d, step %d: the tap has lost %d packets, and says that it knows all: %d routes, in truth %d",
			seed, step, s.lost, len(a.table.routes), len(w.table.routes))
	}
}

// TestLossIsNoticed shows that a tap that has lost packets never says that it knows all while it does not, whatever is lost, and
// that it knows all again soon after nothing is lost any more. FAIRLEAD_SOAK takes more of them.
func TestLossIsNoticed(t *testing.T) {
	runs := 150
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		runs = 20_000
	}
	first := lab.Seed(t)
	t.Logf("FAIRLEAD_SEED=%d", first)
	compared, lost, asked := 0, 0, 0
	for run := range runs {
		seed := first + uint64(run)
		random := rand.New(rand.NewPCG(seed, 0))
		s := newSpeaker(t, random)
		s.begin()
		for step := range 1500 {
			switch n := random.IntN(1000); {
			case n < 300:
				s.change()
			case n < 550:
				s.transmit()
			case n < 600:
				s.again()
			case n < 900:
				s.acknowledge()
			case n < 950:
				s.passes(time.Duration(random.IntN(1500)) * time.Millisecond)
			case n < 970:
				s.buffer = append(s.buffer, keepalive...)
			case n < 990:
				s.flush()
			case n < 995:
				s.flush()
				s.passes(5 * time.Second)
			default:
				s.end()
				s.begin()
			}
			s.compare(seed, step)
		}
		s.loss = 0
		for range 10 {
			s.buffer = append(s.buffer, keepalive...)
			s.flush()
			s.passes(5 * time.Second)
			s.compare(seed, -1)
		}
		if state := s.session().state; state != Whole || len(s.session().table.routes) != len(s.routes) {
			t.Fatalf("seed %d: in the end %s (%s), %d routes of %d", seed, state, s.session().reason, len(s.session().table.routes), len(s.routes))
		}
		compared, lost, asked = compared+s.compared, lost+s.lost, asked+s.session().asks
	}
	t.Logf("%d packets lost, tables asked for %d times, compared %d times", lost, asked, compared)
}

// TestRefreshOfAnotherSession: what was asked for says nothing of a session that began since, or after packets were lost.
func TestRefreshOfAnotherSession(t *testing.T) {
	next := func(w *wire) {
		w.ours = netip.AddrPortFrom(w.ours.Addr(), w.ours.Port()+1)
		w.tell(plainUpdate(0, 10))
		w.session().answered(w.now, nil)
		w.pass(30 * time.Second)
		w.want(Gap, 10)
		if !w.session().ask(w.now) {
			t.Error("the table is not asked for")
		}
	}
	w := whole(t, 100)
	w.tap.tick(w.now, 1)
	w.session().ask(w.now)
	w.put(true, w.sent, w.arrived, flagFIN|flagACK, nil)
	next(w)

	w = newWire(t)
	w.session().ask(w.now)
	w.tap.tick(w.now, 1)
	next(w)
}
