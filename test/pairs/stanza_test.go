package pairs

import (
	"fmt"
	"slices"
	"strings"
)

// setting is a statement of an operator's own with the values it can have, as running-config writes them: one that FRR writes
// in another way, or not at all, Fairlead refuses. 0 stands for FRR 8, 10 for FRR 10: from is the first version that has it,
// to the last one.
type setting struct {
	values   []string
	from, to string
}

// routerSettings stand inside router bgp.
var routerSettings = []setting{
	{values: []string{"bgp bestpath as-path ignore", "bgp bestpath as-path confed", "bgp bestpath as-path multipath-relax", "bgp bestpath as-path multipath-relax as-set"}},
	{values: []string{"bgp bestpath compare-routerid"}},
	{values: []string{"bgp bestpath med confed", "bgp bestpath med missing-as-worst", "bgp bestpath med confed missing-as-worst"}},
	{values: []string{"bgp bestpath bandwidth ignore", "bgp bestpath bandwidth skip-missing", "bgp bestpath bandwidth default-weight-for-missing"}},
	{values: []string{"bgp bestpath peer-type multipath-relax"}},
	{values: []string{"bgp always-compare-med"}},
	{values: []string{"bgp deterministic-med"}},
	{values: []string{"no bgp client-to-client reflection"}},
	{values: []string{"no bgp fast-external-failover"}},
	{values: []string{"no bgp suppress-duplicates"}},
	{values: []string{"no bgp ebgp-requires-policy"}},
	{values: []string{"no bgp hard-administrative-reset"}},
	{values: []string{"no bgp graceful-restart notification"}},
	{values: []string{"bgp confederation identifier 65300", "bgp confederation identifier 65301"}},
	{values: []string{"bgp confederation peers 65310 65311", "bgp confederation peers 65310", "bgp confederation peers 65312"}},
	{values: []string{"bgp default local-preference 200", "bgp default local-preference 300"}},
	{values: []string{"bgp default subgroup-pkt-queue-max 50", "bgp default subgroup-pkt-queue-max 60"}},
	{values: []string{"bgp default show-hostname"}},
	{values: []string{"bgp default show-nexthop-hostname"}},
	{values: []string{"bgp log-neighbor-changes"}},
	{values: []string{"bgp graceful-shutdown"}},
	{values: []string{"bgp shutdown"}},
	{values: []string{"bgp disable-ebgp-connected-route-check"}},
	{values: []string{"bgp fast-convergence"}},
	{values: []string{"bgp allow-martian-nexthop"}},
	{values: []string{"bgp listen limit 200", "bgp listen limit 300"}},
	{values: []string{"bgp max-med on-startup 60", "bgp max-med on-startup 60 5", "bgp max-med on-startup 90 7"}},
	{values: []string{"bgp max-med administrative", "bgp max-med administrative 5"}},
	{values: []string{"bgp minimum-holdtime 3", "bgp minimum-holdtime 4"}},
	{values: []string{"bgp tcp-keepalive 10 11 12", "bgp tcp-keepalive 20 11 12"}, from: "10"},
	{values: []string{"bgp conditional-advertisement timer 10", "bgp conditional-advertisement timer 20"}},
	{values: []string{"bgp suppress-fib-pending"}},
	{values: []string{"bgp graceful-restart", "bgp graceful-restart-disable"}},
	{values: []string{"bgp graceful-restart rib-stale-time 100", "bgp graceful-restart rib-stale-time 200"}},
	{values: []string{"bgp long-lived-graceful-restart stale-time 100", "bgp long-lived-graceful-restart stale-time 200"}},
	{values: []string{"bgp labeled-unicast explicit-null", "bgp labeled-unicast ipv4-explicit-null", "bgp labeled-unicast ipv6-explicit-null"}},
	{values: []string{"coalesce-time 300", "coalesce-time 600"}},
	{values: []string{"read-quanta 5", "read-quanta 6"}},
	{values: []string{"write-quanta 32", "write-quanta 33"}},
	{values: []string{"update-delay 10", "update-delay 20 10"}},
	{values: []string{"timers bgp 5 15", "timers bgp 6 18"}},
	{values: []string{"bgp reject-as-sets"}, to: "10.3"},
	{values: []string{"no bgp reject-as-sets"}, from: "10.7"},
	{values: []string{"bgp bestpath aigp"}, from: "10"},
	{values: []string{"bgp default dynamic-capability"}, from: "10"},
	{values: []string{"bgp default software-version-capability"}, from: "10"},
	{values: []string{"bgp default-originate timer 10", "bgp default-originate timer 20"}, from: "10"},
	{values: []string{"no bgp enforce-first-as"}, from: "10"},
	{values: []string{"no bgp ipv6-auto-ra"}, from: "10"},
	{values: []string{"segment-routing srv6\n  locator one\n exit", "segment-routing srv6\n  locator two\n exit"}},
	{values: []string{"bmp targets OWN\n  bmp stats interval 60000\n  bmp monitor ipv4 unicast pre-policy\n  bmp connect 192.0.2.9 port 5000 min-retry 1000 max-retry 2000\n exit",
		"bmp targets OWN\n  bmp stats interval 30000\n  bmp monitor ipv4 unicast post-policy\n  bmp connect 192.0.2.9 port 5000 min-retry 1000 max-retry 3000\n exit",
		"bmp targets OTHER\n  bmp mirror\n  bmp connect 2001:db8::9 port 5000 min-retry 1000 max-retry 2000\n  bmp listener 192.0.2.1 port 5001\n exit"}},
	{values: []string{"bmp mirror buffer-limit 100000", "bmp mirror buffer-limit 200000"}},
	{values: []string{"address-family ipv4 multicast\n  network 10.99.0.0/16\n exit-address-family", "address-family ipv4 multicast\n  network 10.98.0.0/16\n  distance bgp 30 40 50\n exit-address-family"}},
	{values: []string{"address-family l2vpn evpn\n  advertise-all-vni\n exit-address-family", "address-family l2vpn evpn\n  advertise-all-vni\n  advertise-svi-ip\n exit-address-family"}},
}

