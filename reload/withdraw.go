package reload

import (
	"context"
	"slices"
	"strings"
)

// Withdraw takes back every route that FRR originates for us, and leaves the sessions, so that the neighbors are told by
// UPDATE. frr.conf stays as it is: call Clear next.
func (r *Reloader) Withdraw(ctx context.Context) (Change, error) {
	r.Retry()
	if err := r.learn(ctx); err != nil {
		return Change{}, err
	}
	// What somebody's hand announces in a router of ours goes too.
	r.left = nil
	return r.hold(ctx, withoutNetworks(r.ours(Parse(r.applied))).text())
}

// Clear takes all that is ours out of FRR and out of frr.conf. The sessions end with a NOTIFICATION (Cease, RFC 4486), so
// that no neighbor keeps what it learned here for a restart to come (RFC 4724).
func (r *Reloader) Clear(ctx context.Context) (Change, error) {
	r.left = nil
	// What FRR refused before keeps nothing of ours there.
	r.Retry()
	spare := r.spare
	defer r.Spare(spare)
	r.Spare(false)
	return r.Apply(ctx, []byte("frr defaults traditional\n"))
}

// withoutNetworks gives t without the statements that originate a route. t is not changed.
func withoutNetworks(t Tree) Tree {
	result := slices.Clone(t)
	for i, s := range t {
		switch {
		case isRouter(s) || isFamily(s):
			result[i] = &Statement{Text: s.Text, Children: withoutNetworks(s.Children)}
		case strings.HasPrefix(s.Text, "network "):
			result[i] = nil
		}
	}
	return slices.DeleteFunc(result, func(s *Statement) bool { return s == nil })
}
