package tap

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/bpf"
)

// tcp builds a segment with 12 octets of options, as Linux sends them.
func tcp(source, destination netip.AddrPort, sequence, ack uint32, flags uint8, window uint16, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, source.Port())
	b = binary.BigEndian.AppendUint16(b, destination.Port())
	b = binary.BigEndian.AppendUint32(b, sequence)
	b = binary.BigEndian.AppendUint32(b, ack)
	b = append(b, 8<<4, flags)
	b = binary.BigEndian.AppendUint16(b, window)
	return append(append(b, make([]byte, 4+12)...), payload...)
}

// ip puts a header before a segment; behind are further octets of the frame.
func ip(source, destination netip.Addr, next uint8, payload []byte) (protocol uint16, data []byte) {
	if source.Is4() {
		b := []byte{0x46, 0, 0, 0, 0, 0, 0x40, 0, 64, next, 0, 0}
		binary.BigEndian.PutUint16(b[2:], uint16(24+len(payload)))
		if 24+len(payload) > 0xffff {
			binary.BigEndian.PutUint16(b[2:], 0)
		}
		b = append(append(b, source.AsSlice()...), destination.AsSlice()...)
		return protocolIPv4, append(append(b, 1, 1, 1, 0), payload...)
	}
	b := []byte{0x60, 0, 0, 0, 0, 0, next, 64}
	if len(payload) <= 0xffff {
		binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
	}
	b = append(append(b, source.AsSlice()...), destination.AsSlice()...)
	return protocolIPv6, append(b, payload...)
}

func tag(kind, inner uint16, data []byte) (protocol uint16, tagged []byte) {
	return kind, append(binary.BigEndian.AppendUint16([]byte{0x20, 0x64}, inner), data...)
}

func ethernet(protocol uint16, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 12), protocol), data...)
}

var (
	ourIPv4   = netip.MustParseAddrPort("10.0.1.1:40000")
	theirIPv4 = netip.MustParseAddrPort("10.0.1.254:179")
	ourIPv6   = netip.MustParseAddrPort("[fd01::1]:40000")
	theirIPv6 = netip.MustParseAddrPort("[fd01::254]:179")
)

