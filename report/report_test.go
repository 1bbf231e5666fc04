package report

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/route"
)

// board is a poster that models the API server: it remembers the Events by what they say, with their count, and writes
// down each one with the time since it was made.
type board struct {
	start time.Time

	mu     sync.Mutex
	err    error // what every request fails with, once left more have passed; nil means none does
	left   int
	tries  int
	counts map[string]int
	lines  []string
}

func newBoard() *board { return &board{start: time.Now(), counts: make(map[string]int)} }

func (b *board) post(_ context.Context, o route.Object, n notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tries++
	if b.err != nil && b.left == 0 {
		return b.err
	}
	b.left = max(0, b.left-1)
	what := fmt.Sprintf("%s %s: %s", o.Name, n.reason, n.message)
	if n.again && b.counts[what] > 0 {
		b.lines = append(b.lines, fmt.Sprintf("%v %s, still", time.Since(b.start), what))
		return nil
	}
	b.counts[what]++
	b.lines = append(b.lines, fmt.Sprintf("%v %s", time.Since(b.start), what))
	return nil
}

// fail has all requests fail from now on, or none.
func (b *board) fail(err error) { b.failAfter(0, err) }

// failAfter is fail once n more requests have passed.
func (b *board) failAfter(n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err, b.left = err, n
}

func (b *board) told() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines)
}

// assembly is a group whose members the test decides.
type assembly struct {
	mu     sync.Mutex
	now    electorate
	silent []string
}

func (a *assembly) alive() electorate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.now
}

func (a *assembly) say(silent []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silent = silent
}

// meet makes the members those of the given names, the first one being this speaker.
func (a *assembly) meet(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = election(names...)
}

func election(names ...string) electorate {
	var e electorate
	for i, n := range names {
		if i == 0 {
			e.self = n
		}
		e.voters = append(e.voters, voter{name: n, hash: digest(n)})
	}
	return e
}

// running starts a Reporter that is alone and knows it, in a bubble of synctest.
func running(t *testing.T, l limits) (*Reporter, *board, *assembly) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	r, b, a := newReporter(l, log), newBoard(), &assembly{now: election("self")}
	r.node, r.poster, r.group = "self", b, a
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returns %v", err)
		}
	})
	return r, b, a
}

