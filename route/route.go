// Package route is the vocabulary that every stage shares: what a node's speaker is, whom it speaks to, and what it
// announces to each of them. Its types are values; a stage that returns one leaves it sorted and never changes it again.
package route

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Speaker is all that one node should say: its routers, and in each the neighbors and the routes it originates.
type Speaker struct {
	// Node is the name of the Kubernetes node.
	Node string
	// Routers are the BGP instances of the node. The first is the default one and is named "".
	Routers []Router
	// Station is the BMP station that each of them tells of its sessions (RFC 7854); the zero AddrPort means none.
	Station netip.AddrPort
}

// Router is one BGP instance (FRR: router bgp).
type Router struct {
	// Name is "" for the default instance, else the name of its view, or of its VRF.
	Name string
	// VRF means that Name is a VRF of the kernel, and not a view that only bgpd knows.
	VRF bool
	// ASN is the instance's own autonomous system.
	ASN ASN
	// RouterID is its BGP Identifier (RFC 4271, section 4.2), written as an IPv4 address.
	RouterID netip.Addr
	// ClusterID is the CLUSTER_ID of a route reflector (RFC 4456); the zero Addr means none is set.
	ClusterID netip.Addr
	// GracefulRestart holds the times of RFC 4724, which FRR keeps per router and not per neighbor.
	GracefulRestart GracefulRestart
	// Scope are the communities that bound how far neighbors pass on what this router originates (Community.Scope), sorted,
	// each once; nil means none. They are set on the way out: FRR obeys those of a route's own Attributes itself, and tells
	// the neighbors nothing.
	Scope []Community
	// Neighbors are sorted by address, those without one by interface and last.
	Neighbors []Neighbor
	// Routes are what this router originates, sorted by prefix, one for each prefix.
	Routes []Route
}

// GracefulRestart holds the times of RFC 4724. A zero time leaves FRR's own default (120 s, 360 s, 360 s).
type GracefulRestart struct {
	// RestartTime is how long neighbors are asked to wait for us (FRR: restart-time).
	RestartTime time.Duration
	// DeferralTime is how long we wait for End-of-RIB before selecting routes (FRR: select-defer-time).
	DeferralTime time.Duration
	// StaleTime is how long we keep a restarting neighbor's routes (FRR: stalepath-time).
	StaleTime time.Duration
}

// Neighbor is one BGP session as this node should hold it.
type Neighbor struct {
	// Name is what the configuration calls it.
	Name string
	// Description is what FRR shows beside the session; "" means none. It has no control character.
	Description string
	// Address is the neighbor's address; it is never a link-local one with a zone. It is the zero Addr where Interface is set.
	Address netip.Addr
	// Interface is that of an unnumbered session: the one neighbor on this link, by its link-local address, with IPv6 next
	// hops for IPv4 routes (RFC 8950). "" means that Address names the neighbor.
	Interface string
	// Port is the neighbor's TCP port. It is never 0: the default is 179.
	Port uint16
	// RemoteAS is the neighbor's AS, or the rule that it must be another one or ours.
	RemoteAS RemoteAS
	// LocalAS is the AS that we show to this eBGP neighbor in the place of the router's; 0 means the router's.
	LocalAS ASN
	// Source is our own address of the session; the zero Addr leaves it to the routing table.
	Source netip.Addr
	// HoldTime and KeepaliveTime are the times we propose (RFC 4271, section 4.2), in whole seconds.
	HoldTime, KeepaliveTime time.Duration
	// ConnectTime is the ConnectRetryTime of RFC 4271; zero leaves FRR's default of 120 s.
	ConnectTime time.Duration
	// Passive means that we wait for the neighbor to connect.
	Passive bool
	// EBGPMultihop is the TTL of a session to a neighbor that is not on our link; 0 means off.
	EBGPMultihop uint8
	// TTLSecurityHops accepts packets only from a neighbor at most so many hops away (GTSM, RFC 5082); 0 means off.
	TTLSecurityHops uint8
	// BFD watches the session (RFC 5880); its zero value means off.
	BFD BFD
	// GracefulRestart means that we ask this neighbor to keep our routes while we restart (RFC 4724).
	GracefulRestart bool
	// Password is the TCP MD5 key (RFC 2385); "" means none.
	Password Secret
	// Families are the address families that are exchanged, sorted.
	Families []Family
	// ExtendedNextHop offers IPv6 next hops for IPv4 routes (RFC 8950) on a session over IPv6.
	ExtendedNextHop bool
	// RouteReflectorClient means that we reflect routes to and from this iBGP neighbor (RFC 4456).
	RouteReflectorClient bool
	// NextHop is what we announce as next hop; its zero value means the session's own address.
	NextHop NextHop
	// Receive is what we accept from this neighbor; its zero value means nothing.
	Receive Receive
	// Transit names the neighbors whose accepted routes are passed on to this one, sorted; nil means none.
	Transit []string
	// MaximumPrefix ends the session when the neighbor sends more prefixes of one family; 0 means no limit.
	MaximumPrefix uint32
	// MaximumPrefixOut is how many prefixes of one family we send at most; 0 means no limit.
	MaximumPrefixOut uint32
	// AllowASIn accepts routes whose AS path has our own AS up to so many times; 0 means none.
	AllowASIn uint8
	// Audience says which routes this neighbor is told: those whose To names it.
	Audience Audience
	// From are the objects that ask for this session, sorted.
	From []Object
}

