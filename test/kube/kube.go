// Package kube starts real Kubernetes API servers for tests: kube-apiserver and its etcd in one process, which hack/setup
// --test has built. No controller runs beside it: a namespace never finishes deleting, nothing is garbage-collected, no
// ServiceAccount exists unless a test makes it, and pods stay in the state that they were given.
//
// The server listens on a port of the loopback address. Serve opens the same port in a network namespace of package lab, so
// that one kubeconfig holds in all of them. Only package cluster gives it nodes and controllers, and a Place in their network.
package kube

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/test/lab"
)

const (
	// startTimeout bounds a start, which takes 3 s on an idle machine.
	startTimeout = 90 * time.Second
	// stopTimeout is what Stop gives the server between SIGTERM and SIGKILL.
	stopTimeout = 3 * time.Second
	// objectTimeout bounds each request of this package, and each wait for what a request brings about.
	objectTimeout = 30 * time.Second
)

// Cluster is one API server with its data. Its methods may be called from any goroutine, except that those which end or
// start the server exclude each other.
type Cluster struct {
	binary string
	// home holds certificates, keys, kubeconfigs, the log, and etcd's data.
	home      string
	address   netip.AddrPort
	authority *authority
	admin     *rest.Config
	shared    bool
	place     *Place // nil for one of this network namespace
	gate      *door  // leads to a server with a place; else nil

	mu     sync.Mutex
	server *process // nil while none runs
	doors  []*door
}

// Start starts a server for t alone, which ends with t. It skips t, saying why, where the server is not built.
func Start(t lab.T) *Cluster {
	t.Helper()
	return startFor(t, nil)
}

func startFor(t lab.T, place *Place) *Cluster {
	t.Helper()
	c, err := start(built(t), place)
	if err != nil {
		t.Fatalf("start the API server: %v", err)
	}
	t.Cleanup(func() {
		// What failed in t may have failed by this.
		if note := c.death(); note != "" {
			t.Logf("the API server: %s", note)
		}
		c.close()
	})
	return c
}

// shared is the server of this process.
var shared = sync.OnceValues(func() (*Cluster, error) {
	binary, err := find()
	if err != nil {
		return nil, err
	}
	c, err := start(binary, nil)
	if err == nil {
		c.shared = true
	}
	return c, err
})

// Shared gives the server that all tests of a package share: it starts with the first call, and ends and removes its data
// with the process. A test keeps to its own Namespace, and removes what it makes outside; it cannot end this server. Shared
// skips t, saying why, where the server is not built.
func Shared(t lab.T) *Cluster {
	t.Helper()
	built(t)
	c, err := shared()
	if err != nil {
		t.Fatalf("start the API server: %v", err)
	}
	if note := c.death(); note != "" {
		t.Fatalf("share the API server: %s", note)
	}
	return c
}

