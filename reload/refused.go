package reload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/frr"
)

// RefusedError says what FRR refused of a configuration, and why, in FRR's own words.
type RefusedError struct {
	// Refusals are in the order of what FRR was given; there is at least one.
	Refusals []Refusal
	// Rest says that all else is in force. Otherwise the last good configuration is.
	Rest bool
}

// Refusal is a statement that FRR refused.
type Refusal struct {
	frr.Refusal
	// Objects are the networks and neighbors that the statement is for; none where it is not for these alone.
	Objects []Object
	// names are the objects of FRR that the statement is part of, and wanted is what was wanted of all of them.
	names  []string
	wanted string
	// stuck is what the statement was to take back, where nobody who is asked for wants it; nil elsewhere.
	stuck *stuck
}

// Object is a network or a neighbor of a router.
type Object struct {
	// Router is the router's statement: "router bgp 65000".
	Router string
	// Network is a prefix, or else Neighbor is an address or an interface.
	Network, Neighbor string
}

// Error implements error.
func (e *RefusedError) Error() string {
	text := e.words().Error()
	if e.Rest {
		text += "; all else is applied"
	}
	if slices.ContainsFunc(e.Refusals, func(f Refusal) bool { return f.stuck != nil }) {
		text += "; what FRR does not take back stays: take it out by hand"
	}
	return text
}

// Unwrap gives FRR's words as a *frr.ApplyError.
func (e *RefusedError) Unwrap() error { return e.words() }

func (e *RefusedError) words() *frr.ApplyError {
	var words frr.ApplyError
	for _, r := range e.Refusals {
		words.Refusals = append(words.Refusals, r.Refusal)
	}
	return &words
}

// Spare says whether Apply and Extend go on without what FRR refuses: the networks and neighbors that a refused statement is for
// stay as the last good configuration has them, all else is applied, and the error is a *RefusedError. FRR is not given the same
// again until Retry. They do not where a statement is refused that is not for networks and neighbors alone. Without Spare, they go
// on without what was refused already, and no further.
//
// In both cases what FRR does not take back of somebody's hand stays, and holds up nothing: that too is a *RefusedError.
func (r *Reloader) Spare(spare bool) { r.spare = spare }

// Retry has the next Apply give FRR what it refused before: what may be refused and can be given unused is given so first.
func (r *Reloader) Retry() {
	r.again = r.again || len(r.refused) > 0 || r.hopeless != nil
	r.refused, r.stuck, r.hopeless, r.hopelessly = nil, nil, nil, nil
}

// rounds bound how often Apply looks for what FRR takes: it says at once all that it refuses, but what depends on that may be
// refused only then.
const rounds = 3

// applySparing makes FRR, of which all is known, hold wanted without what it refuses; without Spare, without what it refused
// already. It gives the configuration that it holds then.
func (r *Reloader) applySparing(ctx context.Context, wanted []byte) ([]byte, Change, error) {
	if r.again && r.spare {
		r.again = false
		if change, err := r.ahead(ctx, wanted); err != nil {
			return wanted, change, err
		}
	}
	for round := 1; ; round++ {
		held := r.spared(wanted)
		change, err := r.try(ctx, held)
		var refused *RefusedError
		if !errors.As(err, &refused) {
			return held, change, cmp.Or(err, r.stillRefused())
		}
		if !r.spare || round == rounds || !r.leaveOut(refused) {
			return held, change, err
		}
		if err := r.learnAgain(ctx); err != nil {
			return held, change, err
		}
	}
}

// leaveOut has what was refused left out from now on, and reports whether that is possible.
func (r *Reloader) leaveOut(refused *RefusedError) bool {
	others := slices.DeleteFunc(slices.Clone(refused.Refusals), func(f Refusal) bool { return f.stuck != nil })
	if slices.ContainsFunc(others, func(f Refusal) bool { return len(f.Objects) == 0 }) {
		return false
	}
	r.refused = append(r.refused, others...)
	return true
}

