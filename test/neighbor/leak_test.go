package neighbor

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/test/lab"
)

const (
	// perShape is how many configurations follow each other without a session reset.
	perShape = 8
	// walk is what bgpd takes to tell a neighbor its whole table anew after its policy was changed (its timer is 500 ms).
	walk = 600 * time.Millisecond
	// delay is bgpd's route-map delay-timer, 5 s, and some: what it does of an edited policy it has done then.
	delay = 6 * time.Second
)

// What one neighbor sends, whatever it bears, never reaches another whose transit does not name it, nor another router of
// the node, and of what is passed on nothing that was not accepted, in random configurations that follow each other.
//
// Three outsiders send routes with every marker that the node uses, with none, and with what else might make a difference.
// Each configuration is applied while they are known, and then they are all sent again, with other attributes, and one
// that is new. It counts as settled when the node has received that last one of each, and each outsider has received a route
// that the node announced after that, because what goes over one session keeps its order. What an outsider receives is read from
// its log, which has every UPDATE that ever came, and from its tables; what came late is seen in the rounds that follow.
//
// FAIRLEAD_SOAK takes 1,000 configurations in the place of 10. The seed in a failure's message, as FAIRLEAD_SEED, begins
// with the configurations that failed.
func TestNothingLeaks(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv("FAIRLEAD_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("read FAIRLEAD_SEED: %v", err)
		}
	}
	rounds, soak := 10, os.Getenv("FAIRLEAD_SOAK") != ""
	if soak {
		rounds = 1000
	}
	var cases []*leakCase
	for len(cases) < rounds {
		shape, random := newLeakShape(seed + uint64(len(cases)/perShape))
		for range min(perShape, rounds-len(cases)) {
			cases = append(cases, shape.newCase(t, len(cases), random))
		}
	}
	t.Logf("%d configurations of seed %d", len(cases), seed)
	markers := markersOf(t, cases)
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			run := newLeakRun(t, v, markers)
			for _, c := range cases {
				run.take(t, c)
				if soak && c.number%25 == 24 {
					run.watchFor(t, delay)
				}
			}
			t.Logf("%d configurations in %s; of the routes that were new in each, %d were passed on as they should, and %d were not",
				len(cases), time.Since(start).Round(time.Second), run.passed, run.refused)
		})
	}
}