func start(binary string, place *Place) (_ *Cluster, err error) {
	// The name is one that a laboratory gives: what a killed process left, package lab sweeps.
	home, err := os.MkdirTemp("/tmp", fmt.Sprintf("fl-%d-kube-", os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	c := &Cluster{binary: binary, home: home, place: place}
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.address, err = lab.FreeAddress(); err != nil {
		return nil, err
	}
	if c.authority, err = newAuthority(); err != nil {
		return nil, fmt.Errorf("make certificates: %w", err)
	}
	if err := c.authority.writeServer(home, append(place.addresses(), c.address.Addr())...); err != nil {
		return nil, fmt.Errorf("write certificates: %w", err)
	}
	if place != nil {
		c.gate = &door{from: endpoint{address: c.address}, to: endpoint{place.Namespace.Name, place.endpoint()}}
		if err := c.gate.open(); err != nil {
			return nil, fmt.Errorf("open the way to the server: %w", err)
		}
	}
	if c.admin, err = c.config("admin", []string{"system:masters"}); err != nil {
		return nil, err
	}
	// What is deprecated is no news to who reads test output.
	c.admin.WarningHandler = rest.NoWarnings{}
	if err := c.run(); err != nil {
		return nil, err
	}
	return c, nil
}

// run starts the process and waits until it is ready.
func (c *Cluster) run() error {
	p, err := startProcess(filepath.Join(c.home, "log"), slices.Concat(c.place.prefix(), []string{c.binary}, c.flags())...)
	if err != nil {
		return err
	}
	c.server = p
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := p.awaitReady(ctx, c.admin); err != nil {
		p.kill()
		c.server = nil
		return err
	}
	return nil
}

// flags are those of kube-apiserver, and --home.
func (c *Cluster) flags() []string {
	flags := []string{
		"--home=" + c.home,
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.File(serverCertificate),
		"--tls-private-key-file=" + c.File(serverKey),
		"--client-ca-file=" + c.File(AuthorityCertificate),
		"--allow-privileged",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.File(AccountKey),
		"--service-account-signing-key-file=" + c.File(AccountKey),
		"--profiling=false",
	}
	if c.place != nil {
		return append(flags, c.placeFlags()...)
	}
	return append(flags,
		"--bind-address="+c.address.Addr().String(),
		"--secure-port="+strconv.Itoa(int(c.address.Port())),
		// A loopback address cannot be advertised; nobody asks for this one.
		"--advertise-address=192.0.2.1",
		"--authorization-mode=RBAC",
		// It refuses pods whose ServiceAccount no controller has made.
		"--disable-admission-plugins=ServiceAccount",
		// Wide, so that a manifest can give a service the address that the test wants; IPv6 ranges end at 64 bits.
		"--service-cluster-ip-range=10.0.0.0/8,fd00:10:96::/64",
	)
}

// Home is a folder that ends with the server, readable by its owner only.
func (c *Cluster) Home() string { return c.home }

// File is the path of one of the files in Home.
func (c *Cluster) File(name string) string { return filepath.Join(c.home, name) }

// Address is where the server listens, in this network namespace and in those that Serve was given.
func (c *Cluster) Address() netip.AddrPort { return c.address }

// Log is what the server has written so far.
func (c *Cluster) Log() string {
	text, err := os.ReadFile(filepath.Join(c.home, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Kill ends the server with SIGKILL. Its clients are refused until Restart; its data stays.
func (c *Cluster) Kill(t lab.T) {
	t.Helper()
	c.end(t, (*process).kill)
}

// Stop ends the server as its operator would: with SIGTERM, which lets it finish its requests, and SIGKILL 3 s later. Its
// data stays.
func (c *Cluster) Stop(t lab.T) {
	t.Helper()
	c.end(t, (*process).stop)
}

func (c *Cluster) end(t lab.T, how func(*process)) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared {
		t.Fatalf("end the API server: it is shared: the test needs one of its own, see Start")
	}
	if c.server == nil {
		t.Fatalf("end the API server: it does not run")
	}
	for _, d := range c.doors {
		d.shut()
	}
	how(c.server)
	c.server = nil
}

// Restart starts a server that was ended, on the same address and with the same data, and waits until it is ready.
func (c *Cluster) Restart(t lab.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		t.Fatalf("restart the API server: it runs")
	}
	if err := c.run(); err != nil {
		t.Fatalf("restart the API server: %v", err)
	}
	for _, d := range c.doors {
		if err := d.open(); err != nil {
			t.Fatalf("restart the API server: %v", err)
		}
	}
}

// Freeze stops the server's process without closing a connection: it takes requests and answers none, like one behind a
// network that drops everything. Thaw lets it go on.
func (c *Cluster) Freeze(t lab.T) {
	t.Helper()
	p := c.signal(t, syscall.SIGSTOP)
	// Its threads stop one by one, and one that still runs would answer.
	lab.Eventually(t, stopTimeout, "the API server is frozen", p.stopped)
}

// Thaw ends what Freeze began.
func (c *Cluster) Thaw(t lab.T) {
	t.Helper()
	c.signal(t, syscall.SIGCONT)
}

func (c *Cluster) signal(t lab.T, sig syscall.Signal) *process {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared {
		t.Fatalf("send %s to the API server: it is shared: the test needs one of its own, see Start", sig)
	}
	if c.server == nil {
		t.Fatalf("send %s to the API server: it does not run", sig)
	}
	if err := c.server.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("send %s to the API server: %v", sig, err)
	}
	return c.server
}

// death says how the server ended where no test ended it, and "" where it did not.
func (c *Cluster) death() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return ""
	}
	select {
	case <-c.server.done:
		return c.server.death()
	default:
		return ""
	}
}

// close ends the server and removes all that it had.
func (c *Cluster) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.doors {
		d.shut()
	}
	if c.gate != nil {
		c.gate.shut()
	}
	if c.server != nil {
		c.server.kill()
		c.server = nil
	}
	// A folder that cannot be removed now is swept by the next laboratory.
	_ = os.RemoveAll(c.home)
}
