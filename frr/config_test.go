package frr_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
)

func TestWriteConfig(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("giving files to others needs root")
	}
	type owner struct {
		UID, GID uint32
		Mode     os.FileMode
	}
	ownerOf := func(path string) owner {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		stat := info.Sys().(*syscall.Stat_t)
		return owner{stat.Uid, stat.Gid, info.Mode()}
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4001, 4002); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "frr.conf")
	for _, step := range []struct {
		name, data string
		before     func() error
		want       owner
	}{
		{"a new file takes the folder's owner", "one\n", func() error { return nil }, owner{4001, 4002, 0o640}},
		{"an old file keeps its own", "two\n", func() error { return os.Chown(path, 4003, 4004) }, owner{4003, 4004, 0o640}},
		{"and loses a mode that shows passwords", "three\n", func() error { return os.Chmod(path, 0o644) }, owner{4003, 4004, 0o640}},
	} {
		t.Run(step.name, func(t *testing.T) {
			if err := step.before(); err != nil {
				t.Fatal(err)
			}
			if err := frr.WriteConfig(path, []byte(step.data)); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(step.data, string(got)); diff != "" {
				t.Errorf("content (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(step.want, ownerOf(path)); diff != "" {
				t.Errorf("owner (-want +got)\n%s", diff)
			}
		})
	}
	// A folder cannot be replaced by a file: the error must leave nothing behind.
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := frr.WriteConfig(taken, nil); err == nil {
		t.Error("a folder was replaced by a file")
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("folder holds %v, want frr.conf and taken", entries)
	}
}
