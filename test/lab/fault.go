package lab

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
)

// Programs is a folder of a version's daemons, for tests that break one of them.
type Programs struct {
	// Dir is the folder as programs of the version see it.
	Dir string

	t    T
	host string
}

// Programs makes a folder in the root of v that holds its daemons, as links; it is removed when t ends.
func (v Version) Programs(t T) *Programs {
	t.Helper()
	host, err := os.MkdirTemp(v.Path("tmp"), fmt.Sprintf("%s%d-", ours, os.Getpid()))
	if err != nil {
		t.Fatalf("make folder of daemons: %v", err)
	}
	t.Cleanup(func() { removeAll(t, host) })
	if err := os.Chmod(host, 0o755); err != nil {
		t.Fatalf("make folder of daemons: %v", err)
	}
	p := &Programs{Dir: filepath.Join("/tmp", filepath.Base(host)), t: t, host: host}
	for _, daemon := range []string{"mgmtd", "zebra", "bfdd", "bgpd"} {
		if v.Has(daemon) {
			p.Mend(daemon)
		}
	}
	return p
}

// Break replaces a daemon by a program that complains and ends; what runs goes on.
func (p *Programs) Break(daemon string) {
	p.t.Helper()
	p.replace(daemon, func(path string) error {
		return os.WriteFile(path, []byte("#!/bin/sh\necho 'bind: Address already in use' >&2\nexit 1\n"), 0o755)
	})
}

// Mend puts a daemon back.
func (p *Programs) Mend(daemon string) {
	p.t.Helper()
	// Seen from this machine, too, the link leads to the version's own.
	p.replace(daemon, func(path string) error { return os.Symlink(filepath.Join("../..", daemonDir, daemon), path) })
}

func (p *Programs) replace(daemon string, write func(path string) error) {
	p.t.Helper()
	path := filepath.Join(p.host, daemon)
	err := write(path + "~")
	if err == nil {
		err = os.Rename(path+"~", path)
	}
	if err != nil {
		p.t.Fatalf("replace %s: %v", daemon, err)
	}
}

// Occupy takes a port of ns, of all its IPv4 and IPv6 addresses, until t ends or release is called: what is started there
// finds it taken. The network is tcp or udp.
func (ns *Namespace) Occupy(t T, network string, port uint16) (release func()) {
	t.Helper()
	var holder io.Closer
	err := Inside(ns.Name, func() (err error) {
		holder, err = listen(network, ":"+strconv.Itoa(int(port)))
		return err
	})
	if err != nil {
		t.Fatalf("occupy %s port %d: %v", network, port, err)
	}
	release = sync.OnceFunc(func() {
		if err := holder.Close(); err != nil {
			t.Logf("release %s port %d: %v", network, port, err)
		}
	})
	t.Cleanup(release)
	return release
}

func listen(network, address string) (io.Closer, error) {
	var config net.ListenConfig
	if network == "udp" {
		return config.ListenPacket(context.Background(), network, address)
	}
	return config.Listen(context.Background(), network, address)
}
