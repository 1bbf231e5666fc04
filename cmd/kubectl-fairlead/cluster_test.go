package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead/fairlead/explain"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/verify"
)

// pods are those of a DaemonSet as the chart makes it: node1 and node2 have agents that answer, node3 one that waits for its image, node4
// one that is no agent, and node5 one that says nothing for long. There is a pod with the labels that has no agent, and one that has ended.
const pods = `---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Pod, metadata: {name: agent-node1, namespace: NS, labels: {app.kubernetes.io/name: fairlead}},
   spec: {nodeName: node1, containers: [{name: fairlead, image: none}]}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: agent-node2, namespace: NS, labels: {app.kubernetes.io/name: fairlead}},
   spec: {nodeName: node2, containers: [{name: fairlead, image: none}]}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: frr-node2, namespace: NS, labels: {app.kubernetes.io/name: fairlead}},
   spec: {nodeName: node2, containers: [{name: frr, image: none}]}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: old-node2, namespace: NS, labels: {app.kubernetes.io/name: fairlead}},
   spec: {nodeName: node2, containers: [{name: fairlead, image: none}]}, status: {phase: Failed}}
- {apiVersion: v1, kind: Pod, metadata: {name: agent-node3, namespace: NS, labels: {app.kubernetes.io/name: fairlead, broken: "true"}},
   spec: {nodeName: node3, containers: [{name: fairlead, image: none}]},
   status: {phase: Pending, containerStatuses: [
     {name: fairlead, image: none, imageID: "", ready: false, restartCount: 0, state: {waiting: {reason: ImagePullBackOff}}}]}}
- {apiVersion: v1, kind: Pod, metadata: {name: agent-node4, namespace: NS, labels: {app.kubernetes.io/name: fairlead, broken: "true"}},
   spec: {nodeName: node4, containers: [{name: fairlead, image: none}]}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: agent-node5, namespace: NS, labels: {app.kubernetes.io/name: fairlead, broken: "true"}},
   spec: {nodeName: node5, containers: [{name: fairlead, image: none}]}, status: {phase: Running}}
`

// fleet is a cluster of such pods.
type fleet struct {
	cluster    *kube.Cluster
	namespace  string
	kubeconfig string
}

// start makes it. The agents' pods have the real program, and a socket that answers as an agent does.
func start(t *testing.T) fleet {
	t.Helper()
	f := fleet{cluster: kube.Shared(t)}
	f.namespace, f.kubeconfig = f.cluster.Namespace(t), f.cluster.Kubeconfig(t)
	program := filepath.Join(t.TempDir(), "fairlead")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", program, "github.com/fairlead/fairlead/cmd/fairlead")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	sockets := map[string]string{"agent-node1": agent(t, "node1"), "agent-node2": agent(t, "node2")}
	f.cluster.Kubelets(t, func(ctx context.Context, e kube.Exec) int {
		switch {
		case sockets[e.Pod] != "" && e.Command[0] == "fairlead" && e.Container == "fairlead" && e.Namespace == f.namespace:
			args := slices.Insert(slices.Clone(e.Command[1:]), 1, "--socket", sockets[e.Pod])
			command := exec.CommandContext(ctx, program, args...)
			command.Stdout, command.Stderr = e.Stdout, e.Stderr
			if command.Run() != nil {
				return 1
			}
			return 0
		case e.Pod == "agent-node4":
			fmt.Fprint(e.Stderr, "\x1b[2Jsh: fairlead:\nnot found\n")
			return 127
		default:
			<-ctx.Done()
			return 1
		}
	}, "node1", "node2", "node3", "node4", "node5")
	f.cluster.Apply(t, strings.ReplaceAll(pods, "NS", f.namespace))
	return f
}