// ahead gives FRR the route-maps, lists and profiles that it lacks of wanted, while nothing uses them: a group or a policy that it
// refuses in part again is not in force until that is known.
func (r *Reloader) ahead(ctx context.Context, wanted []byte) (Change, error) {
	before := r.applied
	from, to := r.between(before, wanted)
	there := map[string]bool{}
	for _, s := range from.policies() {
		there[policyName(s)] = true
	}
	change := Diff(nil, slices.DeleteFunc(to.policies(), func(s *Statement) bool { return there[policyName(s)] }))
	if change.Empty() {
		return change, nil
	}
	err := r.give(context.WithoutCancel(ctx), change)
	r.changed(before, wanted, r.left.leave(r.ours(Parse(wanted))))
	var words *frr.ApplyError
	if errors.As(err, &words) {
		refused := r.blame(words, change, before, wanted)
		if err = nil; !r.leaveOut(refused) {
			err = refused
		}
	}
	if err != nil {
		return change, fmt.Errorf("%w: %w", ErrChanging, err)
	}
	return change, r.learnAgain(ctx)
}

// learnAgain reads what FRR holds, where it refused part of a change.
func (r *Reloader) learnAgain(ctx context.Context) error {
	if err := r.learn(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("%w: %w", ErrChanging, err)
	}
	return nil
}

// stillRefused says what FRR refused of the configuration that it holds, or nil.
func (r *Reloader) stillRefused() error {
	if len(r.refused)+len(r.stuck) == 0 {
		return nil
	}
	return &RefusedError{Refusals: slices.Concat(r.refused, r.stuck), Rest: true}
}

// spared gives wanted, where what FRR refused of it is as it was. What is wanted otherwise meanwhile is no longer refused.
func (r *Reloader) spared(wanted []byte) []byte {
	if len(r.refused)+len(r.stuck) == 0 {
		return wanted
	}
	tree := Parse(wanted)
	owned := tree.Owned()
	r.stuck = slices.DeleteFunc(r.stuck, func(f Refusal) bool { return f.stuck.isIn(owned) })
	texts := tree.wants(r.refused)
	kept := r.refused[:0:0]
	for i, f := range r.refused {
		if texts[i] == f.wanted {
			kept = append(kept, f)
		}
	}
	if r.refused = kept; len(kept) == 0 {
		return wanted
	}
	return tree.with(Parse(r.good), r.refused).text()
}

// blame says what refused lines of a change are for, which was to make wanted of before.
func (r *Reloader) blame(refused *frr.ApplyError, c Change, before, wanted []byte) *RefusedError {
	whole := Parse(wanted)
	running, next := r.ours(Parse(before)), r.ours(whole)
	var good Tree
	if r.proven {
		good = r.ours(Parse(r.good))
	}
	used := whole.usage()
	result := &RefusedError{}
	for _, line := range refused.Refusals {
		f := Refusal{Refusal: line}
		if line.Line >= 1 && line.Line <= len(c.lines) && frr.Mask(strings.TrimSpace(c.lines[line.Line-1])) == line.Statement {
			if f.stuck = c.stuck(line.Line-1, running, next, good); f.stuck == nil {
				f.Objects, f.names = c.objects(line.Line-1, used)
			}
		}
		result.Refusals = append(result.Refusals, f)
	}
	for i, text := range whole.wants(result.Refusals) {
		result.Refusals[i].wanted = text
	}
	return result
}

// objects gives what one line of a change is for, and the route-maps, lists and profiles that are part of it.
func (c Change) objects(line int, wanted usage) ([]Object, []string) {
	text := strings.TrimSpace(c.lines[line])
	// Where the line is in no context it stands as it is: "no route-map X" is for nobody who is asked for.
	top := &Statement{Text: text}
	if path := c.path(line); len(path) > 0 {
		top.Text = path[0]
	}
	switch {
	case isRouter(top):
		if o := objectOf(top.Text, strings.TrimPrefix(text, "no ")); o != (Object{}) {
			return []Object{o}, nil
		}
	case isRouteMap(top) || isList(top) || isProfile(top):
		return wanted.users(policyName(top))
	}
	return nil, nil
}

