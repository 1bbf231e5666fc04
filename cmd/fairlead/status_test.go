package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/status"
)

// TestStatus asks an agent's socket by the command line, in each form.
func TestStatus(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "fairlead.sock")
	board := status.New(status.Options{Node: "node1", Version: "v1.2.3"})
	if _, err := serveBoard(t, board, status.Config{Socket: socket}); err != nil {
		t.Fatal(err)
	}

	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		cmd := root()
		cmd.SetArgs(append([]string{"status", "--socket", socket}, args...))
		cmd.SetOut(&out)
		if err := cmd.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if page := run(); !strings.HasPrefix(page, "node node1, version v1.2.3, up for ") {
		t.Errorf("the page is\n%s", page)
	}
	var state struct{ Node string }
	if text := run("-o", "json"); json.Unmarshal([]byte(text), &state) != nil || state.Node != "node1" {
		t.Errorf("the JSON is\n%s", text)
	}
	if text := run("-o", "yaml"); !strings.Contains(text, "\nnode: node1\n") {
		t.Errorf("the YAML is\n%s", text)
	}
}
