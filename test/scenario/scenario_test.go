// Package scenario holds what is announced and why, as data: each file of testdata is one cluster, one configuration and
// what a node of it should announce. A new case is a new file.
//
// A file is a txtar archive: config.yaml, any number of objects*.yaml, and for each node that is asked a file want-NODE,
// whose lines are
//
//	NEIGHBOR has a password
//	NEIGHBOR gets PREFIX from OBJECT, OBJECT
//	NEIGHBOR in ROUTER gets PREFIX from OBJECT, OBJECT
//	skipped OBJECT: REASON
//	warning OBJECT: REASON
//
// or one line "error: TEXT" where nothing can be said of the node. `go test ./test/scenario -update` writes them anew.
//
// The same is played twice: on a folder of manifests, and on a real API server. Where a node that asks the API is told
// something else, because it sees less, a file api-want-NODE says so; that one is written by hand.
package scenario

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/watch"
)

var update = flag.Bool("update", false, "write the wanted lines anew")

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no scenario")
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { play(t, path) })
	}
}

// read gives a scenario's files and its configuration.
func read(t *testing.T, path string) (*txtar.Archive, config.Config) {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var c config.Config
	for _, f := range archive.Files {
		if f.Name == "config.yaml" {
			if c, err = config.Parse(f.Name, f.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	return archive, c
}

// isObjects tells the files of a scenario that hold objects.
func isObjects(f txtar.File) bool { return strings.HasPrefix(f.Name, "objects") }

// play gives the objects of a scenario to a folder of manifests and compares what each node should announce.
func play(t *testing.T, path string) {
	archive, c := read(t, path)
	renderer, err := render.New(templates.FS)
	if err != nil {
		t.Fatal(err)
	}
	manifests := t.TempDir()
	asked := 0
	for _, f := range archive.Files {
		if isObjects(f) {
			if err := os.WriteFile(filepath.Join(manifests, f.Name), f.Data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	snapshot, problems, err := watch.ReadFolder(manifests)
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) > 0 {
		t.Errorf("problems of the manifests: %v", problems)
	}
	for i, f := range archive.Files {
		node, ok := strings.CutPrefix(f.Name, "want-")
		if !ok {
			continue
		}
		asked++
		got := told(snapshot, c, node)
		if *update {
			archive.Files[i].Data = []byte(got)
		} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", node, diff)
		}
		before := conf(t, renderer, snapshot, c, node)
		shuffle(snapshot)
		if again := told(snapshot, c, node); again != got {
			t.Errorf("%s: another order of the objects gives another result:\n%s", node, cmp.Diff(got, again))
		}
		if again := conf(t, renderer, snapshot, c, node); again != before {
			t.Errorf("%s: another order of the objects gives another frr.conf:\n%s", node, cmp.Diff(before, again))
		}
	}
	if asked == 0 {
		t.Error("no node is asked: add a file want-NODE")
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// told gives the lines of a want file.
func told(s reduce.Snapshot, c config.Config, node string) string {
	result, err := reduce.Reduce(s, c, node)
	if err != nil {
		return fmt.Sprintf("error: %v\n", err)
	}
	var out bytes.Buffer
	for _, r := range result.Speaker.Routers {
		for _, n := range r.Neighbors {
			id := n.ID()
			if r.Name != "" {
				id += " in " + r.Name
			}
			if n.Password != "" {
				fmt.Fprintf(&out, "%s has a password\n", id)
			}
			for _, a := range r.AdjRIBOut(n) {
				from := make([]string, len(a.From))
				for i, o := range a.From {
					from[i] = o.String()
				}
				fmt.Fprintf(&out, "%s gets %s from %s\n", id, a.Prefix, strings.Join(from, ", "))
			}
		}
	}
	for _, s := range result.Skipped {
		fmt.Fprintf(&out, "skipped %s: %s\n", s.Object, s.Reason)
		if s.Remedy == "" {
			fmt.Fprintf(&out, "and what to do about it is not said\n")
		}
	}
	for _, w := range result.Warnings {
		fmt.Fprintf(&out, "warning %s: %s\n", w.Object, w.Reason)
	}
	return out.String()
}

// conf gives the frr.conf of a node, or "" where nothing can be said of it.
func conf(t testing.TB, r *render.Renderer, s reduce.Snapshot, c config.Config, node string) string {
	t.Helper()
	result, err := reduce.Reduce(s, c, node)
	if err != nil {
		return ""
	}
	conf, err := r.Render(result.Speaker)
	if err != nil {
		t.Fatal(err)
	}
	return string(conf)
}

// shuffle puts the objects of a snapshot that nobody else uses into another order.
func shuffle(s reduce.Snapshot) {
	random := rand.New(rand.NewPCG(uint64(len(s.Pods)), 7))
	random.Shuffle(len(s.Pods), func(i, j int) { s.Pods[i], s.Pods[j] = s.Pods[j], s.Pods[i] })
	random.Shuffle(len(s.Services), func(i, j int) { s.Services[i], s.Services[j] = s.Services[j], s.Services[i] })
	random.Shuffle(len(s.Subnets), func(i, j int) { s.Subnets[i], s.Subnets[j] = s.Subnets[j], s.Subnets[i] })
	random.Shuffle(len(s.Nodes), func(i, j int) { s.Nodes[i], s.Nodes[j] = s.Nodes[j], s.Nodes[i] })
	random.Shuffle(len(s.EIPs), func(i, j int) { s.EIPs[i], s.EIPs[j] = s.EIPs[j], s.EIPs[i] })
	random.Shuffle(len(s.Gateways), func(i, j int) { s.Gateways[i], s.Gateways[j] = s.Gateways[j], s.Gateways[i] })
	random.Shuffle(len(s.Secrets), func(i, j int) { s.Secrets[i], s.Secrets[j] = s.Secrets[j], s.Secrets[i] })
}
