package reload

import (
	"context"
	"slices"
	"strings"
)

// Extend makes FRR hold wanted as Apply does, but takes back no route: for a while when part of what is wanted is not known. A
// network that FRR announces and wanted lacks stays, with the group of its attributes, but for one that somebody's hand added. The
// file is left as it is: it holds the last configuration that was whole.
func (r *Reloader) Extend(ctx context.Context, wanted []byte) (Change, error) {
	if err := r.learn(ctx); err != nil {
		return Change{}, err
	}
	_, change, err := r.take(ctx, withNetworks(r.ours(Parse(wanted)), r.ours(Parse(r.applied)), r.ours(Parse(r.good))).text())
	return change, err
}

// Restore gives FRR what the file holds, where it holds no router of ours: it was started without the file, or lost what it had.
// Where it holds one, that may be newer than the file, and stays as it is. One with nothing but settings beside what is declared
// foreign is only what that stands in.
func (r *Reloader) Restore(ctx context.Context, kept []byte) (Change, error) {
	if err := r.learn(ctx); err != nil {
		return Change{}, err
	}
	shared := index(r.theirs, topKey)
	if slices.ContainsFunc(r.ours(Parse(r.applied)), func(s *Statement) bool {
		return isRouter(s) && (shared[topKey(s)] == nil || len(skeleton(s).Children) < len(s.Children))
	}) {
		return Change{}, nil
	}
	return r.Extend(ctx, kept)
}

// withNetworks gives wanted with the networks that running has beside its own and that are ours, and the groups that these use:
// ours is one that uses such a group, or that good has too. An address family that wanted lacks gets none: no neighbor would be
// told of them. No tree is changed.
func withNetworks(wanted, running, good Tree) Tree {
	old, last := index(running, topKey), index(good, topKey)
	result := slices.Clone(wanted)
	groups := map[string]bool{}
	for i, w := range wanted {
		r := old[topKey(w)]
		if !isRouter(w) || r == nil || r.Text != w.Text {
			continue
		}
		router := &Statement{Text: w.Text, Children: slices.Clone(w.Children)}
		families := index(r.Children, childKey)
		known := map[string]bool{}
		if l := last[topKey(w)]; l != nil {
			known = networksOf(l)
		}
		for j, family := range w.Children {
			if from := families[childKey(family)]; isFamily(family) && from != nil {
				router.Children[j] = &Statement{Text: family.Text, Children: withMissing(family.Children, from.Children, known, groups)}
			}
		}
		result[i] = router
	}
	has := index(wanted, topKey)
	for _, s := range running {
		if isRouteMap(s) && has[topKey(s)] == nil && groups[policyName(s)] {
			result = append(result, s)
		}
	}
	return result
}

// withMissing gives the statements of an address family with the networks that running has beside them, where they use a group of
// ours or are known (childKey), and notes the groups of these.
func withMissing(wanted, running Tree, known, groups map[string]bool) Tree {
	has := index(wanted, childKey)
	result := slices.Clone(wanted)
	for _, s := range running {
		if !strings.HasPrefix(s.Text, "network ") || has[childKey(s)] != nil {
			continue
		}
		_, group, _ := strings.Cut(s.Text, " route-map ")
		if !strings.HasPrefix(group, groupName) && !known[childKey(s)] {
			continue
		}
		groups[group] = true
		result = append(result, s)
	}
	return result
}
