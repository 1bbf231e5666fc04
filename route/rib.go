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
	internal := n.RemoteAS.IsInternal(r.ASN)
	var path []ASN
	if !internal {
		path = []ASN{r.ASN}
		if n.LocalAS != 0 {
			path[0] = n.LocalAS
		}
	}
	rib := make(RIB, 0, len(r.Routes))
	for _, route := range r.Routes {
		if !n.Speaks(FamilyOf(route.Prefix.Addr())) || !slices.Contains(route.To, n.Audience) {
			continue
		}
		a := Announcement{
			Prefix:           route.Prefix,
			NextHop:          n.NextHop.IPv6,
			MED:              route.Attributes.MED,
			ASPath:           path,
			Communities:      route.Attributes.Communities,
			LargeCommunities: route.Attributes.LargeCommunities,
			From:             route.From,
		}
		if FamilyOf(route.Prefix.Addr()) == IPv4Unicast {
			a.NextHop = n.NextHop.IPv4
		}
		if internal {
			a.LocalPreference = defaultLocalPreference
			if lp := route.Attributes.LocalPreference; lp != 0 {
				a.LocalPreference = lp
			}
		}
		rib = append(rib, a)
	}
	return rib
}

// ComparePrefixes orders prefixes as FRR lists them: IPv4 before IPv6, then by address, then the shorter first.
func ComparePrefixes(a, b netip.Prefix) int {
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return a.Bits() - b.Bits()
}
