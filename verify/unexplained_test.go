package verify_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/verify"
)

// TestUnexplained: each missing route is asked for, those that nobody knows the cause of first, and again once what is known of it is
// old.
func TestUnexplained(t *testing.T) {
	c := newComparer()
	c.Observe(see(verify.Wire, start, verify.Whole))
	for i := range 4 {
		intend(c, start, announcement(i))
	}
	at := start.Add
	c.Advance(at(3 * time.Second))
	c.Explain(prefix(0), verify.NotInTable, at(4*time.Second))
	c.Explain(prefix(1), verify.NotInTable, at(9*time.Second))
	for _, step := range []struct {
		most  int
		since time.Duration
		want  []int
	}{
		{5, time.Second, []int{2, 3}},
		{5, 5 * time.Second, []int{0, 2, 3}},
		{2, 5 * time.Second, []int{2, 3}},
		{3, 10 * time.Second, []int{0, 2, 3}},
		{9, 10 * time.Second, []int{0, 1, 2, 3}},
	} {
		var got []int
		for i := range 4 {
			if slices.Contains(c.Unexplained(step.most, at(step.since)), prefix(i)) {
				got = append(got, i)
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("at most %d that were not explained since %s (-want +got)\n%s", step.most, step.since, diff)
		}
	}
	c.Explain(prefix(1), verify.ShutDown, at(20*time.Second))
	if v, _ := c.Verdict(prefix(1)); v.Cause != verify.ShutDown {
		t.Errorf("explained anew, the cause is %s", v.Cause)
	}
}
