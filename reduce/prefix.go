package reduce

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// hostPrefix reads one address as a cluster's object states it and gives the prefix of exactly that host. A mask behind the
// address is how the host's own network is written: it widens nothing.
func hostPrefix(text string) (netip.Prefix, error) {
	bare, mask, masked := strings.Cut(strings.TrimSpace(text), "/")
	addr, err := netip.ParseAddr(bare)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, notAddress(text)
	}
	addr = addr.Unmap()
	if masked {
		if _, err := addr.Prefix(parseBits(mask)); err != nil {
			return netip.Prefix{}, notAddress(text)
		}
	}
	if err := announceable(addr); err != nil {
		return netip.Prefix{}, fmt.Errorf("address %s: %w", quote(text), err)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

func notAddress(text string) error {
	return remedied(fmt.Errorf("address %s is not an IP address", quote(text)), "correct the address that the object states")
}

// parseBits reads a prefix length; -1, which no prefix has, stands for what is not one.
func parseBits(s string) int {
	if s == "" || len(s) > 3 {
		return -1
	}
	n := 0
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

const correctCIDR = "correct the subnet's spec.cidrBlock"

// cidrs reads a subnet's "v4", "v6" or "v4, v6" into masked prefixes. What does not parse is left out and told; the others
// stand.
func cidrs(block string) ([]netip.Prefix, []error) {
	var good []netip.Prefix
	var bad []error
	for _, text := range strings.Split(block, ",") {
		text = strings.TrimSpace(text)
		prefix, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			bad = append(bad, remedied(fmt.Errorf("cidrBlock %s is not a CIDR", quote(text)), correctCIDR))
			continue
		case prefix.Addr().Is4In6():
			bad = append(bad, remedied(fmt.Errorf("cidrBlock %s is IPv4 inside IPv6: write the IPv4 CIDR", quote(text)), correctCIDR))
			continue
		case prefix.Bits() == 0:
			bad = append(bad, remedied(fmt.Errorf("cidrBlock %s is a default route, which a subnet cannot announce", quote(text)), correctCIDR))
			continue
		}
		prefix = prefix.Masked()
		if err := announceable(prefix.Addr()); err != nil {
			bad = append(bad, fmt.Errorf("cidrBlock %s: %w", quote(text), err))
			continue
		}
		good = append(good, prefix)
	}
	return good, bad
}

// unfit says that an address cannot be announced, for what it is.
func unfit(what string) error {
	return remedied(errors.New(what+" cannot be announced"), "give the object another address: to other hosts this one means nothing")
}

// announceable refuses the addresses that mean nothing to another host (RFC 6890).
func announceable(a netip.Addr) error {
	switch {
	case a.IsUnspecified(), a.Is4() && a.As4()[0] == 0:
		return unfit("the unspecified network")
	case a.IsLoopback():
		return unfit("a loopback address")
	case a.IsMulticast():
		return unfit("a multicast address")
	case a.IsLinkLocalUnicast():
		return unfit("a link-local address")
	case route.IPv4Compatible(a):
		return unfit("an IPv4-compatible IPv6 address (RFC 4291, section 2.5.5.1)")
	case a.Is4() && a.As4()[0] >= 240:
		return unfit("a reserved address")
	}
	return nil
}
