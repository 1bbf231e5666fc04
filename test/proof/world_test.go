package proof

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// The neighbors of a world, as FRR names them.
const (
	tor   = "10.0.1.254"
	spine = "fd02::254"
)

// What the neighbors have the node's sessions with.
var torSees, spineSees = netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("fd02::1")

// patience is how long anything may take on a loaded machine that a test sets no bar to.
const patience = 90 * time.Second

// world is a site that announces the same routes of both families to two neighbors: to tor over IPv4 with a TCP MD5 password and
// the session's own next hops, to spine over IPv6 with next hops that its configuration sets. So each has an audience of its own.
type world struct {
	*site.Site
	t   *testing.T
	far map[string]*far
	// pods are the prefixes of the pods by family, sorted.
	pods map[route.Family][]netip.Prefix
	// routes is how many routes each neighbor is told.
	routes int
	// verify is that key of the configuration, a line; hold is the hold time of the sessions, and hop the end of the next hops that
	// spine is told.
	verify, hold, hop string
}

// far is a router at the other end.
type far struct {
	*lab.Router
	counter *lab.UpdateCounter
}

// communities and MED that all routes have, as a configuration has them.
const attributes = "communities: [65000:100]\nmed: 20\n"

// newWorld makes a world whose node has two subnets and this many pods with an address of each family; no agent runs yet.
func newWorld(t *testing.T, v lab.Version, pods int) *world {
	t.Helper()
	w := &world{
		Site: site.New(t, v, false), t: t, pods: map[route.Family][]netip.Prefix{}, routes: 2 + 2*pods,
		verify: "verify: {}\n", hold: "9s", hop: "1",
	}
	for link, ends := range []map[*lab.Namespace]string{
		{w.Node: "fd01::1/64", w.ToR.Namespace: "fd01::254/64"},
		{w.Node: "fd02::1/64", w.Spine.Namespace: "fd02::254/64"},
	} {
		for ns, address := range ends {
			ifname := "eth0"
			if ns == w.Node {
				ifname = fmt.Sprintf("eth%d", link)
			}
			ns.Address(t, ifname, netip.MustParsePrefix(address))
		}
	}
	w.ToR.Load(`router bgp 65001
 neighbor 10.0.1.1 password hunter2
 address-family ipv6 unicast
  neighbor 10.0.1.1 activate
 exit-address-family
exit
`)
	w.Spine.Load(`router bgp 65002
 no neighbor 10.0.2.1
 neighbor fd02::1 remote-as 65000
 neighbor fd02::1 timers 3 9
 neighbor fd02::1 timers connect 1
 address-family ipv4 unicast
  neighbor fd02::1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd02::1 activate
 exit-address-family
exit
`)
	w.Write("tor.password", "hunter2\n")
	w.Write("manifests/six.yaml", `apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: six, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {cidrBlock: "fd00:16::/64"}
status: {conditions: [{type: Ready, status: "True"}]}
`)
	var manifests strings.Builder
	for i := range pods {
		four, six := addresses(i)
		manifests.WriteString(pod(fmt.Sprintf("pod-%d", i), four, six))
		for _, a := range []netip.Addr{four, six} {
			f := route.FamilyOf(a)
			w.pods[f] = append(w.pods[f], netip.PrefixFrom(a, a.BitLen()))
		}
	}
	w.Write("manifests/pods.yaml", manifests.String())
	w.configure(attributes)
	// What is older than an agent that starts is given its configuration by nobody else: its own word is not looked at each second.
	long := time.Now().Add(-time.Hour)
	if err := os.Chtimes(filepath.Join(w.Near.RunDir, "bgpd.vty"), long, long); err != nil {
		t.Fatal(err)
	}
	return w
}

// addresses are those of a pod.
func addresses(pod int) (four, six netip.Addr) {
	return netip.AddrFrom4([4]byte{10, 16, byte(pod>>8) + 1, byte(pod)}), netip.MustParseAddr(fmt.Sprintf("fd00:16::1:%x", pod+1))
}

