package chart

import (
	"context"
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logtest "github.com/sirupsen/logrus/hooks/test"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/report"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/watch"
)

// deadline bounds each wait for what the API server is to hold.
const deadline = time.Minute

// objects are what the agents of these tests read, and tell of.
const objects = `---
apiVersion: v1
kind: Node
metadata: {name: node1}
---
apiVersion: v1
kind: Pod
metadata: {name: sample, namespace: NS, annotations: {fairlead.io/bgp: "true"}}
spec: {nodeName: node1, containers: [{name: c, image: none}]}
---
apiVersion: v1
kind: Service
metadata: {name: sample, namespace: NS, annotations: {fairlead.io/bgp: "true"}}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Secret
metadata: {name: tor, namespace: NS}
stringData: {password: secret}
---
apiVersion: v1
kind: Secret
metadata: {name: tor, namespace: NS-2}
stringData: {password: secret}
`

// clusterWide are those that lie in no namespace.
const clusterWide = `---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: NS, annotations: {fairlead.io/bgp: "true"}}
spec: {cidrBlock: 10.16.0.0/16}
---
apiVersion: kubeovn.io/v1
kind: IptablesEIP
metadata: {name: NS, annotations: {fairlead.io/bgp: "true"}}
spec: {natGwDp: NS}
---
apiVersion: kubeovn.io/v1
kind: VpcNatGateway
metadata: {name: NS}
spec: {vpc: NS}
`

// TestRights installs the chart, and has an agent's way in and way out work with the rights that it gives to its account. What they
// ask for is exactly what the chart allows: nothing is refused, and nothing is allowed that they do not use.
func TestRights(t *testing.T) {
	t.Parallel()
	api := kube.Shared(t)
	api.CRDs(t)
	for name, values := range map[string]string{
		"usual": `
config:
  asn: 65000
  announce: {clusterIPs: true}
  neighborDefaults: {asn: 65030, passwordSecretRef: {name: tor}}
  neighbors:
  - {address: 10.32.32.1}
  - {address: 10.32.32.2, passwordSecretRef: {name: tor, namespace: NS-2}}
  - {address: 10.32.32.3, passwordSecretRef: {}}
`,
		"gateway":        "config: {asn: 4200000101, natGateway: NS}\n",
		"without events": "config: {asn: 65000, events: false, announce: {clusterIPs: true}}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := api.Namespace(t)
			values := strings.ReplaceAll(values, "NS", ns)
			// Beside the namespace that the API server names there is one of ours.
			api.Apply(t, "apiVersion: v1\nkind: Namespace\nmetadata: {name: "+ns+"-2}\n")
			api.Apply(t, strings.ReplaceAll(objects+clusterWide, "NS", ns))
			t.Cleanup(func() { api.Delete(t, strings.ReplaceAll(clusterWide, "NS", ns)) })
			made := install(t, api, ns, values)
			c := agentConfig(t, made, ns)
			allowed := allowedBy(t, made)
			account := api.ConfigOf(t, "system:serviceaccount:"+ns+":fairlead")
			awaitRights(t, account, ns, allowed)
			requests := &requests{used: map[string]bool{}}
			account.Wrap(requests.note)
			work(t, account, c, ns)
			// A request that was given up may end still.
			requests.mu.Lock()
			defer requests.mu.Unlock()
			if diff := cmp.Diff(sorted(allowed), sorted(requests.used)); diff != "" {
				t.Errorf("what the agent does differs from what it may (-may +does):\n%s", diff)
			}
			if len(requests.refused) > 0 {
				t.Errorf("refused: %q", requests.refused)
			}
		})
	}
}

// work has an agent read all and tell of all that it can, and end. It does so twice, since what stands already is written otherwise.
func work(t *testing.T, account *rest.Config, c config.Config, ns string) {
	t.Helper()
	log, _ := logtest.NewNullLogger()
	wanted := watch.Wanted{Services: c.Announce.ClusterIPs, Secrets: c.SecretRefs()}
	for range 2 {
		cluster, err := watch.NewCluster(account, watch.ClusterOptions{Node: "node1", NATGateway: c.NATGateway, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		cluster.Want(wanted)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := cluster.Run(ctx, func() {}); err != nil {
				t.Error(err)
			}
		})
		await(t, "all is read", func() bool { return cluster.Readiness(wanted) == watch.Complete })
		await(t, "all is watched", func() bool {
			return !slices.ContainsFunc(cluster.Sources(), func(s watch.SourceState) bool {
				return !s.Synced || s.Objects == 0 || s.Condition.Reason != ""
			})
		})
		if c.Events {
			r, err := report.New(account, report.Options{Node: "node1", Namespace: ns, Group: c.NATGateway, Log: log})
			if err != nil {
				t.Fatal(err)
			}
			all.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
			// What changes is told otherwise than what stands.
			r.Tell(report.State{})
			await(t, "nothing is told", func() bool { return !r.Status().Behind })
			state := told(c, ns)
			r.Tell(state)
			await(t, "all is told", func() bool { return r.Status().Told == uint64(len(state.Skipped)) })
		}
		cancel()
		all.Wait()
	}
}

// told is a State that tells of an object of each kind.
func told(c config.Config, ns string) report.State {
	of := []route.Object{{Kind: "Node", Name: "node1"}, {Kind: "Pod", Namespace: ns, Name: "sample"},
		{Kind: "Service", Namespace: ns, Name: "sample"}, {Kind: "Subnet", Name: ns}}
	if c.NATGateway != "" {
		of = []route.Object{{Kind: "IptablesEIP", Name: ns}, {Kind: "Node", Name: "node1"}, {Kind: "VpcNatGateway", Name: ns}}
	}
	s := report.State{Routes: []route.Route{{Prefix: netip.MustParsePrefix("192.0.2.1/32")}}, Own: of}
	for _, o := range of {
		s.Skipped = append(s.Skipped, reduce.Skipped{Object: o, Reason: "a test"})
	}
	return s
}

