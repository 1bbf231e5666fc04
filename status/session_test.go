package status

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/verify"
)

// TestVerification: the judgment of a session, its condition, and the words for why it is not good.
func TestVerification(t *testing.T) {
	for name, test := range map[string]struct {
		change              func(*Session)
		fault, page, reason string
	}{
		"all is seen":            {change: func(*Session) {}, reason: "Proven"},
		"nothing to be told":     {change: func(s *Session) { s.Proof.Counts = nil }, reason: "Proven"},
		"nobody sees it":         {func(s *Session) { s.Proof.Whole = false }, "could not be compared: 10.0.1.1", "not compared: no witness sees", "NotCompared"},
		"nobody sees of nothing": {func(s *Session) { s.Proof.Whole, s.Proof.Counts = false, nil }, "compared: 10.0.1.1", "no witness", "NotCompared"},
		"learning": {func(s *Session) {
			s.Proof.Whole, s.Proof.Witnesses[0].State = false, verify.Learning
			s.Proof.Open = []verify.Verdict{{Kind: verify.Mismatch}}
		}, "compared: 10.0.1.1", "not compared: its first table is not through yet\n  invalid Prefix mismatch", "NotCompared"},
		"on its way": {func(s *Session) { s.Proof.Counts[0].Kind = verify.Pending }, "on their way: 2", "", "Proven"},
		"drift":      {func(s *Session) { s.Proof.Counts[0].Kind = verify.Missing }, "not told as intended: 2", "", "Drift"},
		"blocked":    {func(s *Session) { s.Proof.Blocked = time.Now() }, "neighbors that take nothing: 10.0.1.1", "its TCP takes nothing", "NotAcknowledged"},
	} {
		s := session("10.0.1.1", "tor1", 65030, verify.Announced, verify.Wire, verify.Acknowledged, 2)
		test.change(&s)
		v := NewVerification([]Session{s}, nil)
		var page bytes.Buffer
		if err := v.Print(&page, time.Now()); err != nil {
			t.Fatal(err)
		}
		if v.Agrees != (test.fault == "") || v.Agrees != (v.Fault() == "") || !strings.Contains(v.Fault(), test.fault) || !strings.Contains(page.String(), test.page) {
			t.Errorf("%s: agrees %t, fault %q:\n%s", name, v.Agrees, v.Fault(), page.String())
		}
		state := &State{Passes: Passes{Outcome: Unchanged}, Proof: Proof{Sessions: []Session{s}}}
		if c := proven(state); c.Reason != test.reason {
			t.Errorf("%s: the condition is %+v, want %s", name, c, test.reason)
		}
	}
}
