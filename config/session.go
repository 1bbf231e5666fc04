package config

import (
	"net/netip"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
)

// validateSession checks each key of a session for itself: those of neighborDefaults once, and not again with every
// neighbor that has them from there.
func (d *decoder) validateSession(at string, s *Session) {
	if source := at + ".sourceAddress"; d.good(source) {
		if advice := localAddress(s.SourceAddress); advice != "" {
			d.reject(source, "%s", advice)
		}
	}
	d.validateSecretRef(at+".passwordSecretRef", s.PasswordSecretRef)
	d.validateFamilies(at+".families", s.Families)
	d.validateNextHop(at+".nextHop", s.NextHop)
	d.validateReceive(at+".receive", s.Receive)
	unique(d, at+".transit", s.Transit)
	for i, name := range s.Transit {
		if here := at + ".transit" + index(i); !d.failed[here] && name == "" {
			d.reject(here, "is empty: write the name of a neighbor, or take the entry out")
		}
	}
}

func (d *decoder) validateFamilies(at string, families []route.Family) {
	if d.good(at) && len(families) == 0 {
		d.reject(at, "is an empty list: write ipv4-unicast or ipv6-unicast, or take the key out for that of the address")
	}
	unique(d, at, families)
}

func (d *decoder) validateNextHop(at string, h NextHop) {
	if d.good(at) && h == (NextHop{}) {
		d.reject(at, "names no address: write self, unchanged, or an address for ipv4 or ipv6")
		return
	}
	if here := at + ".ipv4"; d.good(here) {
		switch advice := localAddress(h.IPv4); {
		case advice != "":
			d.reject(here, "%s", advice)
		case !h.IPv4.Is4():
			d.reject(here, "%s is not an IPv4 address: write one, or write it under ipv6", h.IPv4)
		}
	}
	if here := at + ".ipv6"; d.good(here) {
		switch advice := localAddress(h.IPv6); {
		case advice != "":
			d.reject(here, "%s", advice)
		case !h.IPv6.Is6():
			d.reject(here, "%s is not an IPv6 address: write one, or write it under ipv4", h.IPv6)
		}
	}
}

func (d *decoder) validateReceive(at string, r Receive) {
	if !d.given[at] || d.failed[at] {
		return
	}
	prefixes := at + ".prefixes"
	switch accept := r.accept(); {
	case d.failed[at+".accept"] || d.failed[prefixes]:
	case accept == AcceptList && len(r.Prefixes) == 0:
		d.reject(at, "accepts a list and gives none: write prefixes, or accept all or none")
	case accept == AcceptAll && len(r.Prefixes) > 0:
		d.reject(prefixes, "cannot stand beside accept: all: write accept: list for these alone, or take them out")
	case accept != AcceptList && len(r.Prefixes) > 0:
		d.reject(prefixes, "cannot stand beside accept: %s: write accept: list, or take them out", accept)
	case accept == AcceptNone && r.Install:
		d.reject(at+".install", "has nothing to install: write what to accept, or take it out")
	}
	for i, p := range r.Prefixes {
		if here := prefixes + index(i); !d.failed[here] {
			d.validateRange(here, p)
		}
	}
	unique(d, prefixes, r.Prefixes)
}

// accept gives what is accepted, the default filled in.
func (r Receive) accept() string {
	switch {
	case r.Accept != "":
		return r.Accept
	case len(r.Prefixes) > 0:
		return AcceptList
	default:
		return AcceptNone
	}
}

// validateRange checks what FRR asks of an entry of a prefix list: length <= ge <= le.
func (d *decoder) validateRange(at string, p PrefixRange) {
	prefix, ge, le := at+".prefix", at+".ge", at+".le"
	d.require(prefix, "a prefix such as 10.16.0.0/16")
	d.validatePrefix(prefix, p.Prefix)
	if d.good(prefix) && p.Prefix.Bits() >= 96 && route.IPv4Compatible(p.Prefix.Addr()) {
		d.reject(prefix, "%s is of the IPv4-compatible IPv6 addresses, which nobody announces (RFC 4291): write another, or take it out", p.Prefix)
	}
	if !d.good(prefix) {
		return
	}
	length, longest := p.Prefix.Bits(), p.Prefix.Addr().BitLen()
	for _, bound := range []struct {
		at    string
		value uint8
	}{{ge, p.GE}, {le, p.LE}} {
		if d.good(bound.at) && (int(bound.value) < length || int(bound.value) > longest) {
			d.reject(bound.at, "%d is not a length of a prefix in %s: write %d to %d", bound.value, p.Prefix, length, longest)
		}
	}
	switch {
	case d.good(ge) && p.GE == 0 && p.LE == 0:
		d.reject(ge, "0 bounds nothing: take it out for %s alone, or write le: %d for every length", p.Prefix, longest)
	case d.good(ge) && d.good(le) && p.GE > p.LE:
		d.reject(ge, "%d is more than le, which is %d: write %d to %d", p.GE, p.LE, length, p.LE)
	}
}

// validatePrefix checks that a prefix has no bit set behind its length.
func (d *decoder) validatePrefix(at string, p netip.Prefix) {
	switch {
	case !p.IsValid() || d.failed[at]:
	case p.Addr().Is4In6():
		d.reject(at, "%s is an IPv4 prefix in IPv6 form: write it as IPv4", p)
	case p != p.Masked():
		d.reject(at, "%s has bits set behind its length: write %s", p, p.Masked())
	}
}

// localAddress says why addr cannot be an address of ours that a neighbor is to see, or "" where it can.
func localAddress(addr netip.Addr) string {
	switch {
	case addr.Is4In6():
		return addr.String() + " is an IPv4 address in IPv6 form: write " + addr.Unmap().WithZone("").String()
	case addr.Is6() && addr.IsLinkLocalUnicast():
		return addr.String() + " is a link-local address: write a global one"
	case addr.Zone() != "":
		return addr.String() + " names an interface: write " + addr.WithZone("").String()
	case !isUnicast(addr):
		return addr.String() + " is not the address of one node: write a unicast address"
	case route.IPv4Compatible(addr) && !addr.IsLoopback():
		return addr.String() + " is an IPv4-compatible IPv6 address, which nobody uses (RFC 4291): write one of this node"
	default:
		return ""
	}
}

func isUnicast(addr netip.Addr) bool {
	broadcast := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return !addr.IsUnspecified() && !addr.IsMulticast() && addr != broadcast
}

// validateDescription checks that FRR shows what was written.
func (d *decoder) validateDescription(at, text string) {
	const longest = 80
	switch {
	case !d.good(at):
	case len(text) > longest:
		d.reject(at, "is %d bytes long: write at most %d", len(text), longest)
	case strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }):
		d.reject(at, "has a character that is not a printable ASCII one: write letters, digits and punctuation only")
	case strings.Contains(text, "|"):
		d.reject(at, "has a |, which begins a filter in FRR's shell: write another character")
	case text != strings.Join(strings.Fields(text), " "):
		d.reject(at, "has a space at an end or two in a row, and FRR keeps one between words: write %q", strings.Join(strings.Fields(text), " "))
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
