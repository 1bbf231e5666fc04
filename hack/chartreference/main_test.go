package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCurrent compares the chart's files with what the values and the types say now.
func TestCurrent(t *testing.T) {
	const chart = "../../charts/fairlead"
	files, err := generate(chart)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(chart, name))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not current, run go generate ./hack/chartreference (-want +got):\n%s", name, diff)
		}
	}
}

// TestMissing reads values without a comment, and one that the schema does not know.
func TestMissing(t *testing.T) {
	s, err := valuesSchema()
	if err != nil {
		t.Fatal(err)
	}
	_, err = readmeOf([]byte("image:\n  # Which one.\n  tag: v1\n  sort: none\n"), s)
	for _, want := range []string{"line 1: image has no comment", "line 4: the schema has no image.sort", "line 4: image.sort has no comment"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
