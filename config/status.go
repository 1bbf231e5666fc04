package config

import (
	"net/netip"
	"strings"
)

// Status says where the agent tells how it is.
type Status struct {
	// Listen is the address and port on which the agent serves its metrics and its health; without an address it is every
	// one of the node's. An empty text means that it serves them nowhere. Default: :7473.
	Listen string `yaml:"listen" value:"ADDRESS:PORT or :PORT" example:"127.0.0.1:7473" frr:"-"`
	// Socket is the path of the local socket that the command status asks. An empty text means that there is none.
	// Default: /run/fairlead/fairlead.sock.
	Socket string `yaml:"socket" value:"absolute path of at most 107 characters" example:"/run/fairlead/fairlead.sock" frr:"-"`
	// Pprof serves Go's profiles too, under /debug/pprof: whoever may connect can slow the agent down. Default: false.
	Pprof bool `yaml:"pprof" example:"true" frr:"-"`
}

func (d *decoder) validateStatus(s *Status) {
	const listen = "status.listen"
	if _, is := listenAddress(s.Listen); d.good(listen) && s.Listen != "" && !is {
		d.reject(listen, `%s is not an address and a port: write one such as :7473, 127.0.0.1:7473 or [::1]:7473, or "" for none`,
			quote(s.Listen))
	}
	d.validateSocket("status.socket", s.Socket)
}

func (d *decoder) validateSocket(at, given string) {
	// Linux keeps a socket's path in 108 bytes, the last of which is 0.
	const longest = 107
	if !d.good(at) {
		return
	}
	d.validatePath(at, given)
	if len(given) > longest {
		d.reject(at, "is %d bytes long: write a path of at most %d", len(given), longest)
	}
}

// listenAddress reads a port that others can know, behind an address or none, which means all; false means that s is no such.
func listenAddress(s string) (netip.AddrPort, bool) {
	if strings.HasPrefix(s, ":") {
		s = netip.IPv4Unspecified().String() + s
	}
	at, err := netip.ParseAddrPort(s)
	return at, err == nil && at.Port() != 0
}
