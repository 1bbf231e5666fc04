package frr_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// TestWatch has daemons come and go, their folder with them: each time Watch tells of it within 2 s, and of nothing else. That is
// held to the letter with FAIRLEAD_SOAK; where all tests run at once it may take three times as long.
func TestWatch(t *testing.T) {
	within := 6 * time.Second
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		within = 2 * time.Second
	}
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "watched").StartFRR(t, v, "router bgp 65000\nexit\n")
			vtysh := vtyshOf(router)
			told := make(chan string, 100)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				vtysh.Watch(ctx, func(daemon string) { told <- daemon })
				close(ended)
			}()
			soon := func(what string, do func()) {
				t.Helper()
				do()
				began := time.Now()
				for late := time.After(within); ; {
					select {
					case daemon := <-told:
						if !strings.HasPrefix(what, daemon+" ") {
							// One that ends may take a connection still, and be told of twice.
							continue
						}
						t.Logf("%s: told after %s", what, time.Since(began).Round(time.Millisecond))
					case <-late:
						t.Errorf("%s: nothing is told of it for %s", what, within)
					}
					return
				}
			}
			for quiet := time.After(time.Second); quiet != nil; {
				select {
				case <-told:
					t.Error("something is told although nothing changed")
				case <-quiet:
					quiet = nil
				}
			}
			soon("bgpd killed", router.Process("bgpd").Kill)
			soon("bgpd started", func() { router.StartDaemon("bgpd") })
			soon("zebra ended", router.Process("zebra").Stop)
			soon("zebra started", func() { router.StartDaemon("zebra") })
			soon("bfdd started", func() { router.StartDaemon("bfdd") })
			for _, daemon := range []string{"bfdd", "bgpd", "zebra"} {
				soon(daemon+" killed", router.Process(daemon).Kill)
			}
			if mgmtd := router.Process("mgmtd"); mgmtd != nil {
				soon("mgmtd killed", mgmtd.Kill)
			}
			if err := errors.Join(os.Rename(router.RunDir, router.RunDir+"-old"), os.Mkdir(router.RunDir, 0o777), os.Chmod(router.RunDir, 0o777)); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(router.RunDir + "-old") })
			soon("zebra started in a new folder", func() { router.StartDaemon("zebra") })
			cancel()
			<-ended
		})
	}
}

// TestRunningConfigIsBGPDs has bgpd lose a route-map that zebra (8.4) or mgmtd (10.x) still has by its name.
func TestRunningConfigIsBGPDs(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "lost").StartFRR(t, v, "route-map MINE permit 10\nexit\n")
			all := router.RunningConfig
			if !strings.Contains(all(), "route-map MINE permit 10") {
				t.Fatalf("no route-map in\n%s", all())
			}
			router.Process("bgpd").Kill()
			router.StartDaemon("bgpd")
			if !strings.Contains(all(), "route-map MINE permit 10") {
				t.Log("this version tells no route-map that bgpd does not have")
			}
			conf, err := vtyshOf(router).RunningConfig(t.Context())
			if err != nil || strings.Contains(string(conf), "route-map MINE") {
				t.Errorf("bgpd has lost its route-map, and the running configuration is, %v,\n%s", err, conf)
			}
		})
	}
}

// TestVtyshHangs has a vtysh hang while all daemons answer: it is killed long before its timeout. One that waits for a daemon
// is not.
func TestVtyshHangs(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "hangs").StartFRR(t, v, "router bgp 65000\nexit\n")
			vtysh := vtyshOf(router)
			hangs := vtysh
			hangs.Command = slices.Concat(vtysh.Command[:len(vtysh.Command)-1], []string{"sh", "-c", "sleep 1000", "sh"})
			began := time.Now()
			if err := hangs.Apply(t.Context(), []byte("hostname here\n")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a vtysh that hangs gives error %v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it was killed after %s", took)
			}
			if err := onlyDaemons(t, router); err != nil {
				t.Errorf("something of it is left: %v", err)
			}

			bgpd := router.Process("bgpd")
			signal(t, bgpd, syscall.SIGSTOP)
			result := make(chan error, 1)
			go func() { result <- vtysh.Apply(context.Background(), []byte("hostname there\n")) }()
			select {
			case err := <-result:
				t.Errorf("a vtysh that waits for bgpd was given up: %v", err)
			case <-time.After(6 * time.Second):
				signal(t, bgpd, syscall.SIGCONT)
				if err := <-result; err != nil {
					t.Errorf("a vtysh that waited for bgpd gives error %v", err)
				}
			}
		})
	}
}
