package report

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// State is what this node's speaker announces and what it does not, once FRR has taken it. It and all it holds are never
// changed once handed out.
type State struct {
	// Routes are the routes that at least one neighbor of this node is told, sorted by prefix, one for each prefix.
	Routes []route.Route
	// Skipped are the wishes that were not followed, sorted by object and then by reason. Nothing is told of those whose object
	// is none of Kubernetes', such as an entry of the configuration.
	Skipped []reduce.Skipped
	// Own are the objects of which no other speaker says what this one says, such as a pod that only its own node announces;
	// sorted. This speaker tells of them itself. What it says of all others, every speaker says, and one of them tells it.
	Own []route.Object
	// Silent are the kinds of object that this speaker announces none of although others do, such as the services on a node
	// that is excluded from serving them; sorted. It is not chosen to tell of them.
	Silent []string
}

// fact is what a State says of one object. The zero value says nothing.
type fact struct {
	// announced are its prefixes, skipped the reasons why something of it is not announced, each joined to one text.
	announced, skipped string
	// drift is what one neighbor is not told of it as intended; of what is announced at all it has none.
	drift drift
}

// drifts reports whether something is not told as intended.
func (f fact) drifts() bool { return f.drift != drift{} }

// own reports whether this speaker alone says what s says of o.
func (s *State) own(o route.Object) bool {
	_, found := slices.BinarySearchFunc(s.Own, o, route.Object.Compare)
	return found
}

// reasons gives why something of o is not announced; "" means nothing is skipped.
func (s *State) reasons(o route.Object) string {
	at, _ := slices.BinarySearchFunc(s.Skipped, o, func(w reduce.Skipped, o route.Object) int { return w.Object.Compare(o) })
	var all []string
	for _, w := range s.Skipped[at:] {
		if w.Object != o {
			break
		}
		all = append(all, w.Reason)
	}
	return strings.Join(all, "; ")
}

// change is an object of which two States say different things.
type change struct {
	subject
	old, now fact
	// own means that this speaker alone says, or said, this of it.
	own bool
}

// changes gives what differs between two States about the objects that matter, sorted by object, and how often it left one
// out because there were limit others already. It is a linear merge that allocates only for what differs: a node may announce
// 100,000 routes, and a pass changes few of them.
func changes(old, now *State, matters func(route.Object) bool, limit int) (all []change, more int) {
	touched := make(map[route.Object]*change)
	touch := func(objects ...route.Object) {
		for _, o := range objects {
			switch {
			case touched[o] != nil || !matters(o):
			case len(touched) >= limit:
				more++
			default:
				touched[o] = &change{subject: subject{object: o}}
			}
		}
	}
	merge(old.Routes, now.Routes,
		func(a, b *route.Route) int { return route.ComparePrefixes(a.Prefix, b.Prefix) },
		func(a, b *route.Route) bool { return slices.Equal(a.From, b.From) },
		func(r *route.Route) { touch(r.From...) })
	merge(old.Skipped, now.Skipped,
		func(a, b *reduce.Skipped) int {
			return cmp.Or(a.Object.Compare(b.Object), strings.Compare(a.Reason, b.Reason))
		},
		func(*reduce.Skipped, *reduce.Skipped) bool { return true },
		func(w *reduce.Skipped) { touch(w.Object) })
	if len(touched) == 0 {
		return nil, 0
	}

	before, after := prefixes(old.Routes, touched), prefixes(now.Routes, touched)
	for _, o := range slices.SortedFunc(maps.Keys(touched), route.Object.Compare) {
		c := touched[o]
		c.old = fact{announced: join(before[o]), skipped: old.reasons(o)}
		c.now = fact{announced: join(after[o]), skipped: now.reasons(o)}
		// What was this speaker's alone is its own to withdraw.
		c.own = old.own(o) || now.own(o)
		if c.old != c.now {
			all = append(all, *c)
		}
	}
	return all, more
}

// merge walks two sorted slices and calls differs with every element that only one of them has, and with both of a pair
// that is not same.
func merge[T any](old, now []T, compare func(a, b *T) int, same func(a, b *T) bool, differs func(*T)) {
	i, j := 0, 0
	for i < len(old) && j < len(now) {
		switch c := compare(&old[i], &now[j]); {
		case c < 0:
			differs(&old[i])
			i++
		case c > 0:
			differs(&now[j])
			j++
		default:
			if !same(&old[i], &now[j]) {
				differs(&old[i])
				differs(&now[j])
			}
			i, j = i+1, j+1
		}
	}
	for ; i < len(old); i++ {
		differs(&old[i])
	}
	for ; j < len(now); j++ {
		differs(&now[j])
	}
}

// prefixes gives those that are announced for the touched objects.
func prefixes(routes []route.Route, touched map[route.Object]*change) map[route.Object][]netip.Prefix {
	found := make(map[route.Object][]netip.Prefix, len(touched))
	for i := range routes {
		for _, o := range routes[i].From {
			if touched[o] != nil {
				found[o] = append(found[o], routes[i].Prefix)
			}
		}
	}
	return found
}

func join(prefixes []netip.Prefix) string {
	var b strings.Builder
	for i, p := range prefixes {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.String())
	}
	return b.String()
}
