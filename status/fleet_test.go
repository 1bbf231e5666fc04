package status

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"net/netip"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/verify"
)

// reply is what an agent answers with a value.
func reply(t *testing.T, node string, value any) Reply {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return Reply{Node: node, Pod: "fairlead/fairlead-" + node, Answer: text}
}

// TestFleet compares the pages of what three agents answer, one of them nothing, with testdata/fleet/pages.txtar.
func TestFleet(t *testing.T) {
	const golden = "testdata/fleet/pages.txtar"
	synctest.Test(t, func(t *testing.T) {
		well := session("10.0.1.1", "tor1", 65030, verify.Announced, verify.Wire, verify.Acknowledged, 120)
		well.Families[0].Received = 3
		drifts := session("10.0.2.1", "tor2", 65031, verify.Missing, verify.Wire, verify.Unproven, 1)
		drifts.Router = "blue"
		drifts.Proof.Open = []verify.Verdict{{
			Prefix: netip.MustParsePrefix("10.16.0.5/32"), Kind: verify.Missing, Witness: verify.Wire, Cause: verify.FilteredOut,
			Since: time.Now(), Differences: []verify.Difference{},
		}}
		down := Session{Neighbor: "eth0", Name: "tor3", RemoteAS: well.RemoteAS, State: "Active", Families: []SessionFamily{}}
		blind := []Blindness{{Witness: verify.Wire, Reason: "operation not permitted"}}
		silent := Reply{Node: "node3", Pod: "fairlead/fairlead-node3", Error: "nothing within 30s"}
		begun := time.Now()
		state := func(node string, sessions ...Session) Reply {
			s := &State{
				Node: node, Version: "v1.2.3", Started: begun, Passes: Passes{Outcome: Unchanged}, Proof: Proof{Sessions: sessions},
				Sources: []Source{{Name: "pods", Synced: true}}, Configuration: Configuration{File: "config.yaml"},
			}
			if node == "node2" {
				s.Sources[0].Problem = "not allowed:\ngive list and watch"
			}
			s.Conditions = conditionsOf(s, nil, time.Now())
			return reply(t, node, s)
		}
		told := &AdjRIBOut{Limits: []string{verify.Wire.Limits()}, Routes: []verify.Verdict{
			{
				Prefix: netip.MustParsePrefix("10.16.0.0/16"), Kind: verify.Announced, Witness: verify.Wire, Proof: verify.Sent, Since: time.Now(),
				Got: &verify.Attributes{ASPath: "65000", NextHop: netip.MustParseAddr("10.0.1.2")}, Differences: []verify.Difference{},
			},
			drifts.Proof.Open[0],
		}}
		<-time.After(5*time.Minute + 3*time.Second) // in the bubble's own time
		archive := &txtar.Archive{}
		for _, p := range []struct {
			name  string
			print func(Fleet, io.Writer, time.Time) error
			fleet Fleet
		}{
			{"states", Fleet.PrintStates, Fleet{state("node1", well), state("node2", drifts, down), silent}},
			{"states of nobody", Fleet.PrintStates, Fleet{silent}},
			{"neighbors", Fleet.PrintSessions, Fleet{
				reply(t, "node1", Neighbors{Sessions: []Session{well}}), reply(t, "node2", Neighbors{Sessions: []Session{drifts, down}}), silent,
			}},
			{"verifications", Fleet.PrintVerifications, Fleet{
				reply(t, "node1", NewVerification([]Session{well}, nil)), reply(t, "node2", NewVerification([]Session{drifts, down}, blind)), silent,
			}},
			{"adj-out", Fleet.PrintAdjRIBOuts, Fleet{reply(t, "node1", told), silent}},
		} {
			var page bytes.Buffer
			if err := p.print(p.fleet, &page, time.Now()); err != nil {
				t.Fatal(err)
			}
			archive.Files = append(archive.Files, txtar.File{Name: p.name, Data: page.Bytes()})
		}
		got := txtar.Format(archive)
		if flag.Lookup("update").Value.String() == "true" {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("run the test with -update where this is meant (-want +got):\n%s", diff)
		}
	})
}

// TestHostileReply: an agent says what would forge a row of another node, clear a terminal, or cannot be read. Each line of a page
// begins with the node that said it.
func TestHostileReply(t *testing.T) {
	evil := session("10.0.1.1\nnode2\t10.0.1.1", "a\x1b[2Jb\tc\u009b", 65030, verify.Missing, verify.Wire, verify.Unproven, 1)
	evil.State = "\rEstablished\nnode2"
	evil.Router = "\u202eeulb"
	evil.Proof.Open = []verify.Verdict{{Prefix: netip.MustParsePrefix("10.16.0.5/32"), Kind: verify.Mismatch, Differences: []verify.Difference{
		{Field: verify.MED, Wanted: "0", Got: "\x1b]0;title\a\nnode2\t10.0.1.1\tall is well"},
	}}}
	evil.Proof.Limits = nil
	state := &State{Version: "v1\nnode2", Conditions: []Condition{{Type: Ready, Status: "\nnode2", Message: "\nnode2\x1b[2J"}}, Proof: Proof{Sessions: []Session{evil}}}
	for name, p := range map[string]struct {
		print  func(Fleet, io.Writer, time.Time) error
		answer any
	}{
		"states":        {Fleet.PrintStates, state},
		"neighbors":     {Fleet.PrintSessions, Neighbors{Sessions: []Session{evil}}},
		"verifications": {Fleet.PrintVerifications, NewVerification([]Session{evil}, nil)},
		"adj-out":       {Fleet.PrintAdjRIBOuts, AdjRIBOut{Routes: evil.Proof.Open}},
	} {
		fleet := Fleet{reply(t, "node1", p.answer), {Node: "node1", Error: "\x1b[2J\nnode2"}, {Node: "node1", Answer: json.RawMessage(`{"sessions":7,"routes":7,"proof":7}`)}}
		var page bytes.Buffer
		if err := p.print(fleet, &page, time.Now()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(page.String()) {
			line = strings.TrimSuffix(line, "\n")
			if strings.HasPrefix(line, "node2") || strings.ContainsFunc(line, unprintable) {
				t.Errorf("%s: a line is %q", name, line)
			}
		}
		if silent, _ := fleet.Failed(); silent != 2 {
			t.Errorf("%s: %d did not answer:\n%s", name, silent, page.String())
		}
	}
}
