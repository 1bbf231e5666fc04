package verify_test

import (
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// fleet is a table of n routes in a handful of groups, and what the wire shows of it.
func fleet(n int) (route.RIB, []verify.Change) {
	const groups = 8
	rib := make(route.RIB, n)
	changes := make([]verify.Change, n)
	var attributes [groups]*verify.Attributes
	for g := range groups {
		attributes[g] = onWire(func(a *verify.Attributes) {
			a.MED = uint32(g)
			a.Communities = []route.Community{65000<<16 | 1, 65000<<16 | route.Community(g+2)}
		})
	}
	for i := range rib {
		g := i * 7 % groups
		rib[i] = announcement(i)
		rib[i].MED, rib[i].Communities = uint32(g), attributes[g].Communities
		changes[i] = verify.Change{Prefix: rib[i].Prefix, Attributes: attributes[g], Sequence: uint64(i + 1)}
	}
	return rib, changes
}

// BenchmarkCompare has a whole table intended, seen on the wire in UPDATEs of 500 and acknowledged. It reports the prefixes
// that are compared in a second, and the memory that the Comparer keeps for them.
func BenchmarkCompare(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			rib, changes := fleet(n)
			intent := route.Diff(nil, rib)
			var c *verify.Comparer
			for b.Loop() {
				c = newComparer()
				c.Observe(see(verify.Wire, start, verify.Whole))
				c.Intend(start, intent)
				for at := 0; at < n; at += 500 {
					o := see(verify.Wire, start, verify.Whole, changes[at:min(at+500, n)]...)
					o.Acknowledged = uint64(max(0, at-500))
					c.Observe(o)
				}
				o := see(verify.Wire, start, verify.Whole)
				o.Acknowledged = uint64(n)
				c.Observe(o)
				if r := c.Report(start.Add(time.Minute), 0); !r.Agrees() || len(r.Counts) != 1 || r.Counts[0].Proof != verify.Acknowledged {
					b.Fatalf("report %+v", r)
				}
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "prefixes/s")
			var with, without runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&with)
			runtime.KeepAlive(c)
			c = nil
			runtime.GC()
			runtime.ReadMemStats(&without)
			b.ReportMetric((float64(with.HeapAlloc)-float64(without.HeapAlloc))/(1<<20), "MB")
			runtime.KeepAlive(intent)
			runtime.KeepAlive(changes)
		})
	}
}

// BenchmarkOneRoute has one more route intended and seen beside many, and taken back again: neither time nor memory may grow
// with the others.
func BenchmarkOneRoute(b *testing.B) {
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			b.ReportAllocs()
			rib, changes := fleet(n)
			c := newComparer()
			c.Intend(start, route.Diff(nil, rib[1:]))
			whole := see(verify.Wire, start, verify.Whole, changes[1:]...)
			whole.Acknowledged = uint64(n)
			c.Observe(whole)
			more := route.Diff(nil, rib[:1])
			less := []route.Change{{Old: more[0].New}}
			sequence := uint64(n)
			tell := func(a *verify.Attributes) {
				sequence++
				o := see(verify.Wire, start, verify.Whole, verify.Change{Prefix: rib[0].Prefix, Attributes: a, Sequence: sequence})
				o.Acknowledged = sequence - 1
				c.Observe(o)
			}
			for b.Loop() {
				c.Intend(start, more)
				tell(changes[0].Attributes)
				c.Intend(start, less)
				tell(nil)
				if r := c.Report(start, 0); !r.Agrees() {
					b.Fatalf("report %+v", r)
				}
			}
		})
	}
}
