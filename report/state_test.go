package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// pod is the Pod of that name in namespace default.
func pod(name string) route.Object {
	return route.Object{Kind: "Pod", Namespace: "default", Name: name}
}

// state reads a State out of lines "10.0.0.1/32 a b" (announced for Pods a and b), "a: why" (skipped) and "own a". They must
// be given in order.
func state(lines ...string) State {
	var s State
	for _, line := range lines {
		if name, why, ok := strings.Cut(line, ": "); ok {
			s.Skipped = append(s.Skipped, reduce.Skipped{Object: pod(name), Reason: why})
			continue
		}
		words := strings.Fields(line)
		if words[0] == "own" {
			s.Own = append(s.Own, pod(words[1]))
			continue
		}
		r := route.Route{Prefix: netip.MustParsePrefix(words[0])}
		for _, name := range words[1:] {
			r.From = append(r.From, pod(name))
		}
		s.Routes = append(s.Routes, r)
	}
	return s
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name     string
		old, now []string
		want     []string // "OBJECT: ANNOUNCED | SKIPPED -> ANNOUNCED | SKIPPED"
	}{
		{"nothing", nil, nil, nil},
		{"the same",
			[]string{"10.0.0.1/32 a", "10.0.0.2/32 b", "c: no"},
			[]string{"10.0.0.1/32 a", "10.0.0.2/32 b", "c: no"}, nil},
		{"one between others",
			[]string{"10.0.0.1/32 a", "10.0.0.3/32 c"},
			[]string{"10.0.0.1/32 a", "10.0.0.2/32 b", "10.0.0.3/32 c"},
			[]string{"b:  |  -> 10.0.0.2/32 | "}},
		{"the last goes",
			[]string{"10.0.0.1/32 a", "10.0.0.3/32 c"}, []string{"10.0.0.1/32 a"},
			[]string{"c: 10.0.0.3/32 |  ->  | "}},
		{"the second family comes: all that is announced is told",
			[]string{"10.0.0.1/32 a"}, []string{"10.0.0.1/32 a", "fd00::1/128 a"},
			[]string{"a: 10.0.0.1/32 |  -> 10.0.0.1/32, fd00::1/128 | "}},
		{"another pod asks for the same prefix",
			[]string{"10.0.0.1/32 a"}, []string{"10.0.0.1/32 a b"},
			[]string{"b:  |  -> 10.0.0.1/32 | "}},
		{"the address passes to another pod",
			[]string{"10.0.0.1/32 a"}, []string{"10.0.0.1/32 b"},
			[]string{"a: 10.0.0.1/32 |  ->  | ", "b:  |  -> 10.0.0.1/32 | "}},
		{"no more skipped, but announced",
			[]string{"a: no address"}, []string{"10.0.0.1/32 a"},
			[]string{"a:  | no address -> 10.0.0.1/32 | "}},
		{"another reason, and one more",
			[]string{"a: one", "b: stays"}, []string{"a: three", "a: two", "b: stays"},
			[]string{"a:  | one ->  | three; two"}},
		{"who tells is no change",
			[]string{"10.0.0.1/32 a"}, []string{"10.0.0.1/32 a", "own a"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			old, now := state(tt.old...), state(tt.now...)
			var got []string
			all, more := changes(&old, &now, everything, 100)
			if more != 0 {
				t.Errorf("%d left out, want none", more)
			}
			for _, c := range all {
				got = append(got, fmt.Sprintf("%s: %s | %s -> %s | %s",
					c.object.Name, c.old.announced, c.old.skipped, c.now.announced, c.now.skipped))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

func everything(route.Object) bool { return true }

func TestChangesLeavesOut(t *testing.T) {
	old, now := state("b: why"), state("10.0.0.1/32 a", "10.0.0.2/32 b", "10.0.0.3/32 c", "10.0.0.4/32 d")
	notA := func(o route.Object) bool { return o.Name != "a" }
	all, more := changes(&old, &now, notA, 2)
	var got []string
	for _, c := range all {
		got = append(got, c.object.Name)
	}
	if diff := cmp.Diff([]string{"b", "c"}, got); diff != "" || more != 1 {
		t.Errorf("%d left out, want 1; changes (-want +got):\n%s", more, diff)
	}
}

func TestEventNameAndMessage(t *testing.T) {
	long := strings.Repeat("a-", 126) + "a"
	first := eventName(route.Object{Kind: "Pod", Namespace: "default", Name: long}, "uid", notice{reason: announced})
	if len(first) > nameLimit || strings.Contains(first, "-.") {
		t.Errorf("name %s of %d bytes is none that the API server takes", first, len(first))
	}
	names := map[string]bool{}
	for _, n := range []notice{{reason: announced, message: "x"}, {reason: withdrawn, message: "x"}, {reason: announced, message: "y"}} {
		for _, uid := range []string{"one", "two"} {
			names[eventName(pod("a"), uid, n)] = true
		}
	}
	if len(names) != 6 {
		t.Errorf("six different Events have %d names: %v", len(names), names)
	}
	for in, want := range map[string]string{
		"short":                             "short",
		strings.Repeat("x", messageLimit):   strings.Repeat("x", messageLimit),
		strings.Repeat("x", messageLimit+1): strings.Repeat("x", messageLimit-3) + "...",
		strings.Repeat("é", messageLimit):   strings.Repeat("é", (messageLimit-3)/2) + "...",
		"not \xff UTF-8":                    "not \uFFFD UTF-8",
	} {
		if got := shorten(in, messageLimit); got != want {
			t.Errorf("shorten(%.20q...) = %.20q... of %d bytes, want %d", in, got, len(got), len(want))
		}
	}
}

func BenchmarkChanges(b *testing.B) {
	for _, size := range []int{100, 10_000, 100_000} {
		lists := func() []route.Route {
			routes := make([]route.Route, size)
			for i := range routes {
				a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
				routes[i] = route.Route{Prefix: netip.PrefixFrom(a, 32), From: []route.Object{pod(fmt.Sprintf("pod-%d", i))}}
			}
			return routes
		}
		// Each pass builds its routes anew; the strings stay the Snapshot's.
		old := State{Routes: lists()}
		same := State{Routes: slices.Clone(old.Routes)}
		for i := range same.Routes {
			same.Routes[i].From = slices.Clone(same.Routes[i].From)
		}
		one := State{Routes: slices.Delete(slices.Clone(same.Routes), size/2, size/2+1)}
		for name, now := range map[string]*State{"none": &same, "one": &one, "all": {}} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					changes(&old, now, everything, usual.waiting)
				}
			})
		}
	}
}
