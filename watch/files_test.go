package watch

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// followFiles runs a Files until the test ends and gives the words that something changed.
func followFiles(t *testing.T) (*Files, <-chan struct{}) {
	t.Helper()
	f := NewFiles(silent())
	changed := make(chan struct{}, 16)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Run(ctx, func() { changed <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return f, changed
}

// awaitChange waits for a word, and until there are no more: a write that is seen half done gives two.
func awaitChange(t *testing.T, changed <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changed:
	case <-time.After(10 * time.Second):
		t.Fatalf("nobody was told of: %s", what)
	}
	for {
		select {
		case <-changed:
		case <-time.After(limit):
			return
		}
	}
}

func awaitCalm(t *testing.T, changed <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-changed:
		t.Fatalf("told of a change, want none: %s", what)
	case <-time.After(2 * limit):
	}
}

func TestFilesEdits(t *testing.T) {
	dir := t.TempDir()
	path, missing := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "secrets", "password")
	writeFile(t, path, "one")
	f, changed := followFiles(t)
	f.Follow(path, missing)
	awaitChange(t, changed, "the first look")

	writeInPlace(t, path, "two")
	awaitChange(t, changed, "a write")
	writeFile(t, path, "two")
	writeFile(t, filepath.Join(dir, "other.yaml"), "x")
	awaitCalm(t, changed, "the same content, and another file")

	writeFile(t, path+".swp", "three")
	if err := os.Rename(path+".swp", path); err != nil {
		t.Fatal(err)
	}
	awaitChange(t, changed, "a rename over it")

	if err := os.Mkdir(filepath.Dir(missing), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, missing, "secret")
	awaitChange(t, changed, "a file in a folder that was not there")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	awaitChange(t, changed, "a removal")

	f.Follow(missing)
	awaitChange(t, changed, "another set of files")
	f.Follow(missing, missing)
	writeFile(t, path, "four")
	awaitCalm(t, changed, "a file that is no longer followed")
}

func TestFilesFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "templates")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, changed := followFiles(t)
	f.Follow(dir)
	awaitChange(t, changed, "the first look")
	writeFile(t, filepath.Join(dir, "a.tmpl"), "a")
	awaitChange(t, changed, "a new file")
	writeFile(t, filepath.Join(dir, ".a.tmpl.swp"), "a")
	awaitCalm(t, changed, "a hidden file")

	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	awaitChange(t, changed, "the folder moved away")
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	awaitChange(t, changed, "the folder came back")
	writeFile(t, filepath.Join(dir, "a.tmpl"), "b")
	awaitChange(t, changed, "a write in it")
}

// mount makes what the kubelet makes of a ConfigMap: a file in a folder named by its version, and a link to it that is swapped.
func mount(t *testing.T, dir, version, file, text string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, version, file), text)
	link(t, version, filepath.Join(dir, "..data_tmp"))
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, path string) {
	t.Helper()
	if err := os.Symlink(to, path); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

// TestFilesMount swaps the link of a ConfigMap's mount, and changes a file that a link leads to.
func TestFilesMount(t *testing.T) {
	dir, elsewhere := t.TempDir(), filepath.Join(t.TempDir(), "password")
	mount(t, dir, "..1", "config.yaml", "one")
	link(t, "..data/config.yaml", filepath.Join(dir, "config.yaml"))
	writeFile(t, elsewhere, "old")
	link(t, elsewhere, filepath.Join(dir, "password"))

	f, changed := followFiles(t)
	f.Follow(filepath.Join(dir, "config.yaml"), filepath.Join(dir, "password"))
	awaitChange(t, changed, "the first look")
	mount(t, dir, "..2", "config.yaml", "one")
	awaitCalm(t, changed, "a swap to the same content")
	mount(t, dir, "..3", "config.yaml", "two")
	remove(t, filepath.Join(dir, "..1"))
	awaitChange(t, changed, "a swap to another content")
	writeInPlace(t, elsewhere, "new")
	awaitChange(t, changed, "a write to where a link leads")
}

// TestFilesMountedFolder follows the mount of a ConfigMap as a whole, which is empty at first.
func TestFilesMountedFolder(t *testing.T) {
	dir := t.TempDir()
	f, changed := followFiles(t)
	f.Follow(dir)
	awaitChange(t, changed, "the first look")
	mount(t, dir, "..1", "a.tmpl", "one")
	link(t, "..data/a.tmpl", filepath.Join(dir, "a.tmpl"))
	awaitChange(t, changed, "the first file")
	mount(t, dir, "..2", "a.tmpl", "one")
	remove(t, filepath.Join(dir, "..1"))
	awaitCalm(t, changed, "a swap to the same content")
	mount(t, dir, "..3", "a.tmpl", "two")
	awaitChange(t, changed, "a swap to another content")
	remove(t, filepath.Join(dir, "a.tmpl"))
	awaitChange(t, changed, "the file goes")
}

func TestFingerprint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	writeFile(t, path, "hunter2")
	one := fingerprint([]string{path})
	writeFile(t, path, "hunter3")
	if other := fingerprint([]string{path}); other == one {
		t.Error("another content has the same fingerprint")
	}
	writeFile(t, path, "hunter2")
	if again := fingerprint([]string{path}); again != one {
		t.Error("the same content has another fingerprint")
	}
	if strings.Contains(string(one[:]), "hunter") {
		t.Error("the fingerprint tells the content")
	}
}
