package verify_test

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// TestWords has each word that a report is written in read again.
func TestWords(t *testing.T) {
	report := verify.Report{
		Session: verify.Session{Router: "blue", Neighbor: "10.0.1.1"}, Whole: true, Limits: []string{},
		Witnesses: []verify.Knowledge{}, Counts: []verify.Count{}, Open: []verify.Verdict{},
	}
	for s := verify.Unknown; s <= verify.Whole; s++ {
		report.Witnesses = append(report.Witnesses, verify.Knowledge{Witness: verify.Wire, State: s})
	}
	for k := verify.Announced; k <= verify.NotComparable; k++ {
		for w := verify.NoWitness; w <= verify.LocRIB; w++ {
			for p := verify.Unproven; p <= verify.Best; p++ {
				report.Counts = append(report.Counts, verify.Count{Kind: k, Witness: w, Proof: p, Routes: 1})
			}
		}
	}
	for c := verify.UnknownCause; c <= verify.LostOnTheWay; c++ {
		report.Open = append(report.Open, verify.Verdict{
			Prefix: netip.MustParsePrefix("10.16.0.0/16"), Kind: verify.Missing, Cause: c,
			Unseen: verify.FieldsOf(verify.Communities, verify.NextHop), Differences: []verify.Difference{},
			Got: &verify.Attributes{Origin: verify.Origin(c) % 3, ASPath: "65000", Communities: []route.Community{65000 << 16}},
		})
	}
	for f := verify.NextHop; f <= verify.OriginField; f++ {
		report.Open[0].Differences = append(report.Open[0].Differences, verify.Difference{Field: f, Wanted: "1", Got: "2"})
	}
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var again verify.Report
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(report, again, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
		t.Errorf("another report is read (-written +read):\n%s", diff)
	}
	if err := json.Unmarshal([]byte(`{"counts":[{"verdict":"lost"}]}`), &again); err == nil {
		t.Error("a verdict that nobody knows is read")
	}
	var verdict verify.Verdict
	if err := json.Unmarshal([]byte(`{"cause":"said otherwise"}`), &verdict); err != nil || verdict.Cause != verify.UnknownCause {
		t.Errorf("a cause in other words gives %v, %v", verdict.Cause, err)
	}
}
