package watch

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/test/kube"
)

// patience bounds every wait of these tests; on an idle machine each takes a fraction of a second.
const patience = 40 * time.Second

// running is a Cluster that runs.
type running struct {
	*Cluster
	t *testing.T
	// wanted is what Want was told last.
	wanted Wanted
	// calls counts those of changed.
	calls atomic.Int64
	log   *logtest.Hook
}

// clientGo has what client-go says, out of the tests' output. klog has one logger for the whole process, and what reads it outlives
// the tests that began it: TestMain sets it before all of them.
var clientGo = sync.OnceValue(func() *logtest.Hook {
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	LogClientGo(log)
	return hook
})

func TestMain(m *testing.M) {
	clientGo()
	os.Exit(m.Run())
}

// run follows a cluster until t ends.
func run(t *testing.T, config *rest.Config, o ClusterOptions) *running {
	t.Helper()
	log, hook := logtest.NewNullLogger()
	log.SetLevel(logrus.DebugLevel)
	o.Log = log
	if o.Node == "" {
		o.Node = "node1"
	}
	c, err := NewCluster(config, o)
	if err != nil {
		t.Fatal(err)
	}
	r := &running{Cluster: c, t: t, log: hook}
	r.Want(Wanted{Services: o.NATGateway == ""})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var inside atomic.Bool
	go func() {
		ended <- c.Run(ctx, func() {
			if inside.Swap(true) {
				t.Error("changed was called while it ran")
			}
			r.calls.Add(1)
			inside.Store(false)
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(patience):
			t.Error("Run did not end with its context")
		}
	})
	return r
}

func (r *running) Want(w Wanted) {
	r.wanted = w
	r.Cluster.Want(w)
}

// Readiness is the Cluster's, for what is wanted.
func (r *running) Readiness() Readiness { return r.Cluster.Readiness(r.wanted) }

// await waits until done, and says what for where that does not come.
func (r *running) await(what string, done func() bool) {
	r.t.Helper()
	r.awaitFor(patience, what, done)
}

func (r *running) awaitFor(limit time.Duration, what string, done func() bool) {
	r.t.Helper()
	deadline := time.After(limit)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !done() {
		select {
		case <-ticker.C:
		case <-deadline:
			r.t.Fatalf("waited in vain: %s\nreadiness %s\nsources %+v\nsnapshot %s", what, r.Readiness(), r.Sources(), brief(r.Snapshot()))
		}
	}
}

func (r *running) awaitComplete() {
	r.t.Helper()
	r.await("complete", func() bool { return r.Readiness() == Complete })
}

// awaitReason waits until a source's condition is that.
func (r *running) awaitReason(source string, reason Reason) SourceState {
	r.t.Helper()
	r.await(fmt.Sprintf("%s is %q", source, reason), func() bool { return r.source(source).Condition.Reason == reason })
	return r.source(source)
}

func (r *running) source(name string) SourceState {
	for _, s := range r.Sources() {
		if s.Name == name {
			return s
		}
	}
	return SourceState{}
}

func (r *running) pod(name string) *reduce.Pod {
	return find(r.Snapshot().Pods, func(p *reduce.Pod) bool { return p.Name == name })
}

func (r *running) subnet(name string) *reduce.Subnet {
	return find(r.Snapshot().Subnets, func(s *reduce.Subnet) bool { return s.Name == name })
}

func find[T any](objects []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(objects, is); i >= 0 {
		return objects[i]
	}
	return nil
}

// logged counts the lines that hold text, at warning level or above.
func (r *running) logged(text string) int {
	n := 0
	for _, e := range r.log.AllEntries() {
		if e.Level <= logrus.WarnLevel && strings.Contains(e.Message+" "+fmt.Sprint(e.Data["object"]), text) {
			n++
		}
	}
	return n
}

// brief names what a Snapshot holds.
func brief(s reduce.Snapshot) string {
	return fmt.Sprintf("%d pods, %d services, %d nodes, %d subnets, %d EIPs, %d gateways, %d secrets",
		len(s.Pods), len(s.Services), len(s.Nodes), len(s.Subnets), len(s.EIPs), len(s.Gateways), len(s.Secrets))
}

const nodeManifest = `
apiVersion: v1
kind: Node
metadata: {name: node1, labels: {rack: r1}}
status:
  addresses:
  - {type: InternalIP, address: 10.0.1.2}
  - {type: InternalIP, address: "fd00::2"}
  - {type: Hostname, address: node1}
`

func podManifest(namespace, name, node, annotations, status string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: %s, annotations: {%s}}
spec:
  nodeName: %s
  containers: [{name: c, image: i}]
status: {%s}
`, name, namespace, annotations, node, status)
}

func subnetManifest(name, cidr string) string {
	return fmt.Sprintf(`---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: %s, annotations: {fairlead.io/bgp: "true", other: x}}
