package config

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// validateNeighbor checks one neighbor, with what it has from neighborDefaults: what its keys mean to each other.
func (d *decoder) validateNeighbor(at string, n *Neighbor, routers map[string]instance) {
	d.validateDescription(at+".description", n.Description)
	d.validateWho(at, n)
	d.require(at+".asn", "the neighbor's AS number, or external, or internal")
	router, known := routers[n.Router]
	if !known && d.good(at+".router") && !d.spoiled["routers"] {
		d.reject(at+".router", "%s is not the name of one of routers: write one that is, or take the key out for the default instance", quote(n.Router))
	}
	if known && router.asn != 0 && d.good(at+".asn") {
		d.validateKind(at, n, router.asn)
	}
	if known && router.view && n.Passive && d.good(at+".passive") {
		d.reject(at+".passive", "is not possible in a view, for which FRR takes no connection: write false, or take it out")
	}
	if n.TTLSecurityHops > 0 && n.EBGPMultihop > 1 && d.good(at+".ttlSecurityHops") && d.good(at+".ebgpMultihop") {
		d.reject(at+".ttlSecurityHops", "cannot stand beside ebgpMultihop, FRR takes one of the two: write 0 for the other, or take it out")
	}
	d.validatePasswordSource(at, n)
	if n.Interface != "" && !d.given[at+".address"] {
		d.validateUnnumbered(at, n)
	}
	d.validateTimes(at, n)
	if d.good(at+".address") || d.good(at+".interface") {
		d.validateExchange(at, n)
	}
	if d.good(at+".allowASIn") && n.AllowASIn > 0 && !d.spoiled[at+".receive"] && n.Receive.accept() == AcceptNone {
		d.reject(at+".allowASIn", "has no effect where nothing is accepted: write receive too, or take it out")
	}
	if d.good(at+".nextHop") && n.NextHop.Mode == NextHopUnchanged && !d.spoiled[at+".transit"] && len(n.Transit) == 0 {
		d.reject(at+".nextHop", "unchanged has no effect where nothing is passed on: write transit too, or take it out")
	}
}

// validateWho checks what names the neighbor: an address or an interface.
func (d *decoder) validateWho(at string, n *Neighbor) {
	address, link := at+".address", at+".interface"
	switch {
	case d.given[address] && n.Interface != "":
		d.reject(link, "cannot stand beside address: write the one for an unnumbered session, or the other")
		return
	case !d.given[link] || n.Interface == "" && !d.failed[link]:
		d.require(address, "the neighbor's IPv4 or IPv6 address, or interface for an unnumbered session")
	}
	if d.good(address) {
		if advice := sessionAddress(n.Address); advice != "" {
			d.reject(address, "%s", advice)
		}
	}
	if d.good(link) && n.Interface != "" && !isInterface(n.Interface) {
		d.reject(link, "%s cannot be the name of an interface: write one of at most 15 characters, without a space, / or :", quote(n.Interface))
	}
}

// isInterface reports whether Linux lets an interface have that name, and FRR does not take it for an address.
func isInterface(name string) bool {
	const longest = 15
	odd := func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("_.-@+", r) }
	_, err := netip.ParseAddr(name)
	return len(name) <= longest && name != "." && name != ".." && err != nil && !strings.ContainsFunc(name, odd)
}

// validateKind checks what is possible on an iBGP session alone, or on an eBGP one alone. local is the AS of its router.
func (d *decoder) validateKind(at string, n *Neighbor, local route.ASN) {
	internal, localASN := n.ASN.IsInternal(local), at+".localASN"
	if internal && n.EBGPMultihop > 1 && d.good(at+".ebgpMultihop") {
		d.reject(at+".ebgpMultihop", "is not possible on an iBGP session, which may take any number of hops anyway: take it out, or correct the neighbor's asn")
	}
	if !internal && n.RouteReflectorClient && d.good(at+".routeReflectorClient") {
		d.reject(at+".routeReflectorClient", "is not possible on an eBGP session, which needs no reflector: take it out, or correct the neighbor's asn")
	}
	switch {
	case !d.good(localASN):
	case internal:
		d.reject(localASN, "is not possible on an iBGP session, both ends of which are in one AS: take it out, or write a router with that asn")
	case n.LocalASN == local:
		d.reject(localASN, "%d is our own AS, which the neighbor sees anyway: take it out", n.LocalASN)
	case n.ASN == route.RemoteASN(n.LocalASN):
		d.reject(localASN, "%d is the neighbor's AS, and FRR 8.4 refuses it: write another, or a router with that asn for an iBGP session", n.LocalASN)
	}
}

