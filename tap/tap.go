// Package tap reads what FRR really sends: it captures the packets of the BGP sessions, puts their TCP streams in order,
// decodes the UPDATEs, and keeps the Adj-RIB-Out of each neighbor as it was on the wire, with when it was sent and how much
// of it the neighbor's TCP has acknowledged.
//
// It looks at packets and changes nothing. A password (TCP MD5) hides nothing from it. It sees what crosses the network
// namespace it was opened in, with any interface and any offload, and needs the capability NET_RAW and no other.
package tap

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
)

// Session says which packets are those of one neighbor. It is comparable, and names the session.
type Session struct {
	// Neighbor is the neighbor's address; the zero Addr where Interface is set.
	Neighbor netip.Addr
	// Interface is that of an unnumbered session: the neighbor on that link, by its link-local address. "" means that Neighbor
	// names it.
	Interface string
	// Source is our own address. It is needed only where two sessions have the same Neighbor; the zero Addr means any.
	Source netip.Addr
	// Port is the TCP port that we connect to.
	Port uint16
}

// String gives the neighbor's address, or the interface of an unnumbered session.
func (s Session) String() string {
	if s.Interface != "" {
		return s.Interface
	}
	return s.Neighbor.String()
}

// Refresher has FRR send a table again.
type Refresher interface {
	// Refresh has FRR send all routes of a session again, of all its families, without ending it (FRR: clear bgp ... soft
	// out). It returns once FRR has taken the request, and before ctx is done. It is called for one session at a time, at random
	// times and not often; where the session is not there it may do nothing.
	Refresh(ctx context.Context, s Session) error
}

// Config is what a Tap is given; it must not change afterwards.
type Config struct {
	// Port is the TCP port that our bgpd listens on; 0 means that it does not listen.
	Port uint16
	// Refresher is asked for a table after a gap; nil means that a gap lasts until the session begins anew.
	Refresher Refresher
	// Log is told what the tap does about a gap.
	Log logrus.FieldLogger
}

// Tap follows the sessions of one network namespace. Its methods may be called from any goroutine.
type Tap struct {
	config  Config
	pace    pace
	ring    *ring
	changed chan struct{}

	mu sync.Mutex
	// ended says that the socket is closed.
	ended    bool
	sessions map[Session]*session
	// byAddress and byLink find the sessions that a packet can be of.
	byAddress map[netip.Addr][]Session
	byLink    map[string][]Session
	// links are the names of interfaces, asked for once.
	links map[int]string
}

const (
	// tick is how often the tap looks at the time.
	tick = 250 * time.Millisecond
	// refreshWithin bounds one request for a table.
	refreshWithin = 30 * time.Second
)

// Open opens the packet socket, in the network namespace of the calling thread, which is the process's own unless a caller
// takes care of it. Without the capability NET_RAW the error is an fs.ErrPermission. Run must be called next, to give it back.
// While it is open the kernel runs the filter for each packet of the namespace, as it does under tcpdump.
func Open(c Config) (*Tap, error) {
	r, err := openRing()
	if err != nil {
		return nil, err
	}
	t := newTap(c, usualPace())
	t.ring = r
	return t, nil
}

func newTap(c Config, p pace) *Tap {
	return &Tap{config: c, pace: p, changed: make(chan struct{}, 1), sessions: make(map[Session]*session), links: make(map[int]string)}
}

// Run captures until ctx is done, and then closes the socket.
func (t *Tap) Run(ctx context.Context) error { return t.run(ctx, t.packets) }

func (t *Tap) run(ctx context.Context, take func(iter.Seq[packet])) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.ring.read(take) })
	g.Go(func() error {
		defer t.ring.stop()
		return t.watch(ctx, g)
	})
	err := g.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	return errors.Join(err, t.ring.close())
}

