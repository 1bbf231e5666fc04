package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/status"
)

// wellBoard is that of an agent with which all is well.
func wellBoard() *status.Board {
	b := status.New(status.Options{Node: "node1"})
	b.Configured("config.yaml", "1")
	b.Follow([]status.Source{{Name: "pods", Synced: true}})
	pass := b.Begin()
	pass.Applied(0, 0, nil)
	pass.End(nil)
	b.Proven([]status.Session{}, nil, nil)
	return b
}

// serveAgent has a board answer on an address until t ends, and gives the address.
func serveAgent(t *testing.T, b *status.Board, listen string) (netip.AddrPort, error) {
	t.Helper()
	server, err := serveBoard(t, b, status.Config{Listen: listen})
	if err != nil {
		return netip.AddrPort{}, err
	}
	return server.Addrs()[0].(*net.TCPAddr).AddrPort(), nil
}

// serveBoard has a board answer until t ends.
func serveBoard(t *testing.T, b *status.Board, c status.Config) (*status.Server, error) {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	ctx, stop := context.WithCancel(context.Background())
	server, err := status.Open(ctx, b, c, log)
	if err != nil {
		stop()
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return server, nil
}

// TestReady asks two agents, of which one comes to be well while it is waited for.
func TestReady(t *testing.T) {
	t.Parallel()
	one, two := wellBoard(), wellBoard()
	var port uint16
	for try := 0; ; try++ {
		at, err := serveAgent(t, one, "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port = at.Port()
		// Somebody else may have that port there.
		if _, err = serveAgent(t, two, fmt.Sprintf("127.0.0.2:%d", port)); err == nil {
			break
		} else if try == 20 {
			t.Fatal(err)
		}
	}
	both := []string{"127.0.0.2", "127.0.0.1", "127.0.0.1"}
	lookup := func(addrs ...string) func(context.Context) ([]netip.Addr, error) {
		return func(context.Context) ([]netip.Addr, error) {
			var all []netip.Addr
			for _, a := range addrs {
				all = append(all, netip.MustParseAddr(a))
			}
			return all, nil
		}
	}
	ask := func(wait time.Duration, lookup func(context.Context) ([]netip.Addr, error)) string {
		var out bytes.Buffer
		err := awaitReady(t.Context(), wait, lookup, port, &out)
		return fmt.Sprintf("%s%v", out.String(), err)
	}

	if got, want := ask(0, lookup(both...)), "127.0.0.1 all is well\n127.0.0.2 all is well\n<nil>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	two.Proven([]status.Session{{Neighbor: "10.0.1.1", State: "Active"}}, nil, nil)
	got := ask(0, lookup(both...))
	for _, want := range []string{
		"127.0.0.1 all is well\n", "127.0.0.2 [+]proof ok, but 10.0.1.1: the session is Active (since ", "\nnot all is well with 1 of 2 agents",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	two.Proven([]status.Session{}, nil, nil)
	two.Follow([]status.Source{{Name: "pods", Problem: "not allowed"}})
	if got := ask(0, lookup(both...)); !strings.Contains(got, "127.0.0.2 [-]sources/pods failed: not read yet: not allowed") {
		t.Errorf("an agent that is not ready: %q", got)
	}
	if got := ask(0, lookup()); got != "find agents: there is none" {
		t.Errorf("without agents: %q", got)
	}
	if got := ask(0, lookup("127.0.0.3")); !strings.Contains(got, "connection refused") {
		t.Errorf("where nobody listens: %q", got)
	}
	if got := ask(0, func(context.Context) ([]netip.Addr, error) { return nil, errors.New("no such host") }); !strings.Contains(got, "find agents: no such host") {
		t.Errorf("a name that leads nowhere: %q", got)
	}

	asked := 0
	waited := ask(time.Minute, func(ctx context.Context) ([]netip.Addr, error) {
		if asked++; asked == 2 {
			two.Follow([]status.Source{{Name: "pods", Synced: true}})
		}
		return lookup(both...)(ctx)
	})
	if want := "127.0.0.1 all is well\n127.0.0.2 all is well\n<nil>"; waited != want || asked != 2 {
		t.Errorf("asked %d times, got %q, want %q", asked, waited, want)
	}
}

// TestReadyOfOthers asks who is no agent.
func TestReadyOfOthers(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		code int
		page string
		want string
	}{
		"another page": {http.StatusOK, "ok\n", "is it an agent?"},
		"not found":    {http.StatusNotFound, "readyz check passed\n", "is it an agent?"},
		"no reason":    {http.StatusServiceUnavailable, "readyz check failed\n", "does not say why"},
		"a terminal":   {http.StatusOK, "[+]apply\x1b[2J ok, but\nreadyz check passed\n", `"[+]apply\x1b[2J ok, but"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(tt.code)
				fmt.Fprint(w, tt.page)
			}))
			defer server.Close()
			var out bytes.Buffer
			cmd := root()
			cmd.SetArgs([]string{"ready", strings.TrimPrefix(server.URL, "http://")})
			cmd.SetOut(&out)
			if err := cmd.ExecuteContext(t.Context()); !errors.Is(err, errNotReady) || !strings.Contains(out.String(), tt.want) {
				t.Errorf("%v: %q, want %q", err, out.String(), tt.want)
			}
		})
	}
}
