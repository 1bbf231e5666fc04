package proof

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// drift is something that somebody does to the FRR of the node behind the agent's back.
type drift struct {
	name string
	// do and undo are what he tells FRR.
	do, undo string
	// wrong are the routes that a neighbor is no longer told as intended, by neighbor and prefix, each with what there is to say of
	// it but the witness: "missing", "mismatch by %s; MED: wanted 20, got 50".
	wrong map[string]map[netip.Prefix]string
	// shut is the neighbor whose session ends, or "".
	shut string
	// cause is why routes are missing; "" where none is.
	cause string
	// field is the attribute that differs, or "".
	field string
}

// only narrows which drifts are taken.
var only = flag.String("drift", "", "take only drifts of this kind")

// shuffled are the names of the kinds that are taken, in any order.
func shuffled(random *rand.Rand, kinds map[string]func(*rand.Rand) drift) []string {
	names := slices.Sorted(maps.Keys(kinds))
	random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return slices.DeleteFunc(names, func(name string) bool { return *only != "" && name != *only })
}

// kinds are all drifts, by name: each call of one gives another of its kind.
func (w *world) kinds() map[string]func(*rand.Rand) drift {
	return map[string]func(*rand.Rand) drift{
		"filter": w.filter, "network": w.network, "community": w.community, "next hop": w.nextHop, "MED": w.med, "shutdown": w.shutdown,
		"route-map": w.routeMap,
	}
}

// words are those of a family in "match ip address" and in its prefix-lists.
var words = map[route.Family]string{route.IPv4Unicast: "ip", route.IPv6Unicast: "ipv6"}

// choose chooses a neighbor and a family.
func choose(random *rand.Rand) (neighbor string, f route.Family) {
	return []string{tor, spine}[random.IntN(2)], []route.Family{route.IPv4Unicast, route.IPv6Unicast}[random.IntN(2)]
}

// some gives this many prefixes of pods.
func (w *world) some(random *rand.Rand, f route.Family, n int) []netip.Prefix {
	var some []netip.Prefix
	for _, i := range random.Perm(len(w.pods[f]))[:n] {
		some = append(some, w.pods[f][i])
	}
	return some
}

// list is a prefix-list DRIFT with an entry for each prefix, that does this.
func list(f route.Family, does string, prefixes []netip.Prefix) string {
	var text strings.Builder
	for i, p := range prefixes {
		fmt.Fprintf(&text, "%s prefix-list DRIFT seq %d %s %s\n", words[f], i+1, does, p)
	}
	return text.String()
}

// each says the same of some prefixes.
func each(prefixes []netip.Prefix, text string) map[netip.Prefix]string {
	wrong := map[netip.Prefix]string{}
	for _, p := range prefixes {
		wrong[p] = text
	}
	return wrong
}

// every lists all that is announced of a family.
func (w *world) every(f route.Family) []netip.Prefix {
	subnet := map[route.Family]string{route.IPv4Unicast: "10.16.0.0/16", route.IPv6Unicast: "fd00:16::/64"}[f]
	return append([]netip.Prefix{netip.MustParsePrefix(subnet)}, w.pods[f]...)
}

// out is the outbound route-map of a neighbor, and group that of all routes.
func (w *world) out(neighbor string, f route.Family) string {
	return w.find(fmt.Sprintf(`(?s)address-family %s\n.*?  neighbor %s route-map (\S+) out`, family(f), regexp.QuoteMeta(neighbor)))
}

func (w *world) group() string { return w.find(`network 10\.16\.0\.0/16 route-map (\S+)`) }

// find gives what a pattern's group finds in the node's running configuration.
func (w *world) find(pattern string) string {
	w.t.Helper()
	conf := w.Near.RunningConfig()
	found := regexp.MustCompile(pattern).FindStringSubmatch(conf)
	if found == nil {
		w.t.Fatalf("no %s in\n%s", pattern, conf)
	}
	return found[1]
}

// family is its name behind "address-family".
func family(f route.Family) string { return strings.ReplaceAll(f.String(), "-", " ") }

// inFamily is a statement of the router about a family.
func inFamily(f route.Family, statement string) string {
	return "router bgp 65000\n address-family " + family(f) + "\n  " + statement + "\n exit-address-family\nexit\n"
}

