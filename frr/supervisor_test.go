package frr_test

import (
	"context"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/test/lab"
)

// supervised is a Supervisor that runs until the test ends.
type supervised struct {
	*frr.Supervisor
	ns    *lab.Namespace
	ready chan struct{}
}

func supervise(t *testing.T, ns *lab.Namespace, d frr.Daemons) *supervised {
	t.Helper()
	s := &supervised{Supervisor: frr.NewSupervisor(d), ns: ns, ready: make(chan struct{}, 16)}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx, func() { s.ready <- struct{}{} }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-result; err != nil {
			t.Errorf("Run: %v", err)
		}
		if left := processes(t, ns); len(left) > 0 {
			t.Errorf("processes left: %v", left)
		}
	})
	return s
}

// await asks for daemons until they are there, as the agent does, and gives their process numbers.
func (s *supervised) await(t *testing.T, n frr.Needs) map[string][]int {
	t.Helper()
	deadline := time.After(40 * time.Second)
	for {
		done, err := s.Try(n)
		if err != nil {
			t.Fatal(err)
		}
		if done && n.Listen {
			done, err = s.Listen(t.Context(), n, func() {})
			if err != nil {
				t.Fatal(err)
			}
		}
		if done {
			if _, err := s.Serve(n); err != nil {
				t.Fatal(err)
			}
			return processes(t, s.ns)
		}
		select {
		case <-s.ready:
		case <-deadline:
			t.Fatalf("%+v: not ready in time", n)
		}
	}
}

// listens reports whether anything listens on BGP's port in a namespace.
func listens(t *testing.T, ns *lab.Namespace) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "exec", ns.Name, "ss", "-Hltn", "sport", "=", ":179").Output()
	if err != nil {
		t.Fatalf("list sockets: %v", err)
	}
	return strings.TrimSpace(string(out)) != ""
}

func names(processes map[string][]int) []string { return slices.Sorted(maps.Keys(processes)) }

// TestSupervisorNeeds starts and ends daemons as the needs come and go: no other one is touched.
func TestSupervisorNeeds(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			ns := lab.NewNamespace(t, "needs")
			d, _ := daemonsOf(t, ns, v)
			// It listens once it has a router.
			d.Config = v.Install(t, "testdata/full.conf")
			s := supervise(t, ns, d)
			few := s.await(t, frr.Needs{})
			want := []string{"bgpd", "zebra"}
			if v.Has("mgmtd") {
				want = []string{"bgpd", "mgmtd", "zebra"}
			}
			if diff := cmp.Diff(want, names(few)); diff != "" {
				t.Errorf("daemons at first (-want +got)\n%s", diff)
			}
			if listens(t, ns) {
				t.Error("bgpd listens, and nobody connects")
			}

			bfd := s.await(t, frr.Needs{BFD: true})
			if len(bfd["bfdd"]) != 1 || bfd["bgpd"][0] != few["bgpd"][0] || bfd["zebra"][0] != few["zebra"][0] {
				t.Errorf("with BFD the processes are %v, before they were %v", bfd, few)
			}
			if err := syscall.Kill(bfd["bfdd"][0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			<-s.ready
			again := s.await(t, frr.Needs{BFD: true})
			if len(again["bfdd"]) != 1 || again["bfdd"][0] == bfd["bfdd"][0] || again["bgpd"][0] != few["bgpd"][0] {
				t.Errorf("after the death of bfdd the processes are %v, before they were %v", again, bfd)
			}

			s.Trim(frr.Needs{})
			lab.Eventually(t, 10*time.Second, "bfdd is gone", func() error {
				if diff := cmp.Diff(few, processes(t, ns)); diff != "" {
					return errorOf(diff)
				}
				return nil
			})
			told := 0
			if listens, err := s.Listen(t.Context(), frr.Needs{Listen: true}, func() { told++ }); listens || err != nil || told != 1 {
				t.Errorf("listen: %t, %v, announced %d times", listens, err, told)
			}
			if there, err := s.Serve(frr.Needs{}); there || err != nil {
				t.Errorf("bgpd is to end, and serve gives %t, %v", there, err)
			}
			listening := s.await(t, frr.Needs{Listen: true})
			s.Trim(frr.Needs{Listen: true})
			if listening["bgpd"][0] == few["bgpd"][0] || listening["zebra"][0] != few["zebra"][0] || !listens(t, ns) {
				t.Errorf("to listen, the processes are %v, before they were %v", listening, few)
			}
			s.Trim(frr.Needs{})
			if after := s.await(t, frr.Needs{}); after["bgpd"][0] != listening["bgpd"][0] {
				t.Errorf("bgpd was started again only to listen no more: %v", after)
			}

			// An end that is overtaken by a new need.
			s.await(t, frr.Needs{BFD: true})
			s.Trim(frr.Needs{})
			if last := s.await(t, frr.Needs{BFD: true}); len(last["bfdd"]) != 1 {
				t.Errorf("bfdd was needed again at once, and runs as %v", last["bfdd"])
			}
		})
	}
}

