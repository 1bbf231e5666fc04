package socket

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestListen makes a folder for a socket that only its user may reach, and serves it once at a time.
func TestListen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own", "s.sock")
	l, err := Listen(t.Context(), path, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{filepath.Dir(path): os.ModeDir | 0o700, path: os.ModeSocket | 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %s", name, info, err, want)
		}
	}
	if _, err := Listen(t.Context(), path, 0o700); !errors.Is(err, ErrTaken) {
		t.Errorf("a second one gets %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Listen(t.Context(), path, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), path, 0o700); err == nil || errors.Is(err, ErrTaken) {
		t.Errorf("over a file: %v", err)
	}
}
