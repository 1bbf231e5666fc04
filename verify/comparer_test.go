package verify_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

var (
	session = verify.Session{Neighbor: "192.0.2.2"}
	start   = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	own     = netip.MustParseAddr("192.0.2.1")
)

// compareNetip lets cmp look at addresses as values.
var compareNetip = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

func prefix(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// announcement is what is wanted of prefix i.
func announcement(i int) route.Announcement {
	return route.Announcement{Prefix: prefix(i), ASPath: []route.ASN{65000}}
}

// onWire is what a witness sees of an announcement, changed by edits.
func onWire(edits ...func(*verify.Attributes)) *verify.Attributes {
	a := &verify.Attributes{ASPath: "65000", NextHop: own}
	for _, edit := range edits {
		edit(a)
	}
	return a
}

func intend(c *verify.Comparer, at time.Time, announcements ...route.Announcement) {
	c.Intend(at, route.Diff(nil, announcements))
}

func see(w verify.Witness, at time.Time, state verify.State, changes ...verify.Change) verify.Observation {
	return verify.Observation{Session: session, Witness: w, At: at, State: state, Changes: changes}
}

func newComparer() *verify.Comparer {
	c := verify.NewComparer(session, verify.Options{Prepended: 65000, Transit: verify.Transit{From: []route.ASN{65002}}})
	c.Own(start, own)
	return c
}

// line is a verdict in short, for tests.
func line(v verify.Verdict) string {
	text := fmt.Sprintf("%s %s by %s, %s, %s", v.Prefix, v.Kind, v.Witness, v.Proof, v.Since.Sub(start))
	if !v.Until.IsZero() {
		text += ", until " + v.Until.Sub(start).String()
	}
	for _, d := range v.Differences {
		text += "; " + d.String()
	}
	if v.Cause != verify.UnknownCause {
		text += "; " + v.Cause.String()
	}
	return text
}

// table is every verdict, sorted.
func table(c *verify.Comparer) []string {
	var lines []string
	for v := range c.All() {
		lines = append(lines, line(v))
	}
	slices.Sort(lines)
	return lines
}

// step is one thing that happens at a time, and what the table is then.
type step struct {
	at   time.Duration
	do   func(c *verify.Comparer, now time.Time)
	want []string
}

func TestComparer(t *testing.T) {
	announce := func(numbers ...int) func(*verify.Comparer, time.Time) {
		return func(c *verify.Comparer, now time.Time) {
			for _, i := range numbers {
				intend(c, now, announcement(i))
			}
		}
	}
	withdraw := func(i int) func(*verify.Comparer, time.Time) {
		return func(c *verify.Comparer, now time.Time) {
			c.Intend(now, route.Diff(route.RIB{announcement(i)}, nil))
		}
	}
	observe := func(w verify.Witness, state verify.State, changes ...verify.Change) func(*verify.Comparer, time.Time) {
		return func(c *verify.Comparer, now time.Time) { c.Observe(see(w, now, state, changes...)) }
	}
	sent := func(i int, sequence uint64, edits ...func(*verify.Attributes)) verify.Change {
		return verify.Change{Prefix: prefix(i), Attributes: onWire(edits...), Sequence: sequence}
	}
	gone := func(i int) verify.Change { return verify.Change{Prefix: prefix(i)} }
	wait := func(*verify.Comparer, time.Time) {}
	// blocked is that the neighbor's TCP takes nothing since a time; 0 is that it does.
	blocked := func(since time.Duration) func(*verify.Comparer, time.Time) {
		return func(c *verify.Comparer, now time.Time) {
			got := c.Report(now, 0).Blocked
			if got != c.Blocked(now) || got.IsZero() != (since == 0) || since != 0 && !got.Equal(start.Add(since)) {
				panic(fmt.Sprintf("at %s it takes nothing since %s, want %s", now.Sub(start), got, since))
			}
		}
	}
	claimed := func(a *verify.Attributes) {
		a.NextHop, a.Unseen = netip.Addr{}, verify.FieldsOf(verify.NextHop, verify.Communities, verify.LargeCommunities)
	}
	tests := map[string][]step{
		"a route on its way, sent and acknowledged": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{time.Second, announce(1), []string{"10.0.0.1/32 pending by tap, unproven, 1s, until 3s"}},
			{2 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 7)), []string{"10.0.0.1/32 announced by tap, sent, 2s"}},
			{3 * time.Second, func(c *verify.Comparer, now time.Time) {
				if r := c.Report(now, 0); r.Unacknowledged != 1 || !r.UnacknowledgedSince.Equal(now.Add(-time.Second)) || !r.Agrees() {
					panic(fmt.Sprint("before the acknowledgment: ", r))
				}
				o := see(verify.Wire, now, verify.Whole)
				o.Acknowledged = 7
				c.Observe(o)
				if r := c.Report(now, 0); r.Unacknowledged != 0 {
					panic(fmt.Sprint("after the acknowledgment: ", r))
				}
			}, []string{"10.0.0.1/32 announced by tap, acknowledged, 2s"}},
			// Told once more, it is to be acknowledged once more; what was acknowledged stays so.
			{4 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 8)), []string{"10.0.0.1/32 announced by tap, sent, 2s"}},
			{4 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 7)), []string{"10.0.0.1/32 announced by tap, acknowledged, 2s"}},
			{4 * time.Second, withdraw(1), []string{"10.0.0.1/32 pending by tap, unproven, 4s, until 6s"}},
			{5 * time.Second, observe(verify.Wire, verify.Whole, gone(1)), nil},
			// Another session counts anew.
			{6 * time.Second, observe(verify.Wire, verify.Down), nil},
			{7 * time.Second, announce(1), []string{"10.0.0.1/32 not-comparable by tap, unproven, 7s"}},
			{8 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 1)), []string{"10.0.0.1/32 announced by tap, sent, 8s"}},
		},
		"acknowledged out of the order in which it is told": {
			{0, observe(verify.Wire, verify.Whole, sent(1, 9), sent(2, 4)), []string{
				"10.0.0.1/32 pending by tap, unproven, 0s, until 2s", "10.0.0.2/32 pending by tap, unproven, 0s, until 2s"}},
			{0, announce(1, 2), []string{"10.0.0.1/32 announced by tap, sent, 0s", "10.0.0.2/32 announced by tap, sent, 0s"}},
			{time.Second, func(c *verify.Comparer, now time.Time) {
				o := see(verify.Wire, now, verify.Whole)
				o.Acknowledged = 4
				c.Observe(o)
				if n := c.Report(now, 0).Unacknowledged; n != 1 {
					panic(fmt.Sprint(n, " changes are not acknowledged"))
				}
			}, []string{"10.0.0.1/32 announced by tap, sent, 0s", "10.0.0.2/32 announced by tap, acknowledged, 0s"}},
		},
		"told once more before it is acknowledged, with what was sent earlier": {
			{0, announce(1, 2), []string{"10.0.0.1/32 not-comparable by none, unproven, 0s", "10.0.0.2/32 not-comparable by none, unproven, 0s"}},
			{0, observe(verify.Wire, verify.Whole, sent(1, 9)), []string{
				"10.0.0.1/32 announced by tap, sent, 0s", "10.0.0.2/32 pending by tap, unproven, 0s, until 2s"}},
			{time.Second, func(c *verify.Comparer, now time.Time) {
				o := see(verify.Wire, now, verify.Whole, sent(1, 9), sent(2, 4))
				o.Snapshot = true
				c.Observe(o)
			}, []string{
				"10.0.0.1/32 announced by tap, sent, 0s", "10.0.0.2/32 announced by tap, sent, 1s"}},
			{1500 * time.Millisecond, func(c *verify.Comparer, now time.Time) {
				o := see(verify.Wire, now, verify.Whole)
				o.Acknowledged = 4
				c.Observe(o)
			}, []string{"10.0.0.1/32 announced by tap, sent, 0s", "10.0.0.2/32 announced by tap, acknowledged, 1s"}},
		},
		"told once more by a witness that is asked now": {
			{0, announce(1), []string{"10.0.0.1/32 not-comparable by none, unproven, 0s"}},
			{0, observe(verify.Received, verify.Unknown, sent(1, 0)), []string{"10.0.0.1/32 not-comparable by none, unproven, 0s"}},
			{time.Second, observe(verify.Received, verify.Whole, sent(1, 0)), []string{"10.0.0.1/32 announced by bmp, received, 1s"}},
		},
		"not acknowledged in time": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, announce(1), []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s"}},
			{time.Second, observe(verify.Wire, verify.Whole, sent(1, 7)), []string{"10.0.0.1/32 announced by tap, sent, 1s"}},
			{2 * time.Second, blocked(0), []string{"10.0.0.1/32 announced by tap, sent, 1s"}},
			{2 * time.Second, func(c *verify.Comparer, _ time.Time) {
				if next := c.Next(); !next.Equal(start.Add(3 * time.Second)) {
					panic(fmt.Sprint("it is looked at next at ", next))
				}
			}, []string{"10.0.0.1/32 announced by tap, sent, 1s"}},
			{3 * time.Second, blocked(time.Second), []string{"10.0.0.1/32 announced by tap, sent, 1s"}},
			{4 * time.Second, func(c *verify.Comparer, now time.Time) {
				if next := c.Next(); !next.IsZero() {
					panic(fmt.Sprint("it is looked at next at ", next))
				}
				o := see(verify.Wire, now, verify.Whole)
				o.Acknowledged = 7
				c.Observe(o)
			}, []string{"10.0.0.1/32 announced by tap, acknowledged, 1s"}},
			{4 * time.Second, blocked(0), []string{"10.0.0.1/32 announced by tap, acknowledged, 1s"}},
			// What a witness that has missed something holds is no reason to say so.
			{5 * time.Second, observe(verify.Wire, verify.Unknown, sent(1, 8)), []string{"10.0.0.1/32 not-comparable by none, unproven, 5s"}},
			{9 * time.Second, blocked(0), []string{"10.0.0.1/32 not-comparable by none, unproven, 5s"}},
		},
		"missing, found later": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, announce(1), []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s"}},
			{2 * time.Second, wait, []string{"10.0.0.1/32 missing by tap, unproven, 0s"}},
			{3 * time.Second, func(c *verify.Comparer, now time.Time) {
				c.Explain(prefix(1), verify.Why(verify.Facts{Neighbor: true, Established: true, Family: true, InTable: true, Selected: true}), now)
				c.Explain(prefix(2), verify.ShutDown, now)
			}, []string{"10.0.0.1/32 missing by tap, unproven, 0s; " + verify.FilteredOut.String()}},
			{4 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 0)), []string{"10.0.0.1/32 announced by tap, sent, 4s"}},
			// The cause of an older drift is no cause of this one.
			{5 * time.Second, observe(verify.Wire, verify.Whole, gone(1)), []string{"10.0.0.1/32 pending by tap, unproven, 5s, until 7s"}},
			{7 * time.Second, wait, []string{"10.0.0.1/32 missing by tap, unproven, 5s"}},
		},
		"every attribute": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, func(c *verify.Comparer, now time.Time) {
				a := announcement(1)
				a.Communities, a.LargeCommunities, a.MED = []route.Community{65000<<16 | 1}, []route.LargeCommunity{{GlobalAdministrator: 1}}, 5
				intend(c, now, a)
				c.Observe(see(verify.Wire, now, verify.Whole, sent(1, 0, func(a *verify.Attributes) {
					*a = verify.Attributes{Origin: verify.Incomplete, ASPath: "65000 65000", NextHop: netip.MustParseAddr("192.0.2.9"),
						LocalPreference: 100, Communities: []route.Community{65000<<16 | 1, 65000<<16 | 2}}
				})))
			}, []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s; " + everyDifference}},
			{2 * time.Second, wait, []string{"10.0.0.1/32 mismatch by tap, unproven, 0s; " + everyDifference}},
			// Another wrong value does not start the time again.
			{3 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 0)),
				[]string{"10.0.0.1/32 mismatch by tap, unproven, 0s; MED: wanted 5, got 0; " +
					"communities: wanted 65000:1, got none; large communities: wanted 1:0:0, got none"}},
			{3 * time.Second, observe(verify.Wire, verify.Whole, gone(1)), []string{"10.0.0.1/32 missing by tap, unproven, 0s"}},
			{3 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 0)),
				[]string{"10.0.0.1/32 mismatch by tap, unproven, 0s; MED: wanted 5, got 0; " +
					"communities: wanted 65000:1, got none; large communities: wanted 1:0:0, got none"}},
			// Another intent does.
			{4 * time.Second, func(c *verify.Comparer, now time.Time) {
				a := announcement(1)
				a.MED = 9
				intend(c, now, a)
			}, []string{"10.0.0.1/32 pending by tap, unproven, 4s, until 6s; MED: wanted 9, got 0"}},
		},
		"a next hop that is set": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, func(c *verify.Comparer, now time.Time) {
				a := announcement(1)
				a.NextHop = netip.MustParseAddr("192.0.2.7")
				intend(c, now, a)
				c.Observe(see(verify.Wire, now, verify.Whole, sent(1, 0)))
			}, []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s; next hop: wanted 192.0.2.7, got 192.0.2.1"}},
		},
		"unexpected, and passed on": {
			{0, observe(verify.Wire, verify.Whole, sent(1, 0), sent(2, 0, func(a *verify.Attributes) { a.ASPath = "65000 65002 65009" }),
				sent(3, 0, func(a *verify.Attributes) { a.ASPath = "65000 65003" })),
				[]string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s", "10.0.0.2/32 transit by tap, sent, 0s",
					"10.0.0.3/32 pending by tap, unproven, 0s, until 2s"}},
			{2 * time.Second, wait, []string{"10.0.0.1/32 unexpected by tap, unproven, 0s", "10.0.0.2/32 transit by tap, sent, 0s",
				"10.0.0.3/32 unexpected by tap, unproven, 0s"}},
		},
		"the first table is learned": {
			{0, announce(1, 2), []string{"10.0.0.1/32 not-comparable by none, unproven, 0s", "10.0.0.2/32 not-comparable by none, unproven, 0s"}},
			{time.Second, observe(verify.Wire, verify.Down),
				[]string{"10.0.0.1/32 not-comparable by tap, unproven, 0s", "10.0.0.2/32 not-comparable by tap, unproven, 0s"}},
			{9 * time.Second, observe(verify.Wire, verify.Learning, sent(1, 0)),
				[]string{"10.0.0.1/32 announced by tap, sent, 9s", "10.0.0.2/32 pending by tap, unproven, 9s"}},
			{19 * time.Second, observe(verify.Wire, verify.Whole),
				[]string{"10.0.0.1/32 announced by tap, sent, 9s", "10.0.0.2/32 pending by tap, unproven, 19s, until 21s"}},
			{21 * time.Second, wait,
				[]string{"10.0.0.1/32 announced by tap, sent, 9s", "10.0.0.2/32 missing by tap, unproven, 19s"}},
			{22 * time.Second, observe(verify.Wire, verify.Down),
				[]string{"10.0.0.1/32 not-comparable by tap, unproven, 22s", "10.0.0.2/32 not-comparable by tap, unproven, 22s"}},
		},
		"a policy takes its time": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, announce(1), []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s"}},
			{time.Second, func(c *verify.Comparer, now time.Time) {
				c.Settle(now, now.Add(7*time.Second))
				intend(c, now, announcement(2))
			}, []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s", "10.0.0.2/32 pending by tap, unproven, 1s, until 8s"}},
			{2 * time.Second, wait,
				[]string{"10.0.0.1/32 missing by tap, unproven, 0s", "10.0.0.2/32 pending by tap, unproven, 1s, until 8s"}},
			{8 * time.Second, wait,
				[]string{"10.0.0.1/32 missing by tap, unproven, 0s", "10.0.0.2/32 missing by tap, unproven, 1s"}},
		},
		"policies take their time one after another": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, func(c *verify.Comparer, now time.Time) {
				c.Settle(now, now.Add(7*time.Second))
				intend(c, now, announcement(1))
			}, []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 7s"}},
			{time.Second, func(c *verify.Comparer, now time.Time) {
				c.Settle(now, now.Add(7*time.Second))
				intend(c, now, announcement(2))
			}, []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 8s", "10.0.0.2/32 pending by tap, unproven, 1s, until 8s"}},
			{9 * time.Second, func(c *verify.Comparer, now time.Time) {
				c.Settle(now, now.Add(7*time.Second))
				intend(c, now, announcement(3))
			}, []string{"10.0.0.1/32 missing by tap, unproven, 0s", "10.0.0.2/32 missing by tap, unproven, 1s",
				"10.0.0.3/32 pending by tap, unproven, 9s, until 16s"}},
		},
		"a short time does not cut a long one off": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, func(c *verify.Comparer, now time.Time) {
				c.Settle(now, now.Add(20*time.Second))
				c.Settle(now, now.Add(7*time.Second))
				intend(c, now, announcement(1))
			}, []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 20s"}},
		},
		"a claim stands in, and steps back": {
			{0, announce(1, 2), []string{"10.0.0.1/32 not-comparable by none, unproven, 0s", "10.0.0.2/32 not-comparable by none, unproven, 0s"}},
			{time.Second, observe(verify.Claim, verify.Whole, sent(1, 0, claimed)),
				[]string{"10.0.0.1/32 announced by frr, claimed, 1s", "10.0.0.2/32 pending by frr, unproven, 1s, until 3s"}},
			// An older claim says nothing of what was due later.
			{5 * time.Second, wait,
				[]string{"10.0.0.1/32 announced by frr, claimed, 1s", "10.0.0.2/32 pending by frr, unproven, 1s, until 3s"}},
			{6 * time.Second, observe(verify.Claim, verify.Whole),
				[]string{"10.0.0.1/32 announced by frr, claimed, 1s", "10.0.0.2/32 missing by frr, unproven, 1s"}},
			// The drift goes on when another witness takes over, and has not just begun.
			{7 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 1, func(a *verify.Attributes) { a.MED = 7 })),
				[]string{"10.0.0.1/32 pending by tap, unproven, 7s, until 9s; MED: wanted 0, got 7", "10.0.0.2/32 missing by tap, unproven, 1s"}},
			// After a gap what the wire showed is nothing to go by.
			{20 * time.Second, observe(verify.Wire, verify.Unknown),
				[]string{"10.0.0.1/32 announced by frr, claimed, 20s", "10.0.0.2/32 missing by frr, unproven, 1s"}},
			{21 * time.Second, observe(verify.Claim, verify.Down),
				[]string{"10.0.0.1/32 not-comparable by frr, unproven, 21s", "10.0.0.2/32 not-comparable by frr, unproven, 21s"}},
		},
		"a claim may be older than what was seen": {
			{0, announce(1, 2), []string{"10.0.0.1/32 not-comparable by none, unproven, 0s", "10.0.0.2/32 not-comparable by none, unproven, 0s"}},
			{0, observe(verify.Received, verify.Learning, sent(1, 0)),
				[]string{"10.0.0.1/32 announced by bmp, received, 0s", "10.0.0.2/32 pending by bmp, unproven, 0s"}},
			{9 * time.Second, observe(verify.Claim, verify.Whole, sent(1, 0, claimed, func(a *verify.Attributes) { a.MED = 7 })),
				[]string{"10.0.0.1/32 announced by bmp, received, 0s", "10.0.0.2/32 pending by frr, unproven, 9s, until 11s"}},
			{11 * time.Second, observe(verify.Claim, verify.Whole),
				[]string{"10.0.0.1/32 announced by bmp, received, 0s", "10.0.0.2/32 missing by frr, unproven, 9s"}},
		},
		"the neighbor says more than the wire": {
			{0, observe(verify.Wire, verify.Whole), nil},
			{0, observe(verify.Received, verify.Whole), nil},
			{0, announce(1), []string{"10.0.0.1/32 pending by tap, unproven, 0s, until 2s"}},
			{2 * time.Second, observe(verify.Wire, verify.Unknown), []string{"10.0.0.1/32 missing by bmp, unproven, 0s"}},
			{2 * time.Second, observe(verify.Wire, verify.Learning, sent(1, 1)), []string{"10.0.0.1/32 missing by bmp, sent, 0s"}},
			{3 * time.Second, observe(verify.Wire, verify.Whole, sent(1, 1)), []string{"10.0.0.1/32 announced by tap, sent, 3s"}},
			{3 * time.Second, observe(verify.Received, verify.Whole, sent(1, 0)), []string{"10.0.0.1/32 announced by bmp, received, 3s"}},
			{4 * time.Second, observe(verify.LocRIB, verify.Whole, sent(1, 0, func(a *verify.Attributes) { a.LocalPreference = 100 }), sent(2, 0)),
				[]string{"10.0.0.1/32 announced by bmp loc-rib, best, 3s"}},
			// Another way to it is used now; that is no drift.
			{5 * time.Second, observe(verify.LocRIB, verify.Whole, sent(1, 0, func(a *verify.Attributes) { a.NextHop = netip.MustParseAddr("192.0.2.8") })),
				[]string{"10.0.0.1/32 announced by bmp, received, 3s"}},
			{5 * time.Second, observe(verify.LocRIB, verify.Whole, sent(1, 0, func(a *verify.Attributes) { a.ASPath = "65001 65000" })),
				[]string{"10.0.0.1/32 announced by bmp, received, 3s"}},
			// What it said of a route that was not intended is not remembered: it is of another time.
			{5 * time.Second, announce(2), []string{"10.0.0.1/32 announced by bmp, received, 3s", "10.0.0.2/32 pending by tap, unproven, 5s, until 7s"}},
			{5 * time.Second, func(c *verify.Comparer, now time.Time) {
				observe(verify.Wire, verify.Whole, sent(2, 2))(c, now)
				observe(verify.Received, verify.Whole, sent(2, 0))(c, now)
			}, []string{"10.0.0.1/32 announced by bmp, received, 3s", "10.0.0.2/32 announced by bmp, received, 5s"}},
			{5 * time.Second, func(c *verify.Comparer, now time.Time) {
				withdraw(2)(c, now)
				observe(verify.Wire, verify.Whole, gone(2))(c, now)
				observe(verify.Received, verify.Whole, gone(2))(c, now)
			}, []string{"10.0.0.1/32 announced by bmp, received, 3s"}},
			// What the neighbor still holds of what the wire showed to be withdrawn, or changed, is the neighbor's matter.
			{5 * time.Second, func(c *verify.Comparer, now time.Time) {
				observe(verify.Received, verify.Whole, sent(3, 0), sent(1, 0, func(a *verify.Attributes) { a.MED = 9 }))(c, now)
			}, []string{"10.0.0.1/32 announced by tap, sent, 3s"}},
			{5 * time.Second, observe(verify.Received, verify.Whole, gone(3)), []string{"10.0.0.1/32 announced by tap, sent, 3s"}},
			// Nor does its word that the session is down count, where the wire shows it to be up.
			{6 * time.Second, observe(verify.Received, verify.Down), []string{"10.0.0.1/32 announced by tap, sent, 3s"}},
			{6 * time.Second, observe(verify.Wire, verify.Whole, gone(1)), []string{"10.0.0.1/32 pending by tap, unproven, 6s, until 8s"}},
			{8 * time.Second, wait, []string{"10.0.0.1/32 missing by tap, unproven, 6s"}},
			{9 * time.Second, observe(verify.Wire, verify.Unknown), []string{"10.0.0.1/32 not-comparable by bmp, unproven, 9s"}},
			{9 * time.Second, observe(verify.Wire, verify.Learning, sent(1, 3)), []string{"10.0.0.1/32 not-comparable by bmp, unproven, 9s"}},
			{9 * time.Second, observe(verify.Wire, verify.Whole), []string{"10.0.0.1/32 announced by tap, sent, 9s"}},
		},
		"a snapshot sweeps": {
			{0, announce(1, 2), []string{"10.0.0.1/32 not-comparable by none, unproven, 0s", "10.0.0.2/32 not-comparable by none, unproven, 0s"}},
			{0, observe(verify.Wire, verify.Whole, sent(1, 0), sent(2, 0)),
				[]string{"10.0.0.1/32 announced by tap, sent, 0s", "10.0.0.2/32 announced by tap, sent, 0s"}},
			{time.Second, func(c *verify.Comparer, now time.Time) {
				o := see(verify.Wire, now, verify.Whole, sent(1, 0))
				o.Snapshot = true
				c.Observe(o)
			}, []string{"10.0.0.1/32 announced by tap, sent, 0s", "10.0.0.2/32 pending by tap, unproven, 1s, until 3s"}},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			c := newComparer()
			for i, s := range steps {
				now := start.Add(s.at)
				s.do(c, now)
				report := c.Report(now, 0)
				if diff := cmp.Diff(s.want, table(c)); diff != "" {
					t.Errorf("step %d at %s (-want +got)\n%s", i+1, s.at, diff)
				}
				wrong := slices.ContainsFunc(s.want, func(l string) bool { return !agreeing(l) }) || !report.Whole || !report.Blocked.IsZero()
				if wrong == report.Agrees() {
					t.Errorf("step %d at %s: agrees %t with %q", i+1, s.at, report.Agrees(), s.want)
				}
				audit(t, c, report)
			}
		})
	}
}

