package tap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/fairlead/fairlead/route"
)

// Attributes are the path attributes of an UPDATE (RFC 4271, section 5) as they stand on the wire. They are never changed, and
// routes of a session that have the same share them.
type Attributes struct {
	// Origin is 0 for IGP, 1 for EGP and 2 for INCOMPLETE.
	Origin uint8
	// ASPath lists the AS numbers in their order, those of AS4_PATH in their place on a session of two-octet numbers (RFC 6793).
	ASPath []route.ASN
	// Sets says that ASPath is not one sequence only: it has members of an AS_SET or of a confederation among its numbers.
	Sets bool
	// NextHop is the global address, of two. LinkLocal is the other one (RFC 2545, section 3), mostly not there.
	NextHop, LinkLocal netip.Addr
	// MED and LocalPreference are 0 where there is none, as on the wire.
	MED, LocalPreference uint32
	// Communities and LargeCommunities are sorted, each once.
	Communities      []route.Community
	LargeCommunities []route.LargeCommunity
	// Others are the types of all further attributes, sorted.
	Others []uint8
}

// update is what is done with what an UPDATE says.
type update struct {
	// attributes gives the interned form of raw attributes, next hop included.
	attributes func(raw rawAttributes) (*shared, error)
	announce   func(id pathKey, a *shared)
	withdraw   func(id pathKey)
	endOfRIB   func(f route.Family)
}

// pathKey names a route of an Adj-RIB-Out.
type pathKey struct {
	prefix netip.Prefix
	// path is the path ID (RFC 7911); 0 without ADD-PATH.
	path uint32
}

// rawAttributes are the attributes of an UPDATE that say something about its prefixes.
type rawAttributes struct {
	// list are all but MP_REACH_NLRI and MP_UNREACH_NLRI, as they came.
	list []byte
	// nextHop is that of MP_REACH_NLRI; nil means that list has it.
	nextHop []byte
}

// reach is MP_REACH_NLRI or MP_UNREACH_NLRI (RFC 4760, sections 3 and 4).
type reach struct {
	family   route.Family
	nextHop  []byte
	prefixes []byte
}

// decode reads the body of an UPDATE. Of one that it cannot decode it may have told a part: what the table holds is then
// not known any more. scratch is memory to work in, and is returned for the next call.
func (u *update) decode(body []byte, o options, scratch []byte) ([]byte, error) {
	withdrawn, attributes, announced, ok := splitUpdate(body)
	if !ok {
		return scratch, errors.New("fields are longer than the message")
	}
	if len(withdrawn) == 0 && len(attributes) == 0 && len(announced) == 0 {
		u.endOfRIB(route.IPv4Unicast)
		return scratch, nil
	}
	list, reached, unreached, err := splitAttributes(attributes, scratch[:0])
	if err != nil {
		return list, err
	}
	if err := prefixes(withdrawn, route.IPv4Unicast, o, u.withdraw); err != nil {
		return list, err
	}
	if unreached.family != 0 {
		if err := prefixes(unreached.prefixes, unreached.family, o, u.withdraw); err != nil {
			return list, err
		}
		if len(unreached.prefixes) == 0 && len(withdrawn) == 0 && len(announced) == 0 && len(list) == 0 && reached.family == 0 {
			u.endOfRIB(unreached.family)
		}
	}
	if reached.family != 0 {
		if err := u.announced(reached.prefixes, reached.family, o, rawAttributes{list: list, nextHop: reached.nextHop}); err != nil {
			return list, err
		}
	}
	return list, u.announced(announced, route.IPv4Unicast, o, rawAttributes{list: list})
}

func (u *update) announced(list []byte, f route.Family, o options, raw rawAttributes) error {
	if len(list) == 0 {
		return nil
	}
	attributes, err := u.attributes(raw)
	if err != nil {
		return err
	}
	return prefixes(list, f, o, func(id pathKey) { u.announce(id, attributes) })
}

