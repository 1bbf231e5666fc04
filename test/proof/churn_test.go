package proof

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

const (
	// churning is how many pods come and go, and changes how often one does in a second.
	churning = 100
	changes  = 20
	// disturbing is after how many changes something else happens.
	disturbing = 2 * changes
)

// TestChurn has pods come and go, sessions end, tables be sent again and the configuration edited, all that at once, on one of the
// versions: whatever is on its way, verify never calls anything a drift, and in the end all is proven. FAIRLEAD_SOAK takes ten
// minutes on each, and FAIRLEAD_SEED what happened in a failure again.
func TestChurn(t *testing.T) {
	t.Parallel()
	seed := lab.Seed(t)
	t.Logf("FAIRLEAD_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	versions, long, deadline := lab.Versions(t), 25*time.Second, "10s"
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		long, deadline = 10*time.Minute, "2s"
	} else {
		// What a machine that is busy with other tests takes is no drift.
		versions = versions[random.IntN(len(versions)):][:1]
	}
	for _, v := range versions {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, v, 499)
			w.verify = "verify: {deadline: " + deadline + "}\n"
			w.configure(attributes)
			w.start("tap", "acknowledged")
			ctx, cancel := context.WithTimeout(t.Context(), long)
			defer cancel()
			var polls sync.WaitGroup
			seen := suspicion{full: map[string]int{}}
			polls.Go(func() { seen.follow(ctx, w) })
			pods := w.churn(ctx, rand.New(rand.NewPCG(seed, 1)))
			polls.Wait()
			t.Logf("%d answers, of them with all compared %v; resets of tor %d, of spine %d", seen.answers, seen.full, w.Resets(w.ToR), w.Resets(w.Spine))
			for _, text := range seen.drifts {
				t.Error(text)
			}
			for _, neighbor := range []string{tor, spine} {
				if seen.full[neighbor]*2 < seen.answers {
					t.Errorf("of %d answers only %d have compared what %s was told", seen.answers, seen.full[neighbor], neighbor)
				}
			}
			w.routes += 2 * len(pods)
			w.proven("in the end", "tap", "acknowledged")
			for f, base := range w.pods {
				want := len(base) + len(pods) + 1
				for _, r := range []*lab.Router{w.ToR, w.Spine} {
					if got := len(r.Routes(f)); got != want {
						t.Errorf("%s has %d routes of %s, want %d", r.Pathspace, got, f, want)
					}
				}
			}
			if t.Failed() {
				t.Logf("the agent says\n%s", w.Agent.Output())
			}
		})
	}
}

// suspicion is what verify has said meanwhile.
type suspicion struct {
	// answers counts what it said, and full of each neighbor those with all routes compared.
	answers int
	full    map[string]int
	// drifts are what it called one, each once.
	drifts []string
}

// follow asks the agent again and again until ctx ends.
func (s *suspicion) follow(ctx context.Context, w *world) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	told := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		a, err := w.ask()
		if err != nil {
			s.drifts = append(s.drifts, err.Error())
			return
		}
		s.answers++
		for neighbor, drifts := range a.drifts() {
			if !told[neighbor+drifts[0]] && len(told) < 20 {
				told[neighbor+drifts[0]] = true
				s.drifts = append(s.drifts, fmt.Sprintf("%s: %s: %d falsely, such as %s\n%s", time.Now().Format(time.RFC3339Nano), neighbor, len(drifts), drifts[0], a.summary()))
			}
		}
		for i := range a.Sessions {
			if !slices.ContainsFunc(a.Sessions[i].Proof.Counts, func(c count) bool { return c.Verdict == "not-comparable" }) {
				s.full[a.Sessions[i].Neighbor]++
			}
		}
	}
}

// drifts is what the agent calls a drift, and which neighbor it says takes nothing.
func (a *answer) drifts() map[string][]string {
	drifts := map[string][]string{}
	for i := range a.Sessions {
		s := &a.Sessions[i]
		for _, v := range s.Proof.Open {
			if v.wrong() {
				drifts[s.Neighbor] = append(drifts[s.Neighbor], v.String())
			}
		}
		if !s.Proof.Blocked.IsZero() {
			drifts[s.Neighbor] = append(drifts[s.Neighbor], "blocked since "+s.Proof.Blocked.String())
		}
	}
	return drifts
}

// churn changes pods and all else until ctx ends, and gives the pods that are announced then.
func (w *world) churn(ctx context.Context, random *rand.Rand) map[int]bool {
	w.t.Helper()
	announced, done := map[int]bool{}, map[string]int{}
	defer func() { w.t.Logf("%d pods are announced; done: %v", len(announced), done) }()
	ticker := time.NewTicker(time.Second / changes)
	defer ticker.Stop()
	disturbances := w.disturbances(random)
	names := slices.Sorted(maps.Keys(disturbances))
	for n, start := 0, time.Now(); ; {
		select {
		case <-ctx.Done():
			return announced
		case <-ticker.C:
		}
		// What takes long is made up for.
		for due := int(time.Since(start) * changes / time.Second); n < due; n++ {
			if n%disturbing == disturbing-1 {
				name := names[random.IntN(len(names))]
				done[name]++
				disturbances[name]()
			}
			i := random.IntN(churning)
			manifest := pod(fmt.Sprintf("churn-%d", i), churned(i)...)
			if announced[i] {
				delete(announced, i)
				manifest = strings.Replace(manifest, `, annotations: {ovn.kubernetes.io/bgp: "true"}`, "", 1)
			} else {
				announced[i] = true
			}
			w.Write(fmt.Sprintf("manifests/churn-%d.yaml", i), manifest)
			done["changes"]++
		}
	}
}

// churned are the addresses of a pod that comes and goes.
func churned(i int) []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{10, 16, 99, byte(i)}), netip.MustParseAddr(fmt.Sprintf("fd00:16::99:%x", i))}
}

// disturbances are what happens beside the pods.
func (w *world) disturbances(random *rand.Rand) map[string]func() {
	vtysh := func(r *lab.Router, command string) {
		w.t.Helper()
		if out, err := r.Vtysh(context.WithoutCancel(w.t.Context()), command); err != nil {
			w.t.Errorf("%s: %v: %s", command, err, out)
		}
	}
	more := attributes
	return map[string]func(){
		"tor resets":   func() { vtysh(w.ToR, "clear bgp *") },
		"spine resets": func() { vtysh(w.Spine, "clear bgp *") },
		"tor asks":     func() { vtysh(w.ToR, "clear bgp ipv6 unicast * soft in") },
		"spine asks":   func() { vtysh(w.Spine, "clear bgp ipv4 unicast * soft in") },
		"soft out": func() {
			neighbor, f := choose(random)
			vtysh(w.Near, "clear bgp "+family(f)+" "+neighbor+" soft out")
		},
		"attributes": func() {
			more = fmt.Sprintf("communities: [65000:%d]\nmed: %d\n", 100+random.IntN(3), 20+random.IntN(3))
			w.configure(more)
		},
		"next hop": func() {
			w.hop = []string{"1", "2", "3"}[random.IntN(3)]
			w.configure(more)
		},
	}
}
