package report

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// Session is how one session of this node stands. It and all it holds are never changed once handed out.
type Session struct {
	// Routes are those that its router originates, sorted by prefix, one for each prefix.
	Routes []route.Route
	// Report is what was found out of what the neighbor was told. While it lists only some of the open routes, nothing that was
	// told is said to be over.
	Report verify.Report
}

const (
	// each is of how many objects of one session is told one by one. Of more, the node's own object is told alone.
	each = 10
	// examples is how many routes of one object a message has.
	examples = 3
)

// drift is what a neighbor is not told as intended of one object. The zero value means that it is told all so.
type drift struct {
	text string
	// first is the first prefix of it.
	first netip.Prefix
	// claimed means that it is FRR's own word that says so, which may also say that it is over.
	claimed bool
	// many means that it is told of the node, for a whole session.
	many bool
}

// Proven hands over how all sessions of this node stand; call it whenever one may stand otherwise. It returns at once and may
// be called from any goroutine. Of several calls in a row, the last one counts.
//
// Where what comes from an object is not told as intended, and that lasts, the object is told; once more every 25 minutes while
// it stands; and when it is over. No other speaker can know that, so this one tells it. A session that is down, or that nobody
// sees, says nothing of its routes: what was told of them stands until they can be compared.
func (r *Reporter) Proven(sessions []Session) {
	r.sessions.Store(&sessions)
	r.lookAgain()
}

// lookAtDrifts takes up the sessions that Proven was given last, and gives when to look again at the latest.
func (r *Reporter) lookAtDrifts(now time.Time) time.Time {
	latest := r.sessions.Load()
	if latest == r.compared {
		return now.Add(idle)
	}
	if at := r.comparedAt.Add(lookEvery); at.After(now) {
		return at
	}
	r.compared, r.comparedAt = latest, now
	r.compare(*latest, now)
	r.waiting.Store(r.queue.waiting() + r.drifts.waiting())
	return now.Add(idle)
}

// compare takes up how the sessions stand.
func (r *Reporter) compare(sessions []Session, now time.Time) {
	q := &r.drifts
	q.trim(now)
	found := make(map[verify.Session]*finding, len(sessions))
	for i := range sessions {
		f := r.find(&sessions[i])
		key := sessions[i].Report.Session
		found[key] = f
		for o, d := range f.wrong {
			c := change{subject: subject{o, key}, now: fact{drift: d}, own: true}
			if e := q.entries[c.subject]; e != nil && d.many && e.told.drift.many {
				// How many they are changes all the time, and is no news.
				c.now = e.told
			}
			// Where there is no room, the next look tries again.
			_ = q.put(c, now)
		}
	}
	for key, e := range q.entries {
		f := found[key.session]
		switch {
		case f == nil:
			// It is not to be held any more.
			delete(q.entries, key)
		case f.wrong[key.object] != drift{}:
		case f.unclear(e):
			q.hold(e)
		case !e.told.drift.many && e.told.drifts() && !slices.Contains(from(f.routes, e.told.drift.first), key.object):
			// It is not announced any more, which is told in its own way.
			delete(q.entries, key)
		default:
			_ = q.put(change{subject: key, own: true}, now)
		}
	}
}

// finding is what a look finds of one session.
type finding struct {
	routes []route.Route
	// wrong are the objects to tell of, at most each, or the node alone where there are more: then many is set.
	wrong map[route.Object]drift
	many  bool
	// drifts says that at least one route is wrong.
	drifts bool
	// waits are objects that were told of, and of which something is on its way.
	waits map[route.Object]bool
	// compared says that the session could be compared, seen that it was not with FRR's own word alone, listed that all routes
	// that are open were given.
	compared, seen, listed bool
}

// unclear reports whether nobody can say that what was told of e is over.
func (f *finding) unclear(e *entry) bool {
	return !f.compared || !f.listed || f.many || f.waits[e.object] || e.told.drift.many && f.drifts || !f.seen && !e.told.drift.claimed
}

