package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/test/lab"
)

// TestTakeOver starts an agent beside an FRR that announces all already, as an upgrade does: it has proven all of it soon by what it
// has FRR say again, and no session was reset for that, and nothing withdrawn. FAIRLEAD_SOAK takes 100,000 routes to each of the two
// neighbors in the place of 5,000.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	pods, soon := 2_499, 40*time.Second
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		pods, soon = 49_999, 15*time.Second
	}
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, v, pods)
			w.Start()
			all := func(when string) time.Duration {
				t.Helper()
				start := time.Now()
				lab.Eventually(t, 2*patience, when+" all is proven", w.allInStatus)
				return time.Since(start)
			}
			t.Logf("%d routes to each neighbor are announced and proven after %s", w.routes, all("at first").Round(time.Millisecond))
			w.Agent.Stop()
			resets, told := w.Resets(w.ToR)+w.Resets(w.Spine), map[*lab.Router]*lab.UpdateCounter{
				w.ToR: w.ToR.CountUpdates(torSees), w.Spine: w.Spine.CountUpdates(spineSees),
			}

			w.Start()
			took := all("by the next agent")
			t.Logf("the next agent has proven %d routes to each neighbor after %s", w.routes, took.Round(time.Millisecond))
			if took > soon {
				t.Errorf("all was proven after %s, not within %s", took, soon)
			}
			if page, err := w.Ask("verify"); err != nil {
				t.Errorf("verify: %v\n%s", err, page)
			}
			if after := w.Resets(w.ToR) + w.Resets(w.Spine); after != resets {
				t.Errorf("the sessions were reset %d times", after-resets)
			}
			for r, counter := range told {
				if got := counter.Counts(); len(got.Withdrawn) > 0 || len(got.Announced) < w.routes {
					t.Errorf("%s was told %d routes of %d, and to forget %d", r.Pathspace, len(got.Announced), w.routes, len(got.Withdrawn))
				}
			}
		})
	}
}

// allInStatus is nil where all is proven, by what the agent tells of itself: verify would list all that is not.
func (w *world) allInStatus() error {
	var out bytes.Buffer
	if err := status.Read(w.t.Context(), w.Path("agent.sock"), status.JSON, &out); err != nil {
		return fmt.Errorf("%w; the agent says\n%s", err, w.Agent.Output())
	}
	var s struct{ Proof answer }
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		return fmt.Errorf("read %q: %w", out.String(), err)
	}
	s.Proof.Agrees = true
	if err := w.all(&s.Proof, "tap", "acknowledged"); err != nil {
		return fmt.Errorf("%w; the agent says\n%s", err, w.Agent.Output())
	}
	return nil
}
