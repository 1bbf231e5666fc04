package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

const cgroups = "/sys/fs/cgroup"

// hierarchies lists those of this machine that a kubelet needs: one folder for each controller, or a single one (cgroup v2). It skips t,
// saying why, where they are not there or may not be written.
func hierarchies(t lab.T) []string {
	t.Helper()
	if text, err := os.ReadFile(cgroups + "/cgroup.subtree_control"); err == nil {
		for _, controller := range []string{"cpu", "cpuset", "memory", "pids"} {
			if !strings.Contains(" "+strings.TrimSpace(string(text))+" ", " "+controller+" ") {
				t.Skipf("a cluster needs the cgroup controller %s in %s/cgroup.subtree_control, which has %s", controller, cgroups, text)
			}
		}
		return []string{cgroups}
	}
	for _, controller := range []string{"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids", "systemd"} {
		if _, err := os.Stat(filepath.Join(cgroups, controller, "cgroup.procs")); err != nil {
			t.Skipf("a cluster needs the cgroup controller %s: %v", controller, err)
		}
	}
	// The unified one too, where there is one beside the others: runc makes a cgroup in each.
	files, err := filepath.Glob(cgroups + "/*/cgroup.procs")
	if err != nil {
		t.Fatalf("list cgroups: %v", err)
	}
	var found []string
	for _, file := range files {
		// Some machines have links from one controller to the hierarchy that it shares with another.
		if dir := filepath.Dir(file); !isLink(dir) {
			found = append(found, dir)
		}
	}
	return found
}

func isLink(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// newCgroup makes a cgroup in every hierarchy, under which a kubelet keeps its own, and returns their folders. They end with t, after
// what runs in them.
func newCgroup(t lab.T, name string) []string {
	t.Helper()
	var made []string
	sweepCgroups(t)
	for _, h := range hierarchies(t) {
		dir := filepath.Join(h, name)
		if err := os.Mkdir(dir, 0o755); errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrExist) {
			t.Fatalf("make cgroup: %v", err)
		} else if err != nil {
			t.Skipf("a cluster needs cgroups that can be written: %v", err)
		}
		t.Cleanup(func() {
			if err := removeCgroup(dir); err != nil {
				t.Logf("clean up cgroup: %v", err)
			}
		})
		made = append(made, dir)
		// A new cpuset of version 1 is empty, and takes no process.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(h, file))
			if err != nil || len(bytes.TrimSpace(value)) == 0 {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
				t.Fatalf("make cgroup: %v", err)
			}
		}
	}
	return made
}

// sweepCgroups removes what clusters of processes that no longer live have left.
func sweepCgroups(t lab.T) {
	t.Helper()
	for _, pattern := range []string{cgroups + "/fl-*", cgroups + "/*/fl-*"} {
		left, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatalf("sweep cgroups: %v", err)
		}
		for _, dir := range left {
			if lab.Abandoned(filepath.Base(dir)) {
				if err := removeCgroup(dir); err != nil {
					t.Logf("sweep cgroups: %v", err)
				}
			}
		}
	}
}

// removeCgroup removes a cgroup and those under it, children first; the files in them are the kernel's.
func removeCgroup(dir string) error {
	if err := emptyCgroup(dir); err != nil {
		return err
	}
	// One whose last process has just ended is still busy for a moment.
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

// emptyCgroup removes the cgroups under one.
func emptyCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list cgroup: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeCgroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