// find looks at one session. Its cost grows with what is open, not with the table.
func (r *Reporter) find(s *Session) *finding {
	f := &finding{
		routes: s.Routes, wrong: map[route.Object]drift{}, waits: map[route.Object]bool{},
		compared: s.Report.Routes(verify.NotComparable) == 0,
		seen: slices.ContainsFunc(s.Report.Witnesses, func(k verify.Knowledge) bool {
			return k.State == verify.Whole && (k.Witness == verify.Wire || k.Witness == verify.Received)
		}),
	}
	open := 0
	for _, c := range s.Report.Counts {
		if c.Kind.Open() {
			open += c.Routes
		}
	}
	f.listed = len(s.Report.Open) >= open
	wrong := map[route.Object][]verify.Verdict{}
	for _, v := range s.Report.Open {
		f.drifts = f.drifts || v.Kind.Wrong()
		if v.Wanted == nil {
			// Nobody asked for it, so nobody can be told.
			continue
		}
		for _, o := range from(s.Routes, v.Prefix) {
			switch {
			case !tellable(o):
			case v.Kind.Wrong():
				wrong[o] = append(wrong[o], v)
			case r.drifts.entries[subject{o, s.Report.Session}] != nil:
				f.waits[o] = true
			}
		}
		if len(wrong) > each {
			f.many = true
			f.wrong[route.Object{Kind: "Node", Name: r.node}] = driftOfMany(&s.Report)
			return f
		}
	}
	for o, all := range wrong {
		f.wrong[o] = driftOf(all)
	}
	return f
}

// from gives the objects that ask for a prefix.
func from(routes []route.Route, prefix netip.Prefix) []route.Object {
	at, found := slices.BinarySearchFunc(routes, prefix, func(r route.Route, p netip.Prefix) int {
		return route.ComparePrefixes(r.Prefix, p)
	})
	if !found {
		return nil
	}
	return routes[at].From
}

// driftOf says what is wrong with the routes of one object.
func driftOf(all []verify.Verdict) drift {
	var texts []string
	for _, v := range all[:min(len(all), examples)] {
		texts = append(texts, v.String())
	}
	if more := len(all) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more routes (fairlead verify)", more))
	}
	return drift{text: strings.Join(texts, "; "), first: all[0].Prefix, claimed: all[0].Witness == verify.Claim}
}

// driftOfMany says what is wrong with many routes of a session.
func driftOfMany(r *verify.Report) drift {
	at := slices.IndexFunc(r.Open, func(v verify.Verdict) bool { return v.Kind.Wrong() && v.Wanted != nil })
	first, wrong := r.Open[at], r.Routes(verify.Missing)+r.Routes(verify.Mismatch)
	return drift{
		text:  fmt.Sprintf("%d routes (fairlead verify), the first: %s", wrong, first),
		first: first.Prefix, claimed: first.Witness == verify.Claim, many: true,
	}
}

// driftNotice is what to tell of e, which is about a session of a node.
func driftNotice(node string, e *entry) notice {
	who := "neighbor " + e.session.Neighbor
	if e.session.Router != "" {
		who += " of router " + e.session.Router
	}
	who += " on node " + node
	if !e.now.drifts() {
		return notice{reason: proven, message: who + " is told as intended again"}
	}
	return notice{reason: drifted, message: who + " is not told as intended: " + e.now.drift.text, warning: true, again: !e.waits()}
}

// tellDrift tells the first drift that is due, where requests are free by then. It reports whether one was, and if not when
// one will be.
func (r *Reporter) tellDrift(ctx context.Context, alive electorate, free, now time.Time) (bool, time.Time) {
	first := r.drifts.first()
	if first == nil {
		return false, now.Add(idle)
	}
	l := r.drifts.limits
	if at := later(first.next(), later(free, r.driftPace.next(l.every, l.burst))); at.After(now) {
		return false, at
	}
	r.driftPace.take(now, l.every)
	r.change(ctx, &r.drifts, first, alive, now)
	return true, now
}
