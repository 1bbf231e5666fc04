package reload

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/frr"
)

// Drift is one statement of FRR that is not what it was made to be. It holds no password.
type Drift struct {
	Kind  Kind
	Owner Owner
	// Path is the statement as it should be, behind the contexts that it stands in; where it was added, as it runs.
	Path []string
	// Running is what runs in its place; "" unless it was changed.
	Running string
}

// String gives "changed router bgp 65000 / neighbor 192.0.2.1 timers 3 9: now neighbor 192.0.2.1 timers 5 15 (fairlead)".
func (d Drift) String() string {
	text := string(d.Kind) + " " + strings.Join(d.Path, " / ")
	if d.Running != "" {
		text += ": now " + d.Running
	}
	return text + " (" + string(d.Owner) + ")"
}

// Kind says what became of a statement.
type Kind string

// The kinds of drift.
const (
	Missing Kind = "missing"
	Added   Kind = "added"
	Changed Kind = "changed"
)

// Owner says whose a statement is.
type Owner string

// The owners. What is nobody's stands in a context of Fairlead's, such as router bgp, and Fairlead did not write it.
const (
	Fairlead  Owner = "fairlead"
	Operator  Owner = "foreign"
	Unclaimed Owner = "unowned"
)

// Drifts gives what differs in running from wanted, both of which hold only what is ours, in their order. A context that is
// gone, or came, is one drift.
func Drifts(wanted, running Tree) []Drift {
	var found []Drift
	old := index(running, topKey)
	for _, w := range wanted {
		r := old[topKey(w)]
		delete(old, topKey(w))
		switch {
		case r == nil || r.Text != w.Text:
			found = append(found, drift(Fairlead, nil, w, r))
		case isRouter(w):
			found = append(found, routerDrifts(w, r)...)
		default:
			found = append(found, drifts([]string{w.Text}, w.Children, r.Children, func(*Statement) Owner { return Fairlead })...)
		}
	}
	for _, r := range running {
		if old[topKey(r)] != r {
			continue
		}
		owner := Fairlead
		if isRouter(r) {
			owner = Unclaimed
		}
		found = append(found, drift(owner, nil, nil, r))
	}
	return found
}

// routerDrifts gives what differs in one router.
func routerDrifts(w, r *Statement) []Drift {
	known := remotes(w.Children)
	// Somebody's setting of a neighbor of ours is about ours.
	owner := func(s *Statement) Owner {
		if known[neighborOf(strings.TrimPrefix(s.Text, "no "))] != "" {
			return Fairlead
		}
		return Unclaimed
	}
	found := drifts([]string{w.Text}, w.Children, r.Children, owner)
	for _, f := range familiesOf(w, r) {
		found = append(found, drifts([]string{w.Text, f.name}, f.contents(w), f.contents(r), owner)...)
	}
	return found
}

// drifts gives what differs between the statements of a context, but for address families. owner says whose an added one is.
func drifts(path []string, wanted, running Tree, owner func(*Statement) Owner) []Drift {
	var found []Drift
	old := index(running, childKey)
	for _, w := range wanted {
		r := old[childKey(w)]
		delete(old, childKey(w))
		switch {
		case isFamily(w):
		case r == nil || r.Text != w.Text:
			found = append(found, drift(Fairlead, path, w, r))
		case nests(w):
			found = append(found, drifts(append(slices.Clone(path), w.Text), w.Children, r.Children, func(*Statement) Owner { return Fairlead })...)
		}
	}
	for _, r := range running {
		if !isFamily(r) && old[childKey(r)] == r {
			found = append(found, drift(owner(r), path, nil, r))
		}
	}
	return found
}

func drift(owner Owner, path []string, wanted, running *Statement) Drift {
	d := Drift{Kind: Changed, Owner: owner}
	text := wanted
	switch {
	case wanted == nil:
		d.Kind, text = Added, running
	case running == nil:
		d.Kind = Missing
	default:
		d.Running = frr.Mask(running.Text)
	}
	d.Path = append(slices.Clone(path), frr.Mask(text.Text))
	return d
}

// foreignDrifts gives the declared statements that run, and those that Fairlead would write and leaves because they are.
func foreignDrifts(covered, theirs Tree) []Drift {
	var found []Drift
	wanted := index(covered, topKey)
	for _, t := range theirs {
		w := wanted[topKey(t)]
		delete(wanted, topKey(t))
		if w == nil {
			w = &Statement{Text: t.Text}
		}
		found = append(found, routerDrifts(w, t)...)
	}
	for _, w := range covered {
		if wanted[topKey(w)] == w {
			found = append(found, routerDrifts(w, &Statement{Text: w.Text})...)
		}
	}
	for i := range found {
		found[i].Owner = Operator
	}
	return found
}

// family is an address family of a router, by the name of its context.
type family struct{ name string }

func (f family) contents(router *Statement) Tree {
	for _, c := range router.Children {
		if c.Text == f.name {
			return c.Children
		}
	}
	return nil
}

