package reload

import (
	"slices"
	"strings"
)

// What FRR's own commands do to one another, as far as render writes them: which statement takes the place of which, and
// how each is taken back.

func isRouter(s *Statement) bool   { return strings.HasPrefix(s.Text, "router bgp ") }
func isRouteMap(s *Statement) bool { return strings.HasPrefix(s.Text, "route-map ") }
func isProfile(s *Statement) bool  { return strings.HasPrefix(s.Text, "profile ") }
func isTableMap(s *Statement) bool { return strings.HasPrefix(s.Text, "table-map ") }
func isDelay(s *Statement) bool    { return s.Text == delayTimer }
func isFamily(s *Statement) bool   { return strings.HasPrefix(s.Text, "address-family ") }

// delayTimer is what render writes of FRR's route-map delay timer, and all that is ours of it: another value is an operator's own.
// delayTimers begins the statement with any value.
const (
	delayTimer  = delayTimers + "1"
	delayTimers = "bgp route-map delay-timer "
)

// opensContext reports whether a statement has others inside it. One that it does not know and that has some does too, but is
// then known only by them.
func opensContext(s *Statement) bool {
	if s.Text == "bfd" || isRouter(s) || isRouteMap(s) || isProfile(s) || isFamily(s) {
		return true
	}
	for _, words := range []string{"bmp targets ", "segment-routing srv6", "vni ", "vrf-policy "} {
		if strings.HasPrefix(s.Text, words) {
			return true
		}
	}
	return false
}

// byContents reports whether a context is there as far as something is in it, and goes statement by statement. Every router has its
// address families. FRR 10.7 keeps "no srv6-only" of a segment routing that is removed whole.
func byContents(s *Statement) bool {
	return isFamily(s) || strings.HasPrefix(s.Text, "segment-routing ")
}

// isList reports whether a statement is an entry of a list that a route-map or a neighbor can name.
func isList(s *Statement) bool { return listWords(s.Text) > 0 }

// listWords gives how many words of an entry of a list say which entry it is, its name and its sequence number last; 0 means
// that it is none.
func listWords(text string) int {
	for _, kind := range []struct {
		words string
		count int
	}{
		{"bgp large-community-list ", 6}, {"bgp community-list ", 6}, {"bgp extcommunity-list ", 6}, {"bgp as-path access-list ", 6},
		{"ip prefix-list ", 5}, {"ipv6 prefix-list ", 5}, {"ipv6 access-list ", 5}, {"access-list ", 4},
	} {
		if strings.HasPrefix(text, kind.words) {
			return kind.count
		}
	}
	return 0
}

// entry is what an entry of a list says, without its number.
type entry struct {
	// list is the list that it belongs to. FRR knows one of a name, be it standard or expanded: that is its sort, "" where there
	// are no two.
	list, sort, content string
}

func entryOf(text string) entry {
	words, n := strings.Fields(text), listWords(text)
	if n == 0 || len(words) < n {
		return entry{list: text}
	}
	kind, e := words[:n-3], entry{content: strings.Join(words[n:], " ")}
	if strings.HasSuffix(words[1], "community-list") {
		kind, e.sort = words[:2], words[2]
	}
	e.list = strings.Join(kind, " ") + " " + words[n-3]
	return e
}

// topKey gives the identity of a statement at the top of a configuration. There is one default router and one of each view
// and VRF, whatever its AS; an entry of a route-map is known by its sequence number, permit or deny; and so is one of a list.
func topKey(s *Statement) string {
	words := strings.Fields(s.Text)
	switch {
	case isRouter(s) && len(words) >= 3:
		return "router bgp " + strings.Join(words[3:], " ")
	case isRouteMap(s) && len(words) == 4:
		return "route-map " + words[1] + " " + words[3]
	}
	if n := listWords(s.Text); n > 0 && len(words) >= n {
		if words[n-2] != "seq" {
			// "description TEXT": one for each list.
			n--
		}
		return strings.Join(words[:n], " ")
	}
	return s.Text
}

// singleValued are the statements of a router that hold one value: another value of the same statement replaces it. The
// value is what stands behind these words.
var singleValued = []string{
	"bgp router-id",
	"bgp cluster-id",
	"bgp graceful-restart stalepath-time",
	"bgp graceful-restart restart-time",
	"bgp graceful-restart select-defer-time",
	"coalesce-time",
}

// singleValuedNeighbor are the same for what stands behind "neighbor ADDRESS". The longer of two comes first.
var singleValuedNeighbor = []string{
	"remote-as", "interface", "local-as", "description", "bfd profile", "password", "port", "ebgp-multihop", "ttl-security hops",
	"update-source", "timers connect", "timers delayopen", "timers", "maximum-prefix-out", "maximum-prefix", "allowas-in", "weight",
	"advertisement-interval", "tcp-mss", "unsuppress-map", "attribute-unchanged",
	"path-attribute discard", "path-attribute treat-as-withdraw",
}

// oneOfEntry are the statements of an entry of a route-map that there is one of: FRR takes none of them back by its value.
var oneOfEntry = []string{"description", "call", "on-match goto"}

