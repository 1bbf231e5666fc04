package lab

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ReloadDelta is what FRR's own frr-reload.py would delete from and add to the running configuration to make it config:
// a second opinion on whether the two are the same. Lines that FRR adds to every running configuration by itself, and
// that no file need hold, are left out of it.
func (r *Router) ReloadDelta(config string) (deleted, added []string) {
	r.t.Helper()
	folder, err := os.MkdirTemp("", "fl-judge-")
	if err != nil {
		r.t.Fatalf("judge %s: %v", r.Pathspace, err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	file := filepath.Join(folder, "frr.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		r.t.Fatalf("judge %s: %v", r.Pathspace, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := r.Namespace.Command(ctx, r.Version, "/usr/lib/frr/frr-reload.py", "--test", "--stdout",
		"--log-level", "error", "--pathspace", r.Pathspace, "--rundir", "/tmp", r.Version.Install(r.t, file)).CombinedOutput()
	if err != nil {
		r.t.Fatalf("frr-reload.py --test: %v\n%s", err, out)
	}
	var to *[]string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "Lines To Delete":
			to = &deleted
		case line == "Lines To Add":
			to = &added
		case line == "" || strings.Trim(line, "=") == "" || written(line):
		case to != nil:
			*to = append(*to, line)
		default:
			r.t.Fatalf("frr-reload.py --test says what nobody understands: %q in\n%s", line, out)
		}
	}
	return deleted, added
}

// written reports whether frr-reload.py speaks of a line that FRR puts into running-config without being told.
func written(line string) bool {
	for _, prefix := range []string{"hostname ", "ip forwarding", "ipv6 forwarding", "frr version "} {
		if strings.HasPrefix(line, prefix) || strings.HasPrefix(line, "no "+prefix) {
			return true
		}
	}
	return false
}