type errorOf string

func (e errorOf) Error() string { return string(e) }

// refused asks for daemons until they are given up, and gives the reason.
func (s *supervised) refused(t *testing.T, ask func() (bool, error)) error {
	t.Helper()
	deadline := time.After(40 * time.Second)
	for {
		if done, err := ask(); done || err != nil {
			return err
		}
		select {
		case <-s.ready:
		case <-deadline:
			t.Fatal("nothing was given up in time")
		}
	}
}

// TestSupervisorGivesUp needs daemons that end at their start, for their ports are taken: what was there before goes on.
func TestSupervisorGivesUp(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			ns := lab.NewNamespace(t, "giveup")
			d, hook := daemonsOf(t, ns, v)
			d.Config = v.Install(t, "testdata/full.conf")
			// A loaded machine takes more than a second to start a daemon that can run.
			d.Patience = 5 * time.Second
			programs := v.Programs(t)
			d.Dir = programs.Dir
			s := supervise(t, ns, d)
			try := func() (bool, error) { return s.Try(frr.Needs{BFD: true}) }
			if err := s.refused(t, func() (bool, error) { return s.Serve(frr.Needs{}) }); err != nil {
				t.Fatal(err)
			}
			s.Trim(frr.Needs{})
			before := processes(t, ns)
			programs.Break("bfdd")
			release := func() { programs.Mend("bfdd") }
			if strings.HasPrefix(v.Name, "8.") || strings.HasPrefix(v.Name, "10.3") {
				// The bfdd of 10.7 runs on without its port.
				release()
				release = ns.Occupy(t, "udp", 3784)
			}
			for range 2 {
				err := s.refused(t, try)
				if err == nil || !strings.Contains(err.Error(), "start bfdd") || !strings.Contains(err.Error(), "Address already in use") {
					t.Errorf("bfdd cannot run, and the reason is %v", err)
				}
				if there, err := s.Serve(frr.Needs{}); !there || err != nil {
					t.Errorf("bgpd runs, and serve gives %t, %v", there, err)
				}
				if diff := cmp.Diff(before, processes(t, ns)); diff != "" {
					t.Errorf("given up, the processes are (-want +got)\n%s", diff)
				}
			}
			tries := len(messages(hook))
			s.Trim(frr.Needs{})
			// What a configuration in force needs is never given up, and what can do without it is there.
			if there, err := s.Serve(frr.Needs{BFD: true}); !there || err != nil {
				t.Errorf("bgpd runs, and serve gives %t, %v", there, err)
			}
			lab.Eventually(t, 10*time.Second, "bfdd is tried again and again", func() error {
				if got := strings.Count(strings.Join(messages(hook)[tries:], "\n"), "bfdd: daemon ended"); got < 3 {
					return errorOf(strings.Join(messages(hook)[tries:], "\n"))
				}
				return nil
			})
			if err := syscall.Kill(before["bgpd"][0], syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			lab.Eventually(t, 20*time.Second, "bgpd is back without bfdd", func() error {
				now := processes(t, ns)["bgpd"]
				if there, err := s.Serve(frr.Needs{BFD: true}); !there || err != nil || len(now) != 1 || now[0] == before["bgpd"][0] {
					return errorOf("not yet")
				}
				return nil
			})
			release()
			if got := s.await(t, frr.Needs{BFD: true}); len(got["bfdd"]) != 1 {
				t.Errorf("the port is free, and the processes are %v", got)
			}
			s.Trim(frr.Needs{})

			ns.Occupy(t, "tcp", 179)
			told := 0
			listen := func() (bool, error) { return s.Listen(t.Context(), frr.Needs{Listen: true}, func() { told++ }) }
			for range 2 {
				if err := s.refused(t, listen); err == nil || !strings.Contains(err.Error(), "start bgpd") {
					t.Errorf("bgpd cannot listen, and the reason is %v", err)
				}
			}
			if told != 1 {
				t.Errorf("%d resets were announced, want one", told)
			}
			lab.Eventually(t, 20*time.Second, "bgpd runs as before", func() error {
				if there, err := s.Serve(frr.Needs{}); !there || err != nil {
					return errorOf("not yet")
				}
				return nil
			})
		})
	}
}

