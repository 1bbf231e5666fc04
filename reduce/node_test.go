package reduce

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/config"
)

// A source that has the pods of every node gives with scope node what one gives that has those of this node alone.
func TestScopeNode(t *testing.T) {
	s := clusterOf(300)
	for i, p := range s.Pods {
		p.Annotations[annotationKubeOVN] = []string{"true", "local", "", "nonsense", "false"}[i/2%5]
	}
	c := speaks(config.Announce{})
	c.Kubernetes.Scope = config.ScopeNode
	all, err := Reduce(s, c, "a")
	if err != nil {
		t.Fatal(err)
	}
	s.Pods = slices.DeleteFunc(s.Pods, func(p *Pod) bool { return p.Node != "a" })
	own, err := Reduce(s, c, "a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(own, all, compare); diff != "" {
		t.Errorf("pods of other nodes make a difference (-without +with):\n%s", diff)
	}
	if len(own.Speaker.Routers[0].Routes) < 30 || len(own.Skipped) < 30 {
		t.Errorf("%d routes and %d skipped are too few to tell", len(own.Speaker.Routers[0].Routes), len(own.Skipped))
	}
}

// A node of which nothing is known is not excluded: what it announces stays.
func TestExcludedNodeUnknown(t *testing.T) {
	excluded := node("b", "10.0.1.3")
	excluded.Labels[labelExcluded] = ""
	s := Snapshot{
		Nodes:    []*Node{excluded},
		Services: []*Service{{Meta: Meta{Namespace: "default", Name: "web", Annotations: bgp("true")}, ClusterIPs: []string{"10.96.0.10"}}},
	}
	c := speaks(config.Announce{ClusterIPs: true})
	c.RouterID = netip.MustParseAddr("1.1.1.1")
	for name, want := range map[string]int{"a": 1, "b": 0} {
		result, err := Reduce(s, c, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(result.Speaker.Routers[0].Routes); got != want {
			t.Errorf("node %s announces %d services, want %d", name, got, want)
		}
	}
}
