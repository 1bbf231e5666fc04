package report

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// TestTellNothingOfTheConfiguration has entries of the configuration skipped before Pods, more of them than may wait: what no
// Event can be about takes no room, and is neither told, nor tried, nor counted.
func TestTellNothingOfTheConfiguration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := usual
		l.waiting = 2
		r, b, _ := running(t, l)
		skips := func(entries int, lines ...string) State {
			s := state(lines...)
			for i := range entries {
				o := route.Object{Kind: "Config", Name: fmt.Sprintf("neighbors[%d]", i)}
				s.Skipped = append(s.Skipped, reduce.Skipped{Object: o, Reason: "the same neighbor as another"})
				s.Own = append(s.Own, o)
			}
			slices.SortFunc(s.Skipped, func(a, b reduce.Skipped) int { return a.Object.Compare(b.Object) })
			return s
		}
		r.Tell(skips(3))
		<-time.After(time.Minute)
		r.Tell(skips(9, "a: why", "b: why"))
		<-time.After(time.Minute)
		r.Tell(skips(0, "a: why", "b: why"))
		<-time.After(time.Hour)
		want := []string{
			"1m3s a NotAnnounced: why", "1m3s b NotAnnounced: why",
			"25m3s a NotAnnounced: why, still", "25m3s b NotAnnounced: why, still",
			"50m3s a NotAnnounced: why, still", "50m3s b NotAnnounced: why, still",
		}
		if diff := cmp.Diff(want, b.told()); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
		if s := r.Status(); s.Dropped != 0 || s.Told != uint64(len(want)) || b.tries != len(want) {
			t.Errorf("%d tries, status %+v, want %d told and nothing dropped", b.tries, s, len(want))
		}
	})
}