// objectOf gives the network or the neighbor that a statement inside a router or one of its address families is about; the
// zero Object where it is about another thing.
func objectOf(router, text string) Object {
	if rest, ok := strings.CutPrefix(text, "network "); ok {
		prefix, _, _ := strings.Cut(rest, " ")
		return Object{Router: router, Network: prefix}
	}
	if n := neighborOf(text); n != "" {
		return Object{Router: router, Neighbor: n}
	}
	return Object{}
}

// policyName gives the name of the route-map, list or profile that a statement is an entry of, or "".
func policyName(s *Statement) string {
	words := strings.Fields(s.Text)
	switch n := listWords(s.Text); {
	case n > 0 && len(words) >= n:
		return words[n-3]
	case (isRouteMap(s) || isProfile(s)) && len(words) > 1:
		return words[1]
	}
	return ""
}

// policyKey gives the kind and the name of the route-map or list that a statement is an entry of, or "".
func policyKey(s *Statement) string {
	words := strings.Fields(s.Text)
	switch n := listWords(s.Text); {
	case n > 0 && len(words) >= n:
		return strings.Join(words[:n-2], " ")
	case isRouteMap(s) && len(words) > 1:
		return strings.Join(words[:2], " ")
	}
	return ""
}

// usage says what uses each route-map, list and profile of a configuration.
type usage struct {
	// maps are the route-maps, and objects the networks and neighbors, that name it. elsewhere says that something else does.
	maps      map[string][]string
	objects   map[string][]Object
	elsewhere map[string]bool
}

func (t Tree) usage() usage {
	used := usage{maps: map[string][]string{}, objects: map[string][]Object{}, elsewhere: map[string]bool{}}
	policies := t.policies()
	is := make(map[string]bool, len(policies))
	for _, s := range policies {
		is[policyName(s)] = true
	}
	named := func(s *Statement, note func(name string)) {
		for _, word := range strings.Fields(s.Text)[1:] {
			if is[word] {
				note(word)
			}
		}
	}
	for _, s := range t {
		switch {
		case isRouteMap(s):
			for _, c := range s.Children {
				named(c, func(name string) { used.maps[name] = append(used.maps[name], policyName(s)) })
			}
		case isRouter(s):
			for _, c := range s.all() {
				named(c, func(name string) {
					o := objectOf(s.Text, c.Text)
					used.objects[name] = append(used.objects[name], o)
					used.elsewhere[name] = used.elsewhere[name] || o == Object{}
				})
			}
		}
	}
	return used
}

// users gives the networks and neighbors that use a route-map, list or profile, with the names of all route-maps by which they do;
// nothing where something else uses it too.
func (u usage) users(name string) ([]Object, []string) {
	names, seen := []string{name}, map[string]bool{name: true}
	var objects []Object
	has := map[Object]bool{}
	for i := 0; i < len(names); i++ {
		if u.elsewhere[names[i]] {
			return nil, nil
		}
		for _, m := range u.maps[names[i]] {
			if !seen[m] {
				names, seen[m] = append(names, m), true
			}
		}
		for _, o := range u.objects[names[i]] {
			if !has[o] {
				objects, has[o] = append(objects, o), true
			}
		}
	}
	return objects, names
}

// all gives the statements of a router with those of its address families.
func (s *Statement) all() Tree {
	all := slices.Clone(s.Children)
	for _, c := range s.Children {
		all = append(all, c.Children...)
	}
	return all
}

