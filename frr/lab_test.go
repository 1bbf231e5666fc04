package frr_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/test/lab"
)

var update = flag.Bool("update", false, "capture testdata again from every FRR of the laboratory")

// node is the router that the tests look at. Its first two neighbors are up, the others never will be.
const nodeConfig = `frr defaults traditional
bgp large-community-list expanded MARKERS seq 5 permit 65000:4242:.*
route-map GROUP permit 10
 set community 65000:100
 set large-community 65000:4242:1 65000:1:1
 set metric 50
exit
route-map OUT permit 10
exit
route-map IN permit 10
exit
router bgp 65000
 bgp router-id 192.0.2.1
 bgp graceful-restart
 no bgp network import-check
 neighbor 192.0.2.2 remote-as 65001
 neighbor 192.0.2.2 password hunter2
 neighbor 192.0.2.2 timers 3 9
 neighbor 192.0.2.2 timers connect 1
 neighbor 192.0.2.2 ttl-security hops 1
 neighbor 192.0.2.77 remote-as 65077
 neighbor 192.0.2.77 shutdown
 neighbor 2001:db8::2 remote-as 65001
 neighbor 2001:db8::2 ebgp-multihop 3
 neighbor 2001:db8::2 timers connect 1
 neighbor eth0 interface remote-as internal
 address-family ipv4 unicast
  network 10.16.0.5/32 route-map GROUP
  network 10.17.0.0/16
  neighbor 192.0.2.2 route-map IN in
  neighbor 192.0.2.2 route-map OUT out
  no neighbor 2001:db8::2 activate
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:16::/64 route-map GROUP
  neighbor 2001:db8::2 activate
  neighbor 2001:db8::2 route-map IN in
  neighbor 2001:db8::2 route-map OUT out
 exit-address-family
exit
router bgp 65010 view second
 bgp router-id 192.0.2.10
 neighbor 192.0.2.3 remote-as 65010
exit
`

const torConfig = `route-map ALL permit 10
exit
route-map NONE deny 10
exit
router bgp 65001
 bgp router-id 192.0.2.2
 no bgp network import-check
 neighbor 192.0.2.1 remote-as 65000
 neighbor 192.0.2.1 password hunter2
 neighbor 192.0.2.1 ttl-security hops 1
 neighbor 192.0.2.1 passive
 neighbor 2001:db8::1 remote-as 65000
 neighbor 2001:db8::1 ebgp-multihop 3
 neighbor 2001:db8::1 passive
 address-family ipv4 unicast
  network 10.99.0.0/16
  neighbor 192.0.2.1 route-map ALL in
  neighbor 192.0.2.1 route-map ALL out
  no neighbor 2001:db8::1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8::1 activate
  neighbor 2001:db8::1 route-map ALL in
  neighbor 2001:db8::1 route-map NONE out
 exit-address-family
exit
`

// refusedScript has a line of each kind that FRR refuses, between others that it takes.
const refusedScript = `router bgp 65000
 neighbor 192.0.2.9 password s3cret
 neighbor 192.0.2.9 passwrod s3cret
 neighbour 192.0.2.2 remote-as 65001
 address-family ipv4 unicast
  network 10.20.0.0/24
  network 10.21.0.0/24 route-map
  neighbor 192.0.2.88 route-map OUT out
 exit-address-family
exit
route-map GROUP permit 10
 set metric banana
exit
router bgp 65009
exit
`

// vtyshOf is the Vtysh of a laboratory's router.
func vtyshOf(r *lab.Router) frr.Vtysh {
	v := frr.Vtysh{Command: r.VtyshCommand(), Pathspace: r.Pathspace, RunDir: "/run/frr", Timeout: 30 * time.Second}
	if r.Version.Root != "/" {
		v.Root = r.Version.Root
	}
	return v
}

// pair starts a node and a ToR router of one version and waits until they have told each other everything.
func pair(t *testing.T, v lab.Version) frr.Vtysh {
	t.Helper()
	node, tor := lab.NewNamespace(t, "node"), lab.NewNamespace(t, "tor")
	lab.Link(t,
		node, "eth0", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")},
		tor, "eth0", []netip.Prefix{netip.MustParsePrefix("192.0.2.2/24"), netip.MustParsePrefix("2001:db8::2/64")})
	tor.StartFRR(t, v, torConfig)
	vtysh := vtyshOf(node.StartFRR(t, v, nodeConfig))
	lab.Eventually(t, 60*time.Second, "both sessions have exchanged their routes", func() error {
		summary, err := vtysh.Summary(t.Context(), "")
		if err != nil {
			return err
		}
		done := 0
		for _, s := range summary.Sessions {
			if s.State == frr.Established && s.Sent+s.Received > 0 && (s.Sent == 3) == s.Neighbor.Address.Is4() {
				done++
			}
		}
		if done != 2 {
			return fmt.Errorf("got %+v", summary)
		}
		return nil
	})
	return vtysh
}

