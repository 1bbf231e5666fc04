// Package config reads the agent's configuration: one YAML file, given as bytes, becomes one Config of typed values, or
// every mistake in it at once, each with its line and what to write instead.
package config

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/route"
)

//go:generate go run ../hack/configreference . ../docs/reference/configuration.md

// Config is the agent's configuration. Its field tags are the schema: yaml names the key, range bounds a number or a
// duration, enum lists the texts that are allowed, and Parse fills in the defaults that the comments name. The tags value,
// unit, example and frr, and the comments, are what docs/reference/configuration.md is written from. The schema of the chart's
// values comes from the tags too, and from what value says of a text: for it alone required marks a key without which a mapping
// is refused, and minItems the least entries of a list. The zero value is not valid: it has no ASN. A Config is not changed once
// its passwords are read, so goroutines may share it.
type Config struct {
	// ASN is the AS number of this speaker. Required.
	ASN route.ASN `yaml:"asn" required:"true" example:"65000" frr:"router bgp N"`
	// RouterID is the BGP Identifier, an IPv4 address. Default: the node's first IPv4 InternalIP; on a node that has
	// none, four octets that follow from the node's name and stay the same.
	RouterID netip.Addr `yaml:"routerID" value:"IPv4 address" example:"10.0.1.2" frr:"bgp router-id A.B.C.D"`
	// ClusterID is the CLUSTER_ID as a route reflector (RFC 4456), an IPv4 address. Default: FRR's, the router ID.
	ClusterID netip.Addr `yaml:"clusterID" value:"IPv4 address" example:"10.0.0.1" frr:"bgp cluster-id A.B.C.D"`
	// Communities are set on every route that this speaker originates (RFC 1997): two numbers, or a name such as blackhole.
	// Those that bound how far a route goes, such as no-export, bind the neighbors: this speaker tells it to all of them.
	// Default: none.
	Communities []route.Community `yaml:"communities" value:"list of communities: N:N, no-export, no-advertise, local-as, no-peer, blackhole, graceful-shutdown" example:"[65000:100, 65000:200]" frr:"set community N:N"`
	// LargeCommunities are set on every route that this speaker originates (RFC 8092): three numbers. Default: none.
	LargeCommunities []route.LargeCommunity `yaml:"largeCommunities" value:"list of large communities, N:N:N" example:"['65000:1:2']" frr:"set large-community N:N:N"`
	// LocalPreference is what iBGP neighbors are told of every route that this speaker originates. Default: FRR's, 100.
	LocalPreference uint32 `yaml:"localPreference" range:"1-4294967295" example:"200" frr:"set local-preference N"`
	// MED is the MULTI_EXIT_DISC of every route that this speaker originates. Default: 0.
	MED uint32 `yaml:"med" range:"0-4294967295" example:"50" frr:"set metric N"`
	// Routers are further BGP instances of the node, beside the one that the top of the file describes. Default: none.
	Routers []Router `yaml:"routers" example:"[{name: storage, asn: 65010}]" frr:"router bgp N view NAME"`
	// NeighborDefaults are what each neighbor has that does not say otherwise: any key of a session. Default: none.
	NeighborDefaults Session `yaml:"neighborDefaults" example:"{asn: 65030, holdTime: 30s}" frr:"-"`
	// Neighbors are the sessions to hold. Default: none.
	Neighbors []Neighbor `yaml:"neighbors" example:"[{address: 10.32.32.254, asn: 65030}]" frr:"neighbor X remote-as N"`
	// GracefulRestart holds the times of RFC 4724, for the whole router: FRR has none per neighbor. Default: FRR's.
	GracefulRestart GracefulRestart `yaml:"gracefulRestart" example:"{restartTime: 90s}" frr:"-"`
	// Announce says what of the cluster is announced. Default: what is annotated.
	Announce Announce `yaml:"announce" example:"{clusterIPs: true}" frr:"-"`
	// NATGateway has the speaker announce the EIPs of Kube-OVN's VPC NAT gateway of that name, and nothing else of the
	// cluster. Default: none; pods, subnets and services are announced, and no EIP.
	NATGateway string `yaml:"natGateway" value:"name of a VpcNatGateway" example:"gw1" frr:"network PREFIX route-map NAME"`
	// Kubernetes says how the cluster is reached, and how much of it is watched. Default: from within, all of it.
	Kubernetes Kubernetes `yaml:"kubernetes" example:"{scope: node}" frr:"-"`
	// Events has the agent write an Event to an object when it is announced, withdrawn or not announced. Default: true.
	Events bool `yaml:"events" example:"true" frr:"-"`
	// Status says where the agent tells how it is. Default: on port 7473 of every address, and on a local socket.
	Status Status `yaml:"status" example:"{listen: '127.0.0.1:7473'}" frr:"-"`
	// Verify says how it is proven what each neighbor was really sent. Default: by all witnesses that there are.
	Verify Verify `yaml:"verify" example:"{deadline: 5s}" frr:"-"`
	// FRR says which FRR to drive and how. Default: an FRR of the machine.
	FRR FRR `yaml:"frr" example:"{mode: embedded}" frr:"-"`
	// TemplatesDir is a folder of templates that override the stanzas of frr.conf, or add to them. Default: none.
	TemplatesDir string `yaml:"templatesDir" value:"path" example:"/etc/fairlead/templates" frr:"-"`
	// Logging says how much is logged, and in which form. Default: info, as text.
	Logging Logging `yaml:"logging" example:"{format: json}" frr:"-"`
}

