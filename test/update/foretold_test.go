package update

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// restart is how long a session may take to come up before it is started again: FRR 8.4 was seen not to take a connection.
const restart = 15 * time.Second

// Over random changes of routes and of all that a user can configure, a session goes down where that was foretold, and only
// there; and a neighbor whose session stays receives just the withdrawals that were foretold.
//
// What comes late is seen in the step that follows, and held against it. FAIRLEAD_SOAK makes 2,000 changes in the place of 15;
// FAIRLEAD_SEED makes those of a failure again.
func TestForetold(t *testing.T) {
	seed := lab.Seed(t)
	changes := 15
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		changes = 2000
	}
	t.Logf("%d changes of seed %d", changes, seed)
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			s := newSite(t, v, 65001, nodeAS)
			d := newDraw(t, seed)
			speaker, err := d.speaker()
			if err != nil {
				t.Fatal(err)
			}
			s.apply(t, speaker)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("FAIRLEAD_SEED=%d makes it again; the configuration is\n%s", seed, d.yaml())
				}
			})
			run := foretoldRun{site: s, draw: d, before: make([]int, len(s.far)), seen: make([]int, len(s.far))}
			run.begin(t, "the start", []bool{true, true})
			for i := range changes {
				run.announced = announced(speaker)
				var what string
				what, speaker = d.change(t)
				run.step(t, fmt.Sprintf("change %d, %s", i, what), s.apply(t, speaker))
				if t.Failed() {
					return
				}
			}
			t.Logf("%d changes in %s: %d resets, and %d withdrawals over sessions that stayed, were foretold and came; %d withdrawals were sent twice, and %d sessions were started twice",
				changes, time.Since(start).Round(time.Second), run.resets, run.withdrawals, run.repeated, run.stuck)
		})
	}
}

// announced gives the prefixes that some router of a speaker announces.
func announced(s route.Speaker) map[netip.Prefix]bool {
	all := map[netip.Prefix]bool{}
	for _, r := range s.Routers {
		for _, o := range r.Routes {
			all[o.Prefix] = true
		}
	}
	return all
}

// foretoldRun is a site that is taken from change to change.
type foretoldRun struct {
	*site
	draw *draw
	// before is how often the session with each neighbor had gone down.
	before []int
	// seen is how many withdrawals of the present session are accounted for.
	seen []int
	// announced are the prefixes that were, before the change.
	announced map[netip.Prefix]bool
	// repeated counts withdrawals of what was withdrawn before: FRR sends some of them twice, seconds apart, where the policies that
	// it is given cross its UPDATEs. They take nothing from the neighbor.
	repeated int
	// resets and withdrawals count what was foretold and came.
	resets, withdrawals int
	// stuck counts the sessions that had to be started twice.
	stuck int
}

// name gives what the configuration calls a neighbor.
func name(i int) string { return []string{"ext", "int"}[i] }

// step looks at what a change was to the neighbors.
func (r *foretoldRun) step(t *testing.T, what string, change reload.Change) {
	t.Helper()
	t.Log(what)
	reset := make([]bool, len(r.far))
	for i, f := range r.far {
		reset[i] = slices.ContainsFunc(r.foretold.Resets, func(o reload.Reset) bool { return o.Neighbor == f.address.String() })
	}
	for i, f := range r.far {
		if reset[i] {
			r.resets++
			lab.Eventually(t, patience, fmt.Sprintf("%s: the session with %s goes down, by\n%s", what, name(i), change), func() error {
				if n, err := f.neighbor(t); n.Resets == r.before[i] {
					return errors.Join(errors.New("it stands"), err)
				}
				return nil
			})
			continue
		}
		r.withdrawn(t, what, i, change)
	}
	r.begin(t, what+", by\n"+change.String(), reset)
}

