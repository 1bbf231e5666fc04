package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Router is an FRR of one version that runs in a namespace. Its methods may be called from any goroutine, except that
// StartDaemon must not be called beside others.
type Router struct {
	Namespace *Namespace
	Version   Version
	// Pathspace is the name given to the daemons and vtysh with -N; their folders are named by it.
	Pathspace string
	// RunDir and EtcDir are the folders of its sockets and of its configuration, as this machine sees them.
	RunDir, EtcDir string

	t         T
	daemons   []string
	args      map[string][]string
	processes map[string]*Process
	disk      int
}

// Option changes how StartFRR starts a router.
type Option func(*Router)

// WithDaemons starts more daemons, such as staticd or bfdd, beside mgmtd (where the version has it), zebra and bgpd.
func WithDaemons(names ...string) Option {
	return func(r *Router) { r.daemons = append(r.daemons, names...) }
}

// WithArgs adds arguments to those of one daemon: WithArgs("bgpd", "-p", "1179").
func WithArgs(daemon string, args ...string) Option {
	return func(r *Router) { r.args[daemon] = append(r.args[daemon], args...) }
}

// WithDisk gives the router's folders of sockets and of configuration a file system each, of so many bytes, for tests that fill
// it.
func WithDisk(size int) Option { return func(r *Router) { r.disk = size } }

// Grown waits until bgpd has been up for so long that whoever starts it would have given it all its configuration: what changes in
// it from then on is somebody's hand, and an agent no longer looks at it each second.
func (r *Router) Grown() {
	r.t.Helper()
	Eventually(r.t, 30*time.Second, "bgpd has been up for a while", func() error {
		info, err := os.Stat(filepath.Join(r.RunDir, "bgpd.vty"))
		if err == nil && time.Since(info.ModTime()) < 17*time.Second {
			err = errors.New("it is young")
		}
		return err
	})
}

// StartFRR starts FRR's daemons in ns in the foreground, waits until they answer, and loads config, where a refused line
// fails t. The daemons and their folders end with t.
func (ns *Namespace) StartFRR(t T, v Version, config string, options ...Option) *Router {
	t.Helper()
	r := ns.newRouter(t, v, options...)
	for _, daemon := range r.daemons {
		r.StartDaemon(daemon)
	}
	if config != "" {
		r.Load(config)
	}
	return r
}

func (ns *Namespace) newRouter(t T, v Version, options ...Option) *Router {
	t.Helper()
	r := &Router{
		Namespace: ns, Version: v, Pathspace: ns.Name,
		RunDir: v.Path(runDir, ns.Name), EtcDir: v.Path(etcDir, ns.Name),
		t: t, args: map[string][]string{}, processes: map[string]*Process{},
	}
	if v.Has("mgmtd") {
		r.daemons = append(r.daemons, "mgmtd")
	}
	r.daemons = append(r.daemons, "zebra")
	for _, option := range options {
		option(r)
	}
	r.daemons = append(r.daemons, "bgpd")
	uid, gid := v.frrUser(t)
	for _, dir := range []string{v.Path(runDir), r.RunDir, r.EtcDir} {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chown(dir, uid, gid)); err != nil {
			t.Fatalf("make folder of router %s: %v", ns.Name, err)
		}
	}
	t.Cleanup(func() {
		removeAll(t, r.RunDir)
		removeAll(t, r.EtcDir)
	})
	for _, dir := range []string{r.RunDir, r.EtcDir} {
		if r.disk > 0 {
			// Before any daemon starts: ip netns exec gives each a view of its own of what is mounted.
			must(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%d,mode=755,uid=%d,gid=%d", r.disk, uid, gid), ours, dir)
			t.Cleanup(func() { unmount(t, dir) })
		}
	}
	// vtysh complains on every run where this file is missing.
	if err := os.WriteFile(filepath.Join(r.EtcDir, "vtysh.conf"), nil, 0o644); err != nil {
		t.Fatalf("make vtysh.conf of router %s: %v", ns.Name, err)
	}
	return r
}

// unmount ends a file system of WithDisk, where there is one.
func unmount(t T, dir string) {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
		t.Logf("clean up: unmount %s: %v", dir, err)
	}
}

