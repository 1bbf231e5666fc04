package reload

import (
	"bytes"
	"fmt"
	"maps"
	"strings"

	"github.com/fairlead/fairlead/frr"
)

// Change is what turns one configuration into another: lines for one run of vtysh -f, in an order in which nothing is used
// before it exists nor removed while it is used. The zero Change changes nothing.
type Change struct {
	lines []string
	// was holds the statements that lines take back or take the place of, by their place in lines.
	was map[int]string
	// unused is how many lines there are at the end which take back what nothing uses any more once the others are in force.
	unused int
}

// Empty reports whether there is nothing to change.
func (c Change) Empty() bool { return len(c.lines) == 0 }

// Len is how many lines FRR is given.
func (c Change) Len() int { return len(c.lines) }

// apart gives what is to be in force, and then what nothing uses any more and goes.
func (c Change) apart() (use, unused Change) {
	n := len(c.lines) - c.unused
	return Change{lines: c.lines[:n], was: c.was}, Change{lines: c.lines[n:], unused: c.unused}
}

// Script gives the change as vtysh -f reads it. It can hold passwords.
func (c Change) Script() []byte {
	var out bytes.Buffer
	for _, line := range c.lines {
		out.WriteString(line)
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// String gives the change for people to read, with every password masked.
func (c Change) String() string {
	var out strings.Builder
	for _, line := range c.lines {
		out.WriteString(frr.Mask(line))
		out.WriteByte('\n')
	}
	return out.String()
}

// Diff gives what turns running into wanted, both of which hold only what is ours (Owned). It costs time linear in their
// size.
//
// The order: routers that go; the delay timer; profiles of BFD, lists and route-maps that come or change; the routers that stay
// or come; entries that go of policies that stay; last the route-maps, lists, profiles and the delay timer that go, which nothing
// uses any more.
func Diff(running, wanted Tree) Change {
	var c Change
	old, last := index(running, topKey), index(wanted, topKey)
	pairs := make([]pair, 0, len(wanted))
	for _, w := range wanted {
		key := topKey(w)
		// Of two with one identity the last is in force.
		if last[key] == w {
			pairs = append(pairs, pair{running: old[key], wanted: w})
			delete(old, key)
		}
	}

	c.distances(running, wanted)
	// What is left in old goes. A router whose AS changes goes too, before it comes again.
	removed := len(c.lines)
	for _, s := range running {
		switch {
		case !isRouter(s) || old[topKey(s)] != s:
		case s.shared:
			c.router(pair{running: s, wanted: skeleton(s)})
		default:
			c.add(removeRouter(s.Text))
		}
	}
	for i, p := range pairs {
		if isRouter(p.wanted) && p.running != nil && p.running.Text != p.wanted.Text {
			c.add(removeRouter(p.running.Text))
			pairs[i].running = nil
		}
	}
	if len(c.lines) > removed {
		// With its routers FRR 10 forgets the distances that all share.
		for i, p := range pairs {
			if isRouter(p.wanted) && p.running != nil {
				pairs[i].running = withoutDistances(p.running)
			}
		}
	}
	for _, p := range pairs {
		switch {
		case isDelay(p.wanted) && p.running == nil:
			c.add(p.wanted.Text)
		case isProfile(p.wanted):
			c.profile(p)
		}
	}
	c.makeRoom(running, pairs, old)
	for _, isKind := range []func(*Statement) bool{isList, isRouteMap} {
		for _, p := range pairs {
			if isKind(p.wanted) {
				c.object(p)
			}
		}
	}
	for _, p := range pairs {
		if isRouter(p.wanted) {
			c.router(p)
		}
	}
	stays := make(map[string]bool, len(pairs))
	for _, p := range pairs {
		stays[policyKey(p.wanted)] = true
	}
	// An entry of what stays goes with what is to be in force.
	goes := func(ofWhatStays bool) {
		for _, isKind := range []func(*Statement) bool{isRouteMap, isList} {
			for _, s := range running {
				if isKind(s) && old[topKey(s)] == s && stays[policyKey(s)] == ofWhatStays {
					c.add("no " + s.Text)
				}
			}
		}
	}
	goes(true)
	inForce := len(c.lines)
	goes(false)
	for _, s := range running {
		if isProfile(s) && old[topKey(s)] == s {
			c.add("bfd")
			c.add(" no " + s.Text)
			c.add("exit")
		}
		if isDelay(s) && old[topKey(s)] == s {
			c.add("no " + s.Text)
		}
	}
	c.unused = len(c.lines) - inForce
	return c
}

// pair is a statement of the wanted configuration beside the one of the same identity that runs, or nil.
type pair struct {
	running, wanted *Statement
}

func (c *Change) add(format string, args ...any) {
	if len(args) > 0 {
		format = fmt.Sprintf(format, args...)
	}
	c.lines = append(c.lines, format)
}

// instead adds a line that takes back, or takes the place of, a statement which runs.
func (c *Change) instead(old, line string) {
	if c.was == nil {
		c.was = map[int]string{}
	}
	c.was[len(c.lines)] = old
	c.lines = append(c.lines, line)
}

// take adds the lines of another change.
func (c *Change) take(other Change) {
	for at, old := range other.was {
		if c.was == nil {
			c.was = map[int]string{}
		}
		c.was[len(c.lines)+at] = old
	}
	c.lines = append(c.lines, other.lines...)
}

// object brings in a list or a route-map entry. Objects are named by what they hold, so one that runs with another content
// was changed by somebody's hand, or lost a part on the way: only that part is put right, because removing an object in
// use has FRR tell the neighbors everything again.
func (c *Change) object(p pair) {
	var old Tree
	if p.running != nil && p.running.Text == p.wanted.Text {
		old = p.running.Children
		if equal(old, p.wanted.Children) {
			return
		}
	} else if p.running != nil {
		c.add("no " + p.running.Text)
	}
	c.add(p.wanted.Text)
	c.statements(" ", old, p.wanted.Children, nil)
	if isRouteMap(p.wanted) {
		c.add("exit")
	}
}

// profile brings in a profile of BFD, or puts right what a hand changed in it.
func (c *Change) profile(p pair) {
	var old Tree
	if p.running != nil {
		if old = p.running.Children; equal(old, p.wanted.Children) {
			return
		}
	}
	c.add("bfd")
	c.add(" " + p.wanted.Text)
	c.statements("  ", old, p.wanted.Children, nil)
	c.add(" exit")
	c.add("exit")
}

// makeRoom takes back the entries of lists that stand in the way of others: FRR does not take an entry that says what another
// one of its list says, without a word, nor a standard list that has the name of an expanded one. What it takes back it takes
// out of pairs and old.
func (c *Change) makeRoom(running Tree, pairs []pair, old map[string]*Statement) {
	coming, sorts, changes := make(map[entry]bool), make(map[string]string), make(map[*Statement]int)
	for i, p := range pairs {
		if !isList(p.wanted) {
			continue
		}
		e := entryOf(p.wanted.Text)
		sorts[e.list] = e.sort
		if p.running == nil || p.running.Text != p.wanted.Text {
			coming[e] = true
			changes[p.running] = i
		}
	}
	for _, s := range running {
		if !isList(s) {
			continue
		}
		e, key := entryOf(s.Text), topKey(s)
		at, changed := changes[s]
		sort, stays := sorts[e.list]
		if (!changed && old[key] != s) || (!coming[e] && (!stays || sort == e.sort)) {
			continue
		}
		c.add("no " + s.Text)
		delete(old, key)
		if changed {
			pairs[at].running = nil
		}
	}
}

// distances takes back the distances that no router is to have any more, once for all of them. FRR 8 keeps those of a router
// that it removes.
func (c *Change) distances(running, wanted Tree) {
	type place struct{ family, text string }
	stays := make(map[place]bool)
	each := func(t Tree, do func(router, family, s *Statement)) {
		for _, router := range t {
			for _, family := range router.Children {
				if !isRouter(router) || !isFamily(family) {
					continue
				}
				for _, s := range family.Children {
					if isDistance(s.Text) {
						do(router, family, s)
					}
				}
			}
		}
	}
	each(wanted, func(_, family, s *Statement) { stays[place{family.Text, s.Text}] = true })
	each(running, func(router, family, s *Statement) {
		if at := (place{family.Text, s.Text}); !stays[at] {
			stays[at] = true
			c.lines = append(c.lines, router.Text, " "+family.Text, "  "+negate(s.Text), " exit-address-family", "exit")
		}
	})
}

// withoutDistances gives a router without the distances that all routers share. s is not changed.
func withoutDistances(s *Statement) *Statement {
	out := &Statement{Text: s.Text}
	for _, c := range s.Children {
		switch {
		case isFamily(c):
			out.Children = append(out.Children, withoutDistances(c))
		case !isDistance(c.Text):
			out.Children = append(out.Children, c)
		}
	}
	return out
}

// router brings one BGP instance to what is wanted: first itself and its neighbors, then each context inside it.
func (c *Change) router(p pair) {
	running := p.running
	if running == nil {
		running = &Statement{}
	}
	body := Change{}
	body.contents(" ", running.Children, p.wanted.Children, removedNeighbors(running, p.wanted))
	if running.Text == p.wanted.Text && body.Empty() {
		return
	}
	c.add(p.wanted.Text)
	c.take(body)
	c.add("exit")
}

// contents brings all that is inside a router, or inside a context of one, to what is wanted.
func (c *Change) contents(indent string, running, wanted Tree, gone map[string]bool) {
	c.statements(indent, running, wanted, gone)
	contexts := make(map[string]*Statement)
	for _, r := range running {
		if nests(r) {
			contexts[r.Text] = r
		}
	}
	for _, w := range wanted {
		if !nests(w) {
			continue
		}
		r := contexts[w.Text]
		delete(contexts, w.Text)
		c.context(indent, r, w, gone)
	}
	for _, r := range running {
		switch {
		case contexts[r.Text] != r:
		case byContents(r):
			c.context(indent, r, &Statement{Text: r.Text}, gone)
		default:
			c.add(indent + "no " + r.Text)
		}
	}
}

// context brings one context inside a router to wanted; running is nil where it is not there yet.
func (c *Change) context(indent string, running, wanted *Statement, gone map[string]bool) {
	var old Tree
	if running != nil {
		old = running.Children
	}
	body := Change{}
	body.contents(indent+" ", old, wanted.Children, gone)
	if body.Empty() && (running != nil || byContents(wanted)) {
		return
	}
	c.add(indent + wanted.Text)
	c.take(body)
	if isFamily(wanted) {
		c.add(indent + "exit-address-family")
		return
	}
	c.add(indent + "exit")
}

// nests reports whether a statement inside a router is to be told by what is inside it.
func nests(s *Statement) bool { return len(s.Children) > 0 || opensContext(s) }

// statements brings the statements of one context from running to wanted: what goes first, then what comes or changes, in
// the wanted order. A statement whose identity stays is replaced in place by FRR; only what has no successor is negated. Of two
// that are wanted and have one identity the last is in force, so that an operator's own can follow one of render's. The
// neighbors in gone are removed whole, which takes the rest of what they have along.
func (c *Change) statements(indent string, running, wanted Tree, gone map[string]bool) {
	stays := make(map[string]string, len(wanted))
	for _, w := range wanted {
		stays[childKey(w)] = w.Text
	}
	has := make(map[string]string, len(running))
	// What keeps routes out of the kernel comes before, and goes after, the policies that accept them.
	var last []string
	// A peer group goes after what names it, and BFD of a neighbor after its profile: to take back that of one without BFD turns
	// BFD on in FRR 8.
	var later []string
	removed := make(map[string]bool)
	for _, r := range running {
		if nests(r) {
			continue
		}
		if n := neighborOf(strings.TrimPrefix(r.Text, "no ")); gone[n] {
			made := makes(r.Text)
			switch {
			case made == "" || removed[n]:
			case made == peerGroup:
				later = append(later, indent+"no neighbor "+n+" "+peerGroup)
			default:
				c.add("%sno neighbor %s", indent, n)
			}
			removed[n] = removed[n] || made != ""
			continue
		}
		key := childKey(r)
		has[key] = r.Text
		if stay, ok := stays[key]; ok && labelOf(stay) == labelOf(r.Text) || isDistance(r.Text) {
			continue
		}
		switch {
		case isTableMap(r):
			last = append(last, indent+negate(r.Text))
		case isBFD(r.Text):
			later = append(later, indent+negate(r.Text))
		default:
			c.instead(r.Text, indent+negate(r.Text))
		}
	}
	c.lines = append(c.lines, later...)
	for _, tableMaps := range []bool{true, false} {
		for _, w := range wanted {
			if isTableMap(w) != tableMaps || nests(w) {
				continue
			}
			key := childKey(w)
			old := has[key]
			if stays[key] != w.Text || old == w.Text {
				continue
			}
			has[key] = w.Text
			if old != "" {
				c.instead(old, indent+w.Text)
			} else {
				c.add(indent + w.Text)
			}
		}
	}
	c.lines = append(c.lines, last...)
}

// removedNeighbors gives the neighbors and peer groups that running has and wanted has not, or has in another way: with another
// AS, because what FRR takes for a neighbor depends on whether it is internal, and so does what it lets be taken back; or as a
// member of another group, because FRR removes a neighbor that leaves its group. Such a one comes again whole; its session
// ends either way. A group that goes takes its members along.
func removedNeighbors(running, wanted *Statement) map[string]bool {
	// By neighbor and by the word that it begins with: of two with one word the last is in force.
	made := func(s *Statement) map[string]map[string]string {
		found := make(map[string]map[string]string)
		for _, c := range s.Children {
			m, n := makes(c.Text), neighborOf(c.Text)
			if m == "" {
				continue
			}
			if found[n] == nil {
				found[n] = make(map[string]string)
			}
			word, _, _ := strings.Cut(m, " ")
			found[n][word] = m
		}
		return found
	}
	gone := make(map[string]bool)
	before, after := made(running), made(wanted)
	for n, m := range before {
		gone[n] = !maps.Equal(m, after[n])
	}
	for n, m := range before {
		group, member := strings.CutPrefix(m[peerGroup], peerGroup+" ")
		gone[n] = gone[n] || member && gone[group]
	}
	return gone
}

// index gives the statements of a context by their identity.
func index(t Tree, key func(*Statement) string) map[string]*Statement {
	byKey := make(map[string]*Statement, len(t))
	for _, s := range t {
		byKey[key(s)] = s
	}
	return byKey
}

// equal reports whether two contexts hold the same statements, in whatever order.
func equal(a, b Tree) bool {
	if len(a) != len(b) {
		return false
	}
	texts := make(map[string]bool, len(a))
	for _, s := range a {
		texts[s.Text] = true
	}
	for _, s := range b {
		if !texts[s.Text] {
			return false
		}
	}
	return true
}
