// Package lab builds BGP laboratories out of network namespaces, veth links and real FRR daemons, for the tests and for
// the demo program. It runs as root on Linux; everything it makes ends with the T it was made for, and what a killed
// process left behind is swept away by the next one.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// T is what a laboratory needs of a test. Every testing.TB is one; the demo program brings its own. Fatalf and Skipf must
// not return, and the functions given to Cleanup run last in, first out, also after Fatalf.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Cleanup(func())
}

const (
	// commandTimeout bounds every short command: ip, chroot id, vtysh.
	commandTimeout = 20 * time.Second
	// startTimeout bounds the start of one daemon, on a machine that does other things too.
	startTimeout = 20 * time.Second
	// stopTimeout is what a child gets between SIGTERM and SIGKILL.
	stopTimeout = 5 * time.Second
	// outputDelay is how long a child's output is still awaited after its end. A loaded machine can be slow to hand over what is in
	// the pipe.
	outputDelay = 10 * time.Second
	// pollInterval is how often a condition is looked at: each look may start a vtysh.
	pollInterval = 50 * time.Millisecond
)

// Version is one installed FRR.
type Version struct {
	// Name is what its bgpd calls itself: "10.3".
	Name string
	// Root is the folder to chroot into before anything of it is run; "/" is this machine's own.
	Root string
}

// Require skips t, saying why, where laboratories cannot be built: not as root, without iproute2 or without any FRR.
func Require(t T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skipf("laboratories need root: they make network namespaces")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skipf("laboratories need the command ip (package iproute2): run hack/setup --test")
	}
	if len(installed(t)) == 0 {
		t.Skipf("laboratories need FRR: run hack/setup --test")
	}
}

// Versions lists the FRR versions to test on, this machine's own first: all that hack/setup --test made, or those whose
// name begins with what the environment's FAIRLEAD_FRR says ("8.4", "10.3"; "all" means all). It skips t where the
// laboratory cannot be built, or where 8.4 or 10.3 is missing and was not left out by that.
func Versions(t T) []Version {
	t.Helper()
	Require(t)
	found := installed(t)
	want := os.Getenv("FAIRLEAD_FRR")
	if want == "" || want == "all" {
		for _, required := range []string{"8.4", "10.3"} {
			if !slices.ContainsFunc(found, func(v Version) bool { return strings.HasPrefix(v.Name, required) }) {
				t.Skipf("FRR %s is missing among the installed versions %v: run hack/setup --test", required, found)
			}
		}
		return found
	}
	var narrowed []Version
	for _, v := range found {
		if strings.HasPrefix(v.Name, want) {
			narrowed = append(narrowed, v)
		}
	}
	if len(narrowed) == 0 {
		t.Skipf("FAIRLEAD_FRR=%s names none of the installed versions %v: run hack/setup --test", want, found)
	}
	return narrowed
}

// Path gives the place of a file of v as this machine sees it. The path must not lead over a symbolic link.
func (v Version) Path(inside ...string) string {
	return filepath.Join(append([]string{v.Root}, inside...)...)
}

// Has reports whether v has the daemon, for example mgmtd, which is missing before FRR 9.
func (v Version) Has(daemon string) bool {
	_, err := os.Stat(v.Path(daemonDir, daemon))
	return err == nil
}

// Install copies a file of this machine to a new folder in the root of v, where programs of v find it at the path that is
// returned. The folder is removed when t ends.
func (v Version) Install(t T, hostFile string) string {
	t.Helper()
	data, err := os.ReadFile(hostFile)
	if err != nil {
		t.Fatalf("install %s: %v", hostFile, err)
	}
	info, err := os.Stat(hostFile)
	if err != nil {
		t.Fatalf("install %s: %v", hostFile, err)
	}
	dir, err := os.MkdirTemp(v.Path("tmp"), fmt.Sprintf("%s%d-", ours, os.Getpid()))
	if err != nil {
		t.Fatalf("install %s: %v", hostFile, err)
	}
	t.Cleanup(func() { removeAll(t, dir) })
	path := filepath.Join(dir, filepath.Base(hostFile))
	if err := errors.Join(os.WriteFile(path, data, info.Mode().Perm()), os.Chmod(dir, 0o755)); err != nil {
		t.Fatalf("install %s: %v", hostFile, err)
	}
	inside, err := filepath.Rel(v.Root, path)
	if err != nil {
		t.Fatalf("install %s: %v", hostFile, err)
	}
	return "/" + inside
}

