package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/packet/bmp"
)

// serialize gives a message's octets.
func serialize(t testing.TB, m *bmp.BMPMessage) []byte {
	t.Helper()
	data, err := m.Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func initiation(t testing.TB) []byte {
	return serialize(t, bmp.NewBMPInitiation([]bmp.BMPInfoTLVInterface{
		bmp.NewBMPInfoTLVString(bmp.BMP_INIT_TLV_TYPE_SYS_NAME, "tor"), bmp.NewBMPInfoTLVString(bmp.BMP_INIT_TLV_TYPE_SYS_DESCR, "a router"),
	}))
}

// header is that of the messages about our session, 192.0.2.1 as the router at 192.0.2.2 sees it.
func header(flags uint8) bmp.BMPPeerHeader {
	return *bmp.NewBMPPeerHeader(bmp.BMP_PEER_TYPE_GLOBAL, flags, 0, "192.0.2.1", 65000, "192.0.2.1", 1)
}

func locRIBHeader() bmp.BMPPeerHeader {
	return *bmp.NewBMPPeerHeader(bmp.BMP_PEER_TYPE_LOCAL_RIB, 0, 0, "0.0.0.0", 65001, "192.0.2.2", 1)
}

func open(asn uint32, addPath bgp.BGPAddPathMode) *bgp.BGPMessage {
	capabilities := []bgp.ParameterCapabilityInterface{
		bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC), bgp.NewCapMultiProtocol(bgp.RF_IPv6_UC), bgp.NewCapFourOctetASNumber(asn),
	}
	if addPath != 0 {
		capabilities = append(capabilities, bgp.NewCapAddPath([]*bgp.CapAddPathTuple{bgp.NewCapAddPathTuple(bgp.RF_IPv4_UC, addPath)}))
	}
	return bgp.NewBGPOpenMessage(23456, 90, "192.0.2.1", []bgp.OptionParameterInterface{bgp.NewOptionParameterCapability(capabilities)})
}

func peerUp(t testing.TB, h bmp.BMPPeerHeader, addPath bool) []byte {
	var ours, theirs bgp.BGPAddPathMode
	if addPath {
		ours, theirs = bgp.BGP_ADD_PATH_RECEIVE, bgp.BGP_ADD_PATH_SEND
	}
	return serialize(t, bmp.NewBMPPeerUpNotification(h, "192.0.2.2", 179, 40000, open(65001, ours), open(65000, theirs)))
}

// monitoring is a Route Monitoring message with these routes of IPv4.
func monitoring(t testing.TB, h bmp.BMPPeerHeader, withdrawn, announced []*bgp.IPAddrPrefix, options ...*bgp.MarshallingOption) []byte {
	var attributes []bgp.PathAttributeInterface
	if len(announced) > 0 {
		attributes = []bgp.PathAttributeInterface{
			bgp.NewPathAttributeOrigin(0),
			bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65000, 4200000001})}),
			bgp.NewPathAttributeNextHop("192.0.2.1"), bgp.NewPathAttributeMultiExitDisc(7),
			bgp.NewPathAttributeCommunities([]uint32{3, 1, 3}),
		}
	}
	update, err := bgp.NewBGPUpdateMessage(withdrawn, attributes, announced).Serialize(options...)
	if err != nil {
		t.Fatal(err)
	}
	return raw(t, bmp.BMP_MSG_ROUTE_MONITORING, h, update)
}

// raw is a message about a peer with any body.
func raw(t testing.TB, kind uint8, h bmp.BMPPeerHeader, body []byte) []byte {
	t.Helper()
	head, err := h.Serialize()
	if err != nil {
		t.Fatal(err)
	}
	message := []byte{version, 0, 0, 0, 0, kind}
	message = append(append(message, head...), body...)
	binary.BigEndian.PutUint32(message[1:], uint32(len(message)))
	return message
}

func ipv4(text string, bits uint8) []*bgp.IPAddrPrefix {
	return []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(bits, text)}
}