func TestParseSegment(t *testing.T) {
	hello := []byte("hello")
	four := tcp(ourIPv4, theirIPv4, 1, 2, flagACK, 0, hello)
	six := tcp(ourIPv6, theirIPv6, 1, 2, flagACK, 0, hello)
	p4, ipv4 := ip(ourIPv4.Addr(), theirIPv4.Addr(), protocolTCP, four)
	p6, ipv6 := ip(ourIPv6.Addr(), theirIPv6.Addr(), protocolTCP, six)
	vlan := func(kinds ...uint16) []byte {
		p, data := p4, ipv4
		for _, kind := range kinds {
			p, data = tag(kind, p, data)
		}
		return ethernet(p, data)
	}
	behind := func(kind uint8, header []byte) []byte {
		_, data := ip(ourIPv6.Addr(), theirIPv6.Addr(), kind, append(header, six...))
		return ethernet(protocolIPv6, data)
	}
	large := bytes.Repeat([]byte{7}, 100_000)
	_, large4 := ip(ourIPv4.Addr(), theirIPv4.Addr(), protocolTCP, tcp(ourIPv4, theirIPv4, 1, 2, flagACK, 0, large))
	_, large6 := ip(ourIPv6.Addr(), theirIPv6.Addr(), protocolHopByHop, append([]byte{protocolTCP, 0, 0xc2, 4, 0, 1, 0x86, 0xc8}, tcp(ourIPv6, theirIPv6, 1, 2, flagACK, 0, large)...))
	fragment := slices.Clone(ipv4)
	fragment[6], fragment[7] = 0x20, 0
	udp := slices.Clone(ipv4)
	udp[9] = 17
	for _, tt := range []struct {
		name    string
		frame   []byte
		payload []byte
		no      bool
	}{
		{name: "IPv4 with options", frame: ethernet(p4, ipv4), payload: hello},
		{name: "IPv6", frame: ethernet(p6, ipv6), payload: hello},
		{name: "padding behind IPv4", frame: ethernet(p4, append(slices.Clone(ipv4), 0, 0, 0)), payload: hello},
		{name: "padding behind IPv6", frame: ethernet(p6, append(slices.Clone(ipv6), 0, 0, 0)), payload: hello},
		{name: "VLAN", frame: vlan(protocolVLAN), payload: hello},
		{name: "VLAN in a VLAN", frame: vlan(protocolVLAN, protocolService), payload: hello},
		{name: "three VLANs", frame: vlan(protocolVLAN, protocolVLAN, protocolService), no: true},
		{name: "hop-by-hop options", frame: behind(protocolHopByHop, append([]byte{protocolTCP, 1}, make([]byte, 14)...)), payload: hello},
		{name: "two headers", frame: behind(protocolDestination, append([]byte{protocolRouting, 0, 0, 0, 0, 0, 0, 0}, append([]byte{protocolTCP, 0}, make([]byte, 6)...)...)), payload: hello},
		{name: "fragment of one", frame: behind(protocolFragment, []byte{protocolTCP, 0, 0, 0, 1, 2, 3, 4}), payload: hello},
		{name: "first fragment, IPv6", frame: behind(protocolFragment, []byte{protocolTCP, 0, 0, 1, 1, 2, 3, 4}), no: true},
		{name: "first fragment, IPv4", frame: ethernet(p4, fragment), no: true},
		{name: "header cut off", frame: behind(protocolRouting, []byte{protocolTCP, 200}), no: true},
		{name: "offloaded IPv4 over 64 KiB", frame: ethernet(p4, large4), payload: large},
		{name: "offloaded IPv6 over 64 KiB", frame: ethernet(p6, large6), payload: large},
		{name: "UDP", frame: ethernet(p4, udp), no: true},
		{name: "ARP", frame: ethernet(0x0806, ipv4), no: true},
		{name: "segment cut off", frame: ethernet(p4, ipv4[:40]), no: true},
		{name: "nothing", no: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			seg, ok := parseEthernet(tt.frame)
			if ok == tt.no {
				t.Fatalf("ok is %v", ok)
			}
			if tt.no {
				return
			}
			source, destination := ourIPv4, theirIPv4
			if seg.source.Addr().Is6() {
				source, destination = ourIPv6, theirIPv6
			}
			if !bytes.Equal(seg.payload, tt.payload) || seg.source != source || seg.destination != destination ||
				seg.sequence != 1 || seg.ack != 2 || seg.flags != flagACK || !seg.closed {
				t.Errorf("got %v", seg)
			}
			cooked := append(make([]byte, 2), tt.frame...)
			if again, ok := parseCooked(cooked); !ok || !bytes.Equal(again.payload, tt.payload) {
				t.Errorf("cooked: got %v", again)
			}
			if allocs := testing.AllocsPerRun(10, func() { parseEthernet(tt.frame) }); allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
		})
	}
}

