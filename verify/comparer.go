package verify

import (
	"cmp"
	"container/heap"
	"net/netip"
	"slices"
	"time"

	"github.com/fairlead/fairlead/route"
)

// DefaultDeadline is how long a route may be on its way.
const DefaultDeadline = 2 * time.Second

// Options are what the Comparer of a session must know about it. The zero value is that of an iBGP session that passes
// nothing on.
type Options struct {
	// Deadline is how long a route may be on its way before it is judged; 0 means DefaultDeadline.
	Deadline time.Duration
	// Prepended is the AS number that this neighbor finds in front of every path: ours, or the one it is shown in its place.
	// 0 means iBGP, where nothing is prepended.
	Prepended route.ASN
	// Transit is what may be passed on to it.
	Transit Transit
	// Grace is what Settle said before there was a Comparer.
	Grace Grace
	// Proven, where it is not nil, is called when a route that was intended while its way could be watched is first seen on the
	// wire or by the neighbor itself, with the time that this took. It must not call the Comparer.
	Proven func(took time.Duration, proof Proof)
}

// Comparer compares one session's intended Adj-RIB-Out with what witnesses observe of it. All times are given to it, and must
// not run backwards by more than a witness's delay. It must not be used concurrently.
type Comparer struct {
	session Session
	options Options
	own     []netip.Addr
	pool    Pool
	entries map[netip.Prefix]*entry
	// generation is that of the last observation.
	generation uint32
	slots      [witnessCount]slot
	// consulted are the witnesses that are asked, the one farthest from us first. Where there is none, the session cannot be
	// compared, and absent is the witness that says that it is down.
	consulted []Witness
	absent    Witness
	grace     Grace
	queue     queue
	// sent is what is not acknowledged, the oldest first.
	sent []sent
	// advanced is the last time that was judged.
	advanced time.Time
	// counts are those of the prefixes by what is said of them; open are the entries whose verdict is pending or wrong.
	counts [kindCount][witnessCount][proofCount]int
	open   []*entry
	causes map[netip.Prefix]explanation
	proved time.Time
	// compared remembers the last comparison: neighboring routes have the same attributes.
	compared struct {
		want, got *Attributes
		fields    Fields
	}
}

// slot is what one witness knows.
type slot struct {
	state State
	// at is when it last told something.
	at           time.Time
	acknowledged uint64
	blocked      time.Time
}

// entry is one prefix: what is intended, what each witness has observed, and what follows from it.
type entry struct {
	prefix netip.Prefix
	want   *Attributes
	got    [witnessCount]*Attributes
	// sequence is that of Wire's change.
	sequence uint64
	// since is when it came to be as it is: the intent given, the drift begun, the agreement reached.
	since      time.Time
	generation uint32
	judgement  judgement
	// shown is the judgement's kind, or Pending as long as it may still change by itself.
	shown Kind
	// queued means that it is in the queue, timed that its proof is awaited, gone that another may stand in its place.
	queued, timed, gone bool
	// place is that among the open ones.
	place int32
}

// judgement is what the witnesses together say of one prefix.
type judgement struct {
	kind    Kind
	witness Witness
	proof   Proof
}

// sent is a change on the wire that is not yet acknowledged.
type sent struct {
	entry    *entry
	sequence uint64
	at       time.Time
}

// NewComparer returns the Comparer of a session of which nothing is intended and nothing known.
func NewComparer(session Session, options Options) *Comparer {
	if options.Deadline == 0 {
		options.Deadline = DefaultDeadline
	}
	return &Comparer{
		session: session, options: options, grace: options.Grace, entries: map[netip.Prefix]*entry{}, causes: map[netip.Prefix]explanation{},
	}
}

// Own sets the session's own addresses, one of which is the next hop of all routes for which no other is set. As long as none
// is known, such next hops are not compared.
func (c *Comparer) Own(now time.Time, addresses ...netip.Addr) {
	if slices.Equal(c.own, addresses) {
		return
	}
	c.own = slices.Clone(addresses)
	c.compared.want, c.compared.got = nil, nil
	c.updateAll(now)
}

