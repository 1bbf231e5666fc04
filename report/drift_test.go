package report

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// session reads how the session with a neighbor stands out of lines "10.0.0.1/32 a" (its router originates it for Pod a),
// "missing 10.0.0.1/32", "unexpected ...", "pending ...", "mismatch ..." (all seen by the tap), "down", "blind": FRR's own
// word is all there is, and "more": there are others on their way that are not listed. They must be given in order.
func session(neighbor string, lines ...string) Session {
	s := Session{Report: verify.Report{
		Session:   verify.Session{Neighbor: neighbor},
		Witnesses: []verify.Knowledge{{Witness: verify.Claim, State: verify.Whole}, {Witness: verify.Wire, State: verify.Whole}},
	}}
	witness := verify.Wire
	kinds := map[string]verify.Kind{
		"missing": verify.Missing, "mismatch": verify.Mismatch, "unexpected": verify.Unexpected, "pending": verify.Pending,
	}
	for _, line := range lines {
		words := strings.Fields(line)
		switch kind := kinds[words[0]]; {
		case line == "down":
			s.Report.Witnesses = nil
			s.Report.Counts = append(s.Report.Counts, verify.Count{Kind: verify.NotComparable, Routes: 1})
		case line == "more":
			s.Report.Counts = append(s.Report.Counts, verify.Count{Kind: verify.Pending, Witness: witness, Routes: 1})
		case line == "blind":
			s.Report.Witnesses, witness = s.Report.Witnesses[:1], verify.Claim
		case kind != 0:
			v := verify.Verdict{Prefix: netip.MustParsePrefix(words[1]), Kind: kind, Witness: witness, Wanted: &verify.Attributes{}}
			switch kind {
			case verify.Unexpected:
				v.Wanted = nil
			case verify.Mismatch:
				v.Differences = []verify.Difference{{Field: verify.MED, Wanted: "0", Got: "50"}}
			case verify.Missing:
				v.Cause = verify.NotInTable
			}
			s.Report.Open = append(s.Report.Open, v)
			s.Report.Counts = append(s.Report.Counts, verify.Count{Kind: kind, Witness: witness, Routes: 1})
		default:
			s.Routes = append(s.Routes, state(line).Routes...)
		}
	}
	return s
}