// TestCapture asks each real FRR all that the fixtures hold, one txtar for each version, and reads its answers; with -update
// it writes them to testdata.
func TestCapture(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			vtysh := pair(t, v)
			archive := &txtar.Archive{Comment: []byte("Captured from FRR " + v.Name + " by go test ./frr -run TestCapture -update\n")}
			add := func(name string, data []byte) {
				archive.Files = append(archive.Files, txtar.File{Name: name, Data: data})
			}
			for _, c := range []struct{ name, command string }{
				{"summary", "show bgp summary json"},
				{"summary view", "show bgp view second summary json"},
				{"summary no view", "show bgp view third summary json"},
				{"neighbors", "show bgp neighbors json"},
				{"neighbors view", "show bgp view second neighbors json"},
				{"advertised ipv4", "show bgp ipv4 unicast neighbors 192.0.2.2 advertised-routes json"},
				{"advertised ipv6", "show bgp ipv6 unicast neighbors 2001:db8::2 advertised-routes json"},
				{"advertised down", "show bgp ipv4 unicast neighbors 192.0.2.77 advertised-routes json"},
				{"advertised nobody", "show bgp ipv4 unicast neighbors 192.0.2.66 advertised-routes json"},
				{"running-config", "show running-config"},
			} {
				out, err := vtysh.Show(t.Context(), c.command)
				if err != nil {
					t.Errorf("capture %s: %v", c.name, err)
				}
				add(c.name, out)
			}
			add("refused", refusedOutput(t, vtysh))
			readable(t, archive)
			if !*update {
				return
			}
			if err := os.WriteFile(filepath.Join("testdata", v.Name+".txtar"), txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// readable checks that the parsers take the answers of an FRR, whose version may be newer than any fixture.
func readable(t *testing.T, archive *txtar.Archive) {
	t.Helper()
	parsers := map[string]func([]byte) error{
		"summary":         func(b []byte) error { _, err := frr.ParseSummary(b); return err },
		"summary view":    func(b []byte) error { _, err := frr.ParseSummary(b); return err },
		"neighbors":       func(b []byte) error { _, err := frr.ParseNeighbors(b); return err },
		"neighbors view":  func(b []byte) error { _, err := frr.ParseNeighbors(b); return err },
		"advertised ipv4": func(b []byte) error { _, err := frr.ParseAdvertised(b); return err },
		"advertised ipv6": func(b []byte) error { _, err := frr.ParseAdvertised(b); return err },
		"running-config":  func(b []byte) error { _, err := frr.ParseRunningConfig(b); return err },
	}
	read := 0
	for _, f := range archive.Files {
		if parse := parsers[f.Name]; parse != nil {
			read++
			if err := parse(f.Data); err != nil {
				t.Errorf("%s: %v\n%s", f.Name, err, f.Data)
			}
		}
	}
	if read != len(parsers) {
		t.Errorf("%d answers were read, want %d", read, len(parsers))
	}
}

// fixtures reads the captured answers of all versions, by version and name.
func fixtures(t testing.TB) map[string]map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("find fixtures: %v, %v", paths, err)
	}
	all := map[string]map[string][]byte{}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string][]byte{}
		for _, f := range archive.Files {
			files[f.Name] = f.Data
		}
		all[filepath.Base(path[:len(path)-len(".txtar")])] = files
	}
	return all
}

// refusedOutput is what vtysh -f says about refusedScript, on both streams.
func refusedOutput(t *testing.T, vtysh frr.Vtysh) []byte {
	t.Helper()
	inside := filepath.Join("/run/frr", vtysh.Pathspace, "refused.conf")
	path := filepath.Join("/", vtysh.Root, inside)
	if err := os.WriteFile(path, []byte(refusedScript), 0o600); err != nil {
		t.Fatal(err)
	}
	args := slices.Concat(vtysh.Command[1:], []string{"-N", vtysh.Pathspace, "-f", inside})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, vtysh.Command[0], args...).CombinedOutput()
	if err == nil {
		t.Errorf("vtysh took a script that has refused lines:\n%s", out)
	}
	return out
}
