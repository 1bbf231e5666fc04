package reduce

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

// Of what only this node's speaker says it is known that nobody else says it.
func TestOwn(t *testing.T) {
	local, cluster := map[string]string{"fairlead.io/bgp": "local"}, map[string]string{"fairlead.io/bgp": "true"}
	inherits := map[string]string{"ovn.kubernetes.io/logical_switch": "net1"}
	pod := func(name, node, address string, annotations map[string]string) *Pod {
		return &Pod{Meta: Meta{Namespace: "a", Name: name, Annotations: annotations}, Node: node, IPs: []string{address}}
	}
	excluded := &Node{Meta: Meta{Name: "node1"}, Labels: map[string]string{labelExcluded: ""}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
	snapshot := Snapshot{
		Nodes:   []*Node{excluded},
		Subnets: []*Subnet{{Meta: Meta{Name: "net1", Annotations: local}, CIDRBlock: "10.2.0.0/16", Ready: true}},
		Pods: []*Pod{
			pod("everywhere", "node1", "10.1.0.1", cluster), pod("here", "node1", "10.1.0.2", local), pod("there", "node2", "10.1.0.3", local),
			pod("inherits", "node1", "10.2.0.1", inherits), pod("bad", "node1", "nonsense", local), pod("says-nothing", "node1", "10.1.0.4", nil),
		},
		Services: []*Service{{Meta: Meta{Namespace: "a", Name: "web", Annotations: cluster}, ClusterIPs: []string{"10.96.0.1"}}},
	}
	c, err := config.Parse("config.yaml", []byte("asn: 65000\nannounce: {clusterIPs: true}\n"))
	if err != nil {
		t.Fatal(err)
	}
	result, err := Reduce(snapshot, c, "node1")
	if err != nil {
		t.Fatal(err)
	}
	want := []route.Object{{Kind: "Node", Name: "node1"}, {Kind: "Pod", Namespace: "a", Name: "bad"}, {Kind: "Pod", Namespace: "a", Name: "here"}, {Kind: "Pod", Namespace: "a", Name: "inherits"}}
	if diff := cmp.Diff(want, result.Own); diff != "" {
		t.Errorf("own (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Service"}, result.Silent); diff != "" {
		t.Errorf("silent (-want +got):\n%s", diff)
	}
}
