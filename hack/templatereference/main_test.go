package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCurrent(t *testing.T) {
	want, err := generate("../../render/data.go", "../../templates")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/reference/templates.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the page is not current, run go generate ./render (-want +got):\n%s", diff)
	}
}

func TestNotUnderstood(t *testing.T) {
	for name, c := range map[string]struct{ root, says string }{
		"no such field": {`{{ range .Nothing }}{{ template "a.tmpl" . }}{{ end }}`, "Document has no field Nothing"},
		"not called":    {"text", "nothing calls it"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{root: c.root, "a.tmpl": "a"} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := generate("../../render/data.go", dir); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got error %v, want %q", err, c.says)
			}
		})
	}
}
