package render

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
)

// FRR's defaults under "frr defaults traditional", which running-config hides.
const (
	defaultPort         = 179
	defaultKeepalive    = 60 * time.Second
	defaultHold         = 180 * time.Second
	defaultConnectTime  = 120 * time.Second
	defaultRestartTime  = 120 * time.Second
	defaultDeferralTime = 360 * time.Second
	defaultStaleTime    = 360 * time.Second
	defaultBFDInterval  = 300 * time.Millisecond
	defaultBFDDetect    = 3
)

// families are those of a router, in FRR's order.
func families() []route.Family { return []route.Family{route.IPv4Unicast, route.IPv6Unicast} }

// draft is a router whose objects are known but not yet named: groups stand beside its routes, the rest beside its
// neighbors, for each family of theirs.
type draft struct {
	route.Router
	groups   []*Group
	out      []map[route.Family]*Audience
	in       []map[route.Family]*Inbound
	profiles []*Profile
	// table is nil where zebra is told nothing.
	table *Table
}

// document lays a speaker out as FRR's objects.
func document(s route.Speaker, hash digest) (Document, error) {
	l := newLayout(s, hash)
	var drafts []draft
	for _, r := range s.Routers {
		// An instance of a VRF is known as ours by the policy that it uses: one without any is not written.
		if !r.VRF || len(r.Neighbors)+len(r.Routes) > 0 {
			drafts = append(drafts, l.draft(r))
		}
	}
	doc := l.named()
	for _, d := range drafts {
		router, err := d.router()
		if err != nil {
			return Document{}, err
		}
		router.Station = stationOf(s.Station)
		doc.Routers = append(doc.Routers, router)
	}
	return doc, nil
}

// draft finds the group of each of r's routes, and the policy of each of its neighbors.
func (l *layout) draft(r route.Router) draft {
	r.Neighbors = slices.Clone(r.Neighbors)
	slices.SortStableFunc(r.Neighbors, compareNeighbors)
	d := draft{Router: r, groups: make([]*Group, len(r.Routes))}
	marks := markers(r.ASN, subjectsOf(r), l.hash)
	for i := range r.Routes {
		if i > 0 && sameGroup(&r.Routes[i], &r.Routes[i-1]) {
			d.groups[i] = d.groups[i-1]
			continue
		}
		d.groups[i] = l.group(&r.Routes[i], marks)
	}
	accepts := false
	for _, n := range r.Neighbors {
		out, in := make(map[route.Family]*Audience), make(map[route.Family]*Inbound)
		for _, f := range n.Families {
			out[f] = l.audience(&r, n, f, marks)
			in[f] = l.inbound(n, f, marks)
			accepts = accepts || in[f] != nil
		}
		d.out, d.in = append(d.out, out), append(d.in, in)
		d.profiles = append(d.profiles, l.profile(n.BFD))
	}
	// A view tells zebra nothing.
	if accepts && (r.Name == "" || r.VRF) {
		d.table = l.table(marks[install])
	}
	return d
}

// compareNeighbors orders as FRR lists them: by interface, then by address.
func compareNeighbors(a, b route.Neighbor) int {
	if (a.Interface == "") != (b.Interface == "") {
		return cmp.Compare(b.Interface, a.Interface)
	}
	return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.Address.Compare(b.Address))
}

// objectName is what FRR takes as the name of a view, a VRF or an interface.
var objectName = regexp.MustCompile(`^[A-Za-z0-9_.@+-]*$`)

// router lays out one BGP instance, once its objects have names.
func (d draft) router() (Router, error) {
	if !d.RouterID.Is4() {
		return Router{}, fmt.Errorf("render router %q: router ID %s is not an IPv4 address", d.Name, d.RouterID)
	}
	if !objectName.MatchString(d.Name) {
		return Router{}, fmt.Errorf("render router %q: the name of a view has only letters, digits and ._-", d.Name)
	}
	r := Router{
		View:         d.Name,
		ASN:          d.ASN,
		RouterID:     d.RouterID,
		ClusterID:    text(d.ClusterID),
		StaleTime:    seconds(d.GracefulRestart.StaleTime, defaultStaleTime),
		RestartTime:  seconds(d.GracefulRestart.RestartTime, defaultRestartTime),
		DeferralTime: seconds(d.GracefulRestart.DeferralTime, defaultDeferralTime),
	}
	if d.VRF {
		r.View, r.VRF = "", d.Name
	}
	for i, n := range d.Neighbors {
		neighbor, err := neighborOf(n)
		if err != nil {
			return Router{}, err
		}
		if d.profiles[i] != nil {
			neighbor.BFDProfile = d.profiles[i].Name
		}
		r.Neighbors = append(r.Neighbors, neighbor)
		r.PreserveForwarding = r.PreserveForwarding || n.GracefulRestart
		r.OutboundPolicy = r.OutboundPolicy || n.RouteReflectorClient
	}
	for _, f := range families() {
		if af := d.family(f); len(af.Networks)+len(af.Neighbors) > 0 {
			r.Families = append(r.Families, af)
		}
	}
	return r, nil
}

