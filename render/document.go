package render

import (
	"cmp"
	"fmt"
	"maps"
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
)

// layout collects the objects of a speaker by what they hold, so that what is equal is one object with one name.
type layout struct {
	hash      digest
	groups    map[string]*Group
	audiences map[string]*Audience
}

// draft is a router whose objects are known but not yet named: groups stand beside its routes, audiences beside its
// neighbors.
type draft struct {
	route.Router
	groups    []*Group
	audiences []*Audience
}

// document lays a speaker out as FRR's objects.
func document(s route.Speaker, hash digest) (Document, error) {
	l := layout{hash: hash, groups: make(map[string]*Group), audiences: make(map[string]*Audience)}
	drafts := make([]draft, len(s.Routers))
	for i, r := range s.Routers {
		drafts[i] = l.draft(r)
	}
	doc := l.named()
	for _, d := range drafts {
		router, err := d.router()
		if err != nil {
			return Document{}, err
		}
		doc.Routers = append(doc.Routers, router)
	}
	return doc, nil
}

// draft finds the group of each of r's routes and the audience of each of its neighbors.
func (l *layout) draft(r route.Router) draft {
	d := draft{Router: r, groups: make([]*Group, len(r.Routes)), audiences: make([]*Audience, len(r.Neighbors))}
	marks := markers(r.ASN, audiencesOf(r), l.hash)
	for i := range r.Routes {
		if i > 0 && sameGroup(&r.Routes[i], &r.Routes[i-1]) {
			d.groups[i] = d.groups[i-1]
			continue
		}
		d.groups[i] = l.group(&r.Routes[i], marks)
	}
	for i, n := range r.Neighbors {
		d.audiences[i] = l.audience(r.ASN, marks[n.Audience])
	}
	return d
}

// audiencesOf gives every audience that r knows, of its routes and of its neighbors.
func audiencesOf(r route.Router) []route.Audience {
	set := make(map[route.Audience]bool)
	for _, n := range r.Neighbors {
		set[n.Audience] = true
	}
	for _, route := range r.Routes {
		for _, a := range route.To {
			set[a] = true
		}
	}
	return slices.Collect(maps.Keys(set))
}

// sameGroup reports whether two routes plainly belong to one group. It may say no where they do.
func sameGroup(a, b *route.Route) bool {
	return slices.Equal(a.To, b.To) &&
		a.Attributes.LocalPreference == b.Attributes.LocalPreference && a.Attributes.MED == b.Attributes.MED &&
		slices.Equal(a.Attributes.Communities, b.Attributes.Communities) &&
		slices.Equal(a.Attributes.LargeCommunities, b.Attributes.LargeCommunities)
}

func (l *layout) group(r *route.Route, marks map[route.Audience]route.LargeCommunity) *Group {
	g := Group{LocalPreference: r.Attributes.LocalPreference, MED: r.Attributes.MED}
	for _, c := range r.Attributes.Communities {
		g.Communities = append(g.Communities, communityName(c))
	}
	large := slices.Clone(r.Attributes.LargeCommunities)
	for _, audience := range r.To {
		large = append(large, marks[audience])
	}
	slices.SortFunc(large, compareLarge)
	for _, c := range slices.Compact(large) {
		g.LargeCommunities = append(g.LargeCommunities, c.String())
	}
	return shared(l.groups, g, "community %v large-community %v local-preference %d metric %d",
		g.Communities, g.LargeCommunities, g.LocalPreference, g.MED)
}

func (l *layout) audience(asn route.ASN, mark route.LargeCommunity) *Audience {
	a := Audience{Marker: mark, Markers: fmt.Sprintf("FL-MARKERS-%d", asn)}
	return shared(l.audiences, a, "match %s delete %s", a.Marker, a.Markers)
}

// shared gives the object that has this content, and keeps o where none has it yet.
func shared[T any](known map[string]*T, o T, format string, content ...any) *T {
	key := fmt.Sprintf(format, content...)
	if known[key] == nil {
		known[key] = &o
	}
	return known[key]
}

