package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
	"k8s.io/apimachinery/pkg/util/remotecommand"

	"github.com/fairlead/fairlead/test/lab"
)

// Exec is a command that somebody runs in a container.
type Exec struct {
	Namespace, Pod, Container string
	Command                   []string
	Stdout, Stderr            io.Writer
}

// Kubelets answers for the kubelets of nodes until t ends, and makes the nodes: what somebody runs in a container of a pod of theirs
// is run by run, which gives its exit status; ctx ends with the one who asks. It is all that they do: pods stay as they are.
func (c *Cluster) Kubelets(t lab.T, run func(ctx context.Context, e Exec) int, nodes ...string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /exec/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) { serveExec(w, r, run) })
	// The API server was not told of an authority of kubelets, and believes any certificate.
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatalf("start kubelets: %v", err)
	}
	var manifest strings.Builder
	for _, node := range nodes {
		fmt.Fprintf(&manifest, `---
apiVersion: v1
kind: Node
metadata: {name: %s}
status:
  addresses: [{type: InternalIP, address: %s}]
  daemonEndpoints: {kubeletEndpoint: {Port: %s}}
`, node, address.Hostname(), address.Port())
	}
	c.Apply(t, manifest.String())
	t.Cleanup(func() { c.Delete(t, manifest.String()) })
}

// serveExec answers as the kubelet does (k8s.io/kubelet/pkg/cri/streaming): over SPDY, which the API server speaks whatever its client
// does, with a stream for each output and one for how it ended.
func serveExec(w http.ResponseWriter, r *http.Request, run func(context.Context, Exec) int) {
	query := r.URL.Query()
	wanted := 1
	for _, name := range []string{"output", "error"} {
		if query.Get(name) == "1" {
			wanted++
		}
	}
	if _, err := httpstream.Handshake(r, w, []string{remotecommand.StreamProtocolV4Name}); err != nil {
		return
	}
	come := make(chan httpstream.Stream, wanted)
	connection := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(s httpstream.Stream, _ <-chan struct{}) error {
		come <- s
		return nil
	})
	if connection == nil {
		return
	}
	defer func() { _ = connection.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
	defer cancel()
	streams := map[string]io.Writer{corev1.StreamTypeStdout: io.Discard, corev1.StreamTypeStderr: io.Discard}
	for range wanted {
		select {
		case s := <-come:
			streams[s.Headers().Get(corev1.StreamType)] = s
		case <-ctx.Done():
			return
		}
	}
	running, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		defer stop()
		select {
		case <-connection.CloseChan():
		case <-running.Done():
		}
	}()
	code := run(running, Exec{
		Namespace: r.PathValue("namespace"), Pod: r.PathValue("pod"), Container: r.PathValue("container"), Command: query["command"],
		Stdout: streams[corev1.StreamTypeStdout], Stderr: streams[corev1.StreamTypeStderr],
	})
	ended := metav1.Status{Status: metav1.StatusSuccess}
	if code != 0 {
		ended = metav1.Status{
			Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason, Message: fmt.Sprintf("command terminated with exit code %d", code),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Type: remotecommand.ExitCodeCauseType, Message: fmt.Sprint(code)}}},
		}
	}
	if failed := streams[corev1.StreamTypeError]; failed != nil {
		_ = json.NewEncoder(failed).Encode(ended)
	}
}
