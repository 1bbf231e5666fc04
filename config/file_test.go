package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What is no text file neither blocks nor fills the memory, whichever key names it.
func TestOnlyRegularFiles(t *testing.T) {
	tests := []struct {
		name string
		make func(path string) error
		err  string
	}{
		{name: "named pipe", make: func(path string) error { return syscall.Mkfifo(path, 0o600) }, err: " is a named pipe: name a file with text in it"},
		{name: "device", make: func(path string) error { return os.Symlink("/dev/zero", path) }, err: " is a device: name a file with text in it"},
		{name: "folder", make: func(path string) error { return os.Mkdir(path, 0o700) }, err: " is a folder: name a file with text in it"},
		{
			name: "huge", make: func(path string) error {
				f, err := os.Create(path)
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				return f.Truncate(1 << 40)
			},
			err: " is larger than 1048576 bytes: name a file with text in it",
		},
		{name: "missing", make: func(string) error { return nil }, err: ": no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadFile(path); err == nil || !strings.HasSuffix(err.Error(), path+tt.err) {
				t.Errorf("ReadFile: %v, want %q", err, path+tt.err)
			}
			c := Config{Neighbors: []Neighbor{{Name: "tor1", Session: Session{PasswordFile: path}}}}
			err := c.ReadPasswords("/")
			if err == nil || !strings.HasPrefix(err.Error(), "read password of neighbors[0] (tor1): ") {
				t.Errorf("ReadPasswords: %v", err)
			}
			if tt.name != "huge" && err != nil && !strings.HasSuffix(err.Error(), path+tt.err) {
				t.Errorf("ReadPasswords: %v, want %q", err, path+tt.err)
			}
		})
	}
}

// Linked files are read, as a ConfigMap's are, and up to the last byte that may be.
func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	want := strings.Repeat("#", maxFile)
	write(t, filepath.Join(dir, "..data", "config.yaml"), want)
	if err := os.Symlink("..data/config.yaml", filepath.Join(dir, "config.yaml")); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(filepath.Join(dir, "config.yaml"))
	if err != nil || string(got) != want {
		t.Errorf("got %d bytes, error %v, want %d", len(got), err, len(want))
	}
}