const (
	daemonDir = "usr/lib/frr"
	// runDir is where /var/run/frr leads to: in a Debian root /var/run is an absolute link, which this machine would
	// resolve to its own folder.
	runDir = "run/frr"
	etcDir = "etc/frr"
)

// installed lists the roots that hold an FRR which runs.
func installed(t T) []Version {
	var found []Version
	for _, root := range append([]string{"/"}, cachedRoots()...) {
		v := Version{Root: root}
		if !v.Has("bgpd") {
			continue
		}
		out, err := command("chroot", root, "/"+daemonDir+"/bgpd", "--version")
		if err != nil {
			t.Logf("leave out the FRR in %s: %v", root, err)
			continue
		}
		first, _, _ := strings.Cut(out, "\n")
		fields := strings.Fields(first)
		if len(fields) == 0 {
			t.Logf("leave out the FRR in %s: bgpd says no version", root)
			continue
		}
		v.Name = fields[len(fields)-1]
		// This machine's own FRR can be the one of a folder too.
		if !slices.ContainsFunc(found, func(o Version) bool { return o.Name == v.Name }) {
			found = append(found, v)
			v.sweep(t)
		}
	}
	return found
}

// sweep removes the folders that daemons of v have left, which are named after them and their process: a daemon of FRR 10 does not
// start where its own is there already. What this machine's own FRR has left stays.
func (v Version) sweep(t T) {
	if v.Root == "/" {
		return
	}
	folders, err := filepath.Glob(v.Path("var/tmp/frr", "*.*"))
	if err != nil {
		t.Fatalf("look for what daemons left: %v", err)
	}
	for _, folder := range folders {
		_, process, _ := strings.Cut(filepath.Base(folder), ".")
		if _, err := os.Stat(filepath.Join("/proc", process)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			t.Logf("remove what a daemon left: %v", err)
		}
	}
}

// cachedRoots are the folders that hack/setup --test makes.
func cachedRoots() []string {
	cache := os.Getenv("FAIRLEAD_CACHE")
	if cache == "" {
		base := os.Getenv("XDG_CACHE_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return nil
			}
			base = filepath.Join(home, ".cache")
		}
		cache = filepath.Join(base, "fairlead")
	}
	var roots []string
	for _, suite := range []string{"bookworm", "trixie", "sid"} {
		roots = append(roots, filepath.Join(cache, "frr", suite))
	}
	return roots
}

// Eventually calls ready until it returns nil, and fails t with its last error when the timeout is over first. That is meant for an idle
// machine, and holds to the letter with FAIRLEAD_SOAK; where all tests run at once it is three times as long.
func Eventually(t T, timeout time.Duration, what string, ready func() error) {
	t.Helper()
	if os.Getenv("FAIRLEAD_SOAK") == "" {
		timeout *= 3
	}
	if err := poll(timeout, ready); err != nil {
		t.Fatalf("wait %s until %s: %v", timeout, what, err)
	}
}

func poll(timeout time.Duration, ready func() error) error {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-deadline.C:
			return err
		case <-tick.C:
		}
	}
}

// command runs a short program and returns what it printed, on both outputs.
func command(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("run %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// must runs a short program and fails t where that fails.
func must(t T, args ...string) string {
	t.Helper()
	out, err := command(args...)
	if err != nil {
		t.Fatalf("build laboratory: %v", err)
	}
	return out
}

func removeAll(t T, path string) {
	if err := os.RemoveAll(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Logf("clean up: %v", err)
	}
}

// FreeAddress finds a loopback port that nobody listens on. It lies below those that Linux gives to outgoing connections, so that
// it is still free when a killed server starts again.
func FreeAddress() (netip.AddrPort, error) {
	const lowest, count, tries = 20000, 12000, 50
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	var last error
	for range tries {
		address := netip.AddrPortFrom(loopback, uint16(lowest+rand.IntN(count)))
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
		if err == nil {
			return address, l.Close()
		}
		last = err
	}
	return netip.AddrPort{}, fmt.Errorf("find a free port: %w", last)
}
