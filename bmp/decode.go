package bmp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/packet/bmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// update is what an UPDATE says of the families that are followed.
type update struct {
	withdrawn, announced []pathKey
	attributes           verify.Attributes
	// endOfRIB is the family whose first table is complete, or 0.
	endOfRIB route.Family
}

// pathKey names a route of a table.
type pathKey struct {
	prefix netip.Prefix
	// path is the path ID (RFC 7911); 0 without ADD-PATH.
	path uint32
}

// parse decodes a message. gobgp recovers its own panics within; the rest are caught here.
func parse(message []byte, options func(bmp.BMPPeerHeader) []*bgp.MarshallingOption) (m *bmp.BMPMessage, err error) {
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("decode message: %v", r)
		}
	}()
	if m := unkept(message); m != nil {
		return m, nil
	}
	m, err = bmp.ParseBMPMessageWithOptions(message, options)
	if err != nil {
		return m, fmt.Errorf("decode message: %w", err)
	}
	return m, nil
}

// beforeOpens is where the OPENs of a Peer Up begin: behind the addresses and ports of the session (RFC 7854, section 4.10).
const beforeOpens = headerSize + bmp.BMP_PEER_HEADER_SIZE + 20

// unkept decodes a Peer Up that lacks an OPEN, and is nil for any other message. FRR (8.4 to 10.x) puts the bare header of one
// where it has not kept the message: it loses those of a connection that came in as another one to the same neighbor was opened.
// The body has no OPENs then.
func unkept(message []byte) *bmp.BMPMessage {
	if message[5] != bmp.BMP_MSG_PEER_UP_NOTIFICATION || len(message) < beforeOpens {
		return nil
	}
	lacks := false
	rest := message[beforeOpens:]
	for range 2 {
		if len(rest) < bgp.BGP_HEADER_LENGTH || rest[18] != bgp.BGP_MSG_OPEN {
			return nil
		}
		length := int(binary.BigEndian.Uint16(rest[16:]))
		if length < bgp.BGP_HEADER_LENGTH || length > len(rest) {
			return nil
		}
		lacks = lacks || length == bgp.BGP_HEADER_LENGTH
		rest = rest[length:]
	}
	if !lacks {
		return nil
	}
	m, body := &bmp.BMPMessage{}, &bmp.BMPPeerUpNotification{}
	if m.Header.DecodeFromBytes(message) != nil || m.PeerHeader.DecodeFromBytes(message[headerSize:]) != nil {
		return nil
	}
	local := message[headerSize+bmp.BMP_PEER_HEADER_SIZE:][:16]
	if body.LocalAddress = bytes.Clone(local); m.PeerHeader.Flags&bmp.BMP_PEER_FLAG_IPV6 == 0 {
		body.LocalAddress = bytes.Clone(local[12:])
	}
	m.Body = body
	return m
}

// updates splits an UPDATE by family: each has its own next hop.
func updates(message *bgp.BGPMessage) (list []update, err error) {
	defer func() {
		if r := recover(); r != nil {
			list, err = nil, fmt.Errorf("decode UPDATE: %v", r)
		}
	}()
	body, is := message.Body.(*bgp.BGPUpdate)
	if !is {
		return nil, fmt.Errorf("decode UPDATE: it is a message of type %d", message.Header.Type)
	}
	if end, family := body.IsEndOfRib(); end {
		return []update{{endOfRIB: familyOf(family)}}, nil
	}
	plain, multi := update{}, update{}
	var attributes verify.Attributes
	for _, w := range body.WithdrawnRoutes {
		if err := appendKey(&plain.withdrawn, w); err != nil {
			return nil, err
		}
	}
	for _, attribute := range body.PathAttributes {
		switch a := attribute.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			if familyOf(bgp.AfiSafiToRouteFamily(a.AFI, a.SAFI)) == 0 {
				continue
			}
			multi.attributes.NextHop = addrOf(a.Nexthop)
			for _, p := range a.Value {
				if err := appendKey(&multi.announced, p); err != nil {
					return nil, err
				}
			}
		case *bgp.PathAttributeMpUnreachNLRI:
			if familyOf(bgp.AfiSafiToRouteFamily(a.AFI, a.SAFI)) == 0 {
				continue
			}
			for _, p := range a.Value {
				if err := appendKey(&multi.withdrawn, p); err != nil {
					return nil, err
				}
			}
		default:
			addAttribute(&attributes, attribute)
		}
	}
	for _, n := range body.NLRI {
		if err := appendKey(&plain.announced, n); err != nil {
			return nil, err
		}
	}
	plain.attributes = attributes
	hop := multi.attributes.NextHop
	multi.attributes = attributes
	multi.attributes.NextHop = hop
	return []update{plain, multi}, nil
}