// validateUnnumbered checks what is not possible on a session that an interface names.
func (d *decoder) validateUnnumbered(at string, n *Neighbor) {
	if n.EBGPMultihop > 1 && d.good(at+".ebgpMultihop") {
		d.reject(at+".ebgpMultihop", "is not possible with interface, which means the neighbor on the link: take it out")
	}
	if n.TTLSecurityHops > 1 && d.good(at+".ttlSecurityHops") {
		d.reject(at+".ttlSecurityHops", "%d is not possible with interface, which means the neighbor on the link: write 1", n.TTLSecurityHops)
	}
	if d.good(at + ".sourceAddress") {
		d.reject(at+".sourceAddress", "is not possible with interface, whose link-local address is the source: take it out")
	}
	if n.Port != defaultPort && d.good(at+".port") {
		d.reject(at+".port", "is not possible with interface, whose sessions use port %d: take it out, or write an address", defaultPort)
	}
}

// validateExchange checks what depends on the address or the families of the session.
func (d *decoder) validateExchange(at string, n *Neighbor) {
	source := at + ".sourceAddress"
	switch {
	case !d.good(source) || !d.good(at+".address"):
	case n.SourceAddress == n.Address:
		d.reject(source, "%s is the neighbor's address: write one of this node", n.SourceAddress)
	case n.SourceAddress.Is4() != n.Address.Is4():
		d.reject(source, "%s and the neighbor's address %s are not of one family: write one of the same", n.SourceAddress, n.Address)
	}
	if d.spoiled[at+".families"] {
		return
	}
	d.validateReceived(at, n)
	families, extended, hop := n.families(), at+".extendedNextHop", at+".nextHop"
	switch {
	case !d.good(extended) || !n.ExtendedNextHop && n.Interface == "":
	case !n.ExtendedNextHop && slices.Contains(families, route.IPv4Unicast):
		d.reject(extended, "cannot be false with interface, whose IPv4 routes have IPv6 next hops always: take it out")
	case !n.ExtendedNextHop:
	case n.Address.Is4():
		d.reject(extended, "is for a session over IPv6, and %s is an IPv4 address: take it out", n.Address)
	case !slices.Contains(families, route.IPv4Unicast):
		d.reject(extended, "is for IPv4 routes, which are not exchanged: write families: [ipv4-unicast, ipv6-unicast], or take it out")
	}
	if d.good(hop) && n.NextHop.IPv4.IsValid() && !slices.Contains(families, route.IPv4Unicast) {
		d.reject(hop+".ipv4", "is for IPv4 routes, which are not exchanged: take it out, or write ipv4-unicast under families")
	}
	if d.good(hop) && n.NextHop.IPv6.IsValid() && !slices.Contains(families, route.IPv6Unicast) {
		d.reject(hop+".ipv6", "is for IPv6 routes, which are not exchanged: take it out, or write ipv6-unicast under families")
	}
}

// validateReceived checks that what a neighbor names under receive can come over its session. What it has from
// neighborDefaults may be for neighbors of both families: some of that must do.
func (d *decoder) validateReceived(at string, n *Neighbor) {
	receive := at + ".receive"
	if !d.good(receive) || n.Receive.accept() != AcceptList {
		return
	}
	_, inherited := d.inherited[receive]
	foreign := func(p PrefixRange) bool { return !slices.Contains(n.families(), route.FamilyOf(p.Prefix.Addr())) }
	if inherited {
		if !slices.ContainsFunc(n.Receive.Prefixes, func(p PrefixRange) bool { return !foreign(p) }) {
			d.reject(receive, "has no prefix of a family that is exchanged: write others, or the family under families")
		}
		return
	}
	for i, p := range n.Receive.Prefixes {
		if family := route.FamilyOf(p.Prefix.Addr()); foreign(p) {
			d.reject(receive+".prefixes"+index(i), "%s can never come, because %s is not exchanged: take it out, or write %[2]s under families", p.Prefix, family)
		}
	}
}

// families gives the families of the session, the default filled in.
func (n *Neighbor) families() []route.Family {
	switch {
	case len(n.Families) > 0:
		return n.Families
	case n.Interface != "":
		return []route.Family{route.IPv4Unicast, route.IPv6Unicast}
	default:
		return []route.Family{route.FamilyOf(n.Address)}
	}
}

// sessionAddress says why a session to addr is not possible, or "" where it is. Loopback addresses are fine: two speakers
// may run on one machine.
func sessionAddress(addr netip.Addr) string {
	switch {
	case addr.Is4In6():
		return addr.String() + " is an IPv4 address in IPv6 form: write " + addr.Unmap().WithZone("").String()
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return addr.String() + " is a link-local address: write interface for an unnumbered session, or a global address of the neighbor"
	case addr.Zone() != "":
		return addr.String() + " names an interface: write " + addr.WithZone("").String()
	case !isUnicast(addr):
		return addr.String() + " is not the address of one neighbor: write its unicast address"
	case route.IPv4Compatible(addr) && !addr.IsLoopback():
		return addr.String() + " is an IPv4-compatible IPv6 address, which nobody uses (RFC 4291): write the neighbor's own"
	default:
		return ""
	}
}

