package frr

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/fairlead/fairlead/route"
)

// Established is the State of a session over which routes are exchanged (RFC 4271, section 8.2.2).
const Established = "Established"

// Summary is how one BGP instance stands with its neighbors.
type Summary struct {
	// RouterID and ASN are those of the instance; they are zero where it has no neighbor.
	RouterID netip.Addr
	ASN      route.ASN
	// Sessions are sorted by family and neighbor, one for each family that is activated for a neighbor.
	Sessions []Session
}

// Session is one neighbor in one address family.
type Session struct {
	Neighbor Peer
	Family   route.Family
	RemoteAS route.ASN
	// State is FRR's word: "Established", "Active", "Idle (Admin)" where it is shut down.
	State string
	// Uptime is how long the session has been in that state, or 0 where it was never up.
	Uptime time.Duration
	// Received and Sent count prefixes: those accepted from the neighbor, and those it was told.
	Received, Sent int
	// Queued counts the messages that wait to be written to the neighbor.
	Queued int
}

// Summary asks for the summary of one BGP instance: "" is the default one, any other name that of a view.
func (v Vtysh) Summary(ctx context.Context, view string) (Summary, error) {
	out, err := v.Show(ctx, showBGP(view)+" summary json")
	if err != nil {
		return Summary{}, err
	}
	return ParseSummary(out)
}

// ParseSummary reads what "show bgp summary json" prints. Families other than route's are left out.
func ParseSummary(data []byte) (Summary, error) {
	var doc map[string]json.RawMessage
	if err := unmarshal(data, &doc); err != nil {
		return Summary{}, fmt.Errorf("parse summary: %w", err)
	}
	var s Summary
	for name, raw := range doc {
		family, ok := parseFamily(name)
		if !ok {
			continue
		}
		var table struct {
			RouterID jsonAddr `json:"routerId"`
			ASN      jsonASN  `json:"as"`
			Peers    map[string]struct {
				RemoteAS jsonASN    `json:"remoteAs"`
				State    string     `json:"state"`
				Uptime   jsonMillis `json:"peerUptimeMsec"`
				Received int        `json:"pfxRcd"`
				Sent     int        `json:"pfxSnt"`
				Queued   int        `json:"outq"`
			} `json:"peers"`
		}
		if err := json.Unmarshal(raw, &table); err != nil {
			return Summary{}, fmt.Errorf("parse summary of %s: %w", family, err)
		}
		s.RouterID, s.ASN = table.RouterID.Addr, route.ASN(table.ASN)
		for peer, p := range table.Peers {
			s.Sessions = append(s.Sessions, Session{
				Neighbor: parsePeer(peer), Family: family, RemoteAS: route.ASN(p.RemoteAS), State: p.State,
				Uptime: p.Uptime.duration(), Received: p.Received, Sent: p.Sent, Queued: p.Queued,
			})
		}
	}
	slices.SortFunc(s.Sessions, func(a, b Session) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), a.Neighbor.Compare(b.Neighbor))
	})
	return s, nil
}
