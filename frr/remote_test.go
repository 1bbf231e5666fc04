package frr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/socket"
	"github.com/fairlead/fairlead/test/lab"
)

// serveVtysh has a server run v's vtysh, and gives a Vtysh that has it run there, and what ends the server.
func serveVtysh(t *testing.T, v frr.Vtysh) (frr.Vtysh, func()) {
	t.Helper()
	remote := v
	remote.Socket = filepath.Join(t.TempDir(), "made", "vtysh.sock")
	remote.Command = []string{"/nonexistent/vtysh"}
	l, err := socket.Listen(t.Context(), remote.Socket, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- frr.VtyshServer{Vtysh: v, Version: "test", Log: log}.Serve(ctx, l) }()
	ended := false
	end := func() {
		if cancel(); !ended {
			ended = true
			if err := <-result; err != nil {
				t.Errorf("serve: %v", err)
			}
		}
	}
	t.Cleanup(end)
	return remote, end
}

// TestVtyshServer has a real FRR asked and configured over a socket: all is as without.
func TestVtyshServer(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "served").StartFRR(t, v, "router bgp 65000\n neighbor 192.0.2.2 remote-as 65001\nexit\n")
			vtysh := vtyshOf(router)
			remote, end := serveVtysh(t, vtysh)
			if info, err := os.Stat(filepath.Dir(remote.Socket)); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("the socket's folder: %v, %v", info, err)
			}
			if info, err := os.Stat(remote.Socket); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("the socket: %v, %v", info, err)
			}
			if err := remote.Check(t.Context(), "zebra", "bgpd"); err != nil {
				t.Error(err)
			}
			var down *frr.NotRunningError
			if err := remote.Check(t.Context(), "bfdd"); !errors.As(err, &down) || down.Daemon != "bfdd" {
				t.Errorf("bfdd does not run, and the check gives %v", err)
			}

			summary, err := remote.Summary(t.Context(), "")
			if err != nil || len(summary.Sessions) != 1 {
				t.Errorf("got %+v, %v", summary, err)
			}
			if err := remote.Apply(t.Context(), []byte("router bgp 65000\n neighbor 192.0.2.2 password s3cret\nexit\n")); err != nil {
				t.Error(err)
			}
			here, err := vtysh.RunningConfig(t.Context())
			if err != nil || !bytes.Contains(here, []byte("password s3cret")) {
				t.Errorf("it was not applied: %v\n%s", err, here)
			}
			there, err := remote.RunningConfig(t.Context())
			if err != nil || cmp.Diff(string(here), string(there)) != "" {
				t.Errorf("over the socket FRR runs with another configuration: %v\n%s", err, cmp.Diff(string(here), string(there)))
			}
			refusals := func(v frr.Vtysh) string {
				var refused *frr.ApplyError
				if err := v.Apply(t.Context(), []byte(refusedScript)); !errors.As(err, &refused) {
					t.Fatalf("got error %v, want refusals", err)
				}
				return refused.Error()
			}
			if diff := cmp.Diff(refusals(vtysh), refusals(remote)); diff != "" {
				t.Errorf("refusals (-here +there)\n%s", diff)
			}
			if left, err := filepath.Glob(filepath.Join(router.RunDir, "*.vtysh")); err != nil || len(left) > 0 {
				t.Errorf("scripts are left: %v, %v", left, err)
			}
			if _, err := remote.Show(t.Context(), "show version"); !errors.Is(err, frr.ErrVtysh) || !strings.Contains(err.Error(), `command "show version"`) {
				t.Errorf("what is never asked gives %v", err)
			}
			var refused *frr.ApplyError
			err = remote.Apply(t.Context(), []byte("write file\nip prefix-list FL-BEHIND seq 5 permit 10.0.0.0/8\nnonsense\n"))
			if !errors.As(err, &refused) || len(refused.Refusals) != 2 || refused.Refusals[0].Line != 1 || refused.Refusals[1].Line != 3 {
				t.Errorf("a script that writes files gives %v", err)
			}
			if conf, err := vtysh.RunningConfig(t.Context()); err != nil || !strings.Contains(string(conf), "FL-BEHIND") {
				t.Errorf("what stands behind such a line is not applied: %v\n%s", err, conf)
			}
			if written, err := filepath.Glob(filepath.Join(router.EtcDir, "*d.conf")); err != nil || len(written) > 0 {
				t.Errorf("vtysh has written %v, %v", written, err)
			}

			// What is given up here ends there.
			bgpd := router.Process("bgpd")
			signal(t, bgpd, syscall.SIGSTOP)
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { _, err := remote.Summary(ctx, ""); result <- err }()
			lab.Eventually(t, time.Minute, "vtysh runs", func() error {
				if onlyDaemons(t, router) == nil {
					return errors.New("not yet")
				}
				return nil
			})
			cancel()
			if err := <-result; !errors.Is(err, context.Canceled) {
				t.Errorf("given up, it gives %v", err)
			}
			lab.Eventually(t, time.Minute, "no vtysh is left", func() error { return onlyDaemons(t, router) })
			go func() { _, err := remote.Summary(t.Context(), ""); result <- err }()
			lab.Eventually(t, time.Minute, "vtysh runs again", func() error {
				if onlyDaemons(t, router) == nil {
					return errors.New("not yet")
				}
				return nil
			})
			end()
			if err := <-result; !errors.As(err, &down) || down.Daemon != "" {
				t.Errorf("the server has ended, and what it ran gives %v", err)
			}
			// A child of vtysh that was killed with it is not the server's to wait for.
			lab.Eventually(t, time.Minute, "the server has ended, and no vtysh is left", func() error { return onlyDaemons(t, router) })
			signal(t, bgpd, syscall.SIGCONT)
			if _, err := remote.Summary(t.Context(), ""); !errors.As(err, &down) {
				t.Errorf("without a server: %v", err)
			}
		})
	}
}

