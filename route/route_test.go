package route

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseASN(t *testing.T) {
	good := map[string]ASN{
		"1": 1, "64512": 64512, "65534": 65534, "65536": 65536, "4200000001": 4200000001, "4294967294": 4294967294,
		"0.1": 1, "1.10": 65546, "64086.59905": 4200000001, "65535.65534": 4294967294,
	}
	for in, want := range good {
		if got, err := ParseASN(in); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", in, got, err, want)
		}
	}
	bad := map[string]string{
		"0": "reserved", "0.0": "reserved", "23456": "reserved", "65535": "reserved", "4294967295": "reserved",
		"4294967296": "not an AS number", "-1": "not an AS number", "": "not an AS number", "AS65000": "not an AS number",
		"1.65536": "not an AS number", "1.": "not an AS number", "1.2.3": "not an AS number", "1e3": "not an AS number",
	}
	for in, want := range bad {
		if got, err := ParseASN(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %d, %v; want an error with %q", in, got, err, want)
		}
	}
}

func FuzzParseASN(f *testing.F) {
	for _, s := range []string{"65000", "1.10", "0", "4294967296", "1.", "+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		asn, err := ParseASN(s)
		if err != nil {
			return
		}
		again, err := ParseASN(fmt.Sprint(asn))
		if err != nil || again != asn {
			t.Errorf("%q is %d, which reads as %d, %v", s, asn, again, err)
		}
	})
}

func TestRemoteAS(t *testing.T) {
	tests := []struct {
		in, text, json string
		internal       bool
	}{
		{"65001", "65001", "65001", false},
		{"65000", "65000", "65000", true},
		{"external", "external", `"external"`, false},
		{"internal", "internal", `"internal"`, true},
	}
	for _, tt := range tests {
		var r RemoteAS
		if err := r.UnmarshalText([]byte(tt.in)); err != nil {
			t.Fatal(err)
		}
		encoded, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var again RemoteAS
		if err := json.Unmarshal(encoded, &again); err != nil || again != r {
			t.Errorf("%s reads as %v, %v", encoded, again, err)
		}
		if r.String() != tt.text || string(encoded) != tt.json || r.IsInternal(65000) != tt.internal || r.IsZero() {
			t.Errorf("%s: %s, %s, internal %t, zero %t", tt.in, r, encoded, r.IsInternal(65000), r.IsZero())
		}
	}
	for _, want := range []RemoteAS{{}, RemoteASN(23456), RemoteASN(65535), RemoteASN(4294967295)} {
		encoded, err := json.Marshal(want)
		again := RemoteASN(1)
		if err != nil || json.Unmarshal(encoded, &again) != nil || again != want {
			t.Errorf("%s reads as %v, %v", encoded, again, err)
		}
	}
	kept := RemoteASN(65001)
	if err := json.Unmarshal([]byte("null"), &kept); err != nil || kept != RemoteASN(65001) {
		t.Errorf("null reads as %v, %v", kept, err)
	}
	for _, text := range []string{"-1", "1.5", "4294967296", "true", `"0"`, `"any"`, "{}"} {
		if err := json.Unmarshal([]byte(text), &kept); err == nil {
			t.Errorf("%s reads as %v", text, kept)
		}
	}
	var zero RemoteAS
	if !zero.IsZero() || zero.UnmarshalText([]byte("any")) == nil {
		t.Error("the zero value is set, or any is a remote AS")
	}
}

// A secret shows itself nowhere that formats or encodes it.
func TestSecretIsNeverPrinted(t *testing.T) {
	const text = "hunter2"
	n := Neighbor{Password: text}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s"} {
		fmt.Fprintf(&shown, verb+verb+verb, Secret(text), n, []Secret{text})
	}
	encoded, err := json.Marshal([]any{n, Secret(text)})
	if err != nil {
		t.Fatal(err)
	}
	shown.Write(encoded)
	for _, leak := range []string{text, "68756e74657232", "68756E74657232", "[104 117"} {
		if strings.Contains(shown.String(), leak) {
			t.Errorf("%q is shown in %s", leak, shown.String())
		}
	}
	if Secret(text).Reveal() != text || Secret("").String() != "" || !strings.Contains(shown.String(), mask) {
		t.Error("Reveal, or what stands for a secret, is wrong")
	}
}

