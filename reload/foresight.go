package reload

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// Foresight is what a change does to the neighbors, known before it is made. The zero Foresight is that of a change which no
// neighbor notices.
type Foresight struct {
	// Resets are the sessions that it takes down, sorted by router and neighbor.
	Resets []Reset
	// Policies are the policies that FRR evaluates again over sessions that stay, in the order of the change.
	Policies []Policy
	// Routes are what neighbors are told of over sessions that stay, by router, family and those who are told the same.
	Routes []Routes
}

// Policy is a policy that FRR evaluates again: a statement of some neighbors is another one, or an object that it names was
// edited in place. Render's objects are named by their content and never edited: that is a hand's work being put right.
type Policy struct {
	// Router is the router's statement: "router bgp 65000". Family is the address family's: "ipv4 unicast".
	Router, Family string
	// Neighbors are their addresses or interfaces, in the order of the change.
	Neighbors []string
	// Inbound says that the neighbors are asked for all their routes again (RFC 2918). Otherwise they are sent all of ours.
	Inbound bool
	// Cause is what does it: a statement without its neighbor and its value, as "neighbor route-map out", or the object that is
	// edited, as "route-map FL-OUT-1".
	Cause string
	// Delayed says that FRR waits for its route-map delay timer, 1 s as we render it; it does the rest at once. A policy that is
	// both another one and new is evaluated at once, and to the same effect once more after the timer.
	Delayed bool
}

// Routes are the routes of one router and family that some neighbors are told of. A route that is replaced is announced
// anew with other attributes, and not withdrawn. Routes that are passed on from other neighbors are not among them.
type Routes struct {
	// Router is the router's statement: "router bgp 65000". Family is the address family's: "ipv4 unicast".
	Router, Family string
	// Neighbors are those with the same outbound policy, in the order of the configuration.
	Neighbors []string
	// Announced, Replaced and Withdrawn are in the order of the change, and each prefix is in one of them.
	Announced, Replaced, Withdrawn []netip.Prefix
}

// String gives "this change has all ipv4 unicast routes of router bgp 65000 sent again to 192.0.2.1 (neighbor route-map out)".
func (p Policy) String() string {
	when := ""
	if p.Delayed {
		when = " after FRR's delay timer"
	}
	who := few(p.Neighbors)
	if p.Inbound {
		return fmt.Sprintf("this change has %s of %s asked for all %s routes again%s (%s)", who, p.Router, p.Family, when, p.Cause)
	}
	return fmt.Sprintf("this change has all %s routes of %s sent again to %s%s (%s)", p.Family, p.Router, who, when, p.Cause)
}

// Withdrawals gives "this change withdraws 2 ipv4 unicast routes of router bgp 65000 from 192.0.2.1: 10.0.0.0/8, 10.1.0.0/16",
// or "" where it withdraws none.
func (r Routes) Withdrawals() string {
	if len(r.Withdrawn) == 0 {
		return ""
	}
	return fmt.Sprintf("this change withdraws %d %s routes of %s from %s: %s", len(r.Withdrawn), r.Family, r.Router, few(r.Neighbors), few(r.Withdrawn))
}

// few gives the first of some names, and how many more there are.
func few[T any](names []T) string {
	const most = 3
	var texts []string
	for _, n := range names[:min(most, len(names))] {
		texts = append(texts, fmt.Sprint(n))
	}
	if more := len(names) - most; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, ", ")
}

// Foresee gives what change, the difference between running and wanted, does to the neighbors of an FRR of this version; ""
// stands for the newest.
//
// It looks at each line of the change, once at FRR's objects and at the statements of the address families that change, and
// allocates for what changes only; where a neighbor gets another outbound policy, it goes through all routes as FRR does.
func Foresee(version string, running, wanted Tree, change Change) Foresight {
	f := Foresight{}
	if change.Empty() {
		return f
	}
	if change.touchesSessions() {
		f.Resets = Resets(version, running, wanted)
	}
	s := seer{f: &f, before: objectsOf(running), after: objectsOf(wanted)}
	for _, old := range running {
		if !isRouter(old) {
			continue
		}
		if i := slices.IndexFunc(wanted, func(w *Statement) bool { return w.Text == old.Text }); i >= 0 {
			s.routers = append(s.routers, pair{running: old, wanted: wanted[i]})
		}
	}
	s.read(change)
	return f
}

