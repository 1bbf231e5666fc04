package tap

import (
	"fmt"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/fairlead/fairlead/route"
)

// options are what the two OPENs of a session have agreed on, as far as it changes what our UPDATEs mean.
type options struct {
	// twoOctetAS says that AS_PATH has AS numbers of two octets (RFC 6793, section 4.2.2).
	twoOctetAS bool
	// addPath are the families whose prefixes have a path ID before them (RFC 7911, section 4).
	addPath families
	// families are those that are exchanged.
	families families
	// endOfRIB are the families whose End-of-RIB the neighbor waits for (RFC 4724, section 3): FRR sends it to those only.
	endOfRIB families
}

// usual are the options of a session whose OPENs nobody has seen: those of any FRR that was not told otherwise.
func usual() options { return options{families: allFamilies} }

// families is a set of them.
type families uint8

const allFamilies = 1<<route.IPv4Unicast | 1<<route.IPv6Unicast

func (f families) has(family route.Family) bool { return f&(1<<family) != 0 }

func (f families) without(family route.Family) families { return f &^ (1 << family) }

// familyOf is the family that two numbers of a message name (RFC 4760, section 6); 0 is one that is not followed.
func familyOf(afi uint16, safi uint8) route.Family {
	switch {
	case afi == bgp.AFI_IP && safi == bgp.SAFI_UNICAST:
		return route.IPv4Unicast
	case afi == bgp.AFI_IP6 && safi == bgp.SAFI_UNICAST:
		return route.IPv6Unicast
	default:
		return 0
	}
}

func setOf(f bgp.RouteFamily) families {
	if family := familyOf(bgp.RouteFamilyToAfiSafi(f)); family != 0 {
		return 1 << family
	}
	return 0
}

// negotiate gives the options that follow from the two OPENs, without their headers: the one we sent and the one that the
// neighbor did.
func negotiate(sent, received []byte) (options, error) {
	ours, err := capabilities(sent)
	if err != nil {
		return options{}, fmt.Errorf("decode our own OPEN: %w", err)
	}
	theirs, err := capabilities(received)
	if err != nil {
		return options{}, fmt.Errorf("decode the neighbor's OPEN: %w", err)
	}
	return options{
		twoOctetAS: !ours.fourOctetAS || !theirs.fourOctetAS,
		addPath:    ours.sendsPaths & theirs.receivesPaths,
		families:   ours.families & theirs.families,
		endOfRIB:   theirs.endOfRIB & ours.families & theirs.families,
	}, nil
}

// offer is what one OPEN says.
type offer struct {
	fourOctetAS                         bool
	sendsPaths, receivesPaths, families families
	endOfRIB                            families
}

func capabilities(body []byte) (o offer, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("decode capabilities: %v", r)
		}
	}()
	var open bgp.BGPOpen
	if err := open.DecodeFromBytes(body); err != nil {
		return offer{}, err
	}
	restart := false
	for _, parameter := range open.OptParams {
		list, is := parameter.(*bgp.OptionParameterCapability)
		if !is {
			continue
		}
		for _, capability := range list.Capability {
			switch c := capability.(type) {
			case *bgp.CapMultiProtocol:
				o.families |= setOf(c.CapValue)
			case *bgp.CapFourOctetASNumber:
				o.fourOctetAS = true
			case *bgp.CapGracefulRestart:
				restart = true
			case *bgp.CapAddPath:
				for _, tuple := range c.Tuples {
					if tuple.Mode&bgp.BGP_ADD_PATH_SEND != 0 {
						o.sendsPaths |= setOf(tuple.RouteFamily)
					}
					if tuple.Mode&bgp.BGP_ADD_PATH_RECEIVE != 0 {
						o.receivesPaths |= setOf(tuple.RouteFamily)
					}
				}
			}
		}
	}
	// Without the capability a speaker exchanges IPv4 unicast alone (RFC 4760, section 8).
	if o.families == 0 {
		o.families = 1 << route.IPv4Unicast
	}
	if restart {
		o.endOfRIB = o.families
	}
	return o, nil
}
