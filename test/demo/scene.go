package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// files are what a person would write: the cluster's objects, the agents' configuration and the router's.
//
//go:embed manifests agent.yaml tor.conf
var files embed.FS

// scene is the network: tor, and two nodes on its switch.
type scene struct {
	tor   *lab.Router
	nodes []*node
	// folder holds all the files of the demo, manifests those that the agents watch.
	folder, manifests string
	// started is when the agents were.
	started time.Time
}

// node is a host of the cluster, with the agent, which runs an FRR of its own.
type node struct {
	name       string
	ns         *lab.Namespace
	ipv4, ipv6 netip.Addr
	// config is the agent's configuration, log what it logs, etc the folder where it keeps frr.conf, and socket where it answers.
	config, log, etc, socket string
}

// torAddresses are those of tor on the segment that it shares with the nodes, whose addresses end in 11 and 12.
func torAddresses() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("10.0.1.1/24"), netip.MustParsePrefix("fd00:0:1::1/64")}
}

func newNodes() []*node {
	return []*node{
		{name: "node1", ipv4: netip.MustParseAddr("10.0.1.11"), ipv6: netip.MustParseAddr("fd00:0:1::11")},
		{name: "node2", ipv4: netip.MustParseAddr("10.0.1.12"), ipv6: netip.MustParseAddr("fd00:0:1::12")},
	}
}

// build makes the scene and starts everything in it. It ends with l.
func build(ctx context.Context, l *lifetime) (*scene, error) {
	version := lab.Machine(l)
	s := &scene{nodes: newNodes()}
	if err := s.writeFiles(l); err != nil {
		return nil, err
	}
	if err := s.buildAgent(ctx); err != nil {
		return nil, err
	}

	tor := lab.NewNamespace(l, "tor")
	for _, n := range s.nodes {
		n.ns = lab.NewNamespace(l, n.name)
	}
	s.connect(l, tor)
	conf, err := files.ReadFile("tor.conf")
	if err != nil {
		return nil, fmt.Errorf("read configuration of tor: %w", err)
	}
	s.tor = tor.StartFRR(l, version, string(conf))
	if err := ctx.Err(); err != nil {
		return nil, err
	}

	s.started = time.Now()
	for _, n := range s.nodes {
		if err := s.startAgent(l, version, n); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// writeFiles makes the demo's folder, with the manifests in it. Where this process is killed, the next laboratory finds
// the folder by its name and removes it.
func (s *scene) writeFiles(l *lifetime) error {
	folder, err := os.MkdirTemp("/tmp", fmt.Sprintf("fl-%d-demo-", os.Getpid()))
	if err != nil {
		return fmt.Errorf("make folder of the demo: %w", err)
	}
	l.Cleanup(func() { remove(l, folder) })
	s.folder, s.manifests = folder, filepath.Join(folder, "manifests")
	manifests, err := fs.Sub(files, "manifests")
	if err != nil {
		return fmt.Errorf("read manifests: %w", err)
	}
	if err := os.CopyFS(s.manifests, manifests); err != nil {
		return fmt.Errorf("write manifests: %w", err)
	}
	return nil
}

func (s *scene) program() string { return filepath.Join(s.folder, "fairlead") }

// buildAgent builds the agent as a release is built. The compilers' files are in the demo's folder and end with it.
func (s *scene) buildAgent(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", s.program(), "github.com/fairlead/fairlead/cmd/fairlead")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0", "GOTMPDIR="+s.folder)
	// The go command ends before its compilers do, which would go on writing.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the agent: %w\n%s", err, out)
	}
	return nil
}

// connect joins tor and the nodes by a switch or, where the kernel has no bridge to make one of, each node to tor by a
// cable, at whose ends the same addresses stand.
func (s *scene) connect(l *lifetime, tor *lab.Namespace) {
	addresses := torAddresses()
	if attempt(func() {
		sw := lab.NewSwitch(l, "switch")
		sw.Connect(l, tor, "eth0", addresses...)
		for _, n := range s.nodes {
			sw.Connect(l, n.ns, "eth0", n.addresses()...)
		}
	}) {
		return
	}
	for i, n := range s.nodes {
		port := fmt.Sprintf("eth%d", i)
		lab.Link(l, tor, port, nil, n.ns, "eth0", n.addresses())
		for j, a := range n.addresses() {
			tor.IP(l, "address", "add", addresses[j].Addr().String(), "peer", a.Addr().String(), "dev", port)
		}
	}
}

