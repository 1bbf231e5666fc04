package status

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/socket"
)

// silent is a log that nobody reads.
func silent() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// serveStatus runs a server of b until the test ends, or until stop is called, which waits for its end.
func serveStatus(t *testing.T, b *Board, c Config) (s *Server, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Open(ctx, b, c, silent())
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = func() {
		if cancel(); ended == nil {
			return
		}
		if err := <-ended; err != nil {
			t.Errorf("Run gives %v", err)
		}
		ended = nil
	}
	t.Cleanup(stop)
	return s, stop
}

// get asks a server on TCP.
func get(t *testing.T, s *Server, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addrs()[0].String()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// TestListen asks each path over TCP, where anybody may ask.
func TestListen(t *testing.T) {
	tests := []struct {
		path  string
		pprof bool
		code  int
		body  string
	}{
		{"/metrics", false, 200, "fairlead_build_info{"},
		{"/metrics", false, 200, "process_resident_memory_bytes"},
		{"/healthz", false, 200, "ok\n"},
		{"/healthz?verbose", false, 200, "[+]loop ok\nhealthz check passed\n"},
		{"/readyz", false, 503, "readyz check failed\n"},
		// It names the objects of all namespaces.
		{"/status", false, 404, ""},
		{"/audit", false, 404, ""},
		{"/debug/pprof/", false, 404, ""},
		{"/debug/pprof/cmdline", false, 404, ""},
		{"/debug/pprof/", true, 200, "goroutine"},
		{"/debug/pprof/heap", true, 200, ""},
		{"/debug/pprof/cmdline", true, 200, ""},
		{"/", false, 404, ""},
	}
	for _, test := range tests {
		s, stop := serveStatus(t, New(Options{}), Config{Listen: "127.0.0.1:0", Pprof: test.pprof})
		if code, body := get(t, s, test.path); code != test.code || !strings.Contains(body, test.body) {
			t.Errorf("%s (pprof %t) gives %d, want %d with %q:\n%s", test.path, test.pprof, code, test.code, test.body, body)
		}
		stop()
	}
}

// TestListenMethod posts where only reading is possible.
func TestListenMethod(t *testing.T) {
	s, _ := serveStatus(t, New(Options{}), Config{Listen: "127.0.0.1:0"})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.Addrs()[0].String()+"/healthz", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("a POST gives %s", response.Status)
	}
}

// TestListenTaken opens the same address twice.
func TestListenTaken(t *testing.T) {
	first, _ := serveStatus(t, New(Options{}), Config{Listen: "127.0.0.1:0"})
	address := first.Addrs()[0].String()
	_, err := Open(t.Context(), New(Options{}), Config{Listen: address}, silent())
	if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "set status.listen") {
		t.Errorf("the error is %v", err)
	}
}

// TestSocket reads both forms of the status over a socket that only its owner may use, and that is gone in the end.
func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "fairlead.sock")
	b := New(Options{Node: "node1"})
	_, stop := serveStatus(t, b, Config{Socket: path})

	var table, doc bytes.Buffer
	if err := Read(t.Context(), path, Table, &table); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(table.String(), "node node1, ") {
		t.Errorf("the page is\n%s", &table)
	}
	if err := Read(t.Context(), path, JSON, &doc); err != nil {
		t.Fatal(err)
	}
	var state struct{ Node string }
	if err := json.Unmarshal(doc.Bytes(), &state); err != nil || state.Node != "node1" {
		t.Errorf("the JSON is %v\n%s", err, &doc)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the socket is %s", info.Mode())
	}

	stop()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestSocketTaken starts a second agent on the socket of one that runs, and then on that of one that has ended.
func TestSocketTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fairlead.sock")
	_, stop := serveStatus(t, New(Options{Node: "first"}), Config{Socket: path})

	second := New(Options{Node: "second"})
	_, err := Open(t.Context(), second, Config{Listen: "127.0.0.1:0", Socket: path}, silent())
	if !errors.Is(err, socket.ErrTaken) || !strings.Contains(err.Error(), path) {
		t.Errorf("the error is %v", err)
	}
	answers(t, path, "first")

	stop()
	serveStatus(t, second, Config{Socket: path})
	answers(t, path, "second")
}

// answers asks who serves the socket.
func answers(t *testing.T, path, node string) {
	t.Helper()
	var out bytes.Buffer
	if err := Read(t.Context(), path, Table, &out); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), "node "+node+", ") {
		t.Errorf("it is not %s that answers:\n%s", node, &out)
	}
}

// TestSocketStale kills a process that serves a socket, and serves it in its place.
func TestSocketStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fairlead.sock")
	killed := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestServeUntilKilled$")
	killed.Env = append(os.Environ(), socketVariable+"="+path)
	out, err := killed.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	answers(t, path, "killed")
	if _, err := Open(t.Context(), New(Options{}), Config{Socket: path}, silent()); !errors.Is(err, socket.ErrTaken) {
		t.Errorf("while the other process runs the error is %v", err)
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait()

	if err := Read(t.Context(), path, Table, io.Discard); err == nil || !strings.Contains(err.Error(), "no agent answers") {
		t.Errorf("the socket of a killed agent gives %v", err)
	}
	serveStatus(t, New(Options{Node: "next"}), Config{Socket: path})
	answers(t, path, "next")
}

// socketVariable has TestServeUntilKilled serve a socket.
const socketVariable = "FAIRLEAD_TEST_SOCKET"

// TestServeUntilKilled is the process that TestSocketStale kills; by itself it has nothing to do.
func TestServeUntilKilled(t *testing.T) {
	path := os.Getenv(socketVariable)
	if path == "" {
		return
	}
	serveStatus(t, New(Options{Node: "killed"}), Config{Socket: path})
	_, _ = os.Stdout.WriteString("!")
	<-time.After(time.Minute)
}

// TestSocketOccupied finds a file where the socket should be, and leaves it alone.
func TestSocketOccupied(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fairlead.sock")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), New(Options{}), Config{Socket: path}, silent())
	if err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("the error is %v", err)
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
		t.Errorf("the file is now %q (%v)", text, err)
	}

	// What was opened before that is closed again: once the file is gone, nothing stands in the way.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	serveStatus(t, New(Options{Node: "next"}), Config{Socket: path})
	answers(t, path, "next")
}

// TestRead asks sockets that are not those of an agent.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	var config net.ListenConfig
	other, err := config.Listen(t.Context(), "unix", filepath.Join(dir, "other.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.NotFoundHandler(), ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(other) }()
	t.Cleanup(func() { _ = server.Close() })

	for name, want := range map[string]string{"missing.sock": "no agent answers on", "other.sock": "404 Not Found"} {
		if err := Read(t.Context(), filepath.Join(dir, name), Table, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", name, err, want)
		}
	}
}

// TestNothingToServe runs a server that is asked to listen nowhere.
func TestNothingToServe(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := Open(ctx, New(Options{}), Config{}, silent())
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Error(err)
	}
}

// TestBroken takes the listener away from under a running server, which is an error that ends the agent's group.
func TestBroken(t *testing.T) {
	s, err := Open(t.Context(), New(Options{}), Config{Listen: "127.0.0.1:0", Socket: filepath.Join(t.TempDir(), "s")}, silent())
	if err != nil {
		t.Fatal(err)
	}
	_ = s.endpoints[0].listener.Close()
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "serve status on 127.0.0.1:") {
		t.Errorf("Run gives %v", err)
	}
}
