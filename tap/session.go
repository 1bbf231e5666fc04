package tap

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/fairlead/fairlead/route"
)

// State says what is known of an Adj-RIB-Out.
//
//	           session begins               End-of-RIB, or quiet
//	NoSession ----------------> Learning -------------------------> Whole
//	    |                          |                                 | ^
//	    | begins in the middle     | octets missing, or              | | refreshed, and
//	    +------------> Gap <-------+ not decodable  <----------------+ | quiet or EoRR
//	                    +----------------------------------------------+
//
// From each state the end of the session leads to NoSession. In a gap the table is asked for again (Refresher). What was not
// sent again when FRR is done is not there any more: it was withdrawn in the gap. FRR says that it is done only in an enhanced
// route refresh (RFC 7313); otherwise it is when it taught nothing new for a while and all is acknowledged.
type State uint8

// The states of an Adj-RIB-Out.
const (
	// NoSession means that no session was seen (View.Unseen), or that its end was. The table is empty: an Adj-RIB-Out ends with
	// its session, whatever a neighbor keeps of it for a graceful restart (RFC 4724, section 4.2).
	NoSession State = iota
	// Learning means that the session was seen from its beginning, and FRR is still sending the first table. A route that is
	// there was sent; one that is missing may be on its way.
	Learning
	// Gap means that something was not seen. A route that is there was sent at some time; it may have changed since.
	Gap
	// Whole means that the table is exactly what was sent.
	Whole
)

// String gives "no session", "learning", "gap" or "whole".
func (s State) String() string {
	switch s {
	case NoSession:
		return "no session"
	case Learning:
		return "learning"
	case Gap:
		return "gap"
	case Whole:
		return "whole"
	default:
		return fmt.Sprintf("state %d", s)
	}
}

// pace bounds how long things take, and how often they are done.
type pace struct {
	// quiet is how long FRR teaches nothing new until its table counts as sent, from its last UPDATE that did.
	quiet time.Duration
	// least is how long its first such UPDATE may take: it waits up to bgp coalesce-time, 1 s and more with many neighbors.
	least time.Duration
	// most is how long a table takes at most, while new routes come all the time.
	most time.Duration
	// jitter is how long a refresh is put off at most, by chance: the nodes of a rack see the same things at the same time.
	jitter time.Duration
	// again is how long after a refresh the next one comes at the earliest, twice that each time up to longest.
	again, longest time.Duration
}

func usualPace() pace {
	return pace{
		quiet: 2 * time.Second, least: 4 * time.Second, most: 10 * time.Second,
		jitter: 3 * time.Second, again: 10 * time.Second, longest: 5 * time.Minute,
	}
}

// maxConnections is how many TCP connections of one session are followed: while both sides dial there are two, and those that
// have ended are remembered for a while.
const maxConnections = 8

// session follows one neighbor. It reads no clock.
type session struct {
	pace
	connections map[flow]*connection
	// current is the connection that the session runs over; nil means there is none.
	current *connection
	table   table
	state   State
	since   time.Time
	reason  string
	// unseen says that NoSession is for want of packets, not because they told so.
	unseen bool
	// epoch counts the gaps.
	epoch uint32
	// told are the options that somebody else knows; nil means nobody does.
	told *options

	// begun is when FRR began to send its table as far as that is known; zero means that it has not.
	begun time.Time
	// taught is when it last sent what was not known.
	taught time.Time
	// pending are the families of which it still has to say that it is done; none where it says nothing.
	pending families
	// refreshing is the epoch after which an enhanced refresh of each family began, plus 1.
	refreshing [route.IPv6Unicast + 1]uint32

	// due is when to ask for the table again; zero means that nobody needs it.
	due time.Time
	// asking says that it is being asked for, in the epoch asked; since asked for the asks'th time.
	asking     bool
	askedEpoch uint32
	asked      time.Time
	asks       int

	// news says that there is something that nobody has looked at.
	news bool
}

func newSession(p pace, now time.Time) *session {
	s := &session{pace: p, connections: make(map[flow]*connection), table: newTable(), since: now, unseen: true, news: true}
	s.reason = "no packet of a session was seen"
	// It may be there for long, and silent until the next KEEPALIVE.
	s.want(now)
	return s
}

func (s *session) become(state State, at time.Time, reason string) {
	if s.state != state {
		s.since = at
	}
	s.state, s.reason, s.news = state, reason, true
}

