package frr_test

import (
	"context"
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
		done, err := s.Ensure(n)
		if err != nil {
			t.Fatal(err)
		}
		if done {
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
			listening := s.await(t, frr.Needs{Listen: true})
			if listening["bgpd"][0] == few["bgpd"][0] || listening["zebra"][0] != few["zebra"][0] || !listens(t, ns) {
				t.Errorf("to listen, the processes are %v, before they were %v", listening, few)
			}
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
			if done, err := s.Ensure(frr.Needs{BFD: true}); done || err == nil || !strings.Contains(err.Error(), "take bfd") {
				t.Errorf("ensure BFD: %t, %v", done, err)
			}
		})
	}
}
