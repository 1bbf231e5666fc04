package tap

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// whole is how much of a packet that passes is taken.
const wholePacket = 1 << 20

const (
	// maxProgram is the longest filter that Linux takes (BPF_MAXINSNS).
	maxProgram = 4096
	// maxPorts is how many ports a filter can jump over.
	maxPorts = 100
)

// filter gives the socket filter that passes the TCP segments between this host and some neighbors on some ports, and little
// else: it runs for each packet of the node. linkLocal passes all neighbors with a link-local address. Packets begin at the
// network layer. Those in a VLAN pass where the kernel has taken the tag off, which is so on the VLAN's own interface at least.
// Too many addresses or ports pass any.
func filter(addresses []netip.Addr, ports []uint16, linkLocal bool) []bpf.Instruction {
	if len(ports) > maxPorts {
		ports = nil
	}
	program := filterBoth(addresses, ports, linkLocal)
	if len(program) > maxProgram {
		program = filterBoth(nil, ports, true)
	}
	return program
}

func filterBoth(addresses []netip.Addr, ports []uint16, linkLocal bool) []bpf.Instruction {
	var four, six []uint32
	for _, a := range addresses {
		if a.Is4() {
			b := a.As4()
			four = append(four, binary.BigEndian.Uint32(b[:]))
		} else {
			b := a.As16()
			six = append(six, binary.BigEndian.Uint32(b[12:]))
		}
	}
	// Nobody to look for means that anybody is.
	anybody := len(addresses) == 0 && linkLocal
	ipv4 := slices.Concat(
		[]bpf.Instruction{
			bpf.LoadAbsolute{Off: 9, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolTCP, SkipTrue: 1},
			bpf.RetConstant{},
			bpf.LoadAbsolute{Off: 6, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: 0x1fff, SkipFalse: 1},
			bpf.RetConstant{},
			bpf.LoadMemShift{Off: 0},
		},
		among(ports, bpf.LoadIndirect{Off: 0, Size: 2}, bpf.LoadIndirect{Off: 2, Size: 2}),
		pass(four, 12, 16, anybody),
	)
	ipv6 := slices.Concat(
		[]bpf.Instruction{
			bpf.LoadAbsolute{Off: 6, Size: 1},
			// bgpd's sockets send no extension header; before a jumbogram Linux puts the one of hop-by-hop options, of 8 octets.
			bpf.LoadConstant{Dst: bpf.RegX, Val: 40},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolTCP, SkipTrue: 3},
			bpf.LoadConstant{Dst: bpf.RegX, Val: 48},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolHopByHop, SkipTrue: 1},
			bpf.RetConstant{},
		},
		among(ports, bpf.LoadIndirect{Off: 0, Size: 2}, bpf.LoadIndirect{Off: 2, Size: 2}),
	)
	if linkLocal && !anybody {
		ipv6 = append(ipv6,
			bpf.LoadAbsolute{Off: 8, Size: 2},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 0xffc0},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0xfe80, SkipFalse: 1},
			bpf.RetConstant{Val: wholePacket},
		)
	}
	ipv6 = append(ipv6, pass(six, 20, 36, anybody)...)
	return slices.Concat(
		[]bpf.Instruction{
			bpf.LoadExtension{Num: bpf.ExtProto},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolIPv4, SkipFalse: 1},
			bpf.Jump{Skip: 3},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocolIPv6, SkipFalse: 1},
			bpf.Jump{Skip: uint32(len(ipv4)) + 1},
			bpf.RetConstant{},
		},
		ipv4, ipv6,
	)
}

// among goes on behind it where one of two loads gives one of the ports, and drops the packet elsewhere. Without ports it
// always goes on.
func among(ports []uint16, loads ...bpf.Instruction) []bpf.Instruction {
	if len(ports) == 0 {
		return nil
	}
	end := len(loads)*(len(ports)+1) + 1
	var program []bpf.Instruction
	for _, load := range loads {
		program = append(program, load)
		for _, port := range ports {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipTrue: uint8(end - len(program) - 1)})
		}
	}
	return append(program, bpf.RetConstant{})
}

// pass ends a filter: it passes what has one of the values at one of two places.
func pass(values []uint32, source, destination uint32, anybody bool) []bpf.Instruction {
	if anybody {
		return []bpf.Instruction{bpf.RetConstant{Val: wholePacket}}
	}
	var program []bpf.Instruction
	for _, offset := range []uint32{source, destination} {
		program = append(program, bpf.LoadAbsolute{Off: offset, Size: 4})
		for _, v := range values {
			program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: v, SkipFalse: 1}, bpf.RetConstant{Val: wholePacket})
		}
	}
	return append(program, bpf.RetConstant{})
}
