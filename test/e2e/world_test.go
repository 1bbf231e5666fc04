// Package e2e runs the real program beside real FRRs and asks the router on the other end of the link what it was told.
// Its laboratories hold a node, on which the agent runs in the root folder of the FRR version under test, and one or two
// ToR routers of the same version.
package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
)

// node1 and its first ToR share a link; so do node1 and its second one where a laboratory has it.
const (
	nodeV4, torV4   = "10.0.1.2", "10.0.1.1"
	nodeV6, torV6   = "fd00:1::2", "fd00:1::1"
	node2V4, tor2V4 = "10.0.2.2", "10.0.2.1"
	node2V6, tor2V6 = "fd00:2::2", "fd00:2::1"
)

// converge is what a laboratory gets to do what it was told, on a busy machine.
const converge = 60 * time.Second

// settled is a little longer than FRR delays the effects of a changed policy.
const settled = 6 * time.Second

// program builds fairlead once for all tests.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "fairlead-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "fairlead")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-o", path, "github.com/fairlead/fairlead/cmd/fairlead")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fairlead: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	// These tests wait more than they compute, so they are more than the processors; -parallel still says otherwise.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	code := m.Run()
	// Where every test was skipped, this builds the program only to remove it.
	if path, err := program(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// eachVersion runs a test beside each FRR, or beside the oldest and the newest.
func eachVersion(t *testing.T, test func(t *testing.T, v lab.Version)) {
	run(t, lab.Versions(t), test)
}

func firstAndLast(t *testing.T, test func(t *testing.T, v lab.Version)) {
	versions := lab.Versions(t)
	if len(versions) > 2 {
		versions = []lab.Version{versions[0], versions[len(versions)-1]}
	}
	run(t, versions, test)
}

func run(t *testing.T, versions []lab.Version, test func(t *testing.T, v lab.Version)) {
	t.Helper()
	t.Parallel()
	for _, v := range versions {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			test(t, v)
		})
	}
}

// node is a host with the program, its configuration and its manifests, in the root of an FRR version.
type node struct {
	*lab.Namespace
	t       testing.TB
	version lab.Version
	// dir holds all of them; inside is the same folder as programs of version see it.
	dir, inside string
	agent       *lab.Process
	// api is what the agent follows instead of manifests, where it is not nil; own is the agent's namespace there.
	api *kube.Cluster
	own string
}

// newNode makes a host without FRR and without links.
func newNode(t testing.TB, v lab.Version) *node {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	inside := filepath.Dir(v.Install(t, path))
	n := &node{Namespace: lab.NewNamespace(t, "node"), t: t, version: v, dir: v.Path(inside), inside: inside}
	// An embedded FRR leaves its folders, as a container does.
	t.Cleanup(func() {
		for _, dir := range []string{"run/frr", "etc/frr"} {
			if err := os.RemoveAll(v.Path(dir, n.Name)); err != nil {
				t.Errorf("clean up: %v", err)
			}
		}
	})
	if err := os.Mkdir(n.manifest(""), 0o755); err != nil {
		t.Fatal(err)
	}
	n.write("node.yaml", nodeObject)
	return n
}

func (n *node) manifest(name string) string { return filepath.Join(n.dir, "manifests", name) }

// write replaces a manifest at once, as editors and kubelet do.
func (n *node) write(name, text string) {
	n.t.Helper()
	n.replace(n.manifest(name), text)
}

func (n *node) replace(path, text string) {
	n.t.Helper()
	beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := errors.Join(os.WriteFile(beside, []byte(text), 0o600), os.Rename(beside, path)); err != nil {
		n.t.Fatal(err)
	}
}

// remove deletes a manifest.
func (n *node) remove(name string) {
	n.t.Helper()
	if err := os.Remove(n.manifest(name)); err != nil {
		n.t.Fatal(err)
	}
}

// configure writes the agent's configuration; where the FRR is, where the agent is asked and that the log tells all is added.
func (n *node) configure(mode, text string) {
	n.t.Helper()
	n.replace(filepath.Join(n.dir, "config.yaml"),
		text+fmt.Sprintf("frr: {mode: %s, pathspace: %s}\nlogging: {level: debug}\nstatus: {listen: \"\", socket: %s/agent.sock}\n",
			mode, n.Name, n.inside))
}

// arguments are those of a subcommand on this node.
func (n *node) arguments(args ...string) []string {
	args = append(append([]string{n.inside + "/fairlead"}, args...), "--config", n.inside+"/config.yaml", "--node", "node1")
	if n.api != nil {
		return append(args, "--namespace", n.own)
	}
	return append(args, "--manifests", n.inside+"/manifests")
}