func TestTell(t *testing.T) {
	type moment struct {
		at    time.Duration
		lines []string
	}
	tests := []struct {
		name   string
		states []moment
		want   []string
	}{
		{"what the first state announces is no news",
			[]moment{{0, []string{"10.0.0.1/32 a", "10.0.0.2/32 b"}}},
			nil},
		{"what the first state skips is told",
			[]moment{{0, []string{"10.0.0.1/32 a", "b: why", "b: why else"}}},
			[]string{"3s b NotAnnounced: why; why else"}},
		{"announced, then withdrawn",
			[]moment{{0, nil}, {10 * time.Second, []string{"10.0.0.1/32 a", "fd00::1/128 a"}}, {20 * time.Second, nil}},
			[]string{"13s a Announced: announcing 10.0.0.1/32, fd00::1/128", "23s a Withdrawn: withdrew 10.0.0.1/32, fd00::1/128"}},
		{"nothing is told twice while it stands",
			[]moment{
				{0, nil}, {10 * time.Second, []string{"10.0.0.1/32 a"}},
				{20 * time.Second, []string{"10.0.0.1/32 a", "10.0.0.2/32 b"}}, {30 * time.Second, []string{"10.0.0.1/32 a"}},
			},
			[]string{"13s a Announced: announcing 10.0.0.1/32", "23s b Announced: announcing 10.0.0.2/32", "33s b Withdrawn: withdrew 10.0.0.2/32"}},
		{"a wish that turns bad: withdrawn, and why",
			[]moment{{0, []string{"10.0.0.1/32 a"}}, {10 * time.Second, []string{"a: misspelt"}}},
			[]string{"13s a Withdrawn: withdrew 10.0.0.1/32", "13s a NotAnnounced: misspelt"}},
		{"a pod without an address in its first seconds is no news",
			[]moment{{0, nil}, {10 * time.Second, []string{"a: no address"}}, {12 * time.Second, []string{"10.0.0.1/32 a"}}},
			[]string{"13s a Announced: announcing 10.0.0.1/32"}},
		{"what comes back before it was told to be gone is no news",
			[]moment{{0, []string{"10.0.0.1/32 a"}}, {10 * time.Second, nil}, {12 * time.Second, []string{"10.0.0.1/32 a"}}},
			nil},
		{"of several states at once the last one counts",
			[]moment{{0, nil}, {10 * time.Second, []string{"10.0.0.1/32 a"}}, {10 * time.Second, []string{"10.0.0.2/32 a"}}},
			[]string{"13s a Announced: announcing 10.0.0.2/32"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, b, _ := running(t, usual)
				for _, m := range tt.states {
					<-time.After(m.at - time.Since(b.start))
					r.Tell(state(m.lines...))
				}
				<-time.After(10 * time.Minute)
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

// TestTellFlaps changes one object a thousand times, in different ways, and expects a bounded number of Events of which the
// last one says how it ended.
func TestTellFlaps(t *testing.T) {
	on, bad := state("10.0.0.1/32 a"), state("a: misspelt")
	tests := []struct {
		name   string
		every  time.Duration
		states []State
		last   string
	}{
		{"ten a second", 100 * time.Millisecond, []State{{}, on}, "Announced"},
		{"one in two seconds", 2 * time.Second, []State{on, bad}, "NotAnnounced"},
		{"one in five seconds", 5 * time.Second, []State{on, {}}, "Withdrawn"},
		{"one in seven seconds, three states", 7 * time.Second, []State{on, {}, bad}, "NotAnnounced"},
	}
	const flaps = 1002 // both two and three divide it
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, b, _ := running(t, usual)
				r.Tell(state("10.0.0.9/32 a"))
				<-time.After(2 * time.Second)
				for i := range flaps {
					r.Tell(tt.states[i%len(tt.states)])
					<-time.After(tt.every)
				}
				took := flaps * tt.every
				<-time.After(2 * time.Minute)
				// A burst of three and one each 30 s, each at most two Events.
				got, limit := b.told(), 2*(4+int(took/(30*time.Second))+1)
				t.Logf("%d Events in %v, of %d different texts, for %d flaps", len(got), took, len(b.counts), flaps)
				if len(got) > limit {
					t.Errorf("%d Events, want at most %d", len(got), limit)
				}
				if len(got) == 0 || !strings.Contains(got[len(got)-1], " "+tt.last+":") {
					t.Errorf("the last Event is not %s:\n%s", tt.last, strings.Join(got[max(0, len(got)-5):], "\n"))
				}
			})
		})
	}
}

func TestTellPacesAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b, _ := running(t, usual)
		r.Tell(State{})
		<-time.After(2 * time.Second)
		var lines []string
		for i := range 1000 {
			lines = append(lines, fmt.Sprintf("10.0.%d.%d/32 pod-%d", i/250, i%250, i))
		}
		r.Tell(state(lines...))
		<-time.After(3*time.Second + 500*time.Millisecond)
		// The burst of 50, and ten a second.
		if n := len(b.told()); n < 50 || n > 56 {
			t.Errorf("%d Events in the first half second, want the burst of 50 and 5", n)
		}
		<-time.After(2 * time.Minute)
		if n := len(b.told()); n != 1000 {
			t.Errorf("%d Events, want 1000", n)
		}
	})
}

func TestTellDropsWhatIsTooMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := usual
		l.waiting = 10
		r, b, _ := running(t, l)
		r.Tell(State{})
		<-time.After(2 * time.Second)
		var lines []string
		for i := range 100 {
			lines = append(lines, fmt.Sprintf("10.0.0.%d/32 pod-%d", i, i))
		}
		r.Tell(state(lines...))
		<-time.After(time.Minute)
		if s := r.Status(); len(b.told()) != 10 || s.Dropped != 90 || s.Told != 10 {
			t.Errorf("%d Events, status %+v, want 10 and 90 dropped", len(b.told()), s)
		}
	})
}