// directed are those of which there is one for each direction, "in" and "out", which comes last.
var directed = []string{"route-map", "prefix-list", "distribute-list", "filter-list"}

// childKey gives the identity of a statement inside a router or an address family.
func childKey(s *Statement) string {
	switch {
	case strings.HasPrefix(s.Text, "network "):
		if strings.Contains(s.Text, " rd ") {
			return s.Text
		}
		prefix, _, _ := strings.Cut(s.Text[len("network "):], " ")
		return s.Text[:len("network ")+len(prefix)]
	case strings.HasPrefix(s.Text, "neighbor "):
		return neighborKey(s.Text)
	case strings.HasPrefix(s.Text, "table-map "):
		return "table-map"
	case strings.HasPrefix(s.Text, "bmp "):
		return bmpKey(s.Text)
	}
	for _, kinds := range [][]string{singleValued, oneOfEntry} {
		for _, words := range kinds {
			if strings.HasPrefix(s.Text, words+" ") {
				return words
			}
		}
	}
	return s.Text
}

// bmpKey gives the identity of a statement about a BMP station. One is known by its address and port, whatever its times.
func bmpKey(text string) string {
	const connect, interval = "bmp connect ADDRESS port PORT", "bmp stats interval"
	words := strings.Fields(text)
	switch n := strings.Count(connect, " ") + 1; {
	case strings.HasPrefix(text, interval+" "):
		return interval
	case len(words) > n && words[1] == "connect":
		return strings.Join(words[:n], " ")
	}
	return text
}

// labelOf gives the label of a network, which FRR does not change in place; "" of one without, and of any other statement.
func labelOf(text string) string {
	if !strings.HasPrefix(text, "network ") {
		return ""
	}
	_, label, _ := strings.Cut(text, " label-index ")
	return label
}

// isDistance reports whether a statement gives the routes of some neighbors their distance. All routers of FRR share these, and
// each writes them: taken back in one, they are gone in all.
func isDistance(text string) bool {
	return strings.HasPrefix(text, "distance ") && !strings.HasPrefix(text, "distance bgp ")
}

func neighborKey(text string) string {
	neighbor := neighborOf(text)
	setting := strings.TrimPrefix(text, "neighbor "+neighbor+" ")
	for _, words := range singleValuedNeighbor {
		if setting == words || strings.HasPrefix(setting, words+" ") {
			return "neighbor " + neighbor + " " + words
		}
	}
	if words := strings.Fields(setting); len(words) == 3 && slices.Contains(directed, words[0]) {
		return "neighbor " + neighbor + " " + words[0] + " " + words[2]
	}
	return text
}

// neighborOf gives the address or the interface of a neighbor's statement, or "" of any other.
func neighborOf(text string) string {
	rest, ok := strings.CutPrefix(text, "neighbor ")
	if !ok {
		return ""
	}
	address, _, _ := strings.Cut(rest, " ")
	return address
}

// isRemoteAS reports whether a statement is the one that makes a neighbor of its own, outside of any group, exist.
func isRemoteAS(text string) bool {
	made := makes(text)
	return made != "" && !strings.HasPrefix(made, peerGroup)
}

// peerGroup is the statement that makes a peer group, and begins the one that makes a neighbor a member of it.
const peerGroup = "peer-group"

// makes gives what a statement that has a neighbor exist says of it: its AS, its interface, the group that it is a member of, or
// that it is a peer group itself ("peer-group"). It is "" of any other.
func makes(text string) string {
	n := neighborOf(text)
	setting, ok := strings.CutPrefix(text, "neighbor "+n+" ")
	if !ok || n == "" {
		return ""
	}
	word, _, _ := strings.Cut(setting, " ")
	if word == "remote-as" || word == "interface" || word == peerGroup {
		return setting
	}
	return ""
}

// isBFD reports whether a statement turns BFD on for a neighbor.
func isBFD(text string) bool { n := neighborOf(text); return n != "" && text == "neighbor "+n+" bfd" }

// removeRouter gives the statement that removes a router. A view is removed under the name of a VRF: FRR 10.3 finds no
// instance by "no router bgp ASN view NAME", and all versions take this.
func removeRouter(text string) string { return "no " + strings.Replace(text, " view ", " vrf ", 1) }

// negate gives the statement that takes text back. A password is taken back without being named.
func negate(text string) string {
	if positive, ok := strings.CutPrefix(text, "no "); ok {
		return positive
	}
	if at := strings.Index(text, " password "); at >= 0 {
		text = text[:at] + " password"
	}
	// FRR takes no more than one of the values that it writes.
	const discard = "path-attribute discard"
	if n := neighborOf(text); n != "" && strings.HasPrefix(text, "neighbor "+n+" "+discard+" ") {
		return "no neighbor " + n + " " + discard
	}
	// Of a route-map, which has one of each.
	for _, word := range oneOfEntry {
		if strings.HasPrefix(text, word+" ") {
			return "no " + word
		}
	}
	if rest, ok := strings.CutPrefix(text, "network "); ok && !strings.Contains(text, " rd ") {
		prefix, _, _ := strings.Cut(rest, " ")
		return "no network " + prefix
	}
	return "no " + text
}
