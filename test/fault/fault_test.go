// Package fault breaks one thing after another under the running agent, and looks at what its neighbors see of that.
package fault_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

var only = flag.String("fault", "", "have only those faults happen whose name begins so")

func TestMain(m *testing.M) { os.Exit(site.Main(m)) }

// pods is how many are announced all the time.
const pods = 1000

// limits are how long the agent may take after a fault until FRR runs what it should, and how much longer than the session a
// route may be away where there is no graceful restart.
type limits struct{ within, late time.Duration }

// Whatever breaks, the wanted configuration runs within 10 s of its being mended; with graceful restart the neighbor (spine)
// never stops to forward what goes on being announced, and without (tor) not for longer than the session is down and 2 s.
// Routes come and go while it is broken.
//
// Each fault happens on one version, chosen by the seed that a failure's message has (FAIRLEAD_SEED). FAIRLEAD_SOAK has each
// happen 20 times on every version.
func TestFaults(t *testing.T) {
	seed, soak := lab.Seed(t), os.Getenv("FAIRLEAD_SOAK") != ""
	random := rand.New(rand.NewPCG(seed, 0))
	versions := lab.Versions(t)
	plan := make([][]fault, len(versions))
	for i, at := range random.Perm(len(faults())) {
		f := faults()[at]
		for n := range versions {
			switch {
			case !strings.HasPrefix(f.name, *only):
			case soak:
				plan[n] = append(plan[n], slices.Repeat([]fault{f}, 20)...)
			case i%len(versions) == n:
				plan[n] = append(plan[n], f)
			}
		}
	}
	// A machine that runs all tests at once is slow.
	bounds := limits{within: 20 * time.Second, late: 5 * time.Second}
	if soak {
		bounds = limits{within: 10 * time.Second, late: 2 * time.Second}
	}
	t.Logf("seed %d", seed)
	for n, v := range versions {
		random.Shuffle(len(plan[n]), func(i, j int) { plan[n][i], plan[n][j] = plan[n][j], plan[n][i] })
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, v)
			for _, f := range plan[n] {
				w.suffer(f, bounds)
				if t.Failed() {
					t.Fatalf("seed %d; the agent says:\n%s", seed, w.Agent.Output())
				}
			}
		})
	}
}

// world is a site whose neighbors are watched.
type world struct {
	*site.Site
	t          *testing.T
	spine, tor *witness
	// wanted is what is to be announced; number counts the pods that came and went.
	wanted map[netip.Prefix]bool
	number int
}

func newWorld(t *testing.T, v lab.Version) *world {
	t.Helper()
	w := &world{t: t, Site: site.New(t, v, false, lab.WithDisk(1<<20)), wanted: map[netip.Prefix]bool{netip.MustParsePrefix("10.16.0.0/16"): true}}
	w.vtysh("")()
	w.Write("mode", fmt.Sprintf("frr: {mode: external, pathspace: %[1]s, paths: {vtysh: %[2]s, config: /etc/frr/%[1]s/frr.conf}}\nstatus: {socket: %[3]s}\n",
		w.Node.Name, w.Inside("vtysh"), w.Inside("agent.sock")))
	w.Spine.Load("router bgp 65002\n bgp graceful-restart\nexit\n")
	var manifests strings.Builder
	for i := range pods {
		manifests.WriteString(w.pod(netip.AddrFrom4([4]byte{10, 16, byte(i / 250), byte(i%250 + 1)})))
	}
	w.Write("manifests/pods.yaml", manifests.String())
	w.configure()
	w.Start()
	w.spine, w.tor = newWitness(t, w.Spine, 65002, site.SpineAddress), newWitness(t, w.ToR, 65001, netip.MustParseAddr("10.0.1.1"))
	w.poll(60*time.Second, "all is announced", w.whole)
	return w
}

// pod gives a pod's manifest, and wants it announced.
func (w *world) pod(address netip.Addr) string {
	w.wanted[netip.PrefixFrom(address, 32)] = true
	return site.Pod("pod-"+address.String(), address.String())
}

// change has one pod come and another one go.
func (w *world) change() {
	w.number++
	address := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 16, 200, byte(n%250 + 1)}) }
	w.Write(fmt.Sprintf("manifests/pod-%d.yaml", w.number), w.pod(address(w.number)))
	if w.number == 1 {
		return
	}
	delete(w.wanted, netip.PrefixFrom(address(w.number-1), 32))
	w.must(os.Remove(w.Path(fmt.Sprintf("manifests/pod-%d.yaml", w.number-1))))
}

// configure edits the configuration: all routes get another community.
func (w *world) configure() {
	w.Edit(strings.Replace(site.SpineLine, "}", ", gracefulRestart: true}", 1)+fmt.Sprintf(site.ToRLine, ""),
		fmt.Sprintf("communities: [65000:%d]\n", w.number))
}

// many has five hundred pods come, or go where they are there.
func (w *world) many() {
	const name = "manifests/many.yaml"
	if err := os.Remove(w.Path(name)); err == nil {
		maps.DeleteFunc(w.wanted, func(p netip.Prefix, _ bool) bool { b := p.Addr().As4(); return b[2] == 100 || b[2] == 101 })
		return
	}
	var manifests strings.Builder
	for i := range 500 {
		manifests.WriteString(w.pod(netip.AddrFrom4([4]byte{10, 16, byte(100 + i/250), byte(i%250 + 1)})))
	}
	w.Write(name, manifests.String())
}

