package route

import (
	"net/netip"
	"slices"
)

// RIB is a table of announcements, sorted by prefix, one for each prefix.
type RIB []Announcement

// Announcement is one route as a neighbor receives it.
type Announcement struct {
	Prefix netip.Prefix
	// NextHop is the address that is set for the neighbor; the zero Addr means the session's own address.
	NextHop netip.Addr
	// LocalPreference is 0 on eBGP, where the attribute does not exist (RFC 4271, section 5.1.5).
	LocalPreference  uint32
	MED              uint32
	ASPath           []ASN
	Communities      []Community
	LargeCommunities []LargeCommunity
	From             []Object
}

// defaultLocalPreference is what FRR sends to iBGP neighbors where none is set.
const defaultLocalPreference = 100

// AdjRIBOut is what n should receive of the routes that r originates (RFC 4271, section 3.2), after FRR has prepended
// our AS, or the one that n is shown in its place, and taken our own markers away. What is passed on from other neighbors is
// not in it. The slices in it are shared with r.
func (r Router) AdjRIBOut(n Neighbor) RIB {
	rib := make(RIB, 0, len(r.Routes))
	told := r.tell(n)
	for a, ok := told.next(); ok; a, ok = told.next() {
		rib = append(rib, a)
	}
	return rib
}

// teller gives one announcement of an Adj-RIB-Out after another, by prefix.
type teller struct {
	router   Router
	neighbor Neighbor
	internal bool
	path     []ASN
	at       int
	// communities are those of the route before at, with the router's scope.
	communities []Community
}

func (r Router) tell(n Neighbor) teller {
	t := teller{router: r, neighbor: n, internal: n.RemoteAS.IsInternal(r.ASN)}
	if !t.internal {
		t.path = []ASN{r.ASN}
		if n.LocalAS != 0 {
			t.path[0] = n.LocalAS
		}
	}
	return t
}

func (t *teller) next() (Announcement, bool) {
	for routes, n := t.router.Routes, &t.neighbor; t.at < len(routes); {
		i, route := t.at, &routes[t.at]
		t.at++
		// Most routes have the communities of the one before.
		if i == 0 || !slices.Equal(route.Attributes.Communities, routes[i-1].Attributes.Communities) {
			t.communities = t.router.scoped(route.Attributes.Communities)
		}
		family := FamilyOf(route.Prefix.Addr())
		if !n.Speaks(family) || !slices.Contains(route.To, n.Audience) {
			continue
		}
		a := Announcement{
			Prefix:           route.Prefix,
			NextHop:          n.NextHop.IPv6,
			MED:              route.Attributes.MED,
			ASPath:           t.path,
			Communities:      t.communities,
			LargeCommunities: route.Attributes.LargeCommunities,
			From:             route.From,
		}
		if family == IPv4Unicast {
			a.NextHop = n.NextHop.IPv4
		}
		if t.internal {
			a.LocalPreference = defaultLocalPreference
			if lp := route.Attributes.LocalPreference; lp != 0 {
				a.LocalPreference = lp
			}
		}
		return a, true
	}
	return Announcement{}, false
}

// scoped gives the communities of a route and those that bound how far it goes, sorted.
func (r Router) scoped(communities []Community) []Community {
	if len(r.Scope) == 0 {
		return communities
	}
	all := slices.Concat(communities, r.Scope)
	slices.Sort(all)
	return slices.Compact(all)
}

// ComparePrefixes orders prefixes as FRR lists them: IPv4 before IPv6, then by address, then the shorter first.
func ComparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}
