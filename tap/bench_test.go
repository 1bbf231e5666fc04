package tap

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// TestTablesAreSmall measures what 100,000 routes take, the tap's table and what verify keeps to compare it: under 60 MB with all
// that goes with them, and with 5,000 different sets of attributes, of which a node has a handful. The tap's own table stays below
// that where each route has attributes of its own, too.
func TestTablesAreSmall(t *testing.T) {
	many, single := newFull(20), newFull(1)
	both, alone := many.prove(t, many.intended()), proof{}
	alone.tap, _ = single.decode(t)
	for what, used := range map[string]float64{
		"both tables": many.memory(&both), "the tap's, with attributes for each route": single.memory(&alone),
	} {
		t.Logf("%s: 100,000 routes take %.1f MB", what, used)
		if used > 60 {
			t.Errorf("%s: 100,000 routes take %.1f MB, want 60 at most", what, used)
		}
	}
}

// full is a session of 100,000 routes: the packets in which it is sent, and the intent.
type full struct {
	key     Session
	packets []packet
	intent  []route.Change
	routes  int
}

// newFull has so many routes share attributes, and an UPDATE.
func newFull(perUpdate int) *full {
	f := &full{key: Session{Neighbor: theirIPv4.Addr(), Port: 179}}
	var stream []byte
	var rib route.RIB
	for f.routes < 100_000 {
		// The MED makes the attributes differ.
		med := uint32(f.routes)
		for i := range perUpdate {
			rib = append(rib, route.Announcement{Prefix: prefixKey(f.routes + i).prefix, ASPath: []route.ASN{65000}, MED: med})
		}
		m := plainUpdate(f.routes, perUpdate)
		extra := binary.BigEndian.AppendUint32([]byte{0x80, 4, 4}, med)
		m = slices.Insert(m, 23, extra...)
		binary.BigEndian.PutUint16(m[16:], uint16(len(m)))
		binary.BigEndian.PutUint16(m[21:], binary.BigEndian.Uint16(m[21:])+uint16(len(extra)))
		stream = append(stream, m...)
		f.routes += perUpdate
	}
	f.intent = route.Diff(nil, rib)
	protocol, head := ip(ourIPv4.Addr(), theirIPv4.Addr(), protocolTCP, nil)
	for sequence, rest := uint32(1), stream; len(rest) > 0; {
		n := min(len(rest), 30_000)
		data := append(slices.Clone(head), tcp(ourIPv4, theirIPv4, sequence, 1, flagACK, 1, rest[:n])...)
		binary.BigEndian.PutUint16(data[2:], uint16(len(data)))
		f.packets = append(f.packets, packet{at: begin, protocol: protocol, outgoing: true, data: data})
		_, ack := ip(theirIPv4.Addr(), ourIPv4.Addr(), protocolTCP, tcp(theirIPv4, ourIPv4, 1, sequence+uint32(n), flagACK, 1, nil))
		f.packets = append(f.packets, packet{at: begin, protocol: protocol, data: ack})
		sequence, rest = sequence+uint32(n), rest[n:]
	}
	return f
}

// decode takes the packets to a table, and tells it.
func (f *full) decode(t testing.TB) (*Tap, View) {
	tap := offline([]Session{f.key})
	tap.packets(slices.Values(f.packets))
	view := tap.Take(f.key)
	if view.Routes != f.routes || !view.All || len(view.Changes) != f.routes {
		t.Fatalf("%d routes, %d told, want %d", view.Routes, len(view.Changes), f.routes)
	}
	return tap, view
}

// proof is what is kept of a session.
type proof struct {
	tap      *Tap
	comparer *verify.Comparer
}

// intended gives a Comparer that knows the intent.
func (f *full) intended() *verify.Comparer {
	c := verify.NewComparer(verify.Session{Neighbor: f.key.Neighbor.String()}, verify.Options{Prepended: 65000})
	c.Own(begin, ourIPv4.Addr())
	c.Intend(begin, f.intent)
	return c
}

// prove takes the packets to a Report, as the agent does.
func (f *full) prove(t testing.TB, c *verify.Comparer) proof {
	session := verify.Session{Neighbor: f.key.Neighbor.String()}
	tap, view := f.decode(t)
	o := verify.Observation{
		Session: session, Witness: verify.Wire, At: begin, State: verify.Whole, Snapshot: true, Acknowledged: uint64(f.routes),
		Changes: make([]verify.Change, 0, len(view.Changes)),
	}
	known := make(map[*Attributes]*verify.Attributes)
	for i, r := range view.Changes {
		a := known[r.Attributes]
		if a == nil {
			a = &verify.Attributes{ASPath: path(r.Attributes.ASPath), NextHop: r.Attributes.NextHop, MED: r.Attributes.MED}
			known[r.Attributes] = a
		}
		o.Changes = append(o.Changes, verify.Change{Prefix: r.Prefix, Attributes: a, Sequence: uint64(i + 1)})
	}
	c.Observe(o)
	if r := c.Report(begin.Add(time.Minute), 0); !r.Agrees() || len(r.Counts) != 1 || r.Counts[0].Routes != f.routes {
		t.Fatalf("report %+v", r)
	}
	return proof{tap, c}
}

// memory is what p keeps of the heap, in MB. It takes p away.
func (f *full) memory(p *proof) float64 {
	var with, without runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&with)
	runtime.KeepAlive(p)
	*p = proof{}
	runtime.GC()
	runtime.ReadMemStats(&without)
	runtime.KeepAlive(f)
	return (float64(with.HeapAlloc) - float64(without.HeapAlloc)) / (1 << 20)
}

// processor is how long this process has used processors.
func processor(t testing.TB) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkTable takes 100,000 routes from packets to the table, and tells them. The metric that counts is prefixes/core-s: those
// of a second on one core, whatever else the machine does.
func BenchmarkTable(b *testing.B) {
	for _, perUpdate := range []int{1, 20, 800} {
		b.Run(fmt.Sprintf("perUpdate=%d", perUpdate), func(b *testing.B) {
			b.ReportAllocs()
			f := newFull(perUpdate)
			before := processor(b)
			for b.Loop() {
				f.decode(b)
			}
			b.ReportMetric(float64(f.routes)*float64(b.N)/(processor(b)-before).Seconds(), "prefixes/core-s")
		})
	}
}

// BenchmarkProof takes them on to the verdict that all is as intended: decoded and compared. MB is what the table and the
// comparison then take.
func BenchmarkProof(b *testing.B) {
	for _, perUpdate := range []int{1, 20, 800} {
		b.Run(fmt.Sprintf("perUpdate=%d", perUpdate), func(b *testing.B) {
			b.ReportAllocs()
			f := newFull(perUpdate)
			var p proof
			var used time.Duration
			for b.Loop() {
				b.StopTimer()
				c := f.intended()
				b.StartTimer()
				before := processor(b)
				p = f.prove(b, c)
				used += processor(b) - before
			}
			b.ReportMetric(float64(f.routes)*float64(b.N)/used.Seconds(), "prefixes/core-s")
			b.ReportMetric(f.memory(&p), "MB")
		})
	}
}