func TestTellWhileAPIServerIsAway(t *testing.T) {
	away := errors.New("connection refused")
	t.Run("for a minute: the last state is told", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, _ := running(t, usual)
			r.Tell(State{})
			<-time.After(2 * time.Second)
			b.fail(away)
			r.Tell(state("10.0.0.1/32 a", "b: why"))
			<-time.After(30 * time.Second)
			r.Tell(state("10.0.0.2/32 a"))
			<-time.After(30 * time.Second)
			tries := b.tries
			b.fail(nil)
			<-time.After(time.Minute)
			want := []string{"a Announced: announcing 10.0.0.2/32"}
			var got []string
			for _, line := range b.told() {
				_, what, _ := strings.Cut(line, " ")
				got = append(got, what)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
			if tries > 8 || r.Status().Dropped != 0 {
				t.Errorf("%d requests in the minute, status %+v, want few and nothing dropped", tries, r.Status())
			}
		})
	})
	t.Run("between two notices on one object: the first is not told again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, _ := running(t, usual)
			r.Tell(state("10.0.0.1/32 a"))
			<-time.After(2 * time.Second)
			b.failAfter(1, away)
			r.Tell(state("a: why"))
			<-time.After(10 * time.Second)
			b.fail(nil)
			<-time.After(time.Minute)
			if len(b.told()) != 2 || b.counts["a Withdrawn: withdrew 10.0.0.1/32"] != 1 || b.counts["a NotAnnounced: why"] != 1 {
				t.Errorf("told %q, want Withdrawn and NotAnnounced, each once", b.told())
			}
		})
	})
	t.Run("for an hour: given up, and counted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, _ := running(t, usual)
			r.Tell(State{})
			<-time.After(2 * time.Second)
			b.fail(away)
			r.Tell(state("10.0.0.1/32 a"))
			<-time.After(time.Hour)
			b.fail(nil)
			<-time.After(time.Minute)
			if s := r.Status(); s.Dropped != 1 || s.Waiting != 0 || s.Told != 0 || len(b.told()) != 0 {
				t.Errorf("status %+v, told %q, want one dropped", s, b.told())
			}
			r.Tell(state("10.0.0.2/32 a"))
			<-time.After(time.Minute)
			if len(b.told()) != 1 {
				t.Errorf("told %q, want what came later", b.told())
			}
		})
	})
	t.Run("refused: given up at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, _ := running(t, usual)
			r.Tell(State{})
			<-time.After(2 * time.Second)
			b.fail(fmt.Errorf("forbidden: %w", errPointless))
			r.Tell(state("10.0.0.1/32 a"))
			<-time.After(10 * time.Second)
			if s := r.Status(); b.tries != 1 || s.Dropped != 1 || s.Waiting != 0 {
				t.Errorf("%d tries, status %+v, want one and one dropped", b.tries, s)
			}
		})
	})
	t.Run("the object is gone: nothing is told, and nothing is lost", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, _ := running(t, usual)
			r.Tell(state("10.0.0.1/32 a"))
			<-time.After(2 * time.Second)
			b.fail(errGone)
			r.Tell(State{})
			<-time.After(10 * time.Second)
			if s := r.Status(); b.tries != 1 || s.Dropped != 0 || s.Told != 0 || s.Waiting != 0 {
				t.Errorf("%d tries, status %+v, want one and nothing counted", b.tries, s)
			}
		})
	})
}

