package chart

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
)

// testPod gives the pod of helm test; false where there is none.
func testPod(t *testing.T, values string) (*corev1.Pod, bool) {
	t.Helper()
	objects := rendered(t, values)
	o := objects["Pod fairlead-verify"]
	if o == nil {
		return nil, false
	}
	pod := &corev1.Pod{ObjectMeta: read[metav1.ObjectMeta](t, o, "metadata"), Spec: read[corev1.PodSpec](t, o, "spec")}
	if pod.Annotations["helm.sh/hook"] != "test" {
		t.Errorf("helm makes it without being asked for a test: %v", pod.Annotations)
	}
	// What chooses the agents must not choose it.
	for name, selector := range map[string]map[string]string{
		"DaemonSet": read[metav1.LabelSelector](t, objects["DaemonSet fairlead"], "spec", "selector").MatchLabels,
		"Service":   read[map[string]string](t, objects["Service fairlead-metrics"], "spec", "selector"),
	} {
		if len(selector) == 0 || labels.SelectorFromSet(selector).Matches(labels.Set(pod.Labels)) {
			t.Errorf("the %s takes it for an agent: %v matches %v", name, selector, pod.Labels)
		}
	}
	return pod, true
}

// TestHelmTest looks when there is a test, and that it needs no right: a namespace that is restricted takes it.
func TestHelmTest(t *testing.T) {
	t.Parallel()
	const one = "config:\n  asn: 65000\n"
	for change, want := range map[string]string{
		"":                                                   "fairlead-metrics.fairlead.svc:7473",
		"  status: {listen: ':8080'}\n":                      "fairlead-metrics.fairlead.svc:8080",
		"  status: {listen: ''}\n":                           "",
		"  status: {listen: '127.0.0.1:7473'}\n":             "",
		"  status: {listen: '[::1]:7473'}\n":                 "",
		"metrics: {service: {enabled: false}}\n":             "",
		"image: {pullSecrets: [{name: registry}], tag: x}\n": "fairlead-metrics.fairlead.svc:7473",
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			got := ""
			if pod, found := testPod(t, one+change); found {
				got = pod.Spec.Containers[0].Args[len(pod.Spec.Containers[0].Args)-1]
			}
			if got != want {
				t.Errorf("it asks %q, want %q", got, want)
			}
		})
	}

	pod, _ := testPod(t, one)
	api := kube.Shared(t)
	client, err := kubernetes.NewForConfig(api.Config())
	if err != nil {
		t.Fatal(err)
	}
	pod.Namespace = api.Namespace(t)
	api.Apply(t, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: %s, labels: {pod-security.kubernetes.io/enforce: restricted}}\n", pod.Namespace))
	lax := pod.DeepCopy()
	lax.Name, lax.Spec.SecurityContext = "lax", nil
	dry := metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}}
	lab.Eventually(t, deadline, "the namespace refuses a lax pod", func() error {
		if _, err := client.CoreV1().Pods(pod.Namespace).Create(t.Context(), lax, dry); err == nil {
			return errors.New("it is taken")
		}
		return nil
	})
	if _, err := client.CoreV1().Pods(pod.Namespace).Create(t.Context(), pod, dry); err != nil {
		t.Error(err)
	}
	if automount := pod.Spec.AutomountServiceAccountToken; automount == nil || *automount {
		t.Error("it has a token of an account")
	}
}

// TestHelmTestCommand runs the command of the test's pod against agents that are well and not, and finds its image's program.
func TestHelmTestCommand(t *testing.T) {
	t.Parallel()
	pod, _ := testPod(t, "config:\n  asn: 65000\n")
	runs := podOf(t, rendered(t, "config:\n  asn: 65000\n")).Spec.Containers[0]
	command := pod.Spec.Containers[0]
	if command.Image != runs.Image || !slices.Equal(command.Command, runs.Command) {
		t.Errorf("it runs %q of %s, the agent is %q of %s", command.Command, command.Image, runs.Command, runs.Image)
	}
	program, err := fairlead()
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{
		"well":     "[+]sources/pods ok\n[+]configuration ok\n[+]apply ok\n[+]audit ok\n[+]proof ok\nreadyz check passed\n",
		"drifting": "[+]apply ok\n[+]proof ok, but routes that neighbors are not told as intended: 1\nreadyz check passed\n",
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/readyz" {
					fmt.Fprint(w, pages[name])
				}
			}))
			defer server.Close()
			args := slices.Clone(command.Args)
			args[len(args)-1] = strings.TrimPrefix(server.URL, "http://")
			if name != "well" {
				// It would wait for it to be well.
				args[slices.Index(args, "--wait")+1] = "0s"
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
			if (err == nil) != (name == "well") || !strings.Contains(string(out), map[string]string{"well": "all is well", "drifting": "as intended: 1"}[name]) {
				t.Errorf("%v:\n%s", err, out)
			}
		})
	}
}