// session is what a router sends that is fed with one route, twice changed.
func session(t testing.TB, addPath bool) [][]byte {
	return [][]byte{
		initiation(t), peerUp(t, header(0), addPath), peerUp(t, locRIBHeader(), false),
		monitoring(t, header(0), nil, ipv4("10.0.0.0", 24)), monitoring(t, header(bmp.BMP_PEER_FLAG_POST_POLICY), nil, ipv4("10.0.0.0", 24)),
		monitoring(t, locRIBHeader(), nil, ipv4("10.0.0.0", 24)), monitoring(t, header(0), ipv4("10.0.0.0", 24), nil),
		monitoring(t, header(0), nil, nil),
		serialize(t, bmp.NewBMPStatisticsReport(header(0), []bmp.BMPStatsTLVInterface{bmp.NewBMPStatsTLV32(bmp.BMP_STAT_TYPE_REJECTED, 4),
			bmp.NewBMPStatsTLV64(bmp.BMP_STAT_TYPE_ADJ_RIB_IN, 1)})),
		serialize(t, bmp.NewBMPPeerDownNotification(header(0), bmp.BMP_PEER_DOWN_REASON_REMOTE_NO_NOTIFICATION, nil, nil)),
	}
}

// FuzzFraming: whatever comes, framing ends, moves on with each message, and holds no more than came.
func FuzzFraming(f *testing.F) {
	for _, addPath := range []bool{false, true} {
		f.Add(bytes.Join(session(f, addPath), nil))
	}
	f.Add([]byte{3, 0, 0, 0, 0, 0})
	f.Add([]byte{3, 0xff, 0xff, 0xff, 0xff, 0})
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		frames := newFramer(bytes.NewReader(data), func() {})
		rest := data
		for {
			message, err := frames.next()
			if err != nil {
				if len(rest) == 0 != errors.Is(err, io.EOF) {
					t.Fatalf("%d octets were left with %v", len(rest), err)
				}
				break
			}
			if len(message) < headerSize || !bytes.HasPrefix(rest, message) {
				t.Fatalf("message %x is not what comes next", message)
			}
			rest = rest[len(message):]
		}
		if most := 2*len(data) + 4*growth; cap(frames.buffer) > most {
			t.Fatalf("%d octets are held for %d", cap(frames.buffer), len(data))
		}
	})
}

// FuzzDecode: whatever a message says, nothing panics or hangs, and the routes are counted right.
func FuzzDecode(f *testing.F) {
	for _, addPath := range []bool{false, true} {
		for _, message := range session(f, addPath) {
			f.Add(message[5], message[headerSize:], addPath)
		}
	}
	unkept := unkeptPeerUp(f, nil, open(65000, 0))
	f.Add(unkept[5], unkept[headerSize:], false)
	f.Fuzz(func(t *testing.T, kind uint8, body []byte, addPath bool) {
		if len(body) > MaxMessage-headerSize {
			return
		}
		station := NewStation(Config{Routes: 1000})
		c := newTestConnection(station)
		for _, message := range session(t, addPath)[:6] {
			if err := c.take(message, time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
		}
		station.config.Opened = func(o Opening) {
			for _, m := range [][]byte{o.Sent, o.Received} {
				if len(m) < 19 || int(binary.BigEndian.Uint16(m[16:])) != len(m) {
					t.Fatalf("%x is no OPEN", m)
				}
			}
		}
		message := append([]byte{version, 0, 0, 0, 0, kind % (maxTypeKnown + 1)}, body...)
		binary.BigEndian.PutUint32(message[1:], uint32(len(message)))
		for range 2 {
			_ = c.take(message, time.Unix(1, 0))
		}
		routes := 0
		for _, p := range c.peers {
			routes += p.routes()
			for _, table := range p.views {
				if table == nil {
					continue
				}
				for key := range table.routes {
					if !key.prefix.IsValid() || table.first(key.prefix) == nil {
						t.Fatalf("the table has route %v", key)
					}
				}
			}
		}
		if routes != c.limit.routes || routes != station.limit.routes || routes > 1001 {
			t.Fatalf("there are %d routes, counted as %d of %d", routes, c.limit.routes, station.limit.routes)
		}
		station.Routers()
	})
}

func newTestConnection(s *Station) *connection {
	c := &connection{station: s, peers: map[peerKey]*peer{}, limit: s.share()}
	s.open[c] = struct{}{}
	return c
}