// family lays out what d exchanges of one family.
func (d draft) family(f route.Family) AddressFamily {
	af := AddressFamily{Name: strings.ReplaceAll(f.String(), "-", " ")}
	for i, r := range d.Routes {
		if route.FamilyOf(r.Prefix.Addr()) == f {
			af.Networks = append(af.Networks, Network{Prefix: r.Prefix, RouteMap: d.groups[i].RouteMap})
		}
	}
	for i, n := range d.Neighbors {
		if !n.Speaks(f) {
			continue
		}
		a := Activation{
			ID:                   n.ID(),
			In:                   nothing,
			Out:                  d.out[i][f].RouteMap,
			RouteReflectorClient: n.RouteReflectorClient,
			NextHopSelf:          n.NextHop.Self,
			NextHopUnchanged:     n.NextHop.Unchanged,
			MaximumPrefix:        n.MaximumPrefix,
			MaximumPrefixOut:     n.MaximumPrefixOut,
			AllowASIn:            n.AllowASIn,
		}
		if in := d.in[i][f]; in != nil {
			a.In = in.RouteMap
		}
		af.Neighbors = append(af.Neighbors, a)
	}
	if d.table != nil && len(af.Neighbors) > 0 {
		af.TableMap = d.table.Name
	}
	return af
}

// stationName is what FRR calls the BMP station of this node.
const stationName = "FL-STATION"

// stationOf is nil where at is the zero AddrPort.
func stationOf(at netip.AddrPort) *Station {
	if !at.IsValid() {
		return nil
	}
	return &Station{Targets: stationName, Address: at.Addr(), Port: at.Port()}
}

// nothing is the inbound policy that accepts nothing.
const nothing = "FL-IN-NONE"

func neighborOf(n route.Neighbor) (Neighbor, error) {
	addressed := n.Address.IsValid() && n.Address.Zone() == ""
	if addressed != (n.Interface == "") || !objectName.MatchString(n.Interface) || n.RemoteAS.IsZero() {
		return Neighbor{}, fmt.Errorf("render neighbor %s: it has no usable address or interface, or no remote AS", n.ID())
	}
	if !writable(n.Password) {
		return Neighbor{}, fmt.Errorf("render neighbor %s: FRR takes a password of at most %d visible ASCII characters, without spaces",
			n.ID(), route.MaxPassword)
	}
	if strings.ContainsFunc(n.Description, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return Neighbor{}, fmt.Errorf("render neighbor %s: its description has a control character", n.ID())
	}
	out := Neighbor{
		ID:              n.ID(),
		Unnumbered:      n.Interface != "",
		RemoteAS:        n.RemoteAS,
		LocalAS:         n.LocalAS,
		Description:     strings.Join(strings.Fields(n.Description), " "),
		BFD:             n.BFD.On,
		Password:        n.Password,
		Passive:         n.Passive,
		EBGPMultihop:    n.EBGPMultihop,
		TTLSecurityHops: n.TTLSecurityHops,
		Source:          text(n.Source),
		ConnectTime:     seconds(n.ConnectTime, defaultConnectTime),
		GracefulRestart: n.GracefulRestart,
		// FRR offers it on unnumbered sessions by itself.
		ExtendedNextHop: n.ExtendedNextHop && n.Interface == "",
	}
	if n.Port != defaultPort {
		out.Port = n.Port
	}
	if n.KeepaliveTime != defaultKeepalive || n.HoldTime != defaultHold {
		out.Timers = &Timers{Keepalive: seconds(n.KeepaliveTime, 0), Hold: seconds(n.HoldTime, 0)}
	}
	return out, nil
}

// writable reports whether one line of frr.conf can carry the password. What cannot would end the line, or be cut.
func writable(p route.Secret) bool {
	return len(p) <= route.MaxPassword && !strings.ContainsFunc(p.Reveal(), func(c rune) bool { return c <= ' ' || c > '~' })
}

// text gives an address, and "" for the zero Addr.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// seconds gives d in seconds, and 0 where that is FRR's default.
func seconds(d, frrDefault time.Duration) int64 {
	if d == frrDefault {
		return 0
	}
	return int64(d / time.Second)
}

// milliseconds gives d in milliseconds, and 0 where that is FRR's default.
func milliseconds(d, frrDefault time.Duration) int64 {
	if d == frrDefault {
		return 0
	}
	return d.Milliseconds()
}

// subjectsOf gives all that has a marker in r: every audience of its routes and neighbors, the neighbors themselves, and what is
// installed.
func subjectsOf(r route.Router) []string {
	set := map[string]bool{install: true}
	for _, n := range r.Neighbors {
		set[audienceSubject(n.Audience)] = true
		set[neighborSubject(n)] = true
	}
	for _, route := range r.Routes {
		for _, a := range route.To {
			set[audienceSubject(a)] = true
		}
	}
	return slices.Collect(maps.Keys(set))
}
