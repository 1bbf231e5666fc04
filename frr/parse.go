package frr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
)

// Peer names a neighbor as FRR does: by its address, or by the interface of an unnumbered one. One of them is set.
type Peer struct {
	Address   netip.Addr
	Interface string
}

// String gives the address or the interface.
func (p Peer) String() string {
	if p.Address.IsValid() {
		return p.Address.String()
	}
	return p.Interface
}

// Compare orders peers by address, those of an interface first.
func (p Peer) Compare(other Peer) int {
	if c := p.Address.Compare(other.Address); c != 0 {
		return c
	}
	return strings.Compare(p.Interface, other.Interface)
}

func parsePeer(name string) Peer {
	if addr, err := netip.ParseAddr(name); err == nil {
		return Peer{Address: addr.Unmap()}
	}
	return Peer{Interface: name}
}

// ParseRunningConfig takes away the words that "show running-config" prints around the configuration itself.
func ParseRunningConfig(output []byte) ([]byte, error) {
	_, config, found := bytes.Cut(output, []byte("Current configuration:\n!\n"))
	if !found {
		return nil, fmt.Errorf("parse running configuration: FRR says %q", firstLine(output))
	}
	config, found = bytes.CutSuffix(bytes.TrimRight(config, "\n"), []byte("\nend"))
	if !found {
		return nil, errors.New("parse running configuration: it breaks off before its end")
	}
	return append(bytes.Clone(config), '\n'), nil
}

// unmarshal reads a JSON document of FRR into doc. FRR answers some questions with a warning instead, as JSON or as text.
func unmarshal(data []byte, doc any) error {
	// A warning is short; a table of 100,000 routes need not be read twice to see that it is none.
	const short = 1024
	if len(data) < short {
		if !json.Valid(data) {
			return fmt.Errorf("FRR says %q", firstLine(data))
		}
		var refusal struct {
			Warning any `json:"warning"`
		}
		// A document of another shape has no warning: the next step tells what is wrong with it.
		if err := json.Unmarshal(data, &refusal); err == nil && refusal.Warning != nil {
			return fmt.Errorf("FRR says %v", refusal.Warning)
		}
	}
	return json.Unmarshal(data, doc)
}

func firstLine(data []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	const enough = 200
	return Mask(line[:min(len(line), enough)])
}

// jsonASN is an AS number, which FRR writes as a number, or as a string under "bgp asnotation dot".
type jsonASN route.ASN

// UnmarshalJSON implements json.Unmarshaler. 0 is what FRR writes for an AS that is not known yet.
func (a *jsonASN) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	high, low, dotted := strings.Cut(text, ".")
	if !dotted {
		high, low = "0", text
	}
	bits := 32
	if dotted {
		bits = 16
	}
	h, errHigh := strconv.ParseUint(high, 10, 16)
	l, errLow := strconv.ParseUint(low, 10, bits)
	if err := errors.Join(errHigh, errLow); err != nil {
		return fmt.Errorf("parse AS number %s: %w", data, err)
	}
	*a = jsonASN(h<<16 | l)
	return nil
}

// jsonAddr is an address; what FRR writes in the place of one it does not know ("Unknown", "none", "") is the zero Addr.
type jsonAddr struct{ netip.Addr }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *jsonAddr) UnmarshalText(text []byte) error {
	addr, err := netip.ParseAddr(string(text))
	if err == nil {
		a.Addr = addr.Unmap()
	}
	return nil
}

// jsonMillis is a time in milliseconds.
type jsonMillis int64

func (m jsonMillis) duration() time.Duration { return time.Duration(m) * time.Millisecond }

// parseFamily reads the name that FRR gives a family in its JSON.
func parseFamily(name string) (route.Family, bool) {
	switch name {
	case "ipv4Unicast":
		return route.IPv4Unicast, true
	case "ipv6Unicast":
		return route.IPv6Unicast, true
	default:
		return 0, false
	}
}

// words are those of a family in FRR's commands.
func words(f route.Family) string {
	if f == route.IPv6Unicast {
		return "ipv6 unicast"
	}
	return "ipv4 unicast"
}

// showBGP begins a command about one BGP instance: the default one is named "", any other is a view.
func showBGP(view string) string {
	if view == "" {
		return "show bgp"
	}
	return "show bgp view " + view
}
