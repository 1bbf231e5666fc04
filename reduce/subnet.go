package reduce

import (
	"fmt"
	"net/netip"
	"slices"
)

// subnet is a Subnet, read once for all the pods in it.
type subnet struct {
	*Subnet
	// policy is what its pods inherit; it is unset while the subnet is not ready.
	policy policy
	cidrs  []netip.Prefix
}

func (s *subnet) contains(a netip.Addr) bool {
	return slices.ContainsFunc(s.cidrs, func(p netip.Prefix) bool { return p.Contains(a) })
}

// subnets announces the CIDRs of the subnets that ask for it with policy cluster, and notes what the pods inherit.
// A subnet of policy local announces nothing itself: its pods do.
func (p *pass) subnets(all []*Subnet) {
	p.known = make(map[string]*subnet, len(all))
	for _, s := range all {
		object := s.object("Subnet")
		read := &subnet{Subnet: s}
		p.known[s.Name] = read
		var bad []error
		read.cidrs, bad = cidrs(s.CIDRBlock)

		policy := p.wish("Subnet", s.Meta)
		if policy != cluster && policy != local {
			continue
		}
		if !s.Ready {
			p.skip(object, errNotReady)
			continue
		}
		read.policy = policy
		p.bequeaths = p.bequeaths || p.inherited(read) != unset
		if s.NATOutgoing {
			p.warn(object, "natOutgoing is true: replies leave with the node's address; set it to false for an announced subnet")
		}
		if policy == local {
			continue
		}
		for _, err := range bad {
			p.skip(object, err)
		}
		for _, prefix := range read.cidrs {
			p.announce(prefix, object)
		}
	}
}

// inherited is the policy of a pod in s that has none of its own: that of a local subnet, and that of an announced one
// where the configuration asks for its pods beside its CIDRs.
func (p *pass) inherited(s *subnet) policy {
	if s.policy == cluster && !p.config.Announce.PodsInAnnouncedSubnets {
		return unset
	}
	return s.policy
}

// outside warns of an address that a pod's annotation puts into s although its CIDRs do not hold it. It is announced all
// the same, as Kube-OVN's own speaker does; announce.allowedPrefixes is what forbids it.
func (p *pass) outside(pod *Pod, a netip.Addr, s *subnet) {
	if len(s.cidrs) > 0 && !s.contains(a) {
		p.warn(pod.object("Pod"), fmt.Sprintf("address %s lies outside its subnet %s (%s)", a, s.Name, quote(s.CIDRBlock)))
	}
}
