package bmp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/packet/bmp"

	"github.com/fairlead/fairlead/verify"
)

// connection is one router that feeds the station.
type connection struct {
	station *Station
	conn    net.Conn
	// here says that the router is on this machine.
	here bool
	// What follows is guarded by the station's lock.
	router Router
	peers  map[peerKey]*peer
	pool   verify.Pool
	limit  limit
}

var errEnded = errors.New("the router has ended the connection")

// run reads messages until the connection ends, and says why it did.
func (c *connection) run() error {
	patience := c.station.config.Patience
	frames := newFramer(c.conn, func() { _ = c.conn.SetReadDeadline(time.Now().Add(patience)) })
	_ = c.conn.SetReadDeadline(time.Now().Add(patience))
	for {
		message, err := frames.next()
		var timeout net.Error
		switch {
		case errors.Is(err, io.EOF):
			return errEnded
		case errors.As(err, &timeout) && timeout.Timeout():
			return fmt.Errorf("a message took longer than %s", patience)
		case err != nil:
			return err
		}
		if err := c.take(message, time.Now()); err != nil {
			return err
		}
		// Between messages a router may be silent for as long as nothing happens; the kernel's keepalives tell a dead one.
		_ = c.conn.SetReadDeadline(time.Time{})
	}
}

// take takes one message. Its error ends the connection.
func (c *connection) take(message []byte, now time.Time) error {
	c.station.mu.Lock()
	defer c.station.mu.Unlock()
	first := c.router.Messages == 0
	c.router.Last = now
	c.router.Messages++
	c.router.Octets += uint64(len(message))
	if first && message[5] != bmp.BMP_MSG_INITIATION {
		return errors.New("the first message is no Initiation (RFC 7854, section 3.2)")
	}
	m, err := parse(message, c.options)
	if err != nil {
		if m != nil && message[5] == bmp.BMP_MSG_ROUTE_MONITORING {
			return c.broken(m.PeerHeader, err, now)
		}
		return err
	}
	switch body := m.Body.(type) {
	case *bmp.BMPInitiation:
		c.initiation(body)
	case *bmp.BMPTermination:
		return errEnded
	case *bmp.BMPPeerUpNotification:
		if err := c.up(m.PeerHeader, body, now); err != nil {
			return err
		}
		c.opened(message, c.peers[keyOf(m.PeerHeader)], body)
	case *bmp.BMPPeerDownNotification:
		c.down(m.PeerHeader, body, now)
	case *bmp.BMPStatisticsReport:
		c.statistics(m.PeerHeader, body)
	case *bmp.BMPRouteMonitoring:
		return c.monitoring(m.PeerHeader, body, now)
	}
	return nil
}

// options are those that the UPDATEs of a peer are encoded with, as its OPENs agreed.
func (c *connection) options(h bmp.BMPPeerHeader) []*bgp.MarshallingOption {
	p := c.peers[keyOf(h)]
	if p == nil {
		return nil
	}
	if v := viewOf(h); v == OutPrePolicy || v == OutPostPolicy {
		return p.agreed.out
	}
	return p.agreed.in
}

func (c *connection) initiation(body *bmp.BMPInitiation) {
	for _, info := range body.Info {
		text, is := info.(*bmp.BMPInfoTLVString)
		if !is {
			continue
		}
		value := strings.ToValidUTF8(text.Value[:min(len(text.Value), maxText)], "\uFFFD")
		switch text.Type {
		case bmp.BMP_INIT_TLV_TYPE_SYS_NAME:
			c.router.Name = value
		case bmp.BMP_INIT_TLV_TYPE_SYS_DESCR:
			c.router.Description = value
		}
	}
}

func (c *connection) up(h bmp.BMPPeerHeader, body *bmp.BMPPeerUpNotification, now time.Time) error {
	key := keyOf(h)
	p := c.peers[key]
	if p == nil {
		if len(c.peers) >= maxPeers {
			return fmt.Errorf("the router tells of more than %d peers", maxPeers)
		}
		p = &peer{key: key, statistics: map[uint16]uint64{}}
		c.peers[key] = p
	}
	_ = c.limit.add(-p.routes())
	if err := p.rise(h, body); err != nil {
		return err
	}
	if p.unread {
		c.station.config.Failed(c.router.Source, fmt.Errorf("%s: %s", Peer{Address: p.key.address}, p.reason))
	}
	c.turned(p, now)
	return nil
}

// opened tells of the OPENs of a Peer Up. Those of a Loc-RIB are made up (RFC 9069, section 5.4).
func (c *connection) opened(message []byte, p *peer, body *bmp.BMPPeerUpNotification) {
	if p.key.locRIB || p.unread {
		return
	}
	sent := beforeOpens + int(body.SentOpenMsg.Header.Len)
	received := sent + int(body.ReceivedOpenMsg.Header.Len)
	if received > len(message) {
		return
	}
	c.station.config.Opened(Opening{
		Source: c.router.Source, Here: c.here, Near: p.local, Far: p.key.address,
		Sent: bytes.Clone(message[beforeOpens:sent]), Received: bytes.Clone(message[sent:received]),
	})
}

