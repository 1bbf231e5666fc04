package reload

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is missing from a part of the knowledge is not taken back; all else changes as ever.
func TestExtend(t *testing.T) {
	full := golden(t, "one-switch")
	const group = "route-map FL-GROUP-3a804f07 permit 10\n"
	if !strings.Contains(full, group) || !strings.Contains(full, "  network 10.16.0.5/32 route-map FL-GROUP-3a804f07\n") {
		t.Fatalf("the golden is not what this test wants:\n%s", full)
	}
	// Another group of attributes, one route of three gone, one new, and a timer changed.
	partial := strings.NewReplacer(
		"FL-GROUP-3a804f07", "FL-GROUP-0000beef",
		"  network 10.16.0.5/32 route-map FL-GROUP-3a804f07\n", "  network 10.99.0.1/32 route-map FL-GROUP-0000beef\n",
		"timers 30 90", "timers 10 30",
	).Replace(full)

	frr := &model{}
	saved := ""
	r := New(frr, File{Path: t.TempDir() + "/frr.conf", Write: func(_ string, data []byte) error { saved = string(data); return nil }})
	if _, err := r.Apply(t.Context(), []byte(full)); err != nil {
		t.Fatal(err)
	}
	whole := saved
	if _, err := r.Extend(t.Context(), []byte(partial)); err != nil {
		t.Fatal(err)
	}
	script := frr.scripts[len(frr.scripts)-1]
	if strings.Contains(script, "no network") {
		t.Errorf("a route was taken back:\n%s", script)
	}
	want := strings.NewReplacer(
		"  network 10.99.0.1/32 route-map FL-GROUP-0000beef\n", "  network 10.99.0.1/32 route-map FL-GROUP-0000beef\n  network 10.16.0.5/32 route-map FL-GROUP-3a804f07\n",
		"route-map FL-GROUP-0000beef permit 10\n", group+between(full, group, "exit\n")+"exit\nroute-map FL-GROUP-0000beef permit 10\n",
	).Replace(partial)
	if diff := cmp.Diff(lines(Parse([]byte(want)).Owned()), lines(frr.running.Owned())); diff != "" {
		t.Errorf("FRR holds (-want +got):\n%s", diff)
	}
	if saved != whole {
		t.Error("frr.conf was written: it must stay the last whole configuration")
	}

	// The same again changes nothing, and once everything is known again, what is gone goes.
	if change, err := r.Extend(t.Context(), []byte(partial)); err != nil || !change.Empty() {
		t.Errorf("the second time it changes %q, %v", change, err)
	}
	if _, err := r.Apply(t.Context(), []byte(partial)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(partial)).Owned()), lines(frr.running.Owned())); diff != "" {
		t.Errorf("in the end FRR holds (-want +got):\n%s", diff)
	}
}

// between gives what stands in text between start and the next end.
func between(text, start, end string) string {
	_, rest, _ := strings.Cut(text, start)
	inside, _, _ := strings.Cut(rest, end)
	return inside
}

// A router with another AS begins anew: what it announced as the old one does not stay.
func TestExtendAnotherAS(t *testing.T) {
	running := golden(t, "one-switch")
	frr := &model{running: Parse([]byte(running)).Owned()}
	wanted := strings.ReplaceAll(strings.ReplaceAll(running, "router bgp 65000", "router bgp 65009"), "  network 10.16.0.5/32 route-map FL-GROUP-3a804f07\n", "")
	if _, err := New(frr, File{}).Extend(t.Context(), []byte(wanted)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(lines(frr.running.Owned()), "\n"); strings.Contains(got, "10.16.0.5") {
		t.Errorf("FRR holds\n%s", got)
	}
}

func TestKept(t *testing.T) {
	for name, c := range map[string]struct {
		conf string
		want bool
	}{
		"rendered":        {golden(t, "bfd"), true},
		"no router":       {golden(t, "empty"), false},
		"empty":           {"", false},
		"foreign":         {"router bgp 65000\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 route-map MINE out\nexit\n", false},
		"not indented":    {strings.ReplaceAll(golden(t, "bfd"), "\n ", "\n"), false},
		"only a list":     {"ip prefix-list FL-A seq 5 permit any\n", false},
		"as FRR wrote it": {"frr version 10.3\n!\nrouter bgp 65000\n address-family ipv4 unicast\n  neighbor 10.0.0.1 route-map FL-OUT-a out\n", true},
	} {
		if got := Kept([]byte(c.conf)); got != c.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
