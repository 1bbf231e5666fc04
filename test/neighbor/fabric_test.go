// Package neighbor shows of each neighbor setting that it does on the wire what it says: real FRRs stand beside the node's,
// and what is looked at is what they were told. The node's way is the whole one, from YAML to vtysh, and from each
// configuration to the next by the difference.
//
// Not shown here: a router with vrf, because the kernels of build machines need not have the device; render's tests load one
// into FRR, which takes it without.
package neighbor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/test/lab"
)

// patience is how long a session, and what is told over it, may take on a loaded machine.
const patience = 40 * time.Second

// pollInterval is how often the far side is looked at: each look starts several vtysh, on a machine with other work.
const pollInterval = 200 * time.Millisecond

// fabric is a node with two switches, each on a link of its own, which are joined by a third link:
//
//	a 10.1.0.1 fd01::1 ---- eth0 10.1.0.2 fd01::2 node eth1 10.2.0.2 fd02::2 ---- 10.2.0.1 fd02::1 b
//	a 10.3.0.1 -------------------------------------------------------------------------- 10.3.0.2 b
//
// b listens on port 1179 and routes between its links; 10.99.0.1 is an address of a that the node reaches over b.
type fabric struct {
	node, a, b *lab.Router
	reloader   *reload.Reloader
	renderer   *render.Renderer
	// switches holds the AS of each switch's router, to take it away again.
	switches map[*lab.Router]string
}

func newFabric(t *testing.T, v lab.Version) *fabric {
	t.Helper()
	node, a, b := lab.NewNamespace(t, "node"), lab.NewNamespace(t, "tora"), lab.NewNamespace(t, "torb")
	prefixes := func(texts ...string) []netip.Prefix {
		var out []netip.Prefix
		for _, s := range texts {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, ns := range []*lab.Namespace{node, a, b} {
		// FRR's router advertisements would give each end a second address, and sessions would start from that.
		if out, err := exec.CommandContext(t.Context(), "ip", "netns", "exec", ns.Name, "sysctl", "-qw", "net.ipv6.conf.default.autoconf=0").CombinedOutput(); err != nil {
			t.Fatalf("turn autoconfiguration off: %v: %s", err, out)
		}
	}
	lab.Link(t, node, "eth0", prefixes("10.1.0.2/24", "fd01::2/64"), a, "eth0", prefixes("10.1.0.1/24", "fd01::1/64"))
	lab.Link(t, node, "eth1", prefixes("10.2.0.2/24", "fd02::2/64"), b, "eth1", prefixes("10.2.0.1/24", "fd02::1/64"))
	lab.Link(t, a, "eth2", prefixes("10.3.0.1/24"), b, "eth2", prefixes("10.3.0.2/24"))
	node.Address(t, "lo", prefixes("10.88.0.2/32")...)
	a.Address(t, "lo", prefixes("10.99.0.1/32")...)
	node.IP(t, "route", "add", "10.99.0.1/32", "via", "10.2.0.1")
	b.IP(t, "route", "add", "10.99.0.1/32", "via", "10.3.0.1")
	a.IP(t, "route", "add", "10.2.0.0/24", "via", "10.3.0.2")
	a.IP(t, "route", "add", "10.88.0.2/32", "via", "10.1.0.2")
	f := &fabric{switches: make(map[*lab.Router]string)}
	f.node = node.StartFRR(t, v, "", lab.WithDaemons("bfdd"))
	f.a = a.StartFRR(t, v, switchPolicy, lab.WithDaemons("bfdd"))
	f.b = b.StartFRR(t, v, switchPolicy, lab.WithArgs("bgpd", "-p", "1179"))
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "exec", b.Name, "sysctl", "-qw", "net.ipv4.ip_forward=1").CombinedOutput(); err != nil {
		t.Fatalf("have b route: %v: %s", err, out)
	}
	shell := frr.Vtysh{Command: f.node.VtyshCommand(), Root: v.Root, RunDir: "/run/frr", Pathspace: f.node.Pathspace}
	f.reloader = reload.New(shell, reload.File{})
	var err error
	if f.renderer, err = render.New(templates.FS); err != nil {
		t.Fatal(err)
	}
	return f
}

// switchPolicy is what the switches may use: routes with our AS in their path, each in an UPDATE of its own, and a next hop
// that is the global one of two.
const switchPolicy = `
route-map MED1 permit 10
 set metric 1
exit
route-map MED2 permit 10
 set metric 2
exit
route-map GLOBAL permit 10
 set ipv6 next-hop prefer-global
exit
route-map PREPEND permit 10
 set as-path prepend 65000
exit
route-map PREFER permit 10
 set local-preference 200
exit
`

// cluster is what the node announces.
func cluster(addresses ...string) reduce.Snapshot {
	node := &reduce.Node{Meta: reduce.Meta{Name: "node1"}}
	for _, a := range addresses {
		node.Addresses = append(node.Addresses, netip.MustParseAddr(a))
	}
	return reduce.Snapshot{
		Nodes: []*reduce.Node{node},
		Pods: []*reduce.Pod{{
			Meta: reduce.Meta{Namespace: "default", Name: "sample", Annotations: map[string]string{"ovn.kubernetes.io/bgp": "true"}},
			Node: "node1",
			IPs:  []string{"10.16.0.5", "10.16.0.6", "fd00:16::5"},
		}},
	}
}

// apply takes the node from wherever it is to a configuration.
func (f *fabric) apply(t *testing.T, yaml string, snapshot reduce.Snapshot) {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "password"), []byte("s3cret!"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse("config.yaml", []byte(yaml))
	if err == nil {
		err = c.ReadPasswords(folder)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	result, err := reduce.Reduce(snapshot, c, "node1")
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Skipped) > 0 {
		t.Fatalf("skipped %v", result.Skipped)
	}
	conf, err := f.renderer.Render(result.Speaker)
	if err != nil {
		t.Fatal(err)
	}
	if change, err := f.reloader.Apply(t.Context(), conf); err != nil {
		t.Fatalf("%v\n%s", err, change)
	}
}

// peer configures a switch: its AS, and the lines of its router, in which those that begin with "4 " and "6 " belong to an
// address family.
func (f *fabric) peer(r *lab.Router, asn string, lines ...string) {
	var conf strings.Builder
	if old := f.switches[r]; old != "" {
		fmt.Fprintf(&conf, "no router bgp %s\n", old)
	}
	f.switches[r] = asn
	id := "10.1.0.1"
	if r == f.b {
		id = "10.2.0.1"
	}
	fmt.Fprintf(&conf, "router bgp %s\n bgp router-id %s\n no bgp ebgp-requires-policy\n no bgp network import-check\n", asn, id)
	fmt.Fprintf(&conf, " no bgp default ipv4-unicast\n")
	families := map[string]string{}
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "4 "), strings.HasPrefix(line, "6 "):
			families[line[:1]] += "  " + line[2:] + "\n"
		default:
			fmt.Fprintf(&conf, " %s\n", line)
		}
	}
	for _, family := range []string{"4", "6"} {
		if body := families[family]; body != "" {
			fmt.Fprintf(&conf, " address-family ipv%s unicast\n%s exit-address-family\n", family, body)
		}
	}
	conf.WriteString("exit\n")
	r.Load(conf.String())
}