spec: {cidrBlock: %s, natOutgoing: true}
status: {conditions: [{type: Ready, status: "True"}]}
`, name, cidr)
}

func TestClusterFollowsEveryKind(t *testing.T) {
	api := kube.Shared(t)
	api.CRDs(t)
	ns := api.Namespace(t)
	api.Apply(t, nodeManifest)
	api.Apply(t, podManifest(ns, "a", "node1", `fairlead.io/bgp: "true", note: x`, `phase: Running, podIP: 10.16.0.5, podIPs: [{ip: 10.16.0.5}]`))
	api.Apply(t, podManifest(ns, "plain", "node1", `note: x`, `phase: Running`))
	r := run(t, api.Config(), ClusterOptions{})
	r.awaitComplete()

	if got, want := r.pod("a"), (&reduce.Pod{Meta: reduce.Meta{Namespace: ns, Name: "a", Annotations: map[string]string{"fairlead.io/bgp": "true"}},
		Node: "node1", Phase: "Running", IPs: []string{"10.16.0.5"}}); !cmp.Equal(got, want) {
		t.Error(cmp.Diff(want, got))
	}
	if r.pod("plain") != nil {
		t.Error("a pod is held that asks for nothing")
	}
	node := r.Snapshot().Nodes[0]
	if want := []netip.Addr{netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("fd00::2")}; !slices.Equal(node.Addresses, want) || node.Labels["rack"] != "r1" {
		t.Errorf("node %+v", node)
	}

	api.Apply(t, fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: s, namespace: %s, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {clusterIP: 10.96.7.7, ports: [{port: 80}]}
`, ns))
	r.await("service", func() bool {
		s := find(r.Snapshot().Services, func(s *reduce.Service) bool { return s.Namespace == ns && s.Name == "s" })
		return s != nil && slices.Equal(s.ClusterIPs, []string{"10.96.7.7"}) && s.Type == "ClusterIP" && s.Annotations["ovn.kubernetes.io/bgp"] == "true"
	})
	subnet := subnetManifest("follows", "10.16.0.0/16")
	api.Apply(t, subnet)
	want := &reduce.Subnet{Meta: reduce.Meta{Name: "follows", Annotations: map[string]string{"fairlead.io/bgp": "true"}},
		CIDRBlock: "10.16.0.0/16", NATOutgoing: true, Ready: true}
	r.await("subnet", func() bool { return cmp.Equal(r.subnet("follows"), want) })

	api.Apply(t, podManifest(ns, "a", "node1", `fairlead.io/bgp: "local"`, `phase: Running, podIP: 10.16.0.6, podIPs: [{ip: 10.16.0.6}]`))
	r.await("changed pod", func() bool {
		p := r.pod("a")
		return p.Annotations["fairlead.io/bgp"] == "local" && p.IPs[0] == "10.16.0.6"
	})
	api.Apply(t, podManifest(ns, "plain", "node1", `fairlead.io/bgp: "true"`, `phase: Running`))
	r.await("a pod that begins to matter", func() bool { return r.pod("plain") != nil })
	api.Apply(t, podManifest(ns, "plain", "node1", ``, `phase: Running`))
	r.await("a pod that ceases to matter", func() bool { return r.pod("plain") == nil })

	api.Delete(t, podManifest(ns, "a", "node1", "", ""))
	api.Delete(t, subnet)
	r.await("deletions", func() bool { return r.pod("a") == nil && r.subnet("follows") == nil })
	for _, s := range r.Sources() {
		if !s.Synced || s.Condition.Reason != "" || s.Listed.IsZero() {
			t.Errorf("source %+v", s)
		}
	}
	if n := r.logged(""); n > 0 {
		t.Errorf("%d warnings were logged", n)
	}
}

func TestClusterGateway(t *testing.T) {
	api := kube.Shared(t)
	api.CRDs(t)
	api.Apply(t, nodeManifest)
	r := run(t, api.Config(), ClusterOptions{NATGateway: "gw1"})
	r.awaitComplete()
	eip := `---
apiVersion: kubeovn.io/v1
kind: IptablesEIP
metadata: {name: e1, labels: {ovn.kubernetes.io/vpc-nat-gw-name: gw1}, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {v4ip: 192.0.2.9, v6ip: "2001:db8::9", natGwDp: other}
status: {ready: true}
---
apiVersion: kubeovn.io/v1
kind: IptablesEIP
metadata: {name: e2}
spec: {v4ip: 192.0.2.10, natGwDp: gw2}
---
apiVersion: kubeovn.io/v1
kind: VpcNatGateway
metadata: {name: gw1}
spec: {vpc: v}
status: {workload: {nodes: [node1, node2]}}
---
apiVersion: kubeovn.io/v1
kind: VpcNatGateway
metadata: {name: gw2}
spec: {vpc: v}
`
	api.Apply(t, eip)
	t.Cleanup(func() { api.Delete(t, eip) })
	r.await("EIPs and the gateway", func() bool {
		s := r.Snapshot()
		return cmp.Equal(s.EIPs, []*reduce.EIP{
			{Meta: reduce.Meta{Name: "e1", Annotations: map[string]string{"ovn.kubernetes.io/bgp": "true"}}, Gateway: "gw1", V4: "192.0.2.9", V6: "2001:db8::9", Ready: true},
			{Meta: reduce.Meta{Name: "e2"}, Gateway: "gw2", V4: "192.0.2.10"},
		}) && cmp.Equal(s.Gateways, []*reduce.Gateway{{Meta: reduce.Meta{Name: "gw1"}, Nodes: []string{"node1", "node2"}}})
	})
	if s := r.source("pods"); s.Name != "" {
		t.Errorf("a gateway follows pods: %+v", s)
	}
}

