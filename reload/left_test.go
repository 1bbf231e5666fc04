package reload

import (
	"slices"
	"strings"
	"testing"
)

// hand has FRR hold what somebody types.
func hand(t *testing.T, m *model, script string) {
	t.Helper()
	if err := m.Apply(t.Context(), []byte(script)); err != nil {
		t.Fatal(err)
	}
	m.scripts = nil
}

// holds reports whether FRR has a statement, wherever.
func (m *model) holds(text string) bool { return strings.Contains(write(m.running, ""), text) }

// reporting gives a Reloader that leaves what a hand does, and has applied fussy.
func reporting(t *testing.T, foreign Foreign) (*model, *Reloader) {
	t.Helper()
	m := &model{}
	r := New(m, File{})
	r.Spare(true)
	r.LeaveDrift(true)
	r.Declare(foreign)
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	return m, r
}

// TestForeignTypedSince has a router go, or get another AS, after somebody typed what is declared foreign into it.
func TestForeignTypedSince(t *testing.T) {
	for name, next := range map[string]string{
		"another AS": fussy("router bgp 65000", "router bgp 65005"),
		"it goes":    "frr defaults traditional\n",
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{}
			r := New(m, File{})
			r.Declare(Foreign{{"router bgp 65000", "neighbor 192.0.2.9"}})
			if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
				t.Fatal(err)
			}
			hand(t, m, "router bgp 65000\n neighbor 192.0.2.9 remote-as 65009\nexit\n")
			if _, err := r.Apply(t.Context(), []byte(next)); err == nil && name == "another AS" {
				t.Error("the router got another AS, which removes what is foreign in it")
			}
			if !m.holds("neighbor 192.0.2.9 remote-as 65009") {
				t.Errorf("the foreign neighbor is gone:\n%s", strings.Join(m.scripts, "---\n"))
			}
		})
	}
}

// TestRestoreBesideForeign gives an FRR that holds only what is foreign the configuration that was kept.
func TestRestoreBesideForeign(t *testing.T) {
	for _, runs := range []string{
		"router bgp 65010 view MINE\n neighbor 192.0.2.1 remote-as 65001\nexit\n",
		"router bgp 65000\n bgp router-id 192.0.2.5\n neighbor 192.0.2.9 remote-as 65009\nexit\n",
	} {
		m := &model{running: Parse([]byte(runs))}
		r := New(m, File{})
		r.Declare(Foreign{{"router bgp 65010 view MINE"}, {"router bgp 65000", "neighbor 192.0.2.9"}})
		if _, err := r.Restore(t.Context(), []byte(fussy())); err != nil {
			t.Fatal(err)
		}
		if !m.holds("network 10.16.0.1/32") || !m.holds("neighbor 192.0.2.") {
			t.Errorf("FRR holds\n%s", write(m.running, ""))
		}
	}
}

// TestExtendWithoutHands has a hand's network stay none of ours while not all is known.
func TestExtendWithoutHands(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
		t.Fatal(err)
	}
	hand(t, m, "router bgp 65000\n address-family ipv4 unicast\n  network 10.99.0.0/16\n exit-address-family\nexit\n")
	if found, _, err := r.Audit(t.Context()); len(found) != 1 || err != nil {
		t.Fatalf("the audit finds %v, %v", found, err)
	}
	if _, err := r.Extend(t.Context(), []byte(fussy("  network 10.16.0.1/32 route-map FL-GROUP-1\n", ""))); err != nil {
		t.Fatal(err)
	}
	if m.holds("10.99.0.0/16") || !m.holds("network 10.16.0.1/32 route-map FL-GROUP-1") {
		t.Errorf("FRR holds\n%s", write(m.running, ""))
	}
}

