package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// layout collects the objects of a speaker by what they hold, so that what is equal is one object with one name.
type layout struct {
	hash      digest
	groups    map[string]*Group
	audiences map[string]*Audience
	in        map[string]*Inbound
	prefixes  map[string]*PrefixList
	profiles  map[string]*Profile
	tables    map[string]*Table
	// lists are the prefix lists of the inbound policies; they are named before these.
	lists map[*Inbound]*PrefixList
	// routers are the AS numbers of all routers, whose markers are taken from what comes in; own are those and the ones that
	// we show to single neighbors.
	routers, own []route.ASN
	origins      map[string]*Origin
	ofOrigins    map[*Inbound]*Origin
}

func newLayout(s route.Speaker, hash digest) *layout {
	l := &layout{
		hash:      hash,
		groups:    make(map[string]*Group),
		audiences: make(map[string]*Audience),
		in:        make(map[string]*Inbound),
		prefixes:  make(map[string]*PrefixList),
		profiles:  make(map[string]*Profile),
		tables:    make(map[string]*Table),
		lists:     make(map[*Inbound]*PrefixList),
		origins:   make(map[string]*Origin),
		ofOrigins: make(map[*Inbound]*Origin),
	}
	for _, r := range s.Routers {
		l.routers = append(l.routers, r.ASN)
		l.own = append(l.own, r.ASN)
		for _, n := range r.Neighbors {
			if n.LocalAS != 0 {
				l.own = append(l.own, n.LocalAS)
			}
		}
	}
	for _, asns := range []*[]route.ASN{&l.routers, &l.own} {
		slices.Sort(*asns)
		*asns = slices.Compact(*asns)
	}
	return l
}

// sameGroup reports whether two routes plainly belong to one group. It may say no where they do.
func sameGroup(a, b *route.Route) bool {
	return slices.Equal(a.To, b.To) &&
		a.Attributes.LocalPreference == b.Attributes.LocalPreference && a.Attributes.MED == b.Attributes.MED &&
		slices.Equal(a.Attributes.Communities, b.Attributes.Communities) &&
		slices.Equal(a.Attributes.LargeCommunities, b.Attributes.LargeCommunities)
}

func (l *layout) group(r *route.Route, marks map[string]route.LargeCommunity) *Group {
	g := Group{LocalPreference: r.Attributes.LocalPreference, MED: r.Attributes.MED}
	for _, c := range r.Attributes.Communities {
		g.Communities = append(g.Communities, communityName(c))
	}
	large := slices.Clone(r.Attributes.LargeCommunities)
	for _, audience := range r.To {
		large = append(large, marks[audienceSubject(audience)])
	}
	slices.SortFunc(large, route.LargeCommunity.Compare)
	for _, c := range slices.Compact(large) {
		g.LargeCommunities = append(g.LargeCommunities, c.String())
	}
	return shared(l.groups, g, "community %v large-community %v local-preference %d metric %d",
		g.Communities, g.LargeCommunities, g.LocalPreference, g.MED)
}

// audience gives what n is told of one family. A next hop of the other family is no part of it. What we originate and what is
// passed on are one entry, unless the former gets a scope.
func (l *layout) audience(r *route.Router, n route.Neighbor, f route.Family, marks map[string]route.LargeCommunity) *Audience {
	a := Audience{
		Markers: markersName(r.ASN),
		Told:    []Told{{Permitted: []route.LargeCommunity{marks[audienceSubject(n.Audience)]}}},
	}
	for _, c := range r.Scope {
		a.Told[0].Scope = append(a.Told[0].Scope, communityName(c))
	}
	if len(r.Scope) > 0 && len(n.Transit) > 0 {
		a.Told = append(a.Told, Told{})
	}
	last := &a.Told[len(a.Told)-1]
	for _, from := range r.Neighbors {
		if slices.Contains(n.Transit, from.TransitName()) {
			last.Permitted = append(last.Permitted, marks[neighborSubject(from)])
		}
	}
	slices.SortFunc(last.Permitted, route.LargeCommunity.Compare)
	last.Permitted = slices.Compact(last.Permitted)
	if f == route.IPv4Unicast {
		a.NextHop = text(n.NextHop.IPv4)
	} else {
		a.NextHop6 = text(n.NextHop.IPv6)
	}
	var entries []string
	for _, t := range a.Told {
		entries = append(entries, "match "+joined(t.Permitted, " ")+given(" scope ", strings.Join(t.Scope, " ")))
	}
	return shared(l.audiences, a, "%s delete %s%s", strings.Join(entries, ", "), a.Markers, given(" next-hop ", a.NextHop+a.NextHop6))
}