// TestVtyshServerProgram serves a vtysh that is missing, one that prints and fails, and questions that nobody of ours would ask.
func TestVtyshServerProgram(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "vtysh")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nhead -c 300000 /dev/zero | tr '\\0' x\necho said >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	remote, _ := serveVtysh(t, frr.Vtysh{Command: []string{program}})
	_, err := remote.Show(t.Context(), "show bgp summary json")
	if !errors.Is(err, frr.ErrVtysh) || !strings.Contains(err.Error(), "exit status 3") || strings.Count(err.Error(), "x") < 300000 || !strings.HasSuffix(err.Error(), "said") {
		t.Errorf("got error %.200v", err)
	}
	gone, _ := serveVtysh(t, frr.Vtysh{Command: []string{program + "2"}})
	if _, err := gone.Show(t.Context(), "show bgp summary json"); !errors.Is(err, frr.ErrNoVtysh) {
		t.Errorf("without a vtysh: %v", err)
	}

	for _, c := range []struct{ say, want string }{
		{`{"protocol":1,"questions":["configure terminal"]}`, "shows nothing of BGP"},
		{`{"protocol":7,"questions":["show bgp"]}`, "protocol 7"},
		{`GET / HTTP/1.1` + "\n\n", "read request"},
		{`{"protocol":1,"script":"!"}`, "read request"},
	} {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", remote.Socket)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, c.say); err != nil {
			t.Fatal(err)
		}
		var all struct {
			Out []byte
			End struct{ Kind, Text string }
		}
		decoder := json.NewDecoder(conn)
		var greeting struct{ Protocol int }
		if err := errors.Join(decoder.Decode(&greeting), decoder.Decode(&all)); err != nil || greeting.Protocol != frr.Protocol {
			t.Fatalf("%s: %v", c.say, err)
		}
		if all.End.Kind != "refused" || !strings.Contains(all.End.Text, c.want) || len(all.Out) > 0 {
			t.Errorf("%s: got %+v, want %q", c.say, all, c.want)
		}
	}
}
