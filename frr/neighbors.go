package frr

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
)

// Neighbor is one session in detail, over all its families.
type Neighbor struct {
	Peer
	RemoteAS, LocalAS route.ASN
	// RemoteRouterID is 0.0.0.0 until the neighbor has sent an OPEN.
	RemoteRouterID, LocalRouterID netip.Addr
	// State is FRR's word: "Established", "Active", "Idle". AdminDown says that it is shut down here.
	State     string
	AdminDown bool
	// Uptime is how long it has been established, else 0.
	Uptime time.Duration
	// ConfiguredHoldTime and ConfiguredKeepalive are what we propose, HoldTime and Keepalive what both agreed on.
	ConfiguredHoldTime, ConfiguredKeepalive, HoldTime, Keepalive time.Duration
	// Local and Remote are the ends of the TCP connection; zero where there is none.
	Local, Remote netip.AddrPort
	// MD5 says that a password is set (RFC 2385).
	MD5 bool
	// MaxHops is how far away an eBGP neighbor may be, by ebgp-multihop or ttl-security; 0 on iBGP.
	MaxHops int
	// Capabilities are what the OPENs of both sides said; all false until then.
	Capabilities Capabilities
	// RestartTime is for how long the neighbor asks us to keep its routes while it restarts (RFC 4724).
	RestartTime time.Duration
	// NextHops are our own addresses that the neighbor may be told as next hop: for IPv4, for IPv6, and the link-local one.
	NextHops []netip.Addr
	// Queued counts the messages that wait to be written to the neighbor.
	Queued int
	// UpdatesSent and UpdatesReceived count UPDATE messages since the last reset of the counters.
	UpdatesSent, UpdatesReceived int
	// Resets counts how often the session went down. LastReset is FRR's reason, "" where it never did.
	Resets    int
	LastReset string
	// Families are sorted.
	Families []NeighborFamily
}

// Capabilities are those of RFC 5492 that matter to what is announced and how it is decoded.
type Capabilities struct {
	FourOctetAS, ExtendedMessage, RouteRefresh, GracefulRestart Capability
}

// Capability says which side named it in its OPEN. It is in use where both did.
type Capability struct{ Advertised, Received bool }

// NeighborFamily is a neighbor in one address family that is activated for it.
type NeighborFamily struct {
	Family route.Family
	// Accepted and Sent count prefixes.
	Accepted, Sent int
	// RouteMapIn and RouteMapOut name the route-maps; "" where there is none.
	RouteMapIn, RouteMapOut string
	// Agreed says that both OPENs have the family.
	Agreed bool
	// Deferring says that bgpd selects no routes yet, after a restart (RFC 4724).
	Deferring bool
	// PolicyMissing says that nothing is exchanged, because an eBGP session has no policy (RFC 8212).
	PolicyMissing bool
}

// Neighbors asks for all neighbors of one BGP instance: "" is the default one, any other name that of a view.
func (v Vtysh) Neighbors(ctx context.Context, view string) ([]Neighbor, error) {
	out, err := v.Show(ctx, showBGP(view)+" neighbors json")
	if err != nil {
		return nil, err
	}
	return ParseNeighbors(out)
}

type jsonNeighbor struct {
	RemoteAS            jsonASN    `json:"remoteAs"`
	LocalAS             jsonASN    `json:"localAs"`
	RemoteRouterID      jsonAddr   `json:"remoteRouterId"`
	LocalRouterID       jsonAddr   `json:"localRouterId"`
	State               string     `json:"bgpState"`
	AdminDown           bool       `json:"adminShutDown"`
	Uptime              jsonMillis `json:"bgpTimerUpMsec"`
	ConfiguredHoldTime  jsonMillis `json:"bgpTimerConfiguredHoldTimeMsecs"`
	ConfiguredKeepalive jsonMillis `json:"bgpTimerConfiguredKeepAliveIntervalMsecs"`
	HoldTime            jsonMillis `json:"bgpTimerHoldTimeMsecs"`
	Keepalive           jsonMillis `json:"bgpTimerKeepAliveIntervalMsecs"`
	HostLocal           jsonAddr   `json:"hostLocal"`
	NextHop             jsonAddr   `json:"nexthop"`
	NextHopGlobal       jsonAddr   `json:"nexthopGlobal"`
	NextHopLocal        jsonAddr   `json:"nexthopLocal"`
	HostForeign         jsonAddr   `json:"hostForeign"`
	PortLocal           int        `json:"portLocal"`
	PortForeign         int        `json:"portForeign"`
	Authentication      int        `json:"authenticationEnabled"`
	MaxHops             int        `json:"externalBgpNbrMaxHopsAway"`
	Dropped             int        `json:"connectionsDropped"`
	LastReset           string     `json:"lastResetDueTo"`
	Stats               struct {
		UpdatesSent     int `json:"updatesSent"`
		UpdatesReceived int `json:"updatesRecv"`
		Queued          int `json:"depthOutq"`
	} `json:"messageStats"`
	Capabilities struct {
		FourOctetAS     jsonCapability `json:"4byteAs"`
		ExtendedMessage jsonCapability `json:"extendedMessage"`
		RouteRefresh    jsonCapability `json:"routeRefresh"`
		GracefulRestart jsonCapability `json:"gracefulRestart"`
		Families        map[string]struct {
			Agreed bool `json:"advertisedAndReceived"`
		} `json:"multiprotocolExtensions"`
	} `json:"neighborCapabilities"`
	GracefulRestart jsonRestart `json:"gracefulRestartInfo"`
	Families        map[string]struct {
		Accepted   int    `json:"acceptedPrefixCounter"`
		Sent       int    `json:"sentPrefixCounter"`
		In         string `json:"routeMapForIncomingAdvertisements"`
		Out        string `json:"routeMapForOutgoingAdvertisements"`
		MissingIn  string `json:"inboundEbgpRequiresPolicy"`
		MissingOut string `json:"outboundEbgpRequiresPolicy"`
	} `json:"addressFamilyInfo"`
}