func (w *world) filter(random *rand.Rand) drift {
	neighbor, f := choose(random)
	dropped := w.some(random, f, 7)
	statement := "neighbor " + neighbor + " prefix-list DRIFT out"
	return drift{
		name:  "an outbound prefix-list drops 7 " + f.String() + " routes to " + neighbor,
		do:    list(f, "deny", dropped) + words[f] + " prefix-list DRIFT seq 100 permit any\n" + inFamily(f, statement),
		undo:  inFamily(f, "no "+statement) + "no " + words[f] + " prefix-list DRIFT\n",
		wrong: map[string]map[netip.Prefix]string{neighbor: each(dropped, "missing by %s")},
		cause: "the outbound policy does not let it pass",
	}
}

func (w *world) network(random *rand.Rand) drift {
	_, f := choose(random)
	text := map[route.Family]string{route.IPv4Unicast: "10.99.%d.0/24", route.IPv6Unicast: "fd00:99:%d::/64"}[f]
	p := netip.MustParsePrefix(fmt.Sprintf(text, random.IntN(200)))
	unexpected := each([]netip.Prefix{p}, "unexpected by %s")
	return drift{
		name:  "network " + p.String() + ", which nobody intended",
		do:    inFamily(f, "network "+p.String()+" route-map "+w.group()),
		undo:  inFamily(f, "no network "+p.String()),
		wrong: map[string]map[netip.Prefix]string{tor: unexpected, spine: unexpected},
	}
}

// edited is a new entry before those of a neighbor's outbound route-map, that sets something on five routes.
func (w *world) edited(random *rand.Rand, neighbor string, f route.Family, set, field, difference string) drift {
	some, out := w.some(random, f, 5), w.out(neighbor, f)
	return drift{
		name: set + " in " + out + " for " + neighbor,
		do: list(f, "permit", some) + "route-map " + out + " permit 5\n match " + words[f] + " address prefix-list DRIFT\n" +
			" on-match next\n " + set + "\nexit\n",
		undo:  "no route-map " + out + " permit 5\nno " + words[f] + " prefix-list DRIFT\n",
		wrong: map[string]map[netip.Prefix]string{neighbor: each(some, "mismatch by %s; "+field+": "+difference)},
		field: field,
	}
}

func (w *world) community(random *rand.Rand) drift {
	const field, difference = "communities", "wanted 65000:100, got 65000:100 65000:666"
	if random.IntN(2) == 0 {
		neighbor, f := choose(random)
		return w.edited(random, neighbor, f, "set community 65000:666 additive", field, difference)
	}
	d := drift{name: "a community in the group of all routes", wrong: map[string]map[netip.Prefix]string{}, field: field}
	group := "route-map " + w.group() + " permit 10\n set community 65000:100"
	d.do, d.undo = group+" 65000:666\nexit\n", group+"\nexit\n"
	for _, neighbor := range []string{tor, spine} {
		d.wrong[neighbor] = each(slices.Concat(w.every(route.IPv4Unicast), w.every(route.IPv6Unicast)), "mismatch by %s; "+field+": "+difference)
	}
	return d
}

func (w *world) nextHop(random *rand.Rand) drift {
	const field = "next hop"
	neighbor, f := choose(random)
	if neighbor == tor {
		set := map[route.Family]string{
			route.IPv4Unicast: "set ip next-hop 10.0.1.77", route.IPv6Unicast: "set ipv6 next-hop global fd01::77",
		}[f]
		return w.edited(random, tor, f, set, field, "wanted the session's own, got "+set[strings.LastIndex(set, " ")+1:])
	}
	// The route-map of spine sets one itself.
	end := map[route.Family]string{route.IPv4Unicast: " set ip next-hop 10.0.2.", route.IPv6Unicast: " set ipv6 next-hop global fd02::"}[f]
	set := "route-map " + w.out(spine, f) + " permit 10\n" + end
	hop := end[strings.LastIndex(end, " ")+1:]
	return drift{
		name:  "another next hop of " + f.String() + " in the route-map of spine",
		do:    set + "77\nexit\n",
		undo:  set + "1\nexit\n",
		wrong: map[string]map[netip.Prefix]string{spine: each(w.every(f), fmt.Sprintf("mismatch by %%s; %s: wanted %s1, got %[2]s77", field, hop))},
		field: field,
	}
}

func (w *world) med(random *rand.Rand) drift {
	neighbor, f := choose(random)
	return w.edited(random, neighbor, f, "set metric 50", "MED", "wanted 20, got 50")
}

