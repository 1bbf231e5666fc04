package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// Foreign is the first words of statements of the operator's own, behind the contexts that they stand in, joined by " / ".
type Foreign string

// Path gives the contexts and then the statement.
func (f Foreign) Path() []string { return strings.Split(string(f), foreignSeparator) }

const foreignSeparator = " / "

// writes are the settings of a router that Fairlead writes, and writesInFamily those of an address family. What begins with
// neighbor and network is looked at on its own.
func writes() []string {
	return []string{
		"bgp router-id", "bgp cluster-id", "bgp default ipv4-unicast", "bgp network import-check", "coalesce-time",
		"bgp graceful-restart stalepath-time", "bgp graceful-restart restart-time", "bgp graceful-restart select-defer-time",
		"bgp graceful-restart preserve-fw-state", "bgp route-reflector allow-outbound-policy", "bmp targets " + ours + "STATION",
	}
}

func writesInFamily() []string { return []string{"table-map"} }

// ours begins the names of the objects that Fairlead writes.
const ours = "FL-"

// named are the statements at the top of FRR's configuration that are known by a name, which stands behind these words.
func named() []string {
	return []string{
		"route-map", "ip prefix-list", "ipv6 prefix-list", "bgp large-community-list standard", "bgp large-community-list expanded",
		"bgp community-list standard", "bgp community-list expanded", "bgp as-path access-list",
	}
}

// validateForeign checks that each declaration is about statements that Fairlead does not write, in places where it would take
// them back. What depends on the routers and neighbors is left out for those that could not be read.
func (d *decoder) validateForeign(c *Config, routers map[string]instance) {
	for i, f := range c.FRR.Foreign {
		if at := "frr.foreign" + index(i); !d.failed[at] {
			if advice := d.foreign(c, routers, f.Path()); advice != "" {
				d.reject(at, "%s %s", quote(string(f)), advice)
			}
		}
	}
	unique(d, "frr.foreign", c.FRR.Foreign)
}

// foreign says what is wrong with a declaration, or nothing.
func (d *decoder) foreign(c *Config, routers map[string]instance, path []string) string {
	for _, part := range path {
		if part == "" || strings.Join(strings.Fields(part), " ") != part || strings.ContainsFunc(part, func(r rune) bool { return r > '~' }) {
			return "is not a statement: write its first words as FRR does, with one space between them, and its contexts before it as in " +
				`"router bgp 65000 / neighbor 192.0.2.9"`
		}
		if strings.HasPrefix(part, "no ") {
			return "declares what is not there: write it without the no"
		}
		if strings.HasPrefix(part, "exit") || part == "end" || part[0] == '!' {
			return "only ends a context, or is a comment: write a statement"
		}
	}
	top := strings.Fields(path[0])
	switch {
	case len(top) > 1 && top[0] == "router" && top[1] == "bgp":
		return d.foreignRouter(c, routers, path)
	case top[0] == "bfd":
		if len(path) < 2 || path[1] == "profile" || strings.HasPrefix(path[1], "profile "+ours) {
			return "would take in the profiles of BFD that Fairlead writes: write one of your own, such as \"bfd / profile mine\""
		}
		return ""
	}
	for _, words := range named() {
		rest, is := strings.CutPrefix(path[0]+" ", words+" ")
		switch {
		case !is:
		case len(path) > 1:
			return "is more than it takes: write " + quote(path[0]) + ", and all of it is yours"
		case rest == "" || strings.HasPrefix(rest, ours):
			return "would take in what Fairlead writes, whose names begin with " + ours + ": write the name of one of your own"
		default:
			return ""
		}
	}
	return "is nothing that Fairlead ever touches: take it out, or look for a mistake in it; what can be declared stands in router bgp"
}