// agent serves a socket as the agent of a node does, and gives its path. Both have the neighbor tor1, and node2 has tor2 in the router
// blue, which is not told a pod.
func agent(t *testing.T, node string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	log := logrus.New()
	log.SetOutput(io.Discard)
	prefix := netip.MustParsePrefix("10.16.0.5/32")
	session := func(address, name string, kind verify.Kind) status.Session {
		s := status.Session{
			Neighbor: address, Name: name, RemoteAS: route.RemoteASN(65030), State: "Established", Established: time.Now(),
			Families: []status.SessionFamily{{Family: route.IPv4Unicast, Received: 4, Sent: 1}},
			Proof: verify.Report{
				Whole: true, Witnesses: []verify.Knowledge{}, Limits: []string{}, Open: []verify.Verdict{},
				Counts: []verify.Count{{Kind: kind, Witness: verify.Wire, Proof: verify.Acknowledged, Routes: 1}},
			},
		}
		if kind.Open() {
			s.Proof.Open = append(s.Proof.Open, verify.Verdict{Prefix: prefix, Kind: kind, Witness: verify.Wire, Differences: []verify.Difference{}})
		}
		return s
	}
	sessions := []status.Session{session("10.0.1.1", "tor1", verify.Announced)}
	if node == "node2" {
		lost := session("10.0.2.1", "tor2", verify.Missing)
		lost.Router = "blue"
		sessions = append(sessions, lost)
	}
	board := status.New(status.Options{Node: node, Version: "v1.2.3"})
	board.Proven(sessions, nil, nil)
	of := func(values url.Values) ([]status.Session, error) {
		wanted := slices.DeleteFunc(slices.Clone(sessions), func(s status.Session) bool {
			name, router := values.Get("neighbor"), values.Get("router")
			return name != "" && name != s.Neighbor && name != s.Name || router != "" && router != s.Router
		})
		if len(wanted) == 0 {
			return nil, errors.New("there is no such neighbor on this node")
		}
		return wanted, nil
	}
	answers := func(answer func(url.Values, []status.Session) status.Answer) status.Question {
		return func(_ context.Context, values url.Values) (status.Answer, error) {
			wanted, err := of(values)
			if err != nil {
				return nil, err
			}
			return answer(values, wanted), nil
		}
	}
	questions := map[string]status.Question{
		"neighbor": answers(func(_ url.Values, s []status.Session) status.Answer { return &status.Neighbors{Sessions: s} }),
		"verify":   answers(func(_ url.Values, s []status.Session) status.Answer { return status.NewVerification(s, nil) }),
		"adj-out": answers(func(_ url.Values, s []status.Session) status.Answer {
			return &status.AdjRIBOut{Routes: []verify.Verdict{{Prefix: prefix, Kind: s[0].Proof.Counts[0].Kind}}}
		}),
		"explain": func(_ context.Context, values url.Values) (status.Answer, error) {
			e := &explain.Explanation{Node: node, Question: values.Get("what"), Status: explain.Stopped, Stage: explain.Wish}
			e.Steps = append(e.Steps, explain.Step{Stage: explain.Wish, Status: explain.Stopped, Text: "it runs on node2"})
			if node == "node2" {
				e.Status, e.Stage = explain.OK, ""
				e.Steps = []explain.Step{
					{Stage: explain.Wish, Status: explain.OK, Text: "its annotation"},
					{Stage: explain.Route, Prefix: prefix, Status: explain.OK, Text: "MED 0", Route: &explain.Announced{
						Prefix: prefix, From: []route.Object{{Kind: "Pod", Namespace: "default", Name: "sample"}},
					}},
				}
			}
			return e, nil
		},
	}
	ctx, stop := context.WithCancel(context.Background())
	server, err := status.Open(ctx, board, status.Config{Socket: socket, Questions: questions}, log)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket
}

// run runs the plugin.
func (f fleet) run(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := root()
	cmd.SetArgs(append([]string{"--kubeconfig", f.kubeconfig, "-n", f.namespace, "--timeout", "1m"}, args...))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(ctx)
	return out.String(), err
}

// TestCluster asks the agents of a cluster through a real API server, and real programs in their pods.
func TestCluster(t *testing.T) {
	t.Parallel()
	f := start(t)
	for name, test := range map[string]func(*testing.T, fleet){
		"tables": testTables, "JSON": testJSON, "rights": testRights, "without WebSocket": testWithoutWebSocket,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, f)
		})
	}
}

