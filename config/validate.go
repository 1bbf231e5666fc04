package config

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// parent gives the path of the key around that at path, or "".
func parent(path string) string { return path[:max(strings.LastIndexAny(path, ".["), 0)] }

// line gives the line of the key at path, or of the nearest one around it that was given.
func (d *decoder) line(path string) int {
	for ; path != ""; path = parent(path) {
		if line, ok := d.lines[path]; ok {
			return line
		}
	}
	return 1
}

// good reports whether the key at path was given and all of it could be read, so that its value is worth checking.
func (d *decoder) good(path string) bool { return d.given[path] && !d.spoiled[path] }

// reject notes that the value at path does not do.
func (d *decoder) reject(path, format string, args ...any) {
	for at := path; at != ""; at = parent(at) {
		if line, ok := d.inherited[at]; ok {
			format += fmt.Sprintf(" (it comes from neighborDefaults on line %d, and a value here would override it)", line)
			break
		}
	}
	d.fail(path, d.line(path), format, args...)
}

// require notes that the key at path was not given.
func (d *decoder) require(path, advice string) {
	if !d.given[path] && !d.failed[path] {
		d.reject(path, "is required: write %s", advice)
	}
}

func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// validate checks what the types cannot say, and gives the neighbors what neighborDefaults says on the way.
func (d *decoder) validate(c *Config) {
	d.require("asn", "the AS number of this speaker")
	d.validateRouterID("routerID", c.RouterID)
	d.validateClusterID("clusterID", c.ClusterID)
	routers := d.validateRouters(c)
	d.validateCommunities(c)
	d.validateSession("neighborDefaults", &c.NeighborDefaults)
	for i := range c.Neighbors {
		if at := "neighbors" + index(i); !d.failed[at] {
			d.validateSession(at, &c.Neighbors[i].Session)
		}
	}
	d.inherit(c)
	for i := range c.Neighbors {
		if at := "neighbors" + index(i); !d.failed[at] {
			d.validateNeighbor(at, &c.Neighbors[i], routers)
		}
	}
	d.validateReflectors(c)
	d.validateAddresses(c.Neighbors, routers)
	names := d.validateNames(c.Neighbors)
	d.validateTransit(c.Neighbors, names, routers)
	d.validateAllowedPrefixes(c.Announce.AllowedPrefixes)
	d.validateCluster(c)
	d.validateStatus(&c.Status)
	d.validateVerify(c)
	d.validateFRR(&c.FRR)
	d.validateForeign(c, routers)
}

func (d *decoder) validateRouterID(at string, id netip.Addr) {
	switch {
	case !d.good(at):
	case id.Is4In6():
		d.reject(at, "%s is an IPv4 address in IPv6 form: write %s", id, id.Unmap().WithZone(""))
	case !id.Is4():
		d.reject(at, "%s is not an IPv4 address: write one, a BGP Identifier has four octets", id)
	case id.IsUnspecified() || id.IsMulticast():
		d.reject(at, "%s cannot be a BGP Identifier: write an address of this node", id)
	}
}

func (d *decoder) validateClusterID(at string, id netip.Addr) {
	switch {
	case !d.good(at):
	case id.Is4In6():
		d.reject(at, "%s is an IPv4 address in IPv6 form: write %s", id, id.Unmap().WithZone(""))
	case !id.Is4():
		d.reject(at, "%s is not an IPv4 address: write one, a CLUSTER_ID has four octets", id)
	case id.IsUnspecified():
		d.reject(at, "%s cannot be a CLUSTER_ID: write the one that the reflectors of this cluster share", id)
	}
}

// validateReflectors checks that a router with a CLUSTER_ID reflects to somebody, on one node at least.
func (d *decoder) validateReflectors(c *Config) {
	if d.spoiled["neighbors"] || d.spoiled["routers"] {
		return
	}
	reflects := map[string]bool{}
	for _, n := range c.Neighbors {
		reflects[n.Router] = reflects[n.Router] || n.RouteReflectorClient
	}
	check := func(at, router string) {
		if d.good(at) && !reflects[router] {
			d.reject(at, "has no effect where no neighbor of this router is a client: write routeReflectorClient: true under one, or take it out")
		}
	}
	check("clusterID", "")
	for i, r := range c.Routers {
		check("routers"+index(i)+".clusterID", r.Name)
	}
}