// addAttribute takes one attribute of those that are compared.
func addAttribute(to *verify.Attributes, attribute bgp.PathAttributeInterface) {
	switch a := attribute.(type) {
	case *bgp.PathAttributeOrigin:
		to.Origin = verify.Origin(a.Value)
	case *bgp.PathAttributeAsPath:
		to.ASPath = pathText(a.Value)
	case *bgp.PathAttributeNextHop:
		to.NextHop = addrOf(a.Value)
	case *bgp.PathAttributeMultiExitDisc:
		to.MED = a.Value
	case *bgp.PathAttributeLocalPref:
		to.LocalPreference = a.Value
	case *bgp.PathAttributeCommunities:
		for _, c := range a.Value {
			to.Communities = append(to.Communities, route.Community(c))
		}
		slices.Sort(to.Communities)
		to.Communities = slices.Compact(to.Communities)
	case *bgp.PathAttributeLargeCommunities:
		for _, c := range a.Values {
			to.LargeCommunities = append(to.LargeCommunities,
				route.LargeCommunity{GlobalAdministrator: c.ASN, LocalData1: c.LocalData1, LocalData2: c.LocalData2})
		}
		slices.SortFunc(to.LargeCommunities, route.LargeCommunity.Compare)
		to.LargeCommunities = slices.Compact(to.LargeCommunities)
	}
}

// pathText writes an AS path as FRR does: "65000 65001 {65002,65003} (65004)".
func pathText(segments []bgp.AsPathParamInterface) string {
	words := make([]string, 0, len(segments))
	for _, segment := range segments {
		separator, before, after := " ", "", ""
		switch segment.GetType() {
		case bgp.BGP_ASPATH_ATTR_TYPE_SET:
			separator, before, after = ",", "{", "}"
		case bgp.BGP_ASPATH_ATTR_TYPE_CONFED_SEQ:
			before, after = "(", ")"
		case bgp.BGP_ASPATH_ATTR_TYPE_CONFED_SET:
			separator, before, after = ",", "[", "]"
		}
		var numbers []string
		for _, asn := range segment.GetAS() {
			numbers = append(numbers, strconv.FormatUint(uint64(asn), 10))
		}
		words = append(words, before+strings.Join(numbers, separator)+after)
	}
	return strings.Join(words, " ")
}

// asReceived gives a path without the router's own AS in front of it, where FRR (8.4 to 10.x) has put that: it encodes what it
// received as if it told it on. No path that an eBGP peer sends begins with it, and no route whose path does is used.
func asReceived(path string, own route.ASN) string {
	first, rest, more := strings.Cut(path, " ")
	if more && first == strconv.FormatUint(uint64(own), 10) {
		return rest
	}
	return path
}

// appendKey reads a prefix of IPv4 or IPv6 unicast.
func appendKey(to *[]pathKey, nlri bgp.AddrPrefixInterface) error {
	var address net.IP
	var bits uint8
	switch p := nlri.(type) {
	case *bgp.IPAddrPrefix:
		address, bits = p.Prefix, p.Length
	case *bgp.IPv6AddrPrefix:
		address, bits = p.Prefix, p.Length
	default:
		return fmt.Errorf("decode UPDATE: %T is no prefix of a family that is followed", nlri)
	}
	addr := addrOf(address)
	if nlri.AFI() == bgp.AFI_IP6 {
		addr, _ = netip.AddrFromSlice(address.To16())
	}
	// What stands behind the length is irrelevant (RFC 4271, section 4.3).
	prefix, err := addr.Prefix(int(bits))
	if err != nil {
		return fmt.Errorf("decode UPDATE: prefix: %w", err)
	}
	*to = append(*to, pathKey{prefix: prefix, path: nlri.PathIdentifier()})
	return nil
}

