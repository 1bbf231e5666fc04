package frr

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Needs is what a configuration asks of FRR's daemons. The zero value asks for a bgpd that connects to its neighbors.
type Needs struct {
	// Listen says that a neighbor connects to us, so that bgpd must listen (bgpd's -p).
	Listen bool
	// Zebra says that something is done in the kernel, or learned from it: routes installed, links known by their name.
	Zebra bool
	// BFD says that sessions are watched by bfdd, which needs zebra too.
	BFD bool
}

// Daemons are those that must answer before a configuration of these needs is given to FRR.
func (n Needs) Daemons() []string {
	if n.BFD {
		return []string{"bfdd", "bgpd"}
	}
	return []string{"bgpd"}
}

// covers reports whether daemons that run for n serve other too.
func (n Needs) covers(other Needs) bool { return n.with(other) == n }

// with is what n and other need together.
func (n Needs) with(other Needs) Needs {
	return Needs{Listen: n.Listen || other.Listen, Zebra: n.Zebra || other.Zebra, BFD: n.BFD || other.BFD}
}

// errAlone says why a need cannot be served by bgpd alone.
var errAlone = errors.New("zebra and bfdd do not start without more capabilities: give the container NET_ADMIN, NET_RAW and SYS_ADMIN, " +
	"or take bfd, interface, vrf and receive.install out of the configuration")

// possible is an error where daemons that serve n cannot be started: bgpd must run alone, or a program is missing.
func (d Daemons) possible(n Needs) error {
	if d.Alone && (n.Zebra || n.BFD) {
		return errAlone
	}
	for _, p := range d.plans(n) {
		if _, err := os.Stat(d.program(p.name)); err != nil {
			return fmt.Errorf("find %s: %w", p.name, err)
		}
	}
	return nil
}

// wanted are the capabilities without which bgpd and zebra end at their start, unless bgpd is started with -S.
const wanted = 1<<unix.CAP_NET_BIND_SERVICE | 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_ADMIN

// Capable reports whether this process may start all of FRR's daemons, by its effective capabilities. A container has the
// default ones only, unless it is given more; then Daemons must be Alone.
func Capable() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("read capabilities: %w", err)
	}
	return data[0].Effective&wanted == wanted, nil
}