func (w *world) shutdown(random *rand.Rand) drift {
	neighbor, _ := choose(random)
	statement := "neighbor " + neighbor + " shutdown\nexit\n"
	return drift{
		name: neighbor + " is shut down", shut: neighbor,
		do:   "router bgp 65000\n " + statement,
		undo: "router bgp 65000\n no " + statement,
	}
}

func (w *world) routeMap(random *rand.Rand) drift {
	neighbor, f := choose(random)
	out := w.out(neighbor, f)
	if random.IntN(2) == 0 {
		statement := "neighbor " + neighbor + " route-map " + out + " out"
		return drift{
			name:  "no " + statement,
			do:    inFamily(f, "no "+statement),
			undo:  inFamily(f, statement),
			wrong: map[string]map[netip.Prefix]string{neighbor: each(w.every(f), "missing by %s")},
			cause: "without a policy (RFC 8212)",
		}
	}
	gone := w.every(f)
	if neighbor == tor {
		// It has the same for both families.
		gone = slices.Concat(w.every(route.IPv4Unicast), w.every(route.IPv6Unicast))
	}
	return drift{
		name:  "no route-map " + out,
		do:    "no route-map " + out + "\n",
		undo:  w.find(`(?s)(route-map ` + out + ` permit 10\n.*?exit\n)`),
		wrong: map[string]map[netip.Prefix]string{neighbor: each(gone, "missing by %s")},
		cause: "the outbound policy does not let it pass",
	}
}

// onWire reports whether all of the drift has come to the neighbors.
func (w *world) onWire(d drift) bool {
	if d.shut != "" {
		return !w.established(w.far[d.shut].Router)
	}
	for neighbor, wrong := range d.wrong {
		told, last := w.far[neighbor].counter.Counts(), map[netip.Prefix]string{}
		for _, p := range told.Withdrawn {
			last[p] = "missing"
		}
		for _, p := range told.Announced {
			last[p] = "told"
		}
		for p, text := range wrong {
			if last[p] == "" || strings.HasPrefix(text, "missing") != (last[p] == "missing") {
				return false
			}
		}
	}
	return true
}

// told is what the agent must say of it by a witness.
func (w *world) told(d drift, witness string) map[string][]string {
	told := map[string][]string{}
	if d.shut != "" {
		told[d.shut] = []string{fmt.Sprintf("%d not compared, shut down true", w.routes)}
	}
	for neighbor, wrong := range d.wrong {
		if witness == "frr" && d.field == "communities" {
			continue
		}
		for p, text := range wrong {
			told[neighbor] = append(told[neighbor], p.String()+" "+fmt.Sprintf(text, witness))
		}
		slices.Sort(told[neighbor])
	}
	return told
}

// look asks what the agent calls a drift, and fails where that is more than it may. The neighbor that is shut, "" for none, may be
// not compared for any reason: FRR says later than the wire why.
func (w *world) look(when string, may map[string][]string, shut string) (answer, map[string][]string) {
	w.t.Helper()
	a, err := w.ask()
	if err != nil {
		w.t.Fatal(err)
	}
	told := a.told()
	for neighbor, lines := range told {
		for _, line := range lines {
			if _, found := slices.BinarySearch(may[neighbor], line); !found && (neighbor != shut || !strings.Contains(line, "not compared")) {
				w.t.Fatalf("%s: %s: the agent says falsely %q; all it says:\n%s\n%s", when, neighbor, line, a.summary(), w.Agent.Output())
			}
		}
	}
	return a, told
}

