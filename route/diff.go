package route

import "slices"

// Change is what became of one prefix of a table.
type Change struct {
	// Old and New are the announcement before and after; nil where there is none.
	Old, New *Announcement
}

// Diff lists what differs between two tables, sorted by prefix. What an announcement comes from (From) makes no difference:
// no neighbor sees it.
func Diff(before, after RIB) []Change { return diff(before.each(), after.each()) }

// DiffAdjRIBOut lists what changes in what a neighbor should receive where a router and its neighbor were those and are these, as
// Diff of the two tables does, and makes neither of them. The zero Router tells nothing.
func DiffAdjRIBOut(before Router, then Neighbor, after Router, now Neighbor) []Change {
	old, current := before.tell(then), after.tell(now)
	return diff(old.next, current.next)
}

// diff compares two tables that are given one announcement after another; false means that there is no more.
func diff(before, after func() (Announcement, bool)) []Change {
	var changes []Change
	a, more := before()
	b, also := after()
	for more || also {
		order := 0
		switch {
		case !more:
			order = 1
		case !also:
			order = -1
		default:
			order = ComparePrefixes(a.Prefix, b.Prefix)
		}
		if order != 0 || !a.sameAs(&b) {
			changes = append(changes, changeOf(a, b, order))
		}
		if order <= 0 {
			a, more = before()
		}
		if order >= 0 {
			b, also = after()
		}
	}
	return changes
}

// changeOf gives what becomes of a prefix that one table has, by the sign of order, or both.
func changeOf(a, b Announcement, order int) Change {
	switch {
	case order < 0:
		return Change{Old: &a}
	case order > 0:
		return Change{New: &b}
	default:
		return Change{Old: &a, New: &b}
	}
}

func (rib RIB) each() func() (Announcement, bool) {
	at := -1
	return func() (Announcement, bool) {
		if at++; at < len(rib) {
			return rib[at], true
		}
		return Announcement{}, false
	}
}

// sameAs reports whether a neighbor sees no difference between two announcements of one prefix.
func (a *Announcement) sameAs(b *Announcement) bool {
	return a.NextHop == b.NextHop && a.LocalPreference == b.LocalPreference && a.MED == b.MED &&
		slices.Equal(a.ASPath, b.ASPath) && slices.Equal(a.Communities, b.Communities) &&
		slices.Equal(a.LargeCommunities, b.LargeCommunities)
}
