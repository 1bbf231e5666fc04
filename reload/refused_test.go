package reload

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
)

// fussy gives configurations of two neighbors and two routes, in groups and policies of their own.
func fussy(edits ...string) string {
	return strings.NewReplacer(edits...).Replace(`frr defaults traditional
ip prefix-list FL-PL-1 seq 5 permit 10.0.0.0/8
route-map FL-GROUP-1 permit 10
 set metric 1
exit
route-map FL-GROUP-2 permit 10
 set metric 2
exit
route-map FL-IN-1 permit 10
 match ip address prefix-list FL-PL-1
exit
route-map FL-IN-2 permit 10
exit
router bgp 65000
 neighbor 10.0.1.1 remote-as 65001
 neighbor 10.0.1.1 timers 3 9
 neighbor 10.0.1.2 remote-as 65002
 address-family ipv4 unicast
  network 10.16.0.1/32 route-map FL-GROUP-1
  network 10.16.0.2/32 route-map FL-GROUP-2
  neighbor 10.0.1.1 activate
  neighbor 10.0.1.1 route-map FL-IN-1 in
  neighbor 10.0.1.2 activate
  neighbor 10.0.1.2 route-map FL-IN-2 in
 exit-address-family
exit
`)
}

// What FRR refuses for one route or one neighbor stays as it was, and all else that is wanted comes.
func TestSpare(t *testing.T) {
	// more is a good change that comes with each bad one.
	more := []string{"10.16.0.2/32 route-map FL-GROUP-2\n", "10.16.0.2/32 route-map FL-GROUP-2\n  network 10.16.0.3/32 route-map FL-GROUP-2\n"}
	neighbor1, neighbor2 := Object{Router: "router bgp 65000", Neighbor: "10.0.1.1"}, Object{Router: "router bgp 65000", Neighbor: "10.0.1.2"}
	tests := []struct {
		name string
		bad  []string
		// want is what of the bad edit is there all the same.
		want    []string
		objects []Object
	}{
		{"a new route", []string{"  network 10.16.0.1/32 ", "  network 10.16.0.9/32 nonsense\n  network 10.16.0.1/32 "}, nil,
			[]Object{{Router: "router bgp 65000", Network: "10.16.0.9/32"}}},
		{"a route changes", []string{"10.16.0.1/32 route-map FL-GROUP-1", "10.16.0.1/32 nonsense"}, nil,
			[]Object{{Router: "router bgp 65000", Network: "10.16.0.1/32"}}},
		{"a group", []string{
			"route-map FL-GROUP-2 ", "route-map FL-GROUP-3 permit 10\n set nonsense\nexit\nroute-map FL-GROUP-2 ",
			"10.16.0.1/32 route-map FL-GROUP-1", "10.16.0.1/32 route-map FL-GROUP-3"}, nil,
			[]Object{{Router: "router bgp 65000", Network: "10.16.0.1/32"}}},
		{"a neighbor changes", []string{"neighbor 10.0.1.1 timers 3 9", "neighbor 10.0.1.1 timers 4 12\n neighbor 10.0.1.1 nonsense"}, nil,
			[]Object{neighbor1}},
		{"a new neighbor", []string{" neighbor 10.0.1.2 remote-as 65002\n", " neighbor 10.0.1.2 remote-as 65002\n neighbor 10.0.1.3 remote-as nonsense\n",
			"  neighbor 10.0.1.2 activate\n", "  neighbor 10.0.1.2 activate\n  neighbor 10.0.1.3 activate\n"}, nil,
			[]Object{{Router: "router bgp 65000", Neighbor: "10.0.1.3"}}},
		{"two neighbors", []string{"neighbor 10.0.1.1 timers 3 9", "neighbor 10.0.1.1 nonsense", " neighbor 10.0.1.2 remote-as 65002\n",
			" neighbor 10.0.1.2 remote-as 65002\n neighbor 10.0.1.2 passive nonsense\n"}, nil, []Object{neighbor1, neighbor2}},
		{"a list of a policy", []string{"ip prefix-list FL-PL-1 seq 5 permit 10.0.0.0/8", "ip prefix-list FL-PL-2 seq 5 permit nonsense", "prefix-list FL-PL-1", "prefix-list FL-PL-2",
			"FL-IN-1", "FL-IN-9"}, nil, []Object{neighbor1}},
		{"an address family", []string{"  neighbor 10.0.1.1 activate\n", "  neighbor 10.0.1.1 activate nonsense\n", "timers 3 9", "timers 4 12"}, nil, []Object{neighbor1}},
		{"a profile of BFD", []string{"route-map FL-GROUP-1 permit", "bfd\n profile FL-BFD-1\n  nonsense\n exit\nexit\nroute-map FL-GROUP-1 permit",
			"neighbor 10.0.1.1 timers 3 9", "neighbor 10.0.1.1 timers 3 9\n neighbor 10.0.1.1 bfd profile FL-BFD-1"}, nil, []Object{neighbor1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "frr.conf")
			m := &model{}
			r := New(m, File{Path: path, Write: func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }})
			r.Spare(true)
			if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
				t.Fatal(err)
			}
			wanted := []byte(fussy(append(tt.bad, more...)...))
			want := lines(Parse([]byte(fussy(append(tt.want, more...)...))).Owned())
			for again := range 3 {
				m.scripts = nil
				_, err := r.Apply(t.Context(), wanted)
				var refused *RefusedError
				var words *frr.ApplyError
				if !errors.As(err, &refused) || !refused.Rest || !errors.As(err, &words) || !strings.Contains(err.Error(), "nonsense: % Unknown command") {
					t.Fatalf("error %v, want FRR's words", err)
				}
				var objects []Object
				for _, f := range refused.Refusals {
					for _, o := range f.Objects {
						if !slices.Contains(objects, o) {
							objects = append(objects, o)
						}
					}
				}
				if diff := cmp.Diff(tt.objects, objects); diff != "" {
					t.Errorf("refused for (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(want, lines(m.running.Owned())); diff != "" {
					t.Errorf("running (-want +got):\n%s", diff)
				}
				if again > 0 && len(m.scripts) > 0 {
					t.Errorf("FRR is given again what it refused:\n%s", m.scripts)
				}
				kept, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, lines(Parse(kept).Owned())); diff != "" {
					t.Errorf("frr.conf (-want +got):\n%s", diff)
				}
				r.Forget()
			}
			// What is good is not held up, and what was refused is tried again when that is due.
			others := []byte(strings.ReplaceAll(string(wanted), "10.16.0.3/32", "10.16.0.4/32"))
			if _, err := r.Apply(t.Context(), others); err == nil || strings.Contains(strings.Join(m.scripts, ""), "nonsense") ||
				!strings.Contains(strings.Join(lines(m.running), "\n"), "10.16.0.4/32") {
				t.Errorf("after another change: %v\n%s", err, m.scripts)
			}
			r.Retry()
			m.scripts = nil
			if _, err := r.Apply(t.Context(), others); err == nil || !strings.Contains(strings.Join(m.scripts, ""), "nonsense") {
				t.Errorf("tried again: %v\n%s", err, m.scripts)
			}
			// Mended, it comes at once, and nothing of the detour stays.
			mended := fussy(more...)
			if _, err := r.Apply(t.Context(), []byte(mended)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(lines(Parse([]byte(mended)).Owned()), lines(m.running.Owned())); diff != "" {
				t.Errorf("mended (-want +got):\n%s", diff)
			}
		})
	}
}

