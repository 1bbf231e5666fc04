package kube

import (
	"context"
	"io"
	"net"
	"net/netip"
	"slices"

	"github.com/fairlead/fairlead/test/lab"
)

// Serve opens the server's address in ns until t ends: clients there use the same kubeconfig as those outside. While the
// server is ended they are refused, as outside.
func (c *Cluster) Serve(t lab.T, ns *lab.Namespace) {
	t.Helper()
	d := &door{from: endpoint{ns.Name, c.address}, to: endpoint{address: c.address}}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil {
		if err := d.open(); err != nil {
			t.Fatalf("serve the API in namespace %s: %v", ns.Name, err)
		}
	}
	c.doors = append(c.doors, d)
	t.Cleanup(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		d.shut()
		c.doors = slices.DeleteFunc(c.doors, func(o *door) bool { return o == d })
	})
}

// endpoint is an address in a network namespace, "" for the one of this process.
type endpoint struct {
	namespace string
	address   netip.AddrPort
}

// door is a listener in one network namespace that passes each connection on to another. Its methods exclude each other.
type door struct {
	from, to endpoint
	listener net.Listener // nil while shut
}

func (d *door) open() error {
	l, err := d.from.listen()
	if err != nil {
		return err
	}
	d.listener = l
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go d.pass(conn)
		}
	}()
	return nil
}

// shut refuses new connections. Those that stand end with the server, or with their client.
func (d *door) shut() {
	if d.listener == nil {
		return
	}
	_ = d.listener.Close()
	d.listener = nil
}

// pass joins a connection with one to the server, until either side ends.
func (d *door) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := d.to.dial()
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{server, client}, {client, server}} {
		go func() {
			_, _ = io.Copy(way[0], way[1])
			done <- struct{}{}
		}()
	}
	<-done
}

func (e endpoint) listen() (listener net.Listener, err error) {
	err = e.inside(func() error {
		listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", e.address.String())
		return err
	})
	return listener, err
}

func (e endpoint) dial() (conn net.Conn, err error) {
	err = e.inside(func() error {
		conn, err = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(e.address))
		return err
	})
	return conn, err
}

// inside makes a socket, which stays in the namespace that it was made in.
func (e endpoint) inside(do func() error) error {
	if e.namespace == "" {
		return do()
	}
	return lab.Inside(e.namespace, do)
}
