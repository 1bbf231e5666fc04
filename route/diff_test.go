package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestDiff(t *testing.T) {
	announce := func(prefix string, edits ...func(*Announcement)) Announcement {
		a := Announcement{Prefix: netip.MustParsePrefix(prefix), ASPath: []ASN{65000}, Communities: []Community{1}}
		for _, edit := range edits {
			edit(&a)
		}
		return a
	}
	before := RIB{announce("10.0.0.0/24"), announce("10.0.1.0/24"), announce("10.0.2.0/24"), announce("2001:db8::/64")}
	edits := map[string]func(*Announcement){
		"next hop":          func(a *Announcement) { a.NextHop = netip.MustParseAddr("192.0.2.1") },
		"local preference":  func(a *Announcement) { a.LocalPreference = 7 },
		"MED":               func(a *Announcement) { a.MED = 7 },
		"AS path":           func(a *Announcement) { a.ASPath = nil },
		"communities":       func(a *Announcement) { a.Communities = []Community{2} },
		"large communities": func(a *Announcement) { a.LargeCommunities = []LargeCommunity{{}} },
	}
	for name, edit := range edits {
		after := slices.Clone(before)
		after[1] = announce("10.0.1.0/24", edit)
		if got := describe(Diff(before, after)); !slices.Equal(got, []string{"change 10.0.1.0/24"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
	from := slices.Clone(before)
	from[0].From = []Object{{Kind: "Pod"}}
	if got := Diff(before, from); got != nil {
		t.Errorf("another origin: %q", describe(got))
	}
}

// TestDiffApplies: what Diff gives turns the one table into the other, and has nothing that need not be done.
func TestDiffApplies(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	table := func() RIB {
		var rib RIB
		for i := range 20 {
			if random.IntN(2) == 0 {
				rib = append(rib, Announcement{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 32), MED: random.Uint32N(2)})
			}
		}
		return rib
	}
	for range 200 {
		before, after := table(), table()
		rib := map[netip.Prefix]uint32{}
		for _, a := range before {
			rib[a.Prefix] = a.MED
		}
		var last netip.Prefix
		for _, c := range Diff(before, after) {
			var prefix netip.Prefix
			if c.New == nil {
				prefix = c.Old.Prefix
				if rib[prefix] != c.Old.MED {
					t.Fatalf("%s is removed as what it is not", prefix)
				}
				delete(rib, prefix)
			} else {
				prefix = c.New.Prefix
				if med, ok := rib[prefix]; ok != (c.Old != nil) || ok && med == c.New.MED {
					t.Fatalf("%s is changed needlessly, or added over another", prefix)
				}
				rib[prefix] = c.New.MED
			}
			if last.IsValid() && ComparePrefixes(last, prefix) >= 0 {
				t.Fatalf("%s comes after %s", prefix, last)
			}
			last = prefix
		}
		want := map[netip.Prefix]uint32{}
		for _, a := range after {
			want[a.Prefix] = a.MED
		}
		if diff := cmp.Diff(want, rib, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Fatalf("(-want +got)\n%s", diff)
		}
	}
}

// TestDiffAdjRIBOut: what changes for a neighbor is what differs between the tables that it should have, whatever changed.
func TestDiffAdjRIBOut(t *testing.T) {
	router := Router{ASN: 65000, Scope: []Community{7}, Routes: []Route{
		{Prefix: netip.MustParsePrefix("10.0.0.0/24"), To: []Audience{"a", "b"}},
		{Prefix: netip.MustParsePrefix("10.0.1.0/24"), To: []Audience{"a"}, Attributes: Attributes{MED: 3, LocalPreference: 9}},
		{Prefix: netip.MustParsePrefix("2001:db8::/64"), To: []Audience{"b"}, Attributes: Attributes{Communities: []Community{1}}},
	}}
	fewer := router
	fewer.Routes = router.Routes[1:]
	unscoped := router
	unscoped.Scope = nil
	neighbor := Neighbor{RemoteAS: RemoteASN(65001), Families: []Family{IPv4Unicast, IPv6Unicast}, Audience: "a"}
	other := neighbor
	other.Audience, other.NextHop.IPv4 = "b", netip.MustParseAddr("192.0.2.9")
	internal := neighbor
	internal.RemoteAS = RemoteASN(65000)
	routers, neighbors := []Router{{}, router, fewer, unscoped}, []Neighbor{neighbor, other, internal}
	for _, before := range routers {
		for _, after := range routers {
			for _, then := range neighbors {
				for _, now := range neighbors {
					want := Diff(before.AdjRIBOut(then), after.AdjRIBOut(now))
					got := DiffAdjRIBOut(before, then, after, now)
					if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
						t.Errorf("from %v to %v (-want +got)\n%s", then, now, diff)
					}
				}
			}
		}
	}
	if got := describe(DiffAdjRIBOut(router, neighbor, fewer, neighbor)); !slices.Equal(got, []string{"remove 10.0.0.0/24"}) {
		t.Errorf("one route less: %q", got)
	}
}

func describe(changes []Change) []string {
	var lines []string
	for _, c := range changes {
		switch {
		case c.Old == nil:
			lines = append(lines, fmt.Sprintf("add %s", c.New.Prefix))
		case c.New == nil:
			lines = append(lines, fmt.Sprintf("remove %s", c.Old.Prefix))
		default:
			lines = append(lines, fmt.Sprintf("change %s", c.New.Prefix))
		}
	}
	return lines
}
