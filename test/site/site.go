// Package site is a node with the running agent between two real routers, for tests of what its operator does to it and of what
// breaks under it.
package site

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// program is the agent, built once for all tests of a package.
func program() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("fairlead-site-%d", os.Getpid()), "fairlead")
}

// Main builds the agent, runs the tests of a package that makes sites, and gives their exit code: call it in TestMain.
func Main(m *testing.M) int {
	program := program()
	defer func() { _ = os.RemoveAll(filepath.Dir(program)) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "github.com/fairlead/fairlead/cmd/fairlead").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the agent: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// Site is a node with a running agent, between two routers: ToR, whose session tests change, and Spine, whose session
// nothing may disturb. The node is 10.0.1.1 and 10.0.2.1, AS 65000. Its methods are for the goroutine of its test.
type Site struct {
	Version    lab.Version
	Node       *lab.Namespace
	ToR, Spine *lab.Router
	// Counter counts what Spine receives; nil before Settle.
	Counter *lab.UpdateCounter
	// Dir holds the site's files, in the root of FRR's version, where the agent runs too.
	Dir string
	// Near is the node's FRR where it runs beside the agent, else nil.
	Near *lab.Router
	// Agent is the agent that was started last; nil before Start.
	Agent *lab.Process

	t       *testing.T
	program string
}

// The neighbors of a configuration, a line each; ToRLine has a %s for more keys.
const (
	ToRLine   = "  - {name: tor, address: 10.0.1.254, asn: 65001, holdTime: 9s, connectTime: 1s%s}\n"
	SpineLine = "  - {name: spine, address: 10.0.2.254, asn: 65002, holdTime: 9s, connectTime: 1s}\n"
)

// Pod gives the manifest of a pod on the node that asks for its route; one after another is a file.
func Pod(name, address string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {namespace: default, name: %s, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1, containers: [{name: main, image: example/main}]}
status: {phase: Running, podIPs: [{ip: %s}]}
`, name, address)
}

// manifests is a node and a subnet that is announced.
const manifests = `apiVersion: v1
kind: Node
metadata: {name: node1}
status: {addresses: [{type: InternalIP, address: 10.0.1.1}]}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: ovn-default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {cidrBlock: 10.16.0.0/16}
status: {conditions: [{type: Ready, status: "True"}]}
`

// FarConf is the configuration of a router at the far end of link 1 (ToR) or 2 (Spine).
func FarConf(asn, link int) string {
	return fmt.Sprintf(`router bgp %[1]d
 bgp router-id 10.0.%[2]d.254
 no bgp ebgp-requires-policy
 neighbor 10.0.%[2]d.1 remote-as 65000
 neighbor 10.0.%[2]d.1 timers 3 9
 neighbor 10.0.%[2]d.1 timers connect 1
exit
`, asn, link)
}

// New starts everything but the agent. The options are those of the node's FRR where it runs beside the agent.
func New(t *testing.T, v lab.Version, embedded bool, options ...lab.Option) *Site {
	t.Helper()
	s := &Site{t: t, Version: v, Node: lab.NewNamespace(t, "node")}
	//nolint:usetesting // The agent runs in the root of its FRR, and its files must lie there.
	dir, err := os.MkdirTemp(v.Path("tmp"), fmt.Sprintf("fl-%d-live-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	s.Dir = dir
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Logf("clean up: %v", err)
		}
	})
	prefix := func(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }
	tor, spine := lab.NewNamespace(t, "tor"), lab.NewNamespace(t, "spine")
	lab.Link(t, s.Node, "eth0", prefix("10.0.1.1/24"), tor, "eth0", prefix("10.0.1.254/24"))
	lab.Link(t, s.Node, "eth1", prefix("10.0.2.1/24"), spine, "eth0", prefix("10.0.2.254/24"))
	// They can say by BMP what they receive, where a test configures that.
	bmp := lab.WithArgs("bgpd", "-M", "bmp")
	s.ToR = tor.StartFRR(t, v, FarConf(65001, 1), lab.WithDaemons("bfdd"), bmp)
	s.Spine = spine.StartFRR(t, v, FarConf(65002, 2), bmp)
	s.program = v.Install(t, program())
	mode := "external"
	if embedded {
		mode = "embedded"
		t.Cleanup(func() {
			for _, dir := range []string{v.Path("run/frr", s.Node.Name), v.Path("etc/frr", s.Node.Name)} {
				if err := os.RemoveAll(dir); err != nil {
					t.Logf("clean up: %v", err)
				}
			}
		})
	} else {
		s.Near = s.Node.StartFRR(t, v, "", options...)
	}
	s.Write("manifests/all.yaml", manifests)
	s.Write("mode", "frr: {mode: "+mode+", pathspace: "+s.Node.Name+"}\nstatus: {socket: "+s.Inside("agent.sock")+"}\n")
	return s
}

// Path is a file of the site as this process sees it.
func (s *Site) Path(name string) string { return filepath.Join(s.Dir, name) }

// Inside is the same file as the agent sees it.
func (s *Site) Inside(name string) string {
	return filepath.Join("/", strings.TrimPrefix(s.Path(name), s.Version.Root))
}

// Command is the agent's with the site's files.
func (s *Site) Command(verb string) []string {
	return []string{s.program, verb, "--config", s.Inside("config.yaml"), "--manifests", s.Inside("manifests"), "--node", "node1"}
}

// Write replaces a file of the site, as editors do.
func (s *Site) Write(name, text string) {
	s.t.Helper()
	path := s.Path(name)
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+"~", []byte(text), 0o600))
	if err == nil {
		err = os.Rename(path+"~", path)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// Config is a whole configuration with these lines of neighbors and of other keys.
func (s *Site) Config(neighbors string, more ...string) string {
	s.t.Helper()
	mode, err := os.ReadFile(s.Path("mode"))
	if err != nil {
		s.t.Fatal(err)
	}
	return "asn: 65000\n" + strings.Join(more, "") + string(mode) + "neighbors:\n" + neighbors
}

// Edit replaces the agent's configuration.
func (s *Site) Edit(neighbors string, more ...string) {
	s.t.Helper()
	s.Write("config.yaml", s.Config(neighbors, more...))
}

// Start starts the agent, once config.yaml is there.
func (s *Site) Start(more ...string) {
	s.t.Helper()
	s.Agent = s.Node.Start(s.t, s.Version, slices.Concat(more, s.Command("run"))...)
}

// calm is a little more than FRR takes to look at a route-map that is new (bgp route-map delay-timer): then it may tell again
// what it has told.
const calm = 6 * time.Second

// Settle waits until both routers have the subnet and spine is told nothing more, and counts from there on.
func (s *Site) Settle() {
	s.t.Helper()
	s.Announced(s.ToR)
	s.Announced(s.Spine)
	if s.Counter == nil {
		s.Counter = s.Spine.CountUpdates(SpineAddress)
	}
	told, since := 0, time.Now()
	lab.Eventually(s.t, 30*time.Second, "spine is told nothing more", func() error {
		if now := s.Counter.Counts().Messages; now != told {
			told, since = now, time.Now()
		}
		if time.Since(since) < calm {
			return fmt.Errorf("%d messages", told)
		}
		return nil
	})
	s.Counter.Reset()
}

// Announced waits until a router has the subnet from the node.
func (s *Site) Announced(r *lab.Router) {
	s.t.Helper()
	r.Eventually(30*time.Second, "the subnet is announced", func() error {
		if got := r.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.0/16")]; len(got) != 1 {
			return fmt.Errorf("paths %v; the agent says:\n%s", got, s.Agent.Output())
		}
		return nil
	})
}

// SpineAddress is the node's address of its session with spine.
var SpineAddress = netip.MustParseAddr("10.0.2.1")

// Paths are those of the subnet as spine has them.
func (s *Site) Paths() []lab.Path {
	s.t.Helper()
	return s.Spine.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.0/16")]
}

// Kill ends a daemon of the node with SIGKILL.
func (s *Site) Kill(daemon string) {
	s.t.Helper()
	data, err := os.ReadFile(s.Version.Path("run/frr", s.Node.Name, daemon+".pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err == nil {
		err = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		s.t.Fatalf("kill %s: %v", daemon, err)
	}
}

// Session is one session as the far side has it.
func (s *Site) Session(r *lab.Router) (frr.Neighbor, error) {
	s.t.Helper()
	v := frr.Vtysh{Command: r.VtyshCommand(), Root: r.Version.Root, RunDir: "/run/frr", Pathspace: r.Pathspace}
	neighbors, err := v.Neighbors(s.t.Context(), "")
	if err != nil || len(neighbors) != 1 {
		return frr.Neighbor{}, fmt.Errorf("%d neighbors, %w", len(neighbors), err)
	}
	return neighbors[0], nil
}

// Resets is how often a router's session went down.
func (s *Site) Resets(r *lab.Router) int {
	s.t.Helper()
	n, err := s.Session(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return n.Resets
}

// Undisturbed checks that spine's session stands, and that nothing was withdrawn over it. FRR may say again what it has said,
// when a neighbor joins or leaves the group of those that are told the same.
func (s *Site) Undisturbed(what string) {
	s.t.Helper()
	n, err := s.Session(s.Spine)
	if err != nil || n.Resets != 0 || n.State != "Established" {
		s.t.Errorf("%s: spine's session is %s with %d resets, %v", what, n.State, n.Resets, err)
	}
	if got := s.Counter.Counts(); len(got.Withdrawn) > 0 {
		s.t.Errorf("%s: spine received %v", what, got)
	}
}

// Silent checks that nothing at all was said to spine since settle.
func (s *Site) Silent(what string) {
	s.t.Helper()
	s.Undisturbed(what)
	if got := s.Counter.Counts(); got.Messages > 0 {
		s.t.Errorf("%s: spine received %v", what, got)
	}
}

// Says waits until the agent has logged all of these texts since mark.
func (s *Site) Says(mark int, texts ...string) {
	s.t.Helper()
	lab.Eventually(s.t, 20*time.Second, "the agent says "+strings.Join(texts, ", "), func() error {
		out := s.Agent.Output()[mark:]
		for _, text := range texts {
			if !strings.Contains(out, text) {
				return fmt.Errorf("no %q in\n%s", text, out)
			}
		}
		return nil
	})
}

// Mark is the end of the agent's log at present.
func (s *Site) Mark() int { return len(s.Agent.Output()) }

// Run runs another command of the agent and gives what it prints.
func (s *Site) Run(verb string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	out, err := s.Node.Command(ctx, s.Version, s.Command(verb)...).CombinedOutput()
	if err != nil {
		s.t.Errorf("run %s: %v\n%s", verb, err, out)
	}
	return string(out)
}

// Ask has the agent that runs asked by a command of the program, such as "verify", and gives what that prints.
func (s *Site) Ask(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	words := append(append([]string{s.program}, args...), "--socket", s.Inside("agent.sock"))
	out, err := s.Node.Command(ctx, s.Version, words...).CombinedOutput()
	return string(out), err
}

// Processes are the command lines of what runs in the node's namespace.
func (s *Site) Processes() []string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", s.Node.Name).Output()
	if err != nil {
		s.t.Fatalf("list processes: %v", err)
	}
	var lines []string
	for _, pid := range strings.Fields(string(out)) {
		// One that is ending has none.
		if line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil && len(line) > 0 {
			lines = append(lines, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
		}
	}
	return lines
}

// Daemons are the names of FRR's daemons that run on the node, sorted.
func (s *Site) Daemons() []string {
	s.t.Helper()
	var names []string
	for _, line := range s.Processes() {
		if name := filepath.Base(strings.Fields(line)[0]); slices.Contains([]string{"mgmtd", "zebra", "bfdd", "bgpd"}, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Listens reports whether bgpd listens on the node.
func (s *Site) Listens() bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	out, err := s.Node.Command(ctx, lab.Version{Root: "/"}, "ss", "-Hltn", "sport", "=", ":179").Output()
	if err != nil {
		s.t.Fatalf("list sockets: %v", err)
	}
	return len(bytes.TrimSpace(out)) > 0
}

// Announce adds a pod to the manifests, and waits until spine has its address.
func (s *Site) Announce(address string) {
	s.t.Helper()
	s.Write("manifests/"+address+".yaml", fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {namespace: default, name: pod-%s, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: %[1]s}]}
`, address))
	prefix := netip.PrefixFrom(netip.MustParseAddr(address), 32)
	s.Spine.Eventually(8*time.Second, address+" is announced", func() error {
		if got := s.Spine.Routes(route.IPv4Unicast)[prefix]; len(got) != 1 {
			return fmt.Errorf("paths %v; the agent says:\n%s", got, s.Agent.Output())
		}
		return nil
	})
}

// BGPD gives the process number of the node's bgpd.
func (s *Site) BGPD() string {
	s.t.Helper()
	data, err := os.ReadFile(s.Version.Path("run/frr", s.Node.Name, "bgpd.pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// Standing checks that a router's session has not been reset since before.
func (s *Site) Standing(r *lab.Router, before int, what string) {
	s.t.Helper()
	if n, err := s.Session(r); err != nil || n.Resets != before || n.State != "Established" {
		s.t.Errorf("%s: the session is %s with %d resets, before %d, %v", what, n.State, n.Resets, before, err)
	}
}

// BFDUp reports whether a router's BFD sees the node.
func BFDUp(r *lab.Router) error {
	out, err := r.Vtysh(context.Background(), "show bfd peers json")
	if err != nil {
		return err
	}
	var peers []struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal([]byte(out), &peers); err != nil || len(peers) != 1 || peers[0].Status != "up" {
		return fmt.Errorf("peers %s, %w", out, err)
	}
	return nil
}