// sessionSettings stand inside router bgp behind "neighbor ADDRESS".
var sessionSettings = []setting{
	{values: []string{"advertisement-interval 5", "advertisement-interval 6"}},
	{values: []string{"capability dynamic"}},
	{values: []string{"disable-connected-check"}},
	{values: []string{"dont-capability-negotiate"}},
	{values: []string{"override-capability"}},
	{values: []string{"strict-capability-match"}},
	{values: []string{"shutdown", "shutdown message down for work", "shutdown message again", "shutdown rtt 100 count 5"}},
	{values: []string{"solo"}},
	{values: []string{"tcp-mss 1000", "tcp-mss 1100"}},
	{values: []string{"timers delayopen 5", "timers delayopen 6"}},
	{values: []string{"sender-as-path-loop-detection"}},
	{values: []string{"local-role customer", "local-role provider", "local-role peer strict-mode", "local-role peer"}},
	{values: []string{"extended-optional-parameters"}},
	{values: []string{"disable-link-bw-encoding-ieee"}},
	{values: []string{"graceful-restart-helper", "graceful-restart-disable"}},
	{values: []string{"bfd\n neighbor {ID} bfd check-control-plane-failure", "bfd\n neighbor {ID} bfd profile FL-OWN"}},
	{values: []string{"update-source lo", "update-source eth7"}},
	{values: []string{"interface eth5", "interface eth6"}},
	{values: []string{"peer-group PG1", "peer-group PG2"}},
	{values: []string{"timers 7 21"}},
	{values: []string{"description an operator's own words"}},
	{values: []string{"enforce-first-as"}, to: "8"},
	{values: []string{"aigp"}, from: "10"},
	{values: []string{"oad"}, from: "10"},
	{values: []string{"graceful-shutdown"}, from: "10"},
	{values: []string{"capability software-version"}, from: "10"},
	{values: []string{"extended-link-bandwidth"}, from: "10"},
	{values: []string{"path-attribute discard 26", "path-attribute discard 26 30"}, from: "10"},
	{values: []string{"path-attribute treat-as-withdraw 27", "path-attribute treat-as-withdraw 28"}, from: "10"},
}

// groupSettings stand behind "neighbor PG1" of a peer group.
var groupSettings = []setting{
	{values: []string{"remote-as 65400", "remote-as 65401", "remote-as external"}},
	{values: []string{"passive"}},
	{values: []string{"description a group"}},
	{values: []string{"timers connect 7"}},
	{values: []string{"advertisement-interval 8", "advertisement-interval 9"}},
	{values: []string{"capability dynamic"}},
	{values: []string{"password group"}},
}