// TestSupervisorAlone runs with the capabilities that a container has by default.
func TestSupervisorAlone(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			ns := lab.NewNamespace(t, "alone")
			d, _ := daemonsOf(t, ns, v)
			d.Alone = true
			// What a container runtime leaves, less NET_BIND_SERVICE, which only a listening bgpd needs.
			d.Command = append(slices.Clone(d.Command), "setpriv", "--inh-caps=-all", "--bounding-set="+
				"-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap")
			s := supervise(t, ns, d)
			if got := names(s.await(t, frr.Needs{})); !slices.Equal(got, []string{"bgpd"}) {
				t.Errorf("daemons %v, want bgpd alone", got)
			}
			if done, err := s.Try(frr.Needs{BFD: true}); done || err == nil || !strings.Contains(err.Error(), "take bfd") {
				t.Errorf("try BFD: %t, %v", done, err)
			}
		})
	}
}

// TestSupervisorModules has bgpd started with the modules that it can load, and without the others; vtysh tells which.
func TestSupervisorModules(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			for name, c := range map[string]struct {
				modules []string
				alone   bool
				feeds   bool
				told    string
			}{
				"none":          {nil, false, false, ""},
				"bmp":           {[]string{frr.BMP}, false, true, ""},
				"bmp alone":     {[]string{frr.BMP}, true, true, ""},
				"one is broken": {[]string{"nosuch", frr.BMP}, false, true, "starting it without its module nosuch"},
			} {
				ns := lab.NewNamespace(t, "modules")
				d, log := daemonsOf(t, ns, v)
				d.Modules, d.Alone = c.modules, c.alone
				s := supervise(t, ns, d)
				s.await(t, frr.Needs{})
				shell := frr.Vtysh{Command: append(slices.Clone(d.Command), "vtysh"), Root: v.Root, RunDir: "/run/frr", Pathspace: ns.Name}
				feeds, err := shell.FeedsBMP(t.Context())
				if err != nil || feeds != c.feeds {
					t.Errorf("%s: feeds %t, %v", name, feeds, err)
				}
				var told []string
				for _, e := range log.AllEntries() {
					if strings.Contains(e.Message, "module") {
						told = append(told, e.Message+": "+fmt.Sprint(e.Data["error"]))
					}
				}
				if len(told) > 0 != (c.told != "") || c.told != "" && (!strings.HasPrefix(told[0], c.told) || !strings.Contains(told[0], "cannot open shared object")) {
					t.Errorf("%s: told %q, want %q", name, told, c.told)
				}
			}
		})
	}
}
