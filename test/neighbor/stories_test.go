package neighbor

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// withoutIPv4 shows the router ID that follows from the node's name.
func withoutIPv4(t *testing.T, f *fabric) {
	f.tellOnFailure(t)
	f.peer(f.a, "65001", session("fd01::2", "65000")...)
	f.apply(t, speaker("", "  - {name: a, address: \"fd01::1\", asn: 65001}\n"), cluster("fd01::2"))
	eventually(t, func() error {
		return all(peerIs("Established", f.a, "fd01::2", "bgpState"), peerIs(nodeID, f.a, "fd01::2", "remoteRouterId"))
	})
}

// connectTime shows how often the node tries to connect to a port of a at which nobody listens: each attempt is refused with
// a RST, and the kernel of a counts those.
func connectTime(t *testing.T, f *fabric) {
	f.tellOnFailure(t)
	for _, want := range []time.Duration{time.Second, 3 * time.Second} {
		const intervals = 2
		f.apply(t, speaker("", toA(fmt.Sprintf(", port: 1180, connectTime: %s", want))), cluster("10.1.0.2"))
		first := refused(t, f.a) + 1
		start := attempt(t, f.a, first)
		got := attempt(t, f.a, first+intervals).Sub(start) / intervals
		if early, late := want-300*time.Millisecond, want+1200*time.Millisecond; got < early || got > late {
			t.Errorf("connectTime %s: an attempt each %s", want, got)
		}
	}
}

// attempt waits until a router has refused so many connections, and gives the time.
func attempt(t *testing.T, r *lab.Router, count int) time.Time {
	t.Helper()
	r.Eventually(patience, fmt.Sprintf("%d connections were refused", count), func() error {
		if got := refused(t, r); got < count {
			return fmt.Errorf("%d", got)
		}
		return nil
	})
	return time.Now()
}

// refused counts the RSTs that a router's namespace has sent (RFC 1213: tcpOutRsts).
func refused(t *testing.T, r *lab.Router) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/snmp", r.Process("bgpd").PID()))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] != "Tcp:":
		case names == nil:
			names = fields
		default:
			count, err := strconv.Atoi(fields[slices.Index(names, "OutRsts")])
			if err != nil {
				t.Fatal(err)
			}
			return count
		}
	}
	t.Fatalf("no counters of TCP:\n%s", data)
	return 0
}

// ownPrefixes shows that what comes back of our own, which allowASIn lets in, changes nothing: a tells b of the node's routes,
// and b, which prefers them that way, tells the node.
func ownPrefixes(t *testing.T, f *fabric) {
	const own = "10.16.0.5/32"
	f.tellOnFailure(t)
	f.peer(f.a, "65001", append(session("10.1.0.2", "65000"),
		session("10.3.0.2", "65002", "neighbor 10.3.0.2 port 1179", "neighbor 10.3.0.2 passive")...)...)
	f.peer(f.b, "65002", append(session("10.2.0.2", "65000"), session("10.3.0.1", "65001", "4 neighbor 10.3.0.1 route-map PREFER in")...)...)
	const keys = ", receive: {accept: all, install: true}, allowASIn: 1"
	yaml := speaker("", toA(keys+", transit: [b]"), toB(keys+", transit: [a]"))
	f.apply(t, yaml, cluster("10.1.0.2"))
	settled := func() error {
		echoed := false
		for _, p := range paths(f.node, own) {
			if p.Best != (p.ASPath == "") {
				return fmt.Errorf("the node has %+v", p)
			}
			echoed = echoed || p.ASPath == "65002 65001 65000"
		}
		if !echoed {
			return fmt.Errorf("%s does not come back: %+v", own, paths(f.node, own))
		}
		return all(told(f.a, own, along("65000")), kernelHas(f.node, "10.16.0.5", false))
	}
	eventually(t, settled)
	stays(t, "what comes back changes nothing", settled)
	gone := cluster("10.1.0.2")
	gone.Pods = nil
	f.apply(t, yaml, gone)
	eventually(t, func() error { return all(told(f.node, own, nil), told(f.a, own, nil), told(f.b, own, nil)) })
}

// nodeID is the router ID that the name node1 gives.
const nodeID = "77.18.243.27"