// Router is another BGP instance of the node, beside the default one that the top of the file describes. It announces the
// same routes, to its own neighbors.
type Router struct {
	// Name is the name of the view, or of the VRF; no two routers share one. Required.
	Name string `yaml:"name" required:"true" value:"1 to 15 letters, digits, _, . and -" example:"storage" frr:"router bgp N view NAME"`
	// ASN is the AS number of this instance. Default: that of the speaker.
	ASN route.ASN `yaml:"asn" example:"65010" frr:"router bgp N"`
	// RouterID is its BGP Identifier, an IPv4 address. Default: that of the speaker.
	RouterID netip.Addr `yaml:"routerID" value:"IPv4 address" example:"10.0.1.3" frr:"bgp router-id A.B.C.D"`
	// ClusterID is its CLUSTER_ID as a route reflector (RFC 4456), an IPv4 address. Default: FRR's, the router ID.
	ClusterID netip.Addr `yaml:"clusterID" value:"IPv4 address" example:"10.0.0.2" frr:"bgp cluster-id A.B.C.D"`
	// VRF means that the instance belongs to the VRF of that name, and not to a view, which installs nothing in the kernel.
	// Default: false.
	VRF bool `yaml:"vrf" example:"true" frr:"router bgp N vrf NAME"`
}

// Neighbor is one session: whom it is with, and how it is held.
type Neighbor struct {
	// Name is what people call it; it appears in logs and reports, and no two neighbors share one. Default: the address, or
	// the interface.
	Name string `yaml:"name" example:"tor1" frr:"-"`
	// Description is what FRR shows beside the session. Default: none.
	Description string `yaml:"description" value:"text of at most 80 printable ASCII characters, without |" example:"top of rack 1, left" frr:"neighbor X description TEXT"`
	// Router is the instance that holds the session: the name of one of routers. Default: the default instance.
	Router string `yaml:"router" value:"name of a router" example:"storage" frr:"-"`
	// Address is the neighbor's IPv4 or IPv6 address, never an IPv6 link-local one. Required unless interface is given.
	Address netip.Addr `yaml:"address" example:"10.32.32.254" frr:"neighbor X remote-as N"`
	// Interface makes the session unnumbered: the one neighbor on this link, found by its router advertisements, with IPv6
	// next hops for IPv4 routes (RFC 8950). Default: none; Address says who it is.
	Interface string `yaml:"interface" value:"name of an interface" example:"eth1" frr:"neighbor X interface remote-as N"`
	// NodeSelector chooses the nodes that hold this session, by their labels. Default: every node.
	NodeSelector NodeSelector `yaml:"nodeSelector" value:"labels, or a label selector of Kubernetes" example:"{rack: rack1}" frr:"-"`
	Session      `yaml:",inline"`

	// Password is what stands in PasswordFile; ReadPasswords fills it in. That of a PasswordSecretRef stays empty: the
	// Secret is in the cluster.
	Password route.Secret `yaml:"-"`
}

