package report

import (
	"cmp"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// pace lets burst events pass at once and then one each interval. The zero value has the whole burst left.
type pace struct {
	// spent is when the burst will be whole again.
	spent time.Time
}

// next is the earliest time at which one more may pass.
func (p pace) next(every time.Duration, burst int) time.Time {
	return p.spent.Add(-time.Duration(burst-1) * every)
}

// take counts one that passes now.
func (p *pace) take(now time.Time, every time.Duration) {
	if p.spent.Before(now) {
		p.spent = now
	}
	p.spent = p.spent.Add(every)
}

// limits bound what one speaker asks of the API server.
type limits struct {
	// settle is how long a change waits before it is told, so that what lasts shorter is never told at all: a pod that has no
	// address in its first second is no news.
	settle time.Duration
	// objectEvery and objectBurst bound the Events of one object. What comes in between is not told; what stands then is.
	objectEvery time.Duration
	objectBurst int
	// every and burst bound the Events of this speaker.
	every time.Duration
	burst int
	// waiting is how many objects may wait to be told of, patience how long one that fails is tried.
	waiting  int
	patience time.Duration
	// standing is how often the wishes that are still not followed are told again. The API server forgets an Event after an
	// hour.
	standing time.Duration
}

// usual are the limits outside tests. 25 minutes leave room for one more round before the API server forgets, where the
// speaker that told last is gone.
var usual = limits{
	settle:      3 * time.Second,
	objectEvery: 30 * time.Second,
	objectBurst: 3,
	every:       100 * time.Millisecond,
	burst:       50,
	waiting:     4096,
	patience:    5 * time.Minute,
	standing:    25 * time.Minute,
}

// usualDrift are those of what neighbors are not told as intended, which come on top. FRR is asked every 5 s why a route is
// missing, and what is told first should say so.
var usualDrift = limits{
	settle:      7 * time.Second,
	objectEvery: time.Minute,
	objectBurst: 3,
	every:       6 * time.Second,
	burst:       10,
	waiting:     4096,
	patience:    5 * time.Minute,
	standing:    25 * time.Minute,
}

// subject is what is told of: an object, and where it is about what one neighbor is told, the session with that one. The zero
// Session means what is announced at all.
type subject struct {
	object  route.Object
	session verify.Session
}

func (s subject) compare(other subject) int {
	return cmp.Or(s.object.Compare(other.object), strings.Compare(s.session.Router, other.session.Router),
		strings.Compare(s.session.Neighbor, other.session.Neighbor))
}

// entry is a subject that was told of lately, or is to be told of.
type entry struct {
	subject
	// told is what Kubernetes knows, now what stands. Nothing waits where they are equal.
	told, now fact
	// own means that this speaker alone knows of what waits.
	own bool
	// due is when to tell what stands; it means nothing where nothing waits.
	due time.Time
	// again is when to tell once more what was told and still stands; zero means not.
	again time.Time
	pace  pace
	// failing is when telling failed first; zero means that it did not.
	failing time.Time
}

func (e *entry) waits() bool { return e.told != e.now }

// next is when e is to be told of; zero means not before something changes.
func (e *entry) next() time.Time {
	if e.waits() {
		return e.due
	}
	return e.again
}

// queue holds the entries, at most limits.waiting of them.
type queue struct {
	limits  limits
	entries map[subject]*entry
}

func newQueue(l limits) queue { return queue{limits: l, entries: make(map[subject]*entry)} }

// put takes up a change, and reports whether there was room for it.
func (q *queue) put(c change, now time.Time) bool {
	e := q.entries[c.subject]
	switch {
	case e != nil:
	case len(q.entries) >= q.limits.waiting:
		return false
	default:
		e = &entry{subject: c.subject, told: c.old, now: c.old}
		q.entries[c.subject] = e
	}
	waited := e.waits()
	e.now = c.now
	e.own = c.own || waited && e.own
	if !waited {
		e.due = later(now.Add(q.limits.settle), e.pace.next(q.limits.objectEvery, q.limits.objectBurst))
		e.failing = time.Time{}
	}
	if e.again.IsZero() && e.now.drifts() {
		e.again = now.Add(q.limits.standing)
	}
	return true
}

// hold has nothing told of e for now, and remembers what was.
func (q *queue) hold(e *entry) { e.now, e.again = e.told, time.Time{} }

// first gives the entry that is to be told of first, or nil where there is none.
func (q *queue) first() *entry {
	var first *entry
	for _, e := range q.entries {
		if at := e.next(); !at.IsZero() &&
			(first == nil || at.Before(first.next()) || at.Equal(first.next()) && e.compare(first.subject) < 0) {
			first = e
		}
	}
	return first
}

// settled notes that nothing of e waits any more, because it was told or given up.
func (q *queue) settled(e *entry, now time.Time) {
	e.told, e.failing, e.again = e.now, time.Time{}, time.Time{}
	if e.told.drifts() {
		e.again = now.Add(q.limits.standing)
	}
}

// trim forgets the subjects that nothing is remembered for: nothing waits, nothing that was told is to be taken back, and
// their pace is whole again.
func (q *queue) trim(now time.Time) {
	for key, e := range q.entries {
		if !e.waits() && !e.told.drifts() && !e.pace.spent.After(now) {
			delete(q.entries, key)
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
