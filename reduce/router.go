package reduce

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

// routers gives the instances of self with their neighbors: the default one first, then the configured ones by name. It
// needs to know self only where the router ID or a nodeSelector asks for it; unknown says why it is not.
func (p *pass) routers(self *Node, unknown error) ([]route.Router, error) {
	id, err := p.routerID(self, unknown)
	if err != nil {
		return nil, err
	}
	routers := []route.Router{{ASN: p.config.ASN, RouterID: id, ClusterID: p.config.ClusterID}}
	for _, r := range p.config.Routers {
		router := route.Router{Name: r.Name, VRF: r.VRF, ASN: cmp.Or(r.ASN, p.config.ASN), RouterID: id, ClusterID: r.ClusterID}
		if r.RouterID.IsValid() {
			router.RouterID = r.RouterID
		}
		routers = append(routers, router)
	}
	slices.SortFunc(routers, func(a, b route.Router) int { return cmp.Compare(a.Name, b.Name) })
	scope := sorted(slices.DeleteFunc(slices.Clone(p.config.Communities), func(c route.Community) bool { return !c.Scope() }))
	for i := range routers {
		routers[i].Scope = scope
		routers[i].GracefulRestart = route.GracefulRestart(p.config.GracefulRestart)
	}
	if err := p.neighbors(routers, self, unknown); err != nil {
		return nil, err
	}
	return routers, nil
}

// routerID gives the configured router ID, or the node's first IPv4 InternalIP, or one derived from the node's name.
func (p *pass) routerID(self *Node, unknown error) (netip.Addr, error) {
	if p.config.RouterID.IsValid() {
		return p.config.RouterID, nil
	}
	if self == nil {
		return netip.Addr{}, fmt.Errorf("find the router ID: %w; or set routerID", unknown)
	}
	if i := slices.IndexFunc(self.Addresses, netip.Addr.Is4); i >= 0 {
		return self.Addresses[i], nil
	}
	id := nameID(self.Name)
	p.warn(self.object("Node"), fmt.Sprintf("it has no IPv4 InternalIP: its router ID is %s, derived from its name; or set routerID", id))
	return id, nil
}

// nameID derives a router ID from a node's name: the first 32 bits of its SHA-256, of which the first octet is brought into
// 1-126, so that it is neither 0.0.0.0, which RFC 6286 forbids, nor a loopback or multicast address, which some routers
// refuse. The same name always gives the same ID; that any two of 1,000 nodes share one has a probability of 1 in 4,000.
func nameID(name string) netip.Addr {
	sum := sha256.Sum256([]byte(name))
	n := binary.BigEndian.Uint32(sum[:])
	return netip.AddrFrom4([4]byte{byte(n>>24)%126 + 1, byte(n >> 16), byte(n >> 8), byte(n)})
}

// neighbors gives each of routers the sessions that self holds in it: a node that is not known must not lose those that its
// labels would choose. Of two neighbors with one address, or on one interface, that both choose this node, the first of the
// configuration stands. Views share the node's addresses with the default instance, and a neighbor takes one session from an
// address; a VRF has its own.
func (p *pass) neighbors(routers []route.Router, self *Node, unknown error) error {
	var labels map[string]string
	if self != nil {
		labels = self.Labels
	}
	type end struct{ vrf, id string }
	first := make(map[end]config.Neighbor)
	for i, n := range p.config.Neighbors {
		at := slices.IndexFunc(routers, func(r route.Router) bool { return r.Name == n.Router })
		if at < 0 {
			return fmt.Errorf("find the router of neighbor %s: there is no %q", n.Name, n.Router)
		}
		if self == nil && !n.NodeSelector.Everywhere() {
			return fmt.Errorf("match the nodeSelector of neighbor %s: %w", n.Name, unknown)
		}
		if !n.NodeSelector.Matches(labels) {
			continue
		}
		router := &routers[at]
		from := route.Object{Kind: "Config", Name: fmt.Sprintf("neighbors[%d]", i)}
		session := sessionOf(n)
		session.From = []route.Object{from}
		this := end{id: session.ID()}
		if router.VRF {
			this.vrf = router.Name
		}
		if other, ok := first[this]; ok {
			p.skip(from, sameEnd(n, other, session.ID()))
			continue
		}
		first[this] = n
		var err error
		if session.Password, err = p.password(n); err != nil {
			return err
		}
		if n.Receive.Install && router.Name != "" && !router.VRF {
			p.warn(from, "receive.install has no effect: router "+router.Name+" is a view, which installs nothing in the kernel")
		}
		router.Neighbors = append(router.Neighbors, session)
	}
	for i := range routers {
		slices.SortFunc(routers[i].Neighbors, func(a, b route.Neighbor) int {
			// Those without an address come last.
			if a.Address.IsValid() != b.Address.IsValid() {
				return cmp.Compare(a.Interface, b.Interface)
			}
			return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Interface, b.Interface))
		})
	}
	return nil
}

