package tap

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// replay takes the captured packets once more, as they would have come over other devices, of which the kernel of a test machine
// has none: a tap that begins with them must end with the same tables, and so must tshark, where it is to decode them too.
func (s *site) replay(decode bool) {
	s.t.Helper()
	raw, err := os.ReadFile(s.captureNow())
	if err != nil {
		s.t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(s.seed, 2))
	for _, device := range []struct {
		name    string
		through func(*rand.Rand, []packet) []packet
		// large packets are more than tshark reads.
		large bool
	}{
		{name: "a bond, its member and the VLANs above", through: onBond},
		{name: "segmentation offload", through: offloaded, large: true},
		{name: "small segments, out of order", through: scattered},
	} {
		packets := device.through(random, parseCapture(s.t, raw))
		t := offline([]Session{overIPv4, overIPv6, overIBGP})
		t.packets(slices.Values(packets))
		for session, followed := range t.sessions {
			if followed.state != Whole {
				s.t.Errorf("%s: %s: %s: %s", device.name, session, followed.state, followed.reason)
			}
			if diff := cmp.Diff(all(s.tap, session), all(t, session)); diff != "" {
				s.t.Errorf("%s: %s: it was (-), it is (+):\n%s", device.name, session, first(diff))
			}
		}
		if device.large || !decode {
			continue
		}
		neighbors := tshark(s.t, writeEthernet(s.t, packets))
		for session := range t.sessions {
			if diff := cmp.Diff(neighbors[session.Neighbor].table, all(t, session)); diff != "" {
				s.t.Errorf("%s: %s: tshark decodes (-), the tap shows (+):\n%s", device.name, session, first(diff))
			}
		}
	}
}

// captureNow copies the capture as it is now, in the middle of no packet: more come still.
func (s *site) captureNow() string {
	s.t.Helper()
	s.mu.Lock()
	raw, err := os.ReadFile(s.capture.Name())
	s.mu.Unlock()
	file := filepath.Join(s.t.TempDir(), "captured.pcap")
	if err = errors.Join(err, os.WriteFile(file, raw, 0o600)); err != nil {
		s.t.Fatal(err)
	}
	return file
}

// parseCapture reads what newCapture has begun.
func parseCapture(t *testing.T, raw []byte) (packets []packet) {
	t.Helper()
	for rest := raw[24:]; len(rest) > 0; {
		length := binary.LittleEndian.Uint32(rest[8:])
		at := time.Unix(int64(binary.LittleEndian.Uint32(rest)), int64(binary.LittleEndian.Uint32(rest[4:]))*1000)
		data := rest[16 : 16+length]
		protocol := uint16(protocolIPv4)
		if data[0]>>4 == 6 {
			protocol = protocolIPv6
		}
		packets = append(packets, packet{at: at, protocol: protocol, data: data})
		rest = rest[16+length:]
	}
	return packets
}

// writeEthernet makes a capture of Ethernet frames.
func writeEthernet(t *testing.T, packets []packet) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ethernet.pcap")
	out := captureHeader(1)
	for _, p := range packets {
		out = append(out, captured(p.at, ethernet(p.protocol, p.data))...)
	}
	if err := os.WriteFile(file, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// onBond shows each packet on the bond, on its member, and on two VLANs one above the other, of which the member sees both tags;
// the copies of a packet can come behind the next one.
func onBond(random *rand.Rand, packets []packet) (seen []packet) {
	var late []packet
	for _, p := range packets {
		one, two := p, p
		one.protocol, one.data = tag(protocolVLAN, p.protocol, p.data)
		two.protocol, two.data = tag(protocolService, one.protocol, one.data)
		copies := []packet{p, one, two, two}
		random.Shuffle(len(copies), func(i, j int) { copies[i], copies[j] = copies[j], copies[i] })
		now := 1 + random.IntN(len(copies))
		seen = append(append(seen, copies[:now]...), late...)
		late = copies[now:]
	}
	return append(seen, late...)
}

// split takes a packet apart: its header up to the payload, and the payload.
func split(p packet) (header []byte, seg segment) {
	seg, _ = parseSegment(p.protocol, p.data)
	end := len(p.data)
	if total := int(binary.BigEndian.Uint16(p.data[2:])); p.protocol == protocolIPv4 && total != 0 {
		end = total
	}
	return p.data[:end-len(seg.payload)], seg
}

// join is the reverse of split, with another sequence number and payload.
func join(p packet, header []byte, sequence uint32, payload []byte) packet {
	data := slices.Concat(header, payload)
	begin := 40
	if p.protocol == protocolIPv4 {
		begin = int(header[0]&0xf) * 4
		binary.BigEndian.PutUint16(data[2:], fits(len(data)))
	} else {
		binary.BigEndian.PutUint16(data[4:], fits(len(data)-begin))
	}
	binary.BigEndian.PutUint32(data[begin+4:], sequence)
	p.data = data
	return p
}

// fits is a length as a header has it; Linux writes 0 for more than there is room for.
func fits(n int) uint16 {
	if n > 0xffff {
		return 0
	}
	return uint16(n)
}

// direction is one of a connection.
type direction struct{ from, to netip.AddrPort }

// plain reports whether a segment is no begin and no end of a connection. The third flag of the two is PSH.
func plain(seg segment) bool { return seg.flags&^(1<<3) == flagACK && len(seg.payload) > 0 }

// offloaded makes one packet of up to 200 kB of what each side sends until the other one does.
func offloaded(_ *rand.Rand, packets []packet) (seen []packet) {
	open := make(map[direction]int)
	for _, p := range packets {
		_, seg := split(p)
		here := direction{seg.source, seg.destination}
		delete(open, direction{seg.destination, seg.source})
		if !plain(seg) {
			delete(open, here)
			seen = append(seen, p)
			continue
		}
		if i, there := open[here]; there {
			header, before := split(seen[i])
			if before.sequence+uint32(len(before.payload)) == seg.sequence && len(before.payload)+len(seg.payload) < 200_000 {
				seen[i] = join(seen[i], header, before.sequence, slices.Concat(before.payload, seg.payload))
				continue
			}
		}
		open[here] = len(seen)
		seen = append(seen, p)
	}
	return seen
}

// scattered cuts what each side sends until the other one does into small pieces, which come in any order, some of them twice.
func scattered(random *rand.Rand, packets []packet) (seen []packet) {
	pieces := make(map[direction][]packet)
	flush := func(of direction) {
		list := pieces[of]
		random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		seen = append(seen, list...)
		delete(pieces, of)
	}
	for _, p := range packets {
		header, seg := split(p)
		here := direction{seg.source, seg.destination}
		flush(direction{seg.destination, seg.source})
		if !plain(seg) {
			flush(here)
			seen = append(seen, p)
			continue
		}
		for rest, sequence := seg.payload, seg.sequence; len(rest) > 0; {
			n := min(len(rest), 1+random.IntN(600))
			piece := join(p, header, sequence, rest[:n])
			pieces[here] = append(pieces[here], piece)
			if random.IntN(10) == 0 {
				pieces[here] = append(pieces[here], piece)
			}
			rest, sequence = rest[n:], sequence+uint32(n)
		}
	}
	for of := range pieces {
		flush(of)
	}
	return seen
}
