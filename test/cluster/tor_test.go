package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// tor is a top-of-rack router on the segment, a plain FRR.
type tor struct {
	t       *testing.T
	address netip.Addr
	router  *lab.Router
	// kernel tells what becomes of the router's routes.
	kernel *lab.Process
}

// torConf has each node for a neighbor. Its FRR helps those that restart, by default.
const torConf = `router bgp 65030
 bgp router-id %s
 no bgp ebgp-requires-policy
 neighbor nodes peer-group
 neighbor nodes remote-as 65000
 neighbor nodes timers connect 1
`

// password is that of the sessions with the second router.
const password = "secret"

// newToR starts a router at an address of the segment, for the nodes of c. Without a password its sessions have none.
func newToR(t *testing.T, c *Cluster, name, address, password string) *tor {
	t.Helper()
	v := lab.Versions(t)[0]
	r := &tor{t: t, address: netip.MustParseAddr(address)}
	ns := lab.NewNamespace(t, name)
	c.Segment.Connect(t, ns, "eth0", netip.PrefixFrom(r.address, 24))
	conf := fmt.Sprintf(torConf, address)
	if password != "" {
		conf += " neighbor nodes password " + password + "\n"
	}
	for _, n := range c.Nodes {
		conf += fmt.Sprintf(" neighbor %s peer-group nodes\n", n.Address)
	}
	r.router = ns.StartFRR(t, v, conf+"exit\n")
	r.kernel = ns.Start(t, lab.Version{}, "ip", "-tshort", "monitor", "route")
	return r
}

// has waits until the router has a prefix from exactly these nodes, and uses their addresses as next hops.
func (r *tor) has(prefix string, nodes ...*Node) {
	r.t.Helper()
	lab.Eventually(r.t, patience, fmt.Sprintf("the router has %s from %s", prefix, names(nodes)), func() error {
		return r.hasNow(prefix, nodes...)
	})
}

func (r *tor) hasNow(prefix string, nodes ...*Node) error {
	var from []netip.Addr
	for _, path := range r.router.Routes(route.IPv4Unicast)[netip.MustParsePrefix(prefix)] {
		if path.NextHop != path.From || path.ASPath != "65000" {
			return fmt.Errorf("the path is wrong: %+v", path)
		}
		if path.Stale {
			return fmt.Errorf("the path of %s is stale", path.From)
		}
		from = append(from, path.From)
	}
	var want []netip.Addr
	for _, n := range nodes {
		want = append(want, n.Address)
	}
	slices.SortFunc(from, netip.Addr.Compare)
	if !slices.Equal(from, want) {
		return fmt.Errorf("it has %s from %v", prefix, from)
	}
	return nil
}

// empty waits until the router knows no route at all.
func (r *tor) empty() {
	r.t.Helper()
	lab.Eventually(r.t, patience, "the router knows nothing", func() error {
		if table := r.router.Routes(route.IPv4Unicast); len(table) > 0 {
			return fmt.Errorf("it has %v", table)
		}
		return nil
	})
}

// sessions is how often the session with each node has come up, for those with which it is up.
func (r *tor) sessions(nodes ...*Node) map[string]int {
	r.t.Helper()
	out, err := r.router.Vtysh(context.Background(), "show bgp neighbors json")
	if err != nil {
		r.t.Fatal(err)
	}
	var neighbors map[string]struct {
		State       string `json:"bgpState"`
		Established int    `json:"connectionsEstablished"`
	}
	if err := json.Unmarshal([]byte(out), &neighbors); err != nil {
		r.t.Fatal(err)
	}
	up := map[string]int{}
	for _, n := range nodes {
		if neighbor := neighbors[n.Address.String()]; neighbor.State == "Established" {
			up[n.Name] = neighbor.Established
		}
	}
	return up
}

