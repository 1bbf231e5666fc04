package render

import (
	"net/netip"

	"github.com/fairlead/fairlead/route"
)

// Document is what the templates get: frr.conf as typed values, in the order in which FRR lists them. A number that is 0,
// a time that is 0 and a text that is "" stand for FRR's default, which is not written.
type Document struct {
	// Audiences are the classes of neighbors that are told the same.
	Audiences []Audience
	// Markers are the lists of all markers, one for each AS.
	Markers []Markers
	// Groups are the sets of attributes and audiences.
	Groups []Group
	// Routers are the BGP instances.
	Routers []Router
}

// Audience is one outbound policy.
type Audience struct {
	// RouteMap and List are its FRR objects; Markers is the list of all markers of its router's AS.
	RouteMap, List, Markers string
	// Marker is what a route bears that this audience is told.
	Marker route.LargeCommunity
}

// Markers is the list that matches every marker of one AS.
type Markers struct {
	List, Pattern string
}

// Group is one set of attributes and audiences.
type Group struct {
	RouteMap string
	// Communities and LargeCommunities are sorted; the latter hold the audiences' markers too.
	Communities, LargeCommunities []string
	LocalPreference, MED          uint32
}

// Router is one BGP instance. Times are in seconds.
type Router struct {
	// View is "" for the default instance.
	View     string
	ASN      route.ASN
	RouterID netip.Addr
	// ClusterID is "" where none is set.
	ClusterID                            string
	StaleTime, RestartTime, DeferralTime int64
	// PreserveForwarding keeps the kernel's routes while a neighbor counts on our graceful restart (RFC 4724, F bit).
	PreserveForwarding bool
	Neighbors          []Neighbor
	// Families are those that have a network or a neighbor.
	Families []AddressFamily
}

// Neighbor is one session. Times are in seconds.
type Neighbor struct {
	Address  netip.Addr
	RemoteAS route.RemoteAS
	// Password prints as "***"; the template that needs it asks for it with Reveal.
	Password        route.Secret
	Port            uint16
	Passive         bool
	EBGPMultihop    uint8
	Timers          *Timers
	ConnectTime     int64
	GracefulRestart bool
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
}

// Network is one route that we originate.
type Network struct {
	Prefix   netip.Prefix
	RouteMap string
}

// Activation is a neighbor that speaks the family, and the route-map of what it is told.
type Activation struct {
	Address  netip.Addr
	RouteMap string
}