// segment takes one segment of a connection, that we sent (out) or the neighbor did.
func (s *session) segment(at time.Time, f flow, seg segment, out bool) {
	c := s.connections[f]
	// A SYN that we send or answer begins a connection; what others claim does not.
	if seg.flags&flagSYN != 0 && out {
		if c == nil || !c.out.known || c.syn != seg.sequence {
			s.end(c, at, "a new connection took its place")
			c = s.connect(f, at)
			c.syn = seg.sequence
			c.out.start(seg.sequence + 1)
			if seg.flags&flagACK != 0 {
				c.in.start(seg.ack)
			} else {
				// FRR dials where it has no session, and only there.
				s.see(at, "we dial the neighbor")
			}
		}
		return
	}
	if c == nil || (c.over() && at.Sub(c.ended) > s.most && out) {
		// An acknowledgement alone says nothing: the connection may be over.
		if !out || (len(seg.payload) == 0 && seg.flags&flagFIN == 0) {
			return
		}
		c = s.connect(f, at)
		c.middle, c.frames.searching, c.inFrames.searching = true, true, true
		c.out.start(seg.sequence)
	}
	if !c.over() {
		c.segment(at, seg, out)
		if c.over() {
			c.free()
		}
	}
}

func (s *session) connect(f flow, at time.Time) *connection {
	for len(s.connections) >= maxConnections {
		oldest := f
		for other, c := range s.connections {
			if c != s.current && (oldest == f || c.begun.Before(s.connections[oldest].begun)) {
				oldest = other
			}
		}
		delete(s.connections, oldest)
	}
	c := newConnection(s, at)
	s.connections[f] = c
	return c
}

// establish makes c the connection that the session runs over.
func (s *session) establish(c *connection, at time.Time) {
	if old := s.current; old != nil {
		old.ended = at
		old.free()
	}
	// What was asked for before anything was seen of the session, and nothing was lost since, is all seen.
	asked := s.unseen && s.askedEpoch == s.epoch && (s.asking || (!s.asked.IsZero() && at.Sub(s.asked) < s.least))
	s.current, s.table, s.unseen = c, newTable(), false
	s.begun, s.taught, s.pending, s.refreshing = at, time.Time{}, 0, [route.IPv6Unicast + 1]uint32{}
	if !c.middle {
		s.told, s.due = nil, time.Time{}
		s.pending = c.options.endOfRIB
		s.become(Learning, at, "the session began, and its first table is on its way")
		return
	}
	if s.told != nil && !c.negotiated() {
		c.options = *s.told
	}
	if asked {
		s.begun = s.asked
		s.become(Gap, at, "the session was there before the capture began, and its table is on its way")
		return
	}
	s.gap(at, "the session was there before the capture began")
}

// end takes a connection out of use. What comes of it later is ignored.
func (s *session) end(c *connection, at time.Time, reason string) {
	if c == nil || c.over() {
		return
	}
	c.ended = at
	switch {
	case s.current == c:
		s.leave(at, reason)
	case c.middle:
		// It was the session, silent so far. One that was seen to begin can be a second one beside it.
		s.see(at, reason)
	}
}

// see takes note that a packet has told that there is no session.
func (s *session) see(at time.Time, reason string) {
	if s.unseen {
		s.unseen = false
		s.become(NoSession, at, reason)
	}
}

// leave takes note that there is no session any more.
func (s *session) leave(at time.Time, reason string) {
	s.current, s.table, s.due = nil, newTable(), time.Time{}
	s.become(NoSession, at, reason)
}

// gap takes note that something was not seen, or not understood.
func (s *session) gap(at time.Time, reason string) {
	if s.current == nil {
		// One can have begun meanwhile.
		s.epoch, s.unseen = s.epoch+1, true
		s.become(NoSession, at, reason)
		return
	}
	s.epoch++
	s.begun, s.pending = time.Time{}, 0
	s.become(Gap, at, reason)
	s.want(at)
}

// want has the table asked for again, not too soon.
func (s *session) want(at time.Time) {
	if at.Sub(s.asked) > s.longest {
		s.asks = 0
	}
	due := at
	if s.asks > 0 {
		if next := s.asked.Add(min(s.again<<min(s.asks-1, 16), s.longest)); next.After(due) {
			due = next
		}
	}
	if s.jitter > 0 {
		due = due.Add(rand.N(s.jitter))
	}
	if s.due.IsZero() || due.Before(s.due) {
		s.due = due
	}
}

