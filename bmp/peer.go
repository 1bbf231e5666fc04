package bmp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/packet/bmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// View is one of the tables that a router can tell of a peer.
type View uint8

// The tables of a peer.
const (
	// InPrePolicy and InPostPolicy are the Adj-RIB-In before and after the router's policy (RFC 7854, section 5).
	InPrePolicy View = iota
	InPostPolicy
	// OutPrePolicy and OutPostPolicy are the Adj-RIB-Out (RFC 8671).
	OutPrePolicy
	OutPostPolicy
	// LocRIB is the table of the routes that the router uses (RFC 9069); its peer has no address.
	LocRIB
	viewCount
)

// String gives "adj-rib-in pre-policy" and so on.
func (v View) String() string {
	names := [viewCount]string{
		"adj-rib-in pre-policy", "adj-rib-in post-policy", "adj-rib-out pre-policy", "adj-rib-out post-policy", "loc-rib",
	}
	if v < viewCount {
		return names[v]
	}
	return "view " + strconv.Itoa(int(v))
}

// MarshalText gives what String gives.
func (v View) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// viewOf is the table that a Route Monitoring message is about. The flags of a Loc-RIB mean other things (RFC 9069, section 4.2).
func viewOf(h bmp.BMPPeerHeader) View {
	switch {
	case h.PeerType == bmp.BMP_PEER_TYPE_LOCAL_RIB:
		return LocRIB
	case h.IsAdjRIBOut() && h.IsPostPolicy():
		return OutPostPolicy
	case h.IsAdjRIBOut():
		return OutPrePolicy
	case h.IsPostPolicy():
		return InPostPolicy
	default:
		return InPrePolicy
	}
}

// peerKey tells the peers of a router apart (RFC 7854, section 4.2).
type peerKey struct {
	distinguisher uint64
	address       netip.Addr
	locRIB        bool
}

func keyOf(h bmp.BMPPeerHeader) peerKey {
	key := peerKey{distinguisher: h.PeerDistinguisher, locRIB: h.PeerType == bmp.BMP_PEER_TYPE_LOCAL_RIB}
	if !key.locRIB {
		key.address = addrOf(h.PeerAddress)
	}
	return key
}

// peer is one session of a router, or its Loc-RIB.
type peer struct {
	key peerKey
	asn route.ASN
	id  netip.Addr
	up  bool
	// local is the router's own end of the session.
	local  netip.Addr
	agreed agreed
	// unread says that it is not known how its messages are to be read: the router has not kept the OPENs.
	unread bool
	views  [viewCount]*table
	// reason is why the session is down, or what could not be decoded.
	reason     string
	statistics map[uint16]uint64
}

// table is one view of a peer.
type table struct {
	routes map[pathKey]*verify.Attributes
	// paths are the path IDs of a prefix (RFC 7911), sorted, where there are any.
	paths map[netip.Prefix][]uint32
	// ended are the families whose End-of-RIB has come.
	ended []route.Family
	// held says that it has had a route. FRR tells nothing, or withdrawals, of the Adj-RIB-In before its policy where the peer has
	// no "soft-reconfiguration inbound": a table that never held a route is no witness that none was sent.
	held bool
	// changed is when a route last was. quiet says that none was for long enough to take the table for complete: FRR sends an
	// End-of-RIB to a station that connects, and none for a session that begins later.
	changed time.Time
	quiet   bool
	// broken says that a message about it was not understood.
	broken bool
}

// state is what the table says of the session.
func (p *peer) state(v View) verify.State {
	t := p.views[v]
	switch {
	case !p.up:
		return verify.Down
	case t == nil || t.broken || !t.held:
		return verify.Unknown
	case t.quiet:
		return verify.Whole
	}
	for _, f := range p.agreed.families {
		if !slices.Contains(t.ended, f) {
			return verify.Learning
		}
	}
	return verify.Whole
}

// unopened is why nothing is read of a peer whose OPENs the router has not kept.
const unopened = "the router has not kept the OPENs of the session, so that its routes cannot be read: they can once the session begins anew"

// rise takes a Peer Up.
func (p *peer) rise(h bmp.BMPPeerHeader, body *bmp.BMPPeerUpNotification) error {
	var agreed agreed
	reason := unopened
	unread := body.SentOpenMsg == nil || body.ReceivedOpenMsg == nil
	if !unread {
		var err error
		if agreed, err = agreement(body.SentOpenMsg, body.ReceivedOpenMsg); err != nil {
			return err
		}
		reason = ""
	}
	p.asn, p.id, p.up, p.agreed, p.unread, p.reason = route.ASN(h.PeerAS), addrOf(h.PeerBGPID), true, agreed, unread, reason
	if p.local = addrOf(body.LocalAddress); p.key.locRIB {
		// The OPENs of a Loc-RIB are made up (RFC 9069, section 5.4), FRR's without an AS number.
		p.local, p.agreed.own = netip.Addr{}, p.asn
	}
	p.views = [viewCount]*table{}
	return nil
}

