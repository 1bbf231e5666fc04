package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// host is a machine of the cluster: a network namespace, and in it a first process with process, mount and host name namespaces of
// its own. Whatever runs on the host ends with that process, and all its mounts with it, also when the test is killed: the process
// ends when its standard input closes.
type host struct {
	t    lab.T
	ns   *lab.Namespace
	name string
	// home holds what would be on the disk of a real machine, and stays when the host is off.
	home string

	first *exec.Cmd
	power io.Closer // the first process's standard input; nil while the host is off
	pid   int       // of the first process, as this process sees it
}

// kept are the folders that each host has for itself. /run is one more, in memory.
var kept = [...]string{"/var/lib", "/var/log"}

// kernel are the settings of the whole machine that a kubelet writes. On a host they are files of its own, so that nothing has to be
// put back.
var kernel = [...]string{
	"kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys", "kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory",
	"vm/panic_on_oom",
}

// newHost makes a host that is off, and ends with t.
func newHost(t lab.T, ns *lab.Namespace, name, home string) *host {
	t.Helper()
	h := &host{t: t, ns: ns, name: name, home: filepath.Join(home, name)}
	for _, dir := range kept {
		if err := os.MkdirAll(filepath.Join(h.home, dir), 0o755); err != nil {
			t.Fatalf("make host %s: %v", name, err)
		}
	}
	for _, name := range kernel {
		file := filepath.Join(h.home, "kernel", name)
		value, err := os.ReadFile(filepath.Join("/proc/sys", name))
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, value, 0o644)); err != nil {
			t.Fatalf("make host %s: %v", h.name, err)
		}
	}
	t.Cleanup(h.off)
	return h
}

// on starts the host's first process.
func (h *host) on() {
	h.t.Helper()
	script := []string{
		"set -eu",
		// A container's mounts are to be seen by the kubelet, and the other way round, and nowhere else.
		"mount --make-rshared /",
		"hostname " + h.name,
		"mount -t tmpfs -o mode=755 tmpfs /run",
	}
	for _, dir := range kept {
		script = append(script, "mount --bind "+filepath.Join(h.home, dir)+" "+dir)
	}
	for _, name := range kernel {
		script = append(script, "mount --bind "+filepath.Join(h.home, "kernel", name)+" /proc/sys/"+name)
	}
	// The shell collects the processes that have lost their parent.
	script = append(script, "echo on", "cat >/dev/null")
	// Not ip netns exec, which hides the cgroups.
	h.first = exec.CommandContext(context.Background(), "nsenter", "--net=/run/netns/"+h.ns.Name, "unshare", "--mount", "--propagation", "private", "--pid", "--mount-proc",
		"--uts", "--ipc", "--fork", "--kill-child", "sh", "-c", strings.Join(script, "\n"))
	h.first.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	complaint, err := os.Create(filepath.Join(h.home, "first.log"))
	if err != nil {
		h.t.Fatalf("start host %s: %v", h.name, err)
	}
	defer complaint.Close()
	h.first.Stdout, h.first.Stderr = complaint, complaint
	power, err := h.first.StdinPipe()
	if err == nil {
		err = h.first.Start()
	}
	if err != nil {
		h.t.Fatalf("start host %s: %v", h.name, err)
	}
	h.power = power
	lab.Eventually(h.t, patience, "host "+h.name+" is on", func() error {
		text, err := os.ReadFile(complaint.Name())
		if err == nil && string(text) != "on\n" {
			err = fmt.Errorf("it says %q", text)
		}
		return err
	})
	if h.pid, err = child(h.first.Process.Pid); err != nil {
		h.t.Fatalf("start host %s: %v", h.name, err)
	}
}

// off ends everything that runs on the host at once, as a power failure does. It may be called again.
func (h *host) off() {
	if h.power == nil {
		return
	}
	// It is the first process of its namespace: the kernel ends all others with it.
	if h.pid != 0 {
		_ = syscall.Kill(h.pid, syscall.SIGKILL)
	}
	_ = h.power.Close()
	_ = h.first.Wait()
	h.power, h.pid = nil, 0
}

// command prepares a program that will run on the host. The process that it starts stands between: see child.
func (h *host) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--target", strconv.Itoa(h.pid), "--mount", "--net", "--pid", "--uts",
		"--ipc", "--wd=/", "--"}, args...)...)
}

// run runs a short program on the host. What it prints is in the error, where it fails.
func (h *host) run(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if out, err := h.command(ctx, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("run %s on %s: %w: %s", strings.Join(args, " "), h.name, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// service is a program that runs on a host, and ends with it.
type service struct {
	cmd  *exec.Cmd
	pid  int
	done chan struct{}
}

// start starts a program that writes to a file beside the host's disk.
func (h *host) start(name string, args ...string) *service {
	h.t.Helper()
	out, err := os.OpenFile(h.log(name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatalf("start %s on %s: %v", name, h.name, err)
	}
	defer out.Close()
	s := &service{cmd: h.command(context.Background(), args...), done: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		h.t.Fatalf("start %s on %s: %v", name, h.name, err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	lab.Eventually(h.t, patience, name+" runs on "+h.name, func() (err error) {
		select {
		case <-s.done:
			h.t.Fatalf("start %s on %s: it has ended:\n%s", name, h.name, h.tail(name, 20))
		default:
		}
		s.pid, err = child(s.cmd.Process.Pid)
		return err
	})
	return s
}

// kill ends the program with SIGKILL and waits for its end.
func (s *service) kill() {
	_ = syscall.Kill(s.pid, syscall.SIGKILL)
	<-s.done
}

func (h *host) log(name string) string { return filepath.Join(h.home, name+".log") }

// tail is the end of what a program has written.
func (h *host) tail(name string, lines int) string {
	text, err := os.ReadFile(h.log(name))
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// child is the process that another one has started.
func child(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", pid))
	if err != nil {
		return 0, fmt.Errorf("find child: %w", err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	number, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("find child of process %d: it has none", pid)
	}
	return number, nil
}

// patience bounds each wait for what takes seconds, on a machine that does other things too.
const patience = 2 * time.Minute