func TestRedacted(t *testing.T) {
	s := Speaker{Routers: []Router{{Neighbors: []Neighbor{{Password: "hunter2"}, {}}}}}
	r := s.Redacted().Routers[0].Neighbors
	if r[0].Password.Reveal() != mask || r[1].Password != "" || s.Routers[0].Neighbors[0].Password.Reveal() != "hunter2" {
		t.Errorf("redacted %q, %q; the original %q", r[0].Password.Reveal(), r[1].Password.Reveal(), s.Routers[0].Neighbors[0].Password.Reveal())
	}
}

func TestAdjRIBOut(t *testing.T) {
	pod := []Object{{Kind: "Pod", Namespace: "default", Name: "a"}}
	r := Router{ASN: 65000, Routes: []Route{
		{Prefix: netip.MustParsePrefix("10.0.0.1/32"), To: []Audience{Everyone}, From: pod},
		{Prefix: netip.MustParsePrefix("10.0.0.2/32"), To: []Audience{"others"}},
		{Prefix: netip.MustParsePrefix("10.0.0.3/32"), To: []Audience{Everyone, "others"}, Attributes: Attributes{
			LocalPreference: 200, MED: 5, Communities: []Community{65000<<16 | 7}, LargeCommunities: []LargeCommunity{{1, 2, 3}},
		}},
		{Prefix: netip.MustParsePrefix("10.0.0.4/32")},
		{Prefix: netip.MustParsePrefix("fd00::1/128"), To: []Audience{Everyone}},
	}}
	external := Neighbor{RemoteAS: RemoteASN(65001), Families: []Family{IPv4Unicast}, Audience: Everyone}
	internal := Neighbor{RemoteAS: Internal, Families: []Family{IPv4Unicast, IPv6Unicast}, Audience: Everyone}
	first := Announcement{Prefix: netip.MustParsePrefix("10.0.0.1/32"), From: pod}
	third := Announcement{
		Prefix: netip.MustParsePrefix("10.0.0.3/32"), MED: 5,
		Communities: []Community{65000<<16 | 7}, LargeCommunities: []LargeCommunity{{1, 2, 3}},
	}
	with := func(a Announcement, path []ASN, localPreference uint32) Announcement {
		a.ASPath, a.LocalPreference = path, localPreference
		return a
	}
	via := func(a Announcement, nextHop string) Announcement {
		a.NextHop = netip.MustParseAddr(nextHop)
		return a
	}
	tests := []struct {
		name     string
		neighbor Neighbor
		want     RIB
	}{
		{"eBGP has our AS and no local preference", external, RIB{with(first, []ASN{65000}, 0), with(third, []ASN{65000}, 0)}},
		{"iBGP has a local preference and no AS", internal, RIB{
			with(first, nil, 100), with(third, nil, 200),
			with(Announcement{Prefix: netip.MustParsePrefix("fd00::1/128")}, nil, 100),
		}},
		{"with another AS and next hops", Neighbor{
			RemoteAS: RemoteASN(65001), LocalAS: 65099, Families: []Family{IPv4Unicast, IPv6Unicast}, Audience: Everyone,
			NextHop: NextHop{IPv4: netip.MustParseAddr("192.0.2.9"), IPv6: netip.MustParseAddr("2001:db8::9")},
		}, RIB{
			with(via(first, "192.0.2.9"), []ASN{65099}, 0), with(via(third, "192.0.2.9"), []ASN{65099}, 0),
			with(via(Announcement{Prefix: netip.MustParsePrefix("fd00::1/128")}, "2001:db8::9"), []ASN{65099}, 0),
		}},
		{"of no audience", Neighbor{RemoteAS: External, Families: []Family{IPv4Unicast}, Audience: "nobody"}, RIB{}},
		{"of no family", Neighbor{RemoteAS: External, Audience: Everyone}, RIB{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, r.AdjRIBOut(tt.neighbor), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
				t.Errorf("Adj-RIB-Out (-want +got):\n%s", diff)
			}
		})
	}
}