// session gives the lines of a switch for one neighbor of IPv4.
func session(address, remoteAS string, more ...string) []string {
	lines := []string{"neighbor " + address + " remote-as " + remoteAS, "neighbor " + address + " timers connect 1"}
	if strings.Contains(address, ":") {
		lines = append(lines, "6 neighbor "+address+" activate")
	} else {
		lines = append(lines, "4 neighbor "+address+" activate")
	}
	return append(lines, more...)
}

// eventually waits until check gives no error.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline, tick := time.NewTimer(patience), time.NewTicker(pollInterval)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("wait %s until the far side shows it: %v", patience, err)
		case <-tick.C:
		}
	}
}

// all joins checks.
func all(checks ...error) error { return errors.Join(checks...) }

// shown runs a command that prints JSON and gives the value at path in it.
func shown(r *lab.Router, command string, path ...string) any {
	out, err := r.Vtysh(context.Background(), command)
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal([]byte(out), &value); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for _, key := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = object[key]
	}
	return value
}

// is is an error where a router does not show want.
func is(want any, r *lab.Router, command string, path ...string) error {
	if got := shown(r, command, path...); fmt.Sprint(got) != fmt.Sprint(want) {
		return fmt.Errorf("%s %s: %v, want %v", command, strings.Join(path, "."), got, want)
	}
	return nil
}

// peerIs is an error where the switch's own view of the node at address is another.
func peerIs(want any, r *lab.Router, address string, path ...string) error {
	return is(want, r, "show bgp neighbors "+address+" json", append([]string{address}, path...)...)
}

// paths gives what a router has of a prefix.
func paths(r *lab.Router, prefix string) []lab.Path {
	p := netip.MustParsePrefix(prefix)
	return r.Routes(route.FamilyOf(p.Addr()))[p]
}

// told is an error where the router's one path to prefix does not please; nil means that it must have none.
func told(r *lab.Router, prefix string, pleases func(lab.Path) bool) error {
	got := paths(r, prefix)
	switch {
	case pleases == nil && len(got) == 0:
	case pleases != nil && len(got) == 1 && pleases(got[0]):
	default:
		return fmt.Errorf("%s of %s: %+v", prefix, r.Pathspace, got)
	}
	return nil
}

func via(nextHop string) func(lab.Path) bool {
	return func(p lab.Path) bool { return p.NextHop == netip.MustParseAddr(nextHop) }
}

func along(asPath string) func(lab.Path) bool {
	return func(p lab.Path) bool { return p.ASPath == asPath }
}

func any1(lab.Path) bool { return true }

// stays fails the test where check is nil within the time that a session would need.
func stays(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline, tick := time.NewTimer(3*time.Second), time.NewTicker(500*time.Millisecond)
	defer deadline.Stop()
	defer tick.Stop()
	for {
		if err := check(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		select {
		case <-deadline.C:
			return
		case <-tick.C:
		}
	}
}

// ip runs a command in a router's namespace.
func ip(r *lab.Router, args ...string) (string, error) {
	out, err := exec.CommandContext(context.Background(), "ip", append([]string{"-n", r.Namespace.Name}, args...)...).CombinedOutput()
	return string(out), err
}

// tellOnFailure logs what the routers know when t has failed.
func (f *fabric) tellOnFailure(t *testing.T) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, r := range []*lab.Router{f.node, f.a, f.b} {
			out, err := r.Vtysh(context.Background(), "show bgp view all neighbors", "show running-config")
			t.Logf("%s: %v\n%s", r.Pathspace, err, out)
		}
	})
}