// withdrawn compares what a neighbor receives as withdrawn with what was foretold.
func (r *foretoldRun) withdrawn(t *testing.T, what string, i int, change reload.Change) {
	t.Helper()
	f := r.far[i]
	var want []netip.Prefix
	for _, o := range r.foretold.Routes {
		if slices.Contains(o.Neighbors, f.address.String()) {
			want = append(want, o.Withdrawn...)
		}
	}
	want = own(want)
	r.withdrawals += len(want)
	got, all, repeated := []netip.Prefix{}, 0, 0
	lab.Eventually(t, patience, fmt.Sprintf("%s: all that was foretold is withdrawn from %s: %v, by\n%s", what, f.address, want, change), func() error {
		withdrawn := f.counter.Counts().Withdrawn
		got, all = own(withdrawn[r.seen[i]:]), len(withdrawn)
		came := len(got)
		got = slices.DeleteFunc(got, func(p netip.Prefix) bool { return !r.announced[p] })
		if repeated = came - len(got); len(got) < len(want) {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	// What comes later counts for the next step.
	r.seen[i] = all
	r.repeated += repeated
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: withdrawn from %s (-foretold +received)\n%s\nby\n%s", what, f.address, diff, change)
	}
}

// begin brings sessions that were reset up again, and checks that no other went down.
func (r *foretoldRun) begin(t *testing.T, what string, reset []bool) {
	t.Helper()
	for i, f := range r.far {
		if !reset[i] {
			if n, err := f.neighbor(t); err != nil || n.Resets != r.before[i] {
				t.Errorf("%s: the session with %s went down, %v: %s", what, name(i), err, n.LastReset)
			}
			continue
		}
		r.meet(t, i)
	}
	for i := range r.far {
		if !reset[i] {
			continue
		}
		started := time.Now()
		lab.Eventually(t, patience, what+": the session is up again with "+name(i), func() error {
			err := r.up(t, i)
			if err != nil && time.Since(started) > restart {
				r.start(t, i)
				r.stuck, started = r.stuck+1, time.Now()
			}
			return err
		})
	}
}

// up is an error until the session with a neighbor is up again, on both sides, and the neighbor was sent all that the node
// announces. What it has received may be of the session before.
func (r *foretoldRun) up(t *testing.T, i int) error {
	t.Helper()
	f := r.far[i]
	ends, err := shell(r.near).Neighbors(t.Context(), r.view(i))
	if err != nil {
		return err
	}
	for _, end := range ends {
		if end.Address == f.address && end.State != frr.Established {
			return fmt.Errorf("the node says %s", end.State)
		}
	}
	n, err := f.neighbor(t)
	if err != nil {
		return err
	}
	r.before[i] = n.Resets
	sent := map[netip.Prefix]bool{}
	for _, family := range r.draw.families(name(i)) {
		advertised, err := shell(r.near).AdvertisedRoutes(t.Context(), r.view(i), family, frr.Peer{Address: f.address})
		if err != nil {
			return err
		}
		for _, a := range advertised {
			sent[a.Prefix] = true
		}
	}
	for _, prefix := range r.draw.prefixes(name(i)) {
		if !sent[prefix] {
			return fmt.Errorf("it was not sent %s", prefix)
		}
	}
	r.seen[i] = len(f.counter.Counts().Withdrawn)
	return nil
}

// view is the router of the node that has the session with a neighbor.
func (r *foretoldRun) view(i int) string {
	_, router, _ := strings.Cut(r.draw.now[name(i)+" router"], "router: ")
	return router
}

// meet has a neighbor, and the node, start a session at once that fits the configuration.
func (r *foretoldRun) meet(t *testing.T, i int) {
	t.Helper()
	f := r.far[i]
	asn := []int{65001, nodeAS}[i]
	password := "no neighbor " + f.near.String() + " password"
	if p := r.draw.password(name(i)); p != "" {
		password = fmt.Sprintf("neighbor %s password %s", f.near, p)
	}
	f.Load(fmt.Sprintf("router bgp %d\n %s\nexit\n", asn, password))
	r.start(t, i)
}

// start has the node start a session now, and not after the time that grows with each reset.
func (r *foretoldRun) start(t *testing.T, i int) {
	t.Helper()
	f := r.far[i]
	f.counter.Reset()
	view := ""
	if router := r.view(i); router != "" {
		view = "view " + router + " "
	}
	if out, err := r.near.Vtysh(t.Context(), "clear bgp "+view+f.address.String()); err != nil || out != "" {
		t.Fatalf("start the session with %s: %v: %s", name(i), err, out)
	}
}