// markersOf gives every marker that the frr.conf of a configuration names.
func markersOf(t *testing.T, cases []*leakCase) []string {
	t.Helper()
	renderer, err := render.New(templates.FS)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, c := range cases {
		conf, err := renderer.Render(c.speaker)
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(string(conf)) {
			if strings.Contains(word, fmt.Sprintf(":%d:", route.MarkerData)) && !strings.HasPrefix(word, "^") {
				found[word] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// leakRun is one node that is taken from configuration to configuration.
type leakRun struct {
	*fabric
	// routers are those of the outsiders, by their names.
	routers map[string]*lab.Router
	markers []string
	// sent are the routes of the outsiders by prefix.
	sent map[netip.Prefix][]sent
	logs map[*lab.Router]*follower
	// near and far find an outsider by the address that its session has at the node, or at itself.
	near, far map[netip.Addr]*outsider
	// ends are where the outsiders stand; last is the round in which they have sent fresh routes there, 0 for none.
	ends map[string]*leakEnd
	last map[string]int

	round       int
	before, now *leakCase
	// canaries are what the node announces last in this round, and canariesBefore what it did in the one before.
	canaries, canariesBefore []netip.Prefix
	// seen is what was announced in this round, by the name of who received it; the node's is "".
	seen map[string]map[netip.Prefix]bool
	// passed and refused count fresh routes that had to reach another neighbor, and that must not.
	passed, refused int
}

func newLeakRun(t *testing.T, v lab.Version, markers []string) *leakRun {
	t.Helper()
	r := &leakRun{
		fabric: newFabric(t, v), markers: markers, sent: map[netip.Prefix][]sent{}, logs: map[*lab.Router]*follower{},
		near: map[netip.Addr]*outsider{}, far: map[netip.Addr]*outsider{}, ends: map[string]*leakEnd{}, last: map[string]int{},
	}
	r.routers = map[string]*lab.Router{"a": r.a, "b": r.b, "c": thirdRouter(t, v, r.node.Namespace)}
	r.logs[r.node] = follow(t, r.node)
	for _, o := range outsiders {
		router := r.routers[o.name]
		r.logs[router] = follow(t, router)
		router.Load(routeMaps(markers))
		for _, s := range o.sends(markers) {
			r.sent[s.prefix] = append(r.sent[s.prefix], s)
		}
		for _, e := range o.ends {
			r.near[e.near], r.far[e.far] = o, o
		}
	}
	t.Cleanup(func() {
		if t.Failed() && r.now != nil {
			t.Logf("configuration %d; FAIRLEAD_SEED=%d begins with it or those of its kind:\n%s", r.now.number, r.now.seed, r.now.yaml)
			if r.before != nil {
				t.Logf("the one before it:\n%s", r.before.yaml)
			}
		}
	})
	return r
}

// thirdRouter gives an FRR on a link of its own with the node.
func thirdRouter(t *testing.T, v lab.Version, node *lab.Namespace) *lab.Router {
	t.Helper()
	c := lab.NewNamespace(t, "torc")
	ends := func(texts ...string) []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix(texts[0]), netip.MustParsePrefix(texts[1])}
	}
	lab.Link(t, node, "eth2", ends("10.4.0.2/24", "fd04::2/64"), c, "eth2", ends("10.4.0.1/24", "fd04::1/64"))
	// As newFabric says of the others.
	if out, err := exec.CommandContext(t.Context(), "ip", "netns", "exec", c.Name, "sysctl", "-qw", "net.ipv6.conf.eth2.autoconf=0").CombinedOutput(); err != nil {
		t.Fatalf("turn autoconfiguration off: %v: %s", err, out)
	}
	return c.StartFRR(t, v, "")
}

// take takes the node to a configuration, and fails t where something leaks.
func (r *leakRun) take(t *testing.T, c *leakCase) {
	t.Helper()
	r.round++
	r.before, r.now = r.now, c
	r.canaries, r.canariesBefore = nil, r.canaries
	r.seen = map[string]map[netip.Prefix]bool{"": {}}
	for _, o := range outsiders {
		r.seen[o.name] = map[netip.Prefix]bool{}
	}
	r.place(c)
	r.say(t, c.snapshot)
	applied := time.Now()
	r.hurry(t)
	r.send(c)
	r.until(t, r.taken)

	canary := withPod(c.snapshot, fmt.Sprintf("10.16.%d.%d", 100+r.round>>8, r.round&255), fmt.Sprintf("fd00:16::2:%x", r.round))
	for _, ip := range canary.Pods[len(canary.Pods)-1].IPs {
		a := netip.MustParseAddr(ip)
		r.canaries = append(r.canaries, netip.PrefixFrom(a, a.BitLen()))
	}
	r.say(t, canary)
	r.until(t, func() error {
		var missing []error
		for _, o := range outsiders {
			if !r.settled(o.name) {
				missing = append(missing, fmt.Errorf("%s has not received %v", o.name, r.canaries))
			}
		}
		return errors.Join(append(missing, r.passedOn())...)
	})
	r.until(t, func() error { return r.tables(t) })
	r.watchFor(t, walk-time.Since(applied))
	r.count()
}

// place moves the outsiders to where a configuration wants them.
func (r *leakRun) place(c *leakCase) {
	for _, o := range outsiders {
		e, old := c.ends[o.name], r.ends[o.name]
		if e == old {
			continue
		}
		conf := e.router()
		if old != nil {
			conf = "no " + old.statement() + conf
		}
		r.routers[o.name].Load(conf)
		r.ends[o.name], r.last[o.name] = e, 0
	}
}

// hurry starts the sessions whose settings have changed. Each statement that resets one makes bgpd wait twice as long before
// it starts again, up to a minute.
func (r *leakRun) hurry(t *testing.T) {
	t.Helper()
	var commands []string
	for _, o := range outsiders {
		if r.before == nil || r.before.keys[o.name] != r.now.keys[o.name] {
			router, n := r.now.of(o.name)
			view := ""
			if router.Name != "" {
				view = "view " + router.Name + " "
			}
			commands = append(commands, "clear bgp "+view+n.ID())
		}
	}
	if len(commands) == 0 {
		return
	}
	if out, err := r.node.Vtysh(t.Context(), commands...); err != nil || out != "" {
		t.Fatalf("start the sessions: %v: %s", err, out)
	}
}

// send has all outsiders send what they send.
func (r *leakRun) send(c *leakCase) {
	for _, o := range outsiders {
		r.routers[o.name].Load(c.ends[o.name].injection(r.markers, r.round, r.last[o.name]))
		r.last[o.name] = r.round
	}
}

// say has the node announce what a snapshot asks for, under the configuration of now.
func (r *leakRun) say(t *testing.T, snapshot reduce.Snapshot) {
	t.Helper()
	result, err := reduce.Reduce(snapshot, r.now.config, "node1")
	if err != nil {
		t.Fatal(err)
	}
	conf, err := r.renderer.Render(result.Speaker)
	if err != nil {
		t.Fatal(err)
	}
	if change, err := r.reloader.Apply(t.Context(), conf); err != nil {
		t.Fatalf("%v\n%s", err, change)
	}
}

// until waits until check gives no error, and fails t at once where something leaks meanwhile.
func (r *leakRun) until(t *testing.T, check func() error) {
	t.Helper()
	eventually(t, func() error {
		r.watch(t)
		return check()
	})
}

// watchFor fails t where something leaks within a time.
func (r *leakRun) watchFor(t *testing.T, duration time.Duration) {
	t.Helper()
	deadline := time.NewTimer(duration)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for over := false; !over; {
		select {
		case <-deadline.C:
			over = true
		case <-tick.C:
		}
		r.watch(t)
	}
}

// watch reads the logs on, and fails t where they show a leak.
func (r *leakRun) watch(t *testing.T) {
	t.Helper()
	for router, log := range r.logs {
		news, err := log.more()
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range news {
			o := r.near[h.from]
			if router == r.node {
				o = r.far[h.from]
			}
			switch {
			case o == nil:
				t.Fatalf("%s heard from %s, whom nobody knows", router.Pathspace, h.from)
			case router == r.node && h.prefix.IsValid():
				r.seen[""][h.prefix] = true
			case router == r.node || h.withdrawn:
			case !h.prefix.IsValid():
				if err := r.judgeAttributes(o.name, h.attributes); err != nil {
					t.Fatalf("%s has received %s: %v", o.name, h.attributes, err)
				}
			default:
				if err := r.judge(o.name, h.prefix, unknown); err != nil {
					t.Fatalf("%s has received %s: %v", o.name, h.prefix, err)
				}
				r.seen[o.name][h.prefix] = true
			}
		}
	}
}

// settled reports whether an outsider has received what the node announced last.
func (r *leakRun) settled(name string) bool {
	_, n := r.now.of(name)
	return len(r.canaries) > 0 && !slices.ContainsFunc(r.canaries, func(p netip.Prefix) bool {
		return n.Speaks(route.FamilyOf(p.Addr())) && !r.seen[name][p]
	})
}

// rules are the configurations that say what an outsider may be told: until it is settled, what the one before lets pass may
// still come.
func (r *leakRun) rules(to string) []*leakCase {
	if r.before != nil && !r.settled(to) {
		return []*leakCase{r.now, r.before}
	}
	return []*leakCase{r.now}
}

// judgeAttributes is an error where an outsider has received a marker.
func (r *leakRun) judgeAttributes(to, attributes string) error {
	for word := range strings.FieldsFuncSeq(attributes, func(c rune) bool { return c == ' ' || c == ',' }) {
		var c route.LargeCommunity
		if c.UnmarshalText([]byte(word)) == nil && c.LocalData1 == route.MarkerData &&
			!slices.ContainsFunc(r.rules(to), func(rule *leakCase) bool { return !rule.uses(route.ASN(c.GlobalAdministrator)) }) {
			return fmt.Errorf("the marker %s has left the node", c)
		}
	}
	return nil
}

// unknown is the AS path of a prefix in a log.
const unknown = "?"

// judge is an error where a prefix must not reach an outsider, or not with that AS path.
func (r *leakRun) judge(to string, prefix netip.Prefix, path string) error {
	for _, rule := range r.rules(to) {
		own := rule.announces(prefix) || slices.Contains(r.canaries, prefix) || rule == r.before && slices.Contains(r.canariesBefore, prefix)
		if own && (path == unknown || path == rule.shown(to)) {
			return nil
		}
		for _, s := range r.senders(prefix) {
			if rule.tells(s.by.name, to, prefix) && rule.accepts(s.by.name, prefix, s.kind.origin) {
				return nil
			}
		}
	}
	return errors.New("it must not")
}

// senders gives who sends a prefix, and with what.
func (r *leakRun) senders(prefix netip.Prefix) []sent {
	if known := r.sent[prefix]; known != nil {
		return known
	}
	for _, o := range outsiders {
		if o.owns(prefix) {
			return []sent{{by: o, prefix: prefix}}
		}
	}
	return nil
}

// taken is an error until the node has received what each outsider has sent last.
func (r *leakRun) taken() error {
	for _, o := range outsiders {
		_, n := r.now.of(o.name)
		for _, p := range o.fresh(r.round) {
			if n.Speaks(route.FamilyOf(p.Addr())) && !r.seen[""][p] {
				return fmt.Errorf("the node has not received %s of %s", p, o.name)
			}
		}
	}
	return nil
}

// passedOn is an error until each outsider has received what is fresh and must be passed on to it: so the test would see what
// leaks.
func (r *leakRun) passedOn() error {
	for _, from := range outsiders {
		for _, p := range from.fresh(r.round) {
			for _, to := range outsiders {
				if r.now.tells(from.name, to.name, p) && r.now.accepts(from.name, p, 0) && !r.seen[to.name][p] {
					return fmt.Errorf("%s has not received %s of %s", to.name, p, from.name)
				}
			}
		}
	}
	return nil
}

// count counts what is fresh in this round.
func (r *leakRun) count() {
	for _, from := range outsiders {
		for _, p := range from.fresh(r.round) {
			for _, to := range outsiders {
				switch {
				case from == to:
				case r.seen[to.name][p]:
					r.passed++
				default:
					r.refused++
				}
			}
		}
	}
}

// tables is an error while an outsider, or a router of the node, holds what it must not.
func (r *leakRun) tables(t *testing.T) error {
	t.Helper()
	for _, o := range outsiders {
		for _, table := range tables(t, r.routers[o.name], "") {
			for p, rows := range table {
				for _, row := range rows {
					if err := r.judge(o.name, p, row.Path); err != nil {
						return fmt.Errorf("%s holds %s with path %q: %w", o.name, p, row.Path, err)
					}
				}
			}
		}
	}
	for _, router := range r.now.speaker.Routers {
		for _, table := range tables(t, r.node, router.Name) {
			for p, rows := range table {
				for _, row := range rows {
					if err := r.judgeNode(router.Name, p, row.Peer); err != nil {
						return fmt.Errorf("router %q of the node holds %s of %s: %w", router.Name, p, row.Peer, err)
					}
				}
			}
		}
	}
	return nil
}

// judgeNode is an error where a router of the node must not hold a prefix of a peer.
func (r *leakRun) judgeNode(router string, prefix netip.Prefix, peer string) error {
	address, err := netip.ParseAddr(peer)
	if err != nil {
		return err
	}
	o := r.far[address]
	if o == nil {
		return errors.New("it has no such neighbor")
	}
	if of, _ := r.now.of(o.name); of.Name != router {
		return errors.New("the neighbor belongs to another router")
	}
	for _, s := range r.senders(prefix) {
		if s.by == o && r.now.accepts(o.name, prefix, s.kind.origin) {
			return nil
		}
	}
	return errors.New("it is not accepted")
}
