package reload

import (
	"slices"
	"strings"
)

// Foreign are the operator's own statements inside what is ours, as he declared them: they are neither changed nor removed, and
// are not asked for where a wanted configuration has them too. What stands outside of what is ours needs no declaration. The
// zero Foreign declares nothing.
type Foreign []Declaration

// Declaration names statements: the contexts that they stand in, and then their first words, as in {"router bgp 65000",
// "address-family ipv4 unicast", "aggregate-address"}. All that is inside of a statement is declared with it, and a neighbor of
// a router in all its address families. Which AS a router has does not matter.
type Declaration []string

// Equal reports whether f and other declare the same, in the same order.
func (f Foreign) Equal(other Foreign) bool {
	return slices.EqualFunc(f, other, slices.Equal[Declaration])
}

// split parts a tree that is ours (Owned) into what is, and what is declared foreign. A router that holds both is in both. t is
// not changed.
func (f Foreign) split(t Tree) (ours, theirs Tree) {
	if len(f) == 0 {
		return t, nil
	}
	for _, s := range t {
		if !isRouter(s) {
			ours = append(ours, s)
			continue
		}
		mine, other := f.splitRouter(s)
		if mine != nil {
			ours = append(ours, mine)
		}
		if other != nil {
			theirs = append(theirs, other)
		}
	}
	return ours, theirs
}

// splitRouter parts one router; mine or other is nil where nothing of it is.
func (f Foreign) splitRouter(s *Statement) (mine, other *Statement) {
	declared := f.in(topKey(s))
	if declared.whole {
		return nil, s
	}
	mine, other = &Statement{Text: s.Text}, &Statement{Text: s.Text}
	for _, c := range s.Children {
		switch {
		case !isFamily(c):
			to := mine
			if declared.covers("", c.Text) {
				to = other
			}
			to.Children = append(to.Children, c)
		default:
			a, b := declared.splitFamily(c)
			mine.Children, other.Children = append(mine.Children, a...), append(other.Children, b...)
		}
	}
	if len(other.Children) == 0 {
		return s, nil
	}
	return mine, other
}

// splitFamily parts an address family, into none or one of each kind.
func (d declared) splitFamily(s *Statement) (mine, other Tree) {
	a, b := &Statement{Text: s.Text}, &Statement{Text: s.Text}
	for _, c := range s.Children {
		to := a
		if d.covers(s.Text, c.Text) {
			to = b
		}
		to.Children = append(to.Children, c)
	}
	if len(b.Children) == 0 {
		return Tree{s}, nil
	}
	if len(a.Children) > 0 {
		mine = Tree{a}
	}
	return mine, Tree{b}
}

// declared is what is declared of one router.
type declared struct {
	// whole says that it is all of it.
	whole bool
	// router are the first words of statements of the router, and families those of its address families, by their names.
	router   []string
	families map[string][]string
}

// in gives what is declared of the router of that identity (topKey).
func (f Foreign) in(key string) declared {
	d := declared{families: map[string][]string{}}
	for _, path := range f {
		switch {
		case topKey(&Statement{Text: path[0]}) != key:
		case len(path) == 1:
			d.whole = true
		case len(path) == 2:
			d.router = append(d.router, canonicalTyped(path[1]))
		default:
			family := canonicalTyped(path[1])
			d.families[family] = append(d.families[family], canonicalTyped(path[2]))
		}
	}
	return d
}

// canonicalTyped writes a statement inside a router as canonical does, where people and not FRR wrote it: addresses in any form,
// and families by their short names.
func canonicalTyped(text string) string {
	switch text {
	case "address-family ipv4", "address-family ipv6":
		return text + " unicast"
	case "address-family vpnv4", "address-family vpnv4 unicast":
		return "address-family ipv4 vpn"
	case "address-family vpnv6", "address-family vpnv6 unicast":
		return "address-family ipv6 vpn"
	}
	if rest, ok := strings.CutPrefix(text, "no "); ok {
		return "no " + canonicalAddress(canonical(rest))
	}
	return canonicalAddress(canonical(text))
}

// covers reports whether a statement of the router is declared, or one of the address family of that name.
func (d declared) covers(family, text string) bool {
	text = strings.TrimPrefix(text, "no ")
	begins := func(words string) bool {
		return strings.HasPrefix(text, words) && (len(text) == len(words) || text[len(words)] == ' ')
	}
	if family == "" {
		return slices.ContainsFunc(d.router, begins)
	}
	return slices.ContainsFunc(d.families[family], begins) || slices.Contains(d.router, family) ||
		neighborOf(text) != "" && slices.ContainsFunc(d.router, begins)
}

// share marks the routers of ours that hold foreign statements too. ours is not changed.
func share(ours, theirs Tree) Tree {
	if len(theirs) == 0 {
		return ours
	}
	shared := index(theirs, topKey)
	result := slices.Clone(ours)
	for i, s := range ours {
		if isRouter(s) && shared[topKey(s)] != nil {
			result[i] = &Statement{Text: s.Text, Children: s.Children, shared: true}
		}
	}
	return result
}

// skeleton gives what stays of a router of ours that goes and holds foreign statements: itself, and the settings that these
// rest on. To take its router ID back would reset their sessions too.
func skeleton(router *Statement) *Statement {
	rest := slices.Clone(router.Children)
	return &Statement{Text: router.Text, Children: slices.DeleteFunc(rest, func(c *Statement) bool {
		return isFamily(c) || neighborOf(strings.TrimPrefix(c.Text, "no ")) != ""
	})}
}

// together gives the routers of ours with the foreign statements that they hold, as FRR has them. A router that ours lacks and
// that was shared before is what is left of it.
func together(ours, before, theirs Tree) Tree {
	if len(theirs) == 0 {
		return ours
	}
	result := slices.Clone(ours)
	known, old := index(ours, topKey), index(before, topKey)
	for _, t := range theirs {
		key := topKey(t)
		base := known[key]
		if base == nil && old[key] != nil {
			base = skeleton(old[key])
		}
		if base == nil {
			continue
		}
		whole := &Statement{Text: base.Text, Children: slices.Concat(base.Children, t.Children)}
		if at := slices.Index(result, known[key]); known[key] != nil {
			result[at] = whole
		} else {
			result = append(result, whole)
		}
	}
	return result
}
