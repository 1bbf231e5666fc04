package reload

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
)

// Reset is a session that a change takes down. Sessions that come are none.
type Reset struct {
	// Router is the router's statement: "router bgp 65000".
	Router string
	// Neighbor is its address or interface.
	Neighbor string
	// Cause is the statement that does it, without a value: "neighbor password", "bgp router-id".
	Cause string
}

// String gives "this change resets the session with 192.0.2.1 of router bgp 65000 (neighbor password)".
func (r Reset) String() string {
	return fmt.Sprintf("this change resets the session with %s of %s (%s)", r.Neighbor, r.Router, r.Cause)
}

// Resets gives the sessions that Apply of wanted would take down, and changes nothing. It reads what FRR holds where that is
// not known.
func (r *Reloader) Resets(ctx context.Context, wanted []byte) ([]Reset, error) {
	if err := r.learn(ctx); err != nil {
		return nil, err
	}
	return Resets(r.applied, Parse(wanted).Owned()), nil
}

// Resets gives the sessions that the way from running to wanted takes down, sorted by router and neighbor, one for each
// session. It looks at the sessions that both have, and at those that go.
func Resets(running, wanted Tree) []Reset {
	var resets []Reset
	successors := index(wanted, topKey)
	for _, old := range running {
		if !isRouter(old) {
			continue
		}
		w := successors[topKey(old)]
		if w == nil || w.Text != old.Text {
			for _, n := range slices.Sorted(neighborsOf(old)) {
				resets = append(resets, Reset{Router: old.Text, Neighbor: n, Cause: "router bgp"})
			}
			continue
		}
		resets = append(resets, resetsOf(old, w)...)
	}
	slices.SortStableFunc(resets, func(a, b Reset) int {
		return cmp.Or(cmp.Compare(a.Router, b.Router), cmp.Compare(a.Neighbor, b.Neighbor))
	})
	return resets
}

// resetsOf gives the sessions that a change of one router takes down.
func resetsOf(old, wanted *Statement) []Reset {
	before, after := sessionStatements(old), sessionStatements(wanted)
	var resets []Reset
	stays := slices.Collect(neighborsOf(wanted))
	for n := range neighborsOf(old) {
		if !slices.Contains(stays, n) {
			resets = append(resets, Reset{Router: old.Text, Neighbor: n, Cause: "no neighbor"})
			continue
		}
		cause := ""
		for _, statements := range []map[string]string{before, after} {
			for key := range statements {
				of := neighborOf(key)
				if before[key] != after[key] && (of == n || of == "" && (key != clusterID || isInternal(old, n))) {
					cause = cmp.Or(min(cause, causeOf(key)), causeOf(key))
				}
			}
		}
		if cause != "" {
			resets = append(resets, Reset{Router: old.Text, Neighbor: n, Cause: cause})
		}
	}
	return resets
}

// isInternal reports whether a router's session with a neighbor is an iBGP one.
func isInternal(router *Statement, neighbor string) bool {
	asn := strings.Fields(router.Text)[2]
	return slices.ContainsFunc(router.Children, func(s *Statement) bool {
		rest, ok := strings.CutPrefix(s.Text, "neighbor "+neighbor+" ")
		return ok && isRemoteAS(s.Text) && (strings.HasSuffix(rest, "remote-as internal") || strings.HasSuffix(rest, "remote-as "+asn))
	})
}

// causeOf names a statement without its neighbor.
func causeOf(key string) string {
	if n := neighborOf(key); n != "" {
		return strings.Replace(key, " "+n, "", 1)
	}
	return key
}

// neighborsOf gives the neighbors of a router.
func neighborsOf(router *Statement) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, s := range router.Children {
			if isRemoteAS(s.Text) && !yield(neighborOf(s.Text)) {
				return
			}
		}
	}
}

// resettingNeighbor are the settings of a neighbor that FRR cannot change without a new session: what an OPEN carries, and
// what belongs to the TCP connection. Times, descriptions, limits and policies it changes in place.
var resettingNeighbor = []string{
	"remote-as", "local-as", "password", "ebgp-multihop", "ttl-security hops", "update-source", "passive",
	"capability extended-nexthop", "port",
	// FRR 8 keeps the session, and the change waits for the next one.
	"graceful-restart",
}

// resettingRouter are the same of a router; clusterID is one of its iBGP sessions only.
var resettingRouter = []string{"bgp router-id", clusterID}

const clusterID = "bgp cluster-id"

// resettingActivation are the same of a neighbor in an address family.
var resettingActivation = []string{"activate", "route-reflector-client"}

// sessionStatements gives the statements of a router whose change resets a session, by what they are about.
func sessionStatements(router *Statement) map[string]string {
	found := map[string]string{}
	take := func(text, context string, settings []string) {
		of := neighborOf(text)
		for _, setting := range settings {
			key := setting
			if of != "" {
				key = "neighbor " + of + " " + setting
			}
			if text == key || strings.HasPrefix(text, key+" ") {
				found[key+context] = text
			}
		}
	}
	for _, s := range router.Children {
		switch {
		case strings.HasPrefix(s.Text, "neighbor "):
			take(strings.Replace(s.Text, " interface remote-as ", " remote-as ", 1), "", resettingNeighbor)
		case strings.HasPrefix(s.Text, "bgp "):
			take(s.Text, "", resettingRouter)
		case isFamily(s):
			family := strings.TrimPrefix(s.Text, "address-family")
			for _, inner := range s.Children {
				if strings.HasPrefix(inner.Text, "neighbor ") {
					take(inner.Text, " of"+family, resettingActivation)
				}
			}
		}
	}
	return found
}