// Session is how a session is held. It stands under each neighbor, and once under neighborDefaults for all those that do not
// say otherwise. Parse sorts Families, and turns an EBGPMultihop of 1 into 0.
type Session struct {
	// Port is the neighbor's TCP port. Default: 179.
	Port uint16 `yaml:"port" range:"1-65535" example:"1790" frr:"neighbor X port N"`
	// ASN is the neighbor's AS number, or "external" for any other than ours, or "internal" for ours. Required.
	ASN route.RemoteAS `yaml:"asn" example:"65030" frr:"neighbor X remote-as N"`
	// LocalASN is the AS that we show to this eBGP neighbor in the place of our own. It is neither ours nor the neighbor's,
	// which FRR 8.4 refuses. Default: our own.
	LocalASN route.ASN `yaml:"localASN" example:"64999" frr:"neighbor X local-as N no-prepend replace-as"`
	// SourceAddress is our own address of the session. Default: as the routing table says.
	SourceAddress netip.Addr `yaml:"sourceAddress" example:"10.0.1.2" frr:"neighbor X update-source A"`
	// PasswordFile is the path of a file that holds the TCP MD5 password (RFC 2385) and nothing else. A relative path starts
	// at the folder of the configuration file. Default: no password.
	PasswordFile string `yaml:"passwordFile" value:"path" example:"/etc/fairlead/passwords/tor1" frr:"neighbor X password TEXT"`
	// PasswordSecretRef names the Secret of the cluster that holds the password, in the place of PasswordFile. Default: none.
	PasswordSecretRef SecretRef `yaml:"passwordSecretRef" example:"{name: bgp, key: tor1}" frr:"neighbor X password TEXT"`
	// Passive means that we wait for the neighbor to connect; bgpd must listen then, not run with -p 0. Not in a view, for which
	// FRR takes no connection. Default: false.
	Passive bool `yaml:"passive" example:"true" frr:"neighbor X passive"`
	// EBGPMultihop is the TTL of an eBGP session to a neighbor that is not on our link; 0 and 1 mean off.
	// Default: 0.
	EBGPMultihop uint8 `yaml:"ebgpMultihop" range:"0-255" unit:"hops" example:"2" frr:"neighbor X ebgp-multihop N"`
	// TTLSecurityHops accepts packets only from a neighbor at most so many hops away (GTSM, RFC 5082); not together with
	// EBGPMultihop. Default: 0, off.
	TTLSecurityHops uint8 `yaml:"ttlSecurityHops" range:"0-254" unit:"hops" example:"1" frr:"neighbor X ttl-security hops N"`
	// BFD watches the session (RFC 5880). Default: off.
	BFD BFD `yaml:"bfd" value:"'true', 'false', or a mapping" example:"{receiveInterval: 100, transmitInterval: 100}" frr:"neighbor X bfd"`
	// HoldTime is how long the session lives without a message (RFC 4271, section 4.2). Default: 90s, or three times
	// KeepaliveTime where that is more.
	HoldTime time.Duration `yaml:"holdTime" range:"3s-65535s" example:"30s" frr:"neighbor X timers KEEPALIVE HOLD"`
	// KeepaliveTime is how often we send one, at most a third of HoldTime. Default: that third, in whole seconds.
	KeepaliveTime time.Duration `yaml:"keepaliveTime" range:"1s-21845s" example:"10s" frr:"neighbor X timers KEEPALIVE HOLD"`
	// ConnectTime is how long to wait before connecting again. Default: FRR's, 120s.
	ConnectTime time.Duration `yaml:"connectTime" range:"1s-65535s" example:"5s" frr:"neighbor X timers connect N"`
	// GracefulRestart asks this neighbor to keep our routes while we restart (RFC 4724). Default: false.
	GracefulRestart bool `yaml:"gracefulRestart" example:"true" frr:"neighbor X graceful-restart"`
	// Families are the address families to exchange. Default: that of Address, both with Interface.
	Families []route.Family `yaml:"families" minItems:"1" value:"list of 'ipv4-unicast', 'ipv6-unicast' (short: 'ipv4', 'ipv6')" example:"[ipv4-unicast, ipv6-unicast]" frr:"neighbor X activate"`
	// ExtendedNextHop offers IPv6 next hops for IPv4 routes (RFC 8950) on a session over IPv6. Default: false.
	ExtendedNextHop bool `yaml:"extendedNextHop" example:"true" frr:"neighbor X capability extended-nexthop"`
	// RouteReflectorClient reflects routes to and from this iBGP neighbor (RFC 4456). Default: false.
	RouteReflectorClient bool `yaml:"routeReflectorClient" example:"true" frr:"neighbor X route-reflector-client"`
	// NextHop is what we announce as next hop: self, our own address for what we pass on too; unchanged, what we pass on keeps
	// its own; or an address for each family. Default: the session's own address, and BGP's own rules for what we pass on.
	NextHop NextHop `yaml:"nextHop" value:"'self', 'unchanged', or a mapping" example:"self" frr:"neighbor X next-hop-self force"`
	// Receive is what we accept from this neighbor: nothing, the default routes, all, or some prefixes. Default: none.
	Receive Receive `yaml:"receive" value:"'none', 'default', 'all', or a mapping" example:"default" frr:"neighbor X route-map NAME in"`
	// Transit are the names of the neighbors whose accepted routes are passed on to this one. Default: none.
	Transit []string `yaml:"transit" value:"list of names of neighbors" example:"[tor1]" frr:"neighbor X route-map NAME out"`
	// MaximumPrefix ends the session when the neighbor sends more prefixes of one family. Default: 0, no limit.
	MaximumPrefix uint32 `yaml:"maximumPrefix" range:"0-4294967295" unit:"prefixes" example:"1000" frr:"neighbor X maximum-prefix N"`
	// MaximumPrefixOut is how many prefixes of one family we send at most. Default: 0, no limit.
	MaximumPrefixOut uint32 `yaml:"maximumPrefixOut" range:"0-4294967295" unit:"prefixes" example:"1000" frr:"neighbor X maximum-prefix-out N"`
	// AllowASIn accepts routes whose AS path has our own AS up to so many times, as sites with one AS need it; this node's
	// own routes may come back then, and lose to those it originates. Default: 0, none.
	AllowASIn uint8 `yaml:"allowASIn" range:"0-10" unit:"times" example:"1" frr:"neighbor X allowas-in N"`
}

