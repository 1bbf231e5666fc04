package reduce

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

// Result is what one pass wants, and what it did not follow.
type Result struct {
	// Speaker is what this node should announce, and to whom.
	Speaker route.Speaker
	// Skipped are the wishes that were not followed, sorted.
	Skipped []Skipped
	// Warnings are the wishes that were followed although they look like a mistake, sorted.
	Warnings []Warning
}

// Skipped is an object and why its wish was not followed.
type Skipped struct {
	Object route.Object `json:"object"`
	Reason string       `json:"reason"`
}

// Warning is an object whose wish was followed, and what about it looks like a mistake.
type Warning = Skipped

// Reduce gives what the node of that name should announce. One wrong object never stops another: it is Skipped. An error
// means that nothing can be said of this node at all, because it is not known, and that what it announces should stay.
func Reduce(s Snapshot, c config.Config, node string) (Result, error) {
	self, err := find(s.Nodes, node)
	routerID := c.RouterID
	if !routerID.IsValid() {
		if err != nil {
			return Result{}, fmt.Errorf("find the router ID: %w; or set routerID", err)
		}
		i := slices.IndexFunc(self.Addresses, netip.Addr.Is4)
		if i < 0 {
			return Result{}, fmt.Errorf("find the router ID: node %s has no IPv4 InternalIP; set routerID", node)
		}
		routerID = self.Addresses[i]
	}

	p := pass{config: c, node: node, routes: make(map[netip.Prefix]*route.Route)}
	neighbors, err := p.neighbors(self, err)
	if err != nil {
		return Result{}, err
	}
	p.subnets(s.Subnets)
	p.pods(s.Pods)
	p.services(s.Services)

	slices.SortFunc(p.skipped, func(a, b Skipped) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(p.warnings, func(a, b Warning) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Reason, b.Reason))
	})
	return Result{
		Speaker: route.Speaker{
			Node: node,
			Routers: []route.Router{{
				ASN:             c.ASN,
				RouterID:        routerID,
				GracefulRestart: route.GracefulRestart(c.GracefulRestart),
				Neighbors:       neighbors,
				Routes:          p.sorted(),
			}},
		},
		Skipped:  slices.Compact(p.skipped),
		Warnings: slices.Compact(p.warnings),
	}, nil
}

// find gives the node of that name.
func find(nodes []*Node, name string) (*Node, error) {
	for _, n := range nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return nil, fmt.Errorf("node %s is not among the %d nodes that are known", name, len(nodes))
}

// neighbors gives the sessions that self holds. It needs to know self only where a selector asks for labels: a node that is
// not known must not lose the sessions that its labels would choose. Of two neighbors with one address that both choose
// this node, the first stands.
func (p *pass) neighbors(self *Node, unknown error) ([]route.Neighbor, error) {
	var labels map[string]string
	if self != nil {
		labels = self.Labels
	}
	neighbors := []route.Neighbor{}
	names := make(map[netip.Addr]string)
	for i, n := range p.config.Neighbors {
		if self == nil && !n.NodeSelector.Everywhere() {
			return nil, fmt.Errorf("match the nodeSelector of neighbor %s: %w", n.Name, unknown)
		}
		if !n.NodeSelector.Matches(labels) {
			continue
		}
		from := route.Object{Kind: "Config", Name: fmt.Sprintf("neighbors[%d]", i)}
		if name, ok := names[n.Address]; ok {
			p.skip(from, fmt.Errorf("neighbor %s has the address %s too, and both nodeSelectors match this node", name, n.Address))
			continue
		}
		names[n.Address] = n.Name
		neighbors = append(neighbors, route.Neighbor{
			Address:         n.Address,
			Port:            n.Port,
			RemoteAS:        n.ASN,
			HoldTime:        n.HoldTime,
			KeepaliveTime:   n.KeepaliveTime,
			ConnectTime:     n.ConnectTime,
			Passive:         n.Passive,
			EBGPMultihop:    n.EBGPMultihop,
			GracefulRestart: n.GracefulRestart,
			Password:        n.Password,
			Families:        n.Families,
			Audience:        route.Everyone,
			From:            []route.Object{from},
		})
	}
	slices.SortFunc(neighbors, func(a, b route.Neighbor) int { return a.Address.Compare(b.Address) })
	return neighbors, nil
}

// pass collects the routes of one Reduce.
type pass struct {
	config config.Config
	node   string
	// known are the subnets by name.
	known    map[string]*subnet
	routes   map[netip.Prefix]*route.Route
	skipped  []Skipped
	warnings []Warning
}

// everyone is the To of every route so far; it is shared and never changed.
var everyone = []route.Audience{route.Everyone}

// announce adds one prefix that object from asks for, and reports whether it may be announced.
func (p *pass) announce(prefix netip.Prefix, from route.Object) bool {
	if !p.allowed(prefix) {
		p.skip(from, fmt.Errorf("%s lies outside announce.allowedPrefixes", prefix))
		return false
	}
	r := p.routes[prefix]
	if r == nil {
		r = &route.Route{Prefix: prefix, To: everyone}
		p.routes[prefix] = r
	}
	r.From = append(r.From, from)
	return true
}

func (p *pass) allowed(prefix netip.Prefix) bool {
	if len(p.config.Announce.AllowedPrefixes) == 0 {
		return true
	}
	return slices.ContainsFunc(p.config.Announce.AllowedPrefixes, func(a netip.Prefix) bool {
		return a.Bits() <= prefix.Bits() && a.Contains(prefix.Addr())
	})
}

func (p *pass) skip(o route.Object, reason error) {
	p.skipped = append(p.skipped, Skipped{Object: o, Reason: reason.Error()})
}

func (p *pass) warn(o route.Object, reason string) {
	p.warnings = append(p.warnings, Warning{Object: o, Reason: reason})
}

// sorted gives the routes of the pass by prefix, the objects of each by name and each once.
func (p *pass) sorted() []route.Route {
	routes := make([]route.Route, 0, len(p.routes))
	for _, r := range p.routes {
		if len(r.From) > 1 {
			slices.SortFunc(r.From, route.Object.Compare)
			r.From = slices.Compact(r.From)
		}
		routes = append(routes, *r)
	}
	slices.SortFunc(routes, func(a, b route.Route) int { return route.ComparePrefixes(a.Prefix, b.Prefix) })
	return routes
}

// wish reads an object's policy, and reports one that nobody knows.
func (p *pass) wish(kind string, m Meta) policy {
	policy, err := policyOf(m.Annotations)
	if err != nil {
		p.skip(m.object(kind), err)
	}
	return policy
}

var errNotReady = errors.New("the subnet is not ready (its condition Ready is not True)")