// sameEnd says why n cannot stand beside other, which FRR would know under one name.
func sameEnd(n, other config.Neighbor, id string) error {
	what, where := "address", ""
	if n.Interface != "" {
		what = "interface"
	}
	if n.Router != other.Router {
		where = ", in another router that shares this node's addresses"
	}
	return remedied(fmt.Errorf("neighbor %s has the %s %s too%s, and both nodeSelectors match this node", other.Name, what, id, where),
		"take one of the two out, or set their nodeSelectors so that one of them matches this node")
}

// sessionOf gives n as a session of this node, without its password and the object that asks for it.
func sessionOf(n config.Neighbor) route.Neighbor {
	return route.Neighbor{
		Name:            n.Name,
		Description:     n.Description,
		Address:         n.Address,
		Interface:       n.Interface,
		Port:            n.Port,
		RemoteAS:        n.ASN,
		LocalAS:         n.LocalASN,
		Source:          n.SourceAddress,
		HoldTime:        n.HoldTime,
		KeepaliveTime:   n.KeepaliveTime,
		ConnectTime:     n.ConnectTime,
		Passive:         n.Passive,
		EBGPMultihop:    n.EBGPMultihop,
		TTLSecurityHops: n.TTLSecurityHops,
		BFD: route.BFD{
			On:               n.BFD.On,
			ReceiveInterval:  time.Duration(n.BFD.ReceiveInterval) * time.Millisecond,
			TransmitInterval: time.Duration(n.BFD.TransmitInterval) * time.Millisecond,
			DetectMultiplier: n.BFD.DetectMultiplier,
		},
		GracefulRestart:      n.GracefulRestart,
		Families:             n.Families,
		ExtendedNextHop:      n.ExtendedNextHop,
		RouteReflectorClient: n.RouteReflectorClient,
		NextHop: route.NextHop{
			Self:      n.NextHop.Mode == "self",
			Unchanged: n.NextHop.Mode == "unchanged",
			IPv4:      n.NextHop.IPv4,
			IPv6:      n.NextHop.IPv6,
		},
		Receive:          receiveOf(n.Receive),
		Transit:          sorted(n.Transit),
		MaximumPrefix:    n.MaximumPrefix,
		MaximumPrefixOut: n.MaximumPrefixOut,
		AllowASIn:        n.AllowASIn,
		Audience:         route.Everyone,
	}
}

// receiveOf gives the ranges that a neighbor's word or list stands for.
func receiveOf(r config.Receive) route.Receive {
	out := route.Receive{Install: r.Install}
	switch r.Accept {
	case "all":
		out.All = true
	case "default":
		out.Prefixes = []route.PrefixRange{
			{Prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)},
			{Prefix: netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
		}
	case "list":
		for _, p := range r.Prefixes {
			out.Prefixes = append(out.Prefixes, route.PrefixRange(p))
		}
		slices.SortFunc(out.Prefixes, func(a, b route.PrefixRange) int {
			return cmp.Or(route.ComparePrefixes(a.Prefix, b.Prefix), cmp.Compare(a.GE, b.GE), cmp.Compare(a.LE, b.LE))
		})
		out.Prefixes = slices.Compact(out.Prefixes)
	}
	return out
}

// attributesOf gives the attributes that the configuration sets on every route. Communities that bound how far a route goes
// are the routers' Scope.
func attributesOf(c config.Config) route.Attributes {
	large := slices.Clone(c.LargeCommunities)
	slices.SortFunc(large, route.LargeCommunity.Compare)
	return route.Attributes{
		LocalPreference:  c.LocalPreference,
		MED:              c.MED,
		Communities:      sorted(slices.DeleteFunc(slices.Clone(c.Communities), route.Community.Scope)),
		LargeCommunities: slices.Compact(large),
	}
}

// sorted gives a sorted copy of s with each value once.
func sorted[T cmp.Ordered](s []T) []T { return slices.Compact(slices.Sorted(slices.Values(s))) }
