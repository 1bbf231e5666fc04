package reduce

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fairlead/fairlead/config"
)

// BenchmarkReduce is a pass over pods that Kube-OVN gave their addresses, of which some ask for their routes.
func BenchmarkReduce(b *testing.B) {
	for _, n := range []int{100, 1_000, 10_000, 100_000} {
		for _, every := range []int{1, 10} {
			s := Snapshot{Nodes: []*Node{node("a", "10.0.1.2")}, Subnets: []*Subnet{{Meta: Meta{Name: "ovn-default"}, CIDRBlock: "10.16.0.0/12", Ready: true}}}
			for i := range n {
				pod := &Pod{Node: "a", Phase: "Running", IPs: []string{fmt.Sprintf("10.%d.%d.%d", 16+i>>16, i>>8&255, i&255)}}
				pod.Meta = Meta{Namespace: "shop", Name: fmt.Sprintf("web-%05d", i), Annotations: map[string]string{
					"ovn.kubernetes.io/ip_address": pod.IPs[0], "ovn.kubernetes.io/logical_switch": "ovn-default"}}
				if i%every == 0 {
					pod.Annotations[annotationKubeOVN] = "true"
				}
				s.Pods = append(s.Pods, pod)
			}
			b.Run(fmt.Sprintf("pods=%d/routes=%d", n, n/every), func(b *testing.B) {
				c := speaks(config.Announce{})
				b.ReportAllocs()
				for b.Loop() {
					if result, err := Reduce(s, c, "a"); err != nil || len(result.Speaker.Routers[0].Routes) != n/every {
						b.Fatal(len(result.Speaker.Routers[0].Routes), err)
					}
				}
			})
			b.Run(fmt.Sprintf("pods=%d/routes=%d/changed=25", n, n/every), func(b *testing.B) {
				c := speaks(config.Announce{})
				var r Reducer
				b.ReportAllocs()
				for k := 0; b.Loop(); k++ {
					s.Pods = slices.Clone(s.Pods) // as a source does
					for i := k * 25; i < (k+1)*25; i++ {
						pod := *s.Pods[i%n]
						s.Pods[i%n] = &pod
					}
					if result, err := r.Reduce(s, c, "a"); err != nil || len(result.Speaker.Routers[0].Routes) != n/every {
						b.Fatal(len(result.Speaker.Routers[0].Routes), err)
					}
				}
			})
		}
	}
}
