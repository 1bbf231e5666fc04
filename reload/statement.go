package reload

import "strings"

// What FRR's own commands do to one another, as far as render writes them: which statement takes the place of which, and
// how each is taken back.

func isRouter(s *Statement) bool   { return strings.HasPrefix(s.Text, "router bgp ") }
func isRouteMap(s *Statement) bool { return strings.HasPrefix(s.Text, "route-map ") }
func isList(s *Statement) bool     { return strings.HasPrefix(s.Text, "bgp large-community-list ") }
func isFamily(s *Statement) bool   { return strings.HasPrefix(s.Text, "address-family ") }

// topKey gives the identity of a statement at the top of a configuration. There is one default router and one of each view,
// whatever its AS; an entry of a route-map is known by its sequence number, permit or deny; and so is one of a list.
func topKey(s *Statement) string {
	words := strings.Fields(s.Text)
	switch {
	case isRouter(s) && len(words) >= 3:
		return "router bgp " + strings.Join(words[3:], " ")
	case isRouteMap(s) && len(words) == 4:
		return "route-map " + words[1] + " " + words[3]
	case isList(s) && len(words) >= 6:
		return strings.Join(words[:6], " ")
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
	"remote-as", "password", "port", "ebgp-multihop", "timers connect", "timers",
}

// childKey gives the identity of a statement inside a router or an address family.
func childKey(s *Statement) string {
	switch {
	case strings.HasPrefix(s.Text, "network "):
		prefix, _, _ := strings.Cut(s.Text[len("network "):], " ")
		return "network " + prefix
	case strings.HasPrefix(s.Text, "neighbor "):
		return neighborKey(s.Text)
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

// neighborOf gives the address of a neighbor's statement, or "" of any other.
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
	return n != "" && strings.HasPrefix(text, "neighbor "+n+" remote-as ")
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
