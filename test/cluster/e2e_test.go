package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// freshTimeout is what a new speaker has from the label on its node until the node's routes are on the router and its pods are ready. On
// an idle machine it takes less than 10 s, which is what operators are told; the times that it took are printed.
const freshTimeout = time.Minute

// The pods that are announced. A pod of a name such as node1-local runs on node1, and only its speaker may tell of it.
const pods = `apiVersion: v1
kind: Pod
metadata: {name: %[1]s-%[2]s, namespace: default}
spec:
  nodeName: %[1]s
  terminationGracePeriodSeconds: 1
  tolerations: [{operator: Exists}]
  containers: [{name: pause, image: ` + pauseImage + `, imagePullPolicy: Never}]
`

const objects = `apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: ovn-default}
spec: {cidrBlock: 10.16.0.0/16}
status: {conditions: [{type: Ready, status: "True"}]}
---
apiVersion: v1
kind: Service
metadata: {name: sample, namespace: default}
spec: {clusterIP: 10.96.0.50, ports: [{port: 80}]}
`

// Prefixes of the objects.
const (
	subnetRoute  = "10.16.0.0/16"
	serviceRoute = "10.96.0.50/32"
)

// suite is what the steps share.
type suite struct {
	t        *testing.T
	c        *Cluster
	r        *release
	tor, two *tor
	values   values
	// addresses of the pods of each node, by their names.
	addresses map[string]string
}

// values are those of the release, as a test changes them.
type values struct {
	tag       string
	second    bool // the second router is a neighbor too
	broken    bool // in a way that helm cannot see
	withdraws bool
	embedded  bool // FRR is in the agents' pods
}

func (v values) String() string {
	mode := "external"
	if v.embedded {
		mode = "embedded"
	}
	text := fmt.Sprintf(`
image: {repository: %s, tag: "%s", pullPolicy: Never}
minReadySeconds: 1
withdrawOnExit: %v
config:
  asn: 65000
  frr: {mode: %s}
  announce: {clusterIPs: true}
  # Longer than any wait: what is gone was withdrawn.
  gracefulRestart: {restartTime: 600s}
  neighborDefaults: {asn: 65030, gracefulRestart: true, holdTime: 60s, connectTime: 1s}
  neighbors:
  - {name: tor1, address: 10.32.32.254}
`, image, v.tag, v.withdraws, mode)
	if v.second {
		text += "  - {name: tor2, address: 10.32.32.253, gracefulRestart: false, passwordSecretRef: {name: bgp}}\n"
	}
	if v.broken {
		text += "  - {name: again, address: 10.32.32.254}\n"
	}
	return text
}

// TestCluster is what an operator does with the chart, step by step, and what happens to a cluster then, on two nodes with a real
// kubelet and containerd. Each step is held against the table of a router outside. A step builds on those before it.
func TestCluster(t *testing.T) {
	s := &suite{t: t, c: Start(t, 2), values: values{tag: "1"}, addresses: map[string]string{}}
	b := newBuilder(t)
	s.c.Load(b.pause())
	s.c.Load(b.fairlead("1"))
	s.c.Tag(image+":1", image+":2")
	s.r = newRelease(t, s.c)
	s.tor, s.two = newToR(t, s.c, "tor1", "10.32.32.254", ""), newToR(t, s.c, "tor2", "10.32.32.253", password)
	for _, step := range []struct {
		name string
		do   func(*suite)
	}{
		{"refuses a mistake", (*suite).refuses},
		{"installs", (*suite).installs},
		{"announces a pod", (*suite).announcesPod},
		{"announces a subnet and a service", (*suite).announcesObjects},
		{"a fresh node announces soon", (*suite).freshNode},
		{"the operator looks", (*suite).looks},
		{"changed values reach agents that run", (*suite).changesValues},
		{"broken values change nothing", (*suite).breaksValues},
		{"an agent is killed", (*suite).killsAgent},
		{"bgpd is killed", (*suite).killsBGPD},
		// Before its pods are the work of a new kubelet, which starts no container until it has asked the API server once.
		{"the API server is killed", (*suite).killsAPIServer},
		{"the kubelet is killed", (*suite).killsKubelet},
		{"the pods are replaced", (*suite).restarts},
		{"the image is upgraded", (*suite).upgrades},
		{"a node is rebooted", (*suite).reboots},
		{"a node is drained and deleted", (*suite).drains},
		{"uninstalls", (*suite).uninstalls},
		{"agent and FRR in one pod", (*suite).embeds},
	} {
		start := time.Now()
		if !t.Run(step.name, func(t *testing.T) {
			s.at(t)
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(s.r.logs())
				}
			})
			step.do(s)
		}) {
			t.Fatalf("the steps after it are not run")
		}
		t.Logf("%-40s %5.1f s", step.name, time.Since(start).Seconds())
	}
}

