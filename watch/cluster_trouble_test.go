package watch

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
)

// A CRD that is deleted takes its objects along, one by one; what they stood for stays.
func TestClusterCRDDeleted(t *testing.T) {
	api := kube.Shared(t)
	api.CRDs(t)
	var half, manifest string
	for i := range 20 {
		if i == 10 {
			half = manifest
		}
		manifest += subnetManifest(fmt.Sprintf("crd-%02d", i), fmt.Sprintf("10.20.%d.0/24", i))
	}
	api.Apply(t, manifest)
	t.Cleanup(func() { api.Delete(t, manifest) })
	r := run(t, api.Config(), ClusterOptions{Grace: time.Hour})
	r.awaitComplete()
	least := new(atomic.Int64)
	least.Store(20)
	watching, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for watching.Err() == nil {
			least.Store(min(least.Load(), int64(len(r.Snapshot().Subnets))))
			<-tick.C
		}
	}()
	api.RemoveCRDs(t, kube.Subnets)
	s := r.awaitReason("subnets", Missing)
	if s.Objects != 20 || !strings.Contains(s.Condition.Message, "keeping its 20 objects") {
		t.Errorf("%+v", s)
	}
	if r.Readiness() != Complete {
		t.Error("what was complete is no more")
	}
	api.CRDs(t, kube.Subnets)
	r.awaitReason("subnets", Restored)
	stop()
	<-done
	if n := least.Load(); n != 20 {
		t.Errorf("%d of 20 subnets were held at the worst moment", n)
	}
	// Half of them come back, the others are given up in time. That time ends here once the half is back, however long it took.
	api.Apply(t, half)
	subnets := r.named("subnets").definition
	r.await("half of them are back", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(subnets.orphans) == 10
	})
	r.mu.Lock()
	subnets.until = time.Now()
	r.mu.Unlock()
	subnets.verifySoon()
	r.await("the grace time's end", func() bool { return len(r.Snapshot().Subnets) == 10 })
	r.awaitReason("subnets", "")
	if r.logged("giving up 10 objects") != 1 {
		t.Error("it was not told that objects were given up")
	}
	api.Delete(t, subnetManifest("crd-00", "10.20.0.0/24"))
	r.await("a deletion counts again", func() bool { return len(r.Snapshot().Subnets) == 9 })
}

func role(rules string) string {
	return fmt.Sprintf(`---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: watch-test}
rules: [%s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: watch-test}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: watch-test}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: agent}]
`, rules)
}

const (
	mayCore     = `{apiGroups: [""], resources: [nodes, services], verbs: [list, watch]}`
	mayPods     = `,{apiGroups: [""], resources: [pods], verbs: [list, watch]}`
	mayKubeOVN  = `,{apiGroups: [kubeovn.io], resources: [subnets], verbs: [list, watch]}`
	mayLookCRDs = `,{apiGroups: [apiextensions.k8s.io], resources: [customresourcedefinitions], verbs: [get, list, watch]}`
)

