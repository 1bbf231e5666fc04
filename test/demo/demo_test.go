package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/test/lab"
)

// canceler ends a context as soon as a text is written to it.
type canceler struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (c *canceler) Write(p []byte) (int, error) {
	if strings.Contains(string(p), c.at) {
		c.cancel()
	}
	return c.Buffer.Write(p)
}

// TestInterrupted ends the demo while daemons start, and while it measures. The whole run is `make demo`, which CI runs too.
func TestInterrupted(t *testing.T) {
	lab.Require(t)
	for _, at := range []string{"== 1.", "== 3."} {
		t.Run(at, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &canceler{at: at, cancel: cancel}
			if err := run(ctx, &printer{w: out}, false); !errors.Is(err, errInterrupted) {
				t.Errorf("run says %v, want %v; it printed:\n%s", err, errInterrupted, out)
			}
			for _, dir := range []string{"/run/netns", "/run/frr", "/etc/frr", "/tmp"} {
				left, err := filepath.Glob(filepath.Join(dir, fmt.Sprintf("fl-%d-*", os.Getpid())))
				if err != nil || len(left) > 0 {
					t.Errorf("left in %s: %v, %v", dir, left, err)
				}
			}
		})
	}
}

func TestDuring(t *testing.T) {
	cause := errors.New("cause")
	for _, tt := range []struct {
		name string
		f    func(l *lifetime) error
		want string
	}{
		{"nil", func(*lifetime) error { return nil }, "<nil>"},
		{"error", func(*lifetime) error { return cause }, "cause"},
		{"Fatalf", func(l *lifetime) error { l.Fatalf("it ended: %w", cause); return nil }, "it ended: cause"},
		{"Skipf", func(l *lifetime) error { l.Skipf("no %s", "root"); return nil }, "no root"},
		{"attempt that is done", func(*lifetime) error { return fmt.Errorf("done %t", attempt(func() {})) }, "done true"},
		{"attempt skipped", func(l *lifetime) error {
			return fmt.Errorf("done %t", attempt(func() { l.Skipf("no bridge") }))
		}, "done false"},
		{"attempt failed", func(l *lifetime) error {
			return fmt.Errorf("done %t", attempt(func() { l.Fatalf("broken") }))
		}, "broken"},
		{"panic", func(*lifetime) error { panic("a mistake") }, "panic: a mistake"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var ended []int
			got := func() (text string) {
				defer func() {
					if r := recover(); r != nil {
						text = fmt.Sprint("panic: ", r)
					}
				}()
				return fmt.Sprint(during(&printer{w: &bytes.Buffer{}}, func(l *lifetime) error {
					for i := range 3 {
						l.Cleanup(func() { ended = append(ended, i) })
					}
					return tt.f(l)
				}))
			}()
			if got != tt.want {
				t.Errorf("during says %q, want %q", got, tt.want)
			}
			if diff := cmp.Diff([]int{2, 1, 0}, ended); diff != "" {
				t.Errorf("cleanups (-want +got)\n%s", diff)
			}
		})
	}
}

// TestTable shows that a table which is not the wanted one is told.
func TestTable(t *testing.T) {
	const both = `{"prefix":"10.16.0.0/16","version":1,"paths":[
		{"multipath":true,"peer":{"peerId":"10.0.1.12"},"lastUpdate":{"epoch":7}},
		{"multipath":true,"bestpath":{"overall":true},"peer":{"peerId":"10.0.1.11"},"lastUpdate":{"epoch":7}}]}`
	for _, tt := range []struct {
		name, now  string
		want, aged string
	}{
		{"as wanted", both, "", ""},
		{"nothing", `{}`, "found:\n  nothing", "the prefixes of tor"},
		{"no multipath", strings.Replace(both, `"multipath":true,"peer"`, `"peer"`, 1), "10.0.1.11 and 10.0.1.12 (unused)", ""},
		{"another neighbor", strings.Replace(both, "10.0.1.12", "10.0.1.13", 1), "10.0.1.11 and 10.0.1.13", "10.0.1.13"},
		{"one more prefix", both + strings.ReplaceAll(both, "10.16.0.0/16", "10.16.0.9/32"), "10.16.0.9/32", "the prefixes of tor"},
		{"the other of two seconds", strings.Replace(both, `"epoch":7`, `"epoch":8`, 1), "", ""},
		{"a path announced again", strings.Replace(both, `"epoch":7`, `"epoch":9`, 1), "", "the age of the route to 10.16.0.0/16"},
		{"gone and back", strings.Replace(both, `"version":1`, `"version":3`, 1), "", "version 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before, now := parseTable(t, both), parseTable(t, tt.now)
			want := wanted{netip.MustParsePrefix("10.16.0.0/16"): "10.0.1.11 and 10.0.1.12"}
			expect(t, "differs", now.differs(want), tt.want)
			expect(t, "sameAge", sameAge(before, now), tt.aged)
		})
	}
}

func parseTable(t *testing.T, text string) table {
	t.Helper()
	entries, err := decode[entry](text)
	if err != nil {
		t.Fatal(err)
	}
	return newTable(entries)
}

// expect checks that an error holds a text; "" stands for no error.
func expect(t *testing.T, what string, err error, text string) {
	t.Helper()
	if (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("%s says %v, want %q", what, err, text)
	}
}