// fall takes a Peer Down (RFC 7854, section 4.9).
func (p *peer) fall(body *bmp.BMPPeerDownNotification) {
	p.up, p.views = false, [viewCount]*table{}
	switch body.Reason {
	case bmp.BMP_PEER_DOWN_REASON_LOCAL_BGP_NOTIFICATION:
		p.reason = "the router has ended the session" + notification(body.BGPNotification)
	case bmp.BMP_PEER_DOWN_REASON_LOCAL_NO_NOTIFICATION:
		p.reason = "the router has ended the session without a NOTIFICATION"
	case bmp.BMP_PEER_DOWN_REASON_REMOTE_BGP_NOTIFICATION:
		p.reason = "the peer has ended the session" + notification(body.BGPNotification)
	case bmp.BMP_PEER_DOWN_REASON_REMOTE_NO_NOTIFICATION:
		p.reason = "the connection was lost"
	case bmp.BMP_PEER_DOWN_REASON_PEER_DE_CONFIGURED:
		p.reason = "the router monitors the session no more"
	default:
		p.reason = "reason " + strconv.Itoa(int(body.Reason))
	}
}

func notification(m *bgp.BGPMessage) string {
	if m == nil {
		return ""
	}
	body, is := m.Body.(*bgp.BGPNotification)
	if !is {
		return ""
	}
	return fmt.Sprintf(" with NOTIFICATION %d/%d (RFC 4271, section 4.5)", body.ErrorCode, body.ErrorSubcode)
}

// set takes a route, or with no attributes its withdrawal. It returns by how many the table has grown.
func (t *table) set(key pathKey, attributes *verify.Attributes) int {
	_, known := t.routes[key]
	ids := t.paths[key.prefix]
	at, listed := slices.BinarySearch(ids, key.path)
	switch {
	case attributes == nil && !known:
		return 0
	case attributes == nil:
		delete(t.routes, key)
		if listed {
			if t.paths[key.prefix] = slices.Delete(ids, at, at+1); len(ids) == 1 {
				delete(t.paths, key.prefix)
			}
		}
		return -1
	}
	t.routes[key] = attributes
	if known {
		return 0
	}
	if key.path != 0 {
		t.paths[key.prefix] = slices.Insert(ids, at, key.path)
	}
	return 1
}

// first is the route to a prefix, that of the lowest path ID where there are several; nil where there is none.
func (t *table) first(prefix netip.Prefix) *verify.Attributes {
	key := pathKey{prefix: prefix}
	if ids := t.paths[prefix]; len(ids) > 0 {
		key.path = ids[0]
	}
	return t.routes[key]
}

func newTable() *table {
	return &table{routes: map[pathKey]*verify.Attributes{}, paths: map[netip.Prefix][]uint32{}}
}

// limit counts the routes of a connection, and with them those of all; the station's own has no other behind it.
type limit struct {
	routes, most int
	// err is that of more than most.
	err error
	all *limit
}

var (
	errTooManyRoutes = errors.New("the router tells of more routes than are kept: let it monitor fewer tables, or allow more")
	errStationFull   = errors.New("all routers together tell of more routes than are kept: let them monitor fewer tables, or fewer of them connect")
)

// add counts so many more, or fewer, also where that is too many.
func (l *limit) add(routes int) error {
	l.routes += routes
	var err error
	if l.all != nil {
		err = l.all.add(routes)
	}
	if l.routes > l.most {
		return l.err
	}
	return err
}

// monitor takes one UPDATE of a view, and returns what has changed, one path of each prefix.
func (p *peer) monitor(v View, message *bgp.BGPMessage, pool *verify.Pool, l *limit, now time.Time) ([]verify.Change, error) {
	list, err := updates(message)
	if err != nil {
		return nil, err
	}
	if p.views[v] == nil {
		p.views[v] = newTable()
	}
	t := p.views[v]
	var changes []verify.Change
	for _, u := range list {
		if u.endOfRIB != 0 && !slices.Contains(t.ended, u.endOfRIB) {
			t.ended = append(t.ended, u.endOfRIB)
		}
		for _, key := range u.withdrawn {
			_ = l.add(t.set(key, nil))
			changes = append(changes, verify.Change{Prefix: key.prefix, Attributes: t.first(key.prefix)})
		}
		if len(u.announced) == 0 {
			continue
		}
		if v == LocRIB || v <= InPostPolicy && p.asn != p.agreed.own {
			u.attributes.ASPath = asReceived(u.attributes.ASPath, p.agreed.own)
		}
		attributes := pool.Share(u.attributes)
		t.held = true
		for _, key := range u.announced {
			if err := l.add(t.set(key, attributes)); err != nil {
				return nil, err
			}
			changes = append(changes, verify.Change{Prefix: key.prefix, Attributes: t.first(key.prefix)})
		}
	}
	if len(changes) > 0 {
		t.changed = now
	}
	return changes, nil
}

// settle takes the views that are followed for complete where nothing has changed since a time, and returns those for which
// that is new.
func (p *peer) settle(since time.Time) []View {
	var settled []View
	for _, v := range []View{InPrePolicy, LocRIB} {
		if t := p.views[v]; t != nil && p.state(v) == verify.Learning && t.changed.Before(since) {
			t.quiet = true
			settled = append(settled, v)
		}
	}
	return settled
}

// routes counts those of all views.
func (p *peer) routes() int {
	n := 0
	for _, t := range p.views {
		if t != nil {
			n += len(t.routes)
		}
	}
	return n
}

// snapshot is a whole view, one path of each prefix.
func (p *peer) snapshot(v View) []verify.Change {
	t := p.views[v]
	if t == nil {
		return nil
	}
	changes := make([]verify.Change, 0, len(t.routes))
	for key := range t.routes {
		changes = append(changes, verify.Change{Prefix: key.prefix, Attributes: t.first(key.prefix)})
	}
	return changes
}
