package frr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/test/lab"
)

// processes lists the programs that run in a namespace, sorted, with the process numbers of each name.
func processes(t *testing.T, ns *lab.Namespace) map[string][]int {
	t.Helper()
	// Cleanups look too, when the test's own context has ended.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", "netns", "pids", ns.Name).Output()
	if err != nil {
		t.Fatalf("list processes: %v", err)
	}
	found := map[string][]int{}
	for _, field := range strings.Fields(string(out)) {
		comm, err := os.ReadFile(filepath.Join("/proc", field, "comm"))
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSpace(string(comm))
		found[name] = append(found[name], pid)
	}
	return found
}

// onlyDaemons is an error where anything but FRR's daemons runs beside a router.
func onlyDaemons(t *testing.T, r *lab.Router) error {
	t.Helper()
	found := processes(t, r.Namespace)
	if len(found["vtysh"]) > 0 {
		return fmt.Errorf("found %v", found)
	}
	return nil
}

// daemonsOf prepares Daemons that run in ns, with a log that is kept.
func daemonsOf(t *testing.T, ns *lab.Namespace, v lab.Version) (frr.Daemons, *test.Hook) {
	t.Helper()
	log, hook := logrus.New(), new(test.Hook)
	log.SetOutput(io.Discard)
	log.AddHook(hook)
	prefix := []string{"ip", "netns", "exec", ns.Name}
	d := frr.Daemons{
		Command: prefix, RunDir: "/run/frr", Pathspace: ns.Name, Log: log,
	}
	if v.Root != "/" {
		d.Command, d.Root = slices.Concat(prefix, []string{"chroot", v.Root}), v.Root
	}
	t.Cleanup(func() {
		for _, dir := range []string{v.Path("run/frr", ns.Name), v.Path("etc/frr", ns.Name)} {
			if err := os.RemoveAll(dir); err != nil {
				t.Logf("clean up: %v", err)
			}
		}
	})
	return d, hook
}

// serve asks for daemons and checks the answer.
func serve(t *testing.T, s *frr.Supervisor, n frr.Needs, want bool) {
	t.Helper()
	if got, err := s.Serve(n); got != want || err != nil {
		t.Errorf("serve %+v: got %t, %v, want %t", n, got, err, want)
	}
}

func TestDaemons(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			ns := lab.NewNamespace(t, "daemons")
			d, hook := daemonsOf(t, ns, v)
			vtysh := frr.Vtysh{
				Command: append(slices.Clone(d.Command), "vtysh"), Root: d.Root, RunDir: d.RunDir, Pathspace: d.Pathspace,
				Daemons: []string{"zebra", "bgpd"}, Timeout: 30 * time.Second,
			}
			d.Config = v.Install(t, "testdata/full.conf")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := frr.NewSupervisor(d)
			serve(t, s, frr.Needs{}, false)
			ready, result := make(chan struct{}, 8), make(chan error, 1)
			go func() { result <- s.Run(ctx, func() { ready <- struct{}{} }) }()
			await := func(what string) {
				t.Helper()
				select {
				case <-ready:
				case err := <-result:
					t.Fatalf("%s: Run ended: %v", what, err)
				case <-time.After(40 * time.Second):
					t.Fatalf("%s: not ready in time; log: %v", what, messages(hook))
				}
			}
			await("first start")
			whole := func(when string) {
				t.Helper()
				config, err := vtysh.RunningConfig(t.Context())
				if err != nil || !strings.Contains(string(config), "  network 10.1.0.0/24 route-map GROUP\n") {
					t.Errorf("%s bgpd has not the configuration it was started with: %v\n%s", when, err, config)
				}
			}
			whole("first")
			serve(t, s, frr.Needs{}, true)
			if err := vtysh.Apply(t.Context(), []byte("router bgp 65000\nexit\n")); err != nil {
				t.Fatalf("apply to supervised daemons: %v", err)
			}
			for _, name := range []string{"bgpd", "zebra"} {
				before := processes(t, ns)[name]
				if len(before) != 1 {
					t.Fatalf("%s runs as %v", name, before)
				}
				if err := syscall.Kill(before[0], syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
				await("after the death of " + name)
				if after := processes(t, ns)[name]; len(after) != 1 || after[0] == before[0] {
					t.Errorf("%s was process %v and is %v", name, before, after)
				}
			}
			if err := vtysh.Apply(t.Context(), []byte("router bgp 65000\nexit\n")); err != nil {
				t.Errorf("apply after restarts: %v", err)
			}
			whole("after its death")
			if len(ready) != 0 {
				t.Errorf("ready was called %d times too often", len(ready))
			}
			cancel()
			if err := <-result; err != nil {
				t.Errorf("Run ended with %v", err)
			}
			if diff := cmp.Diff(map[string][]int{}, processes(t, ns)); diff != "" {
				t.Errorf("processes left (-want +got)\n%s", diff)
			}
			if !slices.ContainsFunc(messages(hook), func(m string) bool { return strings.HasPrefix(m, "bgpd: daemon ended") }) {
				t.Errorf("the log does not tell of bgpd's death: %v", messages(hook))
			}
		})
	}
}

func messages(hook *test.Hook) []string {
	var all []string
	for _, e := range hook.AllEntries() {
		all = append(all, fmt.Sprintf("%v: %s", e.Data["daemon"], e.Message))
	}
	return all
}

func TestDaemonsEndPredecessors(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			ns := lab.NewNamespace(t, "old")
			router := ns.StartFRR(t, v, "")
			// A pid file may name a process that has nothing to do with FRR: it must live on. And it may be of another image, which the
			// user frr cannot write.
			bystander := ns.Start(t, lab.Version{Root: "/"}, "tail", "-f", "/dev/null")
			pidFile := filepath.Join(router.RunDir, "staticd.pid")
			if err := os.WriteFile(pidFile, fmt.Appendln(nil, bystander.PID()), 0o644); err != nil {
				t.Fatal(err)
			}
			d, hook := daemonsOf(t, ns, v)
			d.Static, d.Retain = true, true
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := frr.NewSupervisor(d)
			serve(t, s, frr.Needs{}, false)
			ready, result := make(chan struct{}, 1), make(chan error, 1)
			go func() { result <- s.Run(ctx, func() { ready <- struct{}{} }) }()
			select {
			case <-ready:
			case err := <-result:
				t.Fatalf("Run ended: %v", err)
			case <-time.After(40 * time.Second):
				t.Fatalf("not ready in time; log: %v", messages(hook))
			}
			// A bgpd that ends before its zebra has that take its routes out of the kernel.
			ended := slices.DeleteFunc(messages(hook), func(said string) bool { return !strings.Contains(said, "of a predecessor") })
			if len(ended) < 2 || !strings.HasPrefix(ended[0], "zebra:") {
				t.Errorf("the old ones were ended so: %q", ended)
			}
			for _, name := range []string{"bgpd", "zebra"} {
				select {
				case <-router.Process(name).Done():
				default:
					t.Errorf("the old %s still runs", name)
				}
			}
			select {
			case <-bystander.Done():
				t.Errorf("a process that is no daemon was ended: %v", bystander.Wait())
			default:
			}
			cancel()
			if err := <-result; err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDaemonsMissing(t *testing.T) {
	s := frr.NewSupervisor(frr.Daemons{Dir: t.TempDir()})
	err := s.Run(t.Context(), func() { t.Error("ready without a daemon") })
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "find zebra") {
		t.Errorf("got error %v", err)
	}
}
