package chart

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/report"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/watch"
)

// TestRightMissing takes one right after the other out of what the chart has installed, and reads what an agent says that starts then.
func TestRightMissing(t *testing.T) {
	t.Parallel()
	api := kube.Shared(t)
	api.CRDs(t)
	ns := api.Namespace(t)
	api.Apply(t, strings.NewReplacer("NS-2", ns, "NS", ns).Replace(objects+clusterWide))
	t.Cleanup(func() { api.Delete(t, strings.ReplaceAll(clusterWide, "NS", ns)) })
	made := install(t, api, ns, `
config:
  asn: 65000
  announce: {clusterIPs: true}
  neighbors: [{address: 10.32.32.1, asn: 65030, passwordSecretRef: {name: tor}}]
`)
	c := agentConfig(t, made, ns)
	account := api.ConfigOf(t, "system:serviceaccount:"+ns+":fairlead")
	for _, o := range made {
		if o.GetKind() != "Role" && o.GetKind() != "ClusterRole" {
			continue
		}
		rules := read[[]rbacv1.PolicyRule](t, o, "rules")
		give := func(rules []rbacv1.PolicyRule) {
			t.Helper()
			o := o.DeepCopy()
			o.Object["rules"] = rules
			text, err := yaml.Marshal(o.Object)
			if err != nil {
				t.Fatal(err)
			}
			api.Apply(t, string(text))
		}
		for i, r := range rules {
			for _, resource := range r.Resources {
				t.Run(resource, func(t *testing.T) {
					without := slices.Clone(rules)
					without[i].Resources = slices.DeleteFunc(slices.Clone(r.Resources), func(name string) bool { return name == resource })
					if len(without[i].Resources) == 0 {
						without = slices.Delete(without, i, i+1)
					}
					give(without)
					defer give(rules)
					lost := sorted(rights(r.Verbs, r.APIGroups, []string{resource}))
					await(t, "the right is gone", func() bool {
						known := known(t, account, ns)
						return !slices.ContainsFunc(lost, func(right string) bool { return known[right] })
					})
					said := begin(t, account, c, ns)
					await(t, "it says that "+resource+" are refused", func() bool {
						return slices.ContainsFunc(said(), func(text string) bool {
							return strings.Contains(text, resource) && (strings.Contains(text, "to this agent's role") || strings.Contains(text, "forbidden"))
						})
					})
				})
			}
		}
	}
}

// begin has an agent's way in and way out work until t ends, and gives all that they say is wrong.
func begin(t *testing.T, account *rest.Config, c config.Config, ns string) (said func() []string) {
	t.Helper()
	log, hook := logtest.NewNullLogger()
	cluster, err := watch.NewCluster(account, watch.ClusterOptions{Node: "node1", Log: log})
	if err != nil {
		t.Fatal(err)
	}
	cluster.Want(watch.Wanted{Services: true, Secrets: c.SecretRefs()})
	r, err := report.New(account, report.Options{Node: "node1", Namespace: ns, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	r.Tell(told(c, ns))
	ctx, cancel := context.WithCancel(t.Context())
	var both sync.WaitGroup
	both.Go(func() { _ = cluster.Run(ctx, func() {}) })
	both.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); both.Wait() })
	return func() []string {
		var all []string
		for _, s := range cluster.Sources() {
			all = append(all, s.Name+": "+s.Condition.Message)
		}
		for _, e := range hook.AllEntries() {
			if text, err := e.String(); err == nil {
				all = append(all, text)
			}
		}
		return all
	}
}
