package reload

import (
	"strings"
	"testing"
)

// FRR's delay timer of route-maps is set and taken back with the rest, and stays an operator's who has set another.
func TestDelayTimer(t *testing.T) {
	conf := golden(t, "one-switch")
	for name, c := range map[string]struct{ running, applied, cleared string }{
		"FRR's default":     {"", delayTimer, ""},
		"an operator's":     {"bgp route-map delay-timer 10", "bgp route-map delay-timer 10", "bgp route-map delay-timer 10"},
		"ours, from before": {delayTimer, delayTimer, ""},
	} {
		t.Run(name, func(t *testing.T) {
			frr := &model{running: Parse([]byte(c.running))}
			r := New(frr, File{})
			timer := func() string {
				var found []string
				for _, s := range frr.running {
					if strings.HasPrefix(s.Text, delayTimers) {
						found = append(found, s.Text)
					}
				}
				return strings.Join(found, ", ")
			}
			if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
				t.Fatal(err)
			}
			if got := timer(); got != c.applied {
				t.Errorf("FRR has %q, want %q", got, c.applied)
			}
			r.Forget()
			if change, err := r.Plan(t.Context(), []byte(conf)); err != nil || !change.Empty() {
				t.Errorf("a difference is left: %v\n%s", err, change)
			}
			if _, err := r.Clear(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := timer(); got != c.cleared {
				t.Errorf("in the end FRR has %q, want %q", got, c.cleared)
			}
		})
	}
	first := strings.Index(Diff(nil, Parse([]byte(conf)).Owned()).String(), delayTimer)
	if first != 0 {
		t.Errorf("it comes at byte %d of the change, want it first: route-maps that come wait for it", first)
	}
}