// What bounds how far a route goes stands among its communities; the routes themselves stay as they are.
func TestAdjRIBOutWithScope(t *testing.T) {
	const noExport, noAdvertise, localAS = Community(0xffffff01), Community(0xffffff02), Community(0xffffff03)
	own := []Community{65000<<16 | 7, 0xffffff04}
	everyone := []Audience{Everyone}
	r := Router{ASN: 65000, Scope: []Community{noExport, localAS}, Routes: []Route{
		{Prefix: netip.MustParsePrefix("10.0.0.1/32"), To: everyone},
		{Prefix: netip.MustParsePrefix("10.0.0.2/32"), To: everyone, Attributes: Attributes{Communities: own}},
		{Prefix: netip.MustParsePrefix("10.0.0.3/32"), Attributes: Attributes{Communities: []Community{1}}},
		{Prefix: netip.MustParsePrefix("10.0.0.4/32"), To: everyone, Attributes: Attributes{Communities: own}},
	}}
	var got [][]Community
	for _, a := range r.AdjRIBOut(Neighbor{RemoteAS: External, Families: []Family{IPv4Unicast}, Audience: Everyone}) {
		got = append(got, a.Communities)
	}
	both := []Community{65000<<16 | 7, noExport, localAS, 0xffffff04}
	if diff := cmp.Diff([][]Community{{noExport, localAS}, both, both}, got); diff != "" {
		t.Errorf("communities (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Community{65000<<16 | 7, 0xffffff04}, own); diff != "" {
		t.Errorf("the route's own (-want +got):\n%s", diff)
	}
	for c, want := range map[Community]bool{noExport: true, noAdvertise: true, localAS: true, 0xffffff04: false, 0xffffff00: false, 0xffff029a: false} {
		if c.Scope() != want {
			t.Errorf("%s bounds how far a route goes: %t, want %t", c, c.Scope(), want)
		}
	}
}

func TestComparePrefixes(t *testing.T) {
	sorted := []string{"10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/32", "10.0.0.1/32", "192.0.2.0/24", "::/1", "2001:db8::/32", "2001:db8::/64"}
	var prefixes []netip.Prefix
	for _, s := range []int{7, 3, 5, 0, 6, 2, 4, 1} {
		prefixes = append(prefixes, netip.MustParsePrefix(sorted[s]))
	}
	slices.SortFunc(prefixes, ComparePrefixes)
	for i, p := range prefixes {
		if p.String() != sorted[i] {
			t.Errorf("place %d has %s, want %s", i, p, sorted[i])
		}
	}
}

func TestCompareLargeCommunities(t *testing.T) {
	sorted := []LargeCommunity{{1, 2, 3}, {1, 2, 4294967295}, {1, 3, 0}, {2, 0, 0}, {4294967295, 0, 0}}
	for i, a := range sorted {
		for k, b := range sorted {
			if got := a.Compare(b); got < 0 != (i < k) || got > 0 != (i > k) {
				t.Errorf("%s compared with %s is %d", a, b, got)
			}
		}
	}
}

func TestTexts(t *testing.T) {
	for got, want := range map[string]string{
		Object{Kind: "Pod", Namespace: "default", Name: "a"}.String():                "Pod default/a",
		Object{Kind: "Pod", Namespace: "a", Name: "b\x1b[2J\n"}.String():             `Pod "a/b\x1b[2J\n"`,
		Object{Kind: "Subnet", Name: "s"}.String():                                   "Subnet s",
		Community(65000<<16 | 100).String():                                          "65000:100",
		LargeCommunity{4200000001, 1, 2}.String():                                    "4200000001:1:2",
		IPv4Unicast.String() + " " + IPv6Unicast.String() + " " + Family(9).String(): "ipv4-unicast ipv6-unicast family 9",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, o := range []Object{
		{Kind: "Pod", Namespace: "default", Name: "a"}, {Kind: "Subnet", Name: "s"}, {Kind: "Pod", Namespace: "a", Name: "b\x1b[2J\n"},
	} {
		var again Object
		if err := again.UnmarshalText([]byte(o.String())); err != nil || again != o {
			t.Errorf("%s reads as %#v, %v", o, again, err)
		}
	}
	var o Object
	if err := o.UnmarshalText([]byte("Pod")); err == nil {
		t.Errorf("Pod reads as %#v", o)
	}
	for in, want := range map[string]Family{"ipv4": IPv4Unicast, "ipv4-unicast": IPv4Unicast, "ipv6": IPv6Unicast, "ipv6-unicast": IPv6Unicast} {
		var f Family
		if err := f.UnmarshalText([]byte(in)); err != nil || f != want {
			t.Errorf("%s: %s, %v", in, f, err)
		}
	}
	var f Family
	if err := f.UnmarshalText([]byte("vpnv4")); err == nil || !strings.Contains(err.Error(), "write ipv4-unicast") {
		t.Errorf("vpnv4: %v", err)
	}
}