// stage does a drift, waits until the agent has told exactly that, undoes it, and waits until all is proven again. It gives how long
// it took from the wire to the report.
func (w *world) stage(d drift, witness, proof string) time.Duration {
	w.t.Helper()
	for _, f := range w.far {
		f.counter.Reset()
	}
	want := w.told(d, witness)
	w.Near.Load(d.do)
	if len(want) == 0 {
		w.unseen(d, witness, proof)
		return 0
	}
	var wire, reported time.Time
	var a answer
	lab.Eventually(w.t, patience, d.name+" is reported", func() error {
		var told map[string][]string
		if wire.IsZero() && w.onWire(d) {
			wire = time.Now()
		}
		if a, told = w.look(d.name, want, d.shut); reported.IsZero() && maps.EqualFunc(told, want, slices.Equal) {
			reported = time.Now()
		}
		if wire.IsZero() || reported.IsZero() {
			return fmt.Errorf("it is on the wire %v; (-want +got)\n%s\n%s", !wire.IsZero(), cmp.Diff(want, told), a.summary())
		}
		return nil
	})
	page, err := w.Ask("verify")
	if err == nil {
		w.t.Errorf("%s: verify ends well:\n%s", d.name, page)
	}
	for neighbor, lines := range want {
		for i, line := range lines {
			if i < 10 && !strings.Contains(page, line) && !strings.Contains(page, neighbor+": not compared: the neighbor is shut down") {
				w.t.Errorf("%s: verify does not say of %s %q:\n%s", d.name, neighbor, line, page)
			}
		}
	}
	if d.cause != "" {
		lab.Eventually(w.t, patience, "it is known why: "+d.cause, func() error {
			a, _ := w.look(d.name, want, d.shut)
			for i := range a.Sessions {
				for _, v := range a.Sessions[i].Proof.Open {
					if strings.Contains(v.Cause, d.cause) {
						return nil
					}
				}
			}
			return fmt.Errorf("the agent says\n%s", a.summary())
		})
	}
	w.Near.Load(d.undo)
	renewed := map[string]time.Time{d.shut: time.Now()}
	lab.Eventually(w.t, patience, d.name+" is over", func() error {
		a, _ := w.look("after "+d.name, want, d.shut)
		if witness == "bmp" && d.shut != "" {
			if err := w.renew(&a, d.shut, renewed); err != nil {
				return err
			}
		}
		return w.all(&a, witness, proof)
	})
	return max(0, reported.Sub(wire))
}

// unseen does not find a drift that the witness cannot see, undoes it, and checks that the agent says of each route what nobody has
// seen of it.
func (w *world) unseen(d drift, witness, proof string) {
	w.t.Helper()
	var wire time.Time
	lab.Eventually(w.t, patience, "the witness has looked again after "+d.name, func() error {
		if wire.IsZero() && w.onWire(d) {
			wire = time.Now()
		}
		a, _ := w.look(d.name, nil, "")
		for i := range a.Sessions {
			for _, k := range a.Sessions[i].Proof.Witnesses {
				if k.Witness == witness && (wire.IsZero() || k.At.Before(wire)) {
					return fmt.Errorf("it was on the wire at %s; %s", wire, a.summary())
				}
			}
		}
		return w.all(&a, witness, proof)
	})
	for neighbor := range w.far {
		if page, err := w.Ask("neighbor", neighbor, "adj-out", "-o", "json"); err != nil || strings.Count(page, d.field) < w.routes {
			w.t.Errorf("%s: the agent does not say of each route to %s that nobody sees its %s: %v\n%s", d.name, neighbor, d.field, err, page)
		}
	}
	if page, err := w.Ask("verify"); err != nil || !strings.Contains(page, "it tells nothing of "+d.field) {
		w.t.Errorf("%s: verify does not say that nobody sees %s: %v\n%s", d.name, d.field, err, page)
	}
	w.Near.Load(d.undo)
}

// TestDrift changes behind the agent's back what neighbors are told, in each way that somebody would: what verify says is exactly
// that, soon after it was on the wire, and all is well again once it is undone. FAIRLEAD_SOAK takes 20 rounds in the place of one,
// FAIRLEAD_SEED those of a failure again.
func TestDrift(t *testing.T) {
	t.Parallel()
	rounds, soon := 1, 10*time.Second
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		rounds, soon = 20, 3*time.Second
	}
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			seed := lab.Seed(t)
			t.Logf("FAIRLEAD_SEED=%d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t, v, 499)
			w.start("tap", "acknowledged")
			kinds := w.kinds()
			for range rounds {
				for _, name := range shuffled(random, kinds) {
					d := kinds[name](random)
					took := w.stage(d, "tap", "acknowledged")
					t.Logf("%s: reported %s after it was on the wire", d.name, took.Round(time.Millisecond))
					if took > soon {
						t.Errorf("%s was reported %s after it was on the wire, not within %s", d.name, took, soon)
					}
				}
			}
			if page, err := w.Ask("verify", "--wait", "20s"); err != nil {
				t.Errorf("verify at last: %v\n%s", err, page)
			}
		})
	}
}
