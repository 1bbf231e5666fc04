package watch

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/reduce"
)

var update = flag.Bool("update", false, "write what the tests got into testdata")

// tell writes a snapshot and problems, an object or a problem a line.
func tell(tb testing.TB, s reduce.Snapshot, problems []Problem) string {
	tb.Helper()
	var b strings.Builder
	line := func(kind string, o any) {
		text, err := json.Marshal(o)
		if err != nil {
			tb.Fatal(err)
		}
		fmt.Fprintf(&b, "%s %s\n", kind, text)
	}
	for _, o := range s.Pods {
		line("Pod", o)
	}
	for _, o := range s.Services {
		line("Service", o)
	}
	for _, o := range s.Nodes {
		line("Node", o)
	}
	for _, o := range s.Subnets {
		line("Subnet", o)
	}
	for _, o := range s.EIPs {
		line("IptablesEIP", o)
	}
	for _, o := range s.Gateways {
		line("VpcNatGateway", o)
	}
	for _, o := range s.Secrets {
		line("Secret", o)
	}
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	return b.String()
}

// TestReadFolder has a file for each case: the folder's files, and under "want" what comes of them.
func TestReadFolder(t *testing.T) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var want *txtar.File
			for i, f := range archive.Files {
				if f.Name == "want" {
					want = &archive.Files[i]
					continue
				}
				writeFile(t, filepath.Join(dir, f.Name), string(f.Data))
			}
			if want == nil {
				t.Fatal("the case has no want")
			}
			snapshot, problems, err := ReadFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			got := tell(t, snapshot, problems)
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadFolderMissing(t *testing.T) {
	if _, _, err := ReadFolder(filepath.Join(t.TempDir(), "nowhere")); !os.IsNotExist(err) && !strings.Contains(fmt.Sprint(err), "nowhere") {
		t.Errorf("got %v, want an error that names the folder", err)
	}
}

// TestHostile reads what is made to hurt: each must be a problem, and nothing of it used.
func TestHostile(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'j'; c++ {
		alias := "*" + string(c-1)
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.Join([]string{alias, alias, alias, alias, alias, alias, alias, alias, alias}, ", "))
	}
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	tests := []struct{ name, file, text, want string }{
		{"alias bomb", "a.yaml", pod + bomb, "a.yaml:1: aliases make it grow to more than ten times its size: write it out; nothing of this file is used"},
		{"merge bomb", "a.yaml", pod + strings.NewReplacer("[x, x, x, x, x, x, x, x, x, x]", "{x: y}", "[", "{<<: [", "]", "]}").Replace(bomb),
			"a.yaml:1: aliases make it grow to more than ten times its size: write it out; nothing of this file is used"},
		{"alias within itself", "a.yaml", pod + "spec: &a\n  x: *a\n", "a.yaml:1: alias *a is part of what it stands for; nothing of this file is used"},
		{"deep flow", "a.yaml", pod + "spec: " + strings.Repeat("[", 1_000_000), "a.yaml:4: exceeded max depth of 10000; nothing of this file is used"},
		{"deep blocks", "a.yaml", strings.Repeat("- ", 1_000_000), "a.yaml:1: exceeded max depth of 10000; nothing of this file is used"},
		{"deep JSON", "a.json", `{"apiVersion":"v1","kind":"Pod","spec":` + strings.Repeat("[", 1_000_000), "a.json:1: exceeded max depth of 10000; nothing of this file is used"},
		{"binary", "a.yaml", "a: b\nc: \x00\x01\n", "a.yaml:2: control characters are not allowed; nothing of this file is used"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, tt.file), tt.text)
			snapshot, problems, err := ReadFolder(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want+"\n", tell(t, snapshot, problems)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLargeFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.yaml")
	writeFile(t, path, podText(1, "10.16.0.1"))
	if err := os.Truncate(path, maxSize+1); err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("a.yaml: is larger than 64 MiB; nothing of this file is used\n", tell(t, snapshot, problems)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestListsAreCut makes sure that the items of lists are parsed each on its own: with nothing but the cut an edit of a
// long list is cheap.
func TestListsAreCut(t *testing.T) {
	documents := podText(1, "10.16.0.1") + podText(2, "10.16.0.2")
	tests := []struct {
		name, text string
		want       int // parts
	}{
		{"kubectl -o yaml", asList(documents), 2},
		{"kubectl -o json", "{\n  \"apiVersion\": \"v1\",\n  \"items\": [\n    {\"kind\": \"a]\\\"\"},\n    {\"kind\": \"b\", \"c\": [{}]}\n  ],\n  \"kind\": \"List\"\n}\n", 2},
		{"indented", "apiVersion: v1\nkind: PodList\nitems: # all\n\n  # one\n  - metadata: {name: a}\n  -\n    metadata:\n      name: b\n", 2},
		{"no list", "apiVersion: v1\nkind: Pod\nitems:\n- a\n- b\n", 1},
		{"items in a quoted scalar", "apiVersion: v1\nkind: List\na: \"x\nitems:\n- b\n- c\nd\"\n", 1},
		{"flow", "apiVersion: v1\nkind: List\nitems: [{kind: Pod}, {kind: Pod}]\n", 1},
		{"two items keys", "apiVersion: v1\nkind: List\nitems:\n- a\n- b\nitems: []\n", 1},
		{"aligned wrongly", "apiVersion: v1\nkind: List\nitems:\n  - a\n - b\n", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pieces := splitDocuments([]byte(tt.text))
			if len(pieces) != 1 {
				t.Fatalf("%d documents, want 1", len(pieces))
			}
			if got := len(splitList(pieces[0]).parts); got != tt.want {
				t.Errorf("%d parts, want %d", got, tt.want)
			}
		})
	}
}

func TestSplitDocuments(t *testing.T) {
	type part struct {
		Text string
		Line int
	}
	tests := []struct {
		name, in string
		want     []part
	}{
		{"nothing", "", nil},
		{"blank and comments", "# a\n\n---\n# b\n---\n", nil},
		{"one", "a: b\n", []part{{"a: b\n", 1}}},
		{"two", "a: b\n---\nc: d", []part{{"a: b\n", 1}, {"---\nc: d", 2}}},
		{"comment behind the marker", "a: b\n--- # two\nc: d\n", []part{{"a: b\n", 1}, {"--- # two\nc: d\n", 2}}},
		{"content behind the marker", "--- a\n--- {b: c}\n", []part{{"--- a\n", 1}, {"--- {b: c}\n", 2}}},
		{"no marker", "a: b\n---c\n ---\n", []part{{"a: b\n---c\n ---\n", 1}}},
		{"CRLF", "a: b\r\n---\r\nc: d\r\n", []part{{"a: b\r\n", 1}, {"---\r\nc: d\r\n", 2}}},
		{"end marker", "a: b\n...\n# end\nc: d\n...\n", []part{{"a: b\n...\n", 1}, {"# end\nc: d\n...\n", 3}}},
		{"directives", "%YAML 1.1\n# x\n---\na: b\n...\n%YAML 1.1\n---\nc: d\n", []part{{"%YAML 1.1\n# x\n---\na: b\n...\n", 1}, {"%YAML 1.1\n---\nc: d\n", 6}}},
		{"byte order mark", "\xef\xbb\xbf---\na: b\n", []part{{"---\na: b\n", 1}}},
		{"empty ones between", "---\n---\na: b\n---\n\n---\nc: d\n", []part{{"---\n---\na: b\n", 1}, {"---\n\n---\nc: d\n", 4}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []part
			for _, p := range splitDocuments([]byte(tt.in)) {
				got = append(got, part{string(p.text), p.line})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
