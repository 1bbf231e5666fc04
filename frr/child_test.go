package frr

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
)

func TestBackoff(t *testing.T) {
	var got []time.Duration
	var pause time.Duration
	for _, lived := range []time.Duration{0, 0, 0, 0, 0, 0, 0, 0, time.Minute, 59 * time.Second} {
		pause = backoff(pause, lived)
		got = append(got, pause)
	}
	const ms = time.Millisecond
	want := []time.Duration{250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 8000 * ms, 10000 * ms, 10000 * ms, 250 * ms, 500 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pauses (-want +got)\n%s", diff)
	}
}

func TestLineLogger(t *testing.T) {
	log, hook := logrus.New(), new(test.Hook)
	log.SetOutput(io.Discard)
	log.AddHook(hook)
	l := &lineLogger{log: log}
	for _, part := range []string{"one\ntw", "o\n\n neighbor x password hunter2\n", strings.Repeat("x", maxLine+1), "\nend"} {
		if n, err := l.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("write %q: %d, %v", part, n, err)
		}
	}
	l.flush()
	var got []string
	for _, e := range hook.AllEntries() {
		got = append(got, e.Message)
	}
	want := []string{"one", "two", "neighbor x password ***", strings.Repeat("x", maxLine+1), "end"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
}

// TestStubbornChild has a program in a daemon's place that never answers and ignores SIGTERM.
func TestStubbornChild(t *testing.T) {
	log := logrus.New()
	log.SetOutput(io.Discard)
	started := filepath.Join(t.TempDir(), "started")
	events := make(chan event)
	c := startChild(plan{name: "stubborn"}, childSpec{
		plan: plan{name: "stubborn"}, dir: t.TempDir(), log: log,
		command: func(context.Context) ([]string, error) {
			return []string{"sh", "-c", "trap '' TERM; : > " + started + "; while :; do sleep 0.1; done"}, nil
		},
	}, events)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(started); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			t.Fatal("the program did not start")
		case e := <-events:
			t.Fatalf("got event %+v", e)
		case <-tick.C:
		}
	}
	began := time.Now()
	c.stop(events, func(event) {})
	if took := time.Since(began); took < stopTimeout || took > 2*stopTimeout {
		t.Errorf("it took %s to stop, want a little over %s", took, stopTimeout)
	}
}

func TestFRRUser(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		passwd   string
		uid, gid int
		bad      bool
	}{
		"there":     {"root:x:0:0::/:/bin/sh\nfrr:x:102:106:Frr routing suite,,,:/nonexistent:/usr/sbin/nologin\n", 102, 106, false},
		"not there": {"root:x:0:0::/:/bin/sh\nfrrvty:x:1:2::/:\nfrr\n", -1, -1, false},
		"broken":    {"frr:x:many:106::/:\n", -1, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "passwd")
			if err := os.WriteFile(path, []byte(c.passwd), 0o644); err != nil {
				t.Fatal(err)
			}
			uid, gid, err := frrUser(path)
			if uid != c.uid || gid != c.gid || (err != nil) != c.bad {
				t.Errorf("got %d:%d, %v", uid, gid, err)
			}
		})
	}
	if uid, _, err := frrUser(filepath.Join(dir, "none")); uid != -1 || errors.Is(err, os.ErrNotExist) {
		t.Errorf("no passwd file gives %d, %v", uid, err)
	}
}

// TestGiveAgain has a daemon given its part of frr.conf until it has it, or there is no use.
func TestGiveAgain(t *testing.T) {
	refused := &ApplyError{Refusals: []Refusal{{Line: 1, Statement: "vni 5", Message: "no"}}}
	for name, tt := range map[string]struct {
		first error
		// then is what each further time gives.
		then []error
		ends bool
		want string
	}{
		"at once":         {nil, nil, false, ""},
		"after two more":  {errHangs, []error{errHangs, nil}, false, "again again"},
		"a line refused":  {errHangs, []error{refused}, false, "again without"},
		"refused at once": {refused, nil, false, "without"},
		"a daemon's end":  {errHangs, nil, true, "again"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, hook := test.NewNullLogger()
				ended, times := make(chan struct{}), 0
				if tt.ends {
					close(ended)
				}
				s := childSpec{log: log, give: func(context.Context) error { times++; return tt.then[times-1] }}
				s.giveAgain(t.Context(), ended, tt.first)
				var said []string
				for _, e := range hook.AllEntries() {
					for _, word := range []string{"again", "without"} {
						if strings.Contains(e.Message, word) {
							said = append(said, word)
						}
					}
				}
				if got := strings.Join(said, " "); got != tt.want || times != len(tt.then) {
					t.Errorf("%d times, said %q, want %d times and %q", times, got, len(tt.then), tt.want)
				}
			})
		})
	}
}
