package tap

import (
	"net/netip"
	"testing"
)

// TestUnseen tells a session that is not there from one that may be: established before the capture began, and silent.
func TestUnseen(t *testing.T) {
	accepted := func(w *wire) {
		w.ours, w.theirs = netip.AddrPortFrom(w.ours.Addr(), 179), netip.AddrPortFrom(w.theirs.Addr(), 50000)
		w.connect(false)
	}
	fin := func(w *wire, out bool) { w.put(out, w.sequence(out), w.sequence(!out), flagFIN|flagACK, nil) }
	for _, tt := range []struct {
		name   string
		do     func(w *wire)
		unseen bool
		state  State
	}{
		{name: "nothing", do: func(*wire) {}, unseen: true},
		{name: "an acknowledgement", do: func(w *wire) { w.ack(true); w.ack(false) }, unseen: true},
		{name: "a KEEPALIVE of the neighbor", do: func(w *wire) { w.hear(keepalive) }, unseen: true},
		{name: "a piece of a message", do: func(w *wire) { w.tell(plainUpdate(0, 4)[11:]) }, unseen: true},
		{name: "a KEEPALIVE", do: func(w *wire) { w.tell(keepalive) }, state: Gap},
		{name: "we dial", do: func(w *wire) { w.put(true, w.sent, 0, flagSYN, nil) }},
		{name: "we dial, refused", do: func(w *wire) {
			w.put(true, w.sent, 0, flagSYN, nil)
			w.put(false, 0, w.sent+1, flagRST|flagACK, nil)
		}},
		{name: "the neighbor dials, refused", do: func(w *wire) {
			w.put(false, w.arrived, 0, flagSYN, nil)
			w.put(true, 0, w.arrived+1, flagRST|flagACK, nil)
		}, unseen: true},
		{name: "somebody at the neighbor's address looks at our port", do: func(w *wire) {
			accepted(w)
			w.tell(frrOpen(t))
			fin(w, false)
			fin(w, true)
		}, unseen: true},
		{name: "the neighbor opens a session", do: func(w *wire) {
			accepted(w)
			w.tell(frrOpen(t))
			w.hear(frrOpen(t))
		}},
		{name: "what we sent on a new connection was not captured", do: func(w *wire) {
			w.connect(true)
			w.sent += 500
			w.ack(true)
		}, unseen: true},
		{name: "established", do: func(w *wire) { w.establish(true) }, state: Learning},
		{name: "an end of what was silent, by NOTIFICATION", do: func(w *wire) { w.tell(message(messageNotification, 6, 2)) }},
		{name: "an end of what was silent, by FIN", do: func(w *wire) { fin(w, true) }},
		{name: "a FIN of the neighbor alone", do: func(w *wire) { fin(w, false) }, unseen: true},
		{name: "an end", do: func(w *wire) {
			w.establish(true)
			fin(w, true)
			fin(w, false)
		}},
		{name: "packets dropped after the end", do: func(w *wire) {
			w.establish(true)
			fin(w, true)
			w.tap.tick(w.now, 1)
		}, unseen: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t)
			w.tap.Take(w.key)
			tt.do(w)
			if v := w.tap.Take(w.key); v.Unseen != tt.unseen || v.State != tt.state || v.Reason == "" {
				t.Errorf("unseen is %v, want %v; %s, want %s; reason %q", v.Unseen, tt.unseen, v.State, tt.state, v.Reason)
			}
		})
	}
}
