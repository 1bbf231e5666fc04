package prove

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/fairlead/fairlead/bmp"
	"github.com/fairlead/fairlead/test/lab"
)

// TestStation: a router that sends what is no BMP is told of, with why it was cut off, and the log has it once.
func TestStation(t *testing.T) {
	free, err := lab.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	address := free.String()
	log, logged := test.NewNullLogger()
	told := make(chan []bmp.Router, 100)
	p := New(Options{
		FRR: silent{}, Log: log, Station: address, Changed: func([]time.Duration) {},
		Fed: func(routers []bmp.Router) { told <- routers },
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for range 2 {
		if err := garbage(t, address); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(time.Minute)
	for {
		select {
		case <-deadline:
			t.Fatal("nobody was told of the router")
		case routers := <-told:
			if len(routers) == 0 || routers[0].Times < 2 {
				continue
			}
			if r := routers[0]; !r.Source.Addr().IsLoopback() || r.Error == "" {
				t.Errorf("it is told so: %+v", r)
			}
		}
		break
	}
	warnings := 0
	for _, e := range logged.AllEntries() {
		if e.Level == logrus.WarnLevel && strings.HasPrefix(fmt.Sprint(e.Data["router"]), "127.0.0.1:") {
			warnings++
		}
	}
	if warnings != 1 {
		t.Errorf("it was logged %d times", warnings)
	}
}

// garbage sends what is no BMP, and waits until it is cut off. A station that is not there yet is waited for.
func garbage(t *testing.T, address string) error {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	dialer := net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(t.Context(), "tcp", address)
	for err != nil && time.Now().Before(deadline) {
		pause(t.Context(), 10*time.Millisecond, nil)
		conn, err = dialer.DialContext(t.Context(), "tcp", address)
	}
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		return err
	}
	_, err = io.ReadAll(conn)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return nil
}

// TestComplaints: of each address the log has what is new, a minute apart, and of many addresses not more than so many.
func TestComplaints(t *testing.T) {
	c, now := complaints{}, time.Unix(1000, 0)
	router := netip.MustParseAddr("192.0.2.1")
	for i, step := range []struct {
		text  string
		after time.Duration
		want  bool
	}{
		{"refused", 0, true},
		{"refused", time.Second, false},
		{"garbage", 2 * time.Second, false},
		{"garbage", time.Minute, true},
		{"garbage", time.Hour, false},
		{"refused", 2 * time.Hour, true},
	} {
		if got := c.isNew(router, step.text, now.Add(step.after)); got != step.want {
			t.Errorf("step %d, %q: %t", i, step.text, got)
		}
	}
	now = now.Add(3 * time.Hour)
	flood := func(now time.Time) (logged int) {
		for i := range 1000 {
			if c.isNew(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), "refused", now) {
				logged++
			}
		}
		return logged
	}
	if n := flood(now); n != maxComplaints || len(c) > maxComplaints {
		t.Errorf("of many addresses %d are logged, and %d remembered", n, len(c))
	}
	if n := flood(now.Add(30 * time.Second)); n != 0 {
		t.Errorf("%d are logged again", n)
	}
}