// jsonCapability reads "advertised", "received", "advertisedAndReceived" and "advertisedAndReceivedOldNew".
type jsonCapability Capability

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *jsonCapability) UnmarshalText(text []byte) error {
	word := strings.ToLower(string(text))
	c.Advertised, c.Received = strings.Contains(word, "advertised"), strings.Contains(word, "received")
	return nil
}

// ParseNeighbors reads what "show bgp neighbors json" prints, sorted by address.
func ParseNeighbors(data []byte) ([]Neighbor, error) {
	var doc map[string]json.RawMessage
	if err := unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("parse neighbors: %w", err)
	}
	var neighbors []Neighbor
	for name, raw := range doc {
		// The instance's own values (vrfId, vrfName) stand beside its neighbors.
		if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
			continue
		}
		var n jsonNeighbor
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, fmt.Errorf("parse neighbor %s: %w", name, err)
		}
		neighbors = append(neighbors, n.neighbor(parsePeer(name)))
	}
	slices.SortFunc(neighbors, func(a, b Neighbor) int { return a.Compare(b.Peer) })
	return neighbors, nil
}

func (n jsonNeighbor) neighbor(peer Peer) Neighbor {
	out := Neighbor{
		Peer: peer, RemoteAS: route.ASN(n.RemoteAS), LocalAS: route.ASN(n.LocalAS),
		RemoteRouterID: n.RemoteRouterID.Addr, LocalRouterID: n.LocalRouterID.Addr,
		State: n.State, AdminDown: n.AdminDown, Uptime: n.Uptime.duration(),
		ConfiguredHoldTime: n.ConfiguredHoldTime.duration(), ConfiguredKeepalive: n.ConfiguredKeepalive.duration(),
		HoldTime: n.HoldTime.duration(), Keepalive: n.Keepalive.duration(),
		Local: endpoint(n.HostLocal, n.PortLocal), Remote: endpoint(n.HostForeign, n.PortForeign),
		MD5: n.Authentication != 0, MaxHops: n.MaxHops, Resets: n.Dropped, LastReset: n.LastReset,
		Capabilities: Capabilities{
			FourOctetAS:     Capability(n.Capabilities.FourOctetAS),
			ExtendedMessage: Capability(n.Capabilities.ExtendedMessage),
			RouteRefresh:    Capability(n.Capabilities.RouteRefresh),
			GracefulRestart: Capability(n.Capabilities.GracefulRestart),
		},
		RestartTime: time.Duration(n.GracefulRestart.received) * time.Second,
		UpdatesSent: n.Stats.UpdatesSent, UpdatesReceived: n.Stats.UpdatesReceived, Queued: n.Stats.Queued,
	}
	for _, hop := range []jsonAddr{n.NextHop, n.NextHopGlobal, n.NextHopLocal} {
		if hop.IsValid() && !hop.IsUnspecified() {
			out.NextHops = append(out.NextHops, hop.Addr)
		}
	}
	for name, f := range n.Families {
		family, ok := parseFamily(name)
		if !ok {
			continue
		}
		out.Families = append(out.Families, NeighborFamily{
			Family: family, Accepted: f.Accepted, Sent: f.Sent, RouteMapIn: f.In, RouteMapOut: f.Out,
			Agreed: n.Capabilities.Families[name].Agreed, Deferring: n.GracefulRestart.deferring[family],
			PolicyMissing: f.MissingIn != "" || f.MissingOut != "",
		})
	}
	slices.SortFunc(out.Families, func(a, b NeighborFamily) int { return cmp.Compare(a.Family, b.Family) })
	return out
}

// endpoint is the zero AddrPort where FRR has no connection: it writes -1 for the port then.
func endpoint(addr jsonAddr, port int) netip.AddrPort {
	if !addr.IsValid() || port <= 0 || port > 65535 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Addr, uint16(port))
}

// jsonRestart is gracefulRestartInfo: times of the neighbor, and beside them some of each family.
type jsonRestart struct {
	received  int
	deferring map[route.Family]bool
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *jsonRestart) UnmarshalJSON(data []byte) error {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	r.deferring = map[route.Family]bool{}
	for name, raw := range doc {
		family, is := parseFamily(name)
		switch {
		case name == "timers":
			var timers struct {
				Received int `json:"receivedRestartTimer"`
			}
			if err := json.Unmarshal(raw, &timers); err != nil {
				return err
			}
			r.received = timers.Received
		case is:
			var info struct {
				Timers struct {
					Remaining *int `json:"selectionDeferralTimerRemaining"`
				} `json:"timers"`
			}
			if err := json.Unmarshal(raw, &info); err != nil {
				return err
			}
			r.deferring[family] = info.Timers.Remaining != nil
		}
	}
	return nil
}

// SoftOut has a neighbor of one BGP instance sent all routes of some families again, which resets no session. A neighbor that is
// not up is sent nothing.
func (v Vtysh) SoftOut(ctx context.Context, view, neighbor string, families []route.Family) error {
	clear := strings.Replace(showBGP(view), "show", "clear", 1)
	for _, family := range families {
		if _, err := v.Show(ctx, clear+" "+words(family)+" "+neighbor+" soft out"); err != nil {
			return err
		}
	}
	return nil
}