// prefixes reads a list of them (RFC 4271, section 4.3). gobgp would make four objects of each.
func prefixes(list []byte, f route.Family, o options, each func(pathKey)) error {
	size := 4
	if f == route.IPv6Unicast {
		size = 16
	}
	defaults := 0
	for len(list) > 0 {
		var id pathKey
		if o.addPath.has(f) {
			if len(list) < 4 {
				return errors.New("path ID is cut off")
			}
			id.path, list = binary.BigEndian.Uint32(list), list[4:]
		}
		if len(list) == 0 {
			return errors.New("prefix is cut off")
		}
		bits := int(list[0])
		octets := (bits + 7) / 8
		if octets > size || len(list) < 1+octets {
			return fmt.Errorf("prefix of %d bits does not fit", bits)
		}
		var a [16]byte
		copy(a[:], list[1:1+octets])
		addr := netip.AddrFrom16(a)
		if size == 4 {
			addr = netip.AddrFrom4([4]byte(a[:4]))
		}
		// What stands behind the length is irrelevant (RFC 4271, section 4.3).
		id.prefix, _ = addr.Prefix(bits)
		if !id.prefix.IsValid() {
			return fmt.Errorf("prefix of %d bits does not fit", bits)
		}
		// A path ID that nobody told of looks like default routes.
		if bits == 0 {
			if defaults++; defaults > 1 && !o.addPath.has(f) {
				return errors.New("it seems to have path IDs (ADD-PATH)")
			}
		}
		each(id)
		list = list[1+octets:]
	}
	return nil
}

// splitAttributes takes the attributes with prefixes in them out of the list, whose rest it appends to to.
func splitAttributes(list, to []byte) (rest []byte, reached, unreached reach, err error) {
	for len(list) > 0 {
		kind, value, size, err := attribute(list)
		if err != nil {
			return to, reached, unreached, err
		}
		switch kind {
		case bgp.BGP_ATTR_TYPE_MP_REACH_NLRI:
			if len(value) < 5 || len(value) < 5+int(value[3]) {
				return to, reached, unreached, errors.New("MP_REACH_NLRI is too short")
			}
			end := 4 + int(value[3])
			reached = reach{familyOf(binary.BigEndian.Uint16(value), value[2]), value[4:end], value[end+1:]}
		case bgp.BGP_ATTR_TYPE_MP_UNREACH_NLRI:
			if len(value) < 3 {
				return to, reached, unreached, errors.New("MP_UNREACH_NLRI is too short")
			}
			unreached = reach{family: familyOf(binary.BigEndian.Uint16(value), value[2]), prefixes: value[3:]}
		default:
			to = append(to, list[:size]...)
		}
		list = list[size:]
	}
	return to, reached, unreached, nil
}

// attribute reads the header of the first attribute of a list, which takes size octets of it.
func attribute(list []byte) (kind bgp.BGPAttrType, value []byte, size int, err error) {
	if len(list) < 3 {
		return 0, nil, 0, errors.New("path attribute is cut off")
	}
	begin, length := 3, int(list[2])
	if bgp.BGPAttrFlag(list[0])&bgp.BGP_ATTR_FLAG_EXTENDED_LENGTH != 0 {
		if len(list) < 4 {
			return 0, nil, 0, errors.New("path attribute is cut off")
		}
		begin, length = 4, int(binary.BigEndian.Uint16(list[2:]))
	}
	if len(list) < begin+length {
		return 0, nil, 0, errors.New("path attribute is cut off")
	}
	return bgp.BGPAttrType(list[1]), list[begin : begin+length], begin + length, nil
}

// decodeAttributes reads attributes that were not seen before.
func decodeAttributes(raw rawAttributes, o options) (a *Attributes, err error) {
	defer func() {
		if r := recover(); r != nil {
			a, err = nil, fmt.Errorf("decode path attributes: %v", r)
		}
	}()
	a = &Attributes{}
	var four []byte
	for list := raw.list; len(list) > 0; {
		kind, value, size, err := attribute(list)
		if err != nil {
			return nil, err
		}
		switch kind {
		case bgp.BGP_ATTR_TYPE_AS_PATH:
			// gobgp guesses the size of AS numbers.
			if a.ASPath, a.Sets, err = asPath(value, o.twoOctetAS); err != nil {
				return nil, err
			}
		case bgp.BGP_ATTR_TYPE_AS4_PATH:
			four = value
		default:
			if err := a.decode(list[:size]); err != nil {
				return nil, err
			}
		}
		list = list[size:]
	}
	if o.twoOctetAS && four != nil {
		if err := a.merge(four); err != nil {
			return nil, err
		}
	}
	if raw.nextHop != nil {
		if a.NextHop, a.LinkLocal, err = nextHops(raw.nextHop); err != nil {
			return nil, err
		}
	}
	slices.Sort(a.Others)
	return a, nil
}

