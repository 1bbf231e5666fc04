package frr

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// aliveInterval is how often a daemon that does not run is looked for: to ask the kernel for a socket that nobody has costs
// next to nothing.
const aliveInterval = 200 * time.Millisecond

const (
	// settleInterval is how often a bgpd that came is asked whether it is still given its file, and settleTime for how long at
	// most.
	settleInterval = 300 * time.Millisecond
	settleTime     = 10 * time.Second
)

// daemonsOfOurs are the daemons that hold something of a configuration that Fairlead writes, or pass it on. Those of them
// that an FRR does not have are never there.
func daemonsOfOurs() []string { return []string{"mgmtd", "zebra", "bfdd", "bgpd"} }

// Watch calls changed soon after a daemon of FRR came or went, with its name: what FRR holds must be looked at again. It says nothing of how
// the daemons are found at first. Watch returns when ctx ends; changed is called from several goroutines and should return
// soon.
//
// FRR's own scripts start a daemon and then give it its file, by vtysh -b. Two who tell bgpd the same at the same time are
// refused: FRR 8.4 takes no graceful-restart that stands already. So of a bgpd that came it is told when its configuration
// stays the same for a moment. That this was the end of it is not sure: look again for some time.
//
// A connection to a daemon's socket is held for as long as the daemon lives, and ends with it, however it ends: neither a
// socket that a killed daemon leaves behind, nor a folder that is made anew, nor an event that is lost can deceive.
func (v Vtysh) Watch(ctx context.Context, changed func(daemon string)) {
	var all sync.WaitGroup
	for _, daemon := range daemonsOfOurs() {
		all.Go(func() { v.watch(ctx, daemon, changed) })
	}
	all.Wait()
}

func (v Vtysh) watch(ctx context.Context, daemon string, changed func(daemon string)) {
	tick := time.NewTicker(aliveInterval)
	defer tick.Stop()
	for first := true; ; first = false {
		dialer := net.Dialer{Timeout: dialTimeout}
		if conn, err := dialer.DialContext(ctx, "unix", socket(v.dir(), daemon)); err == nil {
			alive, end := context.WithCancel(ctx)
			go func() {
				awaitEnd(ctx, conn)
				end()
			}()
			if !first && daemon == "bgpd" {
				v.settle(alive)
			}
			if !first && alive.Err() == nil {
				changed(daemon)
			}
			<-alive.Done()
			if ctx.Err() == nil {
				changed(daemon)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settle returns when bgpd's configuration is the same as at the look before, or its time is over.
func (v Vtysh) settle(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	tick := time.NewTicker(settleInterval)
	defer tick.Stop()
	var last []byte
	for {
		config, err := v.configOf(ctx, "bgpd")
		if err == nil && last != nil && bytes.Equal(config, last) {
			return
		}
		if last = nil; err == nil {
			last = config
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// awaitEnd returns when the other side of conn, or ctx, has ended. A daemon says nothing where nothing is asked.
func awaitEnd(ctx context.Context, conn net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_, _ = io.Copy(io.Discard, conn)
	_ = conn.Close()
}
