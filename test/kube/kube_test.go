package kube

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead/fairlead/test/lab"
)

func client(t *testing.T, config *rest.Config) *kubernetes.Clientset {
	t.Helper()
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The server is of the minor version and patch that the clients of go.mod are of: v0.35.4 belongs to v1.35.4.
func TestVersion(t *testing.T) {
	version, err := client(t, Shared(t).Config()).ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if want := "k8s.io/client-go " + strings.Replace(version.GitVersion, "v1.", "v0.", 1) + "\n"; !strings.Contains(string(mod), want) {
		t.Errorf("the server is %s, and go.mod does not require %s", version.GitVersion, want)
	}
}

const objectsApplied = `
apiVersion: v1
kind: Node
metadata: {name: %[1]s-node, labels: {rack: r1}}
status: {addresses: [{type: InternalIP, address: 10.0.1.2}, {type: InternalIP, address: "fd00:1::2"}]}
---
# A document without an object is passed over.
---
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Pod
    metadata: {name: a, namespace: %[1]s, annotations: {ovn.kubernetes.io/bgp: "true"}}
    spec: {nodeName: node1, containers: [{name: main, image: example/main}]}
    status: {phase: Running, podIPs: [{ip: 10.16.0.5}, {ip: "fd00:10:16::5"}]}
  - apiVersion: v1
    kind: Pod
    metadata: {name: terminating, namespace: %[1]s, deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 30}
    spec: {nodeName: node1, containers: [{name: main, image: example/main}]}
    status: {phase: Running, podIPs: [{ip: 10.16.0.6}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: %[1]s}
spec:
  ports: [{port: 80}]
  ipFamilyPolicy: RequireDualStack
  clusterIP: 10.96.17.10
  clusterIPs: [10.96.17.10, "fd00:10:96::a"]
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: %[1]s}
spec: {cidrBlock: "10.16.0.0/16,fd00:10:16::/64", natOutgoing: true}
status: {conditions: [{type: Ready, status: "True"}]}
---
apiVersion: kubeovn.io/v1
kind: IptablesEIP
metadata: {name: %[1]s}
spec: {v4ip: 203.0.113.7, v6ip: "2001:db8::7", natGwDp: gw}
status: {ready: true}
---
apiVersion: kubeovn.io/v1
kind: VpcNatGateway
metadata: {name: %[1]s}
spec: {replicas: 2}
status: {workload: {nodes: [node1, node2]}}
`

// What Apply wrote is what the server holds, status and all; Delete takes it away, also where something holds it.
func TestApply(t *testing.T) {
	c := Shared(t)
	c.CRDs(t)
	ns := c.Namespace(t)
	manifest := fmt.Sprintf(objectsApplied, ns)
	c.Apply(t, manifest)
	// Once more: what is there already is no obstacle.
	c.Apply(t, manifest)

	// Read as a user reads it, not by what Apply is made of.
	core := client(t, c.Config()).CoreV1()
	got := map[string]any{}
	pods, err := core.Pods(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods.Items {
		got["pod "+p.Name] = fmt.Sprintf("%s %s %v %t", p.Spec.NodeName, p.Status.Phase, p.Status.PodIPs, p.DeletionTimestamp != nil)
	}
	service, err := core.Services(ns).Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got["service"] = fmt.Sprint(service.Spec.ClusterIPs)
	node, err := core.Nodes().Get(t.Context(), ns+"-node", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got["node"] = fmt.Sprint(node.Status.Addresses)
	for resource, fields := range map[string][]string{
		"subnets":          {"status", "conditions"},
		"iptables-eips":    {"status", "ready"},
		"vpc-nat-gateways": {"status", "workload", "nodes"},
	} {
		o, err := kubeOVN(t, c, resource).Get(t.Context(), ns, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		value, _, err := unstructured.NestedFieldNoCopy(o.Object, fields...)
		if err != nil {
			t.Fatal(err)
		}
		got[resource] = fmt.Sprint(value)
	}
	want := map[string]any{
		"pod a":            "node1 Running [{10.16.0.5} {fd00:10:16::5}] false",
		"pod terminating":  "node1 Running [{10.16.0.6}] true",
		"service":          "[10.96.17.10 fd00:10:96::a]",
		"node":             "[{InternalIP 10.0.1.2} {InternalIP fd00:1::2}]",
		"subnets":          "[map[status:True type:Ready]]",
		"iptables-eips":    "true",
		"vpc-nat-gateways": "[node1 node2]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}

	c.Delete(t, manifest)
	c.Delete(t, manifest)
	if pods, err = core.Pods(ns).List(t.Context(), metav1.ListOptions{}); err != nil || len(pods.Items) > 0 {
		t.Errorf("after Delete there are %d pods, %v", len(pods.Items), err)
	}
	if _, err := kubeOVN(t, c, "subnets").Get(t.Context(), ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("after Delete the subnet answers %v", err)
	}
}

func kubeOVN(t *testing.T, c *Cluster, resource string) dynamic.ResourceInterface {
	t.Helper()
	d, err := dynamic.NewForConfig(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	return d.Resource(schema.GroupVersionResource{Group: "kubeovn.io", Version: "v1", Resource: resource})
}

// What the server would not take in a real cluster it does not take here.
func TestRefused(t *testing.T) {
	c := Shared(t)
	ns := c.Namespace(t)
	for _, test := range []struct{ name, manifest, want string }{
		{"a pod without containers", `{apiVersion: v1, kind: Pod, metadata: {name: bad, namespace: NS}, spec: {}}`,
			"Pod NS/bad: apply: Pod \"bad\" is invalid: spec.containers: Required value"},
		{"an address that is none", `
apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: NS}
spec: {containers: [{name: main, image: example/main}]}
status: {podIPs: [{ip: nonsense}]}`,
			"Pod NS/bad: update status: Pod \"bad\" is invalid: status.podIPs[0]: Invalid value: \"nonsense\""},
		{"a field that no pod has", `{apiVersion: v1, kind: Pod, metadata: {name: bad, namespace: NS}, spec: {node: a}}`,
			".spec.node: field not declared in schema"},
		{"a kind that no group has", `{apiVersion: v1, kind: Pot, metadata: {name: bad}}`,
			"Pot bad: find resource: the server serves no kind Pot of v1"},
		{"no object", `{name: bad}`, "read manifest: Object 'Kind' is missing"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := c.TryApply(strings.ReplaceAll(test.manifest, "NS", ns))
			if want := strings.ReplaceAll(test.want, "NS", ns); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got error %v, want one with %s", err, want)
			}
		})
	}
}

// A namespace that an object lies in is made with it, and one of Namespace is empty after its test.
func TestNamespaces(t *testing.T) {
	c := Shared(t)
	pod := `{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: %s}, spec: {containers: [{name: main, image: example/main}]}}`
	var ns string
	t.Run("while it is used", func(t *testing.T) {
		ns = c.Namespace(t)
		if other := c.Namespace(t); other == ns {
			t.Errorf("two namespaces have the name %s", ns)
		}
		c.Apply(t, fmt.Sprintf(pod, ns))
		c.Apply(t, fmt.Sprintf(pod, ns+"-new"))
		c.Apply(t, fmt.Sprintf(`{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: %s}}`, ns))
	})
	core := client(t, c.Config()).CoreV1()
	for namespace, want := range map[string]int{ns: 0, ns + "-new": 1} {
		pods, err := core.Pods(namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(pods.Items) != want {
			t.Errorf("namespace %s holds %d pods, want %d", namespace, len(pods.Items), want)
		}
	}
	maps, err := core.ConfigMaps(ns).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(maps.Items) > 0 {
		t.Errorf("namespace %s holds %d ConfigMaps, %v", ns, len(maps.Items), err)
	}
	c.Delete(t, fmt.Sprintf(pod, ns+"-new"))
}

// A user may do what RBAC allows, and nothing else; the kubeconfig file says the same as the settings.
func TestUsers(t *testing.T) {
	c := Shared(t)
	ns := c.Namespace(t)
	path := c.KubeconfigOf(t, "system:serviceaccount:"+ns+":agent", "group-of-"+ns)
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	pods := client(t, config).CoreV1().Pods(ns)
	if _, err := pods.List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Fatalf("without a role: %v", err)
	}
	role := fmt.Sprintf(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: %[1]s}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: group-of-%[1]s}]
`, ns)
	c.Apply(t, role)
	lab.Eventually(t, objectTimeout, "the role is in force", func() error {
		_, err := pods.List(t.Context(), metav1.ListOptions{})
		return err
	})
	err = pods.Delete(t.Context(), "a", metav1.DeleteOptions{})
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "system:serviceaccount:"+ns+":agent") {
		t.Errorf("what the role does not say: %v", err)
	}
	admin, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client(t, admin).CoreV1().Pods("").List(t.Context(), metav1.ListOptions{}); err != nil {
		t.Errorf("the administrator: %v", err)
	}
}

// Definitions come from a folder where the environment names one; removed ones take their objects along.
func TestCRDs(t *testing.T) {
	c := Shared(t)
	const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: %[1]ss.test.fairlead.dev}
spec:
  group: test.fairlead.dev
  scope: Cluster
  names: {kind: %[2]s, plural: %[1]ss, singular: %[1]s}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
`
	dir := t.TempDir()
	text := fmt.Sprintf(definition, "knot", "Knot") + fmt.Sprintf(definition, "bend", "Bend")
	if err := os.WriteFile(filepath.Join(dir, "two.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FAIRLEAD_CRDS", dir)
	const knot = `{apiVersion: test.fairlead.dev/v1, kind: Knot, metadata: {name: bowline}}`
	for range 2 {
		c.CRDs(t, "knots.test.fairlead.dev")
		c.Apply(t, knot)
		c.RemoveCRDs(t, "knots.test.fairlead.dev", "bends.test.fairlead.dev")
		if err := c.TryApply(knot); err == nil {
			t.Fatal("an object of a removed definition was taken")
		}
	}
	c.CRDs(t, "knots.test.fairlead.dev")
	c.Delete(t, knot)
	c.RemoveCRDs(t, "knots.test.fairlead.dev")

	for name, want := range map[string]string{
		dir:            "read CRDs: sheets.test.fairlead.dev is not among the 2 that there are",
		"relative/dir": "read CRDs: FAIRLEAD_CRDS=relative/dir: write an absolute path",
	} {
		t.Setenv("FAIRLEAD_CRDS", name)
		ended := &recorder{T: t}
		ended.run(func(t lab.T) { c.CRDs(t, "sheets.test.fairlead.dev") })
		if !strings.Contains(ended.failed, want) {
			t.Errorf("got %q, want %q", ended.failed, want)
		}
	}
}

// recorder is a lab.T that notes how a test of this package's user would end.
type recorder struct {
	lab.T
	failed, skipped string
}

// Fatalf notes the message and ends the goroutine, as testing.T does.
func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// Skipf notes the message and ends the goroutine, as testing.T does.
func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) run(test func(lab.T)) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(r)
	}()
	<-done
}

// Without the server's binary a test is skipped, and says what to do.
func TestMissing(t *testing.T) {
	t.Setenv("FAIRLEAD_CACHE", t.TempDir())
	for name, start := range map[string]func(lab.T) *Cluster{"Start": Start, "Shared": Shared} {
		ended := &recorder{T: t}
		ended.run(func(t lab.T) { start(t) })
		if !strings.Contains(ended.skipped, "build it with hack/setup --test") {
			t.Errorf("%s: skipped with %q, failed with %q", name, ended.skipped, ended.failed)
		}
	}
}
