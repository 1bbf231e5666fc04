package update

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// afterDelay is longer than FRR's own route-map delay timer, 5 s, and all that it does then.
const afterDelay = 10 * time.Second

// Beside 1,000 routes, a route that sorts first, in the middle or last, and one whose community changes, is one UPDATE; so is
// the first route of a new group beside 10,000. Nothing else comes for 10 s.
func TestOneUpdate(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			w := &oneWorld{site: newSite(t, v, 65001)}
			c, err := config.Parse("config.yaml", []byte("asn: 65000\nrouterID: 10.0.0.1\nneighbors: [{address: 10.0.0.2, asn: 65001, connectTime: 1s}]\n"))
			if err == nil {
				w.speaker, err = speaker(c, reduce.Snapshot{Nodes: []*reduce.Node{{Meta: reduce.Meta{Name: "node1"}}}})
			}
			if err != nil {
				t.Fatal(err)
			}
			w.add(1000)
			w.apply(t, w.speaker)
			w.settle(t, 1000)

			first, middle, last := netip.MustParsePrefix("10.0.0.0/32"), netip.MustParsePrefix("10.16.1.0/31"), netip.MustParsePrefix("10.255.255.255/32")
			for _, p := range []netip.Prefix{first, middle, last} {
				w.step(t, "add "+p.String(), func() { w.put(p, route.Attributes{}) }, true, p)
				w.step(t, "remove "+p.String(), func() { w.remove(p) }, false, p)
			}
			some := w.routes()[500].Prefix
			w.step(t, "another community", func() { w.put(some, route.Attributes{Communities: []route.Community{nodeAS<<16 | 7}}) }, true, some)
			w.step(t, "no community", func() { w.put(some, route.Attributes{}) }, true, some)

			w.add(10_000 - len(w.routes()))
			w.apply(t, w.speaker)
			w.settle(t, 10_000)
			w.step(t, "a new group", func() { w.put(first, route.Attributes{MED: 77}) }, true, first)
			quiet := time.NewTimer(afterDelay)
			defer quiet.Stop()
			<-quiet.C
			w.check(t, "after 10 s")
		})
	}
}

// oneWorld is a site with the routes that its node should announce, and all that its neighbor should have received of them.
type oneWorld struct {
	*site
	speaker              route.Speaker
	announced, withdrawn []netip.Prefix
	// messages is how many UPDATEs came since the last settle, and expected how many steps there were.
	steps int
}

func (w *oneWorld) routes() []route.Route { return w.speaker.Routers[0].Routes }

// add adds n routes.
func (w *oneWorld) add(n int) {
	for i := range n {
		at := len(w.routes()) + i
		w.announced = append(w.announced, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 16, byte(at >> 8), byte(at)}), 32))
	}
	for _, p := range w.announced[len(w.announced)-n:] {
		w.put(p, route.Attributes{})
	}
}

// put has the node announce a prefix with these attributes.
func (w *oneWorld) put(p netip.Prefix, a route.Attributes) {
	r := &w.speaker.Routers[0]
	one := route.Route{Prefix: p, Attributes: a, To: []route.Audience{route.Everyone}}
	i, found := slices.BinarySearchFunc(r.Routes, p, func(r route.Route, p netip.Prefix) int { return route.ComparePrefixes(r.Prefix, p) })
	if found {
		r.Routes = slices.Clone(r.Routes)
		r.Routes[i] = one
		return
	}
	r.Routes = slices.Insert(r.Routes, i, one)
}

// remove takes a prefix back.
func (w *oneWorld) remove(p netip.Prefix) {
	r := &w.speaker.Routers[0]
	r.Routes = slices.DeleteFunc(slices.Clone(r.Routes), func(r route.Route) bool { return r.Prefix == p })
}

// settle waits until the neighbor has n routes and is told nothing more, and begins to count.
func (w *oneWorld) settle(t *testing.T, n int) {
	t.Helper()
	told, since := -1, time.Now()
	lab.Eventually(t, patience, "the neighbor has all routes and is told nothing more", func() error {
		summary, err := w.far[0].shell.Summary(t.Context(), "")
		if err != nil {
			return err
		}
		for _, s := range summary.Sessions {
			if s.Family == route.IPv4Unicast && s.Received != n {
				return fmt.Errorf("%d routes", s.Received)
			}
		}
		if now := w.far[0].counter.Counts().Messages; now != told {
			told, since = now, time.Now()
		}
		// What FRR does after the delay timer that we render it has done then.
		if time.Since(since) < 3*time.Second {
			return errors.New("it is being told")
		}
		return nil
	})
	w.announced, w.withdrawn, w.steps = nil, nil, 0
	w.far[0].counter.Reset()
}

// step makes a change of which the neighbor gets one UPDATE, about one prefix.
func (w *oneWorld) step(t *testing.T, what string, change func(), announced bool, p netip.Prefix) {
	t.Helper()
	w.steps++
	if change(); announced {
		w.announced = append(w.announced, p)
	} else {
		w.withdrawn = append(w.withdrawn, p)
	}
	w.apply(t, w.speaker)
	lab.Eventually(t, patience, what+" has arrived", func() error {
		if got := w.far[0].counter.Counts(); len(got.Announced) < len(w.announced) || len(got.Withdrawn) < len(w.withdrawn) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	w.check(t, what)
}

// check compares what the neighbor has received since settle with what it should have.
func (w *oneWorld) check(t *testing.T, when string) {
	t.Helper()
	got := w.far[0].counter.Counts()
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(w.announced, got.Announced, prefixes, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: announced (-want +got)\n%s", when, diff)
	}
	if diff := cmp.Diff(w.withdrawn, got.Withdrawn, prefixes, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: withdrawn (-want +got)\n%s", when, diff)
	}
	if got.Messages != w.steps {
		t.Errorf("%s: %d UPDATE messages, want %d", when, got.Messages, w.steps)
	}
}