// TestUsedStays leaves the objects of ours that what is left, or foreign, uses, and takes them back where nothing does.
func TestUsedStays(t *testing.T) {
	const neighbor = "router bgp 65000\n neighbor 10.0.9.9 remote-as 65009\n address-family ipv4 unicast\n" +
		"  neighbor 10.0.9.9 activate\n  neighbor 10.0.9.9 route-map FL-IN-1 in\n exit-address-family\nexit\n"
	const network = "router bgp 65000\n address-family ipv4 unicast\n  network 10.16.0.1/32 route-map FL-GROUP-2\n exit-address-family\nexit\n"
	tests := map[string]struct {
		foreign    Foreign
		hand, next string
		stay       []string
	}{
		"a neighbor that is left":       {nil, neighbor, fussy("FL-IN-1", "FL-IN-3", "FL-PL-1", "FL-PL-3"), []string{"route-map FL-IN-1 ", "prefix-list FL-PL-1 seq"}},
		"a neighbor declared foreign":   {Foreign{{"router bgp 65000", "neighbor 10.0.9.9"}}, neighbor, fussy("FL-IN-1", "FL-IN-3", "FL-PL-1", "FL-PL-3"), []string{"route-map FL-IN-1 ", "prefix-list FL-PL-1 seq"}},
		"a network in another group":    {nil, network, fussy("FL-GROUP-2", "FL-GROUP-3"), []string{"route-map FL-GROUP-2 "}},
		"nothing that goes is used now": {nil, "hostname x\n", fussy("FL-GROUP-2", "FL-GROUP-3"), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m, r := reporting(t, test.foreign)
			hand(t, m, test.hand)
			if _, _, err := r.Audit(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := r.Apply(t.Context(), []byte(test.next)); err != nil {
					t.Fatal(err)
				}
				for _, object := range []string{"route-map FL-IN-1 ", "prefix-list FL-PL-1 seq", "route-map FL-GROUP-2 "} {
					wanted := strings.Contains(test.next, object) || slices.Contains(test.stay, object)
					if m.holds(object) != wanted {
						t.Errorf("FRR holds %q: %t\n%s", object, !wanted, strings.Join(m.scripts, "---\n"))
					}
				}
				found, _, err := r.Audit(t.Context())
				for _, d := range found {
					if err != nil || test.foreign != nil && d.Owner != Operator {
						t.Errorf("the audit finds %v, %v", d, err)
					}
				}
			}
			if test.foreign != nil {
				hand(t, m, "router bgp 65000\n no neighbor 10.0.9.9\nexit\n")
				r.LeaveDrift(false)
				_, _, _ = r.Audit(t.Context())
				if _, err := r.Apply(t.Context(), []byte(test.next)); err != nil || m.holds("FL-IN-1 ") || m.holds("FL-PL-1 ") {
					t.Errorf("what nothing uses any more is there, %v:\n%s", err, write(m.running, ""))
				}
			}
		})
	}
}

