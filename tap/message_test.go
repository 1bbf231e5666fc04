package tap

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// message puts a header before a body.
func message(kind uint8, body ...byte) []byte {
	b := binary.BigEndian.AppendUint16(bytes.Repeat([]byte{0xff}, 16), uint16(headerLength+len(body)))
	return append(append(b, kind), body...)
}

// plainUpdate is an UPDATE that announces n prefixes from the i'th on.
func plainUpdate(i, n int) []byte {
	attributes := []byte{
		0x40, 1, 1, 0,
		0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8,
		0x40, 3, 4, 10, 0, 1, 1,
	}
	body := binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(attributes)))
	body = append(body, attributes...)
	for ; n > 0; n-- {
		body = append(body, 32, 10, byte(i>>16), byte(i>>8), byte(i))
		i++
	}
	return message(messageUpdate, body...)
}

// framed collects messages.
func framed() (f *framer, messages *[][]byte, breaks *int) {
	messages, breaks = new([][]byte), new(int)
	f = &framer{
		message: func(_ time.Time, m []byte) { *messages = append(*messages, bytes.Clone(m)) },
		broken:  func(time.Time, string) { *breaks++ },
	}
	return f, messages, breaks
}

func TestFramer(t *testing.T) {
	var text []byte
	var want [][]byte
	for i := range 50 {
		m := plainUpdate(i*1000, 1+i%7)
		switch i % 10 {
		case 3:
			m = message(messageKeepalive)
		case 5:
			m = plainUpdate(i*20_000, 13_000)
		case 7:
			// Communities of ones are no marker.
			m = message(messageUpdate, append([]byte{0, 0, 0, 35, 0xc0, 8, 32}, bytes.Repeat([]byte{0xff}, 32)...)...)
		}
		want = append(want, m)
		text = append(text, m...)
	}
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		f, got, breaks := framed()
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+r.IntN(1+int(seed)*1000))
			f.data(time.Time{}, rest[:n])
			rest = rest[n:]
		}
		if *breaks != 0 || !slices.EqualFunc(*got, want, bytes.Equal) {
			t.Fatalf("seed %d: %d messages of %d, %d breaks", seed, len(*got), len(want), *breaks)
		}
	}
	// From any octet on, the messages that begin behind it are found.
	begin, behind := 0, 0
	for at := 0; at < len(text); at += 1 + at%61*40 {
		for begin < at {
			begin += len(want[behind])
			behind++
		}
		f, got, breaks := framed()
		f.searching = true
		f.data(time.Time{}, text[at:])
		if *breaks != 0 || !slices.EqualFunc(*got, want[behind:], bytes.Equal) {
			t.Fatalf("from octet %d: %d messages, want %d", at, len(*got), len(want)-behind)
		}
	}
}

func TestFramerLoss(t *testing.T) {
	a, b, c, keepalive := plainUpdate(0, 3), plainUpdate(10, 3), plainUpdate(20, 3), message(messageKeepalive)
	for _, tt := range []struct {
		name   string
		before []byte
		lost   int
		// twice means that they are lost once more.
		twice  bool
		after  []byte
		want   [][]byte
		breaks int
	}{
		{name: "a whole UPDATE", before: a, lost: len(b), after: c, want: [][]byte{a, c}, breaks: 1},
		{name: "a KEEPALIVE", before: a, lost: len(keepalive), after: c, want: [][]byte{a, c}},
		{name: "the end of an UPDATE", before: slices.Concat(a, b[:30]), lost: len(b) - 30, after: c, want: [][]byte{a, c}, breaks: 1},
		{name: "the begin of an UPDATE", before: a, lost: 7, after: slices.Concat(b[7:], c), want: [][]byte{a, c}, breaks: 1},
		{name: "as many octets as a KEEPALIVE, of an UPDATE", before: a, lost: 19, after: slices.Concat(b[19:], c), want: [][]byte{a, c}, breaks: 1},
		{name: "as many octets as a KEEPALIVE, inside an UPDATE", before: slices.Concat(a, b[:20]), lost: 19, after: slices.Concat(b[39:], c), want: [][]byte{a, c}, breaks: 1},
		{name: "two KEEPALIVEs' octets", before: a, lost: 2 * len(keepalive), after: c, want: [][]byte{a, c}, breaks: 1},
		{name: "two KEEPALIVEs' octets, one after the other", before: a, lost: len(keepalive), twice: true, after: c, want: [][]byte{a, c}, breaks: 1},
		{name: "as many octets as a KEEPALIVE, and the few behind them are seen", before: a, lost: len(keepalive), after: b[19:24], want: [][]byte{a}, breaks: 1},
		{name: "a header before what does not go with it", before: slices.Concat(a, message(messageUpdate, 0, 9, 0, 0), c), want: [][]byte{a, c}, breaks: 1},
		{name: "octets that are no BGP", before: slices.Concat(a, []byte("garbage in between, which is long enough"), c), want: [][]byte{a, c}, breaks: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, got, breaks := framed()
			f.data(time.Time{}, tt.before)
			if tt.lost > 0 {
				f.lost(tt.lost)
			}
			if tt.twice {
				f.lost(tt.lost)
			}
			f.data(time.Time{}, tt.after)
			if *breaks != tt.breaks || !slices.EqualFunc(*got, tt.want, bytes.Equal) {
				t.Errorf("%d messages, %d breaks; want %d, %d", len(*got), *breaks, len(tt.want), tt.breaks)
			}
		})
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(slices.Concat(plainUpdate(0, 3), message(messageKeepalive)), uint16(7), true)
	f.Add(slices.Concat([]byte{0xff, 0xff}, plainUpdate(0, 3), plainUpdate(9, 900)), uint16(100), true)
	f.Add(message(messageOpen, 4, 0xfd, 0xe8, 0, 90, 10, 0, 1, 1, 8, 2, 6, 65, 4, 0, 0, 0xfd, 0xe8), uint16(60), false)
	f.Fuzz(func(t *testing.T, text []byte, step uint16, searching bool) {
		total := 0
		fr, _, _ := framed()
		fr.searching = searching
		s := newSession(usualPace(), time.Time{})
		c := s.connect(flow{}, time.Time{})
		c.middle = true
		fr.message = func(at time.Time, m []byte) {
			total += len(m)
			if len(m) < headerLength || int(binary.BigEndian.Uint16(m[16:])) != len(m) {
				t.Fatalf("message of %d octets: %x", len(m), m)
			}
			c.message(at, m)
			if c.over() {
				c.ended = time.Time{}
			}
		}
		for rest := text; len(rest) > 0; {
			n := min(len(rest), 1+int(step))
			fr.data(time.Time{}, rest[:n])
			rest = rest[n:]
			if len(fr.rest) > 2<<16 {
				t.Fatalf("%d octets kept", len(fr.rest))
			}
		}
		if total > len(text) {
			t.Fatalf("%d octets of messages in %d", total, len(text))
		}
		routes := 0
		for _, shared := range s.table.interned {
			routes += shared.routes
		}
		if routes != len(s.table.routes) {
			t.Fatalf("%d routes share attributes, of %d", routes, len(s.table.routes))
		}
	})
}