// requests are what a client asked for, as "verb resource.group".
type requests struct {
	mu      sync.Mutex
	used    map[string]bool
	refused []string
}

// note hands requests on, and writes them down.
func (r *requests) note(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(request)
		asked := asked(request)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.used[asked] = true
		if request.URL.Query().Get("sendInitialEvents") == "true" {
			// An older API server does not know this way to list.
			r.used["list"+strings.TrimPrefix(asked, "watch")] = true
		}
		if err == nil && answer.StatusCode == http.StatusForbidden {
			r.refused = append(r.refused, asked)
		}
		return answer, err
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// asked gives the right that a request needs.
func asked(r *http.Request) string {
	group := ""
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/v1/"), "/")
	if rest, is := strings.CutPrefix(r.URL.Path, "/apis/"); is {
		path = strings.Split(rest, "/")
		group, path = "."+path[0], path[2:]
	}
	if path[0] == "namespaces" && len(path) > 2 {
		path = path[2:]
	}
	verb := map[string]string{http.MethodPost: "create", http.MethodPatch: "patch", http.MethodDelete: "delete"}[r.Method]
	switch {
	case verb != "":
	case r.URL.Query().Has("watch"):
		verb = "watch"
	case len(path) > 1:
		verb = "get"
	default:
		verb = "list"
	}
	return verb + " " + path[0] + group
}

// allowedBy gives what the roles of a release allow, as requests are written down.
func allowedBy(t *testing.T, made map[string]*unstructured.Unstructured) map[string]bool {
	t.Helper()
	allowed := map[string]bool{}
	for _, o := range made {
		if o.GetKind() == "Role" || o.GetKind() == "ClusterRole" {
			for _, r := range read[[]rbacv1.PolicyRule](t, o, "rules") {
				maps.Copy(allowed, rights(r.Verbs, r.APIGroups, r.Resources))
			}
		}
	}
	return allowed
}

func rights(verbs, groups, resources []string) map[string]bool {
	all := map[string]bool{}
	for _, group := range groups {
		if group != "" {
			group = "." + group
		}
		for _, resource := range resources {
			for _, verb := range verbs {
				all[verb+" "+resource+group] = true
			}
		}
	}
	return all
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// awaitRights waits until the API server knows what an account is allowed: it learns of roles as any client does, some time after they
// are written.
func awaitRights(t *testing.T, account *rest.Config, ns string, allowed map[string]bool) {
	t.Helper()
	await(t, "the account has its rights", func() bool {
		known := known(t, account, ns)
		for right := range allowed {
			if !known[right] {
				return false
			}
		}
		return true
	})
}

// known gives what the API server says that an account may do.
func known(t *testing.T, account *rest.Config, ns string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, r := range kube.Rules(t, account, ns) {
		maps.Copy(all, rights(r.Verbs, r.APIGroups, r.Resources))
	}
	return all
}

// install installs the chart until t ends, and gives its objects.
func install(t *testing.T, api *kube.Cluster, ns, values string) map[string]*unstructured.Unstructured {
	t.Helper()
	access := []string{"--namespace", ns, "--kubeconfig", api.Kubeconfig(t)}
	said, err := helm(t, values, append([]string{"install", "fairlead", dir, "--values", "-"}, access...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := helm(t, "", append([]string{"uninstall", "fairlead"}, access...)...); err != nil {
			t.Error(err)
		}
	})
	as := regexp.MustCompile(`speaks BGP as AS [0-9]+ to`)
	if !as.MatchString(said) || !strings.Contains(said, "fairlead verify") {
		t.Errorf("helm install does not say who speaks, or what to look at: %s", said)
	}
	manifests, err := helm(t, "", append([]string{"get", "manifest", "fairlead"}, access...)...)
	if err != nil {
		t.Fatal(err)
	}
	return objectsOf(t, manifests)
}

// agentConfig gives what an agent of a release in ns reads.
func agentConfig(t *testing.T, made map[string]*unstructured.Unstructured, ns string) config.Config {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(read[map[string]string](t, made["ConfigMap "+ns+"/fairlead"], "data")["config.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	c.SetNamespace(ns)
	return c
}

// await polls until ok reports true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.After(deadline)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatalf("%s: not within %v", what, deadline)
		case <-tick.C:
		}
	}
}

// TestRightsInTheGuide compares what the chart allows with the table of docs/cluster.md.
func TestRightsInTheGuide(t *testing.T) {
	t.Parallel()
	want := map[string]bool{}
	for row := range strings.Lines(file(t, root+"/docs/cluster.md")) {
		cells := strings.Split(strings.TrimSpace(row), " | ")
		if len(cells) != 3 || !strings.HasPrefix(cells[0], "| `") {
			continue
		}
		for resource := range strings.SplitSeq(strings.TrimPrefix(cells[0], "| "), ", ") {
			name, group, _ := strings.Cut(strings.Trim(resource, "`"), ".")
			maps.Copy(want, rights(strings.Split(strings.TrimSuffix(cells[2], " |"), ", "), []string{group}, []string{name}))
		}
	}
	got := allowedBy(t, rendered(t, "config: {asn: 65000, neighborDefaults: {asn: 1, passwordSecretRef: {name: tor}}, neighbors: [{address: 10.32.32.1}]}\n"))
	maps.Copy(got, allowedBy(t, rendered(t, "config: {asn: 65000, natGateway: gw1}\n")))
	if diff := cmp.Diff(sorted(want), sorted(got)); diff != "" {
		t.Errorf("the chart allows other things than docs/cluster.md says (-guide +chart):\n%s", diff)
	}
}
