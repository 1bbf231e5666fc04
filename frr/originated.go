package frr

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

// Network is a prefix of one BGP instance.
type Network struct {
	// Instance is "" for the default one, or "view NAME" or "vrf NAME".
	Instance string
	Prefix   netip.Prefix
}

// Originated is a route that FRR itself originates, with the attributes that its table has.
type Originated struct {
	Network Network
	// Communities and LargeCommunities are sorted, in FRR's words: "65000:7", "no-export".
	Communities, LargeCommunities []string
	// MED and LocalPreference are 0 where the route has none.
	MED, LocalPreference uint32
	// Selected says that FRR uses it, and no other way to the prefix.
	Selected bool
}

// Originated gives which of some networks FRR originates, in their order: one vtysh, and no walk through FRR's tables. What
// was given to FRR before is there; what is passed on from a neighbor is not meant.
func (v Vtysh) Originated(ctx context.Context, networks []Network) ([]Originated, error) {
	questions := make([]string, 0, len(networks))
	for _, n := range networks {
		words := strings.Fields("show bgp " + n.Instance + " " + words(route.FamilyOf(n.Prefix.Addr())) + " " + n.Prefix.String() + " json")
		questions = append(questions, strings.Join(words, " "))
	}
	out, err := v.ask(ctx, call{Questions: questions})
	if err != nil {
		return nil, fmt.Errorf("ask for %d networks: %w", len(networks), err)
	}
	return ParseOriginated(networks, out)
}

// Own gives the route to a prefix that one BGP instance originates itself, and reports whether there is one: "" is the default
// instance, any other name that of a view.
func (v Vtysh) Own(ctx context.Context, view string, prefix netip.Prefix) (Originated, bool, error) {
	out, err := v.Show(ctx, showBGP(view)+" "+words(route.FamilyOf(prefix.Addr()))+" "+prefix.String()+" json")
	// 8.4 prints nothing for a prefix that is not there, 10.x an empty object.
	if err != nil || len(bytes.TrimSpace(out)) == 0 {
		return Originated{}, false, err
	}
	held, err := ParseOriginated([]Network{{Prefix: prefix}}, out)
	if err != nil || len(held) == 0 {
		return Originated{}, false, err
	}
	return held[0], true, nil
}

// ParseOriginated reads what one "show bgp ... PREFIX json" for each of networks prints, one after another.
func ParseOriginated(networks []Network, data []byte) ([]Originated, error) {
	type words struct {
		String string `json:"string"`
	}
	var found []Originated
	decoder := json.NewDecoder(bytes.NewReader(data))
	for _, n := range networks {
		var doc struct {
			Prefix string `json:"prefix"`
			Paths  []struct {
				Sourced  bool `json:"sourced"`
				BestPath struct {
					Overall bool `json:"overall"`
				} `json:"bestpath"`
				MED             uint32 `json:"metric"`
				LocalPreference uint32 `json:"locPrf"`
				Community       words  `json:"community"`
				LargeCommunity  words  `json:"largeCommunity"`
			} `json:"paths"`
		}
		if err := decoder.Decode(&doc); err != nil {
			return nil, fmt.Errorf("parse route %s: %w", n.Prefix, err)
		}
		for _, p := range doc.Paths {
			if p.Sourced && doc.Prefix == n.Prefix.String() {
				found = append(found, Originated{
					Network: n, MED: p.MED, LocalPreference: p.LocalPreference, Selected: p.BestPath.Overall,
					Communities:      slices.Sorted(strings.FieldsSeq(p.Community.String)),
					LargeCommunities: slices.Sorted(strings.FieldsSeq(p.LargeCommunity.String)),
				})
				break
			}
		}
	}
	return found, nil
}
