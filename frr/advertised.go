package frr

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/fairlead/fairlead/route"
)

// Advertised is a route that FRR says it has announced to a neighbor: its own book-keeping, from before the wire. So the
// AS path is without our AS, communities are not told, and the next hop is the unspecified address where the session's
// own one is sent.
type Advertised struct {
	Prefix netip.Prefix
	// NextHop is the global one for IPv6; the zero Addr where FRR names none.
	NextHop netip.Addr
	// MED and LocalPreference are 0 where FRR names none.
	MED, LocalPreference uint32
	// ASPath is as FRR writes it, "65001 {65002,65003}"; "" for our own routes.
	ASPath string
	// Origin is "IGP", "EGP" or "incomplete".
	Origin string
}

// AdvertisedRoutes asks what a neighbor of one BGP instance was told: "" is the default one, any other name that of a view.
// A neighbor that FRR does not know is an error; one whose session is down was told nothing.
//
// Once it has begun it goes on when ctx ends, for v.Timeout at most: where vtysh is killed while it is told a long table, bgpd of
// FRR 10.3 writes to what it has closed, and crashes.
func (v Vtysh) AdvertisedRoutes(ctx context.Context, view string, family route.Family, neighbor Peer) ([]Advertised, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("ask for routes advertised to %s: %w", neighbor, err)
	}
	out, err := v.Show(context.WithoutCancel(ctx), showBGP(view)+" "+words(family)+" neighbors "+neighbor.String()+" advertised-routes json")
	if err != nil {
		return nil, err
	}
	routes, err := ParseAdvertised(out)
	if err != nil {
		return nil, fmt.Errorf("read routes advertised to %s: %w", neighbor, err)
	}
	return routes, nil
}

// ParseAdvertised reads what "show bgp ... advertised-routes json" prints, sorted by prefix.
func ParseAdvertised(data []byte) ([]Advertised, error) {
	var doc struct {
		Routes map[string]struct {
			NextHop       jsonAddr `json:"nextHop"`
			NextHopGlobal jsonAddr `json:"nextHopGlobal"`
			MED           uint32   `json:"metric"`
			LocalPref     uint32   `json:"locPrf"`
			Path          string   `json:"path"`
			Origin        string   `json:"origin"`
			OriginCode    string   `json:"bgpOriginCode"`
		} `json:"advertisedRoutes"`
	}
	if err := unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("parse advertised routes: %w", err)
	}
	routes := make([]Advertised, 0, len(doc.Routes))
	for text, r := range doc.Routes {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("parse advertised routes: %w", err)
		}
		a := Advertised{
			Prefix: prefix, NextHop: r.NextHop.Addr, MED: r.MED, LocalPreference: r.LocalPref, ASPath: r.Path, Origin: r.Origin,
		}
		if r.NextHopGlobal.IsValid() {
			a.NextHop = r.NextHopGlobal.Addr
		}
		if a.Origin == "" {
			a.Origin = originOf(r.OriginCode)
		}
		routes = append(routes, a)
	}
	slices.SortFunc(routes, func(a, b Advertised) int { return route.ComparePrefixes(a.Prefix, b.Prefix) })
	return routes, nil
}

// originOf spells out the one letter that 8.4 has in the place of 10.x's word.
func originOf(code string) string {
	switch code {
	case "i":
		return "IGP"
	case "e":
		return "EGP"
	case "?":
		return "incomplete"
	default:
		return code
	}
}