// named gives every object its name and lists them by it.
func (l *layout) named() Document {
	var doc Document
	for content, name := range names("FL-GROUP-", maps.Keys(l.groups), l.hash) {
		l.groups[content].RouteMap = name
		doc.Groups = append(doc.Groups, *l.groups[content])
	}
	lists := make(map[string]Markers)
	for content, name := range names("", maps.Keys(l.audiences), l.hash) {
		a := l.audiences[content]
		a.RouteMap, a.List = "FL-OUT-"+name, "FL-TO-"+name
		doc.Audiences = append(doc.Audiences, *a)
		lists[a.Markers] = Markers{
			List:    a.Markers,
			Pattern: fmt.Sprintf("^%d:%d:", a.Marker.GlobalAdministrator, markerFunction),
		}
	}
	doc.Markers = slices.Collect(maps.Values(lists))
	slices.SortFunc(doc.Groups, func(a, b Group) int { return cmp.Compare(a.RouteMap, b.RouteMap) })
	slices.SortFunc(doc.Audiences, func(a, b Audience) int { return cmp.Compare(a.RouteMap, b.RouteMap) })
	slices.SortFunc(doc.Markers, func(a, b Markers) int { return cmp.Compare(a.List, b.List) })
	return doc
}

// viewName is what FRR takes as the name of a view.
var viewName = regexp.MustCompile(`^[A-Za-z0-9_.-]*$`)

// router lays out one BGP instance, once its objects have names.
func (d draft) router() (Router, error) {
	if !d.RouterID.Is4() {
		return Router{}, fmt.Errorf("render router %q: router ID %s is not an IPv4 address", d.Name, d.RouterID)
	}
	if !viewName.MatchString(d.Name) {
		return Router{}, fmt.Errorf("render router %q: the name of a view has only letters, digits and ._-", d.Name)
	}
	r := Router{
		View:         d.Name,
		ASN:          d.ASN,
		RouterID:     d.RouterID,
		StaleTime:    seconds(d.GracefulRestart.StaleTime, defaultStaleTime),
		RestartTime:  seconds(d.GracefulRestart.RestartTime, defaultRestartTime),
		DeferralTime: seconds(d.GracefulRestart.DeferralTime, defaultDeferralTime),
	}
	if d.ClusterID.IsValid() {
		r.ClusterID = d.ClusterID.String()
	}
	for _, n := range d.Neighbors {
		neighbor, err := neighborOf(n)
		if err != nil {
			return Router{}, err
		}
		r.Neighbors = append(r.Neighbors, neighbor)
		r.PreserveForwarding = r.PreserveForwarding || n.GracefulRestart
	}
	for _, f := range []route.Family{route.IPv4Unicast, route.IPv6Unicast} {
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
		if n.Speaks(f) {
			af.Neighbors = append(af.Neighbors, Activation{Address: n.Address, RouteMap: d.audiences[i].RouteMap})
		}
	}
	return af
}

// maxPassword is the longest TCP MD5 key that FRR takes (PEER_PASSWORD_MAXLEN).
const maxPassword = 80

func neighborOf(n route.Neighbor) (Neighbor, error) {
	if !n.Address.IsValid() || n.Address.Zone() != "" || n.RemoteAS.IsZero() {
		return Neighbor{}, fmt.Errorf("render neighbor %s: it has no usable address or no remote AS", n.Address)
	}
	if !writable(n.Password) {
		return Neighbor{}, fmt.Errorf("render neighbor %s: FRR takes a password of at most %d visible ASCII characters, without spaces",
			n.Address, maxPassword)
	}
	out := Neighbor{
		Address:         n.Address,
		RemoteAS:        n.RemoteAS,
		Password:        n.Password,
		Passive:         n.Passive,
		EBGPMultihop:    n.EBGPMultihop,
		ConnectTime:     seconds(n.ConnectTime, defaultConnectTime),
		GracefulRestart: n.GracefulRestart,
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
	return len(p) <= maxPassword && !strings.ContainsFunc(p.Reveal(), func(c rune) bool { return c <= ' ' || c > '~' })
}

// seconds gives d in seconds, and 0 where that is FRR's default.
func seconds(d, frrDefault time.Duration) int64 {
	if d == frrDefault {
		return 0
	}
	return int64(d / time.Second)
}

func compareLarge(a, b route.LargeCommunity) int {
	return cmp.Or(
		cmp.Compare(a.GlobalAdministrator, b.GlobalAdministrator),
		cmp.Compare(a.LocalData1, b.LocalData1),
		cmp.Compare(a.LocalData2, b.LocalData2),
	)
}
