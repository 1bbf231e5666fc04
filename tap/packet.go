package tap

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// packet is what the kernel hands over of one packet, or a capture file: it begins at the network layer.
type packet struct {
	// at is when the kernel saw it.
	at time.Time
	// protocol is the EtherType of what data holds.
	protocol uint16
	// link is the index of the interface it was seen on.
	link int
	// outgoing says that this host sent it.
	outgoing bool
	data     []byte
}

// segment is one TCP segment (RFC 9293, section 3.1), however large segmentation offload has made it. Its payload shares the
// memory of the packet.
type segment struct {
	source, destination netip.AddrPort
	sequence, ack       uint32
	flags               uint8
	// closed says that the sender's window is: no scaling makes more of a 0.
	closed  bool
	payload []byte
}

// Flags of TCP.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	_
	flagACK
)

// EtherTypes.
const (
	protocolIPv4 = 0x0800
	protocolIPv6 = 0x86dd
	// protocolVLAN and protocolService are the tags of IEEE 802.1Q and 802.1ad.
	protocolVLAN    = 0x8100
	protocolService = 0x88a8
)

// IP protocols, and with them the extension headers of IPv6 (RFC 8200, section 4) that can stand before TCP.
const (
	protocolHopByHop    = 0
	protocolTCP         = 6
	protocolRouting     = 43
	protocolFragment    = 44
	protocolDestination = 60
)

// parseEthernet reads an Ethernet frame.
func parseEthernet(frame []byte) (segment, bool) {
	if len(frame) < 14 {
		return segment{}, false
	}
	return parseSegment(binary.BigEndian.Uint16(frame[12:]), frame[14:])
}

// parseCooked reads a frame of a capture on any interface (LINKTYPE_LINUX_SLL).
func parseCooked(frame []byte) (segment, bool) {
	if len(frame) < 16 {
		return segment{}, false
	}
	return parseSegment(binary.BigEndian.Uint16(frame[14:]), frame[16:])
}

// parseSegment reads what an EtherType names: an IP packet, behind at most two VLAN tags. It is false for all that holds no
// whole TCP header. It allocates nothing.
func parseSegment(protocol uint16, data []byte) (segment, bool) {
	for range 2 {
		if protocol != protocolVLAN && protocol != protocolService {
			break
		}
		if len(data) < 4 {
			return segment{}, false
		}
		protocol, data = binary.BigEndian.Uint16(data[2:]), data[4:]
	}
	switch protocol {
	case protocolIPv4:
		return parseIPv4(data)
	case protocolIPv6:
		return parseIPv6(data)
	default:
		return segment{}, false
	}
}

func parseIPv4(data []byte) (segment, bool) {
	if len(data) < 20 || data[0]>>4 != 4 || data[9] != protocolTCP {
		return segment{}, false
	}
	header := int(data[0]&0xf) * 4
	// A fragment tells half a segment; TCP avoids them (RFC 1191), and what is missed is noticed as a gap.
	if header < 20 || len(data) < header || binary.BigEndian.Uint16(data[6:])&0x3fff != 0 {
		return segment{}, false
	}
	// Behind the packet there can be padding. A length of 0 is that of a packet over 64 KiB (Linux: BIG TCP).
	if total := int(binary.BigEndian.Uint16(data[2:])); total != 0 && total < len(data) {
		data = data[:max(total, header)]
	}
	source, destination := netip.AddrFrom4([4]byte(data[12:16])), netip.AddrFrom4([4]byte(data[16:20]))
	return parseTCP(source, destination, data[header:])
}

func parseIPv6(data []byte) (segment, bool) {
	if len(data) < 40 || data[0]>>4 != 6 {
		return segment{}, false
	}
	source, destination := netip.AddrFrom16([16]byte(data[8:24])), netip.AddrFrom16([16]byte(data[24:40]))
	next, length := data[6], int(binary.BigEndian.Uint16(data[4:]))
	data = data[40:]
	// A length of 0 is that of a jumbogram (RFC 2675), as Linux has them inside the host.
	if length != 0 && length < len(data) {
		data = data[:length]
	}
	for next != protocolTCP {
		if len(data) < 8 {
			return segment{}, false
		}
		header := 8
		switch next {
		case protocolHopByHop, protocolRouting, protocolDestination:
			header += int(data[1]) * 8
		case protocolFragment:
			if binary.BigEndian.Uint16(data[2:])&0xfff9 != 0 {
				return segment{}, false
			}
		default:
			return segment{}, false
		}
		if len(data) < header {
			return segment{}, false
		}
		next, data = data[0], data[header:]
	}
	return parseTCP(source, destination, data)
}

func parseTCP(source, destination netip.Addr, data []byte) (segment, bool) {
	if len(data) < 20 {
		return segment{}, false
	}
	header := int(data[12]>>4) * 4
	if header < 20 || len(data) < header {
		return segment{}, false
	}
	return segment{
		source:      netip.AddrPortFrom(source, binary.BigEndian.Uint16(data)),
		destination: netip.AddrPortFrom(destination, binary.BigEndian.Uint16(data[2:])),
		sequence:    binary.BigEndian.Uint32(data[4:]),
		ack:         binary.BigEndian.Uint32(data[8:]),
		flags:       data[13],
		closed:      data[14] == 0 && data[15] == 0,
		payload:     data[header:],
	}, true
}
