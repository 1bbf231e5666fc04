package proof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// stationPort is where the agent's station listens.
const stationPort = 11019

// feed has a router say by BMP what it receives. An FRR keeps that, before its policy, where soft-reconfiguration is configured.
func (f *far) feed(asn int, node, station string) {
	var families strings.Builder
	for _, name := range []string{"ipv4", "ipv6"} {
		fmt.Fprintf(&families, " address-family %s unicast\n  neighbor %s soft-reconfiguration inbound\n exit-address-family\n", name, node)
	}
	f.Load(fmt.Sprintf("router bgp %d\n%sexit\n", asn, families.String()))
	f.Load(fmt.Sprintf(`router bgp %d
 bmp targets NODE
  bmp monitor ipv4 unicast pre-policy
  bmp monitor ipv6 unicast pre-policy
  bmp connect %s port %d min-retry 1000 max-retry 2000
 exit
exit
`, asn, station, stationPort))
}

// heard waits until the agent hears of both neighbors by BMP.
func (w *world) heard() {
	w.t.Helper()
	renewed := map[string]time.Time{tor: time.Now(), spine: time.Now()}
	lab.Eventually(w.t, patience, "both neighbors feed the station", func() error {
		a, err := w.ask()
		if err != nil {
			return err
		}
		return errors.Join(w.renew(&a, tor, renewed), w.renew(&a, spine, renewed))
	})
}

// renew is nil where the agent hears of a neighbor by BMP. If it does not for a while, the session begins anew: one whose OPENs FRR
// has not kept cannot be read before.
func (w *world) renew(a *answer, neighbor string, renewed map[string]time.Time) error {
	if slices.ContainsFunc(a.session(neighbor).Proof.Witnesses, func(k knowledge) bool {
		return k.Witness == "bmp" && (k.State == "learning" || k.State == "whole")
	}) {
		return nil
	}
	if f := w.far[neighbor]; w.established(f.Router) && time.Since(renewed[neighbor]) > 10*time.Second {
		w.t.Logf("%s begins anew", neighbor)
		renewed[neighbor] = time.Now()
		if _, err := f.Vtysh(w.t.Context(), "clear bgp *"); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s is not heard: %s", neighbor, a.summary())
}

// TestWeaker takes the agent the right to read packets, so that it has the neighbors' own word by BMP, and then that too, so that it
// has FRR's: each drift is still found by the witness that is left, as far as that one sees it, and what it does not see is said.
// Each time it is one of the drifts by each witness, and all of them with FAIRLEAD_SOAK; FAIRLEAD_SEED takes those of a failure
// again.
func TestWeaker(t *testing.T) {
	t.Parallel()
	most := 1
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		most = 7
	}
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			seed := lab.Seed(t)
			t.Logf("FAIRLEAD_SEED=%d", seed)
			random := rand.New(rand.NewPCG(seed, 0))
			w := newWorld(t, v, 499)
			w.verify = fmt.Sprintf("verify: {claims: {interval: 1s}, bmp: {listen: ':%d', allowed: [10.0.1.0/24, 10.0.2.0/24]}}\n", stationPort)
			w.configure(attributes)
			w.start("frr", "claimed", "setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw")
			kinds := w.kinds()
			drift := func(witness, proof, first string) {
				names := shuffled(random, kinds)
				if at := slices.Index(names, first); at > 0 {
					names[0], names[at] = names[at], names[0]
				}
				for _, name := range names[:min(most, len(names))] {
					d := kinds[name](random)
					took := w.stage(d, witness, proof)
					t.Logf("by %s, %s: reported %s after it was on the wire", witness, d.name, took.Round(time.Millisecond))
				}
			}
			blind := func(reasons ...string) {
				t.Helper()
				page, err := w.Ask("verify")
				for _, reason := range reasons {
					if err != nil || !strings.Contains(page, reason) {
						t.Errorf("verify does not say %q: %v\n%s", reason, err, page)
					}
				}
			}

			w.far[tor].feed(65001, "10.0.1.1", "10.0.1.1")
			w.far[spine].feed(65002, "fd02::1", "10.0.2.1")
			w.heard()
			w.proven("with BMP", "bmp", "received")
			blind("tap: this process may not read packets: give it the capability NET_RAW", "what the neighbor tells of itself")
			drift("bmp", "received", "")

			for name, asn := range map[string]int{tor: 65001, spine: 65002} {
				w.far[name].Load(fmt.Sprintf("router bgp %d\n no bmp targets NODE\nexit\n", asn))
			}
			w.proven("without BMP", "frr", "claimed")
			blind("tap: this process may not read packets", "it tells nothing of communities")
			drift("frr", "claimed", "community")
		})
	}
}