func TestClusterOwnPods(t *testing.T) {
	api := kube.Shared(t)
	ns := api.Namespace(t)
	r := run(t, api.Config(), ClusterOptions{OwnPods: true})
	r.awaitComplete()
	api.Apply(t, podManifest(ns, "other", "node2", `fairlead.io/bgp: "true"`, `phase: Running`))
	api.Apply(t, podManifest(ns, "own", "node1", `fairlead.io/bgp: "true"`, `phase: Running`))
	r.await("own pod", func() bool { return r.pod("own") != nil })
	if r.pod("other") != nil {
		t.Error("a pod of another node is held")
	}
}

func secretManifest(namespace, name, value string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\nstringData: {password: %q}\n", name, namespace, value)
}

func TestClusterSecrets(t *testing.T) {
	api := kube.Shared(t)
	ns := api.Namespace(t)
	api.Apply(t, secretManifest(ns, "one", "alpha-7f")+secretManifest(ns, "unwanted", "x"))
	r := run(t, api.Config(), ClusterOptions{})
	r.awaitComplete()
	if n := len(r.Snapshot().Secrets); n > 0 {
		t.Fatalf("%d secrets are held that nobody wants", n)
	}
	r.Want(Wanted{Secrets: []config.SecretRef{
		{Namespace: ns, Name: "one", Key: "password"}, {Namespace: ns, Name: "late", Key: "password"}, {Namespace: ns, Name: "one", Key: "other"}}})
	if got := r.Readiness(); got != Waiting {
		t.Errorf("readiness %s before the secrets were looked for", got)
	}
	r.awaitComplete()
	holds := func(want map[string]string) func() bool {
		return func() bool {
			got := make(map[string]string)
			for _, s := range r.Snapshot().Secrets {
				got[s.Name] = s.Data["password"].Reveal()
			}
			return cmp.Equal(got, want)
		}
	}
	r.await("the secret there is", holds(map[string]string{"one": "alpha-7f"}))
	api.Apply(t, secretManifest(ns, "late", "gamma-7f")+secretManifest(ns, "one", "beta-7f"))
	r.await("a late secret, and a rotated one", holds(map[string]string{"one": "beta-7f", "late": "gamma-7f"}))

	api.Delete(t, secretManifest(ns, "one", ""))
	r.awaitReason("secrets/"+ns+"/one", Deleted)
	if !holds(map[string]string{"one": "beta-7f", "late": "gamma-7f"})() {
		t.Error("a deleted secret is gone")
	}
	api.Apply(t, secretManifest(ns, "one", "delta-7f"))
	r.awaitReason("secrets/"+ns+"/one", "")
	r.await("the secret is back", holds(map[string]string{"one": "delta-7f", "late": "gamma-7f"}))

	r.Want(Wanted{Secrets: []config.SecretRef{{Namespace: ns, Name: "late", Key: "password"}}})
	r.await("one is wanted no more", holds(map[string]string{"late": "gamma-7f"}))
	for _, e := range r.log.AllEntries() {
		for _, value := range []string{"alpha-7f", "beta-7f", "gamma-7f"} {
			if text, _ := e.String(); strings.Contains(text, value) {
				t.Errorf("logged a secret: %s", text)
			}
		}
	}
}

func TestClusterWithoutKubeOVN(t *testing.T) {
	api := kube.Shared(t)
	api.RemoveCRDs(t)
	r := run(t, api.Config(), ClusterOptions{})
	r.awaitComplete()
	if s := r.source("subnets"); s.Condition.Reason != "" || s.Objects != 0 {
		t.Errorf("a cluster without Kube-OVN: %+v", s)
	}
	api.CRDs(t)
	subnet := subnetManifest("late", "10.17.0.0/16")
	api.Apply(t, subnet)
	t.Cleanup(func() { api.Delete(t, subnet) })
	r.await("a subnet of a late CRD", func() bool { return r.subnet("late") != nil })
}
