package config

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
)

// line gives the line of the key at path, or of the nearest one around it that was given.
func (d *decoder) line(path string) int {
	for path != "" {
		if line, ok := d.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

// good reports whether the key at path was given and could be read, so that its value is worth checking.
func (d *decoder) good(path string) bool { return d.given[path] && !d.failed[path] }

// reject notes that the value at path does not do.
func (d *decoder) reject(path, format string, args ...any) {
	d.fail(path, d.line(path), format, args...)
}

// require notes that the key at path was not given.
func (d *decoder) require(path, advice string) {
	if !d.given[path] && !d.failed[path] {
		d.reject(path, "is required: write %s", advice)
	}
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// validate checks what the types cannot say.
func (d *decoder) validate(c *Config) {
	d.require("asn", "the AS number of this speaker")
	if d.good("routerID") {
		d.validateRouterID(c.RouterID)
	}
	for i := range c.Neighbors {
		if at := "neighbors" + index(i); !d.failed[at] {
			d.validateNeighbor(at, &c.Neighbors[i], c.ASN)
		}
	}
	d.validateSessions(c.Neighbors)
	d.validateNames(c.Neighbors)
	d.validateAllowedPrefixes(c.Announce.AllowedPrefixes)
	d.validateFRR(&c.FRR)
}

func (d *decoder) validateRouterID(id netip.Addr) {
	switch {
	case id.Is4In6():
		d.reject("routerID", "%s is an IPv4 address in IPv6 form: write %s", id, id.Unmap().WithZone(""))
	case !id.Is4():
		d.reject("routerID", "%s is not an IPv4 address: write one, a BGP Identifier has four octets", id)
	case id.IsUnspecified() || id.IsMulticast():
		d.reject("routerID", "%s cannot be a BGP Identifier: write an address of this node", id)
	}
}

// validateNeighbor checks one neighbor.
func (d *decoder) validateNeighbor(at string, n *Neighbor, local route.ASN) {
	address := at + ".address"
	d.require(address, "the neighbor's IPv4 or IPv6 address")
	d.require(at+".asn", "the neighbor's AS number, or external, or internal")
	if d.good(address) {
		if advice := sessionAddress(n.Address); advice != "" {
			d.reject(address, "%s", advice)
		}
	}
	if n.EBGPMultihop > 1 && d.good(at+".ebgpMultihop") && d.good(at+".asn") && d.good("asn") && n.ASN.IsInternal(local) {
		d.reject(at+".ebgpMultihop", "is not possible on an iBGP session, which may take any number of hops anyway: take it out, or correct the neighbor's asn")
	}
	d.validateTimes(at, n)
	d.validateFamilies(at+".families", n.Families)
}

// validateSessions checks that no node must hold two sessions with one address. Two neighbors may share theirs, as the
// gateways of several racks do, where nodeSelectors keep them on different nodes.
func (d *decoder) validateSessions(neighbors []Neighbor) {
	first := map[netip.Addr]int{}
	for i, n := range neighbors {
		at := "neighbors" + index(i) + ".address"
		if !d.good(at) || d.failed["neighbors"+index(i)] {
			continue
		}
		j, ok := first[n.Address]
		if !ok {
			first[n.Address] = i
			continue
		}
		if n.NodeSelector.Everywhere() || neighbors[j].NodeSelector.Everywhere() {
			other := "neighbors" + index(j)
			d.reject(at, "%s is the address of %s on line %d too: one address is one session of a node, take one of the two out or give both a nodeSelector",
				n.Address, other, d.line(other+".address"))
		}
	}
}

// ipv4Compatible is deprecated; FRR writes its addresses with an IPv4 tail.
var ipv4Compatible = netip.MustParsePrefix("::/96")

// sessionAddress says why a session to addr is not possible, or "" where it is. Loopback addresses are fine: two speakers
// may run on one machine.
func sessionAddress(addr netip.Addr) string {
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	switch {
	case addr.Is4In6():
		return addr.String() + " is an IPv4 address in IPv6 form: write " + addr.Unmap().WithZone("").String()
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return addr.String() + " is a link-local address, and a session over one is not possible in this release: write a global address of the neighbor"
	case addr.Zone() != "":
		return addr.String() + " names an interface: write " + addr.WithZone("").String()
	case addr.IsUnspecified() || addr.IsMulticast() || addr == broadcast:
		return addr.String() + " is not the address of one neighbor: write its unicast address"
	case addr.Is6() && ipv4Compatible.Contains(addr) && !addr.IsLoopback():
		return addr.String() + " is an IPv4-compatible IPv6 address, which nobody uses (RFC 4291): write the neighbor's own"
	default:
		return ""
	}
}

func (d *decoder) validateTimes(at string, n *Neighbor) {
	hold, keepalive := at+".holdTime", at+".keepaliveTime"
	// FRR takes no more than a third, whatever it is told.
	if d.good(hold) && d.good(keepalive) && n.KeepaliveTime > third(n.HoldTime) {
		d.reject(keepalive, "%ds is more than a third of the hold time of %ds: write %ds or less",
			n.KeepaliveTime/time.Second, n.HoldTime/time.Second, third(n.HoldTime)/time.Second)
	}
}

func (d *decoder) validateFamilies(at string, families []route.Family) {
	if d.good(at) && len(families) == 0 {
		d.reject(at, "is an empty list: write ipv4-unicast or ipv6-unicast, or take the key out for that of the address")
	}
	for i, f := range families {
		if here := at + index(i); !d.failed[here] && slices.Contains(families[:i], f) {
			d.reject(here, "%s is in the list already: take one of the two out", f)
		}
	}
}

func (d *decoder) validateAllowedPrefixes(prefixes []netip.Prefix) {
	const at = "announce.allowedPrefixes"
	if d.good(at) && len(prefixes) == 0 {
		d.reject(at, "is an empty list: write the prefixes that may be announced, or take the key out for no bound")
	}
	for i, p := range prefixes {
		here := at + index(i)
		switch {
		case d.failed[here]:
		case p.Addr().Is4In6():
			d.reject(here, "%s is an IPv4 prefix in IPv6 form: write it as IPv4", p)
		case p != p.Masked():
			d.reject(here, "%s has bits set behind its length: write %s", p, p.Masked())
		}
	}
}

func (d *decoder) validateFRR(f *FRR) {
	if strings.ContainsFunc(f.Pathspace, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' }) {
		d.reject("frr.pathspace", "%s cannot be the name of a folder: write letters, digits, - and _ only", quote(f.Pathspace))
	}
	d.validatePath("frr.paths.vtysh", f.Paths.Vtysh)
	d.validatePath("frr.paths.daemons", f.Paths.Daemons)
	d.validatePath("frr.paths.config", f.Paths.Config)
}

func (d *decoder) validatePath(at, given string) {
	if given != "" && !path.IsAbs(given) {
		d.reject(at, "%s is a relative path: write one that begins with /", quote(given))
	}
}

// validateNames checks that each neighbor has a name of its own, the one that is its address by default too.
func (d *decoder) validateNames(neighbors []Neighbor) {
	names := map[string]int{}
	for i, n := range neighbors {
		at := "neighbors" + index(i)
		name := n.Name
		if name == "" && d.good(at+".address") {
			name = n.Address.String()
		}
		if name == "" || d.failed[at+".name"] {
			continue
		}
		if first, ok := names[name]; ok {
			d.reject(at+".name", "%s is the name of neighbors[%d] too: give each a name of its own", quote(name), first)
			continue
		}
		names[name] = i
	}
}
