// Package config reads the agent's configuration: one YAML file, given as bytes, becomes one Config of typed values, or
// every mistake in it at once, each with its line and what to write instead.
package config

import (
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/route"
)

// Config is the agent's configuration. Its field tags are the schema: yaml names the key, range bounds a number or a
// duration, enum lists the texts that are allowed, and Parse fills in the defaults that the comments name. The zero value
// is not valid: it has no ASN. A Config is not changed once Load has returned it, so goroutines may share it.
type Config struct {
	// ASN is the AS number of this speaker. Required.
	ASN route.ASN `yaml:"asn"`
	// RouterID is the BGP Identifier, an IPv4 address. Default: the node's first IPv4 InternalIP.
	RouterID netip.Addr `yaml:"routerID"`
	// Neighbors are the sessions to hold, in the file's order. None at all is allowed.
	Neighbors []Neighbor `yaml:"neighbors"`
	// GracefulRestart holds the times of RFC 4724, for the whole router: FRR has none per neighbor.
	GracefulRestart GracefulRestart `yaml:"gracefulRestart"`
	// Announce says what of the cluster is announced.
	Announce Announce `yaml:"announce"`
	// FRR says which FRR to drive and how.
	FRR FRR `yaml:"frr"`
	// Logging says how much is logged, and in which form.
	Logging Logging `yaml:"logging"`
}

// Neighbor is one session.
type Neighbor struct {
	// Name is what people call it; it appears in logs and reports, and no two neighbors share one. Default: the address.
	Name string `yaml:"name"`
	// Address is the neighbor's IPv4 or IPv6 address, never an IPv6 link-local one. Required, and each once.
	Address netip.Addr `yaml:"address"`
	// Port is the neighbor's TCP port. Default: 179.
	Port uint16 `yaml:"port" range:"1-65535"`
	// ASN is the neighbor's AS number, or "external" for any other than ours, or "internal" for ours. Required.
	ASN route.RemoteAS `yaml:"asn"`
	// NodeSelector chooses the nodes that hold this session, by their labels. Default: every node.
	NodeSelector NodeSelector `yaml:"nodeSelector"`
	// PasswordFile is the path of a file that holds the TCP MD5 password (RFC 2385) and nothing else. A relative path starts
	// at the folder of the configuration file. Default: no password.
	PasswordFile string `yaml:"passwordFile"`
	// Passive means that we wait for the neighbor to connect. Default: false.
	Passive bool `yaml:"passive"`
	// EBGPMultihop is the TTL of an eBGP session to a neighbor that is not on our link. 0 and 1 mean off, the default;
	// Parse turns 1 into 0.
	EBGPMultihop uint8 `yaml:"ebgpMultihop" range:"0-255"`
	// HoldTime is how long the session lives without a message (RFC 4271, section 4.2). Default: 90s, or three times
	// KeepaliveTime where that is more.
	HoldTime time.Duration `yaml:"holdTime" range:"3s-65535s"`
	// KeepaliveTime is how often we send one, at most a third of HoldTime. Default: that third, in whole seconds.
	KeepaliveTime time.Duration `yaml:"keepaliveTime" range:"1s-21845s"`
	// ConnectTime is how long to wait before connecting again. Default: FRR's, 120s.
	ConnectTime time.Duration `yaml:"connectTime" range:"1s-65535s"`
	// GracefulRestart asks this neighbor to keep our routes while we restart (RFC 4724). Default: false.
	GracefulRestart bool `yaml:"gracefulRestart"`
	// Families are the address families to exchange; Parse sorts them. Default: that of Address.
	Families []route.Family `yaml:"families"`

	// Password is what stands in PasswordFile; ReadPasswords fills it in.
	Password route.Secret `yaml:"-"`
}

// GracefulRestart holds the times of RFC 4724; a zero time leaves FRR's default.
type GracefulRestart struct {
	// RestartTime is how long neighbors are asked to wait for us. Default: FRR's, 120s.
	RestartTime time.Duration `yaml:"restartTime" range:"1s-4095s"`
	// DeferralTime is how long we wait for the neighbors' End-of-RIB after a restart. Default: FRR's, 360s.
	DeferralTime time.Duration `yaml:"deferralTime" range:"1s-3600s"`
	// StaleTime is how long we keep the routes of a neighbor that restarts. Default: FRR's, 360s.
	StaleTime time.Duration `yaml:"staleTime" range:"1s-4095s"`
}

// Announce says what of the cluster is announced.
type Announce struct {
	// ClusterIPs announces the cluster addresses of annotated services. Default: false.
	ClusterIPs bool `yaml:"clusterIPs"`
	// PodsInAnnouncedSubnets announces, beside the CIDRs of an announced subnet, each of its pods. Default: false.
	PodsInAnnouncedSubnets bool `yaml:"podsInAnnouncedSubnets"`
	// AllowedPrefixes bounds what may be announced: a prefix that lies in none of them is not. Default: no bound, which is
	// nil; an empty list is an error, because it could mean two opposite things.
	AllowedPrefixes []netip.Prefix `yaml:"allowedPrefixes"`
}

// FRR says which FRR to drive and how.
type FRR struct {
	// Mode is "external" for an FRR that somebody else runs beside the agent, or "embedded" where the agent starts and
	// supervises the daemons itself. Default: external.
	Mode FRRMode `yaml:"mode" enum:"external,embedded"`
	// Paths are where FRR's files are.
	Paths FRRPaths `yaml:"paths"`
	// Pathspace is FRR's -N: it puts the sockets and frr.conf of one of several FRRs of a machine into a folder of that
	// name. Letters, digits, - and _ are allowed in it. Default: none.
	Pathspace string `yaml:"pathspace"`
}

// FRRPaths are where FRR's files are; each path is absolute.
type FRRPaths struct {
	// Vtysh is FRR's shell. Default: /usr/bin/vtysh.
	Vtysh string `yaml:"vtysh"`
	// Daemons is the folder of bgpd and zebra. Default: /usr/lib/frr.
	Daemons string `yaml:"daemons"`
	// Config is frr.conf. Default: /etc/frr/frr.conf, or /etc/frr/PATHSPACE/frr.conf.
	Config string `yaml:"config"`
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
	Level string `yaml:"level" enum:"error,warn,info,debug"`
	// Format is the form of a line. Default: text.
	Format string `yaml:"format" enum:"text,json"`
}
