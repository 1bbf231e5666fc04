package chart

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const plain = "config:\n  asn: 65000\n  neighbors: [{address: 10.32.32.254, asn: 65030}]\n"

// TestApart looks at what FRR's pod and the agent's share, and at what they must not.
func TestApart(t *testing.T) {
	t.Parallel()
	objects := rendered(t, plain)
	agent := read[appsv1.DaemonSetSpec](t, objects["DaemonSet fairlead"], "spec")
	frr := read[appsv1.DaemonSetSpec](t, objects["DaemonSet fairlead-frr"], "spec")
	if frr.UpdateStrategy.Type != appsv1.OnDeleteDaemonSetStrategyType || agent.UpdateStrategy.Type != appsv1.RollingUpdateDaemonSetStrategyType {
		t.Errorf("FRR's pods are replaced %s, the agents' %s", frr.UpdateStrategy.Type, agent.UpdateStrategy.Type)
	}
	if frr.MinReadySeconds < agent.MinReadySeconds || agent.MinReadySeconds == 0 {
		t.Errorf("a new FRR is ready for %d s before the next one is replaced, an agent for %d s", frr.MinReadySeconds, agent.MinReadySeconds)
	}
	chooses := func(s *metav1.LabelSelector, pod corev1.PodTemplateSpec) bool {
		selector, err := metav1.LabelSelectorAsSelector(s)
		if err != nil {
			t.Fatal(err)
		}
		return selector.Matches(labels.Set(pod.Labels))
	}
	if !chooses(agent.Selector, agent.Template) || !chooses(frr.Selector, frr.Template) || chooses(agent.Selector, frr.Template) || chooses(frr.Selector, agent.Template) {
		t.Errorf("the selectors are %v and %v", agent.Selector, frr.Selector)
	}
	type meeting struct {
		host, inside string
		readOnly     bool
	}
	meetings := func(pod corev1.PodTemplateSpec) []meeting {
		var all []meeting
		for _, m := range pod.Spec.Containers[0].VolumeMounts {
			for _, v := range pod.Spec.Volumes {
				if v.Name == m.Name && v.HostPath != nil {
					all = append(all, meeting{v.HostPath.Path, m.MountPath, m.ReadOnly})
				}
			}
		}
		return all
	}
	want := []meeting{{"/var/lib/fairlead", "/var/lib/fairlead", false}, {"/run/fairlead", "/run/fairlead", false}, {"/run/fairlead/frr", "/var/run/frr", false}}
	if diff := cmp.Diff(want, meetings(agent.Template), cmp.AllowUnexported(meeting{})); diff != "" {
		t.Errorf("the agent's folders (-want +got)\n%s", diff)
	}
	// The agent alone writes frr.conf.
	want[0].readOnly = true
	if diff := cmp.Diff(want, meetings(frr.Template), cmp.AllowUnexported(meeting{})); diff != "" {
		t.Errorf("FRR's folders (-want +got)\n%s", diff)
	}
	pod := frr.Template.Spec
	if pod.ServiceAccountName != "" || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || !pod.HostNetwork {
		t.Errorf("FRR's pod is %+v", pod)
	}
	const socket = "--socket=/run/fairlead/vtysh/vtysh.sock"
	if c := pod.Containers[0]; !slices.Contains(c.Args, socket) || !slices.Contains(c.LivenessProbe.Exec.Command, socket) || !slices.Contains(c.ReadinessProbe.Exec.Command, socket) {
		t.Errorf("FRR's container is %+v", c)
	}
	for _, name := range []corev1.Capability{"NET_ADMIN", "SYS_ADMIN", "KILL"} {
		if slices.Contains(agent.Template.Spec.Containers[0].SecurityContext.Capabilities.Add, name) {
			t.Errorf("the agent has %s", name)
		}
	}
}

// TestFRRStays changes what agents are told, and looks whether FRR's pod becomes another one: only for what FRR is itself.
func TestFRRStays(t *testing.T) {
	t.Parallel()
	podOf := func(t *testing.T, values string) corev1.PodTemplateSpec {
		t.Helper()
		return read[corev1.PodTemplateSpec](t, rendered(t, values)["DaemonSet fairlead-frr"], "spec", "template")
	}
	before := podOf(t, plain)
	for change, anew := range map[string]bool{
		"  med: 5\n":                             false,
		"  kubernetes: {scope: node}\n":          false,
		"  verify: {tap: false}\n":               false,
		"  status: {pprof: true}\n":              false,
		"  frr: {audit: {drift: report}}\n":      false,
		"resources: {}\n":                        false,
		"templates: {a.tmpl: x}\n":               false,
		"passwords: [{secret: bgp, key: a}]\n":   false,
		"withdrawOnExit: true\n":                 false,
		"image: {tag: 0.1.1}\n":                  true,
		"  frr: {paths: {daemons: /opt/sbin}}\n": true,
		"  logging: {format: json}\n":            true,
		"frr: {runDir: /run/fairlead-2}\n":       true,
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			if got := !reflect.DeepEqual(before, podOf(t, plain+change)); got != anew {
				t.Errorf("another pod: %v, want %v", got, anew)
			}
		})
	}
}

// TestOnePod has the agent run FRR.
func TestOnePod(t *testing.T) {
	t.Parallel()
	objects := rendered(t, plain+"  frr: {mode: embedded}\n")
	for name := range objects {
		if strings.HasPrefix(name, "DaemonSet ") && name != "DaemonSet fairlead" {
			t.Errorf("there is %s", name)
		}
	}
	pod := podOf(t, objects).Spec
	for _, v := range pod.Volumes {
		if v.HostPath != nil && v.Name != "state" {
			t.Errorf("a folder of the host: %+v", v)
		}
	}
	apart := rendered(t, plain)
	for _, name := range []string{"DaemonSet fairlead", "DaemonSet fairlead-frr"} {
		for _, c := range read[corev1.PodTemplateSpec](t, apart[name], "spec", "template").Spec.Containers[0].SecurityContext.Capabilities.Add {
			if got := pod.Containers[0].SecurityContext.Capabilities.Add; !slices.Contains(got, c) {
				t.Errorf("the one container has %v, and not %s", got, c)
			}
		}
	}
}