// foreignRouter says what is wrong with a declaration about router bgp, or nothing.
func (d *decoder) foreignRouter(c *Config, routers map[string]instance, path []string) string {
	words := strings.Fields(path[0])
	kind, name := "", ""
	if len(words) == 5 && (words[3] == "view" || words[3] == "vrf") {
		kind, name = words[3], words[4]
	}
	var asn route.ASN
	if len(words) != 3 && kind == "" || asn.UnmarshalText([]byte(words[2])) != nil {
		return "does not say which router: write it as \"router bgp 65000\", \"router bgp 65000 view NAME\" or \"router bgp 65000 vrf NAME\""
	}
	in, is := routers[name]
	is = is && in.view == (kind == "view")
	switch {
	case !is && len(path) == 1:
		return ""
	case !is && !d.spoiled["routers"]:
		return "stands in a router that is not in this configuration: write " + quote(path[0]) + " alone for all of it"
	case is && in.asn != 0 && asn != in.asn:
		return fmt.Sprintf("has another AS than that router has here: write router bgp %d", in.asn)
	case len(path) == 1:
		return "is a router that Fairlead writes: write which statements in it are yours, such as " + quote(path[0]+" / neighbor 192.0.2.9")
	case len(path) > 3:
		return "has too many contexts: write at most a router, an address family and a statement"
	case len(path) == 3 && !isFamily(path[1]):
		return foreignFamily
	case len(path) == 3 && strings.HasPrefix(path[2], "address-family"):
		return "has an address family in an address family: take one out"
	}
	family, statement := "", path[len(path)-1]
	if len(path) == 3 {
		family = strings.Fields(path[1])[1]
	}
	if strings.HasPrefix(statement, "neighbor ") || statement == "neighbor" {
		vrf := ""
		if kind == "vrf" {
			vrf = name
		}
		return foreignNeighbor(c, routers, vrf, strings.Fields(statement))
	}
	return foreignStatement(family, statement)
}

const foreignFamily = "names no address family: write it as FRR does, such as \"address-family ipv4 unicast\""

// isFamily reports whether text opens an address family that FRR has.
func isFamily(text string) bool {
	words := strings.Fields(text)
	if len(words) != 3 || words[0] != "address-family" {
		return false
	}
	if words[1] == "l2vpn" {
		return words[2] == "evpn"
	}
	return (words[1] == "ipv4" || words[1] == "ipv6") && slices.Contains([]string{"unicast", "multicast", "vpn", "labeled-unicast", "flowspec"}, words[2])
}

// foreignStatement says what is wrong with a declaration of a statement that is about no neighbor, in a router that is ours, or
// in an address family of it; family is its first word, or "". It gives nothing where the statement does.
func foreignStatement(family, text string) string {
	words, written := strings.Fields(text), writes()
	if family != "" {
		written = writesInFamily()
	}
	switch words[0] {
	case "address-family":
		switch {
		case !isFamily(text):
			return foreignFamily
		case words[2] == "unicast":
			return "is an address family that Fairlead writes: write which statements in it are yours, behind another \" / \""
		}
		return ""
	case "network", "aggregate-address":
		switch {
		case family == "":
			return "stands in an address family, where FRR writes it: write that too, such as \"router bgp 65000 / address-family ipv4 unicast / " +
				words[0] + " 10.9.9.0/24\""
		case words[0] == "network" && len(words) != 2:
			return "does not say which network: write one prefix, or Fairlead could announce nothing"
		case len(words) > 1:
			return foreignPrefix(family, words[1])
		}
		return ""
	}
	for _, own := range written {
		if strings.HasPrefix(own+" ", text+" ") || strings.HasPrefix(text+" ", own+" ") {
			return "would take in " + quote(own) + ", which Fairlead writes: write another statement"
		}
	}
	return ""
}

// foreignPrefix says why FRR never writes that prefix in an address family, or nothing.
func foreignPrefix(family, text string) string {
	prefix, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return "does not say which network: write one prefix such as 10.9.9.0/24"
	case prefix.Masked().String() != text:
		return "is not how FRR writes that network: write " + prefix.Masked().String()
	case family == "ipv4" && !prefix.Addr().Is4(), family == "ipv6" && !prefix.Addr().Is6():
		return "has a network of another address family than it stands in: write the one, or the other"
	}
	return ""
}

// foreignNeighbor says what is wrong with the words of a neighbor that is declared in a router of that VRF, or nothing. The views
// of a node share the addresses of the default one, VRFs have their own (validateAddresses).
func foreignNeighbor(c *Config, routers map[string]instance, vrf string, words []string) string {
	if len(words) != 2 {
		return "does not say which neighbor, as a whole: write its address, interface or peer group and nothing behind it, " +
			"such as \"neighbor 192.0.2.9\""
	}
	addr, err := netip.ParseAddr(words[1])
	for i, n := range c.Neighbors {
		in, known := routers[n.Router]
		if known && in.vrf == vrf && (n.Interface == words[1] || n.Address.IsValid() && n.Address == addr) {
			return "is neighbors" + index(i) + ", which Fairlead holds: take one of the two out, or add to its statements by a template"
		}
	}
	switch {
	case err == nil && addr.String() != words[1]:
		return "is not how FRR writes that address: write " + addr.String()
	case err != nil && strings.Contains(words[1], ".") && strings.Trim(words[1], "0123456789./") == "":
		return "has no address: write one such as 192.0.2.9"
	}
	return ""
}
