package reduce

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/config"
)

// Whatever changes from one Snapshot to the next, a Reducer gives what Reduce gives of it.
func TestReducer(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	pick := func(values ...string) string { return values[random.IntN(len(values))] }
	pod := func(i int) *Pod {
		return &Pod{Meta: Meta{Namespace: pick("x", "y"), Name: fmt.Sprintf("p%02d", i), Annotations: map[string]string{
			annotationKubeOVN:     pick("true", "local", "false", "", "nonsense"),
			"ovn" + SuffixAddress: pick(fmt.Sprintf("10.16.0.%d", i), "10.16.0.7", "nonsense", "172.16.0.1"), "ovn" + SuffixSubnet: pick("s0", "s1", "s2")}},
			Node: pick("a", "b"), HostNetwork: random.IntN(8) == 0, Phase: pick("Running", "Running", "Failed"), IPs: []string{fmt.Sprintf("10.17.0.%d", i)}}
	}
	subnet := func(i int) *Subnet {
		return &Subnet{Meta: Meta{Name: fmt.Sprintf("s%d", i), Annotations: map[string]string{annotationKubeOVN: pick("true", "local", "")}},
			CIDRBlock: fmt.Sprintf("10.%d.0.0/16", 16+i), Ready: random.IntN(4) > 0}
	}
	var s Snapshot
	s.Nodes = []*Node{node("a", "10.0.1.2"), node("b", "10.0.1.3")}
	c, name := speaks(config.Announce{}), "a"
	var r Reducer
	var held, heldWant [2]Result
	for step := range 2000 {
		s.Pods, s.Subnets = slices.Clone(s.Pods), slices.Clone(s.Subnets)
		for range random.IntN(4) {
			changed := pod(random.IntN(40))
			i, there := slices.BinarySearchFunc(s.Pods, changed, func(a, b *Pod) int { return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) })
			switch {
			case !there:
				s.Pods = slices.Insert(s.Pods, i, changed)
			case random.IntN(2) == 0:
				s.Pods[i] = changed
			default:
				s.Pods = slices.Delete(s.Pods, i, i+1)
			}
		}
		switch random.IntN(20) {
		case 0:
			i := random.IntN(3)
			s.Subnets = slices.DeleteFunc(s.Subnets, func(other *Subnet) bool { return other.Name == fmt.Sprintf("s%d", i) })
			s.Subnets = append(s.Subnets, subnet(i))
		case 1:
			c.Announce.PodsInAnnouncedSubnets = !c.Announce.PodsInAnnouncedSubnets
		case 2:
			c.Announce.AllowedPrefixes = [][]netip.Prefix{nil, {netip.MustParsePrefix("10.16.0.0/16")}}[random.IntN(2)]
		case 3:
			c.Kubernetes.Scope = config.Scope(pick("cluster", "node"))
		case 4:
			name = pick("a", "b", "unknown")
		case 5:
			random.Shuffle(len(s.Pods), func(i, j int) { s.Pods[i], s.Pods[j] = s.Pods[j], s.Pods[i] })
			slices.SortFunc(s.Pods, func(a, b *Pod) int { return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) })
		}
		want, wantErr := Reduce(s, c, name)
		got, err := r.Reduce(s, c, name)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("step %d: error %v, want %v", step, err, wantErr)
		}
		if d := diff.Diff(want, got, compare); d != "" {
			t.Fatalf("step %d (-Reduce +Reducer):\n%s", step, d)
		}
		// What it gave is not memory that it uses again: of what it keeps for later, each part is used every other pass.
		if d := diff.Diff(heldWant[step%2], held[step%2], compare); d != "" {
			t.Fatalf("what step %d gave was changed later (-Reduce +Reducer):\n%s", step-2, d)
		}
		held[step%2], heldWant[step%2] = got, want
	}
}

// A pod that was looked at is not looked at again while nothing else changes. A source never changes a pod as this does; here it
// shows who looks.
func TestReducerReuses(t *testing.T) {
	c := speaks(config.Announce{})
	for name, test := range map[string]struct {
		between func(t *testing.T, r *Reducer, s Snapshot)
		looks   bool
	}{
		"at once": {func(*testing.T, *Reducer, Snapshot) {}, false},
		"after a pass that failed before it": {func(t *testing.T, r *Reducer, s Snapshot) {
			if _, err := r.Reduce(s, c, "unknown"); err == nil {
				t.Error("a pass for a node that is not known went well")
			}
		}, false},
		"after one without it": {func(t *testing.T, r *Reducer, s Snapshot) {
			s.Pods = s.Pods[1:]
			if _, err := r.Reduce(s, c, "a"); err != nil {
				t.Error(err)
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s Snapshot
			s.Nodes = []*Node{node("a", "10.0.1.2")}
			for i := range 3 {
				s.Pods = append(s.Pods, &Pod{Meta: Meta{Namespace: "x", Name: fmt.Sprint("p", i), Annotations: map[string]string{annotationKubeOVN: "true"}},
					Phase: "Running", IPs: []string{fmt.Sprintf("10.17.0.%d", i)}})
			}
			var r Reducer
			if _, err := r.Reduce(s, c, "a"); err != nil {
				t.Fatal(err)
			}
			s.Pods[0].Annotations = nil
			test.between(t, &r, s)
			result, err := r.Reduce(s, c, "a")
			if err != nil {
				t.Fatal(err)
			}
			if looked := len(result.Speaker.Routers[0].Routes) == 2; looked != test.looks {
				t.Errorf("looked %v, want %v: %v", looked, test.looks, result.Speaker.Routers[0].Routes)
			}
		})
	}
}
