package status

import (
	"context"
	"io"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// TestSince looks when each condition last changed, through a life with trouble.
func TestSince(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(Options{})
		start := time.Now()
		check := func(condition ConditionType, status Truth, since time.Duration) {
			t.Helper()
			c := b.State().Condition(condition)
			if c.Status != status || c.Since.Sub(start) != since {
				t.Errorf("%s is %s since %s, want %s since %s", condition, c.Status, c.Since.Sub(start), status, since)
			}
		}
		end := func(err error) {
			p := b.Begin()
			if err == nil {
				p.Applied(0, 0, nil)
			}
			p.End(err)
		}
		check(Ready, False, 0)
		check(Applied, Unknown, 0)

		pass(time.Second)
		b.Follow([]Source{{Name: "pods", Synced: true}})
		pass(time.Second)
		end(nil)
		check(SourcesSynced, True, time.Second)
		check(Ready, True, 2*time.Second)

		// The same again leaves Since as it is, and so does another error.
		pass(time.Second)
		end(nil)
		check(Ready, True, 2*time.Second)
		pass(time.Second)
		end(io.EOF)
		pass(time.Second)
		end(io.ErrUnexpectedEOF)
		check(Ready, False, 4*time.Second)
		check(Applied, False, 4*time.Second)
		if got := b.State().Condition(Applied).Message; got != io.ErrUnexpectedEOF.Error() {
			t.Errorf("the message is %q, and not that of the last error", got)
		}
		pass(time.Second)
		end(nil)
		check(Ready, True, 6*time.Second)

		// A configuration that is broken twice is broken since the first time. That an earlier version is in force does not mend
		// it.
		is := func(want Configuration) {
			t.Helper()
			if diff := cmp.Diff(want, b.State().Configuration); diff != "" {
				t.Errorf("the configuration (-want +got):\n%s", diff)
			}
		}
		b.Misconfigured(nil)
		b.Configured("config.yaml", "1")
		check(ConfigurationCurrent, True, 6*time.Second)
		pass(time.Second)
		b.Misconfigured(io.EOF)
		pass(time.Second)
		b.Misconfigured(io.ErrUnexpectedEOF)
		check(ConfigurationCurrent, False, 7*time.Second)
		b.Configured("config.yaml", "1")
		check(ConfigurationCurrent, False, 7*time.Second)
		broken := start.Add(7 * time.Second)
		is(Configuration{
			File: "config.yaml", Digest: "1", Since: start.Add(6 * time.Second),
			Broken: io.ErrUnexpectedEOF.Error(), BrokenSince: broken,
		})
		pass(time.Second)
		b.Configured("config.yaml", "2")
		check(ConfigurationCurrent, False, 7*time.Second)
		second := start.Add(9 * time.Second)
		is(Configuration{
			File: "config.yaml", Digest: "2", Since: second, Broken: io.ErrUnexpectedEOF.Error(), BrokenSince: broken,
		})
		pass(time.Second)
		b.Misconfigured(nil)
		check(ConfigurationCurrent, True, 10*time.Second)
		is(Configuration{File: "config.yaml", Digest: "2", Since: second})
	})
}

// TestOutcome ends passes in which several things happened.
func TestOutcome(t *testing.T) {
	tests := []struct {
		name string
		pass func(p *Pass) error
		want Outcome
	}{
		{"no apply", func(*Pass) error { return nil }, Waiting},
		{"no apply, for want of objects", func(p *Pass) error { p.Waits(ForSources); return nil }, Waiting},
		{"an apply after all", func(p *Pass) error { p.Waits(ForSources); p.Applied(0, 0, nil); return nil }, Unchanged},
		{"an error while it waits", func(p *Pass) error { p.Waits(ForSources); return io.EOF }, Failed},
		{"nothing to change", func(p *Pass) error { p.Applied(0, 0, nil); return nil }, Unchanged},
		{"a change", func(p *Pass) error { p.Applied(1, 0, nil); return nil }, Changed},
		{"an error without an apply", func(*Pass) error { return io.EOF }, Failed},
		{"an apply that failed", func(p *Pass) error { p.Applied(1, 0, io.EOF); return io.EOF }, Failed},
		{"an apply that failed, and the way back", func(p *Pass) error { p.Applied(1, 0, io.EOF); p.Applied(0, 0, nil); return nil }, Unchanged},
		{"two changes", func(p *Pass) error { p.Applied(1, 0, nil); p.Applied(0, 0, nil); return nil }, Changed},
		{"a change that could not be kept", func(p *Pass) error { p.Applied(1, 0, nil); return io.EOF }, Failed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := New(Options{})
			p := b.Begin()
			p.End(test.pass(p))
			s := b.State()
			if s.Passes.Outcome != test.want || *s.Passes.counter(test.want) != 1 || s.Passes.Duration.Count != 1 {
				t.Errorf("the passes are %+v, want one that is %s", s.Passes, test.want)
			}
		})
	}
}

