package verify_test

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// world is what a random history has led to, as plain tables, and what follows from them, by the text of the documentation.
type world struct {
	want   map[netip.Prefix]route.Announcement
	tables map[verify.Witness]map[netip.Prefix]*verify.Attributes
	states map[verify.Witness]verify.State
}

// verdicts is what a Comparer should say once everything is settled.
func (w world) verdicts() map[netip.Prefix]string {
	result := map[netip.Prefix]string{}
	prefixes := map[netip.Prefix]bool{}
	for p := range w.want {
		prefixes[p] = true
	}
	for _, table := range w.tables {
		for p := range table {
			prefixes[p] = true
		}
	}
	for p := range prefixes {
		if text := w.verdict(p); text != "" {
			result[p] = text
		}
	}
	return result
}

func (w world) verdict(p netip.Prefix) string {
	want, wanted := w.want[p]
	for _, witness := range []verify.Witness{verify.Wire, verify.Received} {
		if w.states[witness] == verify.Down && (witness == verify.Wire || w.states[verify.Wire] != verify.Whole) {
			if wanted {
				return "not-comparable"
			}
			return ""
		}
	}
	whole := w.states[verify.Wire] == verify.Whole || w.states[verify.Received] == verify.Whole
	asked, good, wrong := 0, "", ""
	for _, witness := range []verify.Witness{verify.Received, verify.Wire, verify.Claim} {
		state := w.states[witness]
		if state < verify.Learning || witness == verify.Claim && whole {
			continue
		}
		asked++
		got := w.tables[witness][p]
		verdict := ""
		switch {
		case got == nil && wanted && state == verify.Whole:
			verdict = "missing"
		case got == nil:
		case !wanted && got.ASPath == "65000 65002":
			verdict = "transit"
		case !wanted:
			verdict = "unexpected"
		case want.MED != got.MED || got.ASPath != "65000" || got.NextHop != own:
			verdict = "mismatch"
		default:
			verdict = "announced"
		}
		switch {
		case verdict == "":
		case witness == verify.Received && w.states[verify.Wire] == verify.Whole && verdict != "announced" && verdict != "transit":
		case verdict == "announced" || verdict == "transit":
			if good == "" {
				good = verdict + " by " + witness.String()
			}
		case witness == verify.Claim && good != "":
		case wrong == "":
			wrong = verdict + " by " + witness.String()
		}
	}
	switch {
	case wrong != "":
		return wrong
	case good != "":
		return good
	case !wanted:
		return ""
	case asked == 0:
		return "not-comparable"
	default:
		return "pending"
	}
}

// TestIncremental: whatever happens in whatever order, a Comparer says what one does that is given the outcome at once, and
// both say what the tables say.
func TestIncremental(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		incremental(t, random)
		if t.Failed() {
			return
		}
	}
}