// testTables asks for pages.
func testTables(t *testing.T, f fleet) {
	const well = "app.kubernetes.io/name=fairlead,!broken"
	for name, tt := range map[string]struct {
		args []string
		// fault is part of the error; "" means that there is none.
		fault string
		// lines begin with these words, in this order, and no others.
		lines []string
	}{
		"status": {[]string{"status", "-l", well}, "", []string{
			"NODE VERSION UP FOR READY", "node1 v1.2.3 ", "node2 v1.2.3 ", "",
			"NODE NEIGHBOR ", "node1 10.0.1.1 tor1 default 65030 Established", "node2 10.0.1.1 tor1 default", "node2 10.0.2.1 tor2 blue",
		}},
		"one node": {[]string{"neighbor", "-l", well, "--node", "node2"}, "", []string{"NODE", "node2 10.0.1.1", "node2 10.0.2.1"}},
		"a node without an agent": {[]string{"neighbor", "--node", "node2,node9"}, "of 2 agents 1 did not answer", []string{
			"NODE", "node2 10.0.1.1", "node2 10.0.2.1", "node9 no answer: no agent runs on this node",
		}},
		"a neighbor of one":      {[]string{"neighbor", "tor2", "-l", well}, "", []string{"NODE", "node2 10.0.2.1"}},
		"a router":               {[]string{"neighbor", "--router", "blue", "-l", well}, "", []string{"NODE", "node2 10.0.2.1"}},
		"the default router":     {[]string{"neighbor", "10.0.2.1", "--router", "default", "-l", well}, "no agent that answers has it", nil},
		"a neighbor of nobody":   {[]string{"verify", "10.0.9.9", "-l", well}, "no agent that answers has it", nil},
		"what looks like a flag": {[]string{"neighbor", "-l", well, "--", "--socket=/etc/passwd"}, "no agent that answers has it", nil},
		"adj-out": {[]string{"neighbor", "10.0.2.1", "adj-out", "-l", well}, "", []string{
			"NODE PREFIX VERDICT", "node2 10.16.0.5/32 missing",
		}},
		"verify": {[]string{"verify", "--wait", "1s", "-l", well}, "of 2 agents 1 found something wrong", []string{
			"NODE", "node1 10.0.1.1", "node2 10.0.1.1", "node2 10.0.2.1", "", "NODE NEIGHBOR WHAT", "node2 10.0.2.1 10.16.0.5/32 missing by tap",
		}},
		"verify one that agrees": {[]string{"verify", "10.0.1.1", "-l", well}, "", []string{"NODE", "node1 10.0.1.1", "node2 10.0.1.1"}},
		"explain": {[]string{"explain", "pod/default/sample", "-l", well}, "", []string{
			"NODE STATUS", "node1 stopped wish it runs on node2", "node2 ok route MED 0", "", "what matters is said by node2:", "",
			"pod/default/sample on node node2: all is well", "", "STEP", "wish ok", "10.16.0.5/32", "route ok",
		}},
		"explain what is nothing": {[]string{"explain", "pod"}, "is no object", nil},
		"explain nowhere":         {[]string{"explain", "10.16.0.5", "--node", "node3"}, "did not answer", []string{"NODE STATUS", "node3 no answer: "}},
		// That is for the agents: who they are takes longer to find.
		"who says nothing": {[]string{"status", "--timeout", "1ms", "--node", "node5"}, "of 1 agents 1 did not answer", []string{
			"NODE", "node5 no answer: nothing within 1ms: give it more",
		}},
		"who does not answer": {[]string{"neighbor", "--node", "node1,node2,node3,node4"}, "of 4 agents 2 did not answer", []string{
			"NODE", "node1 10.0.1.1", "node2 10.0.1.1", "node2 10.0.2.1", "node3 no answer: its container is waiting: ImagePullBackOff",
			`node4 no answer: "\x1b[2Jsh: fairlead:"; not found`,
		}},
		"nobody":     {[]string{"status", "-l", "app=other"}, "has the labels app=other", nil},
		"other form": {[]string{"status", "-o", "wide"}, "write table or json", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := f.run(t.Context(), tt.args...)
			if text := fmt.Sprint(err); (err != nil) != (tt.fault != "") || !strings.Contains(text, tt.fault) {
				t.Errorf("the error is %v, want %q", err, tt.fault)
			}
			lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
			if tt.lines == nil {
				lines = strings.Fields(page)
			}
			fits := slices.EqualFunc(lines, tt.lines, func(line, want string) bool {
				line = strings.Join(strings.Fields(line), " ")
				return want == "" && line == "" || want != "" && strings.HasPrefix(line+" ", want)
			})
			if !fits {
				t.Errorf("the page is\n%s\nwant lines that begin with\n%s", page, strings.Join(tt.lines, "\n"))
			}
		})
	}
}