// BFD watches a session with Bidirectional Forwarding Detection (RFC 5880). It is on where the key bfd is true, or a mapping,
// even an empty one. FRR's bfdd must run.
type BFD struct {
	// On is set by Parse where the key is given.
	On bool `yaml:"-"`
	// ReceiveInterval is how often packets are asked for, in milliseconds. Default: FRR's, 300.
	ReceiveInterval uint32 `yaml:"receiveInterval" range:"10-60000" unit:"milliseconds" example:"100" frr:"receive-interval N"`
	// TransmitInterval is how often packets are sent, in milliseconds. Default: FRR's, 300.
	TransmitInterval uint32 `yaml:"transmitInterval" range:"10-60000" unit:"milliseconds" example:"100" frr:"transmit-interval N"`
	// DetectMultiplier is how many packets must be missing. Default: FRR's, 3.
	DetectMultiplier uint8 `yaml:"detectMultiplier" range:"2-255" unit:"packets" example:"5" frr:"detect-multiplier N"`
}

// The words of NextHop.Mode.
const (
	NextHopSelf      = "self"
	NextHopUnchanged = "unchanged"
)

// NextHop is what we announce as next hop: in the file the word self, the word unchanged, or a mapping with an address for
// either family. The zero value is the session's own address.
type NextHop struct {
	// Mode is self (our own address for what we pass on too), unchanged (what we pass on keeps its own), or "".
	Mode string `yaml:"-"`
	// IPv4 is the address to announce for IPv4 routes. Default: the session's own.
	IPv4 netip.Addr `yaml:"ipv4" value:"IPv4 address" example:"10.0.1.2" frr:"set ip next-hop A.B.C.D"`
	// IPv6 is the address to announce for IPv6 routes, not a link-local one. Default: the session's own.
	IPv6 netip.Addr `yaml:"ipv6" value:"IPv6 address" example:"'2001:db8::2'" frr:"set ipv6 next-hop global A"`
}