// Intend takes what should become of some prefixes, as route.Diff gives it.
func (c *Comparer) Intend(now time.Time, changes []route.Change) {
	if len(c.entries) == 0 {
		// The first table comes whole.
		c.entries = make(map[netip.Prefix]*entry, len(changes))
	}
	for _, change := range changes {
		var prefix netip.Prefix
		var want *Attributes
		if change.New != nil {
			prefix, want = change.New.Prefix, c.pool.Share(intended(change.New))
		} else {
			prefix = change.Old.Prefix
		}
		e := c.entry(prefix)
		if e.want == want {
			c.update(e, now)
			continue
		}
		e.want, e.since, e.timed = want, now, want != nil && c.watched()
		if want == nil {
			e.got[LocRIB] = nil
		}
		c.update(e, now)
	}
}

// Settle gives what is intended from now on, at this very time too, until a later time: a change of policy waits for FRR's
// route-map delay timer.
func (c *Comparer) Settle(now, until time.Time) { c.grace.Extend(now, until) }

// Grace is a time in which what is intended may take longer than the deadline: what is from a time on may take until another. The
// zero Grace gives none.
type Grace struct{ from, until time.Time }

// Extend gives what is intended from now on, at this very time too, until a later time. What still waits since an earlier one has
// that time too; a short time does not cut a long one off.
func (g *Grace) Extend(now, until time.Time) {
	if g.until.Before(now) {
		g.from, g.until = now, until
	} else if until.After(g.until) {
		g.until = until
	}
}

// Observe takes what a witness has observed. That of another session is an error of the program.
func (c *Comparer) Observe(o Observation) {
	if o.Session != c.session {
		panic("verify: observation of " + o.Session.Neighbor + " was given to the comparer of " + c.session.Neighbor)
	}
	s := &c.slots[o.Witness]
	before := s.state
	s.state, s.at, s.blocked = o.State, o.At, o.Blocked
	moved := before != o.State
	if moved && o.State == Down {
		c.forget(o.Witness)
	}
	all := c.consult() || moved
	if o.State == Down {
		if all {
			c.updateAll(o.At)
		}
		return
	}
	c.generation++
	if o.Witness == Wire {
		// First, so that what has arrived with its own observation needs not wait.
		c.acknowledge(o.Acknowledged, o.At)
	}
	begun := len(c.sent)
	for _, change := range o.Changes {
		c.change(o.Witness, change, o.At, all)
	}
	if o.Witness == Wire {
		c.order(begun)
	}
	if o.Snapshot || all {
		c.others(o, all)
	}
	if o.Witness == Claim {
		// A newer claim settles what an older one could not.
		for _, e := range slices.Clone(c.open) {
			c.update(e, o.At)
		}
	}
}

// change takes one change of a witness. Always says that it is judged even where it is none.
func (c *Comparer) change(w Witness, change Change, at time.Time, always bool) {
	if w == LocRIB {
		// A neighbor's whole table may be large; of interest is what it makes of ours.
		if e := c.entries[change.Prefix]; e == nil || e.want == nil {
			return
		}
	}
	e := c.entry(change.Prefix)
	e.generation = c.generation
	if w == Wire && change.Sequence > c.slots[Wire].acknowledged {
		c.sent = append(c.sent, sent{entry: e, sequence: change.Sequence, at: at})
	}
	if w == Wire {
		e.sequence = change.Sequence
	}
	got := e.got[w]
	if got == nil || change.Attributes == nil || !got.equal(change.Attributes) {
		e.got[w] = change.Attributes
	} else if w != Wire && !always {
		// Told once more, as each poll of FRR does: there is nothing to compare.
		return
	}
	c.update(e, at)
}

// others takes away what a snapshot did not have, and judges what the observation did not tell of: all of it, or what changed.
func (c *Comparer) others(o Observation, all bool) {
	for _, e := range c.entries {
		if e.generation == c.generation {
			continue
		}
		swept := o.Snapshot && e.got[o.Witness] != nil
		if swept {
			e.got[o.Witness] = nil
		}
		if swept || all {
			c.update(e, o.At)
		}
	}
}

