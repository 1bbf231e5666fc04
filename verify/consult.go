package verify

import (
	"slices"
	"time"
)

// consult decides which witnesses are asked, and reports whether that changed.
func (c *Comparer) consult() bool {
	before, absent := slices.Clone(c.consulted), c.absent
	c.consulted, c.absent = c.nowConsulted()
	return c.absent != absent || !slices.Equal(c.consulted, before)
}

func (c *Comparer) nowConsulted() (consulted []Witness, absent Witness) {
	whole := false
	var told time.Time
	for _, w := range []Witness{Received, Wire} {
		s := &c.slots[w]
		switch s.state {
		case Down:
			if w == Received && c.slots[Wire].state == Whole {
				// The packets outrank it: a router that says so wrongly, or means another session, hides no drift.
				continue
			}
			// Nearer to the truth than any table.
			return nil, w
		case Whole:
			whole = true
			fallthrough
		case Learning:
			consulted = append(consulted, w)
			if s.at.After(told) {
				told = s.at
			}
		}
	}
	switch claim := &c.slots[Claim]; {
	case claim.state == Down && claim.at.After(told):
		// A link that goes down takes the end of a session with it: nothing of that is on the wire.
		return nil, Claim
	case whole:
	case claim.state == Whole || claim.state == Learning:
		consulted = append(consulted, Claim)
	}
	return consulted, NoWitness
}

// State is what a witness knows.
func (c *Comparer) State(w Witness) State { return c.slots[w].state }

// Whole reports whether a witness that is asked sees the whole of the session.
func (c *Comparer) Whole() bool {
	return slices.ContainsFunc(c.consulted, func(w Witness) bool { return c.slots[w].state == Whole })
}

// Seen reports whether a witness other than FRR itself sees the whole of the session.
func (c *Comparer) Seen() bool {
	return c.slots[Wire].state == Whole || c.slots[Received].state == Whole
}

// Waits reports whether a route that is due by now waits for a newer claim of FRR.
func (c *Comparer) Waits(now time.Time) bool {
	return slices.ContainsFunc(c.open, func(e *entry) bool {
		return e.shown == Pending && e.judgement.witness == Claim && !now.Before(c.due(e))
	})
}

// Blocked is since when the neighbor's TCP takes nothing though something waits: its window is closed, or it has not acknowledged
// what was sent within the deadline. The zero Time means that this is not so.
func (c *Comparer) Blocked(now time.Time) time.Time {
	s := &c.slots[Wire]
	if s.blocked.IsZero() && (s.state == Whole || s.state == Learning) && len(c.sent) > 0 && !now.Before(c.overdue()) {
		return c.sent[0].at
	}
	return s.blocked
}

// overdue is when the oldest of what is not acknowledged is overdue; there is some.
func (c *Comparer) overdue() time.Time { return c.sent[0].at.Add(c.options.Deadline) }

// watched reports whether a witness of what was really sent sees the whole.
func (c *Comparer) watched() bool {
	return slices.ContainsFunc(c.consulted, func(w Witness) bool { return w != Claim && c.slots[w].state == Whole })
}