// pod is the manifest of an announced one.
func pod(name string, addresses ...netip.Addr) string {
	var ips []string
	for _, a := range addresses {
		ips = append(ips, fmt.Sprintf("{ip: %q}", a))
	}
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {namespace: default, name: %s, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [%s]}
`, name, strings.Join(ips, ", "))
}

// configure writes the configuration, with these lines of other keys.
func (w *world) configure(more string) {
	w.t.Helper()
	w.Write("mode", "frr: {mode: external, pathspace: "+w.Node.Name+", audit: {interval: 1h, drift: report}}\n"+
		"status: {socket: "+w.Inside("agent.sock")+"}\n")
	session := "holdTime: " + w.hold + ", connectTime: 1s, families: [ipv4, ipv6]"
	w.Edit(fmt.Sprintf(`  - {name: tor, address: 10.0.1.254, asn: 65001, passwordFile: tor.password, %s}
  - {name: spine, address: "fd02::254", asn: 65002, nextHop: {ipv4: 10.0.2.%s, ipv6: "fd02::%[2]s"}, %[1]s}
`, session, w.hop), w.verify, more)
}

// start starts the agent behind some words, waits until all is proven by a witness, as far as that one can, and counts what the
// neighbors receive from then on.
func (w *world) start(witness, proof string, words ...string) {
	w.t.Helper()
	w.Start(words...)
	w.proven("at first", witness, proof)
	w.far = map[string]*far{
		tor:   {w.ToR, w.ToR.CountUpdates(torSees)},
		spine: {w.Spine, w.Spine.CountUpdates(spineSees)},
	}
}

// answer is what the agent says to "fairlead verify -o json".
type answer struct {
	Agrees   bool
	Sessions []session
	Blind    []struct{ Witness, Reason string }
}

type session struct {
	Neighbor, State string
	AdminDown       bool
	Resets          int
	Proof           struct {
		Witnesses           []knowledge
		Limits              []string
		Counts              []count
		Open                []verdict
		Unacknowledged      int
		UnacknowledgedSince time.Time
		Blocked             time.Time
	}
}

type knowledge struct {
	Witness, State string
	At             time.Time
}

type count struct {
	Verdict, Witness, Proof string
	Routes                  int
}

type verdict struct {
	Prefix                                 netip.Prefix
	Verdict, Witness, Proof, Unseen, Cause string
	Differences                            []struct{ Attribute, Wanted, Got string }
}

// wrong reports whether the agent calls it a drift.
func (v verdict) wrong() bool { return v.Verdict != "pending" }

// String gives "10.16.0.5/32 mismatch by tap; MED: wanted 20, got 50".
func (v verdict) String() string {
	text := fmt.Sprintf("%s %s by %s", v.Prefix, v.Verdict, v.Witness)
	for _, d := range v.Differences {
		text += fmt.Sprintf("; %s: wanted %s, got %s", d.Attribute, d.Wanted, d.Got)
	}
	return text
}

// ask asks the agent whether all is as it should be.
func (w *world) ask() (answer, error) {
	var out bytes.Buffer
	var a answer
	err := status.Ask(w.t.Context(), w.Path("agent.sock"), "verify", url.Values{}, status.JSON, &out)
	if err != nil && !errors.Is(err, status.ErrFault) {
		return a, err
	}
	fault := err != nil
	if err := json.Unmarshal(out.Bytes(), &a); err != nil {
		return a, fmt.Errorf("read %q: %w", out.String(), err)
	}
	if fault == a.Agrees {
		return a, fmt.Errorf("all agrees %v, and the fault is %w", a.Agrees, err)
	}
	return a, nil
}

// session is that with a neighbor.
func (a *answer) session(neighbor string) *session {
	for i := range a.Sessions {
		if a.Sessions[i].Neighbor == neighbor {
			return &a.Sessions[i]
		}
	}
	return &session{}
}

// told is what the agent calls a drift, by neighbor; of a session that cannot be compared, that.
func (a *answer) told() map[string][]string {
	told := map[string][]string{}
	for i := range a.Sessions {
		s := &a.Sessions[i]
		for _, v := range s.Proof.Open {
			if v.wrong() {
				told[s.Neighbor] = append(told[s.Neighbor], v.String())
			}
		}
		for _, c := range s.Proof.Counts {
			if c.Verdict == "not-comparable" {
				told[s.Neighbor] = append(told[s.Neighbor], fmt.Sprintf("%d not compared, shut down %v", c.Routes, s.AdminDown))
			}
		}
		slices.Sort(told[s.Neighbor])
	}
	return told
}

// summary is the answer in a few lines, for the messages of tests.
func (a *answer) summary() string {
	var text strings.Builder
	for i := range a.Sessions {
		s := &a.Sessions[i]
		fmt.Fprintf(&text, "%s %s: %v, witnesses %v", s.Neighbor, s.State, s.Proof.Counts, s.Proof.Witnesses)
		for _, v := range s.Proof.Open[:min(10, len(s.Proof.Open))] {
			fmt.Fprintf(&text, "\n  %s (%s)", v, v.Cause)
		}
		text.WriteString("\n")
	}
	fmt.Fprintf(&text, "blind %v", a.Blind)
	return text.String()
}

// all is nil where each neighbor is told all, and a witness has seen all of it so far.
func (w *world) all(a *answer, witness, proof string) error {
	if !a.Agrees || len(a.Sessions) != 2 {
		return fmt.Errorf("not all agrees: %s", a.summary())
	}
	for i := range a.Sessions {
		if !w.has(&a.Sessions[i], witness, proof) {
			return fmt.Errorf("not all %d routes are announced, %s by %s: %s", w.routes, proof, witness, a.summary())
		}
	}
	return nil
}

// has reports whether a neighbor is told all, and a witness has seen all of it so far, and sees the whole of the session: as long as
// it learns its first table, another may say what is missing.
func (w *world) has(s *session, witness, proof string) bool {
	c := s.Proof.Counts
	whole := slices.ContainsFunc(s.Proof.Witnesses, func(k knowledge) bool { return k.Witness == witness && k.State == "whole" })
	return whole && len(c) == 1 && c[0].Verdict == "announced" && c[0].Routes == w.routes && c[0].Witness == witness && c[0].Proof == proof
}

// proven waits until all is proven.
func (w *world) proven(when, witness, proof string) {
	w.t.Helper()
	lab.Eventually(w.t, patience, when+" all is proven", func() error {
		a, err := w.ask()
		if err == nil {
			err = w.all(&a, witness, proof)
		}
		if err != nil {
			return fmt.Errorf("%w; the agent says\n%s", err, w.Agent.Output())
		}
		return nil
	})
}

// established reports whether the session of a router at the other end is.
func (w *world) established(r *lab.Router) bool {
	n, err := w.Session(r)
	return err == nil && n.State == "Established"
}
