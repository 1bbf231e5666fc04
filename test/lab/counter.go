package lab

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
)

// Updates is what a neighbor has sent in UPDATE messages (RFC 4271, section 4.3).
type Updates struct {
	// Messages counts the messages, an End-of-RIB (RFC 4724) too.
	Messages int
	// Announced and Withdrawn list the prefixes of those messages in their order, each as often as it came.
	Announced, Withdrawn []netip.Prefix
}

// UpdateCounter counts the UPDATEs that a router receives from one neighbor. Messages are bgpd's own counter
// (messageStats.updatesRecv); prefixes are read from what bgpd logs under "debug bgp updates in", one line for each prefix
// of each message, before any policy: duplicates and denied ones are in it. Both are exact; soft-reconfiguration on the
// counting router would log the stored routes again. It counts until that router's bgpd ends. Its methods may be called
// from any goroutine.
type UpdateCounter struct {
	router *Router
	from   netip.Addr
	log    *Process

	mu       sync.Mutex
	messages int
	offset   int
}

// CountUpdates starts to count what r receives from a neighbor in its default instance, from now on.
func (r *Router) CountUpdates(from netip.Addr) *UpdateCounter {
	r.t.Helper()
	// At bgpd's start this would log every step of libyang too, so it is set on the running daemon.
	r.Load("log stdout debugging\ndebug bgp updates in\n")
	c := &UpdateCounter{router: r, from: from, log: r.Process("bgpd")}
	c.Reset()
	return c
}

// Reset forgets what was counted so far.
func (c *UpdateCounter) Reset() {
	c.router.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.messages = c.received()
	c.offset = len(c.log.Output())
}

// Counts is what came since the counter's start or its last Reset. UPDATEs take their time: call it until it shows what is
// awaited, and once more later where nothing else may come.
func (c *UpdateCounter) Counts() Updates {
	c.router.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	u := Updates{Messages: c.received() - c.messages}
	for line := range strings.Lines(c.log.Output()[c.offset:]) {
		prefix, withdrawn, ok := parseUpdateLine(line, c.from)
		switch {
		case !ok:
		case withdrawn:
			u.Withdrawn = append(u.Withdrawn, prefix)
		default:
			u.Announced = append(u.Announced, prefix)
		}
	}
	return u
}

func (c *UpdateCounter) received() int {
	c.router.t.Helper()
	out, err := c.router.Vtysh(context.Background(), "show bgp neighbors "+c.from.String()+" json")
	if err != nil {
		c.router.t.Fatalf("count updates: %v", err)
	}
	var neighbors map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &neighbors); err != nil {
		c.router.t.Fatalf("count updates: parse neighbor %s: %v", c.from, err)
	}
	var neighbor struct {
		Stats struct {
			Received int `json:"updatesRecv"`
		} `json:"messageStats"`
	}
	raw, ok := neighbors[c.from.String()]
	if !ok {
		c.router.t.Fatalf("count updates: %s has no neighbor %s", c.router.Pathspace, c.from)
	}
	if err := json.Unmarshal(raw, &neighbor); err != nil {
		c.router.t.Fatalf("count updates: parse neighbor %s: %v", c.from, err)
	}
	return neighbor.Stats.Received
}

// parseUpdateLine reads one line of bgpd's log:
//
//	... BGP: [YCKEM-GB33T] 192.0.2.1(host) rcvd 10.17.0.0/16 IPv4 unicast
//	... BGP: [NJYMB-R5FFH] 192.0.2.1(host) rcvd 10.17.0.0/16 IPv4 unicast...duplicate ignored
//	... BGP: [RZMGQ-A03CG] 192.0.2.1(host) rcvd UPDATE about 10.99.0.0/16 IPv4 unicast -- DENIED due to: ...
//	... BGP: [...] 192.0.2.1(host) rcvd UPDATE about 10.17.0.0/16 IPv4 unicast -- withdrawn
func parseUpdateLine(line string, from netip.Addr) (prefix netip.Prefix, withdrawn, ok bool) {
	head, tail, found := strings.Cut(line, " rcvd ")
	if !found {
		return prefix, false, false
	}
	words := strings.Fields(head)
	if len(words) == 0 {
		return prefix, false, false
	}
	peer, _, _ := strings.Cut(words[len(words)-1], "(")
	if peer != from.String() {
		return prefix, false, false
	}
	tail = strings.TrimPrefix(tail, "UPDATE about ")
	text, rest, _ := strings.Cut(tail, " ")
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return prefix, false, false
	}
	return prefix, strings.Contains(rest, "-- withdrawn"), true
}

// String lists what was counted, for the messages of tests.
func (u Updates) String() string {
	return fmt.Sprintf("%d messages, announced %v, withdrawn %v", u.Messages, u.Announced, u.Withdrawn)
}