// suffer goes through one fault.
func (w *world) suffer(f fault, bounds limits) {
	t := w.t
	w.change()
	w.poll(30*time.Second, "all is announced before: "+f.name, w.whole)
	w.spine.reset()
	w.tor.reset()
	began := time.Now()
	end := f.begin(w)
	if f.quiet {
		// The clock that has all looked at comes every 30 s.
		bounds.within = min(bounds.within, 10*time.Second)
	} else {
		w.change()
	}
	if !f.lies && !f.quiet && rand.IntN(2) == 0 {
		w.configure()
	}
	// That the agent has met the fault by then need not be: it may be mended at any moment.
	pause := time.NewTimer(time.Duration(rand.IntN(2000)) * time.Millisecond)
	<-pause.C
	end()
	ended := time.Now()
	w.poll(bounds.within, "the wanted configuration runs after: "+f.name, w.running)
	ran := time.Since(ended)
	w.poll(60*time.Second, "all is well after: "+f.name, w.whole)
	spine, spineGap := longest(w.spine.gaps(t), w.wanted)
	tor, torGap := longest(w.tor.gaps(t), w.wanted)
	spineAway, _ := w.spine.absence(t)
	torAway, times := w.tor.absence(t)
	t.Logf("%-40s broken for %5s, the configuration runs after %5s; with graceful restart session away %s, routes: %s; without away %s, routes: %s",
		f.name, ended.Sub(began).Round(10*time.Millisecond), ran.Round(10*time.Millisecond), spineAway.Round(10*time.Millisecond), spineGap,
		torAway.Round(10*time.Millisecond), torGap)
	if spine > 0 {
		t.Errorf("%s: with graceful restart of the routes that stay or come are %s; the session was away for %s", f.name, spineGap, spineAway)
	}
	if tor > 0 && tor > torAway+bounds.late+f.delay {
		t.Errorf("%s: without graceful restart of the routes that stay or come are %s; the session was away for %s", f.name, torGap, torAway)
	}
	if (times > 0) != f.restarts {
		t.Errorf("%s: the session went %d times", f.name, times)
	}
	for name, far := range map[string]*witness{"spine": w.spine, "tor": w.tor} {
		if got := far.withdrawn(w.wanted); len(got) > 0 {
			t.Errorf("%s: %s received withdrawals of what stays or comes: %v", f.name, name, got)
		}
	}
}

// poll waits until ready gives nil.
func (w *world) poll(timeout time.Duration, what string, ready func() error) {
	w.t.Helper()
	lab.Eventually(w.t, timeout, what, func() error {
		err := ready()
		if err != nil {
			err = fmt.Errorf("%w; the agent says\n%s", err, w.Agent.Output())
		}
		return err
	})
}

// leftover is a line that takes away a policy of the agent's.
var leftover = regexp.MustCompile(`^no (route-map|ip prefix-list|ipv6 prefix-list|bgp \S+-list \S+) FL-`)

// running is an error while FRR does not run what is wanted. What nothing uses any more may be there beside it: no neighbor notices
// that, and it goes when FRR has been left alone for a while.
func (w *world) running() error {
	d, err := w.diff()
	if err != nil {
		return err
	}
	lacks := slices.DeleteFunc(d.Lines, leftover.MatchString)
	if noticed := len(d.Resets) + len(d.Policies) + len(d.Routes); len(lacks) > 0 || noticed > 0 {
		return fmt.Errorf("diff prints this, of which neighbors would notice %d things\n%.500s", noticed, strings.Join(lacks, "\n"))
	}
	return nil
}

// tidy is an error while FRR does not run what is wanted, or has anything beside it.
func (w *world) tidy() error {
	d, err := w.diff()
	if err == nil && len(d.Lines) > 0 {
		return fmt.Errorf("diff prints\n%.500s", strings.Join(d.Lines, "\n"))
	}
	return err
}

// difference is what an apply would do.
type difference struct {
	Lines                    []string
	Resets, Policies, Routes []json.RawMessage
}

func (w *world) diff() (difference, error) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	var d difference
	out, err := w.Node.Command(ctx, w.Version, append(w.Command("diff"), "-o", "json")...).Output()
	if err == nil {
		err = json.Unmarshal(out, &d)
	}
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			out = exit.Stderr
		}
		return difference{}, fmt.Errorf("run diff: %w\n%.500s", err, out)
	}
	return d, nil
}

// whole is an error while FRR does not run what is wanted, keeps another configuration, or a neighbor forwards anything else,
// and while the agent says that something is wrong.
func (w *world) whole() error {
	if err := w.tidy(); err != nil {
		return err
	}
	if kept := strings.Count(w.kept(), "\n  network "); kept != len(w.wanted) {
		return fmt.Errorf("frr.conf keeps %d routes of %d", kept, len(w.wanted))
	}
	want := slices.SortedFunc(maps.Keys(w.wanted), netip.Prefix.Compare)
	for _, far := range []*witness{w.spine, w.tor} {
		got := far.table(w.t)
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s forwards %d prefixes of %d", far.router.Pathspace, len(got), len(want))
		}
		n, err := w.Session(far.router)
		if err != nil {
			return fmt.Errorf("ask %s: %w", far.router.Pathspace, err)
		}
		if n.State != "Established" {
			return fmt.Errorf("%s: the session is %s", far.router.Pathspace, n.State)
		}
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	out, err := w.Node.Command(ctx, w.Version, append(w.Command("status"), "--socket", w.Inside("agent.sock"), "-o", "json")...).Output()
	if err != nil {
		return fmt.Errorf("ask for the status: %w", err)
	}
	var state struct {
		Conditions []struct{ Type, Status, Message string }
	}
	if err := json.Unmarshal(out, &state); err != nil || len(state.Conditions) == 0 {
		return fmt.Errorf("read the status: %w", cmp.Or(err, errors.New("no conditions")))
	}
	for _, c := range state.Conditions {
		if c.Status != "True" {
			return fmt.Errorf("%s is %s: %s", c.Type, c.Status, c.Message)
		}
	}
	return nil
}
