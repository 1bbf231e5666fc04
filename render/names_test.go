package render

import (
	"crypto/sha256"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/route"
)

var (
	routerID = netip.MustParseAddr("10.0.1.2")
	prefixes = []netip.Prefix{
		netip.MustParsePrefix("10.16.0.1/32"), netip.MustParsePrefix("10.16.0.2/32"), netip.MustParsePrefix("10.16.0.3/32"),
	}
)

// colliding is a hash whose first 32 bits are the same for all.
func colliding(content string) [sha256.Size]byte {
	sum := sha256.Sum256([]byte(content))
	copy(sum[:4], "same")
	return sum
}

func TestNamesAreDistinct(t *testing.T) {
	contents := []string{"a", "b", "c"}
	for _, hash := range []digest{sha, colliding} {
		got := names("FL-", slices.Values(contents), hash)
		slices.Reverse(contents)
		if again := names("FL-", slices.Values(contents), hash); !maps.Equal(got, again) {
			t.Errorf("another order gives other names: %v, %v", got, again)
		}
		distinct := make(map[string]bool)
		for _, name := range got {
			distinct[name] = true
		}
		if len(distinct) != len(contents) {
			t.Errorf("names %v", got)
		}
	}
	if name := names("FL-", slices.Values([]string{"a"}), sha)["a"]; len(name) != len("FL-")+8 {
		t.Errorf("a name that collides with none is %s", name)
	}
}

func TestMarkersAreDistinct(t *testing.T) {
	subjects := []string{"a", "b", "c"}
	got := markers(65000, subjects, colliding)
	slices.Reverse(subjects)
	if again := markers(65000, subjects, colliding); !maps.Equal(got, again) {
		t.Errorf("another order gives other markers: %v, %v", got, again)
	}
	distinct := make(map[route.LargeCommunity]bool)
	for _, m := range got {
		distinct[m] = true
		if m.GlobalAdministrator != 65000 || m.LocalData1 != route.MarkerData {
			t.Errorf("marker %s", m)
		}
	}
	if len(distinct) != len(subjects) {
		t.Errorf("markers %v", got)
	}
}

// Two groups whose hashes collide stay two route-maps.
func TestCollidingGroups(t *testing.T) {
	s := route.Speaker{Routers: []route.Router{{ASN: 65000, RouterID: routerID}}}
	for i := range 3 {
		s.Routers[0].Routes = append(s.Routers[0].Routes, route.Route{
			Prefix:     prefixes[i],
			Attributes: route.Attributes{MED: uint32(i)},
			To:         []route.Audience{route.Everyone},
		})
	}
	doc, err := document(s, colliding)
	if err != nil {
		t.Fatal(err)
	}
	used := make(map[string]bool)
	for _, n := range doc.Routers[0].Families[0].Networks {
		used[n.RouteMap] = true
	}
	if len(doc.Groups) != 3 || len(used) != 3 {
		t.Errorf("groups %v, used %v", doc.Groups, used)
	}
	for _, g := range doc.Groups {
		if !strings.HasPrefix(g.RouteMap, "FL-GROUP-") {
			t.Errorf("name %s", g.RouteMap)
		}
	}
}
