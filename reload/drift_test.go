package reload

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fed is one-switch with a BMP station.
func fed(t *testing.T) string {
	station := " bmp targets FL-STATION\n  bmp connect 127.0.0.1 port 11019 min-retry 1000 max-retry 10000\n exit\n"
	conf := golden(t, "one-switch")
	at := strings.LastIndex(conf, " exit-address-family\n") + len(" exit-address-family\n")
	return conf[:at] + station + conf[at:]
}

// hands are changes that somebody makes to one-switch by hand, as FRR then writes it, and what an audit says of each.
func hands() map[string]struct{ from, to, drift string } {
	return map[string]struct{ from, to, drift string }{
		"adds a network": {"  neighbor 10.32.32.254 activate\n", "  network 10.9.9.0/24\n  neighbor 10.32.32.254 activate\n",
			"added router bgp 65000 / address-family ipv4 unicast / network 10.9.9.0/24 (unowned)"},
		"removes a network": {"  network 10.16.0.5/32 route-map FL-GROUP-3a804f07\n", "",
			"missing router bgp 65000 / address-family ipv4 unicast / network 10.16.0.5/32 route-map FL-GROUP-3a804f07 (fairlead)"},
		"edits a network": {"10.16.0.5/32 route-map FL-GROUP-3a804f07", "10.16.0.5/32 route-map MINE",
			"changed router bgp 65000 / address-family ipv4 unicast / network 10.16.0.5/32 route-map FL-GROUP-3a804f07: now network 10.16.0.5/32 route-map MINE (fairlead)"},
		"edits a route-map": {"route-map FL-GROUP-3a804f07 permit 10\n", "route-map FL-GROUP-3a804f07 permit 10\n set metric 7\n",
			"added route-map FL-GROUP-3a804f07 permit 10 / set metric 7 (fairlead)"},
		"adds an entry": {"route-map FL-GROUP-3a804f07 permit 10\n", "route-map FL-GROUP-3a804f07 permit 5\n match metric 1\nexit\n!\nroute-map FL-GROUP-3a804f07 permit 10\n",
			"added route-map FL-GROUP-3a804f07 permit 5 (fairlead)"},
		"edits a list": {"bgp large-community-list expanded FL-MARKERS-65000 seq 5", "bgp large-community-list expanded FL-MARKERS-65000 seq 2 permit ^1:2:\nbgp large-community-list expanded FL-MARKERS-65000 seq 5",
			"added bgp large-community-list expanded FL-MARKERS-65000 seq 2 permit ^1:2: (fairlead)"},
		"removes a policy": {"  neighbor 10.32.32.254 route-map FL-IN-NONE in\n", "",
			"missing router bgp 65000 / address-family ipv4 unicast / neighbor 10.32.32.254 route-map FL-IN-NONE in (fairlead)"},
		"shuts a neighbor": {" neighbor 10.32.32.254 timers 30 90\n", " neighbor 10.32.32.254 shutdown\n neighbor 10.32.32.254 timers 30 90\n",
			"added router bgp 65000 / neighbor 10.32.32.254 shutdown (fairlead)"},
		"edits timers": {"10.32.32.254 timers 30 90", "10.32.32.254 timers 5 15",
			"changed router bgp 65000 / neighbor 10.32.32.254 timers 30 90: now neighbor 10.32.32.254 timers 5 15 (fairlead)"},
		"sets a password": {" neighbor 10.32.32.254 timers 30 90\n", " neighbor 10.32.32.254 password hunter2\n neighbor 10.32.32.254 timers 30 90\n",
			"added router bgp 65000 / neighbor 10.32.32.254 password *** (fairlead)"},
		"adds a neighbor": {" neighbor 10.32.32.254 remote-as 65030\n", " neighbor 10.32.32.254 remote-as 65030\n neighbor 192.0.2.1 remote-as 65001\n",
			"added router bgp 65000 / neighbor 192.0.2.1 remote-as 65001 (unowned)"},
		"edits the router ID": {"router-id 10.0.1.2", "router-id 9.9.9.9",
			"changed router bgp 65000 / bgp router-id 10.0.1.2: now bgp router-id 9.9.9.9 (fairlead)"},
		"removes the station": {" bmp targets FL-STATION\n  bmp connect 127.0.0.1 port 11019 min-retry 1000 max-retry 10000\n exit\n", "",
			"missing router bgp 65000 / bmp targets FL-STATION (fairlead)"},
		"edits the station": {"min-retry 1000 max-retry 10000", "min-retry 1000 max-retry 720000",
			"changed router bgp 65000 / bmp targets FL-STATION / bmp connect 127.0.0.1 port 11019 min-retry 1000 max-retry 10000: " +
				"now bmp connect 127.0.0.1 port 11019 min-retry 1000 max-retry 720000 (fairlead)"},
		"moves the station": {"  bmp connect 127.0.0.1 port 11019 ", "  bmp connect 127.0.0.1 port 11019 min-retry 1000 max-retry 10000\n  bmp connect 192.0.2.1 port 5000 ",
			"added router bgp 65000 / bmp targets FL-STATION / bmp connect 192.0.2.1 port 5000 min-retry 1000 max-retry 10000 (fairlead)"},
		"has the station monitor": {" bmp targets FL-STATION\n", " bmp targets FL-STATION\n  bmp monitor ipv4 unicast loc-rib\n",
			"added router bgp 65000 / bmp targets FL-STATION / bmp monitor ipv4 unicast loc-rib (fairlead)"},
		"adds a station": {" bmp targets FL-STATION\n", " bmp targets OWN\n  bmp connect 192.0.2.1 port 5000 min-retry 1000 max-retry 10000\n exit\n bmp targets FL-STATION\n",
			"added router bgp 65000 / bmp targets OWN (unowned)"},
		"removes the router": {"router bgp 65000\n", "hostname gone\n", "missing router bgp 65000 (fairlead)"},
		"adds a view":        {"router bgp 65000\n", "router bgp 1 view x\nexit\n!\nrouter bgp 65000\n", "added router bgp 1 view x (unowned)"},
	}
}

