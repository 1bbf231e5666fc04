package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// Path is one way to a prefix, as the router knows it.
type Path struct {
	// From is the neighbor it came from; the zero Addr for the router's own routes.
	From netip.Addr
	// NextHop is the one in use, of several (IPv6 has a global and a link-local one).
	NextHop netip.Addr
	// ASPath is the AS path as FRR writes it: "65000 65001"; "" for a route of the router's own AS.
	ASPath string
	// Origin is "IGP", "EGP" or "incomplete".
	Origin string
	// MED and LocalPreference are 0 where FRR names none.
	MED, LocalPreference uint32
	// Communities and LargeCommunities are as FRR writes them: "65000:1", "no-export".
	Communities, LargeCommunities []string
	// Best says that the path is the one the router uses. Stale says that its neighbor is restarting (RFC 4724).
	Best, Stale bool
}

// Routes is the router's BGP table of one family in its default instance, each prefix with its paths in FRR's order.
func (r *Router) Routes(family route.Family) map[netip.Prefix][]Path {
	r.t.Helper()
	afi := "ipv4"
	if family == route.IPv6Unicast {
		afi = "ipv6"
	}
	// FRR 8.4 knows this order of the last two words only.
	out, err := r.Vtysh(context.Background(), "show bgp "+afi+" unicast json detail")
	if err != nil {
		r.t.Fatalf("read routes: %v", err)
	}
	table, err := parseRoutes([]byte(out))
	if err != nil {
		r.t.Fatalf("read routes of %s: %v\n%s", r.Pathspace, err, out)
	}
	return table
}

// jsonPath is a path of "show bgp ... json detail". FRR 8.4 has one more object in the list of paths, which describes
// the prefix and so has no peer.
type jsonPath struct {
	ASPath struct {
		String string `json:"string"`
	} `json:"aspath"`
	Origin          string   `json:"origin"`
	MED             uint32   `json:"metric"`
	LocalPreference uint32   `json:"locPrf"`
	Community       jsonList `json:"community"`
	Large           jsonList `json:"largeCommunity"`
	Stale           bool     `json:"stale"`
	BestPath        struct {
		Overall bool `json:"overall"`
	} `json:"bestpath"`
	NextHops []struct {
		IP   netip.Addr `json:"ip"`
		Used bool       `json:"used"`
	} `json:"nexthops"`
	Peer *struct {
		ID string `json:"peerId"`
	} `json:"peer"`
}

type jsonList struct {
	String string `json:"string"`
}

func parseRoutes(data []byte) (map[netip.Prefix][]Path, error) {
	table := map[netip.Prefix][]Path{}
	if len(bytes.TrimSpace(data)) == 0 {
		return table, nil
	}
	var doc struct {
		Routes map[netip.Prefix]json.RawMessage `json:"routes"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("parse routes: %w", err)
	}
	for prefix, raw := range doc.Routes {
		paths, err := parsePaths(raw)
		if err != nil {
			return nil, fmt.Errorf("parse paths of %s: %w", prefix, err)
		}
		table[prefix] = paths
	}
	return table, nil
}

// parsePaths reads a list of paths (8.4), or an object that holds one (10.x).
func parsePaths(raw json.RawMessage) ([]Path, error) {
	var object struct {
		Paths []jsonPath `json:"paths"`
	}
	list := &object.Paths
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		err = json.Unmarshal(raw, list)
	} else {
		err = json.Unmarshal(raw, &object)
	}
	if err != nil {
		return nil, err
	}
	var paths []Path
	for _, p := range *list {
		if p.Peer == nil {
			continue
		}
		path := Path{
			ASPath: p.ASPath.String, Origin: p.Origin, MED: p.MED, LocalPreference: p.LocalPreference, Best: p.BestPath.Overall, Stale: p.Stale,
			Communities: strings.Fields(p.Community.String), LargeCommunities: strings.Fields(p.Large.String),
		}
		if path.ASPath == "Local" {
			path.ASPath = ""
		}
		if from, err := netip.ParseAddr(p.Peer.ID); err == nil && !from.IsUnspecified() {
			path.From = from
		}
		for _, hop := range slices.Backward(p.NextHops) {
			if hop.Used || !path.NextHop.IsValid() {
				path.NextHop = hop.IP
			}
		}
		paths = append(paths, path)
	}
	return paths, nil
}
