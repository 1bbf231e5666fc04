package tap

import (
	"net/netip"
	"time"
)

// flow names a TCP connection.
type flow struct{ local, remote netip.AddrPort }

// connection is one TCP connection to a neighbor, both directions of it.
type connection struct {
	session *session
	begun   time.Time
	// ended is when its end was seen, or zero.
	ended time.Time
	// syn is the sequence number of our SYN.
	syn uint32
	// middle says that it was not seen from its beginning, or not whole since.
	middle  bool
	options options
	// out is what we send, in what the neighbor does.
	out, in          stream
	frames, inFrames framer
	// openSent and openReceived are the bodies of the OPENs; keepaliveSent and keepaliveReceived say that one was seen.
	openSent, openReceived           []byte
	keepaliveSent, keepaliveReceived bool

	// flight is what the neighbor has not acknowledged, in its order.
	flight []flying
	// sent and acknowledged are when that last was so of anything.
	sent, acknowledged time.Time
	// closed is since when the neighbor's window is; zero means that it is open.
	closed time.Time
	// scratch is memory to decode in.
	scratch []byte
}

// flying is a piece of the stream on its way to the neighbor.
type flying struct {
	end uint64
	at  time.Time
}

// maxFlight is how many pieces are remembered apart.
const maxFlight = 1 << 14

func newConnection(s *session, at time.Time) *connection {
	c := &connection{session: s, begun: at, options: usual()}
	c.out.to, c.in.to = outgoing{c}, &c.inFrames
	c.frames.message, c.frames.broken = c.message, c.broken
	c.inFrames.message, c.inFrames.broken = c.received, func(time.Time, string) {}
	return c
}

func (c *connection) over() bool { return !c.ended.IsZero() }

// negotiated reports whether both OPENs were seen.
func (c *connection) negotiated() bool { return c.openSent != nil && c.openReceived != nil }

// free gives the memory of a connection back that is over, once none of it is in use.
func (c *connection) free() {
	c.out, c.in, c.frames, c.inFrames, c.flight, c.scratch = stream{}, stream{}, framer{}, framer{}, nil, nil
}

// maxWindow is how far from the awaited octet the end of a connection can be told: less than anybody guesses.
const maxWindow = 1 << 20

func (c *connection) segment(at time.Time, seg segment, out bool) {
	own, other := &c.in, &c.out
	if out {
		own, other = &c.out, &c.in
	}
	if !out && seg.flags&flagSYN != 0 {
		if !c.in.known && c.out.known && seg.flags&flagACK != 0 && seg.ack == c.out.next {
			c.in.start(seg.sequence + 1)
		}
		return
	}
	if seg.flags&flagRST != 0 {
		if out || c.near(seg.sequence) {
			c.session.end(c, at, "the connection was reset (TCP RST)")
		}
		return
	}
	if seg.flags&flagACK != 0 && other.passed(seg.ack) && !out && !c.over() {
		c.acknowledge(at, seg)
	}
	// A message can have ended the session.
	if c.over() {
		return
	}
	if len(seg.payload) > 0 && !own.push(at, seg.sequence, seg.payload) && out {
		// So far away that the connection must be another one.
		own.start(seg.sequence)
		c.flight = nil
		c.frames.lost(len(seg.payload))
		own.push(at, seg.sequence, seg.payload)
	}
	if seg.flags&flagFIN != 0 && !c.over() && (out || c.near(seg.sequence)) {
		c.session.end(c, at, "the connection was closed (TCP FIN)")
	}
}

// near reports whether the neighbor can have sent an end of the connection with this sequence number.
func (c *connection) near(sequence uint32) bool {
	ahead := c.in.ahead(sequence)
	return !c.in.known || (ahead > -maxWindow && ahead < maxWindow)
}

// acknowledge takes the acknowledgement and the window of a segment from the neighbor.
func (c *connection) acknowledge(at time.Time, seg segment) {
	if !seg.closed {
		c.closed = time.Time{}
	} else if c.closed.IsZero() {
		c.closed = at
	}
	if !c.out.known {
		return
	}
	position, done := c.out.positionOf(seg.ack), 0
	for done < len(c.flight) && c.flight[done].end <= position {
		done++
	}
	if done == 0 {
		return
	}
	c.acknowledged = at
	if c.flight = c.flight[done:]; len(c.flight) == 0 {
		c.flight = nil
	}
	c.session.news = c.session.news || c.session.current == c
}

// outgoing is the sink of what we send.
type outgoing struct{ *connection }

func (o outgoing) data(at time.Time, octets []byte) {
	// Clocks are set back; what was sent later is never older.
	last := len(o.flight) - 1
	if last >= 0 && at.Before(o.flight[last].at) {
		at = o.flight[last].at
	}
	if last+1 < maxFlight {
		o.flight = append(o.flight, flying{end: o.out.position, at: at})
	} else {
		o.flight[last].end = o.out.position
	}
	o.sent = at
	o.frames.data(at, octets)
}

func (o outgoing) lost(octets int) { o.frames.lost(octets) }

// message takes a message that we sent.
func (c *connection) message(at time.Time, message []byte) {
	if c.over() {
		return
	}
	switch message[18] {
	case messageOpen:
		// Whatever was missed, this is the beginning of a session.
		if c.session.current == c {
			c.session.leave(at, "a new session took its place")
			c.openReceived, c.keepaliveSent, c.keepaliveReceived = nil, false, false
		}
		c.middle, c.openSent = false, append([]byte(nil), message[headerLength:]...)
		c.negotiate()
	case messageNotification:
		c.session.end(c, at, "we ended it: "+notification(message))
		return
	case messageKeepalive:
		c.keepaliveSent = true
	}
	if c.session.current != c && c.established(message[18]) {
		c.session.establish(c, at)
	}
	if c.session.current == c {
		c.session.message(at, message)
	}
}

// established reports whether the session runs over c, now that we sent a message of a type: only an established session
// sends UPDATEs, and in the middle of one there is no OPEN.
func (c *connection) established(kind uint8) bool {
	switch {
	case kind == messageUpdate:
		return true
	case c.middle:
		return kind == messageKeepalive
	default:
		return c.keepaliveSent && c.keepaliveReceived
	}
}

// received takes a message that the neighbor sent.
func (c *connection) received(at time.Time, message []byte) {
	if c.over() {
		return
	}
	switch message[18] {
	case messageOpen:
		c.openReceived = append([]byte(nil), message[headerLength:]...)
		c.negotiate()
		// Our own OPEN tells nothing: FRR sends one to whoever dials, and looks for a session after the answer.
		c.session.see(at, "the neighbor opens a session")
	case messageKeepalive:
		c.keepaliveReceived = true
		if c.session.current != c && !c.middle && c.established(messageKeepalive) {
			c.session.establish(c, at)
		}
	case messageNotification:
		c.session.end(c, at, "the neighbor ended it: "+notification(message))
	}
}

// negotiate takes the options once both OPENs are known. What gobgp cannot read leaves the usual ones.
func (c *connection) negotiate() {
	if !c.negotiated() {
		return
	}
	if o, err := negotiate(c.openSent, c.openReceived); err == nil {
		c.options = o
	}
}

// broken is told that messages of ours may be missing.
func (c *connection) broken(at time.Time, reason string) {
	// Where there is no session yet, it may have begun with what is missing.
	if c.session.current == c || c.session.current == nil {
		c.session.gap(at, reason)
	}
	c.middle = true
}