func TestClusterForbidden(t *testing.T) {
	api := kube.Shared(t)
	api.CRDs(t)
	ns := api.Namespace(t)
	pod := podManifest(ns, "a", "node1", `fairlead.io/bgp: "true"`, `phase: Running`)
	api.Apply(t, nodeManifest+pod)
	config := api.ConfigOf(t, "agent")
	var way line
	config.Dial = way.dial
	// give gives the agent so many rules, and waits until the API server goes by them.
	give := func(t *testing.T, rules string, n int) {
		t.Helper()
		api.Apply(t, role(rules))
		lab.Eventually(t, patience, "the API server knows the rules", func() error {
			if known := kube.Rules(t, config, ns); len(known) != n {
				return fmt.Errorf("%d rules, want %d: %v", len(known), n, known)
			}
			return nil
		})
	}

	t.Run("at start", func(t *testing.T) {
		give(t, mayCore+mayKubeOVN+mayLookCRDs, 3)
		r := run(t, config, ClusterOptions{})
		r.await("partial", func() bool { return r.Readiness() == Partial })
		s := r.awaitReason("pods", Forbidden)
		if s.Synced || !strings.Contains(s.Condition.Message, "give list and watch on pods") {
			t.Errorf("%+v", s)
		}
		if r.source("services").Condition.Reason != "" || len(r.Snapshot().Nodes) == 0 {
			t.Error("the others do not work")
		}
		api.Apply(t, role(mayCore+mayPods+mayKubeOVN+mayLookCRDs))
		r.awaitComplete()
		r.awaitReason("pods", "")
		if r.pod("a") == nil {
			t.Error("the pod is not there")
		}
		if n := r.logged("pods"); n != 1 {
			t.Errorf("logged %d times", n)
		}
	})
	t.Run("taken away", func(t *testing.T) {
		give(t, mayCore+mayPods+mayKubeOVN+mayLookCRDs, 4)
		r := run(t, config, ClusterOptions{})
		r.awaitComplete()
		give(t, mayCore+mayKubeOVN+mayLookCRDs, 3)
		// A watch that stands is not asked again: only a new one is refused.
		way.cut()
		r.awaitReason("pods", Forbidden)
		if r.pod("a") == nil || r.Readiness() != Complete {
			t.Error("what was known is not kept")
		}
		api.Delete(t, pod)
		api.Apply(t, role(mayCore+mayPods+mayKubeOVN+mayLookCRDs))
		r.await("the deletion is seen when it may be", func() bool { return r.pod("a") == nil })
		r.awaitReason("pods", "")
	})
	t.Run("CRDs", func(t *testing.T) {
		subnet := subnetManifest("hidden", "10.30.0.0/16")
		api.Apply(t, subnet)
		give(t, mayCore+mayPods+mayKubeOVN, 3)
		r := run(t, config, ClusterOptions{})
		r.awaitComplete()
		r.await("the subnet", func() bool { return r.subnet("hidden") != nil })
		r.await("a word of it", func() bool {
			return r.logged("give get, list and watch on customresourcedefinitions/subnets.kubeovn.io") > 0
		})
		// Nobody can tell why it was deleted, so it is believed; that is a condition of what there is to lose.
		if s := r.awaitReason("subnets", Forbidden); !s.Synced || !strings.Contains(s.Condition.Message, "its 1 objects were deleted or went with their CRD") {
			t.Errorf("%+v", s)
		}
		api.Delete(t, subnet)
		r.await("its deletion", func() bool { return r.subnet("hidden") == nil })
		api.Apply(t, subnet)
		r.await("the subnet again", func() bool { return r.subnet("hidden") != nil })
		api.Apply(t, role(mayCore+mayPods+mayKubeOVN+mayLookCRDs))
		r.awaitFor(time.Minute, "the end of the condition", func() bool { return r.source("subnets").Condition.Reason == "" })
	})
	t.Run("CRDs, without Kube-OVN", func(t *testing.T) {
		api.RemoveCRDs(t)
		r := run(t, config, ClusterOptions{})
		r.awaitComplete()
		api.CRDs(t)
		subnet := subnetManifest("late", "10.31.0.0/16")
		api.Apply(t, subnet)
		r.await("a subnet of a late CRD", func() bool { return r.subnet("late") != nil })
		api.Delete(t, subnet)
	})
	api.Delete(t, role(mayCore))
}

// line is a way to the API server that a test can cut.
type line struct {
	mu    sync.Mutex
	conns []net.Conn
}

func (l *line) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := dial(ctx, network, address)
	if err == nil {
		l.mu.Lock()
		l.conns = append(l.conns, conn)
		l.mu.Unlock()
	}
	return conn, err
}

// cut ends the connections there are, as any connection may end.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, conn := range l.conns {
		_ = conn.Close()
	}
	l.conns = nil
}