// start runs the agent, with more flags where they are given; it is n.agent from then on.
func (n *node) start(flags ...string) {
	n.t.Helper()
	n.agent = n.Start(n.t, n.version, n.arguments(append([]string{"run"}, flags...)...)...)
	if t, ok := n.t.(*testing.T); ok {
		agent := n.agent
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the agent said:\n%s", agent.Output())
			}
		})
	}
}

// fairlead runs a subcommand that ends, and returns what it prints on both streams.
func (n *node) fairlead(args ...string) string {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), 30*time.Second)
	defer cancel()
	out, err := n.Command(ctx, n.version, n.arguments(args...)...).CombinedOutput()
	if err != nil {
		n.t.Fatalf("fairlead %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// mustRun fails the test where the agent has ended.
func (n *node) mustRun() {
	n.t.Helper()
	select {
	case <-n.agent.Done():
		n.t.Errorf("the agent has ended: %v", n.agent.Wait())
	default:
	}
}

// external makes the usual laboratory: node1 with an FRR that somebody else started, and one ToR.
func external(t testing.TB, v lab.Version, tor string) (n *node, speaker, torRouter *lab.Router) {
	t.Helper()
	n, torRouter = linked(t, v, tor)
	return n, n.StartFRR(t, v, ""), torRouter
}

// linked makes node1 without an FRR, and one ToR.
func linked(t testing.TB, v lab.Version, config string) (*node, *lab.Router) {
	t.Helper()
	n := newNode(t, v)
	tor := lab.NewNamespace(t, "tor")
	lab.Link(t, n.Namespace, "eth0", on(nodeV4, nodeV6), tor, "eth0", on(torV4, torV6))
	return n, tor.StartFRR(t, v, config)
}

// on gives the addresses of a link's end with their usual lengths.
func on(v4, v6 string) []netip.Prefix {
	return []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(v4), 24), netip.PrefixFrom(netip.MustParseAddr(v6), 64)}
}

// told fails the test unless the router's table, both families together, comes to hold exactly these prefixes.
func told(t testing.TB, r *lab.Router, want ...string) {
	t.Helper()
	want = sorted(want)
	lab.Eventually(t, converge, "the router's table is what was wanted", func() error {
		if diff := cmp.Diff(want, prefixesOf(r)); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
}

func prefixesOf(r *lab.Router) []string {
	prefixes := []string{}
	for _, family := range []route.Family{route.IPv4Unicast, route.IPv6Unicast} {
		for prefix := range r.Routes(family) {
			prefixes = append(prefixes, prefix.String())
		}
	}
	slices.Sort(prefixes)
	return prefixes
}

// count begins to count what r gets from node1, once the node has said all about its start: FRR sends everything once more
// when it comes to look at its new route-maps, 5 s after they were made (bgp route-map delay-timer).
func count(t testing.TB, r *lab.Router) *lab.UpdateCounter {
	t.Helper()
	c := r.CountUpdates(netip.MustParseAddr(nodeV4))
	last := time.Now()
	lab.Eventually(t, converge, "the node is quiet", func() error {
		if c.Counts().Messages > 0 {
			c.Reset()
			last = time.Now()
		}
		if since := time.Since(last); since < settled {
			return fmt.Errorf("it has been for %s", since)
		}
		return nil
	})
	return c
}

// counted fails the test unless the counter comes to show exactly these prefixes since its last Reset, in any order.
func counted(t testing.TB, c *lab.UpdateCounter, announced, withdrawn []string) {
	t.Helper()
	lab.Eventually(t, converge, "the neighbor was sent what was wanted", func() error {
		return differsFrom(c, announced, withdrawn)
	})
}

// quiet fails the test if anything but these is sent while FRR may still act upon a changed policy.
func quiet(t testing.TB, c *lab.UpdateCounter, announced, withdrawn []string) {
	t.Helper()
	holds(t, settled, "nothing else is sent", func() error { return differsFrom(c, announced, withdrawn) })
}

func differsFrom(c *lab.UpdateCounter, announced, withdrawn []string) error {
	got := c.Counts()
	if diff := cmp.Diff([][]string{sorted(announced), sorted(withdrawn)},
		[][]string{sorted(texts(got.Announced)), sorted(texts(got.Withdrawn))}); diff != "" {
		return fmt.Errorf("announced and withdrawn (-want +got)\n%s", diff)
	}
	return nil
}

func sorted(list []string) []string { return append([]string{}, slices.Sorted(slices.Values(list))...) }

func texts(prefixes []netip.Prefix) []string {
	var list []string
	for _, p := range prefixes {
		list = append(list, p.String())
	}
	return list
}

// holds calls check again and again for d, and fails the test at its first error.
func holds(t testing.TB, d time.Duration, what string, check func() error) {
	t.Helper()
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := check(); err != nil {
			t.Fatalf("%s, for %s: %v", what, d, err)
		}
		select {
		case <-end.C:
			return
		case <-tick.C:
		}
	}
}
