package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/status"
)

func TestCurrent(t *testing.T) {
	got, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(generate(status.Metrics())), string(got)); diff != "" {
		t.Errorf("the page is not current, run go generate ./status (-want +got):\n%s", diff)
	}
}

// TestComplete looks for a metric or label that says nothing of itself.
func TestComplete(t *testing.T) {
	for _, m := range status.Metrics() {
		if !strings.HasPrefix(m.Name, "fairlead_") || m.Help == "" {
			t.Errorf("metric %q says %q", m.Name, m.Help)
		}
		for _, label := range m.Labels {
			if label.Name == "" || label.Help == "" {
				t.Errorf("label %q of %s says %q", label.Name, m.Name, label.Help)
			}
		}
	}
}
