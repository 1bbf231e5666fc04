package bmp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	version      = 3
	headerSize   = 6
	maxTypeKnown = 6
	// MaxMessage bounds a message, in octets. The longest that must be read is an UPDATE of 65,535 (RFC 8654) with the two
	// headers before it; Route Mirroring and the information of a Peer Up may hold a little more.
	MaxMessage = 1 << 18
	// growth is how much memory a message gets before its octets have come.
	growth = 1 << 12
)

// framer cuts a stream into BMP messages (RFC 7854, section 4.1). A message is as long as its header says, never shorter than
// the header and never longer than MaxMessage, so that no sender makes it loop or hold more than that.
type framer struct {
	r      *bufio.Reader
	buffer []byte
	// begun is called after the first octet of a message has come, and may bound how long the others take.
	begun func()
}

func newFramer(r io.Reader, begun func()) *framer {
	return &framer{r: bufio.NewReaderSize(r, growth), begun: begun}
}

// next returns one message with its header, valid until the next call. Between two messages the end of the stream is io.EOF,
// within one io.ErrUnexpectedEOF.
func (f *framer) next() ([]byte, error) {
	if _, err := f.r.Peek(1); err != nil {
		return nil, err
	}
	f.begun()
	header, err := f.r.Peek(headerSize)
	if err != nil {
		return nil, cutOff(err)
	}
	length := binary.BigEndian.Uint32(header[1:])
	switch {
	case header[0] != version:
		return nil, fmt.Errorf("read message: its version is %d, not %d: what sends here is no BMP (RFC 7854)", header[0], version)
	case header[5] > maxTypeKnown:
		return nil, fmt.Errorf("read message: its type is %d, which RFC 7854 does not know", header[5])
	case length < headerSize:
		return nil, fmt.Errorf("read message: it says that it has %d octets, fewer than its header", length)
	case length > MaxMessage:
		return nil, fmt.Errorf("read message: it says that it has %d octets, more than %d", length, MaxMessage)
	}
	// Memory is given as octets come, not as the header promises.
	f.buffer = f.buffer[:0]
	for left := int(length); left > 0; {
		step := min(left, growth)
		at := len(f.buffer)
		f.buffer = append(f.buffer, make([]byte, step)...)
		if _, err := io.ReadFull(f.r, f.buffer[at:]); err != nil {
			return nil, cutOff(err)
		}
		left -= step
	}
	return f.buffer, nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
