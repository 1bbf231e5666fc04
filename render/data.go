package render

import (
	"net/netip"

	"github.com/fairlead/fairlead/route"
)

// Document is what the templates get: frr.conf as typed values, in the order in which FRR lists them. A number that is 0,
// a time that is 0 and a text that is "" stand for FRR's default, which is not written.
type Document struct {
	// Profiles are the timers of BFD.
	Profiles []Profile
	// PrefixLists are what neighbors may send us.
	PrefixLists []PrefixList
	// Origins are the lists of our own AS numbers at the end of a path.
	Origins []Origin
	// Audiences are what neighbors are told.
	Audiences []Audience
	// Markers are the lists of all markers, one for each set of AS numbers.
	Markers []Markers
	// Groups are the sets of attributes and audiences.
	Groups []Group
	// Inbound are what is accepted.
	Inbound []Inbound
	// Tables are what zebra installs of it.
	Tables []Table
	// Routers are the BGP instances.
	Routers []Router
}

// Profile is a set of BFD timers; intervals are in milliseconds.
type Profile struct {
	Name                              string
	DetectMultiplier                  uint8
	TransmitInterval, ReceiveInterval int64
}

// PrefixList is a prefix list of one family.
type PrefixList struct {
	Name string
	// Family is FRR's: "ip" or "ipv6".
	Family string
	// Ranges are as FRR writes them: "10.0.0.0/8 le 24".
	Ranges []string
}

// Origin is an AS path list that matches what AS numbers of ours have originated.
type Origin struct {
	List, Pattern string
}

// Audience is one outbound policy.
type Audience struct {
	// RouteMap is its FRR object; Markers is the list of all markers of its router's AS, which are taken away.
	RouteMap, Markers string
	// Told are the entries of the route-map: one, or two where what we originate gets a scope and what is passed on does not.
	Told []Told
	// NextHop and NextHop6 are the addresses to announce for IPv4 and IPv6 routes; "" leaves the session's own.
	NextHop, NextHop6 string
}

// Told is one entry of an outbound policy.
type Told struct {
	// List is the list of the markers of what is told.
	List string
	// Permitted are these markers: that of the audience, and those of the neighbors whose routes are passed on.
	Permitted []route.LargeCommunity
	// Scope are the communities that bound how far neighbors pass it on, as FRR writes them; they are added on the way out.
	Scope []string
}

// Markers is the list that matches every marker of some AS numbers.
type Markers struct {
	List     string
	Patterns []string
}

// Group is one set of attributes and audiences.
type Group struct {
	RouteMap string
	// Communities and LargeCommunities are sorted; the latter hold the audiences' markers too.
	Communities, LargeCommunities []string
	LocalPreference, MED          uint32
}

// Inbound is one inbound policy.
type Inbound struct {
	RouteMap string
	// Origins is the list of what we ourselves have originated; "" where the path may end in an AS of ours.
	Origins string
	// Markers is the list of the markers that are taken away.
	Markers string
	// Family and List name the prefix list that bounds what is accepted; "" accepts all.
	Family, List string
	// Marks are the markers that what is accepted gets.
	Marks []route.LargeCommunity
}

// Table is what zebra installs: what bears a marker. Name is that of the list and of the route-map.
type Table struct {
	Name   string
	Marker route.LargeCommunity
}

// Router is one BGP instance. Times are in seconds.
type Router struct {
	// View and VRF are "" for the default instance; at most one is set.
	View, VRF string
	ASN       route.ASN
	RouterID  netip.Addr
	// ClusterID is "" where none is set.
	ClusterID string
	// OutboundPolicy lets the outbound policy change what is reflected too, as taking the markers away does.
	OutboundPolicy                       bool
	StaleTime, RestartTime, DeferralTime int64
	// PreserveForwarding keeps the kernel's routes while a neighbor counts on our graceful restart (RFC 4724, F bit).
	PreserveForwarding bool
	// Neighbors are sorted: those of an interface first.
	Neighbors []Neighbor
	// Families are those that have a network or a neighbor.
	Families []AddressFamily
	// Station is the BMP station that is told of the sessions; nil means none.
	Station *Station
}

// Station is a BMP station. FRR tells it when a session begins and ends without being asked to; it monitors no table.
type Station struct {
	// Targets is what FRR calls it.
	Targets string
	// Address and Port are those of the station.
	Address netip.Addr
	Port    uint16
}

// Neighbor is one session. Times are in seconds.
type Neighbor struct {
	// ID is how FRR names it: its address, or the interface of an unnumbered one.
	ID string
	// Unnumbered means that ID is an interface.
	Unnumbered bool
	RemoteAS   route.RemoteAS
	LocalAS    route.ASN
	// Description has single spaces only.
	Description string
	BFD         bool
	// BFDProfile is "" for FRR's own timers.
	BFDProfile string
	// Password prints as "***"; the template that needs it asks for it with Reveal.
	Password        route.Secret
	Port            uint16
	Passive         bool
	EBGPMultihop    uint8
	TTLSecurityHops uint8
	// Source is our own address of the session, or "".
	Source          string
	Timers          *Timers
	ConnectTime     int64
	GracefulRestart bool
	ExtendedNextHop bool
}

// Timers are a session's two times, in seconds, where they are not FRR's default.
type Timers struct {
	Keepalive, Hold int64
}

// AddressFamily is what a router exchanges of one family.
type AddressFamily struct {
	// Name is FRR's: "ipv4 unicast".
	Name      string
	Networks  []Network
	Neighbors []Activation
	// TableMap is the route-map of what zebra installs; "" where nothing is accepted.
	TableMap string
}

// Network is one route that we originate.
type Network struct {
	Prefix   netip.Prefix
	RouteMap string
}

// Activation is a neighbor that speaks the family, and how.
type Activation struct {
	// ID is that of the Neighbor.
	ID string
	// In and Out are the route-maps of what is accepted from it and of what it is told.
	In, Out                                             string
	RouteReflectorClient, NextHopSelf, NextHopUnchanged bool
	MaximumPrefix, MaximumPrefixOut                     uint32
	AllowASIn                                           uint8
}
