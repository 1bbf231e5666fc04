package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/test/lab"
)

// What the tests know of the chart's objects, and of the pods that it makes, is in this file.
const (
	chart     = repository + "/charts/fairlead"
	namespace = "fairlead"
	agents    = "daemonset/fairlead"
	selector  = "app.kubernetes.io/name=fairlead"
	container = "fairlead"
	// Where FRR has pods of its own.
	frrs        = "daemonset/fairlead-frr"
	frrSelector = "app.kubernetes.io/name=fairlead-frr"
	// All pods of the release.
	releaseSelector = "app.kubernetes.io/instance=fairlead"
)

// release is the chart as installed in a cluster.
type release struct {
	t       *testing.T
	cluster *Cluster
	helm    string
}

// newRelease builds helm, of the version that tools/helm pins; it comes out of Go's cache.
func newRelease(t *testing.T, c *Cluster) *release {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*patience)
	defer cancel()
	command := exec.CommandContext(ctx, "go", "tool", "-modfile=tools/helm/go.mod", "-n", "helm")
	command.Dir = repository
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	path, err := command.Output()
	if err != nil {
		t.Fatalf("build helm: %v", err)
	}
	return &release{t: t, cluster: c, helm: strings.TrimSpace(string(path))}
}

// tryHelm runs helm in the namespace of the release, with values to read, and returns what it prints.
func (r *release) tryHelm(values string, args ...string) (string, error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*patience)
	defer cancel()
	command := exec.CommandContext(ctx, r.helm, append(args, "--namespace", namespace, "--kubeconfig", r.cluster.Kubeconfig())...)
	home := r.t.TempDir()
	command.Env = []string{"HOME=" + home, "HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home}
	command.Stdin = strings.NewReader(values)
	var out bytes.Buffer
	command.Stdout, command.Stderr = &out, &out
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, out.String())
	}
	return out.String(), nil
}

// install installs the chart, and waits until its pods are ready.
func (r *release) install(values string) {
	r.t.Helper()
	if _, err := r.tryHelm(values, "install", "fairlead", chart, "--values", "-", "--wait"); err != nil {
		r.t.Fatal(err)
	}
	r.rolledOut()
}

// upgrade gives the release other values.
func (r *release) upgrade(values string) {
	r.t.Helper()
	if _, err := r.tryHelm(values, "upgrade", "fairlead", chart, "--values", "-"); err != nil {
		r.t.Fatal(err)
	}
}

// apart reports whether FRR has pods of its own, which outlive the agents.
func (r *release) apart() bool {
	r.t.Helper()
	return r.kubectl("--namespace", namespace, "get", frrs, "--ignore-not-found", "--output", "name") != ""
}

// rolledOut waits until every chosen node has a ready agent of the release as it is now, and a ready FRR.
func (r *release) rolledOut() {
	r.t.Helper()
	r.kubectl("--namespace", namespace, "rollout", "status", agents, "--timeout", patience.String())
	if !r.apart() {
		return
	}
	lab.Eventually(r.t, patience, "FRR's pods are ready", func() error {
		out, err := r.cluster.Kubectl("--namespace", namespace, "get", frrs, "--output",
			"jsonpath={.status.desiredNumberScheduled} {.status.numberReady}")
		if wanted, ready, _ := strings.Cut(out, " "); err == nil && wanted != ready {
			err = fmt.Errorf("%s of %s are", ready, wanted)
		}
		return err
	})
}

// kubectl runs kubectl, which must work.
func (r *release) kubectl(args ...string) string {
	r.t.Helper()
	out, err := r.cluster.Kubectl(args...)
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// pods gives, for each node with an agent, its pod's name and how often its containers were started anew.
func (r *release) pods() map[string]string {
	r.t.Helper()
	return r.podsOf(selector)
}

func (r *release) podsOf(selector string) map[string]string {
	r.t.Helper()
	out := r.kubectl("--namespace", namespace, "get", "pods", "--selector", selector, "--output",
		`jsonpath={range .items[*]}{.spec.nodeName} {.metadata.name} {.status.containerStatuses[*].restartCount}{"\n"}{end}`)
	pods := map[string]string{}
	for line := range strings.Lines(out) {
		node, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		pods[node] = rest
	}
	return pods
}

// gone waits until a node has no pod of the release.
func (r *release) gone(n *Node) {
	r.t.Helper()
	lab.Eventually(r.t, patience, n.Name+" has no pod of the release", func() error {
		if pod, runs := r.podsOf(releaseSelector)[n.Name]; runs {
			return fmt.Errorf("there is %s", pod)
		}
		return nil
	})
}

// readyNow reports whether all pods of the release on a node are ready.
func (r *release) readyNow(n *Node) error {
	out, err := r.cluster.Kubectl("--namespace", namespace, "get", "pods", "--selector", releaseSelector, "--field-selector", "spec.nodeName="+n.Name,
		"--output", `jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}`)
	if err == nil && (out == "" || strings.Contains(out, "False")) {
		err = fmt.Errorf("they are %q", out)
	}
	return err
}

// deleteFRR deletes the pod of a node's FRR, where it is not the agent's.
func (r *release) deleteFRR(n *Node) {
	r.t.Helper()
	pod, _, _ := strings.Cut(r.podsOf(frrSelector)[n.Name], " ")
	r.kubectl("--namespace", namespace, "delete", "pod", pod, "--timeout", patience.String())
}

// exec runs a command beside the agent of a node.
func (r *release) exec(n *Node, args ...string) (string, error) {
	pod, _, _ := strings.Cut(r.pods()[n.Name], " ")
	if pod == "" {
		return "", fmt.Errorf("%s has no pod", n.Name)
	}
	return r.cluster.Kubectl(slices.Concat([]string{"--namespace", namespace, "exec", pod, "--container", container, "--"}, args)...)
}

// says waits until a command beside the agent of a node ends well and prints a text.
func (r *release) says(n *Node, text string, args ...string) {
	r.t.Helper()
	lab.Eventually(r.t, patience, fmt.Sprintf("%s of %s says %q", strings.Join(args, " "), n.Name, text), func() error {
		out, err := r.exec(n, args...)
		if err == nil && !strings.Contains(out, text) {
			err = errors.New("it says:\n" + out)
		}
		return err
	})
}

// proven waits until the agent of a node has proven that each neighbor was told what it should be.
func (r *release) proven(n *Node) {
	r.t.Helper()
	r.says(n, "", "fairlead", "verify", "--wait", "60s")
}

// killAgent ends the agent of a node, as a fault would, and with it its FRR where that is not apart.
func (r *release) killAgent(n *Node) { n.Kill("fairlead run") }

// killAll ends the agent of a node and its FRR.
func (r *release) killAll(n *Node) { n.Kill("fairlead") }

// logs is what tells why a test failed.
func (r *release) logs() string {
	var b strings.Builder
	for _, args := range [][]string{
		{"get", "pods", "--all-namespaces", "--output", "wide"},
		{"--namespace", namespace, "get", "events"},
		{"--namespace", namespace, "logs", "--selector", releaseSelector, "--all-containers", "--prefix", "--tail", "40"},
	} {
		out, err := r.cluster.Kubectl(args...)
		fmt.Fprintf(&b, "--- kubectl %s: %v\n%s\n", strings.Join(args, " "), err, out)
	}
	return b.String() + r.cluster.Logs()
}

func labName(what string) string { return fmt.Sprintf("fl-%d-%s-", os.Getpid(), filepath.Base(what)) }