// familiesOf gives the address families that some routers have, each once.
func familiesOf(routers ...*Statement) []family {
	var all []family
	for _, r := range routers {
		for _, c := range r.Children {
			if isFamily(c) && !slices.Contains(all, family{c.Text}) {
				all = append(all, family{c.Text})
			}
		}
	}
	return all
}

// remotes gives the statement that makes each neighbor of a router exist.
func remotes(t Tree) map[string]string {
	found := map[string]string{}
	for _, s := range t {
		if isRemoteAS(s.Text) {
			found[neighborOf(s.Text)] = s.Text
		}
	}
	return found
}

// leave gives wanted with the hand of somebody in it. base is what FRR was made to hold and running what it holds now. A
// statement that differs in these two is left as it runs, for as long as wanted says of it what base does; where wanted says
// something else, that counts. The trees are not changed.
//
// A neighbor that a hand removed, added, or gave another AS is left as a whole, and one that wanted removes, adds or gives another
// AS is as wanted as a whole: its settings need it. The entry of a list or a route-map, with all that is in it, is one statement.
// A router that is gone, or has another AS, is not left: FRR itself loses it when it starts anew.
func leave(base, running, wanted Tree) Tree {
	b, r, w := index(base, topKey), index(running, topKey), index(wanted, topKey)
	result := make(Tree, 0, len(wanted))
	add := func(s *Statement) {
		if s != nil {
			result = append(result, s)
		}
	}
	for _, s := range wanted {
		key := topKey(s)
		add(leaveTop(b[key], r[key], s))
	}
	for _, s := range running {
		if key := topKey(s); w[key] == nil && r[key] == s {
			add(leaveTop(b[key], s, nil))
		}
	}
	return result
}

// leaveTop does leave for one statement at the top, each of whose versions is nil where it is not there.
func leaveTop(b, r, w *Statement) *Statement {
	if b == nil || !isRouter(b) {
		return choose(b, r, w)
	}
	if r == nil || w == nil || r.Text != b.Text || w.Text != b.Text {
		return w
	}
	whose := ofNeighbors(b, r, w)
	left := &Statement{Text: w.Text, Children: leaveStatements(b.Children, r.Children, w.Children, whose)}
	for _, f := range familiesOf(w, r) {
		if inside := leaveStatements(f.contents(b), f.contents(r), f.contents(w), whose); len(inside) > 0 {
			left.Children = append(left.Children, &Statement{Text: f.name, Children: inside})
		}
	}
	return left
}

// choose gives r where w says what b does, and w elsewhere.
func choose(b, r, w *Statement) *Statement {
	if !same(b, r) && same(b, w) {
		return r
	}
	return w
}

// same reports whether two statements are, in all that they hold; nil is one that is not there.
func same(a, b *Statement) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Text == b.Text && equal(a.Children, b.Children)
}

// ofNeighbors gives for each neighbor of a router that is one as a whole whether it is as it runs, and not as wanted.
func ofNeighbors(b, r, w *Statement) map[string]bool {
	before, now, next := remotes(b.Children), remotes(r.Children), remotes(w.Children)
	runs := map[string]bool{}
	for _, some := range []map[string]string{before, now, next} {
		for n := range some {
			switch {
			case next[n] != before[n]:
				runs[n] = false
			case now[n] != before[n]:
				runs[n] = true
			}
		}
	}
	return runs
}

// leaveStatements does leave for the statements of a router or an address family.
func leaveStatements(base, running, wanted Tree, whole map[string]bool) Tree {
	b, r, w := index(base, childKey), index(running, childKey), index(wanted, childKey)
	var result Tree
	pick := func(s *Statement) {
		key := childKey(s)
		left := choose(b[key], r[key], w[key])
		if runs, is := whole[neighborOf(strings.TrimPrefix(s.Text, "no "))]; is {
			if left = w[key]; runs {
				left = r[key]
			}
		}
		if left != nil {
			result = append(result, left)
		}
	}
	for _, s := range wanted {
		if !isFamily(s) {
			pick(s)
		}
	}
	for _, s := range running {
		if key := childKey(s); !isFamily(s) && w[key] == nil && r[key] == s {
			pick(s)
		}
	}
	return result
}

// LeaveDrift says whether what an Audit finds is left as it is, and not put right by the next Apply. What it has found before
// is no longer left once leaves is false.
func (r *Reloader) LeaveDrift(leaves bool) {
	if r.leaves = leaves; !leaves {
		r.left = nil
	}
}

// Declare says what is foreign inside of what is ours.
func (r *Reloader) Declare(f Foreign) {
	if !r.foreign.Equal(f) {
		r.foreign = f
		r.Reread()
	}
}