// Follow says which sessions to follow from now on. Those that were followed before go on; of a new one the table is asked
// for soon, because it may have been there for long.
func (t *Tap) Follow(sessions []Session) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return errors.New("follow sessions: the tap has ended")
	}
	followed := make(map[Session]*session, len(sessions))
	t.byAddress, t.byLink = make(map[netip.Addr][]Session), make(map[string][]Session)
	var ports []uint16
	if t.config.Port != 0 {
		ports = append(ports, t.config.Port)
	}
	now := time.Now()
	for _, key := range sessions {
		if followed[key] != nil {
			continue
		}
		if followed[key] = t.sessions[key]; followed[key] == nil {
			followed[key] = newSession(t.pace, now)
		}
		if key.Interface != "" {
			t.byLink[key.Interface] = append(t.byLink[key.Interface], key)
		} else {
			t.byAddress[key.Neighbor] = append(t.byAddress[key.Neighbor], key)
		}
		ports = append(ports, key.Port)
	}
	t.sessions = followed
	clear(t.links)
	slices.Sort(ports)
	program := filter(slices.SortedFunc(maps.Keys(t.byAddress), netip.Addr.Compare), slices.Compact(ports), len(t.byLink) > 0)
	if err := t.ring.filter(program); err != nil {
		return fmt.Errorf("follow %d sessions: %w", len(followed), err)
	}
	return nil
}

