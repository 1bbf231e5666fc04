package reload

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a hand wrote and FRR does not take back stays, and holds up nothing.
func TestStuck(t *testing.T) {
	router := func(m *model) *Statement {
		return m.running[slices.IndexFunc(m.running, isRouter)]
	}
	tests := []struct {
		name  string
		write func(m *model)
		// stays is what is there of the hand after each Apply.
		stays []string
	}{
		{"of the router", func(m *model) { router(m).Children = append(router(m).Children, &Statement{Text: "bgp nonsense 5"}) }, []string{"bgp nonsense 5"}},
		{"of a neighbor", func(m *model) {
			router(m).Children = append(Tree{{Text: "neighbor 192.0.2.9 remote-as 65009"}, {Text: "neighbor 10.0.1.1 nonsense 5"}}, router(m).Children...)
		}, []string{"neighbor 10.0.1.1 nonsense 5"}},
		{"a neighbor as a whole", func(m *model) {
			router(m).Children = append(router(m).Children, &Statement{Text: "neighbor nonsense remote-as 65009"})
			family := router(m).Children[slices.IndexFunc(router(m).Children, isFamily)]
			family.Children = append(family.Children, &Statement{Text: "neighbor nonsense activate"})
		}, []string{"neighbor nonsense remote-as 65009", "neighbor nonsense activate"}},
		{"of a group", func(m *model) {
			at := slices.IndexFunc(m.running, func(s *Statement) bool { return policyName(s) == "FL-GROUP-2" })
			m.running[at].Children = append(m.running[at].Children, &Statement{Text: "set nonsense"})
		}, []string{"set nonsense"}},
		{"a list", func(m *model) {
			m.running = append(m.running, &Statement{Text: "ip prefix-list FL-NONSENSE seq 5 permit nonsense"})
		}, []string{"permit nonsense"}},
	}
	for _, tt := range tests {
		for _, spare := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, spare %t", tt.name, spare), func(t *testing.T) {
				m := &model{}
				r := New(m, File{})
				r.Spare(spare)
				// It is there before the first Apply too: then what ran is no reason to hold on to it.
				for _, early := range []bool{true, false} {
					m.running, m.scripts = Parse([]byte(fussy())), nil
					tt.write(m)
					if early {
						r = New(m, File{})
						r.Spare(spare)
					} else {
						r.Retry()
						r.Forget()
					}
					for i := range 3 {
						m.scripts = nil
						route := fmt.Sprintf("  network 10.16.7.%d/32 route-map FL-GROUP-1\n", i)
						_, err := r.Apply(t.Context(), []byte(fussy("  network 10.16.0.1/32 route-map FL-GROUP-1\n", route)))
						var refused *RefusedError
						if !errors.As(err, &refused) || !refused.Rest || len(refused.Refusals) != 1 || !strings.Contains(err.Error(), "by hand") {
							t.Fatalf("error %v", err)
						}
						runs := strings.Join(lines(m.running), "\n")
						for _, s := range tt.stays {
							if !strings.Contains(runs, s) {
								t.Errorf("%q is not there:\n%s", s, runs)
							}
						}
						if !strings.Contains(runs, strings.TrimSpace(route)) || strings.Contains(runs, "10.16.0.1/32") || strings.Contains(runs, "192.0.2.9") {
							t.Errorf("what is wanted is not there:\n%s", runs)
						}
						all := strings.Join(m.scripts, "---\n")
						if strings.Count(all, "nonsense") > 1 || i > 0 && strings.Contains(all, "nonsense") || strings.Count(all, " network ") != 2 {
							t.Errorf("FRR was given\n%s", all)
						}
					}
				}
				// A refusal of something for all has only that taken back.
				m.scripts = nil
				if _, err := r.Apply(t.Context(), []byte(fussy("router bgp 65000\n", "router bgp 65000\n bgp hopeless nonsense\n"))); err == nil ||
					strings.Contains(err.Error(), "go back") || len(m.scripts) != 2 {
					t.Errorf("%v after\n%s", err, strings.Join(m.scripts, "---\n"))
				}
				// It is taken up where it is wanted, and forgotten where the hand took it out.
				m.running = Parse([]byte(fussy()))
				r.Forget()
				r.Retry()
				if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// A statement that FRR does not take back, and that comes to be wanted, is given again once a hand took it out.
func TestStuckWanted(t *testing.T) {
	m := &model{running: Parse([]byte(fussy("timers 3 9", "description x")))}
	r := New(m, File{})
	r.stuck = []Refusal{{stuck: &stuck{path: []string{"router bgp 65000"}, text: "neighbor 10.0.1.1 timers 3 9"}}}
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil || !strings.Contains(strings.Join(lines(m.running), "\n"), "timers 3 9") {
		t.Errorf("%v\n%s", err, m.scripts)
	}
}

// What Fairlead itself wrote and FRR does not take back is no hand's: the last good configuration stays.
func TestStuckOurs(t *testing.T) {
	before := fussy("router bgp 65000\n", "router bgp 65000\n bgp nonsense 5\n")
	m := &model{running: Parse([]byte(before))}
	r := New(m, File{})
	r.Spare(true)
	if _, err := r.Apply(t.Context(), []byte(before)); err != nil {
		t.Fatal(err)
	}
	_, err := r.Apply(t.Context(), []byte(fussy("timers 3 9", "timers 4 12")))
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Rest || !strings.Contains(strings.Join(lines(m.running), "\n"), "timers 3 9") {
		t.Errorf("%v\n%v", err, lines(m.running))
	}
}

// What was refused is tried again before anything uses it, where it can be.
func TestRetryUnused(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	r.Spare(true)
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	wanted := func(line string) string {
		return fussy("route-map FL-GROUP-2 ", "route-map FL-GROUP-3 permit 10\n set metric 3\n"+line+"exit\nroute-map FL-GROUP-2 ",
			"10.16.0.1/32 route-map FL-GROUP-1", "10.16.0.1/32 route-map FL-GROUP-3")
	}
	for again := range 3 {
		m.scripts = nil
		_, err := r.Apply(t.Context(), []byte(wanted(" set large-community nonsense\n")))
		var refused *RefusedError
		if !errors.As(err, &refused) || !refused.Rest {
			t.Fatalf("error %v", err)
		}
		if all := strings.Join(m.scripts, "---\n"); again > 0 && (strings.Contains(all, "network") || !strings.Contains(all, "nonsense")) {
			t.Errorf("FRR was given\n%s", all)
		}
		if diff := cmp.Diff(lines(Parse([]byte(fussy())).Owned()), lines(m.running.Owned())); diff != "" {
			t.Errorf("running (-want +got):\n%s", diff)
		}
		r.Retry()
	}
	// What is taken now comes, and what nothing may do without is refused as a whole as ever.
	if _, err := r.Apply(t.Context(), []byte(wanted(""))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(wanted(""))).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("running (-want +got):\n%s", diff)
	}
	hopeless := fussy("route-map FL-GROUP-1 ", "route-map FL-ALL permit 10\n set nonsense\nexit\nroute-map FL-GROUP-1 ",
		"address-family ipv4 unicast\n", "address-family ipv4 unicast\n  table-map FL-ALL\n")
	for range 2 {
		if _, err := r.Apply(t.Context(), []byte(hopeless)); !errors.Is(err, ErrChanging) {
			t.Errorf("error %v", err)
		}
		if diff := cmp.Diff(lines(Parse([]byte(wanted(""))).Owned()), lines(m.running.Owned())); diff != "" {
			t.Errorf("running (-last good +got):\n%s", diff)
		}
		r.Retry()
	}
}

// Settings that were refused, and hold later, are no longer told as refused.
func TestHopelessHolds(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	r.Spare(true)
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	wanted := []byte(fussy("timers 3 9", "timers 4 12"))
	r.hopeless, r.hopelessly = wanted, ErrChanging
	for _, spare := range []bool{false, true} {
		r.Spare(spare)
		if _, err := r.Apply(t.Context(), wanted); err != nil {
			t.Errorf("spare %t: %v", spare, err)
		}
	}
}

// What is left to a hand stays where FRR refuses something else, also what is written meanwhile, and no good route flaps.
func TestRefusedBesideLeft(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	r.Spare(true)
	r.LeaveDrift(true)
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	hand := func(line string) {
		if err := m.Apply(t.Context(), []byte("router bgp 65000\n"+line+"\nexit\n")); err != nil {
			t.Fatal(err)
		}
		m.scripts = nil
	}
	hand(" neighbor 10.0.1.1 timers 7 21")
	if _, _, err := r.Audit(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, group := range []string{"nonsense", "nonsense 2"} {
		_, err := r.Apply(t.Context(), []byte(fussy("10.16.0.1/32 route-map FL-GROUP-1\n", "10.16.0.1/32 "+group+"\n  network 10.16.0.3/32 route-map FL-GROUP-2\n")))
		all, runs := strings.Join(m.scripts, "---\n"), strings.Join(lines(m.running), "\n")
		if err == nil || strings.Contains(all, "no network") || strings.Contains(all, "timers") || !strings.Contains(runs, "10.0.1.1 timers 7 21") ||
			!strings.Contains(runs, "10.16.0.3/32") || i > 0 && !strings.Contains(runs, "10.0.1.2 timers 7 21") {
			t.Errorf("%v after\n%s\nFRR holds\n%s", err, all, runs)
		}
		hand(" neighbor 10.0.1.2 timers 7 21")
	}
}

// The end takes all of ours, whatever was refused before.
func TestClearRefused(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	r.Spare(true)
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Apply(t.Context(), []byte(fussy("10.16.0.1/32 route-map FL-GROUP-1", "10.16.0.1/32 nonsense"))); err == nil {
		t.Fatal("no error")
	}
	if _, err := r.Withdraw(t.Context()); err != nil || strings.Contains(strings.Join(lines(m.running), "\n"), " network ") {
		t.Errorf("%v: after Withdraw FRR holds %v", err, lines(m.running))
	}
	r.refused = []Refusal{{Objects: []Object{{Router: "router bgp 65000", Network: "10.16.0.9/32"}}}}
	if _, err := r.Clear(t.Context()); err != nil || len(m.running.Owned()) > 0 {
		t.Errorf("%v: after Clear FRR holds %v", err, lines(m.running))
	}
	if !r.spare {
		t.Error("nothing is spared any more")
	}
}