// A good route does not flap because FRR refuses another.
func TestSpareTakesNothingBack(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	r.Spare(true)
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	m.scripts = nil
	_, err := r.Apply(t.Context(), []byte(fussy("10.16.0.1/32 route-map FL-GROUP-1\n", "10.16.0.1/32 nonsense\n  network 10.16.0.3/32 route-map FL-GROUP-2\n")))
	if err == nil || strings.Contains(strings.Join(m.scripts, ""), "no network") {
		t.Errorf("%v after\n%s", err, strings.Join(m.scripts, "---\n"))
	}
}

// What is refused for all, and not for a route or a neighbor, has the last good configuration come back, and is not tried again
// before that is due, or something else is wanted.
func TestSpareInVain(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	r.Spare(true)
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	bad := fussy("router bgp 65000\n", "router bgp 65000\n bgp nonsense\n bgp router-id 10.0.0.9\n")
	for again := range 3 {
		m.scripts = nil
		_, err := r.Apply(t.Context(), []byte(bad))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Rest || !errors.Is(err, ErrChanging) {
			t.Fatalf("error %v", err)
		}
		if again > 0 && len(m.scripts) > 0 {
			t.Errorf("FRR is given again what it refused:\n%s", m.scripts)
		}
		if diff := cmp.Diff(lines(Parse([]byte(fussy())).Owned()), lines(m.running.Owned())); diff != "" {
			t.Errorf("running (-last good +got):\n%s", diff)
		}
		if again == 1 {
			// A hand in what is ours is put right all the same.
			if err := m.Apply(t.Context(), []byte("router bgp 65000\n bgp router-id 10.9.9.9\nexit\n")); err != nil {
				t.Fatal(err)
			}
			r.Forget()
			if _, err := r.Apply(t.Context(), []byte(bad)); err == nil {
				t.Error("no error")
			}
		}
	}
	r.Retry()
	if _, err := r.Apply(t.Context(), []byte(bad)); err == nil || !strings.Contains(strings.Join(m.scripts, ""), "nonsense") {
		t.Errorf("tried again: %v\n%s", err, m.scripts)
	}
	if _, err := r.Apply(t.Context(), []byte(fussy("timers 3 9", "timers 4 12"))); err != nil {
		t.Error(err)
	}
}