// up waits until the session with a node has come up that often.
func (r *tor) up(n *Node, times int) {
	r.t.Helper()
	lab.Eventually(r.t, patience, fmt.Sprintf("the session with %s has come up for the time %d", n.Name, times), func() error {
		if got := r.sessions(n)[n.Name]; got < times {
			return fmt.Errorf("it is at %d (0 is down)", got)
		}
		return nil
	})
}

// keeps fails the test where the router's kernel loses a route that it had from a node, while do runs. Routes to these addresses may go.
func (r *tor) keeps(do func(), but ...string) {
	r.t.Helper()
	since := r.mark()
	do()
	for _, n := range r.news(since) {
		if n.deleted && !slices.Contains(but, n.address) {
			r.t.Errorf("the router has lost the route to %s", n.address)
		}
	}
}

// news is what becomes of a route that came by BGP.
type news struct {
	at      time.Time
	address string // or prefix; without the length of that of one address
	deleted bool
}

// news is what has become of the router's routes since a mark: lines such as
//
//	[2026-11-21T22:41:28.123456] Deleted 10.244.1.3 nhid 11 via 10.32.32.11 dev eth0 proto bgp metric 20
func (r *tor) news(since int) []news {
	r.t.Helper()
	end := r.mark()
	var all []news
	for line := range strings.Lines(r.kernel.Output()[since:end]) {
		stamp, rest, _ := strings.Cut(line, " ")
		if !strings.Contains(rest, " proto bgp ") {
			continue
		}
		at, err := time.Parse("[2006-01-02T15:04:05.999999]", stamp)
		if err != nil {
			r.t.Fatalf("read the kernel's news: %v", err)
		}
		rest, deleted := strings.CutPrefix(rest, "Deleted ")
		address, _, _ := strings.Cut(rest, " ")
		all = append(all, news{at: at, address: address, deleted: deleted})
	}
	return all
}

// gap is for how long the router was without a route at most, since a mark. That it still is is an error.
func (r *tor) gap(since int, address string) (time.Duration, error) {
	r.t.Helper()
	var longest time.Duration
	var gone time.Time
	for _, n := range r.news(since) {
		switch {
		case n.address != address:
		case n.deleted:
			gone = n.at
		case !gone.IsZero():
			longest, gone = max(longest, n.at.Sub(gone)), time.Time{}
		}
	}
	if !gone.IsZero() {
		return longest, fmt.Errorf("the route to %s has been gone since %s", address, gone)
	}
	return longest, nil
}

// mark waits until all that has become of the router's routes so far was told, and returns where that ends.
func (r *tor) mark() int {
	r.t.Helper()
	since := len(r.kernel.Output())
	end := since
	// A route of our own, told after all before it.
	for _, verb := range []string{"add", "delete"} {
		r.router.Namespace.IP(r.t, "route", verb, "192.0.2.1/32", "dev", "lo")
	}
	lab.Eventually(r.t, patience, "the kernel's news are read", func() error {
		at := strings.Index(r.kernel.Output()[since:], "Deleted 192.0.2.1 ")
		if at < 0 {
			return errors.New("they are not")
		}
		// The beginning of its line.
		end = since + strings.LastIndex(r.kernel.Output()[since:since+at], "\n") + 1
		return nil
	})
	return end
}

// reaches waits until an address answers the router: a packet goes there by the route that was announced, and one comes back.
func (r *tor) reaches(address string) {
	r.t.Helper()
	lab.Eventually(r.t, patience, address+" answers the router", func() error {
		var err error
		inside := lab.Inside(r.router.Namespace.Name, func() error {
			var conn net.Conn
			dialer := net.Dialer{Timeout: time.Second}
			if conn, err = dialer.DialContext(r.t.Context(), "tcp", net.JoinHostPort(address, "9")); err == nil {
				err = conn.Close()
			}
			return nil
		})
		// Nobody listens on that port of a pod, and its kernel says so.
		if inside == nil && errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		return errors.Join(inside, err)
	})
}

func names(nodes []*Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	if len(all) == 0 {
		return "nobody"
	}
	return strings.Join(all, " and ")
}
