package explain

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
)

// BenchmarkExplain asks for the last of many pods. Nobody but who asks pays for an answer: the agent keeps only what it has anyway.
func BenchmarkExplain(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		c, err := config.Parse("config.yaml", []byte(two))
		if err != nil {
			b.Fatal(err)
		}
		s := reduce.Snapshot{Nodes: []*reduce.Node{{Meta: reduce.Meta{Name: "node1"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.1.1")}}}}
		for i := range n {
			s.Pods = append(s.Pods, &reduce.Pod{
				Meta: reduce.Meta{Namespace: "x", Name: fmt.Sprint("p", i), Annotations: map[string]string{"fairlead.io/bgp": "true"}},
				Node: "node1", Phase: "Running", IPs: []string{fmt.Sprintf("10.%d.%d.%d", 32+i>>16, i>>8&255, i&255)},
			})
		}
		question := fmt.Sprintf("pod/x/p%d", n-1)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			in := well(b, c, s, question)
			b.ReportAllocs()
			for b.Loop() {
				if e := Explain(in); e.Status != OK {
					b.Fatal(e)
				}
			}
		})
	}
}
