package watch

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
)

func silent() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// followed is a Folder whose Run runs until the test ends.
type followed struct {
	*Folder
	dir    string
	events chan struct{}
}

func follow(t *testing.T, dir string) *followed {
	t.Helper()
	folder, err := OpenFolder(dir, silent())
	if err != nil {
		t.Fatal(err)
	}
	f := &followed{Folder: folder, dir: dir, events: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- folder.Run(ctx, func() {
			select {
			case f.events <- struct{}{}:
			default:
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f
}

// told is what the folder tells, shortened to what the tests vary: "name=bgp" for each pod, then the problems.
func (f *followed) told() string {
	var lines []string
	for _, p := range f.Snapshot().Pods {
		lines = append(lines, p.Name+"="+p.Annotations["ovn.kubernetes.io/bgp"])
	}
	for _, p := range f.Problems() {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "\n")
}

// expect waits until the folder tells what is wanted, and was told to have changed.
func (f *followed) expect(t *testing.T, want ...string) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for f.told() != strings.Join(want, "\n") {
		select {
		case <-f.events:
		case <-deadline:
			t.Fatalf("(-want +got):\n%s", cmp.Diff(strings.Join(want, "\n"), f.told()))
		}
	}
}

// stays checks that for a while nothing new is published.
func (f *followed) stays(t *testing.T, want ...string) {
	t.Helper()
	f.expect(t, want...)
	before := f.current.Load()
	ticker := time.NewTicker(quiet)
	defer ticker.Stop()
	for deadline := time.Now().Add(2 * limit); time.Now().Before(deadline); <-ticker.C {
		if f.current.Load() != before {
			t.Fatalf("told anew, want nothing new:\n%s", cmp.Diff(strings.Join(want, "\n"), f.told()))
		}
	}
}

func (f *followed) write(t *testing.T, name, text string) {
	t.Helper()
	writeFile(t, filepath.Join(f.dir, name), text)
}

// manifest is a pod for each "name=bgp".
func manifest(pods ...string) string {
	var b strings.Builder
	for _, p := range pods {
		name, bgp, _ := strings.Cut(p, "=")
		fmt.Fprintf(&b, "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  annotations:\n    ovn.kubernetes.io/bgp: %s\n", name, bgp)
	}
	return b.String()
}

func TestFolderEdits(t *testing.T) {
	f := follow(t, t.TempDir())
	f.write(t, "a.yaml", manifest("a=1", "b=1"))
	f.expect(t, "a=1", "b=1")

	writeInPlace(t, filepath.Join(f.dir, "a.yaml"), manifest("a=2", "b=1"))
	f.expect(t, "a=2", "b=1")

	// As editors save: a new file, renamed over the old one.
	f.write(t, "a.yaml.swp", manifest("a=3", "b=1"))
	if err := os.Rename(filepath.Join(f.dir, "a.yaml.swp"), filepath.Join(f.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "a=3", "b=1")

	f.write(t, "c.yaml", manifest("c=1"))
	f.expect(t, "a=3", "b=1", "c=1")
	if err := os.Remove(filepath.Join(f.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "c=1")
}

// An event that changes nothing that reduce reads wakes nobody.
func TestFolderSameContent(t *testing.T) {
	f := follow(t, t.TempDir())
	f.write(t, "a.yaml", manifest("a=1"))
	f.expect(t, "a=1")
	f.write(t, "a.yaml", "# a comment\n"+manifest("a=1")+"spec: {containers: []}\n")
	f.write(t, "notes.txt", "x")
	f.stays(t, "a=1")
}

func TestFolderConfigMap(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, "..2026_01", "a.yaml", manifest("a=1"))
	link(t, "..data/a.yaml", filepath.Join(dir, "a.yaml"))
	f := follow(t, dir)
	f.expect(t, "a=1")
	mount(t, dir, "..2026_02", "a.yaml", manifest("a=2"))
	remove(t, filepath.Join(dir, "..2026_01"))
	f.expect(t, "a=2")

	remove(t, filepath.Join(dir, "..2026_02"))
	f.expect(t, "a=2", "a.yaml: is a link that leads nowhere; keeping the content of the last good version")
	remove(t, filepath.Join(dir, "a.yaml"))
	f.expect(t)
}

func TestFolderBrokenThenMended(t *testing.T) {
	f := follow(t, t.TempDir())
	f.write(t, "a.yaml", manifest("a=1", "b=1"))
	f.write(t, "c.yaml", manifest("c=1"))
	f.expect(t, "a=1", "b=1", "c=1")

	f.write(t, "a.yaml", manifest("a=2", "b=[")+manifest("d=1"))
	f.write(t, "c.yaml", manifest("c=2"))
	f.expect(t, "a=1", "b=1", "c=2", "a.yaml:14: did not find expected node content; keeping the content of the last good version")

	f.write(t, "a.yaml", manifest("a=2", "b=2"))
	f.expect(t, "a=2", "b=2", "c=2")
}

// A wrong object keeps its own last good version, through more than one edit; its neighbors go on.
func TestFolderWrongObject(t *testing.T) {
	f := follow(t, t.TempDir())
	f.write(t, "a.yaml", manifest("a=1", "b=1"))
	f.expect(t, "a=1", "b=1")
	problem := "a.yaml:7: Pod default/a: metadata.annotations.ovn.kubernetes.io/bgp is a list where a string is wanted"
	f.write(t, "a.yaml", manifest("a=[x]", "b=2"))
	f.expect(t, "a=1", "b=2", problem+"; keeping its last good version")
	f.write(t, "a.yaml", manifest("a=[y]", "b=3", "c=1"))
	f.expect(t, "a=1", "b=3", "c=1", problem+"; keeping its last good version")
	f.write(t, "a.yaml", manifest("a=4", "b=3"))
	f.expect(t, "a=4", "b=3")
}

func TestFolderEmptied(t *testing.T) {
	f := follow(t, t.TempDir())
	f.write(t, "empty.yaml", "")
	f.write(t, "a.yaml", manifest("a=1"))
	f.expect(t, "a=1")
	f.write(t, "a.yaml", "")
	f.stays(t, "a=1", "a.yaml: is empty: delete the file to withdraw what it holds; keeping the content of the last good version")
	f.write(t, "a.yaml", manifest("a=2"))
	f.expect(t, "a=2")
	f.write(t, "a.yaml", "# nothing any more\n")
	f.expect(t)
}

// A file that is written in two halves, with a pause in which it is read, never withdraws what stands in both versions.
func TestFolderTornWrite(t *testing.T) {
	f := follow(t, t.TempDir())
	f.write(t, "a.yaml", manifest("a=1", "b=1"))
	f.expect(t, "a=1", "b=1")

	whole := manifest("a=2", "b=2")
	half := strings.LastIndex(whole, "metadata") + len("meta") // in the middle of a key
	file, err := os.Create(filepath.Join(f.dir, "a.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if _, err := file.WriteString(whole[:half]); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "a=1", "b=1", "a.yaml:11: could not find expected ':'; keeping the content of the last good version")
	if _, err := file.WriteString(whole[half:]); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "a=2", "b=2")
}

func TestFolderRemovedAndMadeAgain(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "manifests")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := follow(t, dir)
	f.write(t, "a.yaml", manifest("a=1"))
	f.expect(t, "a=1")

	// Moved away in one step, so that no file of it is seen to go.
	if err := os.Rename(dir, filepath.Join(parent, "away")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, "a=1", "read folder: open "+dir+": no such file or directory; keeping all that was in it")

	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f.write(t, "a.yaml", manifest("a=2"))
	f.expect(t, "a=2")
	f.write(t, "b.yaml", manifest("b=1"))
	f.expect(t, "a=2", "b=1")
}

// A folder that was moved and moved back is the same one, but its watch ended with the move.
func TestFolderMovedAndBack(t *testing.T) {
	parent := t.TempDir()
	dir, away := filepath.Join(parent, "manifests"), filepath.Join(parent, "away")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f := follow(t, dir)
	f.write(t, "a.yaml", manifest("a=1"))
	f.expect(t, "a=1")
	if err := os.Rename(dir, away); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(away, dir); err != nil {
		t.Fatal(err)
	}
	f.stays(t, "a=1")
	f.write(t, "a.yaml", manifest("a=2"))
	f.expect(t, "a=2")
}

// One edit among many objects makes one object anew: all others come from the cache.
func TestFolderManyDocuments(t *testing.T) {
	dir := t.TempDir()
	writePods(t, dir, 2000, 3)
	f := follow(t, dir)
	if n := len(f.Snapshot().Pods); n != 2000 {
		t.Fatalf("%d pods, want 2000", n)
	}
	before := f.Snapshot().Pods
	path := filepath.Join(dir, "pods-00001.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, strings.Replace(string(text), `bgp: "true"`, `bgp: "false"`, 1))
	<-f.events
	after := f.Snapshot().Pods
	var different []string
	for i := range after {
		if before[i] != after[i] {
			different = append(different, after[i].Name+"="+after[i].Annotations["ovn.kubernetes.io/bgp"])
		}
	}
	if diff := cmp.Diff([]string{"pod-00666=false"}, different); diff != "" {
		t.Errorf("objects made anew (-want +got):\n%s", diff)
	}
}

func TestOpenFolderMissing(t *testing.T) {
	if _, err := OpenFolder(filepath.Join(t.TempDir(), "nowhere"), silent()); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("got %v, want an error that names the folder", err)
	}
}

func TestProblemString(t *testing.T) {
	tests := []struct {
		in   Problem
		want string
	}{
		{Problem{"a.yaml", 12, "is wrong"}, "a.yaml:12: is wrong"},
		{Problem{"a.yaml", 0, "is wrong"}, "a.yaml: is wrong"},
		{Problem{"", 0, "is wrong"}, "is wrong"},
	}
	for _, tt := range tests {
		if got := tt.in.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
