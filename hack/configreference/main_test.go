package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCurrent compares the page with what the types say now.
func TestCurrent(t *testing.T) {
	want, err := generate("../../config")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the page is not current, run go generate ./config (-want +got):\n%s", diff)
	}
}

// TestMissing writes a key whose field says nothing of itself.
func TestMissing(t *testing.T) {
	p := page{}
	p.keys("", reflect.TypeFor[struct {
		Bare uint8 `yaml:"bare"`
	}]())
	var all []string
	for _, err := range p.errs {
		all = append(all, err.Error())
	}
	text := strings.Join(all, "\n")
	for _, what := range []string{"meaning", "default", "example", "frr"} {
		if !strings.Contains(text, "has no "+what) {
			t.Errorf("nothing is said of the missing %s in %q", what, text)
		}
	}
}

// TestReadComments reads the source of a folder that is no package of Go.
func TestReadComments(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte("package x {"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := generate(dir); err == nil || !strings.Contains(err.Error(), "read comments") {
		t.Errorf("a broken file gives %v", err)
	}
}

func TestSplit(t *testing.T) {
	tests := []struct{ in, meaning, standard string }{
		{"It is X. Default: 3.", "It is X.", "3"},
		{"It is X. Required.", "It is X.", "none, the key is required"},
		{"It is X. Required, and each once.", "It is X.", "none, the key is required, and each once"},
		{"It is X.", "It is X.", ""},
	}
	for _, test := range tests {
		if meaning, standard := split(test.in); meaning != test.meaning || standard != test.standard {
			t.Errorf("%q gives %q and %q", test.in, meaning, standard)
		}
	}
}
