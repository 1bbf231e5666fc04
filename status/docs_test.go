package status

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/verify"
)

// TestDocs looks for metrics and conditions that the guides name and that do not exist.
func TestDocs(t *testing.T) {
	text := guide(t, "status.md") + guide(t, "proof.md")
	known := map[string]bool{}
	for _, m := range Metrics() {
		known[m.Name] = true
		if m.Type == histogram {
			known[m.Name+"_bucket"], known[m.Name+"_sum"], known[m.Name+"_count"] = true, true, true
		}
	}
	named := regexp.MustCompile(`\bfairlead_\w+`).FindAllString(text, -1)
	for _, name := range named {
		if !known[name] {
			t.Errorf("there is no metric %s", name)
		}
	}
	types := regexp.MustCompile(`type=~?"([\w|]+)"`).FindAllStringSubmatch(text, -1)
	for _, match := range types {
		for name := range strings.SplitSeq(match[1], "|") {
			if !slices.Contains(conditionTypes[:], ConditionType(name)) {
				t.Errorf("there is no condition %s", name)
			}
		}
	}
	if len(named) == 0 || len(types) == 0 {
		t.Error("the guides name no metric or no condition")
	}
}

// TestDocsProof looks for each verdict, proof, witness and cause in the table that explains it.
func TestDocsProof(t *testing.T) {
	text := guide(t, "proof.md")
	var rows []string
	for kind := verify.Announced; kind <= verify.NotComparable; kind++ {
		rows = append(rows, fmt.Sprintf("| `%s` |", kind))
	}
	for proof := verify.Claimed; proof <= verify.Best; proof++ {
		rows = append(rows, fmt.Sprintf("| `%s` |", proof))
	}
	for witness := verify.Claim; witness <= verify.Received; witness++ {
		rows = append(rows, fmt.Sprintf("| `%s` |", witness))
	}
	for cause := verify.NeighborUnknown; cause <= verify.LostOnTheWay; cause++ {
		what, _, _ := strings.Cut(cause.String(), ":")
		rows = append(rows, "| "+what+" |")
	}
	for _, row := range rows {
		if !strings.Contains(text, "\n"+row) {
			t.Errorf("docs/proof.md has no row %q", row)
		}
	}
}

// guide reads one of the guides.
func guide(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../docs/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