// A new configuration is refused as a whole.
func TestNotSpared(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	_, err := r.Apply(t.Context(), []byte(fussy("timers 3 9", "nonsense", "FL-GROUP-2", "FL-GROUP-4")))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Rest || fmt.Sprint(refused.Refusals[0].Objects) != "[{router bgp 65000  10.0.1.1}]" {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(fussy())).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("running (-last good +got):\n%s", diff)
	}
}

// Each line of a change is for the networks and neighbors that its contexts are for. One that takes back a whole policy, or is for a
// router as a whole, is for none of them alone.
func TestObjects(t *testing.T) {
	used := Parse([]byte("bfd\n profile FL-BFD-1\n exit\nexit\n" + fussy("10.0.1.1 timers 3 9", "10.0.1.1 bfd profile FL-BFD-1"))).usage()
	const router, network, neighbor = "router bgp 65000", "[{router bgp 65000 10.16.0.1/32 }]", "[{router bgp 65000  10.0.1.1}]"
	for _, tt := range []struct {
		lines []string
		// want is what the last of lines is for.
		want string
	}{
		{[]string{router, " neighbor 10.0.1.1 passive"}, neighbor},
		{[]string{router, " address-family ipv4 unicast", "  network 10.16.0.1/32"}, network},
		{[]string{router, " address-family ipv4 unicast", "  no network 10.16.0.1/32"}, network},
		{[]string{router, " address-family ipv4 unicast", "  no network 10.16.0.2/32", " exit-address-family", " no neighbor 10.0.1.1"}, neighbor},
		{[]string{router, " bgp router-id 10.0.0.1"}, "[]"},
		{[]string{router}, "[]"},
		{[]string{"no " + router}, "[]"},
		{[]string{"route-map FL-GROUP-1 permit 10"}, network},
		{[]string{"route-map FL-GROUP-1 permit 10", " no set metric 1"}, network},
		{[]string{"no route-map FL-GROUP-1 permit 10"}, "[]"},
		{[]string{"ip prefix-list FL-PL-1 seq 5 permit 10.0.0.0/8"}, neighbor},
		{[]string{"no ip prefix-list FL-PL-1 seq 5 permit 10.0.0.0/8"}, "[]"},
		{[]string{"bfd"}, "[]"},
		{[]string{"bfd", " profile FL-BFD-1"}, neighbor},
		{[]string{"bfd", " profile FL-BFD-1", "  no echo-mode"}, neighbor},
		{[]string{"bfd", " profile FL-BFD-1", " exit", "exit", "bfd", " no profile FL-BFD-1"}, "[]"},
		{[]string{"route-map FL-GROUP-1 permit 10", "exit", router, " neighbor 10.0.1.1 passive"}, neighbor},
	} {
		if objects, _ := (Change{lines: tt.lines}).objects(len(tt.lines)-1, used); fmt.Sprint(objects) != tt.want {
			t.Errorf("%q are for %v, want %s", tt.lines, objects, tt.want)
		}
	}
}

// What stays of the last good configuration stands where a file needs it: a policy before the routers that use it, and a neighbor
// before the address families that activate it.
func TestSparedInOrder(t *testing.T) {
	good := Parse([]byte(fussy()))
	wanted := Parse([]byte(fussy("10.0.1.1 timers 3 9", "10.0.1.1 nonsense", "FL-IN-1", "FL-IN-9")))
	held := string(wanted.with(good, []Refusal{{Objects: []Object{{Router: "router bgp 65000", Neighbor: "10.0.1.1"}}}}).text())
	at := -1
	for _, line := range []string{
		"route-map FL-IN-9 permit 10\n", "route-map FL-IN-1 permit 10\n", "router bgp 65000\n", " neighbor 10.0.1.2 remote-as 65002\n",
		" neighbor 10.0.1.1 remote-as 65001\n", " neighbor 10.0.1.1 timers 3 9\n", " address-family ipv4 unicast\n", "  neighbor 10.0.1.1 route-map FL-IN-1 in\n",
	} {
		next := strings.Index(held, line)
		if next <= at {
			t.Fatalf("%q is not behind what comes before it in\n%s", line, held)
		}
		at = next
	}
}
