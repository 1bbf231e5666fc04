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
	self, unknown := find(s.Nodes, node)
	p := pass{config: c, node: node, attributes: attributesOf(c), routes: make(map[netip.Prefix]*route.Route)}
	routers, err := p.routers(self, unknown)
	if err != nil {
		return Result{}, err
	}
	p.subnets(s.Subnets)
	p.pods(s.Pods)
	p.services(s.Services)

	// All routers originate the same; none of them changes it.
	announced := p.sorted()
	for i := range routers {
		routers[i].Routes = announced
	}

	slices.SortFunc(p.skipped, func(a, b Skipped) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Reason, b.Reason))
	})
	slices.SortFunc(p.warnings, func(a, b Warning) int {
		return cmp.Or(a.Object.Compare(b.Object), cmp.Compare(a.Reason, b.Reason))
	})
	return Result{
		Speaker: route.Speaker{
			Node:    node,
			Routers: routers,
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

// pass collects the routes of one Reduce.
type pass struct {
	config config.Config
	node   string
	// attributes are those of every route.
	attributes route.Attributes
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
		r = &route.Route{Prefix: prefix, Attributes: p.attributes, To: everyone}
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