// TestAudit has each hand found, told with its owner, and put right or left.
func TestAudit(t *testing.T) {
	own := fed(t)
	for name, hand := range hands() {
		for _, leaves := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, left %t", name, leaves), func(t *testing.T) {
				m := &model{running: Parse([]byte("route-map MINE permit 10\nexit\n"))}
				r := New(m, File{})
				r.LeaveDrift(leaves)
				if _, made, err := r.Audit(t.Context()); made || err != nil {
					t.Errorf("before the first apply an audit was made: %t, %v", made, err)
				}
				if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
					t.Fatal(err)
				}
				if found, made, err := r.Audit(t.Context()); len(found) > 0 || !made || err != nil {
					t.Errorf("untouched, an audit finds %v, %t, %v", found, made, err)
				}
				touched := strings.Replace(own, hand.from, hand.to, 1)
				if touched == own {
					t.Fatal("the hand does nothing")
				}
				m.running = Parse([]byte("route-map MINE permit 10\nexit\n" + touched))
				for range 2 {
					found, made, err := r.Audit(t.Context())
					var told []string
					for _, d := range found {
						told = append(told, d.String())
					}
					if !made || err != nil || !slices.Contains(told, hand.drift) || len(told) > 1 && name != "removes the router" {
						t.Fatalf("the audit finds %q, %t, %v; want %q", told, made, err, hand.drift)
					}
					if !leaves || name == "removes the router" {
						break
					}
					m.scripts = nil
					if change, err := r.Apply(t.Context(), []byte(own)); err != nil || !change.Empty() || len(m.scripts) > 0 {
						t.Fatalf("what was left is changed by\n%s%v", change, err)
					}
				}
				if leaves && name != "removes the router" {
					// A change elsewhere leaves it; the clean slate of a start of FRR does not.
					more := strings.Replace(own, "  network 10.16.0.5/32", "  network 10.16.0.77/32 route-map FL-GROUP-3a804f07\n  network 10.16.0.5/32", 1)
					if _, err := r.Apply(t.Context(), []byte(more)); err != nil {
						t.Fatal(err)
					}
					want := strings.Replace(touched, "  neighbor 10.32.32.254 activate\n", "  network 10.16.0.77/32 route-map FL-GROUP-3a804f07\n  neighbor 10.32.32.254 activate\n", 1)
					if diff := cmp.Diff(lines(Parse([]byte(want)).Owned()), lines(m.running.Owned())); diff != "" {
						t.Errorf("with a route more (-want +got):\n%s", diff)
					}
					r.Forget()
				}
				if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(lines(Parse([]byte(own)).Owned()), lines(m.running.Owned())); diff != "" {
					t.Errorf("put right (-want +got):\n%s", diff)
				}
				if found, _, _ := r.Audit(t.Context()); len(found) > 0 {
					t.Errorf("put right, an audit finds %v", found)
				}
			})
		}
	}
}

