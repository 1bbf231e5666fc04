package tap

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

// collector is a sink that keeps what it is given: lost octets as zeros.
type collector struct {
	all  []byte
	gone int
}

func (c *collector) data(_ time.Time, octets []byte) { c.all = append(c.all, octets...) }

func (c *collector) lost(octets int) {
	c.all = append(c.all, make([]byte, octets)...)
	c.gone += octets
}

// text is octets of which none is 0, and none is like its neighbors.
func octets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i%251 + 1)
	}
	return b
}

func TestStream(t *testing.T) {
	type step struct {
		at, length int
		ack        bool
	}
	for _, tt := range []struct {
		name  string
		steps []step
		want  int
		gone  int
		held  int
	}{
		{name: "in order", steps: []step{{at: 0, length: 10}, {at: 10, length: 10}}, want: 20},
		{name: "seen three times", steps: []step{{at: 0, length: 10}, {at: 0, length: 10}, {at: 0, length: 10}, {at: 10, length: 5}}, want: 15},
		{name: "sent again, with more", steps: []step{{at: 0, length: 10}, {at: 5, length: 10}}, want: 15},
		{name: "out of order", steps: []step{{at: 20, length: 10}, {at: 10, length: 10}, {at: 0, length: 10}}, want: 30},
		{name: "overlap of what is held", steps: []step{{at: 20, length: 10}, {at: 10, length: 30}, {at: 15, length: 2}, {at: 0, length: 12}}, want: 40},
		{name: "missing, but on its way", steps: []step{{at: 0, length: 10}, {at: 20, length: 10}, {at: 10, ack: true}}, want: 10, held: 10},
		{name: "missing, and acknowledged", steps: []step{{at: 0, length: 10}, {at: 20, length: 10}, {at: 30, ack: true}}, want: 30, gone: 10},
		{name: "the last one missing", steps: []step{{at: 0, length: 10}, {at: 30, ack: true}, {at: 30, length: 5}}, want: 35, gone: 20},
		{name: "two missing", steps: []step{{at: 10, length: 10}, {at: 30, length: 10}, {at: 40, ack: true}}, want: 40, gone: 20},
		{name: "part of an early one acknowledged", steps: []step{{at: 10, length: 20}, {at: 15, ack: true}}, want: 30, gone: 10},
		{name: "an old acknowledgement", steps: []step{{at: 0, length: 10}, {at: 5, ack: true}}, want: 10},
	} {
		// A sequence number that wraps around is like any other.
		for _, begin := range []uint32{1000, 0xffffffff - 12} {
			t.Run(tt.name, func(t *testing.T) {
				text, c := octets(100), &collector{}
				s := stream{to: c}
				s.start(begin)
				origin := s.position
				for _, st := range tt.steps {
					sequence := begin + uint32(st.at)
					if st.ack {
						s.passed(sequence)
					} else if !s.push(time.Time{}, sequence, text[st.at:st.at+st.length]) {
						t.Error("refused")
					}
				}
				if len(c.all) != tt.want || c.gone != tt.gone || s.size != tt.held || s.position-origin != uint64(tt.want) {
					t.Fatalf("%d octets, %d lost, %d held, position %d; want %d, %d, %d", len(c.all), c.gone, s.size, s.position-origin, tt.want, tt.gone, tt.held)
				}
				for i, b := range c.all {
					if b != 0 && b != text[i] {
						t.Fatalf("octet %d is %d, want %d", i, b, text[i])
					}
				}
			})
		}
	}
}

func TestStreamIsBounded(t *testing.T) {
	c := &collector{}
	s := stream{to: c}
	s.start(0)
	end := uint32(0)
	for i := range 10 * maxHeld / 1000 {
		// Large segments first, then small ones.
		length := 10_000
		if i > 2*maxHeld/length {
			length = 1
		}
		s.push(time.Time{}, end+1, make([]byte, length))
		end += 1 + uint32(length)
		if s.size > maxHeld || len(s.held) > maxSegments {
			t.Fatalf("%d octets in %d segments", s.size, len(s.held))
		}
	}
	if c.gone == 0 {
		t.Error("nothing was given up")
	}
	if s.push(time.Time{}, s.next+maxJump+1, []byte{1}) || s.push(time.Time{}, s.next-maxJump-1, []byte{1}) || s.passed(s.next+maxJump+1) {
		t.Error("took what is far away")
	}
}