// address is the node's of one family.
func (n *node) address(ipv4 bool) netip.Addr {
	if ipv4 {
		return n.ipv4
	}
	return n.ipv6
}

// addresses are the node's, with the length of the segment's prefix.
func (n *node) addresses() []netip.Prefix {
	var list []netip.Prefix
	for i, a := range []netip.Addr{n.ipv4, n.ipv6} {
		list = append(list, netip.PrefixFrom(a, torAddresses()[i].Bits()))
	}
	return list
}

// startAgent starts the agent in the node's namespace. It makes its own FRR's folders, which end with l.
func (s *scene) startAgent(l *lifetime, v lab.Version, n *node) error {
	text, err := files.ReadFile("agent.yaml")
	if err != nil {
		return fmt.Errorf("read configuration of %s: %w", n.name, err)
	}
	n.config, n.log = filepath.Join(s.folder, n.name+".yaml"), filepath.Join(s.folder, n.name+".log")
	if err := os.WriteFile(n.config, []byte(strings.ReplaceAll(string(text), "PATHSPACE", n.ns.Name)), 0o644); err != nil {
		return fmt.Errorf("write configuration of %s: %w", n.name, err)
	}
	n.etc, n.socket = v.Path("etc/frr", n.ns.Name), v.Path("run/frr", n.ns.Name, "fairlead.sock")
	l.Cleanup(func() {
		remove(l, v.Path("run/frr", n.ns.Name))
		remove(l, n.etc)
	})
	// The shell becomes the agent; it is there for the log, which is a file so that it can be looked at.
	n.ns.Start(l, v, "sh", "-c", `exec "$@" >"$0" 2>&1`, n.log,
		s.program(), "run", "--config", n.config, "--manifests", s.manifests, "--node", n.name)
	return nil
}

// loaded tells when the agent had its configuration in FRR: it then writes frr.conf.
func (n *node) loaded() (time.Time, error) {
	info, err := os.Stat(filepath.Join(n.etc, "frr.conf"))
	if err != nil {
		return time.Time{}, fmt.Errorf("look for frr.conf of %s: %w", n.name, err)
	}
	return info.ModTime(), nil
}

func remove(l *lifetime, path string) {
	if err := os.RemoveAll(path); err != nil {
		l.Logf("clean up: %v", err)
	}
}

// String tells what was built.
func (s *scene) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tor    FRR %s, AS 65030, 10.0.1.1 and fd00:0:1::1\n", s.tor.Version.Name)
	for _, n := range s.nodes {
		fmt.Fprintf(&b, "%s  fairlead and its FRR, AS 65000, %s and %s\n", n.name, n.ipv4, n.ipv6)
	}
	return b.String()
}

// directions tell how to look around in the scene, and how to end it.
func (s *scene) directions(l *lifetime) string {
	var b strings.Builder
	shell := func(who, namespace, command string) {
		fmt.Fprintf(&b, "%s  ip netns exec %s vtysh -N %s -c '%s'\n", who, namespace, namespace, command)
	}
	shell("tor:     ", s.tor.Pathspace, "show ip bgp")
	for _, n := range s.nodes {
		// vtysh complains on every run where this file is missing.
		if err := os.WriteFile(filepath.Join(n.etc, "vtysh.conf"), nil, 0o644); err != nil {
			l.Logf("make vtysh.conf of %s: %v", n.name, err)
		}
		shell(n.name+":   ", n.ns.Name, "show running-config")
		fmt.Fprintf(&b, "           tail -f %s\n", n.log)
	}
	n := s.nodes[0]
	fmt.Fprintf(&b, "verify:    %s verify --socket %s\n", s.program(), n.socket)
	fmt.Fprintf(&b, "plan:      %s plan --config %s --manifests %s --node %s\n", s.program(), n.config, s.manifests, n.name)
	fmt.Fprintf(&b, "manifests: edit or add files in %s\n", s.manifests)
	fmt.Fprintf(&b, "end:       Ctrl-C, or kill -INT %d\n", os.Getpid())
	return b.String()
}
