package frr

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

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

// NeedsOf reads from frr.conf what it asks of the daemons. The text is what FRR is given, whoever wrote a line of it, so it
// is asked and not what the text was made from.
func NeedsOf(conf []byte) Needs {
	var n Needs
	inRouter := false
	for line := range bytes.Lines(conf) {
		text := bytes.TrimSpace(line)
		if line[0] != ' ' {
			words := bytes.Fields(text)
			inRouter = bytes.HasPrefix(text, []byte("router bgp "))
			n.Zebra = n.Zebra || inRouter && len(words) > 4 && string(words[3]) == "vrf"
			n.BFD = n.BFD || string(text) == "bfd"
			continue
		}
		// Most lines are routes.
		switch {
		case !inRouter:
		case bytes.HasPrefix(text, []byte("table-map ")):
			n.Zebra = true
		case bytes.HasPrefix(text, []byte("neighbor ")):
			n.neighbor(string(text))
		}
	}
	n.Zebra = n.Zebra || n.BFD
	return n
}

// neighbor adds what a statement about a neighbor asks for.
func (n *Needs) neighbor(statement string) {
	words := strings.Fields(statement)
	if len(words) < 3 {
		return
	}
	switch words[2] {
	case "passive":
		n.Listen = true
	case "bfd":
		n.BFD = true
	case "interface":
		n.Zebra = true
	}
}

// Daemons are those that must answer before a configuration of these needs is given to FRR.
func (n Needs) Daemons() []string {
	if n.BFD {
		return []string{"bfdd", "bgpd"}
	}
	return []string{"bgpd"}
}

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
