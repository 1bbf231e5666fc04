package reload

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// First the routes go and the sessions stay, then all of ours goes, and nothing of others.
func TestWithdrawAndClear(t *testing.T) {
	const foreign = "route-map MINE permit 10\n"
	running := Parse([]byte(golden(t, "one-switch") + foreign))
	frr := &model{running: append(running.Owned(), Parse([]byte(foreign))...)}
	path := filepath.Join(t.TempDir(), "frr.conf")
	r := New(frr, File{Path: path, Write: func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }})

	if _, err := r.Withdraw(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := strings.Join(lines(frr.running), "\n")
	if strings.Contains(left, "/ network ") || !strings.Contains(left, "neighbor 10.32.32.254 remote-as") {
		t.Errorf("after Withdraw FRR holds\n%s", left)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("Withdraw wrote frr.conf")
	}

	if _, err := r.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(lines(frr.running), "\n"), strings.TrimSpace(foreign); got != want {
		t.Errorf("after Clear FRR holds\n%s\nwant\n%s", got, want)
	}
	if conf, err := os.ReadFile(path); err != nil || strings.Contains(string(conf), "router bgp") {
		t.Errorf("after Clear frr.conf is %q, %v", conf, err)
	}
}