// TestWaits ends passes that wait, and looks what the condition Applied says of them.
func TestWaits(t *testing.T) {
	b := New(Options{})
	for _, step := range []struct {
		do     func(p *Pass)
		want   Wait
		reason string
	}{
		{func(p *Pass) { p.Waits(ForSources) }, ForSources, "WaitingForSources"},
		{func(*Pass) {}, ForFRR, "WaitingForFRR"},
		{func(p *Pass) { p.Waits(ForSources); p.Waits(ForFRR) }, ForFRR, "WaitingForFRR"},
		{func(p *Pass) { p.Waits(ForSources); p.Applied(0, 0, nil) }, "", "Applied"},
	} {
		p := b.Begin()
		step.do(p)
		p.End(nil)
		if got := b.State().Condition(Applied).Reason; b.State().Passes.Wait != step.want || got != step.reason {
			t.Errorf("the pass waits for %q, and Applied says %s: want %q and %s", b.State().Passes.Wait, got, step.want, step.reason)
		}
	}
}

// TestImmutable keeps a State and has everything happen to the Board afterwards.
func TestImmutable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, story := range stories {
			b := New(Options{Node: "node1"})
			kept, text := []*State{}, []string{}
			keep := func() {
				w := httptest.NewRecorder()
				serve(w, httptest.NewRequestWithContext(t.Context(), "GET", "/status", nil), b.State())
				kept, text = append(kept, b.State()), append(text, w.Body.String())
			}
			keep()
			story(b)
			keep()
			for name, next := range stories {
				if name != "starting" {
					next(b)
					keep()
				}
			}
			for i, s := range kept {
				w := httptest.NewRecorder()
				serve(w, httptest.NewRequestWithContext(t.Context(), "GET", "/status", nil), s)
				if diff := cmp.Diff(text[i], w.Body.String()); diff != "" {
					t.Fatalf("a state that was published has changed (-before +after):\n%s", diff)
				}
			}
		}
	})
}

// TestHistogram looks at the buckets that Prometheus is told of.
func TestHistogram(t *testing.T) {
	var h Histogram
	for _, d := range []time.Duration{0, time.Millisecond, 1500 * time.Microsecond, 250 * time.Millisecond, time.Minute, time.Hour} {
		h.observe(d)
	}
	want := map[float64]uint64{
		0.001: 2, 0.002: 3, 0.005: 3, 0.01: 3, 0.02: 3, 0.05: 3, 0.1: 3, 0.2: 3, 0.5: 4, 1: 4, 2: 4, 5: 4, 10: 4, 30: 4, 60: 5,
	}
	if diff := cmp.Diff(want, h.cumulative()); diff != "" {
		t.Errorf("the buckets (-want +got):\n%s", diff)
	}
	if h.Count != 6 || h.Last != 3600 {
		t.Errorf("count %d, last %v", h.Count, h.Last)
	}
	if !slices.IsSorted(bounds[:]) {
		t.Errorf("the bounds are not sorted: %v", bounds)
	}
}