// addrOf is the zero Addr where a is none.
func addrOf(a net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(a)
	return addr.Unmap()
}

// familyOf is 0 for a family that is not followed.
func familyOf(f bgp.RouteFamily) route.Family {
	switch f {
	case bgp.RF_IPv4_UC:
		return route.IPv4Unicast
	case bgp.RF_IPv6_UC:
		return route.IPv6Unicast
	default:
		return 0
	}
}

// offer is what an OPEN says.
type offer struct {
	asn      route.ASN
	families map[bgp.RouteFamily]bool
	addPath  map[bgp.RouteFamily]bgp.BGPAddPathMode
}

func offerOf(message *bgp.BGPMessage) (offer, error) {
	o := offer{families: map[bgp.RouteFamily]bool{}, addPath: map[bgp.RouteFamily]bgp.BGPAddPathMode{}}
	open, is := message.Body.(*bgp.BGPOpen)
	if !is {
		return o, errors.New("decode Peer Up: it holds another message than an OPEN")
	}
	o.asn = route.ASN(open.MyAS)
	for _, parameter := range open.OptParams {
		list, is := parameter.(*bgp.OptionParameterCapability)
		if !is {
			continue
		}
		for _, capability := range list.Capability {
			switch c := capability.(type) {
			case *bgp.CapFourOctetASNumber:
				o.asn = route.ASN(c.CapValue)
			case *bgp.CapMultiProtocol:
				o.families[c.CapValue] = true
			case *bgp.CapAddPath:
				for _, tuple := range c.Tuples {
					o.addPath[tuple.RouteFamily] = tuple.Mode
				}
			}
		}
	}
	// Without the capability a speaker exchanges IPv4 unicast alone (RFC 4760, section 8).
	if len(o.families) == 0 {
		o.families[bgp.RF_IPv4_UC] = true
	}
	return o, nil
}

// agreed is what two OPENs mean for the messages that the router at hand, which sent the first, has received and sent.
type agreed struct {
	// own is the AS number of the router at hand.
	own route.ASN
	// families are those of ours that both speak.
	families []route.Family
	// in and out are the options of what it receives and sends.
	in, out []*bgp.MarshallingOption
}

func agreement(sent, received *bgp.BGPMessage) (agreed, error) {
	ours, err := offerOf(sent)
	if err != nil {
		return agreed{}, err
	}
	theirs, err := offerOf(received)
	if err != nil {
		return agreed{}, err
	}
	a := agreed{own: ours.asn}
	in, out := map[bgp.RouteFamily]bgp.BGPAddPathMode{}, map[bgp.RouteFamily]bgp.BGPAddPathMode{}
	for f := range ours.families {
		if !theirs.families[f] {
			continue
		}
		if followed := familyOf(f); followed != 0 {
			a.families = append(a.families, followed)
		}
		if ours.addPath[f]&bgp.BGP_ADD_PATH_RECEIVE != 0 && theirs.addPath[f]&bgp.BGP_ADD_PATH_SEND != 0 {
			in[f] = bgp.BGP_ADD_PATH_BOTH
		}
		if ours.addPath[f]&bgp.BGP_ADD_PATH_SEND != 0 && theirs.addPath[f]&bgp.BGP_ADD_PATH_RECEIVE != 0 {
			out[f] = bgp.BGP_ADD_PATH_BOTH
		}
	}
	slices.Sort(a.families)
	a.in, a.out = []*bgp.MarshallingOption{{AddPath: in}}, []*bgp.MarshallingOption{{AddPath: out}}
	return a, nil
}