// familySettings stand inside an address family; 4 and 6 in their braces are for the one of IPv4 and that of IPv6.
var familySettings = []setting{
	{values: []string{"redistribute connected", "redistribute connected metric 5", "redistribute connected route-map FL-OP1", "redistribute connected metric 6 route-map FL-OP2"}},
	{values: []string{"redistribute static", "redistribute static metric 0", "redistribute static route-map FL-OP1"}},
	{values: []string{"redistribute kernel metric 9"}},
	{values: []string{"aggregate-address {10.0.0.0/8|fd00::/16}", "aggregate-address {10.0.0.0/8|fd00::/16} as-set", "aggregate-address {10.0.0.0/8|fd00::/16} summary-only",
		"aggregate-address {10.0.0.0/8|fd00::/16} as-set summary-only", "aggregate-address {10.0.0.0/8|fd00::/16} route-map FL-OP1",
		"aggregate-address {10.0.0.0/8|fd00::/16} origin igp", "aggregate-address {10.0.0.0/8|fd00::/16} matching-MED-only",
		"aggregate-address {10.0.0.0/8|fd00::/16} suppress-map FL-OP2"}},
	{values: []string{"aggregate-address {10.64.0.0/10|fd40::/16} summary-only"}},
	{values: []string{"distance bgp 30 210 211", "distance bgp 31 210 211"}},
	{values: []string{"distance 50 {10.1.0.0/16|fd01::/16}", "distance 51 {10.1.0.0/16|fd01::/16}", "distance 51 {10.1.0.0/16|fd01::/16} FL-ACC{4|6}"}},
	{values: []string{"distance 60 {10.2.0.0/16|fd02::/16}"}},
	{values: []string{"maximum-paths 4", "maximum-paths 5"}},
	{values: []string{"maximum-paths ibgp 4", "maximum-paths ibgp 4 equal-cluster-length", "maximum-paths ibgp 5"}},
	{values: []string{"bgp dampening 20", "bgp dampening 10 700 2001 50", "bgp dampening"}},
	{values: []string{"network {192.0.2.128/25|2001:db8:1::/48}", "network {192.0.2.128/25|2001:db8:1::/48} route-map FL-OP1", "network {192.0.2.128/25|2001:db8:1::/48} route-map FL-OP2"}},
	{values: []string{"network {192.0.2.64/26 backdoor|2001:db8:2::/48}", "network {192.0.2.64/26|2001:db8:2::/48} label-index 5", "network {192.0.2.64/26|2001:db8:2::/48} label-index 6"}},
	{values: []string{"table-map FL-OP1", "table-map FL-OP2"}},
}

// exchangeSettings stand inside an address family behind "neighbor ADDRESS".
var exchangeSettings = []setting{
	{values: []string{"weight 5", "weight 6"}},
	{values: []string{"default-originate", "default-originate route-map FL-OP1", "default-originate route-map FL-OP2"}},
	{values: []string{"soft-reconfiguration inbound"}},
	{values: []string{"as-override"}},
	{values: []string{"remove-private-AS", "remove-private-AS all", "remove-private-AS replace-AS", "remove-private-AS all replace-AS"}},
	{values: []string{"filter-list FL-OA1 in", "filter-list FL-OA2 in"}},
	{values: []string{"filter-list FL-OA1 out"}},
	{values: []string{"prefix-list FL-OP{4|6} in", "prefix-list FL-OQ{4|6} in", "distribute-list FL-ACC{4|6} in"}},
	{values: []string{"prefix-list FL-OP{4|6} out", "distribute-list FL-ACC{4|6} out"}},
	{values: []string{"unsuppress-map FL-OP1", "unsuppress-map FL-OP2"}},
	{values: []string{"advertise-map FL-OP1 exist-map FL-OP2", "advertise-map FL-OP1 non-exist-map FL-OP2", "advertise-map FL-OP2 exist-map FL-OP1"}},
	{values: []string{"capability orf prefix-list send", "capability orf prefix-list receive", "capability orf prefix-list both"}},
	{values: []string{"addpath-tx-all-paths", "addpath-tx-bestpath-per-AS"}},
	{values: []string{"disable-addpath-rx"}},
	{values: []string{"route-server-client"}},
	{values: []string{"attribute-unchanged as-path", "attribute-unchanged as-path next-hop", "attribute-unchanged med", "attribute-unchanged as-path next-hop med"}},
	{values: []string{"maximum-prefix 100 80", "maximum-prefix 100 warning-only", "maximum-prefix 200 60 restart 5", "maximum-prefix 200 force"}},
	{values: []string{"allowas-in origin"}},
	{values: []string{"soo 65000:1", "soo 65000:2"}},
	{values: []string{"addpath-tx-best-selected 3", "addpath-tx-best-selected 4"}, from: "10"},
	{values: []string{"addpath-rx-paths-limit 3"}, from: "10"},
	{values: []string{"dampening 20", "dampening 21"}, from: "10"},
	{values: []string{"- send-community", "- send-community all"}},
	{values: []string{"- send-community extended"}},
	{values: []string{"- send-community large"}},
}

