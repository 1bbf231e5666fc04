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
	// Own are the objects of which no other node's speaker says what this one says, such as a pod with policy local on this
	// node; sorted. Of all others every speaker says the same.
	Own []route.Object
	// Silent are the kinds of object that this speaker announces none of although others do, such as the services on a node
	// that is excluded from serving them; sorted.
	Silent []string
}

// Skipped is an object and why its wish was not followed.
type Skipped struct {
	Object route.Object `json:"object"`
	Reason string       `json:"reason"`
	// Remedy is what to do about it; "" where nothing is known.
	Remedy string `json:"remedy,omitempty"`
}

// Warning is an object whose wish was followed, and what about it looks like a mistake.
type Warning = Skipped

// Reduce gives what the node of that name should announce. One wrong object never stops another: it is Skipped. An error
// means that nothing can be said of this node at all, because it or a neighbor's password is not known, and that what it
// announces should stay.
func Reduce(s Snapshot, c config.Config, node string) (Result, error) {
	return new(Reducer).Reduce(s, c, node)
}

// reduce is the pass.
func (p *pass) reduce(s Snapshot) (Result, error) {
	self, unknown := find(s.Nodes, p.node)
	routers, err := p.routers(self, unknown)
	if err != nil {
		return Result{}, err
	}
	if p.config.NATGateway != "" {
		p.eips(s.EIPs, s.Gateways)
	} else {
		p.subnets(s.Subnets)
		p.pods(s.Pods, s.Subnets)
		p.services(s.Services, self)
	}

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
	slices.SortFunc(p.own, route.Object.Compare)
	return Result{
		Speaker: route.Speaker{
			Node:    p.node,
			Routers: routers,
			Station: p.config.Verify.BMP.FedBy(),
		},
		Skipped:  slices.Compact(p.skipped),
		Warnings: slices.Compact(p.warnings),
		Own:      slices.Compact(p.own),
		Silent:   p.silent,
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
	// secrets hold the passwords of neighbors.
	secrets []*Secret
	// attributes are those of every route.
	attributes route.Attributes
	// known are the subnets by name.
	known map[string]*subnet
	// bequeaths says that the pods of one of them inherit a policy.
	bequeaths bool
	// last is what the last pass found of pods, and now what this one does; looked says that it went through them.
	last, now *found
	looked    bool
	findings
	silent []string
}

// everyone is the To of every route so far; it is shared and never changed.
var everyone = []route.Audience{route.Everyone}

// announce adds one prefix that object from asks for, and reports whether it may be announced.
func (p *pass) announce(prefix netip.Prefix, from route.Object) bool {
	if !p.allowed(prefix) {
		p.skip(from, remedied(fmt.Errorf("%s lies outside announce.allowedPrefixes", prefix),
			"add a prefix that holds it to announce.allowedPrefixes, where this cluster may announce it; else take the wish back"))
		return false
	}
	p.asked = append(p.asked, asked{prefix, from})
	return true
}

// hosts announces addresses as /32 and /128. One that is wrong is skipped, and does not stop the others.
func (p *pass) hosts(from route.Object, addresses ...string) {
	for _, text := range addresses {
		prefix, err := hostPrefix(text)
		if err != nil {
			p.skip(from, err)
			continue
		}
		p.announce(prefix, from)
	}
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
	p.skipped = append(p.skipped, Skipped{Object: o, Reason: reason.Error(), Remedy: remedyOf(reason)})
}

func (p *pass) warn(o route.Object, reason string) {
	p.warnings = append(p.warnings, Warning{Object: o, Reason: reason})
}

// sorted gives the routes of the pass by prefix, the objects of each by name and each once.
func (p *pass) sorted() []route.Route {
	slices.SortFunc(p.asked, func(a, b asked) int {
		if c := route.ComparePrefixes(a.prefix, b.prefix); c != 0 {
			return c
		}
		return a.from.Compare(b.from)
	})
	routes := make([]route.Route, 0, len(p.asked))
	objects := make([]route.Object, 0, len(p.asked)) // those of all routes: never more, so that they stay where they are
	for i, a := range p.asked {
		switch {
		case i == 0 || p.asked[i-1].prefix != a.prefix:
			objects = append(objects, a.from)
			routes = append(routes, route.Route{Prefix: a.prefix, Attributes: p.attributes, To: everyone,
				From: objects[len(objects)-1 : len(objects) : len(objects)]})
		case p.asked[i-1].from != a.from:
			objects = append(objects, a.from)
			last := &routes[len(routes)-1]
			last.From = objects[len(objects)-len(last.From)-1 : len(objects) : len(objects)]
		}
	}
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

var errNotReady = remedied(errors.New("the subnet is not ready (its condition Ready is not True)"),
	"wait for Kube-OVN, and look at the conditions in kubectl describe subnet for why it is not")
