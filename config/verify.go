package config

import (
	"net/netip"
	"time"
)

// Verify says how it is proven what each neighbor was really sent.
type Verify struct {
	// Deadline is how long a route may be on its way to a neighbor before it counts as missing; where FRR's delay timer holds a
	// change up, it begins after that. Default: 2s.
	Deadline time.Duration `yaml:"deadline" range:"1s-60s" example:"5s" frr:"-"`
	// Tap has the agent read what FRR sends from the packets of its sessions, which needs the capability NET_RAW. Default: true.
	Tap bool `yaml:"tap" example:"true" frr:"-"`
	// Claims says how FRR's own word is taken. Default: every 10s.
	Claims Claims `yaml:"claims" example:"{interval: 1m}" frr:"-"`
	// BMP is the station that routers tell what they have received of us. Default: one for the FRR of the node.
	BMP BMP `yaml:"bmp" example:"{listen: ':11019', allowed: [10.32.32.0/24]}" frr:"-"`
}

// Claims says how FRR's own word is taken for what it has sent.
type Claims struct {
	// Interval is how often FRR is asked about a neighbor of whom no other witness sees the whole. Default: 10s.
	Interval time.Duration `yaml:"interval" range:"1s-3600s" example:"1m" frr:"-"`
}

// BMP is a station of the BGP Monitoring Protocol (RFC 7854). Routers connect to it, and tell what they have received of us.
type BMP struct {
	// Listen is the address and port of the station; without an address it is every one of the node's. An empty text means that
	// there is none. Default: 127.0.0.1:11019.
	Listen string `yaml:"listen" value:"ADDRESS:PORT or :PORT" example:":11019" frr:"bmp connect ADDRESS port PORT"`
	// Allowed are the addresses of the routers that may connect, beside those of this node. Default: none.
	Allowed []netip.Prefix `yaml:"allowed" example:"[10.32.32.0/24]" frr:"-"`
	// Feed has the FRR of the node tell the station of its sessions, for which bgpd must run with -M bmp. Default: true with
	// frr.mode: embedded and with frr.socket, where Fairlead sees to that; else false.
	Feed bool `yaml:"feed" example:"true" frr:"bmp targets FL-STATION"`
}

// FedBy gives the address that the FRR of the node connects to, to feed the station: the zero AddrPort where it does not.
func (b BMP) FedBy() netip.AddrPort {
	at, is := listenAddress(b.Listen)
	switch {
	case !is || !b.Feed:
		return netip.AddrPort{}
	case at.Addr() == netip.IPv4Unspecified():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	case at.Addr() == netip.IPv6Unspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), at.Port())
	}
	return at
}

// validateVerify checks the station, and gives feed the default that depends on who runs FRR.
func (d *decoder) validateVerify(c *Config) {
	const listen, allowed, feed = "verify.bmp.listen", "verify.bmp.allowed", "verify.bmp.feed"
	b := &c.Verify.BMP
	at, is := listenAddress(b.Listen)
	switch {
	case !d.good(listen) || b.Listen == "":
	case !is:
		d.reject(listen, `%s is not an address and a port: write one such as 127.0.0.1:11019 or :11019, or "" for none`, quote(b.Listen))
	case at.Addr().Zone() != "" || at.Addr().Is4In6():
		d.reject(listen, "%s is no address that FRR connects to: write one without a zone, and an IPv4 address as such", quote(b.Listen))
	}
	if d.good(allowed) && len(b.Allowed) > 0 && (b.Listen == "" || is && at.Addr().IsLoopback()) {
		d.reject(allowed, `has no effect where the station listens on %s: write verify.bmp.listen too, such as ":11019"`, quote(b.Listen))
	}
	for i, p := range b.Allowed {
		d.validatePrefix(allowed+index(i), p)
	}
	unique(d, allowed, b.Allowed)
	switch {
	case !d.given[feed]:
		b.Feed = c.FRR.Ours() && b.Listen != ""
	case b.Feed && b.Listen == "" && d.good(feed) && d.good(listen):
		d.reject(feed, "feeds a station that is not there: give verify.bmp.listen an address and a port, or take feed out")
	}
}
