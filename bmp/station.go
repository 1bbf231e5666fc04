package bmp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/fairlead/fairlead/verify"
)

// Config bounds a station. A zero value of any number or time stands for its default.
type Config struct {
	// Allowed are the sources that may connect, beside this machine.
	Allowed []netip.Prefix
	// Connections is how many may be open at the same time (default 64), and PerSource how many of one address (default 16: FRR
	// makes one for each BGP instance).
	Connections, PerSource int
	// Routes is how many one connection may tell of, over all its tables (default 1,000,000).
	Routes int
	// AllRoutes is how many all connections together may tell of (default 2,000,000).
	AllRoutes int
	// Patience is how long the first message may take, and any other from its first octet to its last (default 30 s).
	Patience time.Duration
	// Quiet is how long nothing may change of a table until it is taken for complete where no End-of-RIB comes (default 3 s).
	Quiet time.Duration
	// Observe is told what routers have received of the sessions that are watched, and use of it; nil tells nobody. It is
	// called for one observation at a time and must not call the station; as long as it takes, routers wait.
	Observe func(verify.Observation)
	// Opened is told of each session of a router that has come up, and of those that are up when it connects; nil tells nobody.
	// What holds for Observe holds for it: it must not call the station. It is told once, so who may ask later keeps it.
	Opened func(Opening)
	// Failed is told why a connection was refused or has ended, and what of an open one is not understood, each time; nil tells
	// nobody. It must not call the station either.
	Failed func(source netip.AddrPort, err error)
}

// Opening is the begin of a session, as a router has told it (RFC 7854, section 4.10).
type Opening struct {
	// Source is the router that tells. Here says that it is on this machine; others may say what they like.
	Source netip.AddrPort
	Here   bool
	// Near is that router's own address of the session, Far that of its neighbor.
	Near, Far netip.Addr
	// Sent is the OPEN that the router has sent, Received the one that it has received, both whole, with their headers.
	Sent, Received []byte
}

// Watched is a session that routers are asked about.
type Watched struct {
	Session verify.Session
	// Near is our address of the session, Far that of the neighbor.
	Near, Far netip.Addr
}

// Router is a connection to the station, or one that has ended.
type Router struct {
	Source netip.AddrPort
	// Name and Description are what it says of itself (RFC 7854, section 4.4).
	Name, Description string
	Since             time.Time
	// Last is when its last message came.
	Last time.Time
	// Messages and Octets are what came.
	Messages, Octets uint64
	Peers            []Peer
	// Error is why the connection was refused or has ended; "" as long as it is open.
	Error string
	// Times is how often that happened in a row, for connections of one address.
	Times int
}

// Peer is a session of a router, or its Loc-RIB.
type Peer struct {
	// Address is the zero Addr for a Loc-RIB; Distinguisher tells VRFs apart.
	Address       netip.Addr
	Distinguisher uint64
	ASN           uint32
	ID            netip.Addr
	// Local is the router's own address of the session.
	Local netip.Addr
	Up    bool
	// Reason is why it is down, or what could not be decoded.
	Reason string
	// Tables are those that were told of.
	Tables []Table
	// Statistics are the counters that the router reports, by their type (RFC 7854, section 4.8), those of a family left out.
	Statistics map[uint16]uint64
}

// String names it: "peer 192.0.2.1", or "Loc-RIB".
func (p Peer) String() string {
	if !p.Address.IsValid() {
		return "Loc-RIB"
	}
	return "peer " + p.Address.String()
}

// Table is one view of a peer.
type Table struct {
	View   View
	State  verify.State
	Routes int
}

const (
	defaultConnections = 64
	defaultPerSource   = 16
	defaultRoutes      = 1_000_000
	defaultAllRoutes   = 2_000_000
	defaultPatience    = 30 * time.Second
	defaultQuiet       = 3 * time.Second
	// maxPeers bounds the peers of a connection.
	maxPeers = 4096
	// maxEnded is how many connections are remembered after their end.
	maxEnded = 64
	// maxText bounds what a router says of itself.
	maxText = 256
)

// Station takes the connections of routers. Its methods may be called concurrently.
type Station struct {
	config Config

	mu      sync.Mutex
	watched []Watched
	open    map[*connection]struct{}
	// limit is that of all open connections together.
	limit limit
	// ended are the last connections that have ended or were refused, one for each source, the latest last.
	ended []Router
}

// NewStation returns a station that nobody can connect to before Serve.
func NewStation(config Config) *Station {
	config.Connections = cmp.Or(config.Connections, defaultConnections)
	config.PerSource = cmp.Or(config.PerSource, defaultPerSource)
	config.Routes = cmp.Or(config.Routes, defaultRoutes)
	config.AllRoutes = cmp.Or(config.AllRoutes, defaultAllRoutes)
	config.Patience = cmp.Or(config.Patience, defaultPatience)
	config.Quiet = cmp.Or(config.Quiet, defaultQuiet)
	if config.Observe == nil {
		config.Observe = func(verify.Observation) {}
	}
	if config.Opened == nil {
		config.Opened = func(Opening) {}
	}
	if config.Failed == nil {
		config.Failed = func(netip.AddrPort, error) {}
	}
	return &Station{
		config: config, open: map[*connection]struct{}{},
		limit: limit{most: config.AllRoutes, err: errStationFull},
	}
}

// Serve takes connections until ctx ends, and closes listener. Nothing that a source sends ends it. It returns nil when ctx
// has ended, else why no connection can be taken.
func (s *Station) Serve(ctx context.Context, listener net.Listener) error {
	var all sync.WaitGroup
	defer all.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	defer func() { _ = listener.Close() }()
	all.Go(func() { s.settle(ctx) })
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept BMP connection: %w", err)
		}
		c, err := s.admit(conn)
		if err != nil {
			_ = conn.Close()
			continue
		}
		all.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			s.leave(c, c.run())
		})
	}
}

