package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

var addresses = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

const nodeConfig = `
route-map G permit 10
 set large-community 65000:1:1
 set community 65000:100
 set metric 50
exit
router bgp 65000
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 192.0.2.254 remote-as 65001
 neighbor 192.0.2.254 timers connect 1
 neighbor 2001:db8::fe remote-as 65001
 neighbor 2001:db8::fe timers connect 1
 address-family ipv4 unicast
  no neighbor 2001:db8::fe activate
  network 10.16.0.5/32 route-map G
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8::fe activate
  network 2001:db8:16::/64 route-map G
 exit-address-family
exit
`

const torConfig = `
router bgp 65001
 bgp router-id 192.0.2.254
 no bgp ebgp-requires-policy
 neighbor 192.0.2.1 remote-as 65000
 neighbor 192.0.2.1 passive
 neighbor 2001:db8::1 remote-as 65000
 neighbor 2001:db8::1 passive
 address-family ipv4 unicast
  no neighbor 2001:db8::1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8::1 activate
 exit-address-family
exit
`

func TestRoutesAndUpdates(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			sw := lab.NewSwitch(t, "sw")
			node, tor := lab.NewNamespace(t, "node"), lab.NewNamespace(t, "tor")
			sw.Connect(t, node, "eth0", netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64"))
			sw.Connect(t, tor, "eth0", netip.MustParsePrefix("192.0.2.254/24"), netip.MustParsePrefix("2001:db8::fe/64"))
			peer := tor.StartFRR(t, v, torConfig)
			speaker := node.StartFRR(t, v, nodeConfig)

			want := map[netip.Prefix][]lab.Path{netip.MustParsePrefix("10.16.0.5/32"): {{
				From: netip.MustParseAddr("192.0.2.1"), NextHop: netip.MustParseAddr("192.0.2.1"), ASPath: "65000", Origin: "IGP", MED: 50,
				Communities: []string{"65000:100"}, LargeCommunities: []string{"65000:1:1"}, Best: true,
			}}}
			peer.Eventually(30*time.Second, "the node's IPv4 route arrives", func() error {
				return differs(want, peer.Routes(route.IPv4Unicast))
			})
			peer.Eventually(30*time.Second, "the node's IPv6 route arrives", func() error {
				if got := peer.Routes(route.IPv6Unicast)[netip.MustParsePrefix("2001:db8:16::/64")]; len(got) != 1 {
					return fmt.Errorf("got paths %v", got)
				}
				return nil
			})
			if got := speaker.RunningConfig(); !strings.Contains(got, "network 10.16.0.5/32 route-map G") {
				t.Errorf("running configuration lacks the network:\n%s", got)
			}

			counter := peer.CountUpdates(netip.MustParseAddr("192.0.2.1"))
			speaker.Load("router bgp 65000\naddress-family ipv4 unicast\nnetwork 10.17.0.0/16\nnetwork 10.18.0.0/16\n")
			expect(t, counter, []string{"10.17.0.0/16", "10.18.0.0/16"}, nil)
			speaker.Load("router bgp 65000\naddress-family ipv4 unicast\nno network 10.17.0.0/16\n")
			expect(t, counter, []string{"10.17.0.0/16", "10.18.0.0/16"}, []string{"10.17.0.0/16"})
			counter.Reset()
			expect(t, counter, nil, nil)
		})
	}
}

func expect(t *testing.T, counter *lab.UpdateCounter, announced, withdrawn []string) {
	t.Helper()
	want := lab.Updates{Announced: prefixes(announced), Withdrawn: prefixes(withdrawn)}
	lab.Eventually(t, 10*time.Second, "the counter shows the change", func() error {
		got := counter.Counts()
		if (got.Messages == 0) != (len(announced)+len(withdrawn) == 0) {
			return fmt.Errorf("got %v", got)
		}
		got.Messages = 0
		return differs(want, got, cmpopts.SortSlices(route.ComparePrefixes))
	})
}

func prefixes(texts []string) []netip.Prefix {
	var list []netip.Prefix
	for _, text := range texts {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}

func differs(want, got any, options ...cmp.Option) error {
	options = append(options, addresses, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
	if diff := cmp.Diff(want, got, options...); diff != "" {
		return fmt.Errorf("(-want +got)\n%s", diff)
	}
	return nil
}

func TestNothingIsLeft(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			var pids []int
			var paths []string
			t.Run("laboratory", func(t *testing.T) {
				ns := lab.NewNamespace(t, "gone")
				r := ns.StartFRR(t, v, "hostname gone\n", lab.WithDaemons("staticd"))
				pids = append(pids, r.Process("bgpd").PID(), r.Process("zebra").PID(), r.Process("staticd").PID())
				installed := v.Install(t, "/bin/true")
				paths = append(paths, r.RunDir, r.EtcDir, filepath.Join("/run/netns", ns.Name), v.Path(installed))
				for _, path := range paths {
					if _, err := os.Stat(path); err != nil {
						t.Errorf("look for what a laboratory makes: %v", err)
					}
				}
				if err := ns.Command(t.Context(), v, installed).Run(); err != nil {
					t.Errorf("run the installed program: %v", err)
				}
			})
			for _, path := range paths {
				if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is left behind (%v)", path, err)
				}
			}
			for _, pid := range pids {
				if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
					t.Errorf("process %d is left behind (%v)", pid, err)
				}
			}
		})
	}
}

func TestSweep(t *testing.T) {
	lab.Require(t)
	// A process number beyond the kernel's limit of 2^22 is never alive.
	abandoned, foreign := "fl-9999999-1-dead", fmt.Sprintf("fl-%d-99-live", os.Getppid())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, name := range []string{abandoned, foreign} {
		ip(ctx, t, "netns", "add", name)
	}
	defer ip(ctx, t, "netns", "delete", foreign)
	left := (&lab.Namespace{Name: abandoned}).Command(ctx, lab.Version{Root: "/"}, "tail", "-f", "/dev/null")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	lab.NewNamespace(t, "next")
	if err := left.Wait(); err == nil || ctx.Err() != nil {
		t.Errorf("process of an abandoned laboratory ended with %v, want killed", err)
	}
	if _, err := os.Stat("/run/netns/" + abandoned); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("namespace of a dead process is left behind (%v)", err)
	}
	if _, err := os.Stat("/run/netns/" + foreign); err != nil {
		t.Errorf("namespace of a living process was taken away: %v", err)
	}
}

func ip(ctx context.Context, t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %v: %v: %s", args, err, out)
	}
}

func TestStopLetsAProgramEnd(t *testing.T) {
	v := lab.Versions(t)[0]
	ns := lab.NewNamespace(t, "stop")
	polite := ns.Start(t, v, "sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done")
	lab.Eventually(t, 5*time.Second, "the program is up", func() error {
		if polite.Output() == "" {
			return fmt.Errorf("no output")
		}
		return nil
	})
	polite.Stop()
	if diff := cmp.Diff("up\nbye\n", polite.Output()); diff != "" {
		t.Errorf("output (-want +got)\n%s", diff)
	}
}
