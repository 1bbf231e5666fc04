package tap

import (
	"slices"
	"time"
)

// stream is one direction of a TCP connection, put in order: each octet is handed on once, whatever was sent again, seen twice
// or came late. Sequence numbers wrap around (RFC 9293, section 3.4), positions do not.
type stream struct {
	// known says that next is.
	known bool
	// next is the sequence number of the octet that is awaited, and position counts the octets before it.
	next     uint32
	position uint64
	// held are the segments that came early: sorted, and none overlaps another.
	held []early
	// size is how many octets held has.
	size int
	to   sink
}

// early is a segment before which something is missing.
type early struct {
	at       time.Time
	sequence uint32
	data     []byte
}

// sink takes a stream: its octets in order, and how many are missing between them.
type sink interface {
	data(at time.Time, octets []byte)
	lost(octets int)
}

const (
	// maxHeld is how many octets are held at most of what came early, in each direction.
	maxHeld = 4 << 20
	// maxSegments is how many segments are held at most.
	maxSegments = 4096
	// maxJump is how far ahead a sequence number can be and still belong to the stream: more than any window that is in use.
	maxJump = 16 << 20
)

// start says which sequence number comes next, whatever came before it.
func (s *stream) start(sequence uint32) {
	s.known, s.next, s.held, s.size = true, sequence, nil, 0
	// So that no sequence number that is taken has a position below 0.
	s.position += 2 * maxJump
}

// ahead is how many octets a sequence number is ahead of the one that is awaited; negative means behind.
func (s *stream) ahead(sequence uint32) int { return int(int32(sequence - s.next)) }

// positionOf is the position of a sequence number.
func (s *stream) positionOf(sequence uint32) uint64 {
	return s.position + uint64(int64(s.ahead(sequence)))
}

// push takes a segment. It is false for one that can belong to no stream that is known here.
func (s *stream) push(at time.Time, sequence uint32, payload []byte) bool {
	if !s.known {
		s.start(sequence)
	}
	ahead := s.ahead(sequence)
	if ahead > maxJump || ahead < -maxJump {
		return false
	}
	if ahead > 0 {
		s.hold(at, sequence, payload)
		return true
	}
	if -ahead < len(payload) {
		s.take(at, payload[-ahead:])
		s.drain()
	}
	return true
}

// passed takes a sequence number up to which the other side has acknowledged: what is missing before it was sent, and not
// seen here. It is false for one that is too far from the stream to be true.
func (s *stream) passed(ack uint32) bool {
	if !s.known {
		return true
	}
	if ahead := s.ahead(ack); ahead > maxJump || ahead < -maxJump {
		return false
	}
	for s.ahead(ack) > 0 {
		s.skip(ack)
	}
	return true
}

// skip gives up what is missing before the next segment that is held, and before end at most.
func (s *stream) skip(end uint32) {
	if len(s.held) > 0 && s.ahead(s.held[0].sequence) < s.ahead(end) {
		end = s.held[0].sequence
	}
	missing := s.ahead(end)
	s.next, s.position = end, s.position+uint64(missing)
	s.to.lost(missing)
	s.drain()
}

func (s *stream) take(at time.Time, octets []byte) {
	s.next += uint32(len(octets))
	s.position += uint64(len(octets))
	s.to.data(at, octets)
}

// drain takes what is held and no longer early.
func (s *stream) drain() {
	taken := 0
	for _, e := range s.held {
		behind := -s.ahead(e.sequence)
		if behind < 0 {
			break
		}
		taken++
		s.size -= len(e.data)
		if behind < len(e.data) {
			s.take(e.at, e.data[behind:])
		}
	}
	s.held = slices.Delete(s.held, 0, taken)
	if len(s.held) == 0 {
		s.held = nil
	}
}

// hold keeps a copy of what of an early segment is not held yet. Where that is too much, what is missing before it is given up.
func (s *stream) hold(at time.Time, sequence uint32, payload []byte) {
	for len(payload) > 0 {
		// The first that ends behind the segment's begin.
		i, _ := slices.BinarySearchFunc(s.held, s.ahead(sequence)+1, func(e early, begin int) int {
			return s.ahead(e.sequence) + len(e.data) - begin
		})
		part := payload
		if i < len(s.held) {
			room := s.ahead(s.held[i].sequence) - s.ahead(sequence)
			if room <= 0 {
				// Already here, up to the end of that one.
				known := min(len(payload), len(s.held[i].data)+room)
				sequence, payload = sequence+uint32(known), payload[known:]
				continue
			}
			part = payload[:min(len(payload), room)]
		}
		s.held = slices.Insert(s.held, i, early{at: at, sequence: sequence, data: slices.Clone(part)})
		s.size += len(part)
		sequence, payload = sequence+uint32(len(part)), payload[len(part):]
	}
	for s.size > maxHeld || len(s.held) > maxSegments {
		s.skip(s.held[0].sequence)
	}
}
