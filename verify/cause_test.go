package verify_test

import (
	"strings"
	"testing"

	"github.com/fairlead/fairlead/verify"
)

// TestWhy takes a route's way step by step: the cause is the first step that it has not taken.
func TestWhy(t *testing.T) {
	var f verify.Facts
	steps := []struct {
		take func()
		want verify.Cause
	}{
		{func() {}, verify.NeighborUnknown},
		{func() { f.Neighbor, f.AdminDown = true, true }, verify.ShutDown},
		{func() { f.AdminDown = false }, verify.SessionDown},
		{func() { f.Established = true }, verify.FamilyNotSpoken},
		{func() { f.Family, f.PolicyMissing = true, true }, verify.PolicyMissing},
		{func() { f.PolicyMissing = false }, verify.NotInTable},
		{func() { f.InTable, f.Restarting = true, true }, verify.HeldByRestart},
		{func() { f.Restarting = false }, verify.NotSelected},
		{func() { f.Selected, f.Restarting = true, true }, verify.FilteredOut},
		{func() { f.Claimed, f.Queued, f.Blocked = true, 2, true }, verify.NotTaken},
		{func() { f.Blocked = false }, verify.WaitingForBgpd},
		{func() { f.Queued = 0 }, verify.LostOnTheWay},
	}
	seen := map[string]bool{verify.UnknownCause.String(): true}
	for i, step := range steps {
		step.take()
		got := verify.Why(f)
		if got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
		if text := got.String(); seen[text] || strings.HasPrefix(text, "cause ") {
			t.Errorf("step %d: its text %q is not its own", i, text)
		}
		seen[got.String()] = true
	}
}
