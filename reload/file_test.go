package reload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What somebody writes into frr.conf between two applies is kept, by whatever way it gets there; without, the file is not read.
func TestFileEditedMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "frr.conf")
	writes := 0
	f := File{Path: path, Write: func(path string, data []byte) error {
		writes++
		return replace(path, data)
	}}
	save := func(conf string) string {
		t.Helper()
		if err := f.save([]byte(conf), nil); err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(kept)
	}
	one, two := golden(t, "one-switch"), golden(t, "pair-of-switches")
	with := func(conf, foreign string) string {
		return strings.TrimSuffix(conf, "end\n") + foreignHeading + foreign + "!\nend\n"
	}
	edits := []struct {
		name string
		edit func() error
		want func(conf string) string
	}{
		{"nobody", func() error { return nil }, func(conf string) string { return conf }},
		{"appended", func() error {
			file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = file.WriteString("log syslog\n")
			return err
		}, func(conf string) string { return with(conf, "log syslog\n") }},
		{"nobody again", func() error { return nil }, func(conf string) string { return with(conf, "log syslog\n") }},
		{"replaced, as long as before", func() error {
			return replace(path, []byte(strings.Replace(with(one, "log syslog\n"), "syslog", "stdout", 1)))
		},
			func(conf string) string { return with(conf, "log stdout\n") }},
		{"removed", func() error { return os.Remove(path) }, func(conf string) string { return conf }},
	}
	for _, e := range edits {
		save(one)
		if err := e.edit(); err != nil {
			t.Fatal(err)
		}
		for _, conf := range []string{one, two, one} {
			if got := save(conf); got != e.want(conf) {
				t.Errorf("%s: frr.conf is\n%s\nwant\n%s", e.name, got, e.want(conf))
			}
		}
		writes = 0
		if save(one); writes != 0 {
			t.Errorf("%s: %d writes of what the file holds", e.name, writes)
		}
	}
}

// replace writes a file as frr.WriteConfig does, without waiting for the disk.
func replace(path string, data []byte) error {
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// A file that was not written, or not known to be, is tried again.
func TestFileNotWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "frr.conf")
	broken := os.ErrPermission
	f := File{Path: path, Write: func(path string, data []byte) error {
		if broken != nil {
			return broken
		}
		return replace(path, data)
	}}
	one := golden(t, "one-switch")
	for range 2 {
		if err := f.save([]byte(one), nil); err == nil {
			t.Fatal("a file that cannot be written is no error")
		}
	}
	broken = nil
	if err := f.save([]byte(one), nil); err != nil {
		t.Fatal(err)
	}
	if kept, err := os.ReadFile(path); err != nil || string(kept) != one {
		t.Errorf("frr.conf is %q, %v", kept, err)
	}
}