// Audit reads all that FRR holds and gives what somebody has changed since the last Apply, and the foreign statements that were
// declared; the next Apply puts the former right, or leaves them (LeaveDrift). It reports false where it has nothing to compare
// with: before the first Apply, after one that failed, and after Forget. Then FRR is read by the next Apply anyway.
func (r *Reloader) Audit(ctx context.Context) ([]Drift, bool, error) {
	if !r.known {
		return nil, false, nil
	}
	running, err := r.read(ctx)
	if err != nil {
		r.Reread()
		return nil, false, err
	}
	base := r.good
	if r.untidy {
		// What is to go later is no drift.
		base = r.applied
	}
	ours, covered := r.foreign.split(Parse(base).Owned())
	runs := r.ours(Parse(running))
	wanted := withUsed(r.holdable(ours), runs, r.theirs)
	r.applied, r.touched = running, false
	found := Drifts(wanted, runs)
	if len(found) > 0 {
		r.handed = time.Now()
	}
	if r.left = nil; r.leaves && len(found) > 0 && !lostRouter(wanted, runs) {
		r.left = &drifted{base: wanted, running: runs}
	}
	return slices.Concat(found, foreignDrifts(covered, r.theirs)), true, nil
}

// Touched reports whether an Apply saw that somebody else has changed FRR, since the last Audit: there is something for the next one.
func (r *Reloader) Touched() bool { return r.touched }

// lostRouter reports whether a router is not there any more, or none of its neighbors or of its networks is: then FRR has started
// anew without its file, and what else it lacks is nobody's hand either.
func lostRouter(wanted, running Tree) bool {
	there := index(running, topKey)
	return slices.ContainsFunc(wanted, func(s *Statement) bool {
		return isRouter(s) && (there[topKey(s)] == nil || lostAll(remotes(s.Children), remotes(there[topKey(s)].Children)) ||
			lostAll(networksOf(s), networksOf(there[topKey(s)])))
	})
}

// lostAll reports whether nothing of what was there is any more.
func lostAll[V any](was, is map[string]V) bool {
	for one := range was {
		if _, there := is[one]; there {
			return false
		}
	}
	return len(was) > 0
}

// networksOf gives the networks of a router, by their statements' identities (childKey).
func networksOf(router *Statement) map[string]bool {
	found := map[string]bool{}
	for _, f := range familiesOf(router) {
		for _, s := range f.contents(router) {
			if strings.HasPrefix(s.Text, "network ") {
				found[childKey(s)] = true
			}
		}
	}
	return found
}

// doubt is what an FRR, of which not all is known any more, was known to hold before, and what it was to hold next: next is nil
// where that is wanted itself. wanted is what it was to hold without what is left to somebody's hand.
type doubt struct {
	before, wanted []byte
	next           Tree
}

// doubted gives what is left to somebody's hand in an FRR of which all is known again, and which holds running. What a change did,
// or left undone, is none: only what differs from what was before and was to stay so. What bfdd lost is none either.
func (r *Reloader) doubted(running Tree) *drifted {
	d := r.doubt
	before, wanted := r.ours(Parse(d.before)), r.ours(Parse(d.wanted))
	if lostRouter(before, running) {
		return nil
	}
	next := wanted
	if d.next != nil {
		next = r.ours(d.next)
	}
	left := slices.DeleteFunc(leave(before, running, next), isProfile)
	for _, s := range wanted {
		if isProfile(s) {
			left = append(left, s)
		}
	}
	return (&drifted{}).after(wanted, left)
}

// drifted is what is left to somebody's hand: what was wanted, and what runs in its place.
type drifted struct{ base, running Tree }

// after gives what there is to leave from now on, when FRR holds running for what was wanted: a hand's statement that was
// overwritten does not come back with what Fairlead wrote before.
func (d *drifted) after(wanted, running Tree) *drifted {
	if d == nil || len(Drifts(wanted, running)) == 0 {
		return nil
	}
	return &drifted{base: wanted, running: running}
}

// leave gives what FRR is to hold of wanted, where some of it is left to somebody's hand. A nil drifted leaves nothing.
func (d *drifted) leave(wanted Tree) Tree {
	if d == nil {
		return wanted
	}
	return leave(d.base, d.running, wanted)
}

// withUsed gives wanted with the objects of ours that it lacks, running has, and users refer to, be it through one another: who
// names a route-map that is not there permits nothing. No tree is changed.
func withUsed(wanted, running, users Tree) Tree {
	if len(users) == 0 {
		return wanted
	}
	has := map[string]bool{}
	for _, s := range wanted {
		has[policyName(s)] = true
	}
	gone := map[string]Tree{}
	for _, s := range running {
		if name := policyName(s); name != "" && !has[name] {
			gone[name] = append(gone[name], s)
		}
	}
	result := slices.Clone(wanted)
	var use func(t Tree)
	use = func(t Tree) {
		for _, s := range t {
			if strings.Contains(s.Text, " "+namespace) {
				for _, word := range strings.Fields(s.Text)[1:] {
					if object := gone[word]; object != nil {
						delete(gone, word)
						result = append(result, object...)
						use(object)
					}
				}
			}
			use(s.Children)
		}
	}
	if len(gone) > 0 {
		use(users)
	}
	return result
}

// losesRouter reports whether running has a router that wanted has not, or with another AS.
func losesRouter(running, wanted Tree) bool {
	stays := index(wanted, topKey)
	return slices.ContainsFunc(running, func(s *Statement) bool {
		w := stays[topKey(s)]
		return isRouter(s) && (w == nil || w.Text != s.Text)
	})
}
