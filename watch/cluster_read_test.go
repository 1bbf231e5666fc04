package watch

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
)

func TestItemOf(t *testing.T) {
	meta := metav1.ObjectMeta{Name: "n", Namespace: "d"}
	for name, test := range map[string]struct {
		item *item
		want any
	}{
		"pod with one address": {itemOf(&pod{corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "n", Annotations: map[string]string{"fairlead.io/bgp": "true", "x": "y"}},
			Status: corev1.PodStatus{PodIP: "10.16.0.5"}}}, ""),
			&reduce.Pod{Meta: reduce.Meta{Name: "n", Annotations: map[string]string{"fairlead.io/bgp": "true"}}, IPs: []string{"10.16.0.5"}}},
		"pod without a wish": {itemOf(&pod{corev1.Pod{ObjectMeta: meta}}, ""), nil},
		"finished pod in a subnet": {itemOf(&pod{corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "n", Annotations: map[string]string{"ovn.kubernetes.io/logical_switch": "s"}},
			Status: corev1.PodStatus{Phase: "Failed"}}}, ""), nil},
		"old service": {itemOf(&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{ClusterIP: "10.96.0.1"}}, ""),
			&reduce.Service{Meta: reduce.Meta{Namespace: "d", Name: "n"}, ClusterIPs: []string{"10.96.0.1"}}},
		"node with a wrong address": {itemOf(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: "InternalIP", Address: "nonsense"}, {Type: "InternalIP", Address: "10.0.0.1"}, {Type: "ExternalIP", Address: "192.0.2.1"}}}}, ""),
			&reduce.Node{Meta: reduce.Meta{Name: "n"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}},
		"EIP without the label": {itemOf(&custom{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Spec: json.RawMessage(`{"natGwDp":"gw"}`)}, "IptablesEIP"),
			&reduce.EIP{Meta: reduce.Meta{Name: "n"}, Gateway: "gw"}},
		"null": {itemOf(&custom{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Spec: json.RawMessage(`null`), Status: json.RawMessage(`null`)}, "Subnet"),
			&reduce.Subnet{Meta: reduce.Meta{Name: "n"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, test.item.value, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is not kept is nothing to reduce, whatever the rest of the cluster looks like.
func TestMattersAgreesWithReduce(t *testing.T) {
	c, err := config.Parse("test.yaml", []byte("asn: 65000\nneighbors:\n- {address: 10.0.1.1, asn: 65001}\nannounce: {podsInAnnouncedSubnets: true}\n"))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	var kept, dropped int
	for range 2000 {
		s := reduce.Snapshot{Nodes: []*reduce.Node{{Meta: reduce.Meta{Name: "node1"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.1.2")}}}}
		for i := range 3 {
			s.Subnets = append(s.Subnets, &reduce.Subnet{Meta: reduce.Meta{Name: fmt.Sprint("s", i), Annotations: map[string]string{"fairlead.io/bgp": pick("true", "local", "", "false")}},
				CIDRBlock: fmt.Sprintf("10.%d.0.0/16", 16+i), Ready: random.IntN(4) > 0})
		}
		all := s
		for i := range 5 {
			pod := &reduce.Pod{Meta: reduce.Meta{Namespace: "default", Name: fmt.Sprint("p", i)}, Node: pick("node1", "node2", ""), HostNetwork: random.IntN(3) == 0,
				Phase: pick("", "Pending", "Running", "Succeeded", "Failed", "Unknown")}
			for _, name := range []string{"fairlead.io/bgp", "ovn.kubernetes.io/bgp"} {
				if random.IntN(4) == 0 {
					pod.Annotations = with(pod.Annotations, name, pick("true", "yes", "local", "false", "", "wrong"))
				}
			}
			if random.IntN(2) == 0 {
				pod.Annotations = with(pod.Annotations, "ovn.kubernetes.io/logical_switch", pick("s0", "s1", "none", ""))
			}
			if random.IntN(2) == 0 {
				pod.Annotations = with(pod.Annotations, "ovn.kubernetes.io/ip_address", pick("10.16.0.5", "10.17.0.5,fd00::5", "nonsense", ""))
			}
			if random.IntN(3) > 0 {
				pod.IPs = []string{pick("10.16.0.5", "10.17.0.6", "nonsense")}
			}
			all.Pods = append(all.Pods, pod)
			if matters(pod) {
				s.Pods = append(s.Pods, pod)
				kept++
			} else {
				dropped++
			}
		}
		want, err := reduce.Reduce(all, c, "node1")
		if err != nil {
			t.Fatal(err)
		}
		got, err := reduce.Reduce(s, c, "node1")
		if err != nil {
			t.Fatal(err)
		}
		if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
			t.Fatalf("without some pods\n%s\nwith all\n%s", a, b)
		}
	}
	if kept < 1000 || dropped < 1000 {
		t.Errorf("%d kept, %d dropped: the test says little", kept, dropped)
	}
}

func with(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = make(map[string]string)
	}
	m[k] = v
	return m
}