func TestProven(t *testing.T) {
	const (
		second = time.Second
		gone   = "10.0.0.1/32 missing by tap: bgpd does not hold the route: its network statement was removed or refused, see fairlead diff"
		not    = "Drifted: neighbor tor on node self is not told as intended: "
		again  = "Proven: neighbor tor on node self is told as intended again"
	)
	both := []string{"10.0.0.1/32 a", "10.0.0.2/32 b"}
	is := func(more ...string) []Session { return []Session{session("tor", append(both[:2:2], more...)...)} }
	type moment struct {
		at       time.Duration
		sessions []Session
	}
	tests := []struct {
		name    string
		moments []moment
		want    []string
	}{
		{"all is as intended, or on its way",
			[]moment{{0, is()}, {10 * second, is("pending 10.0.0.1/32")}},
			nil},
		{"a route is missing, and comes back",
			[]moment{{0, is()}, {10 * second, is("missing 10.0.0.1/32")}, {30 * second, is()}},
			[]string{"17s a " + not + gone, "37s a " + again}},
		{"what is over soon is no news",
			[]moment{{0, is("missing 10.0.0.1/32")}, {6 * second, is()}},
			nil},
		{"what comes back soon is no news either",
			[]moment{{0, is("missing 10.0.0.1/32")}, {20 * second, is()}, {24 * second, is("missing 10.0.0.1/32")}, {10 * time.Minute, is("missing 10.0.0.1/32")}},
			[]string{"7s a " + not + gone}},
		{"an attribute differs, of two routes of one object",
			[]moment{{0, []Session{session("tor", "10.0.0.1/32 a", "10.0.0.2/32 a", "mismatch 10.0.0.1/32", "mismatch 10.0.0.2/32")}}},
			[]string{"7s a " + not + "10.0.0.1/32 mismatch by tap; MED: wanted 0, got 50; 10.0.0.2/32 mismatch by tap; MED: wanted 0, got 50"}},
		{"something else is wrong by now",
			[]moment{{0, is("missing 10.0.0.1/32")}, {20 * second, is("mismatch 10.0.0.1/32")}},
			[]string{"7s a " + not + gone, "27s a " + not + "10.0.0.1/32 mismatch by tap; MED: wanted 0, got 50"}},
		{"what nobody asked for comes from no object",
			[]moment{{0, is("unexpected 10.0.0.1/32", "unexpected 10.9.9.9/32")}},
			nil},
		{"a session that goes down says nothing, and is not over",
			[]moment{
				{0, is("missing 10.0.0.1/32")}, {10 * second, is("down")},
				{20 * second, is("pending 10.0.0.1/32", "pending 10.0.0.2/32")}, {40 * second, is("missing 10.0.0.1/32")}, {60 * second, is()},
			},
			[]string{"7s a " + not + gone, "1m7s a " + again}},
		{"a session that goes down before it was told",
			[]moment{{0, is("missing 10.0.0.1/32")}, {5 * second, is("down")}},
			nil},
		{"what is not listed may still be wrong",
			[]moment{
				{0, is("missing 10.0.0.1/32")}, {20 * second, is("unexpected 10.9.9.9/32", "more")}, {40 * second, is("unexpected 10.9.9.9/32")},
			},
			[]string{"7s a " + not + gone, "47s a " + again}},
		{"a weaker witness cannot say that it is over",
			[]moment{{0, is("mismatch 10.0.0.1/32")}, {20 * second, is("blind")}, {40 * second, is()}},
			[]string{"7s a " + not + "10.0.0.1/32 mismatch by tap; MED: wanted 0, got 50", "47s a " + again}},
		{"the same witness can",
			[]moment{{0, is("blind", "mismatch 10.0.0.1/32")}, {20 * second, is("blind")}},
			[]string{"7s a " + not + "10.0.0.1/32 mismatch by frr; MED: wanted 0, got 50", "27s a " + again}},
		{"but not of a session that is down",
			[]moment{{0, is("blind", "missing 10.0.0.1/32")}, {20 * second, is("blind", "down")}, {60 * second, is("blind")}},
			[]string{"7s a " + not + strings.Replace(gone, "tap", "frr", 1), "1m7s a " + again}},
		{"what is withdrawn meanwhile is not told to be as intended again",
			[]moment{{0, is("missing 10.0.0.1/32")}, {20 * second, []Session{session("tor", "10.0.0.2/32 b")}}},
			[]string{"7s a " + not + gone}},
		{"nor what the neighbor is removed with",
			[]moment{{0, is("missing 10.0.0.1/32")}, {20 * second, nil}, {40 * second, is()}},
			[]string{"7s a " + not + gone}},
		{"an object with many routes",
			[]moment{{0, []Session{session("tor",
				"10.0.0.1/32 a", "10.0.0.2/32 a", "10.0.0.3/32 a", "10.0.0.4/32 a", "10.0.0.5/32 a",
				"mismatch 10.0.0.1/32", "mismatch 10.0.0.2/32", "mismatch 10.0.0.3/32", "mismatch 10.0.0.4/32", "mismatch 10.0.0.5/32")}}},
			[]string{"7s a " + not + "10.0.0.1/32 mismatch by tap; MED: wanted 0, got 50; 10.0.0.2/32 mismatch by tap; MED: wanted 0, got 50; " +
				"10.0.0.3/32 mismatch by tap; MED: wanted 0, got 50; and 2 more routes (fairlead verify)"}},
		{"two neighbors are told of each for itself",
			[]moment{
				{0, append(is("missing 10.0.0.1/32"), session("spine", "10.0.0.1/32 a", "missing 10.0.0.1/32"))},
				{20 * second, append(is("missing 10.0.0.1/32"), session("spine", "10.0.0.1/32 a"))},
			},
			[]string{
				"7s a " + strings.Replace(not, "tor", "spine", 1) + gone, "7s a " + not + gone,
				"27s a " + strings.Replace(again, "tor", "spine", 1),
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, b, a := running(t, usual)
				// Whoever is chosen for the object: nobody else knows of this session.
				a.meet("self", "other", "another")
				for _, m := range tt.moments {
					<-time.After(m.at - time.Since(b.start))
					r.Proven(m.sessions)
				}
				<-time.After(20*time.Minute - time.Since(b.start))
				if diff := cmp.Diff(tt.want, b.told()); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
				if s := r.Status(); s.Told != uint64(len(tt.want)) || s.Dropped != 0 || s.Waiting != 0 {
					t.Errorf("status %+v, want %d told and no more", s, len(tt.want))
				}
			})
		})
	}
}

// drifting is a session of which the first n of a hundred Pods' routes are missing.
func drifting(neighbor string, n int) Session {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf("10.0.0.%d/32 pod-%d", i, i))
	}
	for i := range n {
		lines = append(lines, fmt.Sprintf("missing 10.0.0.%d/32", i))
	}
	return session(neighbor, lines...)
}