const everyDifference = "next hop: wanted the session's own, got 192.0.2.9; AS path: wanted 65000, got 65000 65000; MED: wanted 5, got 0; " +
	"local preference: wanted none, got 100; communities: wanted 65000:1, got 65000:1 65000:2; " +
	"large communities: wanted 1:0:0, got none; origin: wanted IGP, got incomplete"

func agreeing(line string) bool {
	var p, kind string
	if _, err := fmt.Sscan(line, &p, &kind); err != nil {
		panic(err)
	}
	return kind == "announced" || kind == "transit"
}

// audit compares what a report sums up with the verdicts themselves.
func audit(t *testing.T, c *verify.Comparer, r verify.Report) {
	t.Helper()
	counts := map[verify.Count]int{}
	open := 0
	for v := range c.All() {
		counts[verify.Count{Kind: v.Kind, Witness: v.Witness, Proof: v.Proof}]++
		if v.Kind.Open() {
			open++
			at, found := slices.BinarySearchFunc(r.Open, v, func(a, b verify.Verdict) int { return route.ComparePrefixes(a.Prefix, b.Prefix) })
			if !found {
				t.Errorf("%s is not in the report", line(v))
			} else if line(r.Open[at]) != line(v) {
				t.Errorf("the report has %s for %s", line(r.Open[at]), line(v))
			}
		}
	}
	if open != len(r.Open) {
		t.Errorf("the report has %d open routes, want %d", len(r.Open), open)
	}
	got := map[verify.Count]int{}
	for _, n := range r.Counts {
		key := n
		key.Routes = 0
		got[key] += n.Routes
	}
	if diff := cmp.Diff(counts, got); diff != "" {
		t.Errorf("counts (-want +got)\n%s", diff)
	}
}