// seer is the state of Foresee.
type seer struct {
	f             *Foresight
	before, after objects
	// routers are those that stay.
	routers []pair
}

// read goes through the lines of a change.
func (s *seer) read(change Change) {
	var router *pair
	var family *familyChange
	edited := map[string]bool{}
	for i, line := range change.lines {
		text := strings.TrimLeft(line, " ")
		statement := strings.TrimPrefix(text, "no ")
		switch len(line) - len(text) {
		case 0:
			router = nil
			if at := slices.IndexFunc(s.routers, func(p pair) bool { return p.wanted.Text == text }); at >= 0 {
				router = &s.routers[at]
			} else if name := policyOf(statement); name != "" && !edited[name] && s.before.has(name) && s.after.has(name) {
				edited[name] = true
				s.edited(name)
			}
		case 1:
			switch {
			case router == nil:
			case text == "exit-address-family" && family != nil:
				s.routes(family)
				family = nil
			case strings.HasPrefix(text, "address-family "):
				family = s.family(router, text)
			}
		case 2:
			if router == nil || family == nil {
				continue
			}
			if strings.HasPrefix(statement, "network ") {
				family.networks = append(family.networks, network{line: text, was: change.was[i]})
			} else {
				s.policy(family, statement)
			}
		}
	}
}

// familyChange is one address family of a router that stays.
type familyChange struct {
	router, name    string
	running, wanted Tree
	// sessions are the neighbors whose sessions stay, with their policies; networks are the statements that change.
	sessions []session
	networks []network
}

// session is a neighbor in an address family, and its outbound route-maps before and after; "" means none.
type session struct {
	neighbor      string
	before, after string
}

// network is the line of a change that is about a network, and the statement that it takes back or replaces, or "".
type network struct{ line, was string }

// family gives an address family that changes.
func (s *seer) family(router *pair, text string) *familyChange {
	f := &familyChange{
		router: router.wanted.Text, name: strings.TrimPrefix(text, "address-family "),
		running: family{text}.contents(router.running), wanted: family{text}.contents(router.wanted),
	}
	before := outbound(f.running)
	resets := s.f.Resets
	for _, after := range outbound(f.wanted) {
		i := slices.IndexFunc(before, func(o session) bool { return o.neighbor == after.neighbor })
		if i < 0 || slices.ContainsFunc(resets, func(r Reset) bool { return r.Router == f.router && r.Neighbor == after.neighbor && !r.May }) {
			continue
		}
		f.sessions = append(f.sessions, session{neighbor: after.neighbor, before: before[i].after, after: after.after})
	}
	return f
}

// outbound gives the neighbors that are activated in an address family, each with its outbound route-map in after.
func outbound(family Tree) []session {
	var sessions []session
	maps := map[string]string{}
	for _, s := range family {
		n := neighborOf(s.Text)
		if n == "" {
			continue
		}
		setting := s.Text[len("neighbor ")+len(n):]
		switch {
		case setting == " activate":
			sessions = append(sessions, session{neighbor: n})
		case strings.HasPrefix(setting, " route-map ") && strings.HasSuffix(setting, " out"):
			maps[n] = strings.Fields(setting)[1]
		}
	}
	for i := range sessions {
		sessions[i].after = maps[sessions[i].neighbor]
	}
	return sessions
}

// reevaluated are the settings of a neighbor in an address family whose change has FRR evaluate a policy again at once; the
// value says that it is the inbound one.
func reevaluated(setting string) (cause string, inbound, ok bool) {
	words := strings.Fields(setting)
	if len(words) == 0 {
		return "", false, false
	}
	switch words[0] {
	case "route-map", "prefix-list", "filter-list", "distribute-list":
		direction := words[len(words)-1]
		return words[0] + " " + direction, direction == "in", true
	case "next-hop-self", "attribute-unchanged", "maximum-prefix-out":
		return words[0], false, true
	case "allowas-in":
		return words[0], true, true
	}
	return "", false, false
}

// policy takes up a statement of an address family that comes, goes or changes.
func (s *seer) policy(f *familyChange, statement string) {
	n := neighborOf(statement)
	if n == "" || !slices.ContainsFunc(f.sessions, func(o session) bool { return o.neighbor == n }) {
		return
	}
	if cause, inbound, ok := reevaluated(statement[len("neighbor ")+len(n):]); ok {
		s.add(Policy{Router: f.router, Family: f.name, Inbound: inbound, Cause: "neighbor " + cause}, n)
	}
}

