package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// BenchmarkAnnotateToRoute is what a user waits for: from the moment a manifest with one more annotation is in its place
// until the ToR has received the route, and the same for taking it away, on a node that announces 1,000 pods in 10 files.
// The moment of reception is when the ToR's bgpd logs the prefix, looked at every millisecond. The FRR is this machine's
// own, and both routers run on this machine.
func BenchmarkAnnotateToRoute(b *testing.B) {
	for _, mode := range []string{"external", "embedded"} {
		b.Run(mode, func(b *testing.B) { annotateToRoute(b, mode) })
	}
}

func annotateToRoute(b *testing.B, mode string) {
	const tries, files, podsPerFile = 25, 10, 100
	n, tor := linked(b, lab.Machine(b), torConfig)
	if mode == "external" {
		n.StartFRR(b, n.version, "")
	}
	n.configure(mode, oneToR)
	var want []string
	var last string
	for i := range files {
		text, prefixes := pods(i, podsPerFile)
		n.write(fmt.Sprintf("pods-%d.yaml", i), text)
		want, last = append(want, prefixes...), text
	}
	n.start()
	told(b, tor, want...)
	count(b, tor) // which makes bgpd log what it receives, too
	log := tor.Process("bgpd")

	name := fmt.Sprintf("pods-%d.yaml", files-1)
	without, with := last+podThat("", "sample", "10.99.0.1"), last+pod("sample", "10.99.0.1")
	n.write(name, without)
	n.converged()
	measure := func(text, line string) time.Duration {
		return untilLogged(b, log, line, func() { n.write(name, text) })
	}
	for b.Loop() {
		var annotated, removed []time.Duration
		for range tries {
			annotated = append(annotated, measure(with, "rcvd 10.99.0.1/32 IPv4 unicast"))
			n.converged()
			removed = append(removed, measure(without, "rcvd UPDATE about 10.99.0.1/32 IPv4 unicast -- withdrawn"))
			n.converged()
		}
		report(b, "annotate", annotated)
		report(b, "remove", removed)
	}
}

// untilLogged does something and gives how long after that began a process logged line.
func untilLogged(b *testing.B, log *lab.Process, line string, do func()) time.Duration {
	b.Helper()
	offset := len(log.Output())
	began := time.Now()
	do()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		if strings.Contains(log.Output()[offset:], line) {
			return now.Sub(began)
		}
		if now.Sub(began) > converge {
			b.Fatalf("the ToR has not logged %q", line)
		}
	}
	return 0
}

func report(b *testing.B, what string, times []time.Duration) {
	slices.Sort(times)
	milliseconds := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(milliseconds(times[len(times)/2]), what+"-median-ms")
	b.ReportMetric(milliseconds(times[len(times)-1]), what+"-worst-ms")
}
