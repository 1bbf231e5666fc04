package tap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// blockSize is that of a block of the ring, blocks how many there are: all of 100,000 routes sent to four neighbors at once
	// fits in, without net.core.rmem_max, which bounds a socket's own queue.
	blockSize = 512 << 10
	blocks    = 16
	// retire is how long the kernel keeps a block that is not full, in milliseconds.
	retire = 10
)

// ring is a packet socket (packet(7)) on all interfaces of a network namespace. The kernel takes off the link layer's header,
// and writes packets into memory that it shares with us, blocks of them (TPACKET_V3).
type ring struct {
	file   *os.File
	fd     int
	memory []byte
	// block is the next one that the kernel will hand over.
	block int
}

// openRing opens one in the network namespace of the calling thread. It takes nothing until it has a filter.
func openRing() (*ring, error) {
	// Protocol 0 takes no packet: those that come before the filter would not be bounded by it.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("open packet socket: %w: give the container the capability NET_RAW", err)
	}
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	r := &ring{fd: fd}
	if r.memory, err = shareMemory(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("set up packet socket: %w", err)
	}
	r.file = os.NewFile(uintptr(fd), "packet socket")
	return r, nil
}

func shareMemory(fd int) ([]byte, error) {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return nil, fmt.Errorf("choose version 3: %w", err)
	}
	request := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: blocks, Frame_size: 2048, Frame_nr: blocks * blockSize / 2048, Retire_blk_tov: retire,
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return nil, fmt.Errorf("make ring: %w", err)
	}
	memory, err := unix.Mmap(fd, 0, blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map ring: %w", err)
	}
	return memory, nil
}

// filter takes packets that pass the program from now on.
func (r *ring) filter(program []bpf.Instruction) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble packet filter: %w", err)
	}
	filters := make([]unix.SockFilter, len(raw))
	for i, instruction := range raw {
		filters[i] = unix.SockFilter{Code: instruction.Op, Jt: instruction.Jt, Jf: instruction.Jf, K: instruction.K}
	}
	attached := unix.SockFprog{Len: uint16(len(filters)), Filter: &filters[0]}
	if err := unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &attached); err != nil {
		return fmt.Errorf("attach packet filter: %w", err)
	}
	// Only a socket for all protocols sees what this host sends.
	if err := unix.Bind(r.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)}); err != nil {
		return fmt.Errorf("bind packet socket: %w", err)
	}
	return nil
}

// read waits for packets and gives them to take, a block of them at a time, until stop is called. They must not be kept.
func (r *ring) read(take func(iter.Seq[packet])) error {
	raw, err := r.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("read packets: %w", err)
	}
	for {
		err := raw.Read(func(uintptr) bool {
			found := false
			for r.next(take) {
				found = true
			}
			return found
		})
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, fs.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read packets: %w", err)
		}
	}
}

// next takes the packets of the next block, where the kernel has handed it over.
func (r *ring) next(take func(iter.Seq[packet])) bool {
	block := r.memory[r.block*blockSize : (r.block+1)*blockSize]
	// The kernel's description is struct tpacket_block_desc, with struct tpacket_hdr_v1 in it.
	head := (*unix.TpacketHdrV1)(unsafe.Pointer(&(*unix.TpacketBlockDesc)(unsafe.Pointer(&block[0])).Hdr))
	if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER == 0 {
		return false
	}
	take(func(yield func(packet) bool) {
		offset := head.Offset_to_first_pkt
		for range head.Num_pkts {
			p := (*unix.Tpacket3Hdr)(unsafe.Pointer(&block[offset]))
			link := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&block[offset+unix.SizeofTpacket3Hdr]))
			begin := offset + uint32(p.Net)
			if !yield(packet{
				at:       time.Unix(int64(p.Sec), int64(p.Nsec)),
				protocol: networkOrder(link.Protocol),
				link:     int(link.Ifindex),
				outgoing: link.Pkttype == unix.PACKET_OUTGOING,
				data:     block[begin : begin+p.Snaplen],
			}) {
				return
			}
			offset += p.Next_offset
		}
	})
	atomic.StoreUint32(&head.Block_status, unix.TP_STATUS_KERNEL)
	r.block = (r.block + 1) % blocks
	return true
}

// networkOrder turns a number of the host's octet order into one of the network's, and back.
func networkOrder(n uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, n))
}

// drops counts the packets that found no room since the last call.
func (r *ring) drops() (int, error) {
	statistics, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, fmt.Errorf("read statistics of packet socket: %w", err)
	}
	return int(statistics.Drops), nil
}

// link gives the name of an interface, in the socket's own network namespace; "" where it is gone.
func (r *ring) link(index int) string {
	request, err := unix.NewIfreq("any")
	if err != nil {
		return ""
	}
	request.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(r.fd, unix.SIOCGIFNAME, request); err != nil {
		return ""
	}
	return request.Name()
}

// stop ends read.
func (r *ring) stop() { _ = r.file.SetReadDeadline(time.Unix(1, 0)) }

// close gives everything back. Nothing may be in use any more.
func (r *ring) close() error {
	return errors.Join(unix.Munmap(r.memory), r.file.Close())
}
