package reload

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/fairlead/fairlead/frr"
)

// Change is what turns one configuration into another: lines for one run of vtysh -f, in an order in which nothing is used
// before it exists nor removed while it is used. The zero Change changes nothing.
type Change struct {
	lines []string
}

// Empty reports whether there is nothing to change.
func (c Change) Empty() bool { return len(c.lines) == 0 }

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
// The order: routers that go; profiles of BFD, lists and route-maps that come or change; the routers that stay or come; last
// the route-maps, lists and profiles that go, which nothing uses any more.
func Diff(running, wanted Tree) Change {
	var c Change
	old := index(running, topKey)
	pairs := make([]pair, 0, len(wanted))
	for _, w := range wanted {
		key := topKey(w)
		pairs = append(pairs, pair{running: old[key], wanted: w})
		delete(old, key)
	}

	// What is left in old goes. A router whose AS changes goes too, before it comes again.
	for _, s := range running {
		if isRouter(s) && old[topKey(s)] == s {
			c.add(removeRouter(s.Text))
		}
	}
	for i, p := range pairs {
		if isRouter(p.wanted) && p.running != nil && p.running.Text != p.wanted.Text {
			c.add(removeRouter(p.running.Text))
			pairs[i].running = nil
		}
	}
	for _, p := range pairs {
		if isProfile(p.wanted) {
			c.profile(p)
		}
	}
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
	for _, isKind := range []func(*Statement) bool{isRouteMap, isList} {
		for _, s := range running {
			if isKind(s) && old[topKey(s)] == s {
				c.add("no " + s.Text)
			}
		}
	}
	for _, s := range running {
		if isProfile(s) && old[topKey(s)] == s {
			c.add("bfd")
			c.add(" no " + s.Text)
			c.add("exit")
		}
	}
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

// router brings one BGP instance to what is wanted: first itself and its neighbors, then each address family.
func (c *Change) router(p pair) {
	running := p.running
	if running == nil {
		running = &Statement{}
	}
	body := Change{}
	gone := removedNeighbors(running, p.wanted)
	body.statements(" ", running.Children, p.wanted.Children, gone)
	families := index(running.Children, childKey)
	for _, w := range p.wanted.Children {
		if !isFamily(w) {
			continue
		}
		var old Tree
		if r := families[childKey(w)]; r != nil {
			old = r.Children
			delete(families, childKey(w))
		}
		body.family(w.Text, old, w.Children, gone)
	}
	for _, r := range running.Children {
		if isFamily(r) && families[childKey(r)] == r {
			body.family(r.Text, r.Children, nil, gone)
		}
	}
	if running.Text == p.wanted.Text && body.Empty() {
		return
	}
	c.add(p.wanted.Text)
	c.lines = append(c.lines, body.lines...)
	c.add("exit")
}

func (c *Change) family(name string, running, wanted Tree, gone map[string]bool) {
	body := Change{}
	body.statements("  ", running, wanted, gone)
	if body.Empty() {
		return
	}
	c.add(" " + name)
	c.lines = append(c.lines, body.lines...)
	c.add(" exit-address-family")
}

// statements brings the statements of one context from running to wanted: what goes first, then what comes or changes, in
// the wanted order. A statement whose identity stays is replaced in place by FRR; only what has no successor is negated.
// The neighbors in gone are removed whole by their remote-as, which takes the rest of what they have along.
func (c *Change) statements(indent string, running, wanted Tree, gone map[string]bool) {
	stays := make(map[string]string, len(wanted))
	for _, w := range wanted {
		stays[childKey(w)] = w.Text
	}
	has := make(map[string]string, len(running))
	// What keeps routes out of the kernel comes before, and goes after, the policies that accept them.
	var last []string
	for _, r := range running {
		if isFamily(r) {
			continue
		}
		if n := neighborOf(strings.TrimPrefix(r.Text, "no ")); gone[n] {
			if isRemoteAS(r.Text) {
				c.add("%sno neighbor %s", indent, n)
			}
			continue
		}
		key := childKey(r)
		has[key] = r.Text
		if _, ok := stays[key]; ok {
			continue
		}
		if isTableMap(r) {
			last = append(last, indent+negate(r.Text))
			continue
		}
		c.add(indent + negate(r.Text))
	}
	for _, tableMaps := range []bool{true, false} {
		for _, w := range wanted {
			if isTableMap(w) == tableMaps && !isFamily(w) && has[childKey(w)] != w.Text {
				c.add(indent + w.Text)
			}
		}
	}
	c.lines = append(c.lines, last...)
}

// removedNeighbors gives the neighbors that running has and wanted has not, or has with another AS: what FRR takes for a
// neighbor depends on whether it is internal, and so does what it lets be taken back. Such a one comes again whole; its
// session ends either way.
func removedNeighbors(running, wanted *Statement) map[string]bool {
	gone := make(map[string]bool)
	for _, s := range running.Children {
		if isRemoteAS(s.Text) {
			gone[neighborOf(s.Text)] = true
		}
	}
	stands := make(map[string]bool)
	for _, s := range running.Children {
		stands[s.Text] = true
	}
	for _, s := range wanted.Children {
		if isRemoteAS(s.Text) && stands[s.Text] {
			delete(gone, neighborOf(s.Text))
		}
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
