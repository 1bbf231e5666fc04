package frr_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

func TestVtysh(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			vtysh := pair(t, v)
			t.Run("show", func(t *testing.T) {
				routes, err := vtysh.AdvertisedRoutes(t.Context(), "", route.IPv6Unicast, address("2001:db8::2"))
				if err != nil || len(routes) != 1 || routes[0].MED != 50 {
					t.Errorf("got %v, %v", routes, err)
				}
				neighbors, err := vtysh.Neighbors(t.Context(), "second")
				if err != nil || len(neighbors) != 1 || neighbors[0].LocalAS != 65010 {
					t.Errorf("got %+v, %v", neighbors, err)
				}
				if _, err := vtysh.Show(t.Context(), "show banana"); err == nil || !strings.Contains(err.Error(), "% Unknown command: show banana") {
					t.Errorf("got error %v", err)
				}
			})
			t.Run("apply", func(t *testing.T) {
				script := "router bgp 65000\n neighbor 192.0.2.50 remote-as 65050\n neighbor 192.0.2.50 password s3cret\nexit\n"
				if err := vtysh.Apply(t.Context(), []byte(script)); err != nil {
					t.Fatal(err)
				}
				config, err := vtysh.RunningConfig(t.Context())
				if err != nil || !bytes.Contains(config, []byte(" neighbor 192.0.2.50 password s3cret\n")) {
					t.Errorf("running configuration: %v\n%s", err, config)
				}
			})
			t.Run("refused", func(t *testing.T) {
				err := vtysh.Apply(t.Context(), []byte(refusedScript))
				var refused *frr.ApplyError
				if !errors.As(err, &refused) {
					t.Fatalf("got error %v, want refusals", err)
				}
				var lines []int
				for _, r := range refused.Refusals {
					lines = append(lines, r.Line)
				}
				if diff := cmp.Diff([]int{2, 3, 4, 7, 8, 12, 14}, lines[:7]); diff != "" {
					t.Errorf("refused lines (-want +got)\n%s", diff)
				}
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("the error tells a password: %v", err)
				}
				config, err := vtysh.RunningConfig(t.Context())
				if err != nil || !bytes.Contains(config, []byte("  network 10.20.0.0/24\n")) {
					t.Errorf("a good line beside the refused ones is not applied: %v\n%s", err, config)
				}
			})
			t.Run("no script is left", func(t *testing.T) {
				dir := filepath.Join("/", vtysh.Root, "/run/frr", vtysh.Pathspace)
				old := filepath.Join(dir, "fairlead-1.vtysh")
				if err := os.WriteFile(old, []byte("password"), 0o600); err != nil {
					t.Fatal(err)
				}
				hourAgo := time.Now().Add(-time.Hour)
				if err := os.Chtimes(old, hourAgo, hourAgo); err != nil {
					t.Fatal(err)
				}
				if err := vtysh.Apply(t.Context(), []byte("hostname here\n")); err != nil {
					t.Fatal(err)
				}
				if left, err := filepath.Glob(filepath.Join(dir, "*.vtysh")); err != nil || len(left) > 0 {
					t.Errorf("scripts are left: %v, %v", left, err)
				}
			})
		})
	}
}

func TestVtyshWithoutAnswer(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			router := lab.NewNamespace(t, "mute").StartFRR(t, v, "router bgp 65000\nexit\n")
			vtysh := vtyshOf(router)
			calls := map[string]func(frr.Vtysh) error{
				"show":           func(v frr.Vtysh) error { _, err := v.Summary(t.Context(), ""); return err },
				"running-config": func(v frr.Vtysh) error { _, err := v.RunningConfig(t.Context()); return err },
				"apply":          func(v frr.Vtysh) error { return v.Apply(t.Context(), []byte("router bgp 65000\nexit\n")) },
			}
			each := func(name string, v frr.Vtysh, check func(error) bool) {
				for call, do := range calls {
					if err := do(v); !check(err) {
						t.Errorf("%s: %s gives error %v", name, call, err)
					}
				}
			}

			missing := vtysh
			missing.Command = []string{"/nonexistent/vtysh"}
			each("no vtysh", missing, func(err error) bool { return errors.Is(err, frr.ErrNoVtysh) })
			missing.Command = slices.Concat(vtysh.Command[:len(vtysh.Command)-1], []string{"no-vtysh-here"})
			each("no vtysh behind a prefix", missing, func(err error) bool { return errors.Is(err, frr.ErrNoVtysh) })

			bgpd := router.Process("bgpd")
			signal(t, bgpd, syscall.SIGSTOP)
			hasty := vtysh
			hasty.Timeout = 500 * time.Millisecond
			began := time.Now()
			each("bgpd hangs", hasty, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("three calls with a deadline of 500 ms took %s", took)
			}
			// 10.x forks a child for each daemon: it must not outlive the deadline either.
			lab.Eventually(t, 5*time.Second, "no vtysh is left", func() error { return onlyDaemons(t, router) })
			signal(t, bgpd, syscall.SIGCONT)

			stopped := func(daemon string) func(error) bool {
				return func(err error) bool {
					var down *frr.NotRunningError
					return errors.As(err, &down) && down.Daemon == daemon
				}
			}
			bgpd.Kill()
			each("bgpd was killed", vtysh, stopped("bgpd"))
			router.Stop(syscall.SIGTERM)
			if _, err := vtysh.Show(t.Context(), "show version"); !stopped("")(err) {
				t.Errorf("nothing runs: got error %v", err)
			}
			more := vtysh
			more.Daemons = []string{"staticd", "bgpd"}
			if err := more.Apply(t.Context(), nil); !stopped("staticd")(err) || !errors.Is(err, os.ErrNotExist) {
				t.Errorf("staticd never ran: got error %v", err)
			}
		})
	}
}

func TestApplyWhileBGPDDies(t *testing.T) {
	for _, v := range lab.Versions(t) {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s again %t", v.Name, again), func(t *testing.T) {
				router := lab.NewNamespace(t, "dies").StartFRR(t, v, "router bgp 65000\nexit\n")
				bgpd, zebra := router.Process("bgpd"), router.Process("zebra")
				// vtysh waits for both, since neither answers and a route-map is for both.
				signal(t, bgpd, syscall.SIGSTOP)
				signal(t, zebra, syscall.SIGSTOP)
				result := make(chan error, 1)
				go func() {
					result <- vtyshOf(router).Apply(context.Background(), []byte("route-map RM permit 10\nexit\nrouter bgp 65000\n neighbor 192.0.2.9 remote-as 65009\nexit\n"))
				}()
				lab.Eventually(t, 10*time.Second, "vtysh runs", func() error {
					if onlyDaemons(t, router) == nil {
						return errors.New("not yet")
					}
					return nil
				})
				bgpd.Kill()
				want := "bgpd is not running"
				if again {
					want = "bgpd was started again meanwhile"
					router.StartDaemon("bgpd")
				}
				signal(t, zebra, syscall.SIGCONT)
				if err := <-result; err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got error %v, want one that says %q", err, want)
				}
			})
		}
	}
}

func signal(t *testing.T, p *lab.Process, sig syscall.Signal) {
	t.Helper()
	if err := p.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
