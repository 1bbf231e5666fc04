package reload

import "strings"

// What FRR's own commands do to one another, as far as render writes them: which statement takes the place of which, and
// how each is taken back.

func isRouter(s *Statement) bool   { return strings.HasPrefix(s.Text, "router bgp ") }
func isRouteMap(s *Statement) bool { return strings.HasPrefix(s.Text, "route-map ") }
func isProfile(s *Statement) bool  { return strings.HasPrefix(s.Text, "profile ") }
func isTableMap(s *Statement) bool { return strings.HasPrefix(s.Text, "table-map ") }
func isFamily(s *Statement) bool   { return strings.HasPrefix(s.Text, "address-family ") }

// isList reports whether a statement is an entry of a list that a route-map can match.
func isList(s *Statement) bool { return listWords(s.Text) > 0 }

// listWords gives how many words of an entry of a list say which entry it is, its name and its sequence number last; 0 means
// that it is none.
func listWords(text string) int {
	for prefix, words := range map[string]int{
		"bgp large-community-list ": 6, "bgp as-path access-list ": 6, "ip prefix-list ": 5, "ipv6 prefix-list ": 5,
	} {
		if strings.HasPrefix(text, prefix) {
			return words
		}
	}
	return 0
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
}

// singleValuedNeighbor are the same for what stands behind "neighbor ADDRESS". The longer of two comes first.
var singleValuedNeighbor = []string{
	"remote-as", "interface", "local-as", "description", "bfd profile", "password", "port", "ebgp-multihop", "ttl-security hops",
	"update-source", "timers connect", "timers", "maximum-prefix-out", "maximum-prefix", "allowas-in",
}

// childKey gives the identity of a statement inside a router or an address family.
func childKey(s *Statement) string {
	switch {
	case strings.HasPrefix(s.Text, "network "):
		prefix, _, _ := strings.Cut(s.Text[len("network "):], " ")
		return "network " + prefix
	case strings.HasPrefix(s.Text, "neighbor "):
		return neighborKey(s.Text)
	case strings.HasPrefix(s.Text, "table-map "):
		return "table-map"
	case strings.HasPrefix(s.Text, "bgp "):
		for _, words := range singleValued {
			if strings.HasPrefix(s.Text, words+" ") {
				return words
			}
		}
	}
	return s.Text
}

func neighborKey(text string) string {
	neighbor := neighborOf(text)
	setting := strings.TrimPrefix(text, "neighbor "+neighbor+" ")
	for _, words := range singleValuedNeighbor {
		if setting == words || strings.HasPrefix(setting, words+" ") {
			return "neighbor " + neighbor + " " + words
		}
	}
	// "route-map NAME in": one for each direction.
	if words := strings.Fields(setting); len(words) == 3 && words[0] == "route-map" {
		return "neighbor " + neighbor + " route-map " + words[2]
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

// isRemoteAS reports whether a statement is the one that makes a neighbor exist.
func isRemoteAS(text string) bool {
	n := neighborOf(text)
	setting, ok := strings.CutPrefix(text, "neighbor "+n+" ")
	return ok && n != "" && (strings.HasPrefix(setting, "remote-as ") || strings.HasPrefix(setting, "interface "))
}

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
	if strings.HasPrefix(text, "network ") {
		prefix, _, _ := strings.Cut(text[len("network "):], " ")
		return "no network " + prefix
	}
	return "no " + text
}