// ID is how FRR names the session: the address, or the interface of an unnumbered one.
func (n Neighbor) ID() string {
	if n.Interface != "" {
		return n.Interface
	}
	return n.Address.String()
}

// TransitName is what Transit of other neighbors calls it: its name, or its ID where it has none.
func (n Neighbor) TransitName() string { return cmp.Or(n.Name, n.ID()) }

// BFD is a session's Bidirectional Forwarding Detection (RFC 5880). A time or multiplier of 0 leaves FRR's default (300 ms,
// 300 ms, 3).
type BFD struct {
	// On says whether the session is watched at all.
	On bool
	// ReceiveInterval and TransmitInterval are how often packets are asked for and sent, in whole milliseconds.
	ReceiveInterval, TransmitInterval time.Duration
	// DetectMultiplier is how many packets must be missing.
	DetectMultiplier uint8
}

// NextHop is what we announce as next hop to a neighbor. The zero value means the session's own address for what we
// originate, and BGP's own rules for what we pass on.
type NextHop struct {
	// Self makes our own address the next hop of what we pass on too (FRR: next-hop-self force).
	Self bool
	// Unchanged keeps the next hop of what we pass on over eBGP (FRR: attribute-unchanged next-hop).
	Unchanged bool
	// IPv4 and IPv6 are addresses to announce for the routes of each family; the zero Addr sets none.
	IPv4, IPv6 netip.Addr
}

// Receive is what is accepted from a neighbor.
type Receive struct {
	// All accepts every route, within Prefixes where there are any.
	All bool
	// Prefixes are the ranges that are accepted, sorted; a default route is 0.0.0.0/0 or ::/0 with no other length.
	Prefixes []PrefixRange
	// Install has what is accepted installed in the kernel, by zebra.
	Install bool
}

// Nothing reports whether r accepts nothing.
func (r Receive) Nothing() bool { return !r.All && len(r.Prefixes) == 0 }

// PrefixRange is a prefix with the lengths that are meant, as in FRR's prefix lists.
type PrefixRange struct {
	// Prefix is masked.
	Prefix netip.Prefix
	// GE and LE bound the length: 0 means not given. Where neither is, only Prefix itself is meant.
	GE, LE uint8
}

// Speaks reports whether routes of family f are exchanged with n.
func (n Neighbor) Speaks(f Family) bool { return slices.Contains(n.Families, f) }

// Audience names a class of neighbors that are told the same routes; what next hop they are told, and what is passed on to
// them beside, is each neighbor's own matter. It follows from configuration, never from the routes of the moment, so that a
// route coming or going moves no neighbor to another class.
type Audience string

// Everyone is the audience of a neighbor that is told all that its router originates.
const Everyone Audience = "everyone"

// Route is one prefix that a router originates, to whom, and why.
type Route struct {
	// Prefix is masked: no bit is set behind its length.
	Prefix netip.Prefix
	// Attributes are the path attributes it leaves with.
	Attributes Attributes
	// To are the audiences that are told, sorted.
	To []Audience
	// From are the objects that ask for it, sorted.
	From []Object
}

// Attributes are the path attributes (RFC 4271, section 5) that we set on a route. The zero value sets none.
type Attributes struct {
	// LocalPreference is what iBGP neighbors are told; 0 means FRR's default of 100.
	LocalPreference uint32
	// MED is the MULTI_EXIT_DISC; 0 is also what FRR sends where none is set.
	MED uint32
	// Communities (RFC 1997) and LargeCommunities (RFC 8092) are sorted, each once. What would bound how far the route goes
	// belongs into Router.Scope.
	Communities      []Community
	LargeCommunities []LargeCommunity
}

// Object names the thing that a route, a neighbor or a skipped wish comes from.
type Object struct {
	Kind, Namespace, Name string
}

// String gives "Pod default/sample", "Subnet ovn-default" or "Config neighbors[0]". A name that no API server would take,
// with what a terminal or a log must not see in it, is quoted.
func (o Object) String() string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + o.Name
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		name = strconv.Quote(name)
	}
	return o.Kind + " " + name
}

// Compare orders objects by kind, namespace and name.
func (o Object) Compare(other Object) int {
	if c := strings.Compare(o.Kind, other.Kind); c != 0 {
		return c
	}
	if c := strings.Compare(o.Namespace, other.Namespace); c != 0 {
		return c
	}
	return strings.Compare(o.Name, other.Name)
}

// MarshalText gives what String gives.
func (o Object) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads what String gives.
func (o *Object) UnmarshalText(text []byte) error {
	kind, name, found := strings.Cut(string(text), " ")
	if plain, err := strconv.Unquote(name); err == nil {
		name = plain
	}
	if !found || kind == "" || name == "" {
		return fmt.Errorf("read object %q: it has no kind or no name", text)
	}
	*o = Object{Kind: kind, Name: name}
	if namespace, rest, both := strings.Cut(name, "/"); both {
		o.Namespace, o.Name = namespace, rest
	}
	return nil
}

// Redacted returns s with every password replaced by a mark, for output that people read. s itself stays as it is.
func (s Speaker) Redacted() Speaker {
	s.Routers = slices.Clone(s.Routers)
	for i := range s.Routers {
		r := &s.Routers[i]
		r.Neighbors = slices.Clone(r.Neighbors)
		for j := range r.Neighbors {
			if r.Neighbors[j].Password != "" {
				r.Neighbors[j].Password = Secret(mask)
			}
		}
	}
	return s
}
