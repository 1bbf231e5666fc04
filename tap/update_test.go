package tap

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/fairlead/fairlead/route"
)

// record is what an UPDATE said, in its order.
type record struct {
	Announced map[string]*Attributes
	Withdrawn []string
	EndOfRIB  []route.Family
}

func decodeUpdate(t *testing.T, body []byte, o options) (record, error) {
	t.Helper()
	r := record{Announced: map[string]*Attributes{}}
	table := newTable()
	name := func(id pathKey) string { return fmt.Sprintf("%s path %d", id.prefix, id.path) }
	u := update{
		attributes: func(raw rawAttributes) (*shared, error) { return table.intern(raw, o) },
		announce:   func(id pathKey, a *shared) { r.Announced[name(id)] = &a.Attributes },
		withdraw:   func(id pathKey) { r.Withdrawn = append(r.Withdrawn, name(id)) },
		endOfRIB:   func(f route.Family) { r.EndOfRIB = append(r.EndOfRIB, f) },
	}
	_, err := u.decode(body, o, nil)
	return r, err
}

func body(t *testing.T, m *bgp.BGPMessage, options ...*bgp.MarshallingOption) []byte {
	t.Helper()
	raw, err := m.Body.Serialize(options...)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

var compareAddresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestDecodeUpdate(t *testing.T) {
	attributes := []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(2),
		bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65000, 4200000001})}),
		bgp.NewPathAttributeNextHop("10.0.1.1"),
		bgp.NewPathAttributeMultiExitDisc(50),
		bgp.NewPathAttributeLocalPref(200),
		bgp.NewPathAttributeAtomicAggregate(),
		bgp.NewPathAttributeCommunities([]uint32{65000<<16 | 9, 65000<<16 | 1, 65000<<16 | 9}),
		bgp.NewPathAttributeLargeCommunities([]*bgp.LargeCommunity{{ASN: 65000, LocalData1: 2, LocalData2: 1}, {ASN: 65000, LocalData1: 1, LocalData2: 2}}),
		bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 1, 2, true)}),
	}
	want := Attributes{
		Origin: 2, ASPath: []route.ASN{65000, 4200000001}, NextHop: netip.MustParseAddr("10.0.1.1"), MED: 50, LocalPreference: 200,
		Communities:      []route.Community{65000<<16 | 1, 65000<<16 | 9},
		LargeCommunities: []route.LargeCommunity{{GlobalAdministrator: 65000, LocalData1: 1, LocalData2: 2}, {GlobalAdministrator: 65000, LocalData1: 2, LocalData2: 1}},
		Others:           []uint8{6, 16},
	}
	via := func(global, linkLocal string) *Attributes {
		a := want
		a.NextHop = netip.MustParseAddr(global)
		if linkLocal != "" {
			a.LinkLocal = netip.MustParseAddr(linkLocal)
		}
		return &a
	}
	four := []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(32, "10.16.0.5"), bgp.NewIPAddrPrefix(0, "0.0.0.0"), bgp.NewIPAddrPrefix(17, "10.17.128.0")}
	six := []bgp.AddrPrefixInterface{bgp.NewIPv6AddrPrefix(128, "fd10::5"), bgp.NewIPv6AddrPrefix(0, "::")}
	// Of several attributes that carry prefixes gobgp writes what it is given.
	mp := func(reach bgp.PathAttributeInterface) []bgp.PathAttributeInterface {
		return append([]bgp.PathAttributeInterface{reach}, attributes...)
	}
	reach6 := bgp.NewPathAttributeMpReachNLRI("fd01::1", six)
	both := bgp.NewPathAttributeMpReachNLRI("fd01::1", six)
	both.LinkLocalNexthop = netip.MustParseAddr("fe80::1").AsSlice()
	overIPv6 := bgp.NewPathAttributeMpReachNLRI("fd01::1", []bgp.AddrPrefixInterface{four[0]})
	withPath := func(p *bgp.IPAddrPrefix, id uint32) *bgp.IPAddrPrefix {
		c := bgp.NewIPAddrPrefix(p.Length, p.Prefix.String())
		c.SetPathLocalIdentifier(id)
		return c
	}
	send := &bgp.MarshallingOption{AddPath: map[bgp.RouteFamily]bgp.BGPAddPathMode{bgp.RF_IPv4_UC: bgp.BGP_ADD_PATH_SEND}}
	paths := usual()
	paths.addPath = 1 << route.IPv4Unicast
	narrow := usual()
	narrow.twoOctetAS = true

	for _, tt := range []struct {
		name    string
		body    []byte
		options options
		want    record
		err     bool
	}{
		{
			name: "IPv4", body: body(t, bgp.NewBGPUpdateMessage(four[:1], attributes, four[1:])),
			want: record{Announced: map[string]*Attributes{"0.0.0.0/0 path 0": &want, "10.17.128.0/17 path 0": &want}, Withdrawn: []string{"10.16.0.5/32 path 0"}},
		},
		{
			name: "IPv6", body: body(t, bgp.NewBGPUpdateMessage(nil, mp(reach6), nil)),
			want: record{Announced: map[string]*Attributes{"fd10::5/128 path 0": via("fd01::1", ""), "::/0 path 0": via("fd01::1", "")}},
		},
		{
			name: "IPv6, two next hops, and IPv4 beside it", body: body(t, bgp.NewBGPUpdateMessage(nil, mp(both), four[:1])),
			want: record{Announced: map[string]*Attributes{
				"fd10::5/128 path 0": via("fd01::1", "fe80::1"), "::/0 path 0": via("fd01::1", "fe80::1"), "10.16.0.5/32 path 0": &want,
			}},
		},
		{
			name: "IPv4 over IPv6", body: body(t, bgp.NewBGPUpdateMessage(nil, mp(overIPv6), nil)),
			want: record{Announced: map[string]*Attributes{"10.16.0.5/32 path 0": via("fd01::1", "")}},
		},
		{
			name: "ADD-PATH", options: paths,
			body: body(t, bgp.NewBGPUpdateMessage([]*bgp.IPAddrPrefix{withPath(four[2], 7)}, attributes, []*bgp.IPAddrPrefix{withPath(four[0], 1), withPath(four[0], 2)}), send),
			want: record{
				Announced: map[string]*Attributes{"10.16.0.5/32 path 1": &want, "10.16.0.5/32 path 2": &want},
				Withdrawn: []string{"10.17.128.0/17 path 7"},
			},
		},
		{
			name: "ADD-PATH that nobody told of", err: true,
			body: body(t, bgp.NewBGPUpdateMessage(nil, attributes, []*bgp.IPAddrPrefix{withPath(four[0], 1)}), send),
		},
		{
			name: "two-octet AS numbers", options: narrow,
			body: body(t, bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
				bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{
					bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{65000, 23456}),
					bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SET, []uint16{65003, 65004}),
				}),
				bgp.NewPathAttributeAs4Path([]*bgp.As4PathParam{
					bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{4200000001}), bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SET, []uint32{65003, 65004}),
				}),
			}, four[:1])),
			want: record{Announced: map[string]*Attributes{"10.16.0.5/32 path 0": {ASPath: []route.ASN{65000, 4200000001, 65003, 65004}, Sets: true}}},
		},
		{
			name: "two-octet AS numbers that nobody told of", err: true,
			body: body(t, bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
				bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{65000})}),
			}, four[:1])),
		},
		{
			name: "IPv6 withdrawn", body: body(t, bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI(six)}, nil)),
			want: record{Withdrawn: []string{"fd10::5/128 path 0", "::/0 path 0"}},
		},
		{name: "End-of-RIB", body: body(t, bgp.NewEndOfRib(bgp.RF_IPv4_UC)), want: record{EndOfRIB: []route.Family{route.IPv4Unicast}}},
		{name: "End-of-RIB, IPv6", body: body(t, bgp.NewEndOfRib(bgp.RF_IPv6_UC)), want: record{EndOfRIB: []route.Family{route.IPv6Unicast}}},
		{
			name: "a family that is not followed",
			body: body(t, bgp.NewBGPUpdateMessage(nil, mp(bgp.NewPathAttributeMpReachNLRI("10.0.1.1",
				[]bgp.AddrPrefixInterface{bgp.NewLabeledIPAddrPrefix(24, "10.0.0.0", *bgp.NewMPLSLabelStack(16))})), nil)),
		},
		{name: "a prefix of 33 bits", body: []byte{0, 6, 33, 10, 0, 0, 0, 0, 0, 0}, err: true},
		{name: "a prefix that is cut off", body: []byte{0, 3, 32, 10, 0, 0, 0}, err: true},
		{name: "an attribute that is cut off", body: []byte{0, 0, 0, 4, 0x40, 1, 9, 0}, err: true},
		{name: "an attribute of a wrong length", body: []byte{0, 0, 0, 5, 0x40, 3, 2, 10, 0, 8, 10}, err: true},
		{name: "fields longer than the message", body: []byte{0, 9, 0, 0}, err: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := tt.options
			if o == (options{}) {
				o = usual()
			}
			got, err := decodeUpdate(t, tt.body, o)
			if (err != nil) != tt.err {
				t.Fatalf("error %v", err)
			}
			if tt.err {
				return
			}
			if tt.want.Announced == nil {
				tt.want.Announced = map[string]*Attributes{}
			}
			if diff := cmp.Diff(tt.want, got, compareAddresses); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNegotiate(t *testing.T) {
	four := bgp.NewCapFourOctetASNumber(65000)
	mp4, mp6 := bgp.NewCapMultiProtocol(bgp.RF_IPv4_UC), bgp.NewCapMultiProtocol(bgp.RF_IPv6_UC)
	restart := bgp.NewCapGracefulRestart(false, false, 120, nil)
	paths := func(mode bgp.BGPAddPathMode) bgp.ParameterCapabilityInterface {
		return bgp.NewCapAddPath([]*bgp.CapAddPathTuple{bgp.NewCapAddPathTuple(bgp.RF_IPv6_UC, mode)})
	}
	const ipv4, ipv6 = 1 << route.IPv4Unicast, 1 << route.IPv6Unicast
	for _, tt := range []struct {
		name         string
		ours, theirs []bgp.ParameterCapabilityInterface
		want         options
	}{
		{name: "nothing", want: options{twoOctetAS: true, families: ipv4}},
		{name: "FRR's own", ours: []bgp.ParameterCapabilityInterface{four, mp4, mp6, restart}, theirs: []bgp.ParameterCapabilityInterface{four, mp4, mp6, restart}, want: options{families: ipv4 | ipv6, endOfRIB: ipv4 | ipv6}},
		{name: "no IPv4 here, no restart there", ours: []bgp.ParameterCapabilityInterface{four, mp6, restart}, theirs: []bgp.ParameterCapabilityInterface{four, mp4, mp6}, want: options{families: ipv6}},
		{name: "an old neighbor", ours: []bgp.ParameterCapabilityInterface{four, mp4}, theirs: []bgp.ParameterCapabilityInterface{mp4}, want: options{twoOctetAS: true, families: ipv4}},
		{name: "we send paths", ours: []bgp.ParameterCapabilityInterface{four, mp6, paths(bgp.BGP_ADD_PATH_BOTH)}, theirs: []bgp.ParameterCapabilityInterface{four, mp6, paths(bgp.BGP_ADD_PATH_RECEIVE)}, want: options{families: ipv6, addPath: ipv6}},
		{name: "we only receive them", ours: []bgp.ParameterCapabilityInterface{four, mp6, paths(bgp.BGP_ADD_PATH_RECEIVE)}, theirs: []bgp.ParameterCapabilityInterface{four, mp6, paths(bgp.BGP_ADD_PATH_BOTH)}, want: options{families: ipv6}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := negotiate(open(t, tt.ours...)[headerLength:], open(t, tt.theirs...)[headerLength:])
			if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	if _, err := negotiate([]byte{4}, []byte{4}); err == nil {
		t.Error("no error for an OPEN that is cut off")
	}
}

// open is an OPEN, with its header.
func open(t *testing.T, capabilities ...bgp.ParameterCapabilityInterface) []byte {
	t.Helper()
	var parameters []bgp.OptionParameterInterface
	if len(capabilities) > 0 {
		parameters = append(parameters, bgp.NewOptionParameterCapability(capabilities))
	}
	raw, err := bgp.NewBGPOpenMessage(65000, 90, "10.0.1.1", parameters).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// TestAttributesAreShared shows what a table costs: attributes are kept once, and no longer than a route has them.
func TestAttributesAreShared(t *testing.T) {
	table := newTable()
	update := func(i int, med uint32) {
		list := binary.BigEndian.AppendUint32([]byte{0x80, 4, 4}, med)
		a, err := table.intern(rawAttributes{list: list}, usual())
		if err != nil {
			t.Fatal(err)
		}
		table.announce(prefixKey(i), a, time.Unix(1, 0), 0)
	}
	for i := range 1000 {
		update(i, uint32(i%3))
	}
	if len(table.interned) != 3 {
		t.Errorf("%d attributes, want 3", len(table.interned))
	}
	for med := range uint32(1000) {
		update(0, 10+med)
	}
	if len(table.interned) != 4 {
		t.Errorf("%d attributes after a churn of one route, want 4", len(table.interned))
	}
	for i := range 1000 {
		table.withdraw(prefixKey(i), time.Unix(2, 0))
	}
	if len(table.interned) != 0 || len(table.routes) != 0 {
		t.Errorf("%d attributes of %d routes, want none", len(table.interned), len(table.routes))
	}
}

func prefixKey(i int) pathKey {
	return pathKey{prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)}
}

// TestChanges shows that one changed route is one change, and that nothing is told twice.
func TestChanges(t *testing.T) {
	table := newTable()
	a, err := table.intern(rawAttributes{list: []byte{0x40, 1, 1, 0}}, usual())
	if err != nil {
		t.Fatal(err)
	}
	b, err := table.intern(rawAttributes{list: []byte{0x40, 1, 1, 2}}, usual())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		table.announce(prefixKey(i), a, time.Unix(1, 0), 0)
	}
	if list, whole := table.changes(); !whole || len(list) != 10_000 {
		t.Fatalf("first %d routes, whole %v", len(list), whole)
	}
	table.announce(prefixKey(5), a, time.Unix(2, 0), 1)
	table.announce(prefixKey(6), b, time.Unix(3, 0), 1)
	table.withdraw(prefixKey(7), time.Unix(4, 0))
	table.withdraw(prefixKey(7), time.Unix(5, 0))
	list, whole := table.changes()
	slices.SortFunc(list, func(a, b Route) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	want := []Route{
		{Prefix: prefixKey(6).prefix, Attributes: &Attributes{Origin: 2}, Sent: time.Unix(3, 0)},
		{Prefix: prefixKey(7).prefix, Sent: time.Unix(4, 0)},
	}
	if diff := cmp.Diff(want, list, compareAddresses, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || whole {
		t.Errorf("whole %v: %s", whole, diff)
	}
	if list, whole := table.changes(); len(list) > 0 || whole {
		t.Errorf("told again: %v", list)
	}
	for i := range 9000 {
		table.announce(prefixKey(i), b, time.Unix(6, 0), 1)
	}
	if list, whole := table.changes(); !whole || len(list) != 10_000 {
		t.Errorf("most have changed, but %d routes, whole %v", len(list), whole)
	}
}
