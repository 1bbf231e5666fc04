package bmp

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/packet/bmp"
)

// bareOpen is what FRR sends in the place of an OPEN that it has not kept.
var bareOpen = append(bytes.Repeat([]byte{0xff}, 16), 0, bgp.BGP_HEADER_LENGTH, bgp.BGP_MSG_OPEN)

// unkeptPeerUp is a Peer Up from 192.0.2.2 that lacks the OPENs that are nil.
func unkeptPeerUp(t testing.TB, sent, received *bgp.BGPMessage) []byte {
	t.Helper()
	body := append(make([]byte, 12), 192, 0, 2, 2, 0, 179, 0x9c, 0x40)
	for _, m := range []*bgp.BGPMessage{sent, received} {
		octets := bareOpen
		if m != nil {
			var err error
			if octets, err = m.Serialize(); err != nil {
				t.Fatal(err)
			}
		}
		body = append(body, octets...)
	}
	return raw(t, bmp.BMP_MSG_PEER_UP_NOTIFICATION, header(0), body)
}

// TestUnkept: a router that has not kept an OPEN is heard, though what it says of that peer cannot be read until the session begins
// anew.
func TestUnkept(t *testing.T) {
	for name, peerUpWithout := range map[string][]byte{
		"none kept": unkeptPeerUp(t, nil, nil), "sent alone": unkeptPeerUp(t, open(65001, 0), nil),
		"received alone": unkeptPeerUp(t, nil, open(65000, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			var l told
			var failed []string
			opened := 0
			s := NewStation(Config{
				Observe: l.observe, Opened: func(Opening) { opened++ },
				Failed: func(_ netip.AddrPort, err error) { failed = append(failed, err.Error()) },
			})
			s.Watch([]Watched{watched})
			c := newTestConnection(s)
			take := func(messages ...[]byte) {
				t.Helper()
				for _, m := range messages {
					if err := c.take(m, time.Unix(1, 0)); err != nil {
						t.Fatal(err)
					}
				}
			}
			route := monitoring(t, header(0), nil, ipv4("10.0.0.0", 24))
			cut := raw(t, bmp.BMP_MSG_ROUTE_MONITORING, header(0), slices.Clone(route[headerSize+bmp.BMP_PEER_HEADER_SIZE:len(route)-2]))
			take(initiation(t), peerUpWithout, route, cut)
			if diff := cmp.Diff([]string{"bmp unknown snapshot"}, l.take()); diff != "" {
				t.Errorf("observed (-want +got)\n%s", diff)
			}
			if p := s.Routers()[0].Peers[0]; !p.Up || p.Local != far || p.Reason != unopened || len(p.Tables) > 0 {
				t.Errorf("the peer is %+v", p)
			}
			if diff := cmp.Diff([]string{"peer 192.0.2.1: " + unopened}, failed); diff != "" || opened != 0 {
				t.Errorf("told of %d OPENs, and failed (-want +got)\n%s", opened, diff)
			}

			take(peerUp(t, header(0), false), route)
			if diff := cmp.Diff([]string{"bmp unknown snapshot", "bmp learning +10.0.0.0/24"}, l.take()); diff != "" || opened != 1 {
				t.Errorf("begun anew, told of %d OPENs (-want +got)\n%s", opened, diff)
			}
		})
	}
}
