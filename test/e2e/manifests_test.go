package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/test/lab"
)

// A manifest that breaks keeps its routes, whole files and single objects alike; one that is mended counts again; only
// what is deleted is withdrawn.
func TestBrokenManifestKeepsItsRoutes(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		n, _, tor := external(t, v, torConfig)
		n.configure("external", oneToR)
		good := pod("one", "10.16.0.1") + pod("two", "10.16.0.2")
		n.write("pods.yaml", good)
		n.write("other.yaml", pod("three", "10.16.0.3"))
		n.start()
		want := []string{"10.16.0.1/32", "10.16.0.2/32", "10.16.0.3/32"}
		told(t, tor, want...)
		counter := count(t, tor)

		// Each step ends with a route of its own, which shows that what came before it was read and followed.
		var announced []string
		breaks := []struct {
			name, says string
			apply      func()
		}{
			{"syntax", "keeping the content of the last good version", func() { n.write("pods.yaml", good+"---\n{broken: [\n") }},
			{"half written", "keeping the content of the last good version", func() {
				n.write("pods.yaml", good[:strings.Index(good, "podIPs")+7]+"   - ip: {")
			}},
			{"truncated to nothing", "is empty: delete the file to withdraw what it holds", func() {
				if err := os.Truncate(n.manifest("pods.yaml"), 0); err != nil {
					t.Fatal(err)
				}
			}},
			{"one object", "keeping its last good version", func() {
				n.write("pods.yaml", strings.Replace(good, "  annotations:\n    ovn.kubernetes.io/bgp: \"true\"\n", "  annotations: [wrong]\n", 1))
			}},
		}
		for i, b := range breaks {
			b.apply()
			lab.Eventually(t, converge, "the agent tells of "+b.name, func() error {
				if !strings.Contains(n.agent.Output(), b.says) {
					return fmt.Errorf("it has not said %q", b.says)
				}
				return nil
			})
			address := fmt.Sprintf("10.16.1.%d", i)
			announced = append(announced, address+"/32")
			n.write(fmt.Sprintf("sentinel-%d.yaml", i), pod(fmt.Sprintf("sentinel-%d", i), address))
			counted(t, counter, announced, nil)
		}

		n.write("pods.yaml", good+pod("mended", "10.16.0.9"))
		announced = append(announced, "10.16.0.9/32")
		counted(t, counter, announced, nil)
		n.remove("pods.yaml")
		withdrawn := []string{"10.16.0.1/32", "10.16.0.2/32", "10.16.0.9/32"}
		counted(t, counter, announced, withdrawn)
		if says := "this change withdraws 3 ipv4 unicast routes of router bgp 65000 from 10.0.1.1: " + strings.Join(withdrawn, ", "); !strings.Contains(n.agent.Output(), says) {
			t.Errorf("the agent has not said %q", says)
		}
		told(t, tor, append([]string{"10.16.0.3/32"}, announced[:len(breaks)]...)...)
		n.mustRun()
	})
}

// diff says nothing where FRR holds what it should, and otherwise what an apply would change, passwords masked, and what the
// neighbor would notice of it.
func TestDiff(t *testing.T) {
	firstAndLast(t, func(t *testing.T, v lab.Version) {
		n, _, tor := external(t, v, torConfig)
		n.configure("external", oneToR)
		n.write("pod.yaml", pod("sample", "10.16.0.5"))
		n.start()
		told(t, tor, "10.16.0.5/32")
		n.converged()
		n.agent.Stop()

		check := func(what, want string) {
			t.Helper()
			if got := n.fairlead("diff"); got != want {
				t.Errorf("%s: diff prints\n%swant\n%s", what, got, want)
			}
		}
		const noticed = "\nwhat neighbors notice\n  NEIGHBORS   ROUTER             WHAT\n  10.0.1.1    router bgp 65000   "
		check("nothing changed", "")
		n.write("more.yaml", pod("more", "10.16.0.6"))
		check("one route more", `router bgp 65000
 address-family ipv4 unicast
  network 10.16.0.6/32 route-map FL-GROUP-3a804f07
 exit-address-family
exit
`+noticed+"ipv4 unicast routes announced: 1 (10.16.0.6/32)\n")
		n.remove("more.yaml")
		n.remove("pod.yaml")
		check("no route left", `router bgp 65000
 address-family ipv4 unicast
  no network 10.16.0.5/32
 exit-address-family
exit
no route-map FL-GROUP-3a804f07 permit 10
`+noticed+"ipv4 unicast routes withdrawn: 1 (10.16.0.5/32)\n")
		n.write("pod.yaml", pod("sample", "10.16.0.5"))
		n.replace(n.dir+"/tor.password", "hunter2\n")
		n.configure("external", strings.Replace(oneToR, "asn: 65001,", "asn: 65001, passwordFile: tor.password,", 1))
		check("a password", `router bgp 65000
 neighbor 10.0.1.1 password ***
exit
`+noticed+"the session is reset (neighbor password)\n")
		told(t, tor, "10.16.0.5/32")
	})
}