// testJSON asks for JSON: an array, with the agent's own of each that answers.
func testJSON(t *testing.T, f fleet) {
	page, err := f.run(t.Context(), "verify", "-o", "json", "--node", "node1,node2,node4")
	if err == nil || !strings.Contains(err.Error(), "of 3 agents 1 did not answer, and 1 found something wrong") {
		t.Errorf("the error is %v", err)
	}
	var replies []struct {
		Node, Pod, Fault, Error string
		Answer                  struct{ Agrees *bool }
	}
	if err := json.Unmarshal([]byte(page), &replies); err != nil || len(replies) != 3 {
		t.Fatalf("%v in\n%s", err, page)
	}
	one, two, four := replies[0], replies[1], replies[2]
	if one.Node != "node1" || one.Pod != f.namespace+"/agent-node1" || one.Answer.Agrees == nil || !*one.Answer.Agrees || one.Fault+one.Error != "" {
		t.Errorf("node1 is %+v", one)
	}
	if two.Node != "node2" || two.Answer.Agrees == nil || *two.Answer.Agrees || !strings.Contains(two.Fault, "not told as intended: 1") || two.Error != "" {
		t.Errorf("node2 is %+v", two)
	}
	if four.Node != "node4" || four.Answer.Agrees != nil || four.Fault != "" || !strings.Contains(four.Error, "not found") || strings.Contains(page, "\x1b") {
		t.Errorf("node4 is %+v", four)
	}
	if strings.Contains(page, "null") {
		t.Errorf("there is a null in\n%s", page)
	}
}

// testRights asks as somebody who may list pods and not run anything in them, and as one who has what the guide says.
func testRights(t *testing.T, f fleet) {
	guide, err := os.ReadFile("../../docs/kubectl.md")
	if err != nil {
		t.Fatal(err)
	}
	_, role, _ := strings.Cut(string(guide), "```yaml\n")
	role, _, _ = strings.Cut(role, "```")
	role = strings.ReplaceAll(role, "namespace: fairlead", "namespace: "+f.namespace)
	f.cluster.Apply(t, role+strings.ReplaceAll(`---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: asks, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: fairlead-reader}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: asks}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: lists, namespace: NS}
rules: [{apiGroups: [""], resources: [pods], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: lists, namespace: NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: lists}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: lists}]
`, "NS", f.namespace))
	as := func(user string, args ...string) (string, error) {
		f.kubeconfig = f.cluster.KubeconfigOf(t, user)
		return f.run(t.Context(), args...)
	}
	// The authorizer takes a moment to hear of a Role.
	lab.Eventually(t, time.Minute, "who may list is refused the rest", func() error {
		page, err := as("lists", "status", "--node", "node1")
		if err == nil || !strings.Contains(page, `node1   no answer: pods "agent-node1" is forbidden: User "lists" cannot`) {
			return errors.New("the page is\n" + page)
		}
		return nil
	})
	lab.Eventually(t, time.Minute, "the rights of the guide are enough", func() error {
		page, err := as("asks", "status", "--node", "node1")
		if err != nil {
			return fmt.Errorf("%w:\n%s", err, page)
		}
		return nil
	})
	if _, err := as("asks", "status", "-A"); err == nil || !strings.Contains(err.Error(), "list pods: pods is forbidden") {
		t.Errorf("in all namespaces: %v", err)
	}
}

// testWithoutWebSocket asks through something that does not pass WebSockets on.
func testWithoutWebSocket(t *testing.T, f fleet) {
	admin := f.cluster.Config()
	admin.NextProtos = []string{"http/1.1"} // the one that can be upgraded
	transport, err := rest.TransportFor(admin)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(admin.Host)
	if err != nil {
		t.Fatal(err)
	}
	var refused, upgraded atomic.Int64
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch strings.ToLower(r.Header.Get("Upgrade")) {
		case "websocket":
			refused.Add(1)
			http.Error(w, "no WebSockets here", http.StatusBadRequest)
			return
		case "":
		default:
			upgraded.Add(1)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()
	f.kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	err = clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{"c": {Server: server.URL}}, Contexts: map[string]*api.Context{"c": {Cluster: "c"}}, CurrentContext: "c",
	}, f.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	page, err := f.run(t.Context(), "status", "--node", "node1")
	if err != nil || !strings.Contains(page, "node1   v1.2.3") || refused.Load() != 1 || upgraded.Load() != 1 {
		t.Errorf("%v, %d refused, %d upgraded:\n%s", err, refused.Load(), upgraded.Load(), page)
	}
}