// wants gives what t says of the objects of each refusal.
func (t Tree) wants(refused []Refusal) []string {
	objects, names := map[Object]Tree{}, map[string]Tree{}
	for _, f := range refused {
		for _, o := range f.Objects {
			objects[o] = nil
		}
		for _, n := range f.names {
			names[n] = nil
		}
	}
	note(names, t.policies(), policyName)
	for _, router := range t {
		if isRouter(router) {
			note(objects, router.all(), func(s *Statement) Object { return objectOf(router.Text, s.Text) })
		}
	}
	texts := make([]string, len(refused))
	for i, f := range refused {
		var of Tree
		for _, n := range f.names {
			of = append(of, names[n]...)
		}
		for _, o := range f.Objects {
			of = append(of, objects[o]...)
		}
		texts[i] = string(of.text())
	}
	return texts
}

// note adds statements to those of the keys that by has.
func note[K comparable](by map[K]Tree, statements Tree, keyOf func(*Statement) K) {
	for _, s := range statements {
		key := keyOf(s)
		if of, ok := by[key]; ok {
			by[key] = append(of, s)
		}
	}
}

// policies gives the entries of route-maps and lists, and the profiles of BFD, of t.
func (t Tree) policies() Tree {
	var policies Tree
	for _, s := range t {
		if policyName(s) != "" {
			policies = append(policies, s)
		} else if s.Text == "bfd" {
			policies = append(policies, s.Children.policies()...)
		}
	}
	return policies
}

// with gives t, where the objects that FRR refused are as good has them, or are not there where it has none; all route-maps, lists
// and profiles of good stay meanwhile, because they may use them. Neither tree is changed.
func (t Tree) with(good Tree, refused []Refusal) Tree {
	objects, names := map[Object]bool{}, map[string]bool{}
	for _, f := range refused {
		for _, o := range f.Objects {
			objects[o] = true
		}
		for _, n := range f.names {
			names[n] = true
		}
	}
	bad := func(s *Statement) bool { return names[policyName(s)] }
	result := Tree{}
	for _, s := range t {
		switch {
		case s.Text == "bfd":
			result = append(result, &Statement{Text: s.Text, Children: slices.DeleteFunc(slices.Clone(s.Children), bad)})
		case !bad(s):
			result = append(result, s)
		}
	}
	has := index(result.policies(), topKey)
	for _, s := range good.Owned() {
		if has[topKey(s)] != nil || policyName(s) == "" {
			continue
		}
		if isProfile(s) {
			s = &Statement{Text: "bfd", Children: Tree{s}}
		}
		result = append(result, s)
	}
	old := index(good, topKey)
	for i, s := range result {
		if isRouter(s) {
			result[i] = s.withObjects(old[topKey(s)], objects)
		}
	}
	// What uses them comes last.
	result.moveLast(isRouter)
	return result
}

// moveLast puts the statements of a kind behind all others, and keeps the order of both.
func (t Tree) moveLast(isKind func(*Statement) bool) {
	place := func(s *Statement) int {
		if isKind(s) {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(t, func(a, b *Statement) int { return place(a) - place(b) })
}

// withObjects gives a router, where some objects are as good has them.
func (s *Statement) withObjects(good *Statement, objects map[Object]bool) *Statement {
	of := func(c *Statement) bool { return objects[objectOf(s.Text, c.Text)] }
	result := &Statement{Text: s.Text, Children: slices.DeleteFunc(slices.Clone(s.Children), of)}
	for i, family := range result.Children {
		if isFamily(family) {
			result.Children[i] = &Statement{Text: family.Text, Children: slices.DeleteFunc(slices.Clone(family.Children), of)}
		}
	}
	if good == nil || good.Text != s.Text {
		return result
	}
	has := index(result.Children, childKey)
	for _, c := range good.Children {
		switch {
		case of(c):
			result.Children = append(result.Children, c)
		case isFamily(c):
			var kept Tree
			for _, inner := range c.Children {
				if of(inner) {
					kept = append(kept, inner)
				}
			}
			if family := has[c.Text]; family != nil {
				family.Children = append(family.Children, kept...)
			} else if len(kept) > 0 {
				result.Children = append(result.Children, &Statement{Text: c.Text, Children: kept})
			}
		}
	}
	// The statements of the router itself come before its address families.
	result.Children.moveLast(isFamily)
	return result
}