// objects are FRR's own at the top of frr.conf that an operator's templates may bring, each whole.
var objects = []setting{
	{values: []string{"route-map FL-OP1 permit 10\nexit", "route-map FL-OP1 deny 10\n match as-path FL-OA1\nexit",
		"route-map FL-OP1 permit 10\n match ip address prefix-list FL-OP4\n set metric 5\nexit\nroute-map FL-OP1 permit 20\n call FL-OP2\nexit",
		"route-map FL-OP1 permit 10\n description first\n match community FL-OC\n on-match next\n set local-preference 50\nexit\nroute-map FL-OP1 deny 30\nexit",
		"route-map FL-OP1 permit 10\n match metric 5\n match local-preference 7\n set weight 9\n set tag 5\nexit",
		"route-map FL-OP1 permit 10\n match ipv6 address FL-ACC6\n set large-community 1:2:3 additive\n set comm-list FL-OC delete\n set community 65000:9 additive\nexit"}},
	{values: []string{"route-map FL-OP2 permit 5\n set metric 6\n set origin incomplete\nexit", "route-map FL-OP2 permit 5\n set metric +6\n set as-path prepend 65000 65000\nexit",
		"route-map FL-OP2 permit 5\n match interface eth0\n match ip next-hop prefix-list FL-OP4\n set ip next-hop 10.0.0.9\n on-match goto 7\nexit\nroute-map FL-OP2 permit 7\n set community none\nexit",
		"route-map FL-OP2 permit 5\n match source-protocol static\n set extcommunity rt 1:2\n set ipv6 next-hop global fd00::7\nexit"}},
	{values: []string{"ip prefix-list FL-OP4 seq 5 permit 10.0.0.0/8 le 24", "ip prefix-list FL-OP4 seq 5 deny 10.0.0.0/8\nip prefix-list FL-OP4 seq 10 permit any",
		"ip prefix-list FL-OP4 seq 10 permit 0.0.0.0/0 ge 1", "ip prefix-list FL-OP4 description a list\nip prefix-list FL-OP4 seq 5 permit 10.0.0.0/8"}},
	{values: []string{"ip prefix-list FL-OQ4 seq 7 permit any"}},
	{values: []string{"ipv6 prefix-list FL-OP6 seq 5 permit fd00::/8 le 64", "ipv6 prefix-list FL-OP6 seq 5 permit any"}},
	{values: []string{"bgp as-path access-list FL-OA1 seq 5 permit ^65001_", "bgp as-path access-list FL-OA1 seq 5 deny _65002$\nbgp as-path access-list FL-OA1 seq 10 permit .*"}},
	{values: []string{"bgp as-path access-list FL-OA2 seq 5 deny ^$"}},
	{values: []string{"bgp community-list standard FL-OC seq 5 permit 65000:1 65000:2", "bgp community-list standard FL-OC seq 5 deny 65000:1\nbgp community-list standard FL-OC seq 10 permit no-export",
		"bgp community-list expanded FL-OC seq 5 permit 65000:.*"}},
	{values: []string{"bgp extcommunity-list standard FL-OE seq 5 permit rt 1:2", "bgp extcommunity-list expanded FL-OE seq 5 permit 1:.*"}},
	{values: []string{"bgp large-community-list standard FL-OL seq 5 permit 1:2:3", "bgp large-community-list standard FL-OL seq 5 permit 1:2:4\nbgp large-community-list standard FL-OL seq 6 deny 1:2:5"}},
	{values: []string{"access-list FL-ACC4 seq 5 permit 10.0.0.0/8", "access-list FL-ACC4 seq 5 deny 10.0.0.0/8 exact-match\naccess-list FL-ACC4 seq 10 permit any"}},
	{values: []string{"ipv6 access-list FL-ACC6 seq 5 permit fd00::/8", "ipv6 access-list FL-ACC6 seq 5 deny any"}},
	{values: []string{"bfd\n profile FL-OWN\n  detect-multiplier 9\n exit\n !\nexit", "bfd\n profile FL-OWN\n  passive-mode\n  echo-mode\n  minimum-ttl 10\n exit\n !\nexit",
		"bfd\n profile FL-OWN\n  echo transmit-interval 200\n  echo receive-interval 100\n exit\n !\nexit"}},
}