// ask reports whether it is time to ask for the table again, which the caller then does, and tells answered of it.
func (s *session) ask(now time.Time) bool {
	if s.due.IsZero() || s.asking || now.Before(s.due) {
		return false
	}
	s.due, s.asking, s.asked, s.askedEpoch = time.Time{}, true, now, s.epoch
	s.asks++
	return true
}

func (s *session) answered(now time.Time, err error) {
	s.asking = false
	if s.state != Gap || s.askedEpoch != s.epoch {
		return
	}
	if err != nil {
		s.become(Gap, s.since, "its table could not be asked for again: "+err.Error())
		s.begun = time.Time{}
		s.want(now)
		return
	}
	s.begun = now
}

// tick notices that FRR has sent its table.
func (s *session) tick(now time.Time) {
	if s.current == nil || s.state == Whole || s.begun.IsZero() || s.asking {
		return
	}
	wait, most := s.begun.Add(s.least), s.begun.Add(s.most)
	if !s.taught.Before(s.begun) {
		wait = s.taught.Add(s.quiet)
		if s.pending != 0 {
			// It will say so itself; an old FRR, or one that was told not to, does not.
			most = s.taught.Add(s.most)
		}
	}
	if s.pending != 0 || wait.After(most) {
		wait = most
	}
	if now.Before(wait) || len(s.current.flight) > 0 {
		return
	}
	s.whole(now)
}

func (s *session) whole(at time.Time) {
	s.table.sweep(allFamilies, s.epoch, at)
	s.become(Whole, at, "")
}

// message takes a message that we sent on the current connection.
func (s *session) message(at time.Time, message []byte) {
	body := message[headerLength:]
	switch message[18] {
	case messageUpdate:
		s.update(at, body)
	case messageRouteRefresh:
		s.refresh(at, body)
	}
}

func (s *session) update(at time.Time, body []byte) {
	c := s.current
	u := update{
		attributes: func(raw rawAttributes) (*shared, error) { return s.table.intern(raw, c.options) },
		announce: func(id pathKey, a *shared) {
			if s.table.announce(id, a, at, s.epoch) {
				s.taught = at
			}
			s.news = true
		},
		withdraw: func(id pathKey) {
			s.table.withdraw(id, at)
			s.news = true
		},
		endOfRIB: func(f route.Family) {
			if s.state == Learning {
				s.done(f, at)
			}
		},
	}
	var err error
	if c.scratch, err = u.decode(body, c.options, c.scratch); err != nil {
		s.gap(at, "an UPDATE cannot be decoded: "+err.Error())
	}
}

// done takes note that FRR has sent all of a family, as it says itself.
func (s *session) done(f route.Family, at time.Time) {
	if !s.pending.has(f) {
		return
	}
	if s.pending = s.pending.without(f); s.pending == 0 {
		s.whole(at)
	}
}

// The subtypes of ROUTE-REFRESH that bound the routes that answer one (RFC 7313).
const (
	beginOfRefresh = 1
	endOfRefresh   = 2
)

// refresh takes a ROUTE-REFRESH of ours. One that asks for the neighbor's routes is not meant.
func (s *session) refresh(at time.Time, body []byte) {
	f := familyOf(binary.BigEndian.Uint16(body), body[3])
	if f == 0 {
		return
	}
	switch body[2] {
	case beginOfRefresh:
		s.refreshing[f] = s.epoch + 1
	case endOfRefresh:
		if s.state == Gap && s.refreshing[f] == s.epoch+1 {
			s.table.sweep(1<<f, s.epoch, at)
			if s.pending == 0 {
				s.pending = s.current.options.families
			}
			s.done(f, at)
		}
	}
}

// tell takes the options that somebody else has seen agreed on.
func (s *session) tell(o options, at time.Time) {
	s.told = &o
	if c := s.current; c != nil && !c.negotiated() && c.options != o {
		// What was decoded so far may be wrong.
		c.options, s.table = o, newTable()
		s.gap(at, "how its messages are encoded has become known")
	}
}

// view tells what is known, and what has changed since the last call.
func (s *session) view() View {
	v := View{State: s.state, Unseen: s.unseen, Since: s.since, Reason: s.reason, Routes: len(s.table.routes)}
	v.Changes, v.All = s.table.changes()
	if c := s.current; c != nil {
		v.Sent, v.Acknowledged, v.Closed = c.sent, c.acknowledged, c.closed
		if len(c.flight) > 0 {
			v.Unacknowledged = c.flight[0].at
		}
	}
	return v
}