// TestConcurrently publishes from several goroutines while others read all that is told. Every scrape must find counts that
// belong to one State: here each change has two lines, and each pass one change.
func TestConcurrently(t *testing.T) {
	const passes = 300
	b := New(Options{Node: "node1"})
	h := handler(b, Config{}, true, silent())
	ctx, stop := context.WithCancel(t.Context())
	var readers, writers sync.WaitGroup
	for _, path := range []string{"/metrics", "/status", "/status?output=table", "/readyz?verbose", "/healthz"} {
		readers.Go(func() {
			for ctx.Err() == nil {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
			}
		})
	}
	readers.Go(func() {
		for ctx.Err() == nil {
			if s := b.State(); s.Applies.Lines != 2*s.Applies.Changed {
				t.Errorf("%d changes have %d lines", s.Applies.Changed, s.Applies.Lines)
				return
			}
		}
	})
	writers.Go(func() {
		for range passes {
			p := b.Begin()
			p.Enter(Reduce)
			p.Reduced(snapshot(), result())
			p.Enter(Apply)
			p.Applied(2, 0, nil)
			p.End(nil)
		}
	})
	writers.Go(func() {
		for i := range passes {
			b.Follow([]Source{{Name: "pods", Synced: true, Objects: i}})
			b.Told(Events{Told: uint64(i)})
		}
	})
	writers.Go(func() {
		for i := range passes {
			b.Configured("config.yaml", strconv.Itoa(i))
			b.Misconfigured(io.EOF)
		}
	})
	writers.Wait()
	stop()
	readers.Wait()
	s := b.State()
	if s.Passes.Changed != passes || s.Sources[0].Objects != passes-1 || s.Events.Told != passes-1 || s.Configuration.Broken != "EOF" {
		t.Errorf("something that was published is lost: %+v", s)
	}
}

// TestShared has what a pass wants taken over without a copy, however much it is.
func TestShared(t *testing.T) {
	b := New(Options{})
	few, many := publishAllocations(b, 10), publishAllocations(b, 10_000)
	if few != many {
		t.Errorf("a pass over 10 routes allocates %v times, one over 10,000 routes %v times", few, many)
	}
}

func publishAllocations(b *Board, n int) float64 {
	given, wanted := snapshot(), large(n)
	return testing.AllocsPerRun(10, func() { wholePassAtOnce(b, given, wanted) })
}

func wholePassAtOnce(b *Board, given reduce.Snapshot, wanted reduce.Result) {
	p := b.Begin()
	p.Enter(Reduce)
	p.Reduced(given, wanted)
	p.Enter(Render)
	p.Enter(Apply)
	p.Applied(2, 0, nil)
	p.End(nil)
}

// large is a result with so many routes and a tenth of that skipped.
func large(n int) reduce.Result {
	r := result()
	routes := make([]route.Route, n)
	for i := range routes {
		routes[i] = r.Speaker.Routers[0].Routes[0]
	}
	r.Speaker.Routers[0].Routes = routes
	r.Skipped = skipped(n / 10)
	return r
}

// TestBadLabel has a source with a name that no label can have: the other metrics are told.
func TestBadLabel(t *testing.T) {
	b := New(Options{})
	b.Follow([]Source{{Name: "\xff", Synced: true}})
	w := httptest.NewRecorder()
	handler(b, Config{}, true, silent()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if body := w.Body.String(); w.Code != 200 || !strings.Contains(body, "fairlead_passes_total{") || strings.Contains(body, "fairlead_source_synced{") {
		t.Errorf("%d\n%s", w.Code, body)
	}
}

// BenchmarkPass is what one pass costs here: the whole of what is published, with 10,000 routes and 1,000 skipped.
func BenchmarkPass(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			board, given, wanted := New(Options{}), snapshot(), large(n)
			board.Follow([]Source{{Name: "pods", Synced: true}})
			b.ReportAllocs()
			for b.Loop() {
				wholePassAtOnce(board, given, wanted)
			}
		})
	}
}

// BenchmarkScrape is one answer of each kind, with 10,000 routes and 1,000 skipped.
func BenchmarkScrape(b *testing.B) {
	board := New(Options{Node: "node1"})
	board.Follow([]Source{{Name: "pods", Synced: true}})
	wholePassAtOnce(board, snapshot(), large(10_000))
	h := handler(board, Config{}, true, silent())
	for _, path := range []string{"/metrics", "/readyz", "/status", "/status?output=table"} {
		b.Run(path[1:], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(b.Context(), "GET", path, nil))
			}
		})
	}
}