// TestTellAgain expects what is skipped to be told again before the API server forgets it, and what is announced not.
func TestTellAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, b, _ := running(t, usual)
		r.Tell(state("10.0.0.1/32 a", "b: why", "c: why"))
		<-time.After(10 * time.Minute)
		r.Tell(state("10.0.0.1/32 a", "b: why", "d: new"))
		<-time.After(20 * time.Minute)
		want := []string{
			"3s b NotAnnounced: why",
			"3s c NotAnnounced: why",
			"10m3s d NotAnnounced: new",
			"25m3s b NotAnnounced: why, still",
			"25m3s d NotAnnounced: new, still",
		}
		if diff := cmp.Diff(want, b.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestTellWhatIsShared(t *testing.T) {
	var names []string
	e := election("self", "other")
	chosen, others := 0, 0
	for i := range 40 {
		names = append(names, fmt.Sprintf("pod-%02d", i))
		if e.chooses(pod(names[i])) {
			chosen++
		} else {
			others++
		}
	}
	if chosen < 10 || others < 10 {
		t.Fatalf("of 40 objects %d are chosen and %d not, want about 20", chosen, others)
	}
	lines := func(own bool) []string {
		var lines []string
		for i, n := range names {
			lines = append(lines, fmt.Sprintf("10.0.0.%d/32 %s", i, n))
			if own {
				lines = append(lines, "own "+n)
			}
		}
		return lines
	}
	tests := []struct {
		name    string
		members []string
		own     bool
		want    int
	}{
		{"one speaker", []string{"self"}, false, 40},
		{"two speakers", []string{"self", "other"}, false, chosen},
		{"two speakers, but nobody else says this", []string{"self", "other"}, true, 40},
		{"the speakers cannot be known: others tell", nil, false, 0},
		{"the speakers cannot be known, and nobody else says this", nil, true, 40},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, b, a := running(t, usual)
				a.meet(tt.members...)
				r.Tell(State{})
				<-time.After(2 * time.Second)
				r.Tell(state(lines(tt.own)...))
				<-time.After(time.Hour)
				if got := b.told(); len(got) != tt.want {
					t.Errorf("%d Events, want %d: %q", len(got), tt.want, got)
				}
				if tt.members == nil && !tt.own && r.Status().Dropped != 40 {
					t.Errorf("status %+v, want 40 dropped", r.Status())
				}
			})
		})
	}
	t.Run("what was its own it withdraws itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, a := running(t, usual)
			a.meet("self", "other")
			r.Tell(state(lines(true)...))
			<-time.After(2 * time.Second)
			r.Tell(State{})
			<-time.After(time.Minute)
			if got := b.told(); len(got) != 40 {
				t.Errorf("%d Events, want 40: %q", len(got), got)
			}
		})
	})
	t.Run("the speakers are known later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, a := running(t, usual)
			a.meet()
			r.Tell(state("a: why"))
			<-time.After(2 * time.Second)
			r.Tell(state("10.0.0.1/32 b", "a: why"))
			<-time.After(10 * time.Second)
			if len(b.told()) != 0 {
				t.Errorf("told %q before the speakers are known", b.told())
			}
			a.meet("self")
			<-time.After(10 * time.Second)
			if len(b.told()) != 2 {
				t.Errorf("told %q, want both", b.told())
			}
		})
	})
	t.Run("the speakers are known later, and another is chosen for some", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, a := running(t, usual)
			a.meet()
			r.Tell(State{})
			<-time.After(2 * time.Second)
			r.Tell(state(lines(false)...))
			<-time.After(10 * time.Second)
			a.meet("self", "other")
			<-time.After(time.Minute)
			if got := b.told(); len(got) != chosen || r.Status().Dropped != 0 {
				t.Errorf("%d Events, status %+v, want %d and nothing dropped", len(got), r.Status(), chosen)
			}
		})
	})
	t.Run("what is skipped is told by one, again too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, a := running(t, usual)
			a.meet("self", "other")
			var skips []string
			for _, n := range names {
				skips = append(skips, n+": why")
			}
			r.Tell(state(skips...))
			<-time.After(45 * time.Minute)
			if got := b.told(); len(got) != 2*chosen {
				t.Errorf("%d Events, want %d twice", len(got), chosen)
			}
		})
	})
	t.Run("a speaker that dies leaves no storm", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r, b, a := running(t, usual)
			a.meet("self", "other")
			r.Tell(State{})
			<-time.After(2 * time.Second)
			r.Tell(state(lines(false)...))
			<-time.After(time.Minute)
			a.meet("self")
			<-time.After(time.Minute)
			if got := b.told(); len(got) != chosen {
				t.Fatalf("%d Events, want %d", len(got), chosen)
			}
			r.Tell(State{})
			<-time.After(time.Minute)
			if got := b.told(); len(got) != chosen+40 {
				t.Errorf("%d Events after all were withdrawn, want %d", len(got), chosen+40)
			}
		})
	})
}