// at has all that waits say so in the step that waits.
func (s *suite) at(t *testing.T) {
	s.t, s.r.t, s.tor.t, s.two.t = t, t, t, t
}

func (s *suite) nodes() (one, two *Node) { return s.c.Nodes[0], s.c.Nodes[1] }

// pod makes a pod on a node, and returns its route once it has an address.
func (s *suite) pod(n *Node, name string) string {
	s.t.Helper()
	s.c.API.Apply(s.t, fmt.Sprintf(pods, n.Name, name))
	name = n.Name + "-" + name
	lab.Eventually(s.t, patience, "pod "+name+" has an address", func() error {
		address, err := s.c.Kubectl("get", "pod", name, "--output", "jsonpath={.status.podIP}")
		if err == nil && address == "" {
			err = fmt.Errorf("it has none")
		}
		s.addresses[name] = address
		return err
	})
	return s.route(name)
}

func (s *suite) route(pod string) string { return s.addresses[pod] + "/32" }

// everything waits until both routers have all that was announced so far, from exactly these nodes.
func (s *suite) everything(nodes ...*Node) {
	s.t.Helper()
	routers := []*tor{s.tor}
	if s.values.second {
		routers = append(routers, s.two)
	}
	for _, r := range routers {
		for _, prefix := range []string{s.route("node1-sample"), subnetRoute, serviceRoute} {
			r.has(prefix, nodes...)
		}
		for _, n := range nodes {
			r.has(s.route(n.Name+"-local"), n)
		}
	}
}

func (s *suite) refuses() {
	wrong := strings.Replace(s.values.String(), "asn: 65000", "asn: 65000000000", 1)
	_, err := s.r.tryHelm(wrong, "install", "fairlead", chart, "--values", "-", "--create-namespace")
	if err == nil || !strings.Contains(err.Error(), "/config/asn") {
		s.t.Fatalf("helm says of an AS number that is none: %v", err)
	}
	if out := s.r.kubectl("get", "daemonsets", "--all-namespaces", "--output", "name"); out != "" {
		s.t.Fatalf("there is %s", out)
	}
}

// installs has one node speak at first.
func (s *suite) installs() {
	one, _ := s.nodes()
	s.c.API.CRDs(s.t)
	s.r.kubectl("create", "namespace", namespace)
	s.r.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=privileged")
	s.r.kubectl("label", "node", one.Name, "ovn.kubernetes.io/bgp=true")
	s.r.install(s.values.String())
	s.tor.up(one, 1)
	s.tor.empty()
	s.r.says(one, "10.32.32.254", "vtysh", "-c", "show bgp summary")
}

func (s *suite) announcesPod() {
	one, two := s.nodes()
	sample := s.pod(one, "sample")
	s.tor.empty()
	s.r.kubectl("annotate", "pod", "node1-sample", "ovn.kubernetes.io/bgp=true")
	s.tor.has(sample, one)
	s.tor.reaches(s.addresses["node1-sample"])
	local, far := s.pod(one, "local"), s.pod(two, "local")
	s.r.kubectl("annotate", "pod", "node1-local", "node2-local", "ovn.kubernetes.io/bgp=local")
	s.tor.has(local, one)
	s.tor.has(far)
	s.r.kubectl("annotate", "pod", "node1-sample", "ovn.kubernetes.io/bgp-")
	s.tor.has(sample)
	s.r.kubectl("annotate", "pod", "node1-sample", "ovn.kubernetes.io/bgp=true")
	s.tor.has(sample, one)
	s.r.proven(one)
}