// decode reads one attribute.
func (a *Attributes) decode(raw []byte) error {
	attribute, err := bgp.GetPathAttribute(raw)
	if err != nil {
		return err
	}
	if err := attribute.DecodeFromBytes(raw); err != nil {
		return fmt.Errorf("decode path attribute %d: %w", raw[1], err)
	}
	switch v := attribute.(type) {
	case *bgp.PathAttributeOrigin:
		a.Origin = v.Value
	case *bgp.PathAttributeNextHop:
		a.NextHop, _ = netip.AddrFromSlice(v.Value)
		a.NextHop = a.NextHop.Unmap()
	case *bgp.PathAttributeMultiExitDisc:
		a.MED = v.Value
	case *bgp.PathAttributeLocalPref:
		a.LocalPreference = v.Value
	case *bgp.PathAttributeCommunities:
		for _, c := range v.Value {
			a.Communities = append(a.Communities, route.Community(c))
		}
		slices.Sort(a.Communities)
		a.Communities = slices.Compact(a.Communities)
	case *bgp.PathAttributeLargeCommunities:
		for _, c := range v.Values {
			a.LargeCommunities = append(a.LargeCommunities,
				route.LargeCommunity{GlobalAdministrator: c.ASN, LocalData1: c.LocalData1, LocalData2: c.LocalData2})
		}
		slices.SortFunc(a.LargeCommunities, route.LargeCommunity.Compare)
		a.LargeCommunities = slices.Compact(a.LargeCommunities)
	default:
		a.Others = append(a.Others, raw[1])
	}
	return nil
}

// merge puts the numbers of AS4_PATH in the place of the last ones of AS_PATH (RFC 6793, section 4.2.3).
func (a *Attributes) merge(four []byte) error {
	path, sets, err := asPath(four, false)
	if err != nil {
		return err
	}
	if len(path) <= len(a.ASPath) {
		copy(a.ASPath[len(a.ASPath)-len(path):], path)
		a.Sets = a.Sets || sets
	}
	return nil
}

// asPath reads the segments of AS_PATH (RFC 4271, section 4.3, RFC 5065).
func asPath(value []byte, twoOctets bool) (path []route.ASN, sets bool, err error) {
	size := 4
	if twoOctets {
		size = 2
	}
	for len(value) > 0 {
		if len(value) < 2 || len(value) < 2+int(value[1])*size {
			return nil, false, errors.New("AS_PATH is cut off")
		}
		sets = sets || value[0] != bgp.BGP_ASPATH_ATTR_TYPE_SEQ
		end := 2 + int(value[1])*size
		for numbers := value[2:end]; len(numbers) > 0; numbers = numbers[size:] {
			if twoOctets {
				path = append(path, route.ASN(binary.BigEndian.Uint16(numbers)))
			} else {
				path = append(path, route.ASN(binary.BigEndian.Uint32(numbers)))
			}
		}
		value = value[end:]
	}
	return path, sets, nil
}

// nextHops reads those of MP_REACH_NLRI: an IPv4 address, an IPv6 one, for IPv4 routes too (RFC 8950), or two of them.
func nextHops(value []byte) (global, linkLocal netip.Addr, err error) {
	switch len(value) {
	case 4, 16:
		global, _ = netip.AddrFromSlice(value)
	case 32:
		global, linkLocal = netip.AddrFrom16([16]byte(value)), netip.AddrFrom16([16]byte(value[16:]))
	default:
		return global, linkLocal, fmt.Errorf("next hop of %d octets is none", len(value))
	}
	return global, linkLocal, nil
}