// scramble sends text the way bad networks do, and gives the parts of it that are lost altogether.
func scramble(r *rand.Rand, s *stream, begin uint32, text []byte, loss float64) {
	type piece struct{ from, to int }
	var pieces []piece
	for from := 0; from < len(text); {
		to := min(len(text), from+1+r.IntN(200))
		if r.Float64() >= loss {
			pieces = append(pieces, piece{from, to})
			for r.IntN(4) == 0 {
				again := max(0, from-r.IntN(300))
				pieces = append(pieces, piece{again, min(len(text), again+1+r.IntN(400))})
			}
		}
		from = to
	}
	for i := range pieces {
		j := min(len(pieces)-1, i+r.IntN(5))
		pieces[i], pieces[j] = pieces[j], pieces[i]
	}
	for _, p := range pieces {
		s.push(time.Time{}, begin+uint32(p.from), text[p.from:p.to])
	}
	s.passed(begin + uint32(len(text)))
}

func TestStreamGivesWhatWasSent(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		text, c := octets(r.IntN(20_000)), &collector{}
		s := stream{to: c}
		begin := r.Uint32()
		s.start(begin)
		loss := float64(seed%2) * 0.05
		scramble(r, &s, begin, text, loss)
		if len(c.all) != len(text) || len(s.held) != 0 || s.size != 0 {
			t.Fatalf("seed %d: %d octets of %d, %d segments held", seed, len(c.all), len(text), len(s.held))
		}
		for i, b := range c.all {
			if b != text[i] && b != 0 {
				t.Fatalf("seed %d: octet %d is %d, want %d", seed, i, b, text[i])
			}
		}
		if loss == 0 && c.gone > 0 {
			t.Fatalf("seed %d: %d octets lost of none", seed, c.gone)
		}
		if zeros := bytes.Count(c.all, []byte{0}); zeros != c.gone {
			t.Fatalf("seed %d: %d octets lost, %d missing", seed, c.gone, zeros)
		}
	}
}

func FuzzReassembly(f *testing.F) {
	f.Add([]byte{0, 10, 0, 20, 10, 1, 10, 10, 0, 40, 0, 2})
	f.Add([]byte{200, 255, 0, 0, 255, 0, 255, 0, 2, 10, 10, 0})
	// Each three octets are a step: where, how many, and whether it is sent, acknowledged, or far away.
	f.Fuzz(func(t *testing.T, steps []byte) {
		text, c := octets(1<<16), &collector{}
		const begin = 0xffffff00
		s := stream{to: c}
		s.start(begin)
		origin := s.position
		for ; len(steps) >= 3; steps = steps[3:] {
			at, length := int(steps[0])*16, int(steps[1])
			switch steps[2] % 4 {
			case 0, 1:
				at += int(steps[2]) / 4
				s.push(time.Time{}, begin+uint32(at), text[at:at+length])
			case 2:
				s.passed(begin + uint32(at))
			case 3:
				s.push(time.Time{}, begin+uint32(at)<<17, text[:length])
			}
			size, end := 0, 0
			for _, e := range s.held {
				if ahead := s.ahead(e.sequence); ahead <= 0 || (ahead < end) {
					t.Fatalf("held is not in order: %d after %d", ahead, end)
				}
				end = s.ahead(e.sequence) + len(e.data)
				size += len(e.data)
			}
			if size != s.size || size > maxHeld {
				t.Fatalf("%d octets held, %d counted", size, s.size)
			}
		}
		if s.position-origin != uint64(len(c.all)) {
			t.Fatalf("position %d after %d octets", s.position-origin, len(c.all))
		}
	})
}