// TestLeave says what is left of a statement, from what it was, is, and should be.
func TestLeave(t *testing.T) {
	const head = "router bgp 1\n neighbor 10.0.0.1 remote-as 2\n"
	tests := []struct{ name, base, running, wanted, want string }{
		{"untouched", "bgp router-id 1.1.1.1", "bgp router-id 1.1.1.1", "bgp router-id 2.2.2.2", "bgp router-id 2.2.2.2"},
		{"touched", "bgp router-id 1.1.1.1", "bgp router-id 9.9.9.9", "bgp router-id 1.1.1.1", "bgp router-id 9.9.9.9"},
		{"both", "bgp router-id 1.1.1.1", "bgp router-id 9.9.9.9", "bgp router-id 2.2.2.2", "bgp router-id 2.2.2.2"},
		{"both the same", "bgp router-id 1.1.1.1", "bgp router-id 2.2.2.2", "bgp router-id 2.2.2.2", "bgp router-id 2.2.2.2"},
		{"removed", "neighbor 10.0.0.1 passive", "", "neighbor 10.0.0.1 passive", ""},
		{"removed, and wanted otherwise", "neighbor 10.0.0.1 port 1", "", "neighbor 10.0.0.1 port 2", "neighbor 10.0.0.1 port 2"},
		{"added", "", "neighbor 10.0.0.1 passive", "", "neighbor 10.0.0.1 passive"},
		{"touched, and no longer wanted", "neighbor 10.0.0.1 port 1", "neighbor 10.0.0.1 port 9", "", ""},
		{
			"a neighbor that came by hand",
			"", "neighbor 10.0.0.9 remote-as 3\n neighbor 10.0.0.9 port 4", "", "neighbor 10.0.0.9 remote-as 3\n neighbor 10.0.0.9 port 4",
		},
		{
			"and is wanted now, otherwise",
			"", "neighbor 10.0.0.9 remote-as 3\n neighbor 10.0.0.9 port 4", "neighbor 10.0.0.9 remote-as 5", "neighbor 10.0.0.9 remote-as 5",
		},
		{
			"a neighbor that went by hand, and whose settings change",
			"neighbor 10.0.0.9 remote-as 3\n neighbor 10.0.0.9 port 4", "", "neighbor 10.0.0.9 remote-as 3\n neighbor 10.0.0.9 port 5", "",
		},
		{
			"a neighbor that was set by hand, and goes",
			"neighbor 10.0.0.9 remote-as 3", "neighbor 10.0.0.9 remote-as 3\n neighbor 10.0.0.9 shutdown", "", "",
		},
		{
			"a neighbor that was set by hand, and gets another AS",
			"neighbor 10.0.0.9 remote-as 3", "neighbor 10.0.0.9 remote-as 3\n neighbor 10.0.0.9 shutdown", "neighbor 10.0.0.9 remote-as 4",
			"neighbor 10.0.0.9 remote-as 4",
		},
	}
	parse := func(text string) Tree { return Parse([]byte(head + " " + text + "\n")).Owned() }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := leave(parse(tt.base), parse(tt.running), parse(tt.wanted))
			if diff := cmp.Diff(lines(parse(tt.want)), lines(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestLeaveKeeps walks from one configuration to another while a hand changes what runs: no change of Fairlead's is refused by
// the model, nothing that a hand has changed is touched while what is wanted of it stays, and all the rest is as wanted.
func TestLeaveKeeps(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	own := fed(t)
	variants := []string{own}
	for _, edit := range [][]string{
		{"router-id 10.0.1.2", "router-id 10.0.1.9"},
		{"10.32.32.254 timers 30 90", "10.32.32.254 timers 3 9"},
		{"  network 10.16.0.5/32 route-map FL-GROUP-3a804f07\n", ""},
		{"  network 10.16.0.5/32", "  network 10.16.0.77/32 route-map FL-GROUP-3a804f07\n  network 10.16.0.5/32"},
		{"10.32.32.254 remote-as 65030", "10.32.32.254 remote-as 65031"},
		{"port 11019", "port 11020"},
	} {
		variants = append(variants, strings.NewReplacer(edit...).Replace(own))
	}
	variants = append(variants, golden(t, "empty"), golden(t, "one-switch"), golden(t, "pair-of-switches"))
	touch := hands()
	delete(touch, "removes the router")
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range touch {
			if !yield(name) {
				return
			}
		}
	})
	mineToo := "route-map MINE permit 10\nexit\n"
	for round := range 40 {
		m := &model{running: Parse([]byte(mineToo))}
		r := New(m, File{})
		r.LeaveDrift(true)
		wanted := variants[random.IntN(len(variants))]
		var log []string
		step := func(conf string) {
			before, base := m.running.Owned(), Parse([]byte(wanted)).Owned()
			if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
				t.Fatalf("round %d, %q: %v", round, log, err)
			}
			want := leave(base, before, Parse([]byte(conf)).Owned())
			if len(log) > 0 {
				if diff := cmp.Diff(lines(want), lines(m.running.Owned())); diff != "" {
					t.Fatalf("round %d, %q (-want +got):\n%s", round, log, diff)
				}
			}
			wanted = conf
		}
		step(wanted)
		for range 6 {
			if random.IntN(2) == 0 {
				name := names[random.IntN(len(names))]
				text := mineToo + write(m.running.Owned(), "")
				touched := Parse([]byte(strings.Replace(text, touch[name].from, touch[name].to, 1)))
				if distinct(touched) {
					m.running = touched
					log = append(log, "hand "+name)
				}
				if _, made, err := r.Audit(t.Context()); !made || err != nil {
					t.Fatalf("round %d, %q: no audit: %v", round, log, err)
				}
			}
			n := random.IntN(len(variants))
			log = append(log, fmt.Sprintf("wanted %d", n))
			step(variants[n])
		}
	}
}