// inbound gives what is accepted from n of one family, or nil where that is nothing. Whoever lets our own AS into a path
// wants routes of our AS from elsewhere, which look like our own that come back: of these, the one we originate wins by its
// weight. A list of our own prefixes would tell them apart, and would change this policy with every route.
func (l *layout) inbound(n route.Neighbor, f route.Family, marks map[string]route.LargeCommunity) *Inbound {
	list := PrefixList{Family: "ip"}
	if f == route.IPv6Unicast {
		list.Family = "ipv6"
	}
	for _, r := range n.Receive.Prefixes {
		if route.FamilyOf(r.Prefix.Addr()) == f {
			list.Ranges = append(list.Ranges, rangeText(r))
		}
	}
	if n.Receive.Nothing() || len(n.Receive.Prefixes) > 0 && len(list.Ranges) == 0 {
		return nil
	}
	in := Inbound{Markers: markersName(l.routers...), Marks: []route.LargeCommunity{marks[neighborSubject(n)]}}
	if n.Receive.Install {
		in.Marks = append(in.Marks, marks[install])
		slices.SortFunc(in.Marks, route.LargeCommunity.Compare)
	}
	var origin *Origin
	pattern := ""
	if n.AllowASIn == 0 {
		// An AS of ours that is the neighbor's own too is no sign of our routes: they would bear it behind another.
		own := slices.DeleteFunc(slices.Clone(l.own), func(asn route.ASN) bool {
			return n.RemoteAS != route.Internal && n.RemoteAS.IsInternal(asn)
		})
		if len(own) == 0 {
			own = l.own
		}
		pattern = "_" + joined(own, "|") + "$"
		if len(own) > 1 {
			pattern = "_(" + joined(own, "|") + ")$"
		}
		origin = shared(l.origins, Origin{Pattern: pattern}, "%s", pattern)
	}
	var prefixes *PrefixList
	permitted := "all"
	if len(list.Ranges) > 0 {
		slices.Sort(list.Ranges)
		list.Ranges = slices.Compact(list.Ranges)
		permitted = fmt.Sprintf("%s %v", list.Family, list.Ranges)
		prefixes = shared(l.prefixes, list, "%s", permitted)
	}
	out := shared(l.in, in, "origin %s delete %s permit %s marks %v", pattern, in.Markers, permitted, in.Marks)
	l.ofOrigins[out], l.lists[out] = origin, prefixes
	return out
}

// rangeText gives r as FRR takes and writes it: a least length that is the prefix's own is none, and a greatest one neither.
func rangeText(r route.PrefixRange) string {
	bits := uint8(r.Prefix.Bits())
	ge, le := r.GE, r.LE
	if ge == bits && ge != 0 {
		ge = 0
		if le == 0 {
			le = uint8(r.Prefix.Addr().BitLen())
		}
	}
	if ge == 0 && le == bits {
		le = 0
	}
	out := r.Prefix.String()
	if ge != 0 {
		out += " ge " + strconv.Itoa(int(ge))
	}
	if le != 0 {
		out += " le " + strconv.Itoa(int(le))
	}
	return out
}

// profile gives the timers of b, or nil where they are FRR's own.
func (l *layout) profile(b route.BFD) *Profile {
	p := Profile{
		DetectMultiplier: b.DetectMultiplier,
		TransmitInterval: milliseconds(b.TransmitInterval, defaultBFDInterval),
		ReceiveInterval:  milliseconds(b.ReceiveInterval, defaultBFDInterval),
	}
	if p.DetectMultiplier == defaultBFDDetect {
		p.DetectMultiplier = 0
	}
	if !b.On || p == (Profile{}) {
		return nil
	}
	return shared(l.profiles, p, "%d %d %d", p.DetectMultiplier, p.TransmitInterval, p.ReceiveInterval)
}

func (l *layout) table(marker route.LargeCommunity) *Table {
	return shared(l.tables, Table{Marker: marker}, "%s", marker)
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
	doc := Document{
		Profiles:    list(l.profiles, "FL-BFD-", l.hash, func(p *Profile, name string) { p.Name = name }),
		PrefixLists: list(l.prefixes, "FL-PL-", l.hash, func(p *PrefixList, name string) { p.Name = name }),
		Origins:     list(l.origins, "FL-OWN-", l.hash, func(o *Origin, name string) { o.List = name }),
		Groups:      list(l.groups, "FL-GROUP-", l.hash, func(g *Group, name string) { g.RouteMap = name }),
		Tables:      list(l.tables, "FL-INSTALL-", l.hash, func(t *Table, name string) { t.Name = name }),
		Audiences: list(l.audiences, "", l.hash, func(a *Audience, name string) {
			a.RouteMap, a.Told[0].List = "FL-OUT-"+name, "FL-TO-"+name
			if len(a.Told) > 1 {
				a.Told[1].List = "FL-PASS-" + name
			}
		}),
	}
	doc.Inbound = list(l.in, "FL-IN-", l.hash, func(in *Inbound, name string) {
		in.RouteMap = name
		if o := l.ofOrigins[in]; o != nil {
			in.Origins = o.List
		}
		if p := l.lists[in]; p != nil {
			in.Family, in.List = p.Family, p.Name
		}
	})
	lists := make(map[string]Markers)
	for _, a := range doc.Audiences {
		asn := route.ASN(a.Told[0].Permitted[0].GlobalAdministrator)
		lists[a.Markers] = Markers{List: a.Markers, Patterns: patterns(asn)}
	}
	for _, in := range doc.Inbound {
		lists[in.Markers] = Markers{List: in.Markers, Patterns: patterns(l.routers...)}
	}
	doc.Markers = slices.SortedFunc(maps.Values(lists), func(a, b Markers) int { return cmp.Compare(a.List, b.List) })
	return doc
}

// list names the objects of one kind and gives them sorted by name.
func list[T any](objects map[string]*T, prefix string, hash digest, name func(*T, string)) []T {
	given := names(prefix, maps.Keys(objects), hash)
	var out []T
	for _, content := range slices.SortedFunc(maps.Keys(objects), func(a, b string) int { return cmp.Compare(given[a], given[b]) }) {
		name(objects[content], given[content])
		out = append(out, *objects[content])
	}
	return out
}

// markersName gives the name of the list of all markers of these AS numbers.
func markersName(asns ...route.ASN) string { return "FL-MARKERS-" + joined(asns, "-") }

// patterns match the markers of these AS numbers.
func patterns(asns ...route.ASN) []string {
	var out []string
	for _, asn := range asns {
		out = append(out, fmt.Sprintf("^%d:%d:", asn, route.MarkerData))
	}
	return out
}

func joined[T any](values []T, separator string) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, separator)
}

// given gives prefix and value, and "" where there is no value.
func given(prefix, value string) string {
	if value == "" {
		return ""
	}
	return prefix + value
}
