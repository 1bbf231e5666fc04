package watch

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead/fairlead/reduce"
)

// A table is a sorted map that tells of what differs.
func TestTable(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	tab := &table[reduce.Pod]{keyOf: func(p *reduce.Pod) key { return keyOf(p.Meta) }}
	model := make(map[key]string)
	pod := func(k key, node string) *reduce.Pod {
		return &reduce.Pod{Meta: reduce.Meta{Namespace: k.namespace, Name: k.name}, Node: node}
	}
	for step := range 20000 {
		k := key{fmt.Sprint(random.IntN(3)), fmt.Sprint(random.IntN(20))}
		node := fmt.Sprint(random.IntN(2))
		last, held := model[k]
		switch random.IntN(10) {
		default:
			if differs := tab.put(k, pod(k, node)); differs != (!held || last != node) {
				t.Fatalf("step %d: put reports %t", step, differs)
			}
			model[k] = node
		case 0, 1, 2:
			if differs := tab.put(k, nil); differs != held {
				t.Fatalf("step %d: removal reports %t", step, differs)
			}
			delete(model, k)
		case 3:
			before := tab.list()
			copied := slices.Clone(before)
			tab.put(k, pod(k, "changed"))
			model[k] = "changed"
			tab.list()
			if !slices.Equal(before, copied) {
				t.Fatalf("step %d: what was handed out changed", step)
			}
		case 4:
			var list []*item
			want := false
			lacking := make(map[key]bool)
			for k := range model {
				lacking[k] = true
			}
			for range random.IntN(30) {
				k := key{fmt.Sprint(random.IntN(3)), fmt.Sprint(random.IntN(20))}
				if slices.ContainsFunc(list, func(i *item) bool { return i.key == k }) {
					continue
				}
				last, held := model[k]
				want = want || !held || last != node
				model[k] = node
				delete(lacking, k)
				list = append(list, &item{key: k, value: pod(k, node)})
			}
			differs, got := tab.merge(list)
			if differs != want || len(got) != len(lacking) {
				t.Fatalf("step %d: merge reports %t, %v", step, differs, got)
			}
		}
		if step%7 != 0 {
			continue
		}
		list := tab.list()
		if len(list) != len(model) || !slices.IsSortedFunc(list, func(a, b *reduce.Pod) int { return keyOf(a.Meta).compare(keyOf(b.Meta)) }) {
			t.Fatalf("step %d: %d objects, want %d", step, len(list), len(model))
		}
		for _, p := range list {
			if model[keyOf(p.Meta)] != p.Node {
				t.Fatalf("step %d: %+v", step, p)
			}
		}
	}
}

// podItems are as the API's would be, of pods that Kube-OVN gave addresses.
func podItems(n int) []any {
	out := make([]any, n)
	for i := range n {
		address := fmt.Sprintf("10.%d.%d.%d", 16+i/65536, i/256%256, i%256)
		out[i] = itemOf(&pod{corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("deployment-7d4b9c6f5d-%05d", i), Namespace: fmt.Sprintf("namespace-%d", i%50), Annotations: map[string]string{
				"ovn.kubernetes.io/ip_address": address, "ovn.kubernetes.io/logical_switch": "ovn-default", "note": strings.Repeat("x", 100)}},
			Spec:   corev1.PodSpec{NodeName: fmt.Sprintf("node%d", i%100)},
			Status: corev1.PodStatus{Phase: "Running", PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}},
		}}, "")
	}
	return out
}

// BenchmarkClusterSnapshot is a Snapshot after one pod changed.
func BenchmarkClusterSnapshot(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
			c, _ := model(ClusterOptions{})
			s := c.named("pods")
			items := podItems(n)
			listed(s, items...)
			pod := *items[n/2].(*item).value.(*reduce.Pod)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				changed := pod
				changed.Node = []string{"node1", "node2"}[i%2]
				came(s, &item{key: keyOf(pod.Meta), value: &changed})
				if len(c.Snapshot().Pods) != n {
					b.Fatal("a pod is lost")
				}
			}
		})
	}
}

// BenchmarkClusterReplace is a list after a watch that was lost, which brings nothing new.
func BenchmarkClusterReplace(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
			c, _ := model(ClusterOptions{})
			s := c.named("pods")
			listed(s, podItems(n)...)
			again := podItems(n)
			b.ReportAllocs()
			for b.Loop() {
				listed(s, again...)
			}
		})
	}
}

// BenchmarkClusterMemory tells what a pod costs that is kept.
func BenchmarkClusterMemory(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		c, _ := model(ClusterOptions{})
		listed(c.named("pods"), podItems(n)...)
		b.ReportMetric(float64(heap()-before)/n, "B/pod")
		runtime.KeepAlive(c)
	}
}