// The words of Receive.Accept.
const (
	AcceptNone    = "none"
	AcceptDefault = "default"
	AcceptAll     = "all"
	AcceptList    = "list"
)

// Receive is what is accepted from a neighbor: in the file one of the words none, default (the default routes) and all, or a
// mapping with these keys.
type Receive struct {
	// Accept is none, default (0.0.0.0/0 and ::/0 alone), all, or list, which means Prefixes. Default: list where Prefixes are given, else none.
	Accept string `yaml:"accept" enum:"none,default,all,list" example:"list" frr:"neighbor X route-map NAME in"`
	// Prefixes are the ranges that list accepts. Default: none.
	Prefixes []PrefixRange `yaml:"prefixes" example:"[{prefix: 10.0.0.0/8, le: 24}]" frr:"match ip address prefix-list NAME"`
	// Install has what is accepted installed in the kernel by zebra; false keeps it in bgpd alone. Default: false.
	Install bool `yaml:"install" example:"true" frr:"table-map NAME"`
}

// PrefixRange is a prefix with the lengths that are meant, as in FRR's prefix lists. Where neither GE nor LE is given, only
// the prefix itself is meant.
type PrefixRange struct {
	// Prefix is a CIDR without host bits. Required.
	Prefix netip.Prefix `yaml:"prefix" required:"true" example:"10.0.0.0/8" frr:"ip prefix-list NAME permit PREFIX"`
	// GE is the least length. Default: not bounded.
	GE uint8 `yaml:"ge" range:"0-128" example:"16" frr:"ip prefix-list NAME permit PREFIX ge N"`
	// LE is the greatest length. Default: not bounded.
	LE uint8 `yaml:"le" range:"0-128" example:"24" frr:"ip prefix-list NAME permit PREFIX le N"`
}

// String gives the range as FRR writes it, such as "10.0.0.0/8 ge 16 le 24".
func (p PrefixRange) String() string {
	s := p.Prefix.String()
	if p.GE != 0 {
		s += fmt.Sprintf(" ge %d", p.GE)
	}
	if p.LE != 0 {
		s += fmt.Sprintf(" le %d", p.LE)
	}
	return s
}

// GracefulRestart holds the times of RFC 4724; a zero time leaves FRR's default.
type GracefulRestart struct {
	// RestartTime is how long neighbors are asked to wait for us. Default: FRR's, 120s.
	RestartTime time.Duration `yaml:"restartTime" range:"1s-4095s" example:"90s" frr:"bgp graceful-restart restart-time N"`
	// DeferralTime is how long we wait for the neighbors' End-of-RIB after a restart. Default: FRR's, 360s.
	DeferralTime time.Duration `yaml:"deferralTime" range:"1s-3600s" example:"6m" frr:"bgp graceful-restart select-defer-time N"`
	// StaleTime is how long we keep the routes of a neighbor that restarts. Default: FRR's, 360s.
	StaleTime time.Duration `yaml:"staleTime" range:"1s-4095s" example:"300s" frr:"bgp graceful-restart stalepath-time N"`
}

// Announce says what of the cluster is announced.
type Announce struct {
	// ClusterIPs announces the cluster addresses of annotated services. Default: false.
	ClusterIPs bool `yaml:"clusterIPs" example:"true" frr:"network PREFIX route-map NAME"`
	// ServicesFromExcludedNodes announces services also from nodes that have the label
	// node.kubernetes.io/exclude-from-external-load-balancers, whatever its value. Default: false.
	ServicesFromExcludedNodes bool `yaml:"servicesFromExcludedNodes" example:"true" frr:"network PREFIX route-map NAME"`
	// PodsInAnnouncedSubnets announces, beside the CIDRs of an announced subnet, each of its pods. Default: false.
	PodsInAnnouncedSubnets bool `yaml:"podsInAnnouncedSubnets" example:"true" frr:"network PREFIX route-map NAME"`
	// AllowedPrefixes bounds what may be announced: a prefix that lies in none of them is not. An empty list is an error,
	// because it could mean two opposite things. Default: no bound.
	AllowedPrefixes []netip.Prefix `yaml:"allowedPrefixes" minItems:"1" example:"[10.16.0.0/16]" frr:"-"`
}