func incremental(t *testing.T, random *rand.Rand) {
	const routes = 12
	witnesses := []verify.Witness{verify.Claim, verify.Wire, verify.Received}
	w := world{want: map[netip.Prefix]route.Announcement{}, tables: map[verify.Witness]map[netip.Prefix]*verify.Attributes{},
		states: map[verify.Witness]verify.State{}}
	for _, witness := range witnesses {
		w.tables[witness] = map[netip.Prefix]*verify.Attributes{}
	}
	shared := []*verify.Attributes{
		onWire(), onWire(), onWire(func(a *verify.Attributes) { a.MED = 1 }), onWire(func(a *verify.Attributes) { a.ASPath = "65000 65002" }),
		onWire(func(a *verify.Attributes) { a.NextHop = netip.MustParseAddr("192.0.2.9") }),
	}
	c := newComparer()
	now := start
	var rib route.RIB
	sequence, acknowledged := uint64(0), uint64(0)
	for range random.IntN(60) {
		now = now.Add(time.Duration(random.IntN(900)) * time.Millisecond)
		if random.IntN(3) == 0 {
			i := random.IntN(routes)
			if random.IntN(3) == 0 {
				delete(w.want, prefix(i))
			} else {
				a := announcement(i)
				a.MED = uint32(random.IntN(2))
				w.want[a.Prefix] = a
			}
			after := slices.SortedFunc(maps.Values(w.want), func(a, b route.Announcement) int { return route.ComparePrefixes(a.Prefix, b.Prefix) })
			c.Intend(now, route.Diff(rib, after))
			rib = after
			continue
		}
		witness := witnesses[random.IntN(len(witnesses))]
		o := see(witness, now, w.states[witness])
		if random.IntN(4) == 0 {
			o.State = verify.State(random.IntN(4))
		}
		w.states[witness] = o.State
		table := w.tables[witness]
		if o.State == verify.Down {
			clear(table)
			if witness == verify.Wire {
				sequence, acknowledged = 0, 0
			}
			c.Observe(o)
			continue
		}
		if o.Snapshot = random.IntN(6) == 0; o.Snapshot {
			clear(table)
		}
		for range random.IntN(4) {
			change := verify.Change{Prefix: prefix(random.IntN(routes))}
			if random.IntN(3) > 0 {
				change.Attributes = shared[random.IntN(len(shared))]
				table[change.Prefix] = change.Attributes
			} else {
				delete(table, change.Prefix)
			}
			if witness == verify.Wire {
				sequence++
				change.Sequence = sequence
			}
			o.Changes = append(o.Changes, change)
		}
		if witness == verify.Wire && random.IntN(2) == 0 {
			acknowledged += random.Uint64N(sequence - acknowledged + 1)
		}
		if witness == verify.Wire {
			o.Acknowledged = acknowledged
		}
		c.Observe(o)
		if random.IntN(3) == 0 {
			audit(t, c, c.Report(now, 0))
		}
	}
	// What a session that FRR said was down shows of itself begins its time then.
	for _, witness := range witnesses[1:] {
		if w.states[witness] != verify.Down {
			c.Observe(see(witness, now, w.states[witness]))
		}
	}
	// Everything is acknowledged, and FRR asked again, after all is due.
	now = now.Add(verify.DefaultDeadline)
	once := newComparer()
	once.Intend(start, route.Diff(nil, rib))
	for _, witness := range witnesses {
		final := see(witness, now, w.states[witness])
		if witness == verify.Wire {
			final.Acknowledged = sequence
		}
		if final.State != verify.Down {
			c.Observe(final)
		}
		final.At, final.Snapshot = start, true
		for p, a := range w.tables[witness] {
			final.Changes = append(final.Changes, verify.Change{Prefix: p, Attributes: a, Sequence: min(sequence, 1)})
		}
		once.Observe(final)
	}
	if claim := w.states[verify.Claim]; claim != verify.Down {
		// A later word that the session is down would count.
		once.Observe(see(verify.Claim, now, claim))
	}
	audit(t, c, c.Report(now, 0))
	audit(t, once, once.Report(now, 0))
	verdicts := func(c *verify.Comparer) map[netip.Prefix]string {
		result := map[netip.Prefix]string{}
		for v := range c.All() {
			text := v.Kind.String()
			if v.Kind != verify.Pending && v.Kind != verify.NotComparable {
				text += " by " + v.Witness.String()
			}
			if v.Proof == verify.Sent && sequence > 0 {
				text += ", not acknowledged"
			}
			result[v.Prefix] = text
		}
		return result
	}
	want := w.verdicts()
	if diff := cmp.Diff(want, verdicts(c), compareNetip); diff != "" {
		t.Errorf("change by change (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(want, verdicts(once), compareNetip); diff != "" {
		t.Errorf("at once (-want +got)\n%s", diff)
	}
	if next := c.Next(); !next.IsZero() && !next.After(now) {
		t.Errorf("at %s something was due at %s", now, next)
	}
}