func (c *connection) down(h bmp.BMPPeerHeader, body *bmp.BMPPeerDownNotification, now time.Time) {
	p := c.peers[keyOf(h)]
	if p == nil {
		return
	}
	_ = c.limit.add(-p.routes())
	p.fall(body)
	c.turned(p, now)
}

func (c *connection) statistics(h bmp.BMPPeerHeader, body *bmp.BMPStatisticsReport) {
	p := c.peers[keyOf(h)]
	if p == nil {
		return
	}
	for _, s := range body.Stats {
		switch v := s.(type) {
		case *bmp.BMPStatsTLV32:
			p.count(v.Type, uint64(v.Value))
		case *bmp.BMPStatsTLV64:
			p.count(v.Type, v.Value)
		}
	}
}

// count keeps one counter. There are 65,536 types, and RFC 7854 with its followers has some twenty.
func (p *peer) count(kind uint16, value uint64) {
	const most = 64
	if _, known := p.statistics[kind]; known || len(p.statistics) < most {
		p.statistics[kind] = value
	}
}

func (c *connection) monitoring(h bmp.BMPPeerHeader, body *bmp.BMPRouteMonitoring, now time.Time) error {
	p := c.peers[keyOf(h)]
	if p == nil || !p.up {
		return errors.New("a Route Monitoring message is about a peer that is not up (RFC 7854, section 4.6)")
	}
	v := viewOf(h)
	if p.unread {
		return nil
	}
	twoOctets := v != LocRIB && h.Flags&bmp.BMP_PEER_FLAG_TWO_AS != 0
	if twoOctets {
		return c.broken(h, errors.New("its AS paths have numbers of two octets, which are not read: let the session have 4-octet AS numbers (RFC 6793)"), now)
	}
	before := p.state(v)
	changes, err := p.monitor(v, body.BGPUpdate, &c.pool, &c.limit, now)
	switch {
	case errors.Is(err, errTooManyRoutes), errors.Is(err, errStationFull):
		return err
	case err != nil:
		return c.broken(h, err, now)
	}
	if len(changes) > 0 || p.state(v) != before {
		c.changed(p, v, false, changes, now)
	}
	return nil
}

// broken gives up a table about which a message was not understood, until the session begins anew.
func (c *connection) broken(h bmp.BMPPeerHeader, err error, now time.Time) error {
	p := c.peers[keyOf(h)]
	switch {
	case p == nil:
		return err
	case p.unread:
		return nil
	}
	v := viewOf(h)
	if p.views[v] == nil {
		p.views[v] = newTable()
	}
	p.views[v].broken, p.reason = true, err.Error()
	c.station.config.Failed(c.router.Source, fmt.Errorf("%s: %w", Peer{Address: p.key.address}, err))
	c.changed(p, v, false, nil, now)
	return nil
}

// turned tells of a peer that has come up or gone down.
func (c *connection) turned(p *peer, now time.Time) {
	if p.key.locRIB {
		c.changed(p, LocRIB, true, nil, now)
		return
	}
	for _, w := range c.station.watched {
		if w.is(p) {
			c.tell(p, w, now)
		}
	}
}

// changed tells of changes in one view of a peer those whom they concern.
func (c *connection) changed(p *peer, v View, snapshot bool, changes []verify.Change, now time.Time) {
	for _, w := range c.station.watched {
		switch {
		case v == InPrePolicy && w.is(p):
			c.observe(w, verify.Received, p.state(v), snapshot, changes, now)
		case v == LocRIB && c.has(w, p.key.distinguisher):
			c.observe(w, verify.LocRIB, p.state(v), snapshot, changes, now)
		}
	}
}

// has reports whether the router has this session, in this instance.
func (c *connection) has(w Watched, distinguisher uint64) bool {
	for key, p := range c.peers {
		if key.distinguisher == distinguisher && w.is(p) {
			return true
		}
	}
	return false
}

// tell tells all that is known of a session.
func (c *connection) tell(p *peer, w Watched, now time.Time) {
	c.observe(w, verify.Received, p.state(InPrePolicy), true, p.snapshot(InPrePolicy), now)
	for key, used := range c.peers {
		if key.locRIB && key.distinguisher == p.key.distinguisher {
			c.observe(w, verify.LocRIB, used.state(LocRIB), true, used.snapshot(LocRIB), now)
		}
	}
}

func (c *connection) observe(w Watched, witness verify.Witness, state verify.State, snapshot bool, changes []verify.Change, now time.Time) {
	c.station.config.Observe(verify.Observation{
		Session: w.Session, Witness: witness, At: now, State: state, Snapshot: snapshot, Changes: changes,
	})
}
