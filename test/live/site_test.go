package live_test

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

// program is the agent, built once for all tests.
var program = filepath.Join(os.TempDir(), fmt.Sprintf("fairlead-live-%d", os.Getpid()), "fairlead")

func TestMain(m *testing.M) { os.Exit(main(m)) }

func main(m *testing.M) int {
	defer func() { _ = os.RemoveAll(filepath.Dir(program)) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	if out, err := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-o", program, "github.com/fairlead/fairlead/cmd/fairlead").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the agent: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// site is a node with a running agent, between two routers: tor, whose session tests change, and spine, whose session
// nothing may disturb. The node is 10.0.1.1 and 10.0.2.1, AS 65000.
type site struct {
	t          *testing.T
	version    lab.Version
	node       *lab.Namespace
	program    string
	tor, spine *lab.Router
	// counter counts what spine receives.
	counter *lab.UpdateCounter
	// dir holds the site's files, in the root of FRR's version, where the agent runs too.
	dir string
	// near is the node's FRR where it runs beside the agent, else nil.
	near  *lab.Router
	agent *lab.Process
}

const (
	torLine   = "  - {name: tor, address: 10.0.1.254, asn: 65001, holdTime: 9s, connectTime: 1s%s}\n"
	spineLine = "  - {name: spine, address: 10.0.2.254, asn: 65002, holdTime: 9s, connectTime: 1s}\n"
)

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

func farConf(asn, link int) string {
	return fmt.Sprintf(`router bgp %[1]d
 bgp router-id 10.0.%[2]d.254
 no bgp ebgp-requires-policy
 neighbor 10.0.%[2]d.1 remote-as 65000
 neighbor 10.0.%[2]d.1 timers 3 9
 neighbor 10.0.%[2]d.1 timers connect 1
exit
`, asn, link)
}

// newSite starts everything but the agent.
func newSite(t *testing.T, v lab.Version, embedded bool) *site {
	t.Helper()
	s := &site{t: t, version: v, node: lab.NewNamespace(t, "node")}
	//nolint:usetesting // The agent runs in the root of its FRR, and its files must lie there.
	dir, err := os.MkdirTemp(v.Path("tmp"), fmt.Sprintf("fl-%d-live-", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Logf("clean up: %v", err)
		}
	})
	prefix := func(text string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(text)} }
	tor, spine := lab.NewNamespace(t, "tor"), lab.NewNamespace(t, "spine")
	lab.Link(t, s.node, "eth0", prefix("10.0.1.1/24"), tor, "eth0", prefix("10.0.1.254/24"))
	lab.Link(t, s.node, "eth1", prefix("10.0.2.1/24"), spine, "eth0", prefix("10.0.2.254/24"))
	s.tor = tor.StartFRR(t, v, farConf(65001, 1), lab.WithDaemons("bfdd"))
	s.spine = spine.StartFRR(t, v, farConf(65002, 2))
	s.program = v.Install(t, program)
	mode := "external"
	if embedded {
		mode = "embedded"
		t.Cleanup(func() {
			for _, dir := range []string{v.Path("run/frr", s.node.Name), v.Path("etc/frr", s.node.Name)} {
				if err := os.RemoveAll(dir); err != nil {
					t.Logf("clean up: %v", err)
				}
			}
		})
	} else {
		s.near = s.node.StartFRR(t, v, "")
	}
	s.write("manifests/all.yaml", manifests)
	s.write("mode", "frr: {mode: "+mode+", pathspace: "+s.node.Name+"}\n")
	return s
}

// path is a file of the site as this process sees it, inside the same as the agent does.
func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) inside(name string) string {
	return filepath.Join("/", strings.TrimPrefix(s.path(name), s.version.Root))
}

// command is the agent's with the site's files.
func (s *site) command(verb string) []string {
	return []string{s.program, verb, "--config", s.inside("config.yaml"), "--manifests", s.inside("manifests"), "--node", "node1"}
}