// has reports whether FRR of that version has it.
func (s setting) has(version string) bool {
	return (s.from == "" || !older(version, s.from)) && (s.to == "" || !older(s.to, version) || strings.HasPrefix(version, s.to))
}

// older compares versions by their numbers: 8.4.4 is older than 10.
func older(a, b string) bool {
	var x, y [2]int
	_, _ = fmt.Sscanf(a, "%d.%d", &x[0], &x[1])
	_, _ = fmt.Sscanf(b, "%d.%d", &y[0], &y[1])
	return slices.Compare(x[:], y[:]) < 0
}

// stanza gives s with a statement of the operator's own, or another value of one. What stands in a router or in an address family
// is either part of an override, or stands after the stanza, in a context that is opened again.
func (r thrower) stanza(s site) site {
	family := r.IntN(2)
	name := []string{"ipv4 unicast", "ipv6 unicast"}[family]
	inFamily := func(again bool, key, lines string) site {
		f := fact{of: ofStanza, name: insideFamily, key: name + " " + key, value: fmt.Sprintf("{{ if eq .Name %q }}\n%s{{ end }}", name, lines)}
		if again {
			f.name = "after-address-family.tmpl"
			f.value = fmt.Sprintf("{{ if eq .Name %q }}\n address-family {{ .Name }}\n%s exit-address-family\n{{ end }}", name, lines)
		}
		return s.with(f)
	}
	switch r.IntN(12) {
	case 0, 1:
		again, key, line := r.setting(routerSettings, family)
		if !again && !strings.Contains(line, "\n") {
			return s.with(fact{of: ofStanza, name: "before-address-family.tmpl", key: key, value: " " + line})
		}
		return s.with(fact{of: ofStanza, name: "after-router.tmpl", key: key, value: "{{ if not (or .View .VRF) }}\nrouter bgp {{ .ASN }}\n " + line + "\nexit\n{{ end }}"})
	case 2, 3:
		id := r.one(s.names(ofNeighbor)...)
		_, key, line := r.setting(sessionSettings, family)
		line = strings.ReplaceAll(line, "ID", "{{ .ID }}")
		return s.with(fact{of: ofStanza, name: "after-neighbor.tmpl", key: id + " " + key, value: fmt.Sprintf("{{ if eq .ID %q }}\n neighbor {{ .ID }} %s\n{{ end }}", id, line)})
	case 4:
		group := r.one(peerGroups()...)
		_, key, line := r.setting(groupSettings, family)
		s = s.with(fact{of: ofStanza, name: beforeNeighbor, key: group, value: " neighbor " + group + " peer-group"})
		if r.IntN(2) == 0 {
			return s
		}
		return s.with(fact{of: ofStanza, name: beforeNeighbor, key: group + " " + key, value: " neighbor " + group + " " + line})
	case 5, 6:
		again, key, line := r.setting(familySettings, family)
		return inFamily(again, key, "  "+line+"\n")
	case 7, 8, 9:
		id := r.one(s.names(ofNeighbor)...)
		again, key, line := r.setting(exchangeSettings, family)
		line, no := strings.CutPrefix(line, "- ")
		if line = "neighbor {{ .ID }} " + line; no {
			line = "no " + line
		}
		return inFamily(again, id+" "+key, fmt.Sprintf("{{ range .Neighbors }}{{ if eq .ID %q }}\n  %s\n{{ end }}{{ end }}", id, line))
	default:
		again, key, text := r.setting(objects, family)
		file := "before-community-lists.tmpl"
		if again {
			file = "after-frr.conf.tmpl"
		}
		return s.with(fact{of: ofStanza, name: file, key: key, value: text})
	}
}

// setting chooses one, and one of its values; the key is the same for all of these. "{4|6}" is for the one family or the other.
// Again says, for half of all, that it is to stand in a context that is opened again.
func (r thrower) setting(all []setting, family int) (again bool, key, line string) {
	i := r.IntN(len(all))
	for !all[i].has(r.version) {
		i = r.IntN(len(all))
	}
	line = r.one(all[i].values...)
	for {
		before, rest, found := strings.Cut(line, "{")
		if !found {
			return i%2 == 0, all[i].values[0], line
		}
		choice, after, _ := strings.Cut(rest, "}")
		choices := strings.Split(choice, "|")
		line = before + choices[family%len(choices)] + after
	}
}