// frrUser is the user and the group that daemons of v change to.
func (v Version) frrUser(t T) (uid, gid int) {
	t.Helper()
	for what, id := range map[string]*int{"-u": &uid, "-g": &gid} {
		var err error
		if *id, err = strconv.Atoi(strings.TrimSpace(must(t, "chroot", v.Root, "id", what, "frr"))); err != nil {
			t.Fatalf("read id of user frr in %s: %v", v.Root, err)
		}
	}
	return uid, gid
}

// StartDaemon starts one daemon, or starts it again after its process was ended, and waits until it answers.
func (r *Router) StartDaemon(daemon string) {
	r.t.Helper()
	args := append([]string{"/" + daemonDir + "/" + daemon, "-N", r.Pathspace, "-A", "127.0.0.1", "-P", "0"}, r.args[daemon]...)
	p := r.Namespace.Start(r.t, r.Version, args...)
	r.processes[daemon] = p
	var dialer net.Dialer
	err := poll(startTimeout, func() error {
		conn, err := dialer.DialContext(context.Background(), "unix", filepath.Join(r.RunDir, daemon+".vty"))
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	if err != nil {
		r.t.Fatalf("start %s of FRR %s: %v\n%s", daemon, r.Version.Name, err, p.Output())
	}
}

// Process is the process of a daemon; nil where it was never started. A test may end it, and call StartDaemon later.
func (r *Router) Process(daemon string) *Process { return r.processes[daemon] }

// Stop ends all daemons, bgpd first, before the test does. With SIGKILL nothing is said to the neighbors.
func (r *Router) Stop(sig syscall.Signal) {
	for i := len(r.daemons) - 1; i >= 0; i-- {
		p := r.processes[r.daemons[i]]
		if p == nil {
			continue
		}
		if sig == syscall.SIGKILL {
			p.Kill()
		} else {
			p.Stop()
		}
	}
}

// VtyshCommand is the command that runs the router's own vtysh in its namespace and root, without -N and without what
// vtysh should do.
func (r *Router) VtyshCommand() []string { return append(r.Namespace.prefix(r.Version), "vtysh") }

// Vtysh runs commands, each as a -c of one vtysh, and returns what it prints, on both streams.
func (r *Router) Vtysh(ctx context.Context, commands ...string) (string, error) {
	args := []string{"vtysh", "-N", r.Pathspace}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	out, err := r.Namespace.Command(ctx, r.Version, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("run vtysh of %s: %w: %s", r.Pathspace, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Load applies configuration with vtysh -f. A line that is refused fails the test.
func (r *Router) Load(config string) {
	r.t.Helper()
	if out, err := r.TryLoad(config); err != nil {
		r.t.Fatalf("load configuration of %s: %v\n%s", r.Pathspace, err, out)
	}
}

// TryLoad applies configuration with vtysh -f, and returns what vtysh says.
func (r *Router) TryLoad(config string) (string, error) {
	file, err := os.CreateTemp(r.EtcDir, "load-*.conf")
	if err != nil {
		return "", fmt.Errorf("write configuration of %s: %w", r.Pathspace, err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.WriteString(config)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("write configuration of %s: %w", r.Pathspace, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*commandTimeout)
	defer cancel()
	inside := filepath.Join("/", etcDir, r.Pathspace, filepath.Base(file.Name()))
	out, err := r.Namespace.Command(ctx, r.Version, "vtysh", "-N", r.Pathspace, "-f", inside).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("run vtysh -f of %s: %w", r.Pathspace, err)
	}
	return string(out), nil
}

// RunningConfig is what "show running-config" prints.
func (r *Router) RunningConfig() string {
	r.t.Helper()
	out, err := r.Vtysh(context.Background(), "show running-config")
	if err != nil {
		r.t.Fatalf("read running configuration: %v", err)
	}
	return out
}

// Eventually calls ready until it returns nil, and fails the test with its last error when the timeout is over first.
func (r *Router) Eventually(timeout time.Duration, what string, ready func() error) {
	r.t.Helper()
	Eventually(r.t, timeout, what, ready)
}
