package reload

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tables gives a configuration of n networks in each of two routers, sorted as render sorts them.
func tables(n int) string {
	var out strings.Builder
	out.WriteString("frr defaults traditional\nbgp large-community-list standard FL-TO-1 seq 5 permit 65000:4242:1\n")
	for g := range 3 {
		fmt.Fprintf(&out, "route-map FL-GROUP-%d permit 10\n set metric %d\nexit\n", g, g)
	}
	for _, router := range []string{"router bgp 65000", "router bgp 65009 view mesh"} {
		fmt.Fprintf(&out, "%s\n no bgp default ipv4-unicast\n neighbor 10.0.1.1 remote-as 65001\n !\n address-family ipv4 unicast\n", router)
		for i := range n {
			fmt.Fprintf(&out, "  network 10.%d.%d.%d/32 route-map FL-GROUP-%d\n", i>>16, i>>8&255, i&255, i%3)
		}
		out.WriteString("  neighbor 10.0.1.1 activate\n exit-address-family\nexit\n!\n")
	}
	out.WriteString("end\n")
	return out.String()
}

// edited gives conf after one random edit: a line goes, comes, moves or changes, or a whole context goes or comes.
func edited(random *rand.Rand, conf string) string {
	all := strings.SplitAfter(conf, "\n")
	i := random.IntN(len(all) - 1)
	switch random.IntN(8) {
	case 0, 1:
		return strings.Join(slices.Delete(all, i, i+1), "")
	case 2:
		// Somewhere else: FRR and an operator's template can have another order.
		line := all[i]
		all = slices.Delete(all, i, i+1)
		return strings.Join(slices.Insert(all, random.IntN(len(all)), line), "")
	case 3, 4:
		for at := i; at < len(all); at++ {
			if strings.HasPrefix(all[at], networkLine) {
				more := fmt.Sprintf("  network 10.9.%d.%d/32 route-map FL-GROUP-%d\n", random.IntN(256), random.IntN(256), random.IntN(4))
				return strings.Join(slices.Insert(all, at, more), "")
			}
		}
	case 5:
		all[i] = strings.ReplaceAll(all[i], "FL-GROUP-1", "FL-GROUP-2")
	case 6:
		_, rest, found := strings.Cut(conf, "exit\n")
		if found {
			return rest
		}
	case 7:
		return strings.Replace(conf, "router bgp 65000\n", "route-map FL-GROUP-9 permit 10\n set metric 9\nexit\nrouter bgp 65009 vrf red\n"+
			" address-family ipv4 unicast\n  network 10.9.9.9/32 route-map FL-GROUP-9\n exit-address-family\nexit\nrouter bgp 65000\n", 1)
	}
	return strings.Join(all, "")
}

// sameChange fails t where the networks left out change what is to be done.
func sameChange(t *testing.T, a, b string) {
	t.Helper()
	fullA, fullB := Parse([]byte(a)), Parse([]byte(b))
	if !distinct(fullA) || !distinct(fullB) {
		return
	}
	thinA, thinB := Between([]byte(a), []byte(b))
	want, got := Diff(fullA.Owned(), fullB.Owned()), Diff(thinA.Owned(), thinB.Owned())
	if string(got.Script()) != string(want.Script()) {
		t.Fatalf("from\n%s\nto\n%s\nthe change is\n%s\nand should be\n%s", a, b, got, want)
	}
	if got, want := fmt.Sprint(Resets("", thinA.Owned(), thinB.Owned())), fmt.Sprint(Resets("", fullA.Owned(), fullB.Owned())); got != want {
		t.Fatalf("from\n%s\nto\n%s\nthe resets are %s and should be %s", a, b, got, want)
	}
	if want.touchesSessions() {
		return
	}
	foreseen, all := Foresee("", thinA.Owned(), thinB.Owned(), got), Foresee("", fullA.Owned(), fullB.Owned(), want)
	if diff := cmp.Diff(all, foreseen, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Fatalf("from\n%s\nto\n%s\nforeseen (-want +got)\n%s", a, b, diff)
	}
}

// Whatever is edited, what differs says all that the whole configurations say.
func TestBetween(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	starts := []string{tables(40), golden(t, "views"), golden(t, "vrf"), golden(t, "audiences"), golden(t, "every-setting"), ""}
	for range 3000 {
		a := starts[random.IntN(len(starts))]
		b := a
		for range random.IntN(6) {
			if strings.Count(b, "\n") > 1 {
				b = edited(random, b)
			}
		}
		if random.IntN(8) == 0 {
			b = starts[random.IntN(len(starts))]
		}
		sameChange(t, a, b)
		sameChange(t, b, a)
	}
}

// Of what stands in both, one network at most is left.
func TestBetweenLeavesOut(t *testing.T) {
	a := tables(500)
	b := strings.Replace(a, "  network 10.0.0.7/32 ", "  network 10.0.0.6/31 route-map FL-GROUP-1\n  network 10.0.0.7/32 ", 1)
	thinA, thinB := Between([]byte(a), []byte(b))
	count := func(t Tree) int { return strings.Count(strings.Join(lines(t), "\n"), " / network ") }
	if got := [2]int{count(thinA), count(thinB)}; got != [2]int{2, 3} {
		t.Errorf("%v networks are left, want one of each family, and the new one", got)
	}
}

func FuzzBetween(f *testing.F) {
	for _, name := range []string{"one-switch", "every-setting", "audiences", "views", "empty", "bfd", "receive", "vrf"} {
		f.Add(golden(f, name), golden(f, "pair-of-switches"))
	}
	f.Add(tables(4), tables(7))
	f.Add("router bgp 1\n address-family x\n  network 1\n   child\n  network 2\n!\n  network 3\n", "router bgp 1\n address-family x\n  network 2\n  network ::0.0.0.1/128")
	f.Fuzz(func(t *testing.T, a, b string) { sameChange(t, a, b) })
}

// BenchmarkOneRoute is what one route more costs beside the others, before FRR is told of it: its allocations do not grow
// with them.
func BenchmarkOneRoute(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		before := tables(n)
		i := strings.Index(before, fmt.Sprintf("  network 10.%d.%d.%d/32", n/2>>16, n/2>>8&255, n/2&255))
		running, wanted := []byte(before), []byte(before[:i]+"  network 10.99.0.1/32 route-map FL-GROUP-1\n"+before[i:])
		b.Run(fmt.Sprintf("%dk", n/1000), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x, y := Between(running, wanted)
				if change := Diff(x.Owned(), y.Owned()); change.Len() != 5 {
					b.Fatalf("the change is\n%s", change)
				}
			}
		})
	}
}