// validateAddresses checks that no node must hold two sessions with one address, or on one interface. Two neighbors may
// share theirs, as the gateways of several racks do, where nodeSelectors keep them on different nodes. Routers do not keep
// them apart, VRFs do: the views of a node share its TCP ports.
func (d *decoder) validateAddresses(neighbors []Neighbor, routers map[string]instance) {
	type end struct{ vrf, name string }
	first := map[end]int{}
	for i, n := range neighbors {
		at, key, name := "neighbors"+index(i), ".address", n.Address.String()
		if n.Interface != "" {
			key, name = ".interface", n.Interface
		}
		router, known := routers[n.Router]
		if !known || !d.good(at+key) || d.failed[at] {
			continue
		}
		this := end{router.vrf, name}
		j, ok := first[this]
		if !ok {
			first[this] = i
			continue
		}
		if n.NodeSelector.Everywhere() || neighbors[j].NodeSelector.Everywhere() {
			other := "neighbors" + index(j)
			d.reject(at+key, "%s is the %s of %s on line %d too: one %[2]s is one session of a node, take one of the two out or give both a nodeSelector",
				name, key[1:], other, d.line(other+key))
		}
	}
}

// validateNames checks that each neighbor has a name of its own, the one that is its address or interface by default too,
// and gives their places by name.
func (d *decoder) validateNames(neighbors []Neighbor) map[string]int {
	names := map[string]int{}
	for i, n := range neighbors {
		at, name := "neighbors"+index(i), n.name()
		if name == "" || d.failed[at] || d.failed[at+".name"] || n.Name == "" && (d.spoiled[at+".address"] || d.spoiled[at+".interface"]) {
			continue
		}
		if first, ok := names[name]; ok {
			d.reject(at+".name", "%s is the name of neighbors[%d] too: give each a name of its own", quote(name), first)
			continue
		}
		names[name] = i
	}
	return names
}

// name gives the neighbor's name, the default filled in; "" where nothing says who it is.
func (n *Neighbor) name() string {
	switch {
	case n.Name != "":
		return n.Name
	case n.Interface != "":
		return n.Interface
	case n.Address.IsValid():
		return n.Address.String()
	default:
		return ""
	}
}

// validateTransit checks that what a neighbor is to be passed on from others can ever be there.
func (d *decoder) validateTransit(neighbors []Neighbor, names map[string]int, routers map[string]instance) {
	known := make([]string, 0, len(names))
	for name := range names {
		known = append(known, name)
	}
	slices.Sort(known)
	for i := range neighbors {
		n, at := &neighbors[i], "neighbors"+index(i)
		for k, name := range n.Transit {
			here := at + ".transit" + index(k)
			if d.spoiled[at+".transit"] || d.failed[at] || len(d.errs) >= maxErrors {
				break
			}
			j, ok := names[name]
			if !ok && len(names) < len(neighbors) {
				continue // It may be one of those whose name could not be read.
			}
			if !ok {
				d.reject(here, "%s is not the name of a neighbor: %s", quote(name), nameAdvice(name, known))
				continue
			}
			from := "neighbors" + index(j)
			if advice := noTransit(n, &neighbors[j], routers); advice != "" && !d.spoiled[at] && !d.spoiled[from] {
				d.reject(here, "%s", advice)
			}
		}
	}
}

// nameAdvice looks for the name that name was meant to be, where there are not too many to look at.
func nameAdvice(name string, known []string) string {
	const many = 100
	if near := nearest(name, known[:min(len(known), many)]); near != "" {
		return "did you mean " + quote(near) + "?"
	}
	return "write that of the neighbor whose routes are to be passed on"
}

// noTransit says why no route can pass from one neighbor to another, or "" where it can.
func noTransit(to, from *Neighbor, routers map[string]instance) string {
	router := routers[to.Router]
	internal := to.ASN.IsInternal(router.asn) && from.ASN.IsInternal(router.asn)
	name := quote(from.name())
	switch {
	case to == from:
		return name + " is this neighbor itself: write the names of others"
	case to.Router != from.Router:
		return name + " belongs to another router, and routes stay in theirs: take it out, or put both into one router"
	case from.Receive.accept() == AcceptNone:
		return "nothing is accepted from " + name + ", so that there is nothing to pass on: write receive there, or take the name out"
	case internal && !to.RouteReflectorClient && !from.RouteReflectorClient:
		return "between two iBGP neighbors routes pass only by reflection (RFC 4456): write routeReflectorClient under one, or take " + name + " out"
	default:
		return ""
	}
}