// add adds a neighbor to a policy that is evaluated again.
func (s *seer) add(p Policy, neighbor string) {
	for i := range s.f.Policies {
		o := &s.f.Policies[i]
		if o.Router == p.Router && o.Family == p.Family && o.Inbound == p.Inbound && o.Cause == p.Cause && o.Delayed == p.Delayed {
			if !slices.Contains(o.Neighbors, neighbor) {
				o.Neighbors = append(o.Neighbors, neighbor)
			}
			return
		}
	}
	p.Neighbors = []string{neighbor}
	s.f.Policies = append(s.f.Policies, p)
}

// edited finds the neighbors whose policy uses an object that is edited in place.
func (s *seer) edited(object string) {
	uses := func(routeMap string) bool {
		return object == "route-map "+routeMap || slices.ContainsFunc(s.after.maps[routeMap], func(entry *Statement) bool {
			return slices.ContainsFunc(entry.Children, func(c *Statement) bool { return slices.Contains(strings.Fields(c.Text), lastWord(object)) })
		})
	}
	for _, router := range s.routers {
		for _, family := range router.wanted.Children {
			if !isFamily(family) {
				continue
			}
			f := s.family(&router, family.Text)
			for _, c := range family.Children {
				n := neighborOf(c.Text)
				words := strings.Fields(c.Text)
				if n == "" || len(words) != 5 || words[2] != "route-map" || !uses(words[3]) {
					continue
				}
				if slices.ContainsFunc(f.sessions, func(o session) bool { return o.neighbor == n }) {
					s.add(Policy{Router: f.router, Family: f.name, Inbound: words[4] == "in", Cause: object, Delayed: true}, n)
				}
			}
		}
	}
}

// routes takes up what the networks that change are to each neighbor.
func (s *seer) routes(f *familyChange) {
	done := map[session]bool{}
	for _, one := range f.sessions {
		class := session{before: one.before, after: one.after}
		if done[class] {
			continue
		}
		done[class] = true
		r := Routes{Router: f.router, Family: f.name}
		for _, o := range f.sessions {
			if o.before == one.before && o.after == one.after {
				r.Neighbors = append(r.Neighbors, o.neighbor)
			}
		}
		v := view{before: s.before.told(one.before), after: s.after.told(one.after)}
		networks := f.networks
		if one.before != one.after {
			networks = f.all()
		}
		for _, n := range networks {
			r.add(n, v, one.before != one.after)
		}
		if len(r.Announced)+len(r.Replaced)+len(r.Withdrawn) > 0 {
			s.f.Routes = append(s.f.Routes, r)
		}
	}
}

// all gives the networks of an address family, those that stay as replaced by themselves.
func (f *familyChange) all() []network {
	var all []network
	changed := map[string]bool{}
	for _, n := range f.networks {
		changed[prefixOf(n.line)] = true
		all = append(all, n)
	}
	for _, s := range f.wanted {
		if strings.HasPrefix(s.Text, "network ") && !changed[prefixOf(s.Text)] {
			all = append(all, network{line: s.Text, was: s.Text})
		}
	}
	return all
}

// prefixOf gives the prefix of "network P route-map G" or "no network P".
func prefixOf(line string) string {
	prefix, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(line, "no "), "network "), " ")
	return prefix
}

// add puts a network where it belongs for the neighbors of v. Where the policy is another one, all that stays is sent again,
// and only what comes or goes is told here.
func (r *Routes) add(n network, v view, resent bool) {
	prefix, err := netip.ParsePrefix(prefixOf(n.line))
	if err != nil {
		return
	}
	before, wasTold := "", false
	if n.was != "" {
		before, wasTold = v.before(groupOf(n.was))
	}
	after, isTold := "", false
	if !strings.HasPrefix(n.line, "no ") {
		after, isTold = v.after(groupOf(n.line))
	}
	switch {
	case wasTold && !isTold:
		r.Withdrawn = append(r.Withdrawn, prefix)
	case isTold && !wasTold:
		r.Announced = append(r.Announced, prefix)
	case isTold && before != after && !resent:
		r.Replaced = append(r.Replaced, prefix)
	}
}

