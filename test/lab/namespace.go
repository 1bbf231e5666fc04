package lab

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	// ours begins the name of every namespace and folder that a laboratory makes; the process number follows.
	ours     = "fl-"
	netnsDir = "/run/netns"
	maxName  = 30
)

// Namespace is a network namespace: one host of the laboratory, with its loopback up.
type Namespace struct {
	// Name is how ip netns knows it: fl-PID-NUMBER-NAME.
	Name string
}

// NewNamespace makes a network namespace that ends with t, and everything that still runs in it with it.
func NewNamespace(t T, name string) *Namespace {
	t.Helper()
	Require(t)
	Sweep(t)
	ns := &Namespace{}
	// The number is found by trying, so that tests which run side by side in one process need no counter.
	for n := 1; ; n++ {
		ns.Name = fmt.Sprintf("%s%d-%d-%s", ours, os.Getpid(), n, name)
		if len(ns.Name) > maxName {
			ns.Name = ns.Name[:maxName]
		}
		if _, err := os.Lstat(filepath.Join(netnsDir, ns.Name)); err == nil {
			continue
		}
		_, err := command("ip", "netns", "add", ns.Name)
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "File exists") {
			t.Fatalf("make namespace: %v", err)
		}
	}
	t.Cleanup(func() {
		if err := removeNamespace(ns.Name); err != nil {
			t.Logf("clean up namespace: %v", err)
		}
	})
	must(t, "ip", "-n", ns.Name, "link", "set", "lo", "up")
	return ns
}

// Command prepares a program of v that will run in ns, with both output streams unset. The program is the child itself: no
// process stands between.
func (ns *Namespace) Command(ctx context.Context, v Version, args ...string) *exec.Cmd {
	args = append(ns.prefix(v), args...)
	return exec.CommandContext(ctx, args[0], args[1:]...)
}

func (ns *Namespace) prefix(v Version) []string {
	p := []string{"ip", "netns", "exec", ns.Name}
	if v.Root != "/" && v.Root != "" {
		p = append(p, "chroot", v.Root)
	}
	return p
}

// Address adds addresses to an interface of ns; IPv6 ones are usable at once, without duplicate address detection.
func (ns *Namespace) Address(t T, ifname string, addrs ...netip.Prefix) {
	t.Helper()
	for _, a := range addrs {
		args := []string{"ip", "-n", ns.Name, "address", "add", a.String(), "dev", ifname}
		if a.Addr().Is6() {
			args = append(args, "nodad")
		}
		must(t, args...)
	}
}

// IP runs "ip -n NAMESPACE args..." and returns what it prints.
func (ns *Namespace) IP(t T, args ...string) string {
	t.Helper()
	return must(t, append([]string{"ip", "-n", ns.Name}, args...)...)
}

// Link joins a and b with a veth pair, both ends up and with the addresses given.
func Link(t T, a *Namespace, ifA string, addrsA []netip.Prefix, b *Namespace, ifB string, addrsB []netip.Prefix) {
	t.Helper()
	must(t, "ip", "-n", a.Name, "link", "add", ifA, "type", "veth", "peer", "name", ifB, "netns", b.Name)
	// Without this the link-local addresses stay tentative for a second, and zebra tells bgpd no IPv6 next hop.
	for _, end := range []struct {
		ns     *Namespace
		ifname string
	}{{a, ifA}, {b, ifB}} {
		must(t, "ip", "netns", "exec", end.ns.Name, "sysctl", "-qw", "net.ipv6.conf."+end.ifname+".accept_dad=0")
	}
	a.Address(t, ifA, addrsA...)
	b.Address(t, ifB, addrsB...)
	must(t, "ip", "-n", a.Name, "link", "set", ifA, "up")
	must(t, "ip", "-n", b.Name, "link", "set", ifB, "up")
}

// Switch is an Ethernet segment that any number of namespaces can share, such as the one below a ToR router.
type Switch struct {
	ns    *Namespace
	ports int
}

// NewSwitch makes a switch out of a kernel bridge, in a namespace of its own. It skips t where the kernel has no bridges.
// The methods of one Switch must not be called concurrently.
func NewSwitch(t T, name string) *Switch {
	t.Helper()
	sw := &Switch{ns: NewNamespace(t, name)}
	if _, err := command("ip", "-n", sw.ns.Name, "link", "add", "sw", "type", "bridge"); err != nil {
		t.Skipf("the laboratory needs a kernel with bridges: %v", err)
	}
	must(t, "ip", "-n", sw.ns.Name, "link", "set", "sw", "up")
	return sw
}

// Connect gives ns an interface on the switch, up and with the addresses given.
func (sw *Switch) Connect(t T, ns *Namespace, ifname string, addrs ...netip.Prefix) {
	t.Helper()
	sw.ports++
	port := "port" + strconv.Itoa(sw.ports)
	Link(t, sw.ns, port, nil, ns, ifname, addrs)
	must(t, "ip", "-n", sw.ns.Name, "link", "set", port, "master", "sw")
}

// removeNamespace ends what still runs in a namespace, and the namespace.
func removeNamespace(name string) error {
	out, err := command("ip", "netns", "pids", name)
	if err != nil {
		return err
	}
	var errs []error
	for _, field := range strings.Fields(out) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			return fmt.Errorf("read processes of %s: %w", name, err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, fmt.Errorf("end process %d of %s: %w", pid, name, err))
		}
	}
	_, err = command("ip", "netns", "delete", name)
	return errors.Join(append(errs, err)...)
}

// Sweep removes what laboratories of processes that no longer live have left: namespaces, with what runs in them, and folders. Each
// laboratory does so when it is made.
func Sweep(t T) {
	names, err := filepath.Glob(filepath.Join(netnsDir, ours+"*"))
	if err != nil {
		t.Fatalf("sweep: %v", err)
	}
	for _, path := range names {
		// Another process may sweep at the same time: what is gone already needs no word.
		if name := filepath.Base(path); Abandoned(name) {
			if err := removeNamespace(name); err != nil && exists(path) {
				t.Logf("sweep: %v", err)
			}
		}
	}
	for _, root := range append([]string{"/"}, cachedRoots()...) {
		for _, dir := range []string{runDir, etcDir, "tmp"} {
			left, err := filepath.Glob(filepath.Join(root, dir, ours+"*"))
			if err != nil {
				t.Fatalf("sweep: %v", err)
			}
			for _, path := range left {
				if Abandoned(filepath.Base(path)) {
					unmount(t, path)
					removeAll(t, path)
				}
			}
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// Abandoned reports whether name is one that a laboratory gives, and its process is dead.
func Abandoned(name string) bool {
	rest, is := strings.CutPrefix(name, ours)
	number, _, cut := strings.Cut(rest, "-")
	pid, err := strconv.Atoi(number)
	if !is || !cut || err != nil || pid <= 0 {
		return false
	}
	return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
