package verify

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/fairlead/fairlead/route"
)

// Kind is what a verdict says.
type Kind uint8

// The kinds of verdict.
const (
	// nothing is the zero value: neither intended nor observed.
	nothing Kind = iota
	// Announced means as intended, as far as Proof says.
	Announced
	// PassedOn means not intended, but learned from another neighbor and allowed by the neighbor's transit.
	PassedOn
	// Pending means on its way: until the deadline, or until the witness has learned the first table.
	Pending
	// Missing means intended, and not told.
	Missing
	// Mismatch means told with other attributes.
	Mismatch
	// Unexpected means told, and neither intended nor allowed.
	Unexpected
	// NotComparable means that the session is down, or that it has no witness.
	NotComparable
	kindCount
)

var kindNames = [kindCount]string{
	"nothing", "announced", "transit", "pending", "missing", "mismatch", "unexpected", "not-comparable",
}

// String gives "announced", "transit", "pending", "missing", "mismatch", "unexpected" or "not-comparable".
func (k Kind) String() string {
	if k < kindCount {
		return kindNames[k]
	}
	return "verdict " + strconv.Itoa(int(k))
}

// MarshalText gives what String gives.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Wrong reports whether k is a drift.
func (k Kind) Wrong() bool { return k == Missing || k == Mismatch || k == Unexpected }

// Open reports whether k is a drift, or may become one.
func (k Kind) Open() bool { return k == Pending || k.Wrong() }

// class puts together what a route may pass through without the time of its state starting again.
func (k Kind) class() Kind {
	switch {
	case k.Wrong():
		return Missing
	case k == PassedOn:
		return Announced
	default:
		return k
	}
}

// Verdict is what there is to say about one prefix.
type Verdict struct {
	Prefix netip.Prefix `json:"prefix"`
	Kind   Kind         `json:"verdict"`
	// Witness is who says so; NoWitness where nobody can tell.
	Witness Witness `json:"witness"`
	// Proof is how far the route is proven to have come as it was intended, whatever Kind says: what one witness misses another
	// may have seen.
	Proof Proof `json:"proof"`
	// Since is when it came to be so: when the drift began, when the agreement was reached, when it was intended.
	Since time.Time `json:"since,omitzero"`
	// Until is when what is pending is judged; the zero Time where that waits for a witness.
	Until time.Time `json:"until,omitzero"`
	// Wanted and Got are what was intended and what Witness observed; nil where there is none. They are shared.
	Wanted *Attributes `json:"wanted,omitempty"`
	Got    *Attributes `json:"got,omitempty"`
	// Differences are sorted by attribute.
	Differences []Difference `json:"differences"`
	// Unseen are the attributes that Witness could not see of this route.
	Unseen Fields `json:"unseen"`
	// Cause is why a route is missing, as far as that was found out.
	Cause Cause `json:"cause,omitempty"`
}

// String gives "10.16.0.5/32 missing by tap: CAUSE", or with the attributes that differ.
func (v Verdict) String() string {
	text := fmt.Sprintf("%s %s by %s", v.Prefix, v.Kind, v.Witness)
	if v.Cause != UnknownCause {
		text += ": " + v.Cause.String()
	}
	for _, d := range v.Differences {
		text += "; " + d.String()
	}
	return text
}

// Difference is one attribute that is not as intended.
type Difference struct {
	Field Field `json:"attribute"`
	// Wanted and Got are as people read them: "65000:1 65000:2", "none".
	Wanted string `json:"wanted"`
	Got    string `json:"got"`
}

// String gives "MED: wanted 0, got 50".
func (d Difference) String() string {
	return d.Field.String() + ": wanted " + d.Wanted + ", got " + d.Got
}

// Count is how many prefixes share a verdict.
type Count struct {
	Kind    Kind    `json:"verdict"`
	Witness Witness `json:"witness"`
	Proof   Proof   `json:"proof"`
	Routes  int     `json:"routes"`
}

// Knowledge is what one witness knows.
type Knowledge struct {
	Witness Witness `json:"witness"`
	State   State   `json:"state"`
	// At is when it last told something.
	At time.Time `json:"at,omitzero"`
}

// Report is how one session stands.
type Report struct {
	Session Session   `json:"session"`
	At      time.Time `json:"at"`
	// Witnesses are those that ever told something, the weakest first.
	Witnesses []Knowledge `json:"witnesses"`
	// Whole says that a witness which was asked sees the whole of the session: what it has not seen was not told. Without that a
	// session of which nothing is wrong may be told what nobody has seen yet, or nobody sees.
	Whole bool `json:"whole"`
	// Limits says what the witnesses that were asked leave open, sentence by sentence.
	Limits []string `json:"limits"`
	// Counts are sorted; a verdict that no route has is not in them.
	Counts []Count `json:"counts"`
	// Open are the routes that are pending, missing, unexpected or mismatched, sorted by prefix; where a limit was asked for, those
	// that are wrong come into it first.
	Open []Verdict `json:"open"`
	// LastProof is when a change was last seen to arrive; the zero Time where none was.
	LastProof time.Time `json:"lastProof,omitzero"`
	// Unacknowledged counts the changes that were sent and that the neighbor's TCP has not acknowledged, the oldest of them
	// sent at UnacknowledgedSince.
	Unacknowledged      int       `json:"unacknowledged"`
	UnacknowledgedSince time.Time `json:"unacknowledgedSince,omitzero"`
	// Blocked is since when the neighbor's TCP takes nothing though something waits: its window is closed, or nothing was
	// acknowledged within the deadline. The zero Time means that this is not so.
	Blocked time.Time `json:"blocked,omitzero"`
}

