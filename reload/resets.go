package reload

import (
	"cmp"
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
	// Cause is what does it: a statement without its value, as "neighbor password" or "bgp router-id", or RestartOfBGPD.
	Cause string
	// May says that it depends on what FRR does not show: the first port that a neighbor is given resets its session, another one
	// later does not.
	May bool
}

// RestartOfBGPD is the cause of the resets that no statement is.
const RestartOfBGPD = "bgpd starts again"

// Sessions gives the sessions of a configuration as resets: bgpd starts again, and takes all of them down.
func Sessions(conf []byte) []Reset {
	var resets []Reset
	for _, s := range Parse(conf) {
		if isRouter(s) {
			for _, n := range slices.Sorted(neighborsOf(s)) {
				resets = append(resets, Reset{Router: s.Text, Neighbor: n, Cause: RestartOfBGPD})
			}
		}
	}
	return resets
}

// String gives "this change resets the session with 192.0.2.1 of router bgp 65000 (neighbor password)", or that it may.
func (r Reset) String() string {
	resets := "resets"
	if r.May {
		resets = "may reset"
	}
	return fmt.Sprintf("this change %s the session with %s of %s (%s)", resets, r.Neighbor, r.Router, r.Cause)
}

// touchesSessions reports whether a change has a statement that could take a session down: any but routes, policies and what
// they consist of.
func (c Change) touchesSessions() bool {
	return slices.ContainsFunc(c.lines, func(line string) bool {
		text := strings.TrimPrefix(strings.TrimLeft(line, " "), "no ")
		return strings.HasPrefix(text, "neighbor ") || strings.HasPrefix(text, "bgp ") && !isList(&Statement{Text: text}) ||
			strings.HasPrefix(text, "router bgp ") && strings.HasPrefix(line, "no ")
	})
}

// Resets gives the sessions that the way from running to wanted takes down in an FRR of this version, "" for the newest, sorted
// by router and neighbor, one for each session. It looks at the sessions that both have, and at those that go.
func Resets(version string, running, wanted Tree) []Reset {
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
		resets = append(resets, resetsOf(version, old, w)...)
	}
	slices.SortStableFunc(resets, func(a, b Reset) int {
		return cmp.Or(cmp.Compare(a.Router, b.Router), cmp.Compare(a.Neighbor, b.Neighbor))
	})
	return resets
}

// resetsOf gives the sessions that a change of one router takes down.
func resetsOf(version string, old, wanted *Statement) []Reset {
	before, after := sessionStatements(version, old), sessionStatements(version, wanted)
	var resets []Reset
	stays := slices.Collect(neighborsOf(wanted))
	for n := range neighborsOf(old) {
		if !slices.Contains(stays, n) {
			resets = append(resets, Reset{Router: old.Text, Neighbor: n, Cause: "no neighbor"})
			continue
		}
		// certain and possible are the first cause of either kind.
		certain, possible := "", ""
		for _, statements := range []map[string]string{before, after} {
			for key := range statements {
				of := neighborOf(key)
				if before[key] == after[key] || of != n && (of != "" || !minds(old, n, key)) {
					continue
				}
				cause := causeOf(key)
				switch {
				case cause != port:
					certain = cmp.Or(min(certain, cause), cause)
				case after[key] != "":
					possible = cause
				}
			}
		}
		if cause := cmp.Or(certain, possible); cause != "" {
			resets = append(resets, Reset{Router: old.Text, Neighbor: n, Cause: cause, May: certain == ""})
		}
	}
	return resets
}

// minds reports whether a router's session with a neighbor goes down when a statement of the router changes.
func minds(router *Statement, neighbor, statement string) bool {
	switch statement {
	case clusterID:
		return isInternal(router, neighbor)
	case restartTime:
		return slices.ContainsFunc(router.Children, func(s *Statement) bool { return s.Text == "neighbor "+neighbor+" "+gracefulRestart })
	}
	return true
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
	// Without it a session stays as it is: the port counts for the next one.
	"capability extended-nexthop", "port",
}

// port is the one of which FRR does not show whether it resets: see Reset.May.
const port = "neighbor port"

// gracefulRestart is one more of them, but in FRR 8: there the session stays, and the change waits for the next one.
const gracefulRestart = "graceful-restart"

// resettingRouter are the same of a router; clusterID is one of its iBGP sessions only.
var resettingRouter = []string{"bgp router-id", clusterID}

const (
	clusterID = "bgp cluster-id"
	// restartTime is one more, of the sessions with gracefulRestart: FRR 10.7 resets them, and 10.3 does not.
	restartTime = "bgp graceful-restart restart-time"
)

// older reports whether a version of FRR is before another one. The empty version is the newest.
func older(version string, major, minor int) bool {
	var a, b int
	if _, err := fmt.Sscanf(version, "%d.%d", &a, &b); err != nil {
		return false
	}
	return a < major || a == major && b < minor
}

// resettingActivation are the same of a neighbor in an address family.
var resettingActivation = []string{"activate", "route-reflector-client"}

// sessionStatements gives the statements of a router whose change resets a session, by what they are about.
func sessionStatements(version string, router *Statement) map[string]string {
	found := map[string]string{}
	neighbor, ofRouter := resettingNeighbor, resettingRouter
	if !older(version, 9, 0) {
		neighbor = append(slices.Clip(neighbor), gracefulRestart)
	}
	if !older(version, 10, 4) {
		ofRouter = append(slices.Clip(ofRouter), restartTime)
	}
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
			take(strings.Replace(s.Text, " interface remote-as ", " remote-as ", 1), "", neighbor)
		case strings.HasPrefix(s.Text, "bgp "):
			take(s.Text, "", ofRouter)
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