// settle looks for tables that have become quiet, until ctx ends.
func (s *Station) settle(ctx context.Context) {
	tick := time.NewTicker(s.config.Quiet / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.settled(now)
		}
	}
}

func (s *Station) settled(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		for _, p := range c.peers {
			for _, v := range p.settle(now.Add(-s.config.Quiet)) {
				c.changed(p, v, false, nil, now)
			}
		}
	}
}

// Watch sets the sessions that Observe is told of. Of those that are new it is told at once what is known.
func (s *Station) Watch(watched []Watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.watched
	s.watched = slices.Clone(watched)
	for _, w := range s.watched {
		if slices.Contains(before, w) {
			continue
		}
		for c := range s.open {
			for _, p := range c.peers {
				if w.is(p) {
					c.tell(p, w, time.Now())
				}
			}
		}
	}
}

// is reports whether p is this session, seen from the other end.
func (w Watched) is(p *peer) bool {
	return !p.key.locRIB && p.key.address == w.Near && p.local == w.Far
}

// Routers lists the open connections, and after them the last that have ended, by source.
func (s *Station) Routers() []Router {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Router
	for c := range s.open {
		r := c.router
		for _, p := range c.peers {
			r.Peers = append(r.Peers, p.describe())
		}
		slices.SortFunc(r.Peers, func(a, b Peer) int {
			return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Distinguisher, b.Distinguisher))
		})
		list = append(list, r)
	}
	bySource := func(a, b Router) int { return a.Source.Compare(b.Source) }
	slices.SortFunc(list, bySource)
	return append(list, slices.SortedFunc(slices.Values(s.ended), bySource)...)
}

func (p *peer) describe() Peer {
	d := Peer{
		Address: p.key.address, Distinguisher: p.key.distinguisher, ASN: uint32(p.asn), ID: p.id, Local: p.local, Up: p.up, Reason: p.reason,
		Statistics: map[uint16]uint64{},
	}
	for kind, value := range p.statistics {
		d.Statistics[kind] = value
	}
	for v := range viewCount {
		if t := p.views[v]; t != nil {
			d.Tables = append(d.Tables, Table{View: v, State: p.state(v), Routes: len(t.routes)})
		}
	}
	return d
}

// Lookup is what the router at source holds of a prefix in one table: that of the peer with this address, or of no address for
// its Loc-RIB. It is nil where there is no such route, or no such table.
func (s *Station) Lookup(source netip.AddrPort, address netip.Addr, v View, prefix netip.Prefix) *verify.Attributes {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		if c.router.Source != source {
			continue
		}
		for key, p := range c.peers {
			if t := p.views[v]; t != nil && key.address == address && key.locRIB == (v == LocRIB) {
				if a := t.first(prefix); a != nil {
					return a
				}
			}
		}
	}
	return nil
}

// admit takes a connection among the open ones, or says why not.
func (s *Station) admit(conn net.Conn) (*connection, error) {
	source, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return nil, fmt.Errorf("read source of BMP connection: %w", err)
	}
	source = netip.AddrPortFrom(source.Addr().Unmap().WithZone(""), source.Port())
	here := source.Addr().IsLoopback()
	if local, err := netip.ParseAddrPort(conn.LocalAddr().String()); err == nil {
		here = here || source.Addr() == local.Addr().Unmap().WithZone("")
	}
	now := time.Now()
	c := &connection{
		station: s, conn: conn, here: here, router: Router{Source: source, Since: now}, peers: map[peerKey]*peer{},
		limit: s.share(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	same := 0
	for o := range s.open {
		if o.router.Source.Addr() == source.Addr() {
			same++
		}
	}
	allowed := here || slices.ContainsFunc(s.config.Allowed, func(p netip.Prefix) bool { return p.Contains(source.Addr()) })
	switch {
	case !allowed:
		err = errors.New("refused: the address is not among the allowed sources")
	case len(s.open) >= s.config.Connections:
		err = fmt.Errorf("refused: %d connections are open already", len(s.open))
	case same >= s.config.PerSource:
		err = fmt.Errorf("refused: %d connections of this address are open already", same)
	}
	if err != nil {
		s.remember(c.router, err)
		return nil, err
	}
	s.open[c] = struct{}{}
	return c, nil
}

// share is the limit of one connection.
func (s *Station) share() limit {
	return limit{most: s.config.Routes, err: errTooManyRoutes, all: &s.limit}
}

// leave takes a connection from the open ones; what it told is known no more.
func (s *Station) leave(c *connection, err error) {
	_ = c.conn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	_ = c.limit.add(-c.limit.routes)
	for _, p := range c.peers {
		for _, w := range s.watched {
			if w.is(p) {
				now := time.Now()
				s.config.Observe(verify.Observation{Session: w.Session, Witness: verify.Received, At: now, Snapshot: true})
				s.config.Observe(verify.Observation{Session: w.Session, Witness: verify.LocRIB, At: now, Snapshot: true})
			}
		}
	}
	s.remember(c.router, err)
}

// remember keeps why a connection has ended.
func (s *Station) remember(r Router, err error) {
	r.Error, r.Times = err.Error(), 1
	at := slices.IndexFunc(s.ended, func(o Router) bool { return o.Source.Addr() == r.Source.Addr() })
	if at >= 0 {
		if s.ended[at].Error == r.Error {
			r.Times += s.ended[at].Times
		}
		s.ended = slices.Delete(s.ended, at, at+1)
	} else if len(s.ended) >= maxEnded {
		s.ended = slices.Delete(s.ended, 0, 1)
	}
	s.ended = append(s.ended, r)
	s.config.Failed(r.Source, err)
}