func (s *suite) announcesObjects() {
	one, _ := s.nodes()
	s.c.API.Apply(s.t, objects)
	s.r.kubectl("annotate", "subnet", "ovn-default", "ovn.kubernetes.io/bgp=true")
	s.r.kubectl("annotate", "service", "sample", "ovn.kubernetes.io/bgp=true")
	s.everything(one)
}

// freshNode labels the other node: its speaker is new, and the image is there.
func (s *suite) freshNode() {
	one, two := s.nodes()
	start := time.Now()
	s.r.kubectl("label", "node", two.Name, "ovn.kubernetes.io/bgp=true")
	s.tor.has(s.route("node2-local"), two)
	told := time.Since(start)
	lab.Eventually(s.t, patience, "the pods of node2 are ready", func() error { return s.r.readyNow(two) })
	ready := time.Since(start)
	s.t.Logf("after a node was labelled its routes were on the router within %.1f s, and its pods ready within %.1f s", told.Seconds(), ready.Seconds())
	if ready > freshTimeout {
		s.t.Errorf("it took more than %s", freshTimeout)
	}
	s.everything(one, two)
	s.r.rolledOut()
	s.r.proven(two)
}

// changesValues gives the agents one more neighbor, whose password is in a Secret.
func (s *suite) changesValues() {
	before, sessions := s.r.pods(), s.tor.sessions(s.c.Nodes...)
	s.values.second = true
	s.r.kubectl("--namespace", namespace, "create", "secret", "generic", "bgp", "--from-literal=password="+password)
	s.tor.keeps(func() {
		s.r.upgrade(s.values.String())
		s.everything(s.c.Nodes...)
	})
	s.unchanged(before, sessions)
}

// unchanged holds pods and sessions of the first router against what they were.
func (s *suite) unchanged(pods map[string]string, sessions map[string]int) {
	s.t.Helper()
	if got := s.r.pods(); fmt.Sprint(got) != fmt.Sprint(pods) {
		s.t.Errorf("the pods were %v and are %v", pods, got)
	}
	if got := s.tor.sessions(s.c.Nodes...); fmt.Sprint(got) != fmt.Sprint(sessions) {
		s.t.Errorf("the sessions had come up %v times, and now have %v", sessions, got)
	}
}

func (s *suite) breaksValues() {
	before, sessions := s.r.pods(), s.tor.sessions(s.c.Nodes...)
	s.values.broken = true
	s.tor.keeps(func() {
		s.r.upgrade(s.values.String())
		for _, n := range s.c.Nodes {
			s.r.says(n, "is the address of neighbors[0]", "fairlead", "status")
		}
		// What the cluster asks for is followed all the same.
		more := s.pod(s.c.Nodes[0], "more")
		s.r.kubectl("annotate", "pod", "node1-more", "ovn.kubernetes.io/bgp=true")
		s.tor.has(more, s.c.Nodes...)
		s.everything(s.c.Nodes...)
	})
	s.values.broken = false
	s.r.upgrade(s.values.String())
	for _, n := range s.c.Nodes {
		s.r.says(n, "ConfigurationCurrent   True", "fairlead", "status")
	}
	s.unchanged(before, sessions)
}

func (s *suite) restarts() {
	before := s.r.pods()
	s.agentsAnew(func() {
		s.r.kubectl("--namespace", namespace, "rollout", "restart", agents)
		s.r.rolledOut()
	}, s.c.Nodes...)
	s.replaced(before, s.r.pods())
}