// A hand that comes between two audits is not in the way of a change, nor is it put right unseen.
func TestHandBeforeAudit(t *testing.T) {
	own := golden(t, "one-switch")
	m := &model{}
	r := New(m, File{})
	if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
		t.Fatal(err)
	}
	hand := hands()["shuts a neighbor"]
	m.running = Parse([]byte(strings.Replace(own, hand.from, hand.to, 1)))
	if _, err := r.Apply(t.Context(), []byte(strings.Replace(own, "router-id 10.0.1.2", "router-id 10.0.1.9", 1))); err != nil {
		t.Fatal(err)
	}
	if !r.Touched() {
		t.Error("the hand was not seen")
	}
	found, _, err := r.Audit(t.Context())
	if err != nil || len(found) != 1 || found[0].String() != hand.drift || r.Touched() {
		t.Errorf("the audit finds %v, %v; want %s", found, err, hand.drift)
	}
}

// An FRR that started anew without its file lacks all: nothing of that is left to a hand.
func TestLostRouter(t *testing.T) {
	own := golden(t, "one-switch")
	m := &model{}
	r := New(m, File{})
	r.LeaveDrift(true)
	if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
		t.Fatal(err)
	}
	m.running = nil
	if found, _, err := r.Audit(t.Context()); err != nil || len(found) == 0 {
		t.Errorf("the audit finds %v, %v", found, err)
	}
	if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(own)).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("FRR holds (-want +got):\n%s", diff)
	}
}

// What is left to a hand stays left when a change is refused and undone, and is not written for it where it took it back.
func TestLeftAfterRefusal(t *testing.T) {
	own := golden(t, "one-switch")
	m := &model{}
	r := New(m, File{})
	r.LeaveDrift(true)
	if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
		t.Fatal(err)
	}
	touched := own
	for _, name := range []string{"shuts a neighbor", "adds a view"} {
		touched = strings.Replace(touched, hands()[name].from, hands()[name].to, 1)
	}
	holds := func(when, want string) {
		t.Helper()
		if diff := cmp.Diff(lines(Parse([]byte(want)).Owned()), lines(m.running.Owned())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	refuse := func() {
		t.Helper()
		if _, err := r.Apply(t.Context(), []byte(strings.Replace(own, "router-id 10.0.1.2\n", "router-id 10.0.1.9\n bgp nonsense\n", 1))); err == nil {
			t.Fatal("nonsense is taken")
		}
	}
	apply := func() {
		t.Helper()
		if _, err := r.Apply(t.Context(), []byte(own)); err != nil {
			t.Fatal(err)
		}
	}
	audit := func() {
		t.Helper()
		if found, made, err := r.Audit(t.Context()); !made || err != nil || len(found) == 0 {
			t.Fatalf("the audit finds %v, %t, %v", found, made, err)
		}
	}
	m.running = Parse([]byte(touched))
	audit()
	refuse()
	holds("after a refusal", touched)
	apply()
	holds("after what was there", touched)

	refuse()
	m.running = Parse([]byte(own))
	apply()
	holds("taken back by hand", own)

	// The drain of a node leaves nothing.
	m.running = Parse([]byte(touched))
	audit()
	if _, err := r.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	holds("cleared", "")
}