// TestLeftThroughDoubt leaves what a hand changed, before the last audit and since, where FRR must be read again and has lost
// nothing; and what a failed change did is no hand's.
func TestLeftThroughDoubt(t *testing.T) {
	const first, second = "neighbor 10.0.1.1 timers 7 21", "neighbor 10.0.1.2 timers 8 24"
	const more = "  network 10.16.0.3/32 route-map FL-GROUP-2\n"
	at := "  network 10.16.0.2/32 route-map FL-GROUP-2\n"
	tests := map[string]func(t *testing.T, m *model, r *Reloader){
		"bfdd is not there": func(_ *testing.T, _ *model, r *Reloader) { r.WithoutProfiles(true) },
		"other daemons":     func(_ *testing.T, _ *model, r *Reloader) { r.Reread() },
		"more is foreign": func(_ *testing.T, _ *model, r *Reloader) {
			r.Declare(Foreign{{"router bgp 65000", "neighbor 192.0.2.9"}})
		},
		"a refused route": func(t *testing.T, _ *model, r *Reloader) {
			if _, err := r.Apply(t.Context(), []byte(fussy(at, at+"  network 10.16.0.4/32 nonsense\n"+more))); err == nil {
				t.Error("nonsense was taken")
			}
		},
		"a vtysh that dies": func(t *testing.T, m *model, r *Reloader) {
			m.killedAt = 3
			next := []byte(fussy(at, at+more+"  network 10.16.0.7/32 route-map FL-GROUP-2\n"))
			if _, err := r.Apply(t.Context(), next); err == nil {
				t.Error("the vtysh did not die")
			}
			if _, err := r.Apply(t.Context(), next); err != nil || !m.holds("10.16.0.3/32") || !m.holds("10.16.0.7/32") {
				t.Errorf("%v: tried again, FRR holds\n%s", err, write(m.running, ""))
			}
		},
	}
	for name, do := range tests {
		t.Run(name, func(t *testing.T) {
			m, r := reporting(t, nil)
			hand(t, m, "router bgp 65000\n "+first+"\nexit\n")
			if _, _, err := r.Audit(t.Context()); err != nil {
				t.Fatal(err)
			}
			hand(t, m, "router bgp 65000\n "+second+"\nexit\n")
			do(t, m, r)
			for range 2 {
				if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil {
					t.Fatal(err)
				}
				if !m.holds(first) || !m.holds(second) || m.holds("10.16.0.3/32") || m.holds("10.16.0.7/32") {
					t.Errorf("FRR holds\n%s", write(m.running, ""))
				}
			}
			r.Forget()
			if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil || m.holds(first) || m.holds(second) {
				t.Errorf("FRR has started again, %v, and holds\n%s", err, write(m.running, ""))
			}
		})
	}
}

// TestNotLeftWhatWasLost has what an FRR lost that started without its file put right, also where a router is there.
func TestNotLeftWhatWasLost(t *testing.T) {
	for _, runs := range []string{
		"router bgp 65000\n neighbor 192.0.2.9 remote-as 65009\nexit\n",
		"router bgp 65000\n neighbor 10.0.1.1 remote-as 65001\nexit\n",
	} {
		m, r := reporting(t, nil)
		m.running = Parse([]byte(runs))
		if _, _, err := r.Audit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Apply(t.Context(), []byte(fussy())); err != nil || !m.holds("network 10.16.0.1/32") || !m.holds("neighbor 10.0.1.2 activate") {
			t.Errorf("%v: FRR holds\n%s", err, write(m.running, ""))
		}
	}
}

// TestForeignAsTyped finds what is declared, or stands in a file, in another form than FRR writes it.
func TestForeignAsTyped(t *testing.T) {
	for _, address := range []string{"2001:DB8:1:2:3:4:5:6", "2001:0db8:0001:2:3:4:5:6"} {
		_, theirs := Foreign{{"router bgp 65000", "neighbor " + address}}.split(Parse([]byte("router bgp 65000\n neighbor 2001:db8:1:2:3:4:5:6 remote-as 65009\nexit\n")))
		if len(theirs) != 1 {
			t.Errorf("%s is not declared", address)
		}
	}
	for _, families := range [][2]string{{"ipv4 unicast", "ipv4"}, {"ipv4", "ipv4 unicast"}} {
		declared := Foreign{{"router bgp 65000", "address-family " + families[0], "aggregate-address"}}
		merged := string(merge([]byte(fussy()), []byte("router bgp 65000\n address-family "+families[1]+"\n  aggregate-address 10.9.0.0/16\n exit-address-family\nexit\n"), declared))
		if !strings.Contains(merged, "  aggregate-address 10.9.0.0/16\n exit-address-family\n") || strings.Count(merged, " address-family") != 1 {
			t.Errorf("%v: frr.conf is\n%s", families, merged)
		}
	}
}

// A route-map of two words, which FRR does not write, is no group.
func TestShortRouteMap(t *testing.T) {
	if got := routeOf("FL-GROUP-1", Parse([]byte("route-map FL-GROUP-1\n set metric 1\nexit\n"))); got != nil {
		t.Errorf("it makes %v", got)
	}
}