// TestProvenOfMany has more and more routes of a session drift, and expects one Event on the node instead of one on each object.
func TestProvenOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b, _ := running(t, usual)
		tell := func(n int) {
			r.Proven([]Session{drifting("tor", n)})
			<-time.After(2 * time.Minute)
		}
		tell(2)
		for i := range 30 {
			// Their number changes, and is no news.
			tell(90 + i%10)
		}
		tell(3)
		tell(0)
		const cause = " missing by tap: bgpd does not hold the route: its network statement was removed or refused, see fairlead diff"
		drifts := func(object, what string) string {
			return object + " Drifted: neighbor tor on node self is not told as intended: " + what + cause
		}
		again := " Proven: neighbor tor on node self is told as intended again"
		many := drifts("self", "90 routes (fairlead verify), the first: 10.0.0.0/32")
		want := []string{
			"7s " + drifts("pod-0", "10.0.0.0/32"), "7s " + drifts("pod-1", "10.0.0.1/32"),
			"2m7s " + many, "27m7s " + many + ", still", "52m7s " + many + ", still",
			// Two stand since the beginning, and are told again as all that stands is; one is new.
			"1h2m7s " + drifts("pod-2", "10.0.0.2/32"),
			"1h4m7s self" + again, "1h4m7s pod-0" + again, "1h4m7s pod-1" + again, "1h4m7s pod-2" + again,
		}
		if diff := cmp.Diff(want, b.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		<-time.After(10 * time.Minute)
		r.Proven([]Session{drifting("tor", 0)})
		synctest.Wait()
		if n := len(r.drifts.entries); n != 0 {
			t.Errorf("%d entries are kept of what is over", n)
		}
	})
}

// TestProvenPaced has sessions drift and recover for an hour, and expects few Events, and announcements that do not wait for them.
func TestProvenPaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b, _ := running(t, usual)
		r.Tell(State{})
		for i := range 180 {
			var all []Session
			for n := range 20 {
				all = append(all, drifting(fmt.Sprintf("tor-%d", n), i%2*each))
			}
			r.Proven(all)
			<-time.After(20 * time.Second)
		}
		minutes := int(time.Hour / time.Minute)
		if n := len(b.told()); n < 10 || n > 10+10*minutes {
			t.Errorf("%d Events in an hour, want some, and at most 10 and 10 each minute", n)
		}
		start := time.Since(b.start)
		r.Tell(state("10.0.0.1/32 a"))
		<-time.After(10 * time.Second)
		want := fmt.Sprintf("%v a Announced: announcing 10.0.0.1/32", start+usual.settle)
		if told := strings.Join(b.told(), "\n"); !strings.Contains(told, want) {
			t.Errorf("%q was not told while drifts wait", want)
		}
	})
}

// TestProvenAgain expects what stands to be told again before the API server forgets it, also where that fails first.
func TestProvenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b, _ := running(t, usual)
		wrong := []Session{session("tor", "10.0.0.1/32 a", "mismatch 10.0.0.1/32")}
		r.Proven(wrong)
		<-time.After(20 * time.Minute)
		b.fail(errors.New("connection refused"))
		<-time.After(6 * time.Minute)
		b.fail(nil)
		<-time.After(10 * time.Minute)
		r.Proven([]Session{session("tor", "10.0.0.1/32 a", "down")})
		<-time.After(2 * time.Hour)
		r.Proven(wrong)
		<-time.After(26 * time.Minute)
		const text = "a Drifted: neighbor tor on node self is not told as intended: 10.0.0.1/32 mismatch by tap; MED: wanted 0, got 50"
		got := b.told()
		if len(got) != 3 || got[0] != "7s "+text || !strings.HasSuffix(got[1], text+", still") || got[2] != "3h1m0s "+text+", still" {
			t.Errorf("told %q, want it once, and still once before and once after the session was down", got)
		}
	})
}

func TestDriftNoticeNamesTheRouter(t *testing.T) {
	e := &entry{subject: subject{pod("a"), verify.Session{Router: "blue", Neighbor: "10.0.1.254"}}, told: fact{drift: drift{text: "x"}}}
	want := notice{reason: proven, message: "neighbor 10.0.1.254 of router blue on node node1 is told as intended again"}
	if got := driftNotice("node1", e); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// BenchmarkProven looks at two sessions of 100,000 routes, of which as many as the name says drift.
func BenchmarkProven(b *testing.B) {
	for _, wrong := range []int{0, 10, 100_000} {
		b.Run(fmt.Sprint(wrong), func(b *testing.B) {
			s := session("tor")
			for i := range 100_000 {
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
				s.Routes = append(s.Routes, route.Route{Prefix: p, From: []route.Object{pod(fmt.Sprintf("pod-%d", i))}})
				if i < wrong {
					s.Report.Open = append(s.Report.Open, verify.Verdict{Prefix: p, Kind: verify.Missing, Witness: verify.Wire, Wanted: &verify.Attributes{}})
				}
			}
			r := newReporter(usual, nil)
			b.ReportAllocs()
			for b.Loop() {
				r.compare([]Session{s, s}, time.Now())
			}
		})
	}
}