// Compared reports whether all that the neighbor was told could be compared with all that is intended.
func (r Report) Compared() bool { return r.Whole && r.Routes(NotComparable) == 0 }

// Agrees reports whether all was compared, nothing drifts or is on its way, and the neighbor takes what it is sent.
func (r Report) Agrees() bool {
	return r.Compared() && r.Blocked.IsZero() && !slices.ContainsFunc(r.Counts, func(c Count) bool { return c.Kind.Open() })
}

// Learning reports whether a witness sees a session of which the first table is not through yet.
func (r Report) Learning() bool {
	return slices.ContainsFunc(r.Witnesses, func(k Knowledge) bool { return k.Witness != LocRIB && k.State == Learning })
}

// Routes counts those of one kind.
func (r Report) Routes(kind Kind) int {
	n := 0
	for _, c := range r.Counts {
		if c.Kind == kind {
			n += c.Routes
		}
	}
	return n
}

// Report judges what is due by now, and says how the session stands, with at most so many of the open routes; 0 means all. Its
// cost grows with what is open, not with the table.
func (c *Comparer) Report(now time.Time, most int) Report {
	c.Advance(now)
	r := Report{
		Session: c.session, At: now, LastProof: c.proved, Unacknowledged: len(c.sent), Blocked: c.Blocked(now), Whole: c.Whole(),
		Witnesses: []Knowledge{}, Limits: []string{}, Counts: []Count{}, Open: []Verdict{},
	}
	if len(c.sent) > 0 {
		r.UnacknowledgedSince = c.sent[0].at
	}
	for w := Claim; w < witnessCount; w++ {
		if s := c.slots[w]; !s.at.IsZero() {
			r.Witnesses = append(r.Witnesses, Knowledge{Witness: w, State: s.state, At: s.at})
		}
	}
	for _, w := range c.consulted {
		if limits := w.Limits(); limits != "" {
			r.Limits = append(r.Limits, limits)
		}
	}
	for kind := nothing + 1; kind < kindCount; kind++ {
		for witness := range witnessCount {
			for proof := range proofCount {
				if n := c.counts[kind][witness][proof]; n != 0 {
					r.Counts = append(r.Counts, Count{Kind: kind, Witness: witness, Proof: proof, Routes: n})
				}
			}
		}
	}
	for _, e := range c.some(most) {
		r.Open = append(r.Open, c.verdict(e))
	}
	slices.SortFunc(r.Open, func(a, b Verdict) int { return route.ComparePrefixes(a.Prefix, b.Prefix) })
	return r
}

// some gives so many of the open entries, those that are wrong first; 0 means all.
func (c *Comparer) some(most int) []*entry {
	if most == 0 || len(c.open) <= most {
		return c.open
	}
	chosen := make([]*entry, 0, most)
	for _, wrong := range []bool{true, false} {
		for _, e := range c.open {
			if len(chosen) < most && e.shown.Wrong() == wrong {
				chosen = append(chosen, e)
			}
		}
	}
	return chosen
}

// Routes counts those of one kind.
func (c *Comparer) Routes(kind Kind) int {
	n := 0
	for _, byProof := range c.counts[kind] {
		for _, routes := range byProof {
			n += routes
		}
	}
	return n
}

// explanation is why a route is missing, as it was found out at a time.
type explanation struct {
	cause Cause
	at    time.Time
}

// Unexplained gives at most so many missing routes of which Explain has not said why since a time: first those of which it never has,
// then those of which it has longest ago.
func (c *Comparer) Unexplained(most int, since time.Time) []netip.Prefix {
	var due []netip.Prefix
	for _, e := range c.open {
		if e.shown == Missing && c.causes[e.prefix].at.Before(since) {
			due = append(due, e.prefix)
		}
	}
	slices.SortFunc(due, func(a, b netip.Prefix) int { return c.causes[a].at.Compare(c.causes[b].at) })
	return due[:min(len(due), most)]
}

// Verdict is what there is to say about one prefix; false where it is neither intended nor observed.
func (c *Comparer) Verdict(prefix netip.Prefix) (Verdict, bool) {
	e := c.entries[prefix]
	if e == nil || e.shown == nothing {
		return Verdict{}, false
	}
	return c.verdict(e), true
}

// All gives every verdict, in no order.
func (c *Comparer) All() iter.Seq[Verdict] {
	return func(yield func(Verdict) bool) {
		for _, e := range c.entries {
			if e.shown != nothing && !yield(c.verdict(e)) {
				return
			}
		}
	}
}

// Explain keeps why a prefix is missing, as it was found out at a time, until it is not. It does nothing for one that is not missing.
func (c *Comparer) Explain(prefix netip.Prefix, cause Cause, at time.Time) {
	if e := c.entries[prefix]; e != nil && e.shown == Missing {
		c.causes[prefix] = explanation{cause, at}
	}
}

func (c *Comparer) verdict(e *entry) Verdict {
	v := Verdict{
		Prefix: e.prefix, Kind: e.shown, Witness: e.judgement.witness, Proof: e.judgement.proof, Since: e.since,
		Wanted: e.want, Got: e.got[e.judgement.witness], Cause: c.causes[e.prefix].cause, Differences: []Difference{},
	}
	if v.Kind == Pending && e.judgement.kind.Wrong() {
		v.Until = c.due(e)
	}
	if v.Got != nil {
		v.Unseen = v.Got.Unseen
	}
	if v.Wanted != nil && v.Got != nil && e.judgement.kind == Mismatch {
		fields := c.compare(v.Wanted, v.Got)
		for f := range fieldCount {
			if fields.Has(f) {
				v.Differences = append(v.Differences, Difference{Field: f, Wanted: v.Wanted.Text(f), Got: v.Got.Text(f)})
			}
		}
	}
	return v
}
