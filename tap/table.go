package tap

import (
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/route"
)

// Route is one route of an Adj-RIB-Out (RFC 4271, section 3.2), or one that has left it.
type Route struct {
	Prefix netip.Prefix
	// PathID tells several routes to one prefix apart (RFC 7911); 0 without ADD-PATH.
	PathID uint32
	// Attributes are nil for a route that is not there any more.
	Attributes *Attributes
	// Sent is when the UPDATE that first said this was seen on the wire, to its end; the same said again changes nothing. Of a
	// route that has left it is when that was found.
	Sent time.Time
}

// table is an Adj-RIB-Out, and what of it has changed since somebody looked.
type table struct {
	routes map[pathKey]entry
	// interned are the attributes in use, by their raw form.
	interned map[string]*shared
	// changed says for each route that has changed when it did, as far as it is gone; whole means that all have.
	changed map[pathKey]time.Time
	whole   bool
	// key is memory for the raw form.
	key []byte
}

// entry is one route.
type entry struct {
	shared *shared
	// sent is when what it says was first sent, in nanoseconds since 1970: a third of what a Time takes.
	sent int64
	// epoch is the last one in which it was sent.
	epoch uint32
}

// shared are attributes that so many routes have. Before the first one has them it is in no table.
type shared struct {
	Attributes
	raw    string
	routes int
}

func newTable() table {
	return table{
		routes: make(map[pathKey]entry), interned: make(map[string]*shared), changed: make(map[pathKey]time.Time), whole: true,
	}
}

// intern gives the attributes that raw stands for.
func (t *table) intern(raw rawAttributes, o options) (*shared, error) {
	t.key = append(t.key[:0], byte(len(raw.nextHop)))
	t.key = append(append(t.key, raw.nextHop...), raw.list...)
	if s := t.interned[string(t.key)]; s != nil {
		return s, nil
	}
	a, err := decodeAttributes(raw, o)
	if err != nil {
		return nil, err
	}
	return &shared{Attributes: *a, raw: string(t.key)}, nil
}

// announce takes a route that was sent. It reports whether that says more than was known: that the route is there, in this epoch.
func (t *table) announce(id pathKey, a *shared, at time.Time, epoch uint32) (news bool) {
	before, there := t.routes[id]
	news = !there || before.epoch != epoch
	if there && before.shared == a {
		before.epoch = epoch
		t.routes[id] = before
		return news
	}
	if a.routes == 0 {
		t.interned[a.raw] = a
	}
	a.routes++
	t.routes[id] = entry{shared: a, sent: at.UnixNano(), epoch: epoch}
	if there {
		t.release(before.shared)
	}
	t.note(id, at)
	return news
}

func (t *table) withdraw(id pathKey, at time.Time) {
	before, there := t.routes[id]
	if !there {
		return
	}
	delete(t.routes, id)
	t.release(before.shared)
	t.note(id, at)
}

func (t *table) release(a *shared) {
	if a.routes--; a.routes == 0 {
		delete(t.interned, a.raw)
	}
}

// note remembers a change. Many of them are told as a whole table, which costs less memory.
func (t *table) note(id pathKey, at time.Time) {
	if t.whole {
		return
	}
	t.changed[id] = at
	if len(t.changed) > 4096 && len(t.changed) > len(t.routes)/2 {
		t.changed, t.whole = make(map[pathKey]time.Time), true
	}
}

// sweep takes away the routes of some families that were not sent in an epoch.
func (t *table) sweep(of families, epoch uint32, at time.Time) {
	for id, e := range t.routes {
		if e.epoch != epoch && of.has(route.FamilyOf(id.prefix.Addr())) {
			t.withdraw(id, at)
		}
	}
}

// all lists the table, in no order.
func (t *table) all() []Route {
	list := make([]Route, 0, len(t.routes))
	for id, e := range t.routes {
		list = append(list, e.route(id))
	}
	return list
}

// changes lists what has changed since the last call, in no order. Where whole is true the list is the whole table.
func (t *table) changes() (list []Route, whole bool) {
	if t.whole {
		t.whole = false
		return t.all(), true
	}
	list = make([]Route, 0, len(t.changed))
	for id, at := range t.changed {
		if e, there := t.routes[id]; there {
			list = append(list, e.route(id))
		} else {
			list = append(list, Route{Prefix: id.prefix, PathID: id.path, Sent: at})
		}
	}
	if len(t.changed) > 0 {
		t.changed = make(map[pathKey]time.Time)
	}
	return list, false
}

func (e entry) route(id pathKey) Route {
	return Route{Prefix: id.prefix, PathID: id.path, Attributes: &e.shared.Attributes, Sent: time.Unix(0, e.sent)}
}