// forget takes away all that a witness has observed. The entries are judged later.
func (c *Comparer) forget(w Witness) {
	for _, e := range c.entries {
		e.got[w] = nil
		if w == Wire {
			e.sequence = 0
		}
	}
	if w == Wire {
		c.sent, c.slots[Wire].acknowledged = nil, 0
	}
}

// order sorts what was sent, where only what begins at an index may not be in order: of much that waits, nothing else is looked at.
func (c *Comparer) order(begun int) {
	older := func(a, b sent) int { return cmp.Compare(a.sequence, b.sequence) }
	slices.SortStableFunc(c.sent[begun:], older)
	// Told once more, as in a snapshot.
	if begun > 0 && begun < len(c.sent) && c.sent[begun].sequence < c.sent[begun-1].sequence {
		slices.SortStableFunc(c.sent, older)
	}
}

// acknowledge takes up to where the neighbor's TCP has acknowledged what was sent.
func (c *Comparer) acknowledge(sequence uint64, at time.Time) {
	s := &c.slots[Wire]
	if s.state == Down || sequence <= s.acknowledged {
		return
	}
	s.acknowledged = sequence
	done := 0
	for done < len(c.sent) && c.sent[done].sequence <= sequence {
		c.update(c.sent[done].entry, at)
		done++
	}
	if c.sent = c.sent[done:]; len(c.sent) == 0 {
		c.sent = nil
	}
}

// entry finds or makes the entry of a prefix.
func (c *Comparer) entry(prefix netip.Prefix) *entry {
	e := c.entries[prefix]
	if e == nil {
		e = &entry{prefix: prefix}
		c.entries[prefix] = e
	}
	return e
}

// judge asks the witnesses about one prefix: it is wrong as soon as one of them says so, named by the one farthest from us,
// and else proven as far as the farthest has seen it. A neighbor's own word only adds to what the wire shows as a whole, and
// FRR's only tells of what nobody nearer to the neighbor has seen yet: it is a look now and then, and may be older.
func (c *Comparer) judge(e *entry) judgement {
	if len(c.consulted) == 0 {
		if e.want == nil {
			return judgement{}
		}
		return judgement{kind: NotComparable, witness: c.absent}
	}
	var good, wrong judgement
	var proven *Attributes
	for _, w := range c.consulted {
		got := e.got[w]
		kind := c.look(e.want, got, w)
		switch {
		case kind == nothing:
		case kind.Wrong() && w == Received && c.slots[Wire].state == Whole:
			// What left is known. What the neighbor's BMP tells otherwise is the neighbor's: FRR 8.4 tells nothing of a route that its
			// inbound policy denies, and 10.3 nothing of its withdrawal.
		case kind.Wrong() && w == Claim && good.kind != nothing:
		case kind.Wrong():
			if wrong.kind == nothing {
				wrong = judgement{kind: kind, witness: w}
			}
		case good.kind == nothing:
			good, proven = judgement{kind: kind, witness: w, proof: c.proof(e, w)}, got
		}
	}
	if wrong.kind != nothing {
		wrong.proof = good.proof
		return wrong
	}
	if good.kind == nothing && e.want != nil {
		return judgement{kind: Pending, witness: c.consulted[0]}
	}
	if used := e.got[LocRIB]; good.kind == Announced && used != nil &&
		used.NextHop == proven.NextHop && used.ASPath == proven.ASPath {
		good.witness, good.proof = LocRIB, Best
	}
	return good
}

// look is what one witness says of a prefix.
func (c *Comparer) look(want, got *Attributes, w Witness) Kind {
	switch {
	case got == nil && want == nil:
		return nothing
	case got == nil:
		if c.slots[w].state != Whole {
			return nothing
		}
		return Missing
	case want == nil:
		if c.options.Transit.allows(got.ASPath, c.options.Prepended) {
			return PassedOn
		}
		return Unexpected
	case c.compare(want, got) != 0:
		return Mismatch
	default:
		return Announced
	}
}

