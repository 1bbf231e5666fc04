package prove

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// FRR answers questions about the running FRR. It may be called from any goroutine. An frr.Vtysh is one.
type FRR interface {
	Neighbors(ctx context.Context, view string) ([]frr.Neighbor, error)
	AdvertisedRoutes(ctx context.Context, view string, family route.Family, neighbor frr.Peer) ([]frr.Advertised, error)
	SoftOut(ctx context.Context, view, neighbor string, families []route.Family) error
	Own(ctx context.Context, view string, prefix netip.Prefix) (frr.Originated, bool, error)
}

// Claim is FRR's own word of what it has told n, which Neighbors has just given, as a witness gives it: the whole table.
// prepended is our AS number as n sees it in front of every path, or 0 on iBGP: FRR's book-keeping is without it.
func Claim(ctx context.Context, v FRR, session verify.Session, n frr.Neighbor, prepended route.ASN) (verify.Observation, error) {
	o := verify.Observation{Session: session, Witness: verify.Claim, At: time.Now(), State: verify.Down, Snapshot: true}
	if n.State != frr.Established {
		return o, nil
	}
	o.State = verify.Whole
	var pool verify.Pool
	for _, f := range n.Families {
		if !f.Agreed {
			continue
		}
		routes, err := v.AdvertisedRoutes(ctx, session.Router, f.Family, n.Peer)
		if err != nil {
			return verify.Observation{}, err
		}
		for _, r := range routes {
			o.Changes = append(o.Changes, verify.Change{Prefix: r.Prefix, Attributes: pool.Share(claimed(r, prepended))})
		}
	}
	return o, nil
}

// claimed gives the attributes on the wire, as far as FRR's book-keeping tells.
func claimed(r frr.Advertised, prepended route.ASN) verify.Attributes {
	a := verify.Attributes{
		ASPath: r.ASPath, NextHop: r.NextHop, MED: r.MED, LocalPreference: r.LocalPreference,
		Unseen: verify.FieldsOf(verify.Communities, verify.LargeCommunities),
	}
	if prepended != 0 {
		a.ASPath = fmt.Sprint(prepended)
		if r.ASPath != "" {
			a.ASPath += " " + r.ASPath
		}
		// It is not sent to an eBGP neighbor, whatever FRR keeps.
		a.LocalPreference = 0
	} else if a.LocalPreference == 0 {
		// The default is filled in on the way out.
		a.Unseen |= verify.FieldsOf(verify.LocalPreference)
	}
	if !r.NextHop.IsValid() || r.NextHop.IsUnspecified() {
		a.NextHop = netip.Addr{}
		a.Unseen |= verify.FieldsOf(verify.NextHop)
	}
	switch r.Origin {
	case "IGP":
	case "EGP":
		a.Origin = verify.EGP
	case "incomplete":
		a.Origin = verify.Incomplete
	default:
		a.Unseen |= verify.FieldsOf(verify.OriginField)
	}
	return a
}

// Facts are what FRR says of some routes and of their way to a neighbor, for verify.Why: all but what a witness of the wire must
// say. It is one look at the neighbor, one at each family, and one at each route of which these do not tell all.
func Facts(ctx context.Context, v FRR, session verify.Session, prefixes ...netip.Prefix) ([]verify.Facts, error) {
	neighbors, err := v.Neighbors(ctx, session.Router)
	if err != nil {
		return nil, err
	}
	all := make([]verify.Facts, len(prefixes))
	at := slices.IndexFunc(neighbors, func(n frr.Neighbor) bool { return n.String() == session.Neighbor })
	if at < 0 {
		return all, nil
	}
	n := neighbors[at]
	claimed := map[route.Family]map[netip.Prefix]bool{}
	for i, prefix := range prefixes {
		family, facts := route.FamilyOf(prefix.Addr()), &all[i]
		*facts = verify.Facts{Neighbor: true, AdminDown: n.AdminDown, Established: n.State == frr.Established, Queued: n.Queued}
		for _, f := range n.Families {
			if f.Family == family {
				facts.Family, facts.PolicyMissing, facts.Restarting = f.Agreed, f.PolicyMissing, f.Deferring
			}
		}
		if !facts.Established || !facts.Family || facts.PolicyMissing {
			continue
		}
		if claimed[family] == nil {
			routes, err := v.AdvertisedRoutes(ctx, session.Router, family, n.Peer)
			if err != nil {
				return nil, err
			}
			claimed[family] = map[netip.Prefix]bool{}
			for _, r := range routes {
				claimed[family][r.Prefix] = true
			}
		}
		if claimed[family][prefix] {
			facts.InTable, facts.Selected, facts.Claimed = true, true, true
			continue
		}
		held, is, err := v.Own(ctx, session.Router, prefix)
		if err != nil {
			return nil, err
		}
		facts.InTable, facts.Selected = is, held.Selected
	}
	return all, nil
}
