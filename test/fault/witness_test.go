package fault_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// witness sees what a router at the far end makes of a session: what it is sent, what its kernel forwards, and when the session
// stood.
type witness struct {
	router  *lab.Router
	from    netip.Addr
	counter *lab.UpdateCounter
	kernel  *lab.Process
	// routes and log are where the outputs ended when reset was called.
	routes, log int
}

func newWitness(t *testing.T, r *lab.Router, asn int, from netip.Addr) *witness {
	t.Helper()
	r.Load(fmt.Sprintf("log timestamp precision 6\nrouter bgp %d\n bgp log-neighbor-changes\nexit\n", asn))
	w := &witness{router: r, from: from, counter: r.CountUpdates(from)}
	w.kernel = r.Namespace.Start(t, lab.Version{Root: "/"}, "ip", "-ts", "monitor", "route")
	w.reset()
	return w
}

// reset forgets what was seen so far.
func (w *witness) reset() {
	w.counter.Reset()
	w.routes, w.log = len(w.kernel.Output()), len(w.router.Process("bgpd").Output())
}

// table is what the router forwards to the node.
func (w *witness) table(t *testing.T) []netip.Prefix {
	t.Helper()
	var table []netip.Prefix
	for line := range strings.Lines(w.router.Namespace.IP(t, "route", "show", "proto", "bgp")) {
		if prefix, ok := destination(strings.Fields(line)); ok {
			table = append(table, prefix)
		}
	}
	slices.SortFunc(table, netip.Prefix.Compare)
	return table
}

// gaps gives how long each prefix was not forwarded since reset, of those that were missing at all.
func (w *witness) gaps(t *testing.T) map[netip.Prefix]time.Duration {
	t.Helper()
	gaps, since := map[netip.Prefix]time.Duration{}, map[netip.Prefix]time.Time{}
	for line := range strings.Lines(w.kernel.Output()[w.routes:]) {
		stamp, rest, ok := strings.Cut(strings.TrimPrefix(line, "["), "] ")
		fields := strings.Fields(rest)
		gone := len(fields) > 0 && fields[0] == "Deleted"
		if gone {
			fields = fields[1:]
		}
		prefix, known := destination(fields)
		if !ok || !known {
			continue
		}
		at, err := time.ParseInLocation("2006-01-02T15:04:05.000000", stamp, time.Local)
		if err != nil {
			t.Fatalf("read what ip monitor says: %v", err)
		}
		if gone {
			since[prefix] = at
		} else if began, ok := since[prefix]; ok {
			gaps[prefix] += at.Sub(began)
			delete(since, prefix)
		}
	}
	for prefix, began := range since {
		gaps[prefix] += time.Since(began)
	}
	return gaps
}

// destination reads the prefix of a line of ip route.
func destination(fields []string) (netip.Prefix, bool) {
	if len(fields) == 0 {
		return netip.Prefix{}, false
	}
	if addr, err := netip.ParseAddr(fields[0]); err == nil {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	prefix, err := netip.ParsePrefix(fields[0])
	return prefix, err == nil
}

// absence is how long the session was down since reset, and how often it went.
func (w *witness) absence(t *testing.T) (time.Duration, int) {
	t.Helper()
	var sum time.Duration
	var since time.Time
	times := 0
	for line := range strings.Lines(w.router.Process("bgpd").Output()[w.log:]) {
		if !strings.Contains(line, "%ADJCHANGE: neighbor "+w.from.String()) {
			continue
		}
		at, err := time.ParseInLocation("2006/01/02 15:04:05.000000", strings.Join(strings.Fields(line)[:2], " "), time.Local)
		if err != nil {
			t.Fatalf("read bgpd's log: %v", err)
		}
		switch {
		case strings.Contains(line, " Down"):
			since = at
			times++
		case !since.IsZero():
			sum += at.Sub(since)
			since = time.Time{}
		}
	}
	if !since.IsZero() {
		sum += time.Since(since)
	}
	return sum, times
}

// withdrawn are those of some prefixes for which an UPDATE with a withdrawal came since reset.
func (w *witness) withdrawn(of map[netip.Prefix]bool) []netip.Prefix {
	return slices.DeleteFunc(w.counter.Counts().Withdrawn, func(p netip.Prefix) bool { return !of[p] })
}

// longest is the longest gap of some prefixes, in the words of a test's message; 0 where none was missing.
func longest(gaps map[netip.Prefix]time.Duration, of map[netip.Prefix]bool) (gap time.Duration, text string) {
	missing := 0
	text = "-"
	for prefix, g := range gaps {
		if !of[prefix] {
			continue
		}
		missing++
		if g > gap {
			gap, text = g, prefix.String()
		}
	}
	return gap, fmt.Sprintf("%d missing, %s for %s", missing, text, gap.Round(time.Millisecond))
}