func TestProven(t *testing.T) {
	var took []time.Duration
	c := verify.NewComparer(session, verify.Options{Prepended: 65000, Proven: func(d time.Duration, _ verify.Proof) { took = append(took, d) }})
	// What was there before the wire was watched tells nothing of how long it took.
	intend(c, start, announcement(1))
	c.Observe(see(verify.Wire, start.Add(time.Hour), verify.Whole, verify.Change{Prefix: prefix(1), Attributes: onWire()}))
	at := start.Add(2 * time.Hour)
	intend(c, at, announcement(2))
	for i := range 3 {
		c.Observe(see(verify.Wire, at.Add(time.Duration(i+1)*time.Millisecond), verify.Whole, verify.Change{Prefix: prefix(2), Attributes: onWire()}))
	}
	if diff := cmp.Diff([]time.Duration{time.Millisecond}, took); diff != "" {
		t.Errorf("times (-want +got)\n%s", diff)
	}
	if got := c.Report(at, 0).LastProof; !got.Equal(at.Add(time.Millisecond)) {
		t.Errorf("last proof is %s", got)
	}
}

// TestNextHopUnknown: as long as the session's own address is not known, no next hop is taken for wrong.
func TestNextHopUnknown(t *testing.T) {
	c := verify.NewComparer(session, verify.Options{Prepended: 65000})
	intend(c, start, announcement(1))
	c.Observe(see(verify.Wire, start, verify.Whole, verify.Change{Prefix: prefix(1), Attributes: onWire()}))
	if v, _ := c.Verdict(prefix(1)); v.Kind != verify.Announced {
		t.Errorf("with no address known: %s", line(v))
	}
	c.Own(start, netip.MustParseAddr("192.0.2.200"))
	if v := c.Report(start.Add(2*time.Second), 0).Open[0]; v.Kind != verify.Mismatch || v.Differences[0].Field != verify.NextHop {
		t.Errorf("with another address: %s", line(v))
	}
	c.Own(start.Add(3*time.Second), own)
	if v, _ := c.Verdict(prefix(1)); v.Kind != verify.Announced {
		t.Errorf("with the right address: %s", line(v))
	}
}