// replaced holds that each node has another pod than before.
func (s *suite) replaced(before, after map[string]string) {
	s.t.Helper()
	for _, n := range s.c.Nodes {
		if after[n.Name] == "" || after[n.Name] == before[n.Name] {
			s.t.Errorf("the pod of %s was %q and is %q", n.Name, before[n.Name], after[n.Name])
		}
	}
}

// upgrades gives all pods another image: those of FRR one by one, as the operator chooses, where it has its own.
func (s *suite) upgrades() {
	before := s.r.pods()
	s.values.tag = "2"
	s.agentsAnew(func() {
		s.r.upgrade(s.values.String())
		s.r.rolledOut()
	}, s.c.Nodes...)
	s.replaced(before, s.r.pods())
	if s.r.apart() {
		before := s.r.podsOf(frrSelector)
		for _, n := range s.c.Nodes {
			next, since := s.again(n), s.two.mark()
			s.tor.keeps(func() {
				s.r.deleteFRR(n)
				s.tor.up(n, next)
				s.r.rolledOut()
				s.everything(s.c.Nodes...)
			})
			s.misses("FRR's pod was replaced", since, n)
		}
		s.replaced(before, s.r.podsOf(frrSelector))
	}
	out := s.r.kubectl("--namespace", namespace, "get", "pods", "--selector", releaseSelector, "--output",
		"jsonpath={.items[*].spec.containers[*].image}")
	if strings.Contains(out, image+":1") {
		s.t.Errorf("the pods run %s", out)
	}
}

// drains takes a node out of the cluster as the documentation says: its speaker withdraws what it told before it ends.
func (s *suite) drains() {
	one, two := s.nodes()
	s.values.withdraws = true
	s.r.upgrade(s.values.String())
	s.r.rolledOut()
	s.everything(one, two)
	s.r.kubectl("drain", two.Name, "--ignore-daemonsets", "--force", "--delete-emptydir-data", "--timeout", patience.String())
	s.tor.has(s.route("node2-local"))
	s.r.kubectl("label", "node", two.Name, "ovn.kubernetes.io/bgp-")
	s.everything(one)
	s.r.gone(two)
	two.PowerOff()
	s.r.kubectl("delete", "node", two.Name)
	s.everything(one)
}

func (s *suite) uninstalls() {
	one, _ := s.nodes()
	s.uninstall(one)
	s.tor.empty()
	s.flushes(one)
}

// uninstall removes the release: no pod of it is left on a node, no daemon of FRR, and no session.
func (s *suite) uninstall(n *Node) {
	s.t.Helper()
	if _, err := s.r.tryHelm("", "uninstall", "fairlead", "--wait"); err != nil {
		s.t.Fatal(err)
	}
	s.two.empty()
	s.r.gone(n)
	if err := n.host.run("pgrep", "bgpd"); err == nil {
		s.t.Error("a bgpd runs still")
	}
}

// embeds installs anew, with FRR in the agents' pods, replaces one, and uninstalls it without withdrawOnExit: each time a neighbor with
// graceful restart keeps the routes.
func (s *suite) embeds() {
	one, _ := s.nodes()
	s.values.embedded, s.values.withdraws = true, false
	next := s.again(one)
	s.r.install(s.values.String())
	s.tor.up(one, next)
	s.everything(one)
	if s.r.apart() {
		s.t.Error("FRR has pods of its own")
	}
	before, since := s.r.pods(), s.two.mark()
	next = s.again(one)
	s.tor.keeps(func() {
		pod, _, _ := strings.Cut(before[one.Name], " ")
		s.r.kubectl("--namespace", namespace, "delete", "pod", pod, "--timeout", patience.String())
		s.tor.up(one, next)
		s.r.rolledOut()
		s.everything(one)
	})
	s.misses("the pod of agent and FRR was replaced", since, one)
	s.r.proven(one)
	s.tor.keeps(func() {
		s.uninstall(one)
		if err := s.tor.hasNow(s.route("node1-local"), one); err == nil || !strings.Contains(err.Error(), "is stale") {
			s.t.Errorf("without withdrawOnExit a neighbor has kept nothing: %v", err)
		}
	})
}