// Whatever becomes of the API server, what was known is kept, and what happens afterwards is followed.
func TestClusterOutage(t *testing.T) {
	api := kube.Start(t)
	api.CRDs(t)
	ns := api.Namespace(t)
	pod := func(name string) string {
		return podManifest(ns, name, "node1", `fairlead.io/bgp: "true"`, `phase: Running`)
	}
	api.Apply(t, nodeManifest+subnetManifest("s", "10.16.0.0/16")+pod("a")+pod("b"))
	r := run(t, api.Config(), ClusterOptions{})
	r.awaitComplete()
	sources := []string{"pods", "services", "nodes", "subnets"}
	kept := func(when string) {
		t.Helper()
		if r.pod("a") == nil || r.subnet("s") == nil || len(r.Snapshot().Nodes) != 1 || r.Readiness() != Complete {
			t.Errorf("%s: something is lost: %s", when, brief(r.Snapshot()))
		}
	}

	api.Kill(t)
	since := r.awaitReason("pods", Unreachable).Condition.Since
	for _, name := range sources {
		r.awaitReason(name, Unreachable)
	}
	kept("killed")
	fresh := run(t, api.Config(), ClusterOptions{})
	fresh.awaitReason("pods", Unreachable)
	if fresh.Readiness() != Waiting {
		t.Errorf("readiness %s of an agent that saw nothing", fresh.Readiness())
	}
	if s := r.source("pods"); s.Condition.Since != since {
		t.Error("the condition began anew with a further try")
	}
	api.Restart(t)
	began := time.Now()
	api.Apply(t, pod("c"))
	r.await("a pod made after the restart", func() bool { return r.pod("c") != nil })
	t.Logf("a pod made after the restart arrived after %s", time.Since(began).Round(time.Millisecond))
	for _, name := range sources {
		r.awaitReason(name, "")
	}
	kept("restarted")
	fresh.awaitComplete()
	if n := r.logged("cannot be reached"); n != 1 {
		t.Errorf("an outage was logged %d times", n)
	}
	if os.Getenv("FAIRLEAD_SOAK") == "" {
		return
	}

	// It stops without closing a connection. That takes client-go most of a minute to notice.
	api.Freeze(t)
	began = time.Now()
	r.awaitFor(2*time.Minute, "the silence", func() bool { return r.source("pods").Condition.Reason == Unreachable })
	t.Logf("a frozen server was noticed after %s", time.Since(began).Round(time.Second))
	kept("frozen")
	api.Thaw(t)
	for _, name := range sources {
		r.awaitReason(name, "")
	}
	api.Delete(t, pod("b"))
	r.await("a deletion after the thaw", func() bool { return r.pod("b") == nil })
}

func TestClusterIgnoresWhatDoesNotMatter(t *testing.T) {
	api := kube.Shared(t)
	ns := api.Namespace(t)
	for i := range 10 {
		api.Apply(t, podManifest(ns, fmt.Sprintf("p%d", i), "node1", `fairlead.io/bgp: "true"`, `phase: Running, podIP: 10.16.0.5, podIPs: [{ip: 10.16.0.5}]`))
	}
	r := run(t, api.Config(), ClusterOptions{})
	r.awaitComplete()
	client, err := dynamic.NewForConfig(api.Config())
	if err != nil {
		t.Fatal(err)
	}
	pods := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(ns)
	label := func(pod int, value string) {
		patch := fmt.Sprintf(`{"metadata":{"labels":{"n":%q},"annotations":{"note":%q}}}`, value, value)
		if _, err := pods.Patch(t.Context(), fmt.Sprintf("p%d", pod), types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	mark := func(value string) {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"fairlead.io/bgp":%q}}}`, value)
		if _, err := pods.Patch(t.Context(), "p0", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		r.await("the mark "+value, func() bool { return r.pod("p0").Annotations["fairlead.io/bgp"] == value })
	}
	mark("local")
	// What settles of that has settled once a second mark, a settle time later, is one call more.
	calls := r.calls.Load()
	r.await("the call for the mark", func() bool { calls = r.calls.Load(); return len(r.dirty) == 0 && r.settledFor(2*limit) })
	calls = r.calls.Load()
	updates := 1000
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		updates = 10_000
	}
	for i := range updates {
		label(i%10, fmt.Sprint(i))
	}
	if n := r.calls.Load() - calls; n != 0 {
		t.Errorf("%d updates that change nothing relevant woke %d times", updates, n)
	}
	before := r.Snapshot()
	mark("true")
	if after := r.Snapshot(); before.Pods[0] == nil || len(after.Pods) != len(before.Pods) {
		t.Errorf("%d pods became %d", len(before.Pods), len(after.Pods))
	}
	r.await("the call for the last mark", func() bool { return r.calls.Load() == calls+1 })
}

// settledFor reports whether changed was not called for a time.
func (r *running) settledFor(d time.Duration) bool {
	calls := r.calls.Load()
	<-time.After(d)
	return r.calls.Load() == calls
}