// groupOf gives the route-map of a network's statement, or "".
func groupOf(statement string) string {
	_, group, _ := strings.Cut(statement, " route-map ")
	return group
}

// view says what the neighbors of one policy are told of a group before and after: its attributes, and whether at all.
type view struct {
	before, after func(group string) (attributes string, told bool)
}

// objects are the route-maps and lists of a configuration.
type objects struct {
	maps  map[string][]*Statement
	lists map[string][]string
}

func objectsOf(t Tree) objects {
	o := objects{maps: map[string][]*Statement{}, lists: map[string][]string{}}
	for _, s := range t {
		object := policyOf(s.Text)
		name := lastWord(object)
		switch {
		case object == "":
		case isRouteMap(s):
			o.maps[name] = append(o.maps[name], s)
		default:
			o.lists[object] = append(o.lists[object], s.Text)
		}
	}
	return o
}

// policyOf gives "route-map NAME", "bgp large-community-list standard NAME" and the like of a statement at the top of a
// configuration, or "" where it belongs to none of these.
func policyOf(text string) string {
	words := strings.Fields(text)
	switch n := listWords(text); {
	case n > 0 && len(words) >= n:
		return strings.Join(words[:n-2], " ")
	case n == 0 && len(words) == 4 && words[0] == "route-map":
		return "route-map " + words[1]
	}
	return ""
}

// lastWord gives the name at the end of an object.
func lastWord(object string) string { return object[strings.LastIndexByte(object, ' ')+1:] }

// has reports whether there is such an object.
func (o objects) has(object string) bool {
	if name, ok := strings.CutPrefix(object, "route-map "); ok {
		return len(o.maps[name]) > 0
	}
	return len(o.lists[object]) > 0
}

// told gives what an outbound route-map makes of a group: the attributes that the neighbor sees, and whether it sees any. Each
// group is looked at once. No route-map permits everything.
func (o objects) told(routeMap string) func(group string) (string, bool) {
	type answer struct {
		attributes string
		told       bool
	}
	known := map[string]answer{}
	return func(group string) (string, bool) {
		a, ok := known[group]
		if !ok {
			a.attributes, a.told = o.evaluate(routeMap, group)
			known[group] = a
		}
		return a.attributes, a.told
	}
}

// evaluate takes a group through a route-map, as far as render writes them: entries that match a list of markers, or all. What
// else an operator matches is taken to match.
func (o objects) evaluate(routeMap, group string) (attributes string, told bool) {
	var large, sets []string
	for _, entry := range o.maps[group] {
		for _, c := range entry.Children {
			if communities, ok := strings.CutPrefix(c.Text, "set large-community "); ok {
				large = append(large, strings.Fields(communities)...)
			} else {
				sets = append(sets, c.Text)
			}
		}
	}
	if routeMap == "" {
		return strings.Join(append(sets, large...), "\n"), true
	}
	for _, entry := range o.maps[routeMap] {
		if !o.matches(entry, large) {
			continue
		}
		for _, c := range entry.Children {
			if rest, ok := strings.CutPrefix(c.Text, "set large-comm-list "); ok {
				list, _, _ := strings.Cut(rest, " ")
				large = slices.DeleteFunc(large, o.markers(list))
			}
		}
		return strings.Join(append(sets, large...), "\n"), strings.Fields(entry.Text)[2] == "permit"
	}
	return "", false
}

// matches reports whether an entry of a route-map matches a route with these large communities.
func (o objects) matches(entry *Statement, large []string) bool {
	for _, c := range entry.Children {
		list, ok := strings.CutPrefix(c.Text, "match large-community ")
		if !ok {
			continue
		}
		if !slices.ContainsFunc(o.lists["bgp large-community-list standard "+list], func(text string) bool {
			_, permitted, _ := strings.Cut(text, " permit ")
			return slices.Contains(large, permitted)
		}) {
			return false
		}
	}
	return true
}

// markers reports of a large community whether an expanded list matches it.
func (o objects) markers(list string) func(community string) bool {
	var patterns []*regexp.Regexp
	for _, text := range o.lists["bgp large-community-list expanded "+list] {
		_, pattern, _ := strings.Cut(text, " permit ")
		if p, err := regexp.Compile(pattern); err == nil {
			patterns = append(patterns, p)
		}
	}
	return func(community string) bool {
		return slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return p.MatchString(community) })
	}
}