// instance is what the neighbors of one router have to know of it.
type instance struct {
	// asn is its own AS, 0 where that could not be read.
	asn route.ASN
	// vrf is the VRF that its sessions are in; "" is the default one, and views hold theirs there too.
	vrf string
	// view says that it is neither the default one nor one of a VRF.
	view bool
}

// validateRouters checks the routers, and gives them by name, the default one among them as "".
func (d *decoder) validateRouters(c *Config) map[string]instance {
	all := map[string]instance{"": {asn: c.ASN}}
	for i, r := range c.Routers {
		at := "routers" + index(i)
		if d.failed[at] {
			continue
		}
		d.validateRouterName(at+".name", r.Name, all)
		d.validateRouterID(at+".routerID", r.RouterID)
		d.validateClusterID(at+".clusterID", r.ClusterID)
		if d.spoiled[at+".name"] {
			continue
		}
		in := instance{asn: c.ASN, view: !r.VRF}
		if d.given[at+".asn"] {
			in.asn = r.ASN
		}
		if r.VRF {
			in.vrf = r.Name
		}
		all[r.Name] = in
	}
	return all
}

func (d *decoder) validateRouterName(at, name string, taken map[string]instance) {
	const longest = 15
	odd := func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("_.-", r) }
	_, again := taken[name]
	switch {
	case d.failed[at]:
	case name == "":
		d.reject(at, "is required: write the name of the view or the VRF")
	case strings.ContainsFunc(name, odd) || len(name) > longest:
		d.reject(at, "%s cannot be the name of a router: write at most %d letters, digits, _, . and -", quote(name), longest)
	case name == "default" || name == "all":
		d.reject(at, "%s has a meaning of its own in FRR: write another name", quote(name))
	case again:
		d.reject(at, "%s is the name of another router too: give each a name of its own", quote(name))
	}
}

// validateCommunities checks what is set on each route. A large community of ours that Fairlead uses as a marker would be
// taken away on the way out, and could send a route to whom it is not meant for.
func (d *decoder) validateCommunities(c *Config) {
	own := []uint32{uint32(c.ASN)}
	for _, r := range c.Routers {
		own = append(own, uint32(r.ASN))
	}
	unique(d, "communities", c.Communities)
	unique(d, "largeCommunities", c.LargeCommunities)
	for i, community := range c.LargeCommunities {
		at := "largeCommunities" + index(i)
		if !d.failed[at] && community.LocalData1 == route.MarkerData && slices.Contains(own, community.GlobalAdministrator) {
			d.reject(at, "%s is one of the markers %d:%d:* that Fairlead puts on routes inside FRR and takes away from all that leaves: write another number in the middle",
				community, community.GlobalAdministrator, route.MarkerData)
		}
	}
}

// unique checks that no entry of the list at path is there twice.
func unique[T comparable](d *decoder, path string, list []T) {
	seen := make(map[T]bool, len(list))
	for i, value := range list {
		at := path + index(i)
		if seen[value] && !d.spoiled[at] {
			d.reject(at, "%s is in the list already: take one of the two out", mask(fmt.Sprint(value)))
		}
		seen[value] = seen[value] || !d.spoiled[at]
	}
}

func (d *decoder) validateAllowedPrefixes(prefixes []netip.Prefix) {
	const at = "announce.allowedPrefixes"
	if d.good(at) && len(prefixes) == 0 {
		d.reject(at, "is an empty list: write the prefixes that may be announced, or take the key out for no bound")
	}
	for i, p := range prefixes {
		d.validatePrefix(at+index(i), p)
	}
}

func (d *decoder) validateFRR(f *FRR) {
	if strings.ContainsFunc(f.Pathspace, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' }) {
		d.reject("frr.pathspace", "%s cannot be the name of a folder: write letters, digits, - and _ only", quote(f.Pathspace))
	}
	d.validateSocket("frr.socket", f.Socket)
	d.validatePath("frr.paths.vtysh", f.Paths.Vtysh)
	d.validatePath("frr.paths.daemons", f.Paths.Daemons)
	d.validatePath("frr.paths.config", f.Paths.Config)
}

func (d *decoder) validatePath(at, given string) {
	if given != "" && !path.IsAbs(given) {
		d.reject(at, "%s is a relative path: write one that begins with /", quote(given))
	}
}
