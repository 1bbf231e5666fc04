package reload

import (
	"errors"
	"slices"
	"strings"
)

// stuck is what FRR holds and does not take back, and nobody wants who is asked: a hand wrote it. It stays, and neither is in the way
// of what is wanted beside it nor has that come and go with each attempt.
type stuck struct {
	// path are the contexts that it stands in.
	path []string
	// text is the statement, or else neighbor is what stays with all that is said of it.
	text, neighbor string
}

// setAside has what FRR did not take back stay from now on, and reports whether it refused only that.
func (r *Reloader) setAside(err error) bool {
	var refused *RefusedError
	if !errors.As(err, &refused) {
		return false
	}
	only := true
	for _, f := range refused.Refusals {
		if f.stuck == nil || slices.ContainsFunc(r.stuck, func(o Refusal) bool { return o.stuck.is(f.stuck) }) {
			only = false
			continue
		}
		r.stuck = append(r.stuck, f)
	}
	return only
}

func (k *stuck) is(other *stuck) bool {
	return k.text == other.text && k.neighbor == other.neighbor && slices.Equal(k.path, other.path)
}

// stuck gives what a line of a change was to take back, where neither wanted nor good has anything in its place; nil elsewhere. A
// route-map, a list or a profile that good has and wanted has not is used by nothing that is wanted, and may stay too.
func (c Change) stuck(line int, running, wanted, good Tree) *stuck {
	path, text := c.path(line), strings.TrimSpace(c.lines[line])
	if n := neighborOf(strings.TrimPrefix(text, "no ")); n != "" && (text == "no neighbor "+n || text == "no neighbor "+n+" "+peerGroup) {
		if whole := (&stuck{path: path, neighbor: n}); !whole.isIn(wanted) && !whole.isIn(good) {
			return whole
		}
		return nil
	}
	key := childKey
	if len(path) == 0 {
		key = topKey
	}
	next, before := wanted.in(path), good.in(path)
	has := func(t Tree, s *Statement) bool {
		return slices.ContainsFunc(t, func(o *Statement) bool { return key(o) == key(s) || o.Text == text })
	}
	for _, s := range running.in(path) {
		if text != negate(s.Text) && text != "no "+s.Text && text != removeRouter(s.Text) {
			continue
		}
		name := policyName(s)
		unused := len(path) == 0 && name != "" && !slices.ContainsFunc(next, func(o *Statement) bool { return policyName(o) == name })
		if has(next, s) || has(before, s) && !unused {
			return nil
		}
		return &stuck{path: path, text: s.Text}
	}
	return nil
}

// path gives the contexts that a line of a change stands in, as they are nested in what is ours.
func (c Change) path(line int) []string {
	indent := func(at int) int { return len(c.lines[at]) - len(strings.TrimLeft(c.lines[at], " ")) }
	var path []string
	for at, depth := line-1, indent(line); at >= 0 && depth > 0; at-- {
		if indent(at) < depth {
			depth = indent(at)
			path = append(path, c.lines[at][depth:])
		}
	}
	slices.Reverse(path)
	if len(path) > 0 && path[0] == "bfd" {
		// Its profiles stand for themselves.
		return path[1:]
	}
	return path
}

// in gives what stands in nested contexts of t.
func (t Tree) in(path []string) Tree {
	for _, text := range path {
		at := slices.IndexFunc(t, func(s *Statement) bool { return s.Text == text })
		if at < 0 {
			return nil
		}
		t = t[at].Children
	}
	return t
}

// isIn reports whether t has what is stuck.
func (k *stuck) isIn(t Tree) bool {
	return slices.ContainsFunc(t.in(k.path), func(s *Statement) bool {
		if k.neighbor != "" {
			return neighborOf(s.Text) == k.neighbor
		}
		return s.Text == k.text
	})
}

// without gives t without what is stuck. t is not changed.
func (t Tree) without(k *stuck, path []string) Tree {
	result := make(Tree, 0, len(t))
	for _, s := range t {
		switch here := len(path) == 0; {
		case here && (s.Text == k.text || k.neighbor != "" && neighborOf(strings.TrimPrefix(s.Text, "no ")) == k.neighbor):
			continue
		case here && k.neighbor != "" && isFamily(s):
			s = &Statement{Text: s.Text, Children: s.Children.without(k, nil), shared: s.shared}
		case !here && s.Text == path[0]:
			s = &Statement{Text: s.Text, Children: s.Children.without(k, path[1:]), shared: s.shared}
		}
		result = append(result, s)
	}
	return result
}
