package prove_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/test/lab"
)

// node announces two prefixes to tor, and passes its own one back to it.
const nodeConfig = `frr defaults traditional
route-map GROUP permit 10
 set community 65000:100
 set metric 50
exit
route-map ANY permit 10
exit
route-map OUT permit 10
exit
router bgp 65000
 bgp router-id 192.0.2.1
 no bgp network import-check
 neighbor 192.0.2.2 remote-as 65001
 neighbor 192.0.2.2 timers connect 1
 address-family ipv4 unicast
  network 10.16.0.5/32 route-map GROUP
  network 10.17.0.0/16
  neighbor 192.0.2.2 route-map ANY in
  neighbor 192.0.2.2 route-map OUT out
 exit-address-family
exit
`

const torConfig = `route-map ALL permit 10
exit
router bgp 65001
 bgp router-id 192.0.2.2
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 65000
 neighbor 192.0.2.1 passive
 address-family ipv4 unicast
  network 10.99.0.0/16
  neighbor 192.0.2.1 route-map ALL in
  neighbor 192.0.2.1 route-map ALL out
 exit-address-family
exit
`

// pair starts a node and a ToR router of one version, and gives the node's vtysh once they have told each other all.
func pair(t *testing.T, v lab.Version) frr.Vtysh {
	t.Helper()
	node, tor := lab.NewNamespace(t, "node"), lab.NewNamespace(t, "tor")
	lab.Link(t,
		node, "eth0", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")},
		tor, "eth0", []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24")})
	tor.StartFRR(t, v, torConfig)
	r := node.StartFRR(t, v, nodeConfig)
	vtysh := frr.Vtysh{Command: r.VtyshCommand(), Root: v.Root, Pathspace: r.Pathspace, RunDir: "/run/frr", Timeout: 30 * time.Second}
	lab.Eventually(t, 60*time.Second, "the session has exchanged its routes", func() error {
		summary, err := vtysh.Summary(t.Context(), "")
		if err != nil {
			return err
		}
		if len(summary.Sessions) != 1 || summary.Sessions[0].State != frr.Established || summary.Sessions[0].Sent != 3 {
			return fmt.Errorf("got %+v", summary)
		}
		return nil
	})
	return vtysh
}