// write replaces a file of the site, as editors do.
func (s *site) write(name, text string) {
	s.t.Helper()
	path := s.path(name)
	err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path+"~", []byte(text), 0o600))
	if err == nil {
		err = os.Rename(path+"~", path)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// config is a whole configuration with these lines of neighbors and of other keys.
func (s *site) config(neighbors string, more ...string) string {
	s.t.Helper()
	mode, err := os.ReadFile(s.path("mode"))
	if err != nil {
		s.t.Fatal(err)
	}
	return "asn: 65000\n" + strings.Join(more, "") + string(mode) + "neighbors:\n" + neighbors
}

// edit replaces the agent's configuration.
func (s *site) edit(neighbors string, more ...string) {
	s.t.Helper()
	s.write("config.yaml", s.config(neighbors, more...))
}

// start starts the agent, once config.yaml is there.
func (s *site) start(more ...string) {
	s.t.Helper()
	s.agent = s.node.Start(s.t, s.version, slices.Concat(more, s.command("run"))...)
}

// calm is a little more than FRR takes to look at a route-map that is new (bgp route-map delay-timer): then it may tell again
// what it has told.
const calm = 6 * time.Second

// settle waits until both routers have the subnet and spine is told nothing more, and counts from there on.
func (s *site) settle() {
	s.t.Helper()
	s.announced(s.tor)
	s.announced(s.spine)
	if s.counter == nil {
		s.counter = s.spine.CountUpdates(spineAddress)
	}
	told, since := 0, time.Now()
	lab.Eventually(s.t, 30*time.Second, "spine is told nothing more", func() error {
		if now := s.counter.Counts().Messages; now != told {
			told, since = now, time.Now()
		}
		if time.Since(since) < calm {
			return fmt.Errorf("%d messages", told)
		}
		return nil
	})
	s.counter.Reset()
}

// announced waits until a router has the subnet from the node.
func (s *site) announced(r *lab.Router) {
	s.t.Helper()
	r.Eventually(30*time.Second, "the subnet is announced", func() error {
		if got := r.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.0/16")]; len(got) != 1 {
			return fmt.Errorf("paths %v; the agent says:\n%s", got, s.agent.Output())
		}
		return nil
	})
}

// spineAddress is the node's address of its session with spine.
var spineAddress = netip.MustParseAddr("10.0.2.1")

// paths are those of the subnet as spine has them.
func (s *site) paths() []lab.Path {
	s.t.Helper()
	return s.spine.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.0/16")]
}

// kill ends a daemon of the node with SIGKILL.
func (s *site) kill(daemon string) {
	s.t.Helper()
	data, err := os.ReadFile(s.version.Path("run/frr", s.node.Name, daemon+".pid"))
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

// session is one session as the far side has it.
func (s *site) session(r *lab.Router) (frr.Neighbor, error) {
	s.t.Helper()
	v := frr.Vtysh{Command: r.VtyshCommand(), Root: r.Version.Root, RunDir: "/run/frr", Pathspace: r.Pathspace}
	neighbors, err := v.Neighbors(s.t.Context(), "")
	if err != nil || len(neighbors) != 1 {
		return frr.Neighbor{}, fmt.Errorf("%d neighbors, %w", len(neighbors), err)
	}
	return neighbors[0], nil
}

// resets is how often a router's session went down.
func (s *site) resets(r *lab.Router) int {
	s.t.Helper()
	n, err := s.session(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return n.Resets
}

// undisturbed checks that spine's session stands, and that nothing was withdrawn over it. FRR may say again what it has said,
// when a neighbor joins or leaves the group of those that are told the same.
func (s *site) undisturbed(what string) {
	s.t.Helper()
	n, err := s.session(s.spine)
	if err != nil || n.Resets != 0 || n.State != "Established" {
		s.t.Errorf("%s: spine's session is %s with %d resets, %v", what, n.State, n.Resets, err)
	}
	if got := s.counter.Counts(); len(got.Withdrawn) > 0 {
		s.t.Errorf("%s: spine received %v", what, got)
	}
}

// silent checks that nothing at all was said to spine since settle.
func (s *site) silent(what string) {
	s.t.Helper()
	s.undisturbed(what)
	if got := s.counter.Counts(); got.Messages > 0 {
		s.t.Errorf("%s: spine received %v", what, got)
	}
}

// says waits until the agent has logged all of these texts since mark.
func (s *site) says(mark int, texts ...string) {
	s.t.Helper()
	lab.Eventually(s.t, 20*time.Second, "the agent says "+strings.Join(texts, ", "), func() error {
		out := s.agent.Output()[mark:]
		for _, text := range texts {
			if !strings.Contains(out, text) {
				return fmt.Errorf("no %q in\n%s", text, out)
			}
		}
		return nil
	})
}

// mark is the end of the agent's log at present.
func (s *site) mark() int { return len(s.agent.Output()) }

// run runs another command of the agent and gives what it prints.
func (s *site) run(verb string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	out, err := s.node.Command(ctx, s.version, s.command(verb)...).CombinedOutput()
	if err != nil {
		s.t.Errorf("run %s: %v\n%s", verb, err, out)
	}
	return string(out)
}

// processes are the command lines of what runs in the node's namespace.
func (s *site) processes() []string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", s.node.Name).Output()
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

// daemons are the names of FRR's daemons that run on the node, sorted.
func (s *site) daemons() []string {
	s.t.Helper()
	var names []string
	for _, line := range s.processes() {
		if name := filepath.Base(strings.Fields(line)[0]); slices.Contains([]string{"mgmtd", "zebra", "bfdd", "bgpd"}, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// listens reports whether bgpd listens on the node.
func (s *site) listens() bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	out, err := s.node.Command(ctx, lab.Version{Root: "/"}, "ss", "-Hltn", "sport", "=", ":179").Output()
	if err != nil {
		s.t.Fatalf("list sockets: %v", err)
	}
	return len(bytes.TrimSpace(out)) > 0
}

// bfdUp reports whether a router's BFD sees the node.
func bfdUp(r *lab.Router) error {
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
