package tap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// Message types (RFC 4271, section 4.1, RFC 2918, and FRR's dynamic capabilities).
const (
	messageOpen = iota + 1
	messageUpdate
	messageNotification
	messageKeepalive
	messageRouteRefresh
	messageCapability
)

const (
	headerLength = 19
	// keepaliveLength is that of a KEEPALIVE, which is a header and no more; every other message is longer.
	keepaliveLength = headerLength
)

// framer cuts a stream into BGP messages by marker and length (RFC 4271, section 4.1), extended ones too (RFC 8654). Where it
// begins in the middle, or octets are missing, it looks for the next header: a marker of 16 octets of ones, and a length and a
// body that go with the type. It holds one message at most.
type framer struct {
	// searching means that the next octet need not begin a message.
	searching bool
	// passed means that a KEEPALIVE was passed over since the last message.
	passed bool
	rest   []byte
	// message is given each message with its header; it must not keep it. at is when its last octet was seen.
	message func(at time.Time, message []byte)
	// broken is told that messages may be missing at this point of the stream, and why.
	broken func(at time.Time, reason string)
	// last is when the last octets were seen.
	last time.Time
}

// data implements sink.
func (f *framer) data(at time.Time, octets []byte) {
	f.last = at
	input := octets
	if len(f.rest) > 0 {
		f.rest = append(f.rest, octets...)
		input = f.rest
	}
	for {
		if f.searching {
			input = input[marker(input):]
		}
		length, begun := 0, marked(input)
		if begun && len(input) < headerLength {
			break
		}
		if begun {
			length = int(binary.BigEndian.Uint16(input[16:]))
			begun = header(input) && (len(input) < length || plausible(input[:length]))
		}
		if !begun {
			if !f.searching {
				f.broken(at, "octets that are no BGP message")
			}
			f.searching, input = true, input[1:]
			continue
		}
		if len(input) < length {
			break
		}
		f.searching, f.passed = false, false
		f.message(at, input[:length])
		input = input[length:]
	}
	// input may be the tail of rest itself.
	f.rest = append(f.rest[:0], input...)
	if cap(f.rest) > 2<<16 {
		f.rest = bytes.Clone(f.rest)
	}
}

// lost implements sink. Exactly one KEEPALIVE missing between two messages is nothing missing: no other message is so short. Two
// of them may be the halves of another.
func (f *framer) lost(octets int) {
	if octets == keepaliveLength && !f.searching && !f.passed && len(f.rest) == 0 {
		f.passed = true
		return
	}
	f.rest, f.searching = f.rest[:0], true
	f.broken(f.last, "packets that were not captured")
}

// marker is where the first header can begin; all of what has none is passed over but what can be the begin of one.
func marker(input []byte) int {
	ones := 0
	for i, octet := range input {
		if octet == 0xff {
			ones++
			continue
		}
		// A message's length hardly begins with ones: of more than 16 the last are the marker.
		if ones >= 16 {
			return i - 16
		}
		ones = 0
	}
	return len(input) - min(ones, 16)
}

// marked reports whether input begins with a marker, as far as it goes.
func marked(input []byte) bool {
	for _, octet := range input[:min(len(input), 16)] {
		if octet != 0xff {
			return false
		}
	}
	return true
}

// header reports whether the length behind a marker goes with the type.
func header(input []byte) bool {
	length := int(binary.BigEndian.Uint16(input[16:]))
	switch input[18] {
	case messageOpen:
		return length >= headerLength+10
	case messageUpdate:
		return length >= headerLength+4
	case messageNotification:
		return length >= headerLength+2
	case messageKeepalive:
		return length == keepaliveLength
	case messageRouteRefresh:
		return length >= headerLength+4
	case messageCapability:
		return length > headerLength
	default:
		return false
	}
}

// plausible reports whether the lengths inside a message with a good header fit into it.
func plausible(message []byte) bool {
	if message[18] != messageUpdate {
		return true
	}
	_, _, _, ok := splitUpdate(message[headerLength:])
	return ok
}

// splitUpdate cuts the body of an UPDATE into its three fields (RFC 4271, section 4.3).
func splitUpdate(body []byte) (withdrawn, attributes, announced []byte, ok bool) {
	if withdrawn, body, ok = cut(body); !ok {
		return nil, nil, nil, false
	}
	attributes, announced, ok = cut(body)
	return withdrawn, attributes, announced, ok
}

// cut takes a field that has its length in the two octets before it.
func cut(data []byte) (field, rest []byte, ok bool) {
	if len(data) < 2 {
		return nil, nil, false
	}
	length := 2 + int(binary.BigEndian.Uint16(data))
	if len(data) < length {
		return nil, nil, false
	}
	return data[2:length], data[length:], true
}

// notification says what a NOTIFICATION does (RFC 4271, section 4.5).
func notification(message []byte) string {
	return fmt.Sprintf("NOTIFICATION %d/%d", message[headerLength], message[headerLength+1])
}