// FRR says which FRR to drive and how.
type FRR struct {
	// Mode is "external" for an FRR that somebody else runs beside the agent, or "embedded" where the agent starts and
	// supervises the daemons itself. Default: external.
	Mode FRRMode `yaml:"mode" enum:"external,embedded" example:"embedded" frr:"-"`
	// Socket is where "fairlead frr" takes what vtysh is to be given, in mode external: it runs FRR in a container of its own, and
	// shares with the agent the folder of FRR's sockets and that of frr.conf. Default: none; the agent runs vtysh itself.
	Socket string `yaml:"socket" value:"absolute path of at most 107 characters" example:"/run/fairlead/vtysh/vtysh.sock" frr:"-"`
	// Paths are where FRR's files are. Default: those of a package of Debian.
	Paths FRRPaths `yaml:"paths" example:"{daemons: /opt/frr/sbin}" frr:"-"`
	// Pathspace is FRR's -N: it puts the sockets and frr.conf of one of several FRRs of a machine into a folder of that
	// name. Letters, digits, - and _ are allowed in it. Default: none.
	Pathspace string `yaml:"pathspace" value:"letters, digits, - and _" example:"blue" frr:"-"`
	// Audit says how FRR is looked after, in case that somebody changes it by hand. Default: every 30s, and put right.
	Audit Audit `yaml:"audit" example:"{drift: report}" frr:"-"`
	// Foreign are statements of your own inside of what is Fairlead's: its routers. They are never touched, neither in FRR nor
	// in frr.conf. A statement is given by its first words, behind the contexts that it stands in; what is inside of it belongs to
	// it, and a neighbor has its statements in the address families too. Default: none.
	Foreign []Foreign `yaml:"foreign" value:"list of statements as FRR writes them, behind their contexts and ' / '" example:"['router bgp 65000 / neighbor 192.0.2.9']" frr:"-"`
}

// Ours reports whether Fairlead itself starts FRR, in the agent or by "fairlead frr".
func (f FRR) Ours() bool { return f.Mode == Embedded || f.Socket != "" }

// Audit says how FRR is looked after, in case that somebody changes it by hand.
type Audit struct {
	// Interval is how often FRR's whole running configuration is compared with what Fairlead made it. Default: 30s.
	Interval time.Duration `yaml:"interval" range:"5s-3600s" example:"1m" frr:"-"`
	// Drift says what follows where it differs: "heal" puts it right; "report" leaves a statement as it is until Fairlead's own
	// changes, and tells it either way. Default: heal.
	Drift DriftPolicy `yaml:"drift" enum:"heal,report" example:"report" frr:"-"`
}

// DriftPolicy says what follows on a change by somebody's hand.
type DriftPolicy string

// The two policies.
const (
	Heal   DriftPolicy = "heal"
	Report DriftPolicy = "report"
)

// FRRPaths are where FRR's files are; each path is absolute.
type FRRPaths struct {
	// Vtysh is FRR's shell. Default: /usr/bin/vtysh.
	Vtysh string `yaml:"vtysh" value:"absolute path" example:"/usr/bin/vtysh" frr:"-"`
	// Daemons is the folder of bgpd and zebra. Default: /usr/lib/frr.
	Daemons string `yaml:"daemons" value:"absolute path" example:"/usr/lib/frr" frr:"-"`
	// Config is frr.conf. Default: /etc/frr/frr.conf, or /etc/frr/PATHSPACE/frr.conf.
	Config string `yaml:"config" value:"absolute path" example:"/etc/frr/frr.conf" frr:"-"`
}

// FRRMode says who runs FRR.
type FRRMode string

// The two modes.
const (
	External FRRMode = "external"
	Embedded FRRMode = "embedded"
)

// Logging says how much is logged, and in which form.
type Logging struct {
	// Level is the least important kind of message that is logged. Default: info.
	Level string `yaml:"level" enum:"error,warn,info,debug" example:"debug" frr:"-"`
	// Format is the form of a line. Default: text.
	Format string `yaml:"format" enum:"text,json" example:"json" frr:"-"`
}
