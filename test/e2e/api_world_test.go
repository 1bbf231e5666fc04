package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
)

// What the API server does is the same beside every FRR: these tests run beside the newest.
func newest(t testing.TB) lab.Version {
	versions := lab.Versions(t)
	return versions[len(versions)-1]
}

// following makes the usual laboratory, whose agent follows api and holds what config says. It is not started yet.
func following(t testing.TB, api *kube.Cluster, config string) (n *node, speaker, tor *lab.Router) {
	t.Helper()
	n, speaker, tor = external(t, newest(t), torConfig)
	n.follow(api, config)
	return n, speaker, tor
}

// follow has the agent take its objects from api, as the administrator, with the CRDs of Kube-OVN and node1 there.
func (n *node) follow(api *kube.Cluster, config string) {
	n.t.Helper()
	n.api, n.own = api, api.Namespace(n.t)
	api.CRDs(n.t)
	api.Apply(n.t, nodeObject)
	api.Serve(n.t, n.Namespace)
	n.follows(api.Kubeconfig(n.t), "external", config)
}

// follows configures the agent with a kubeconfig.
func (n *node) follows(kubeconfig, mode, config string) {
	n.t.Helper()
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		n.t.Fatal(err)
	}
	n.replace(filepath.Join(n.dir, "kubeconfig"), string(text))
	if !strings.Contains(config, "kubernetes:") {
		config += "kubernetes: {kubeconfig: kubeconfig}\n"
	}
	n.configure(mode, config)
}

// ask gets a page from the agent's socket, and the status it came with.
func (n *node) ask(path string) (int, string, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(n.dir, "agent.sock"))
		},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://agent"+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// passes are those that the agent has made.
func (n *node) passes() (status.Passes, error) {
	var s struct{ Passes status.Passes }
	_, body, err := n.ask("/status")
	if err == nil {
		err = json.Unmarshal([]byte(body), &s)
	}
	return s.Passes, err
}

// ready waits until the agent is.
func (n *node) ready() {
	n.t.Helper()
	lab.Eventually(n.t, converge, "the agent is ready", func() error {
		code, body, err := n.ask("/readyz?verbose")
		if err == nil && code != http.StatusOK {
			err = fmt.Errorf("%d\n%s", code, body)
		}
		return err
	})
}

// says waits until a page of the agent's has all the texts.
func (n *node) says(path string, texts ...string) {
	n.t.Helper()
	lab.Eventually(n.t, converge, "the agent says so under "+path, func() error {
		_, body, err := n.ask(path)
		if err != nil {
			return err
		}
		for _, text := range texts {
			if !strings.Contains(body, text) {
				return fmt.Errorf("%q is not in\n%s", text, body)
			}
		}
		return nil
	})
}

// in gives a manifest that was written for namespace default in another one.
func in(namespace, manifest string) string {
	return strings.ReplaceAll(manifest, "namespace: default", "namespace: "+namespace)
}

// mine is in of the agent's own namespace, which no other test has.
func (n *node) mine(manifest string) string { return in(n.own, manifest) }

// events are the Events on an object of the agent's namespace, the oldest first, each "REASON: MESSAGE".
func (n *node) events(object string) []string {
	n.t.Helper()
	client, err := kubernetes.NewForConfig(n.api.Config())
	if err != nil {
		n.t.Fatal(err)
	}
	list, err := client.CoreV1().Events(n.own).List(n.t.Context(), metav1.ListOptions{FieldSelector: "involvedObject.name=" + object})
	if err != nil {
		n.t.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Event) int { return a.LastTimestamp.Compare(b.LastTimestamp.Time) })
	var events []string
	for _, e := range list.Items {
		events = append(events, e.Reason+": "+e.Message)
	}
	return events
}

// total counts the passes that were made.
func total(p status.Passes) uint64 { return p.Changed + p.Unchanged + p.Waiting + p.Failed }