// TestFilter runs the filter on packets. The VM knows no protocol of a packet, so that instruction is replaced by its result.
func TestFilter(t *testing.T) {
	neighbors := []netip.Addr{netip.MustParseAddr("10.9.9.9"), theirIPv4.Addr(), theirIPv6.Addr()}
	var many []netip.Addr
	for i := range 5000 {
		many = append(many, netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)}))
	}
	port := func(a netip.AddrPort, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), port) }
	stranger := netip.MustParseAddrPort("10.0.1.7:179")
	strangerIPv6 := netip.MustParseAddrPort("[fd01::7]:179")
	link := netip.MustParseAddrPort("[fe80::1]:179")
	for _, tt := range []struct {
		name                string
		source, destination netip.AddrPort
		addresses           []netip.Addr
		linkLocal           bool
		// next is the protocol of IP; 0 is TCP, behind a header of hop-by-hop options where extended is true.
		next     uint8
		extended bool
		want     bool
	}{
		{name: "IPv4 to the neighbor", source: ourIPv4, destination: theirIPv4, addresses: neighbors, want: true},
		{name: "IPv4 from the neighbor", source: theirIPv4, destination: ourIPv4, addresses: neighbors, want: true},
		{name: "the neighbor dialled", source: port(theirIPv4, 40000), destination: port(ourIPv4, 1179), addresses: neighbors, want: true},
		{name: "another port", source: ourIPv4, destination: port(theirIPv4, 443), addresses: neighbors},
		{name: "another address", source: ourIPv4, destination: stranger, addresses: neighbors},
		{name: "IPv6 to the neighbor", source: ourIPv6, destination: theirIPv6, addresses: neighbors, want: true},
		{name: "IPv6 from the neighbor", source: theirIPv6, destination: ourIPv6, addresses: neighbors, want: true},
		{name: "IPv6 behind a header", source: ourIPv6, destination: theirIPv6, addresses: neighbors, extended: true, want: true},
		{name: "IPv6, another protocol", source: ourIPv6, destination: theirIPv6, addresses: neighbors, next: 17},
		{name: "IPv6, another port", source: ourIPv6, destination: port(theirIPv6, 443), addresses: neighbors},
		{name: "IPv6, another address", source: ourIPv6, destination: strangerIPv6, addresses: neighbors},
		{name: "a link-local address", source: ourIPv6, destination: link, addresses: neighbors},
		{name: "a link-local address, unnumbered", source: link, destination: ourIPv6, addresses: neighbors, linkLocal: true, want: true},
		{name: "unnumbered only, another address", source: ourIPv6, destination: theirIPv6, linkLocal: true, want: true},
		{name: "unnumbered and others, another address", source: ourIPv6, destination: strangerIPv6, addresses: neighbors, linkLocal: true},
		{name: "nobody", source: ourIPv4, destination: theirIPv4},
		{name: "too many addresses", source: ourIPv4, destination: theirIPv4, addresses: many, want: true},
		{name: "too many addresses, another port", source: ourIPv4, destination: port(theirIPv4, 443), addresses: many},
	} {
		t.Run(tt.name, func(t *testing.T) {
			program := filter(tt.addresses, []uint16{179, 1179}, tt.linkLocal)
			if len(program) > maxProgram {
				t.Fatalf("%d instructions", len(program))
			}
			if _, err := bpf.Assemble(program); err != nil {
				t.Fatal(err)
			}
			payload := tcp(tt.source, tt.destination, 1, 2, flagACK, 1, nil)
			next := tt.next
			if next == protocolHopByHop {
				if next = protocolTCP; tt.extended {
					next, payload = protocolHopByHop, append([]byte{protocolTCP, 0, 0, 0, 0, 0, 0, 0}, payload...)
				}
			}
			protocol, data := ip(tt.source.Addr(), tt.destination.Addr(), next, payload)
			program[0] = bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(protocol)}
			vm, err := bpf.NewVM(program)
			if err != nil {
				t.Fatal(err)
			}
			taken, err := vm.Run(data)
			if err != nil {
				t.Fatal(err)
			}
			if got := taken > 0; got != tt.want {
				t.Errorf("passes: %v, want %v", got, tt.want)
			}
		})
	}
}

func FuzzFrame(f *testing.F) {
	p, data := ip(ourIPv4.Addr(), theirIPv4.Addr(), protocolTCP, tcp(ourIPv4, theirIPv4, 1, 2, flagACK, 1, []byte("hello")))
	f.Add(ethernet(p, data))
	f.Add(ethernet(tag(protocolVLAN, p, data)))
	p, data = ip(ourIPv6.Addr(), theirIPv6.Addr(), protocolHopByHop, append([]byte{protocolTCP, 0, 0, 0, 0, 0, 0, 0}, tcp(ourIPv6, theirIPv6, 1, 2, flagACK, 1, nil)...))
	f.Add(ethernet(p, data))
	f.Fuzz(func(t *testing.T, frame []byte) {
		seg, ok := parseEthernet(frame)
		if ok && (len(seg.payload) > len(frame)-54 || !seg.source.IsValid() || !seg.destination.IsValid()) {
			t.Errorf("%v of %x", seg, frame)
		}
		// Whatever a packet holds, the tap survives it.
		tap := newTap(Config{Port: 179}, usualPace())
		key := Session{Neighbor: theirIPv4.Addr(), Port: 179}
		tap.sessions[key], tap.byAddress = newSession(tap.pace, time.Now()), map[netip.Addr][]Session{key.Neighbor: {key}}
		if len(frame) > 14 {
			for _, outgoing := range []bool{true, false} {
				tap.packet(packet{at: time.Now(), protocol: binary.BigEndian.Uint16(frame[12:]), outgoing: outgoing, data: frame[14:]})
			}
		}
	})
}