// Opens says which two OPENs a session began with, headers included, where they were captured before the tap was there:
// what a BMP Peer Up message holds (RFC 7854, section 4.10). Until then the options are taken for the usual ones: AS numbers of
// four octets, and no ADD-PATH.
func (t *Tap) Opens(s Session, sent, received []byte) error {
	if len(sent) < headerLength || len(received) < headerLength {
		return fmt.Errorf("take the OPENs of %s: a message is cut off", s)
	}
	o, err := negotiate(sent[headerLength:], received[headerLength:])
	if err != nil {
		return fmt.Errorf("take the OPENs of %s: %w", s, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if followed := t.sessions[s]; followed != nil {
		followed.tell(o, time.Now())
	}
	return nil
}

// Changed is sent to when there is something that Take has not told yet. It carries no data.
func (t *Tap) Changed() <-chan struct{} { return t.changed }

// View is what is known of one session, and what of its Adj-RIB-Out has changed.
type View struct {
	State State
	// Unseen says that nothing of this session was seen yet, since it is followed or since packets were lost, so that NoSession
	// says nothing: the session may be there, and silent until its next KEEPALIVE. It is false in every other state, and where
	// the session's end was seen, or that one side dials, which neither does while it has a session.
	Unseen bool
	// Since is when State began.
	Since time.Time
	// Reason says why the table is not whole; "" where it is.
	Reason string
	// Sent and Acknowledged are when anything was last sent, and the neighbor last acknowledged something of it: KEEPALIVEs too.
	Sent, Acknowledged time.Time
	// Unacknowledged is when the oldest of what the neighbor has not acknowledged was sent; zero where it has all. A route is
	// acknowledged where its Sent is before this.
	Unacknowledged time.Time
	// Closed is since when the neighbor's window is: it does not read, and what FRR would send waits. Zero means that it is open.
	Closed time.Time
	// Routes counts the routes of the table.
	Routes int
	// Changes are the routes that have changed since the last Take, or, where All is true, the whole table instead: of one that
	// began anew, or changed in most of its routes. They are in no order.
	Changes []Route
	All     bool
}

// Take tells of a session what has changed since it was last called, so it is for one caller alone. Of a session that is not
// followed there is nothing, and the state is NoSession, Unseen.
func (t *Tap) Take(s Session) View {
	t.mu.Lock()
	defer t.mu.Unlock()
	followed := t.sessions[s]
	if followed == nil {
		return View{Unseen: true, Reason: "not followed"}
	}
	return followed.view()
}

// Table lists the Adj-RIB-Out of a session, in no order. It leaves what Take tells as it is.
func (t *Tap) Table(s Session) []Route {
	t.mu.Lock()
	defer t.mu.Unlock()
	if followed := t.sessions[s]; followed != nil {
		return followed.table.all()
	}
	return nil
}

// packets takes a block of packets.
func (t *Tap) packets(block iter.Seq[packet]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for p := range block {
		t.packet(p)
	}
	t.tell()
}

// packet takes one packet. Whatever it holds, it is no reason to stop.
func (t *Tap) packet(p packet) {
	seg, ok := parseSegment(p.protocol, p.data)
	if !ok {
		return
	}
	f := flow{local: seg.source, remote: seg.destination}
	if s := t.find(f, p); s != nil && (p.outgoing || !t.linkLocal(f)) {
		s.segment(p.at, f, seg, true)
	}
	f = flow{local: seg.destination, remote: seg.source}
	if s := t.find(f, p); s != nil && (!p.outgoing || !t.linkLocal(f)) {
		s.segment(p.at, f, seg, false)
	}
}

// linkLocal reports whether a connection is between two addresses of a link, of which only the kernel knows which is ours.
func (t *Tap) linkLocal(f flow) bool { return f.remote.Addr().IsLinkLocalUnicast() }

// find gives the session that a connection is of: it was made to the neighbor's port or to ours.
func (t *Tap) find(f flow, p packet) *session {
	keys := t.byAddress[f.remote.Addr()]
	if len(t.byLink) > 0 && t.linkLocal(f) {
		keys = t.byLink[t.link(p.link)]
	}
	for _, key := range keys {
		ours := !key.Source.IsValid() || key.Source == f.local.Addr()
		if ours && (f.remote.Port() == key.Port || (t.config.Port != 0 && f.local.Port() == t.config.Port)) {
			return t.sessions[key]
		}
	}
	return nil
}

// link is the name of an interface.
func (t *Tap) link(index int) string {
	name, known := t.links[index]
	if !known {
		name = t.ring.link(index)
		t.links[index] = name
	}
	return name
}

// tell says that there is news, where there is.
func (t *Tap) tell() {
	for _, s := range t.sessions {
		if s.news {
			s.news = false
			select {
			case t.changed <- struct{}{}:
			default:
			}
		}
	}
}

// watch does what is due, one refresh at a time.
func (t *Tap) watch(ctx context.Context, g *errgroup.Group) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	free := make(chan struct{}, 1)
	free <- struct{}{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			dropped, err := t.ring.drops()
			if err != nil {
				return err
			}
			t.tick(now, dropped)
		}
		if t.config.Refresher == nil {
			continue
		}
		select {
		case <-free:
			key, s := t.due(time.Now())
			if s == nil {
				free <- struct{}{}
				continue
			}
			g.Go(func() error {
				t.refresh(ctx, key, s)
				free <- struct{}{}
				return nil
			})
		default:
		}
	}
}

// tick looks at the time, and at how many packets found no room in the ring.
func (t *Tap) tick(now time.Time, dropped int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		if dropped > 0 {
			s.gap(now, "the kernel dropped packets of the capture")
		}
		s.tick(now)
	}
	t.tell()
}

// due gives a session whose table is to be asked for now: of several the one that has waited longest.
func (t *Tap) due(now time.Time) (key Session, first *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, s := range t.sessions {
		if !s.due.IsZero() && (first == nil || s.due.Before(first.due)) {
			key, first = k, s
		}
	}
	if first == nil || !first.ask(now) {
		return Session{}, nil
	}
	return key, first
}

// refresh asks for a table.
func (t *Tap) refresh(ctx context.Context, key Session, s *session) {
	t.config.Log.WithFields(logrus.Fields{"neighbor": key.String()}).Debug("ask FRR to send its table again")
	bounded, cancel := context.WithTimeout(ctx, refreshWithin)
	defer cancel()
	err := t.config.Refresher.Refresh(bounded, key)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		t.config.Log.WithFields(logrus.Fields{"neighbor": key.String()}).WithError(err).Warn("FRR does not send its table again")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s.answered(time.Now(), err)
	t.tell()
}
