// Package cluster runs a real Kubernetes on one machine for the end-to-end tests: API server, controller manager and scheduler, and
// nodes with containerd and kubelet, each host in a network namespace of its own. hack/setup --e2e makes what it needs.
//
// Nothing of it is left on the machine when its test ends, however that ends: see host. All hosts and routers are on one Ethernet
// segment, 10.32.32.0/24; pods of node N have addresses of 10.244.N.0/24. Hosts of the cluster know the way to them, and a router does
// not unless it is told.
package cluster

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
)

// Cluster is a Kubernetes with nodes. Its methods are for the goroutine of its test.
type Cluster struct {
	// API is the API server, with which tests make objects.
	API *kube.Cluster
	// Nodes are its nodes, by order of their names: node1, node2.
	Nodes []*Node
	// Segment is the Ethernet that all hosts are on. Addresses from 10.32.32.100 are free.
	Segment *lab.Switch

	t          lab.T
	binary     string
	home       string
	kubeconfig string
	control    *lab.Namespace
}

// control is the address of the API server's host, and services the range of the cluster's services.
var (
	control  = netip.MustParsePrefix("10.32.32.1/24")
	services = netip.MustParsePrefix("10.96.0.0/16")
)

// Start starts a cluster with so many nodes, and waits until they are ready. It ends with t. Start skips t, saying why, where a
// cluster cannot run.
func Start(t lab.T, nodes int) *Cluster {
	t.Helper()
	lab.Require(t)
	hierarchies(t)
	for _, program := range []string{"containerd", "runc", "nsenter", "unshare"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("a cluster needs %s: run hack/setup --e2e", program)
		}
	}
	binary, err := kube.Nodes()
	if err != nil {
		t.Skipf("a cluster: %v", err)
	}
	c := &Cluster{t: t, binary: binary, Segment: lab.NewSwitch(t, "segment")}
	// The name is one that a laboratory gives: what a killed process left, package lab sweeps.
	if c.home, err = os.MkdirTemp("/tmp", fmt.Sprintf("fl-%d-cluster-", os.Getpid())); err != nil {
		t.Fatalf("start a cluster: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(c.home); err != nil {
			t.Logf("clean up: %v", err)
		}
	})
	c.startControl()
	for number := 1; number <= nodes; number++ {
		c.Nodes = append(c.Nodes, c.newNode(number))
	}
	c.connectPods()
	for _, n := range c.Nodes {
		n.Start()
	}
	for _, n := range c.Nodes {
		n.Ready()
	}
	lab.Eventually(t, patience, "pods can be made", func() error {
		_, err := c.Kubectl("get", "serviceaccount", "default", "--namespace", "default")
		return err
	})
	return c
}

// startControl starts API server, controller manager and scheduler on a host of theirs.
func (c *Cluster) startControl() {
	c.t.Helper()
	ns := lab.NewNamespace(c.t, "control")
	c.control = ns
	c.Segment.Connect(c.t, ns, "eth0", control)
	place := kube.Place{Namespace: ns, Address: control.Addr(), Services: services}
	// What the nodes send to this address comes here by their default route: no proxy runs on them.
	ns.Address(c.t, "lo", netip.PrefixFrom(place.Service(), 32))
	c.API = kube.StartIn(c.t, place)
	c.kubeconfig = c.API.Kubeconfig(c.t)
	c.serveNames(ns)
	host := newHost(c.t, ns, "control", c.home)
	host.on()
	host.start("kube-controller-manager", c.binary, "kube-controller-manager",
		"--kubeconfig="+c.API.NodeKubeconfigOf(c.t, "system:kube-controller-manager"),
		"--root-ca-file="+c.API.File(kube.AuthorityCertificate),
		"--service-account-private-key-file="+c.API.File(kube.AccountKey),
		"--use-service-account-credentials",
		"--leader-elect=false",
		"--secure-port=0",
		// A node that is gone is noticed within the patience of a test.
		"--node-monitor-grace-period=20s",
	)
	host.start("kube-scheduler", c.binary, "kube-scheduler",
		"--kubeconfig="+c.API.NodeKubeconfigOf(c.t, "system:kube-scheduler"),
		"--leader-elect=false",
		"--secure-port=0",
	)
}

// connectPods tells each host of the cluster the way to the pods of the others, as a cluster's network does.
func (c *Cluster) connectPods() {
	c.t.Helper()
	for _, n := range c.Nodes {
		hosts := []*lab.Namespace{c.control}
		for _, other := range c.Nodes {
			if other != n {
				hosts = append(hosts, other.host.ns)
			}
		}
		for _, ns := range hosts {
			ns.IP(c.t, "route", "add", n.pods.String(), "via", n.Address.String())
		}
	}
}

// Node gives a node by its name.
func (c *Cluster) Node(name string) *Node {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n
		}
	}
	c.t.Fatalf("there is no node %s", name)
	return nil
}

// Load gives all nodes the images of a file, which is what docker save and buildah push docker-archive: write.
func (c *Cluster) Load(file string) {
	c.t.Helper()
	for _, n := range c.Nodes {
		n.load(file)
	}
}

// Tag gives an image of all nodes one more name.
func (c *Cluster) Tag(name, more string) {
	c.t.Helper()
	for _, n := range c.Nodes {
		if err := n.host.run("ctr", "--namespace", "k8s.io", "images", "tag", name, more); err != nil {
			c.t.Fatalf("name image: %v", err)
		}
	}
}

// Logs is the end of what the programs of each host have written, for a test that failed.
func (c *Cluster) Logs() string {
	const lines = 15
	var b strings.Builder
	for _, n := range c.Nodes {
		for _, name := range []string{"containerd", "kubelet"} {
			fmt.Fprintf(&b, "--- %s of %s:\n%s\n", name, n.Name, n.host.tail(name, lines))
		}
	}
	return b.String()
}

// Kubectl runs kubectl as the administrator and returns what it prints on its standard output. What it complains of is in the error.
func (c *Cluster) Kubectl(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	command := exec.CommandContext(ctx, c.binary, append([]string{"kubectl", "--kubeconfig", c.kubeconfig}, args...)...)
	// It keeps what it has learned of the server in its home.
	command.Env = append(os.Environ(), "HOME="+c.home)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("run kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// Kubeconfig is the path of the administrator's kubeconfig, which holds on this machine.
func (c *Cluster) Kubeconfig() string { return c.kubeconfig }