func TestTransit(t *testing.T) {
	from := verify.Transit{From: []route.ASN{65002}}
	tests := []struct {
		name      string
		transit   verify.Transit
		prepended route.ASN
		path      string
		want      verify.Kind
	}{
		{"from the named AS", from, 65000, "65000 65002", verify.PassedOn},
		{"farther away", from, 65000, "65000 65003 65002", verify.Unexpected},
		{"our own", from, 65000, "65000", verify.Unexpected},
		{"not prepended", from, 65000, "65002", verify.Unexpected},
		{"to iBGP", from, 0, "65002 65009", verify.PassedOn},
		{"to iBGP, our own", from, 0, "", verify.Unexpected},
		{"a set", from, 0, "{65002}", verify.Unexpected},
		{"none", verify.Transit{}, 65000, "65000 65002", verify.Unexpected},
		{"any", verify.Transit{Any: true}, 65000, "65000", verify.PassedOn},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := verify.NewComparer(session, verify.Options{Prepended: test.prepended, Transit: test.transit})
			c.Observe(see(verify.Wire, start, verify.Whole, verify.Change{
				Prefix: prefix(1), Attributes: onWire(func(a *verify.Attributes) { a.ASPath = test.path }),
			}))
			c.Advance(start.Add(time.Minute))
			if v, _ := c.Verdict(prefix(1)); v.Kind != test.want {
				t.Errorf("%s, want %s", line(v), test.want)
			}
		})
	}
}

// TestLateEnd: a session whose end was never on the wire, because the link went down with it, is down by FRR's own later word.
func TestLateEnd(t *testing.T) {
	c := newComparer()
	intend(c, start, announcement(1))
	c.Observe(see(verify.Claim, start, verify.Down))
	later := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	c.Observe(see(verify.Wire, later(1), verify.Whole, verify.Change{Prefix: prefix(1), Attributes: onWire(), Sequence: 1}))
	kind := func(want verify.Kind) {
		t.Helper()
		if v, _ := c.Verdict(prefix(1)); v.Kind != want {
			t.Errorf("it is %s, want %s", v.Kind, want)
		}
	}
	kind(verify.Announced)
	c.Observe(see(verify.Claim, start, verify.Down))
	kind(verify.Announced)
	c.Observe(see(verify.Claim, later(2), verify.Down))
	kind(verify.NotComparable)
	c.Observe(see(verify.Claim, later(3), verify.Unknown))
	kind(verify.Announced)
}