func (c *Comparer) compare(want, got *Attributes) Fields {
	if m := &c.compared; m.want != want || m.got != got {
		m.want, m.got, m.fields = want, got, different(want, got, c.own)
	}
	return c.compared.fields
}

func (c *Comparer) proof(e *entry, w Witness) Proof {
	switch {
	case w == Received:
		return InAdjRIBIn
	case w == Claim:
		return Claimed
	case e.sequence <= c.slots[Wire].acknowledged && e.sequence != 0:
		return Acknowledged
	default:
		return Sent
	}
}

// due is when e is judged, where it is not as intended.
func (c *Comparer) due(e *entry) time.Time {
	due := e.since.Add(c.options.Deadline)
	if !e.since.Before(c.grace.from) && c.grace.until.After(due) {
		return c.grace.until
	}
	return due
}

// update judges one prefix, and keeps the counts, the list of open ones and the queue in step.
func (c *Comparer) update(e *entry, now time.Time) {
	if e.gone {
		return
	}
	was, wasShown := e.judgement, e.shown
	e.judgement = c.judge(e)
	kind := e.judgement.kind
	if e.timed && e.judgement.proof >= Sent {
		e.timed = false
		c.proved = now
		if c.options.Proven != nil {
			c.options.Proven(now.Sub(e.since), e.judgement.proof)
		}
	}
	if was.kind.class() != kind.class() {
		e.since = now
	}
	e.shown = kind
	if kind.Wrong() {
		seen, due := now, c.due(e)
		if e.judgement.witness == Claim {
			seen = c.slots[Claim].at
		}
		if seen.Before(due) {
			e.shown = Pending
		}
		if due.After(now) && !e.queued {
			e.queued = true
			heap.Push(&c.queue, deadline{due, e})
		}
	}
	c.counts[wasShown][was.witness][was.proof]--
	c.counts[e.shown][e.judgement.witness][e.judgement.proof]++
	if wasShown == Missing && e.shown != Missing {
		delete(c.causes, e.prefix)
	}
	if e.shown.Open() != wasShown.Open() {
		c.list(e, e.shown.Open())
	}
	if e.want == nil && e.got == ([witnessCount]*Attributes{}) {
		e.gone = true
		delete(c.entries, e.prefix)
	}
}

// list puts e among the open entries, or takes it from them.
func (c *Comparer) list(e *entry, open bool) {
	if open {
		e.place = int32(len(c.open))
		c.open = append(c.open, e)
		return
	}
	last := len(c.open) - 1
	c.open[e.place] = c.open[last]
	c.open[e.place].place = e.place
	c.open[last] = nil
	if c.open = c.open[:last]; last == 0 {
		// The room of what was once open is given back.
		c.open = nil
	}
}

func (c *Comparer) updateAll(now time.Time) {
	for _, e := range c.entries {
		c.update(e, now)
	}
}

// Advance judges what is due by now.
func (c *Comparer) Advance(now time.Time) {
	c.advanced = now
	for len(c.queue) > 0 && !c.queue[0].due.After(now) {
		d := heap.Pop(&c.queue).(deadline)
		d.entry.queued = false
		c.update(d.entry, now)
	}
	if len(c.queue) == 0 {
		c.queue = nil
	}
}

// Next is when Advance has something to do; the zero Time means not before something else happens.
func (c *Comparer) Next() time.Time {
	var next time.Time
	if len(c.queue) > 0 {
		next = c.queue[0].due
	}
	if len(c.sent) > 0 && c.overdue().After(c.advanced) && (next.IsZero() || c.overdue().Before(next)) {
		next = c.overdue()
	}
	return next
}

// deadline is when an entry is judged.
type deadline struct {
	due   time.Time
	entry *entry
}

// queue is a heap of deadlines, the first one on top.
type queue []deadline

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.(deadline)) }

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	end := len(*q) - 1
	last := (*q)[end]
	(*q)[end] = deadline{}
	*q = (*q)[:end]
	return last
}
