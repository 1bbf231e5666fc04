package chart

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/fairlead/fairlead/config"
)

var update = flag.Bool("update", false, "write the goldens anew")

// read gives what stands at a path of an object. A key that the type does not know is an error.
func read[T any](t *testing.T, o *unstructured.Unstructured, path ...string) T {
	t.Helper()
	var value T
	if o == nil {
		t.Fatal("there is no such object")
	}
	inner, _, err := unstructured.NestedFieldNoCopy(o.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(inner)
	if err == nil {
		err = yaml.UnmarshalStrict(text, &value)
	}
	if err != nil {
		t.Fatalf("%s: %v", o.GetName(), err)
	}
	return value
}

// TestExamples compares what helm makes of each example with its golden, and has the agent read its file.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, name := range matches(t, dir+"/examples/*.yaml") {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			got, err := template(t, file(t, name))
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", filepath.Base(name))
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(file(t, golden), got); diff != "" {
				t.Errorf("run the test with -update where this is meant (-want +got):\n%s", diff)
			}

			objects := objectsOf(t, got)
			text := configOf(t, objects)
			c, err := config.Parse(name, []byte(text))
			if err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
			for _, n := range c.Neighbors {
				if n.PasswordFile != "" && !slices.Contains(files(podOf(t, objects)), n.PasswordFile) {
					t.Errorf("the file %s is not mounted", n.PasswordFile)
				}
			}
			daemons := podOf(t, objects)
			if mounted := mounts(daemons, "/etc/fairlead"); len(mounted) != 1 || mounted[0].SubPath != "" {
				t.Errorf("the configuration is mounted as %+v, want a folder", mounted)
			}
		})
	}
}

// files gives the paths under the folder of the configuration that the pod gets out of ConfigMaps and Secrets.
func files(pod corev1.PodTemplateSpec) []string {
	var paths []string
	for _, v := range pod.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				for _, i := range s.ConfigMap.Items {
					paths = append(paths, i.Path)
				}
			}
			if s.Secret != nil {
				for _, i := range s.Secret.Items {
					if *i.Mode&0o137 == 0 {
						paths = append(paths, i.Path)
					}
				}
			}
		}
	}
	return paths
}

func mounts(pod corev1.PodTemplateSpec, path string) []corev1.VolumeMount {
	return slices.DeleteFunc(slices.Clone(pod.Spec.Containers[0].VolumeMounts), func(m corev1.VolumeMount) bool {
		return m.MountPath != path
	})
}

// TestSwitches renders what only some values make.
func TestSwitches(t *testing.T) {
	t.Parallel()
	const one = "config:\n  asn: 65000\n  neighbors: [{address: 10.32.32.254, asn: 65030}]\n"
	kinds := func(objects map[string]*unstructured.Unstructured) []string { return slices.Sorted(maps.Keys(objects)) }

	t.Run("templates", func(t *testing.T) {
		t.Parallel()
		const folder = "/etc/fairlead-templates"
		objects := rendered(t, one+"  templatesDir: "+folder+"\ntemplates:\n  neighbor.tmpl: |\n    {{ .Address }}\n")
		made := objects["ConfigMap fairlead-templates"]
		if data := read[map[string]string](t, made, "data"); len(data) != 1 || data["neighbor.tmpl"] != "{{ .Address }}\n" {
			t.Errorf("the templates are %q", data)
		}
		pod := podOf(t, objects)
		mounted := mounts(pod, folder)
		if len(mounted) != 1 || mounted[0].SubPath != "" {
			t.Fatalf("they are mounted as %+v, want a folder", mounted)
		}
		for _, v := range pod.Spec.Volumes {
			if v.Name == mounted[0].Name && (v.ConfigMap == nil || v.ConfigMap.Name != made.GetName() || len(v.ConfigMap.Items) > 0) {
				t.Errorf("their volume is %+v, want all of the ConfigMap", v)
			}
		}
	})
	t.Run("listen nowhere", func(t *testing.T) {
		t.Parallel()
		objects := rendered(t, one+"  status: {listen: ''}\nmetrics: {serviceMonitor: {enabled: true}}\nnetworkPolicy: {enabled: true}\n")
		agent := podOf(t, objects).Spec.Containers[0]
		if agent.LivenessProbe != nil || agent.ReadinessProbe != nil || len(agent.Ports) != 0 {
			t.Errorf("the agent has probes or ports: %+v", agent)
		}
		for _, kind := range kinds(objects) {
			if strings.HasPrefix(kind, "Service ") || strings.HasPrefix(kind, "NetworkPolicy") || strings.HasPrefix(kind, "ServiceMonitor") {
				t.Errorf("there is %s", kind)
			}
		}
	})
	for listen, want := range map[string]string{":8080": ":8080", "127.0.0.1:9000": "127.0.0.1:9000", "[::1]:9001": "::1:9001", "0.0.0.0:9002": ":9002"} {
		t.Run("listen "+listen, func(t *testing.T) {
			t.Parallel()
			agent := podOf(t, rendered(t, one+"  status: {listen: '"+listen+"'}\n")).Spec.Containers[0]
			probe := agent.ReadinessProbe.HTTPGet
			port := agent.Ports[0].ContainerPort
			if got := probe.Host + ":" + jsonOf(t, port); got != want || probe.Port.StrVal != agent.Ports[0].Name {
				t.Errorf("probes %s, port %s, want %s", got, probe.Port.String(), want)
			}
		})
	}
	t.Run("one alone cannot find the agents", func(t *testing.T) {
		t.Parallel()
		_, err := template(t, one+"metrics: {service: {enabled: false}, serviceMonitor: {enabled: true}}\n")
		if err == nil || !strings.Contains(err.Error(), "set metrics.service.enabled too") {
			t.Errorf("a ServiceMonitor without a Service: %v", err)
		}
	})
	t.Run("digest", func(t *testing.T) {
		t.Parallel()
		digest := "sha256:" + strings.Repeat("0f", 32)
		image := "image: {repository: registry.example.com/fairlead, tag: 0.1.0, digest: '" + digest + "'}\n"
		for name, o := range rendered(t, one+image) {
			path := map[string][]string{"DaemonSet": {"spec", "template", "spec"}, "Pod": {"spec"}}[o.GetKind()]
			if path == nil {
				continue
			}
			pod := read[corev1.PodSpec](t, o, path...)
			for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
				if want := "registry.example.com/fairlead:0.1.0@" + digest; c.Image != want {
					t.Errorf("%s runs %s in %s, want %s", name, c.Image, c.Name, want)
				}
			}
		}
	})
	for name, tt := range map[string]struct{ config, want string }{
		"apart":              {"", "TCP 7473"},
		"apart, a station":   {"  verify: {bmp: {listen: ':11019'}}\n", "TCP 7473, TCP 11019"},
		"one pod":            {"  frr: {mode: embedded}\n", "TCP 7473, TCP 179, UDP 3784, UDP 4784"},
		"one pod, all of it": {"  frr: {mode: embedded}\n  verify: {bmp: {listen: ':11019'}}\n", "TCP 7473, TCP 179, UDP 3784, UDP 4784, TCP 11019"},
	} {
		t.Run("policy, "+name, func(t *testing.T) {
			t.Parallel()
			policy := read[networkingv1.NetworkPolicySpec](t, rendered(t, one+tt.config+"networkPolicy: {enabled: true}\n")["NetworkPolicy fairlead-metrics"], "spec")
			var open []string
			for _, rule := range policy.Ingress {
				if len(rule.Ports) == 0 {
					t.Errorf("a rule opens every port: %+v", rule)
				}
				for _, port := range rule.Ports {
					open = append(open, fmt.Sprintf("%s %s", *port.Protocol, port.Port))
				}
			}
			if got := strings.Join(open, ", "); got != tt.want {
				t.Errorf("it opens %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("evictions", func(t *testing.T) {
		t.Parallel()
		budget := read[policyv1.PodDisruptionBudgetSpec](t, rendered(t, one+"podDisruptionBudget: {enabled: true, minAvailable: 3}\n")["PodDisruptionBudget fairlead"], "spec")
		selector := read[metav1.LabelSelector](t, rendered(t, one)["DaemonSet fairlead"], "spec", "selector")
		three := intstr.FromInt32(3)
		want := policyv1.PodDisruptionBudgetSpec{MinAvailable: &three, Selector: &selector}
		if diff := cmp.Diff(want, budget); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("withdraw", func(t *testing.T) {
		t.Parallel()
		pod := podOf(t, rendered(t, one+"withdrawOnExit: true\n")).Spec
		if args := pod.Containers[0].Args; !slices.Equal(args, []string{"run", "--withdraw-on-exit"}) {
			t.Errorf("args %q", args)
		}
		if given := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; given != grace {
			t.Errorf("its end may take %s, and the test of a container gives it %s", given, grace)
		}
		if _, err := template(t, one+"terminationGracePeriodSeconds: 0\n"); err != nil {
			t.Errorf("an end without a word, where nothing is withdrawn: %v", err)
		}
	})
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestNewPods changes values, and looks whether pods begin anew: only for what an agent reads once, or is itself.
func TestNewPods(t *testing.T) {
	t.Parallel()
	const one = "config:\n  asn: 65000\n  neighbors: [{address: 10.32.32.254, asn: 65030}]\n"
	before := podOf(t, rendered(t, one))
	for change, anew := range map[string]bool{
		"  announce: {clusterIPs: true}\n": false,
		"  med: 5\n":                       false,
		"  logging: {level: debug}\n":      false,
		"  frr: {audit: {drift: report}, foreign: ['router bgp 1 / bgp x']}": false,
		"  verify: {bmp: {feed: false}}\n":                                   false,
		"metrics: {prometheusRule: {enabled: true}}\n":                       false,
		"podDisruptionBudget: {enabled: true}\n":                             false,
		"  templatesDir: /etc/fairlead-templates\ntemplates: {a.tmpl: x}\n":  false,
		"templates: {a.tmpl: x, b.tmpl: x}\n":                                false,
		"passwords: [{secret: bgp, key: tor1}]\n":                            true,
		"  frr: {paths: {vtysh: /usr/sbin/vtysh}}\n":                         true,
		"  verify: {tap: false}\n":                                           true,
		"  verify: {bmp: {listen: ':11019'}}\n":                              true,
		"  kubernetes: {scope: node}\n":                                      true,
		"  natGateway: gw1\n":                                                true,
		"  events: false\n":                                                  true,
		"  status: {pprof: true}\n":                                          true,
		"image: {tag: 0.1.1}\n":                                              true,
	} {
		t.Run(change, func(t *testing.T) {
			t.Parallel()
			if got := !reflect.DeepEqual(before, podOf(t, rendered(t, one+change))); got != anew {
				t.Errorf("new pods: %v, want %v", got, anew)
			}
		})
	}
}

// TestNewChart renders the same values with another version of the chart, which alone begins no new pods.
func TestNewChart(t *testing.T) {
	t.Parallel()
	const one = "config: {asn: 65000}\n"
	next := t.TempDir()
	if err := os.CopyFS(next, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(file(t, next+"/Chart.yaml"), "\nversion: ", "\nversion: 9", 1)
	if err := os.WriteFile(next+"/Chart.yaml", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	before := rendered(t, one)
	manifests, err := helm(t, one, "template", "fairlead", next, "--namespace", "fairlead", "--kube-version", "v1.35.0", "--values", "-")
	if err != nil {
		t.Fatal(err)
	}
	after := objectsOf(t, manifests)
	const label = "helm.sh/chart"
	if old, now := before["DaemonSet fairlead"].GetLabels()[label], after["DaemonSet fairlead"].GetLabels()[label]; old == now {
		t.Errorf("both charts are %s", now)
	}
	if diff := cmp.Diff(podOf(t, before), podOf(t, after)); diff != "" {
		t.Errorf("the pods are others (-before +after):\n%s", diff)
	}
}

// TestImage holds the image's version to the chart's.
func TestImage(t *testing.T) {
	t.Parallel()
	var chart struct{ AppVersion string }
	var values struct{ Image struct{ Tag string } }
	for name, into := range map[string]any{"Chart.yaml": &chart, "values.yaml": &values} {
		if err := yaml.Unmarshal([]byte(file(t, filepath.Join(dir, name))), into); err != nil {
			t.Fatal(err)
		}
	}
	if chart.AppVersion == "" || chart.AppVersion != values.Image.Tag {
		t.Errorf("appVersion is %q, image.tag %q", chart.AppVersion, values.Image.Tag)
	}
}

// TestLint runs helm lint over each example.
func TestLint(t *testing.T) {
	t.Parallel()
	for _, name := range matches(t, dir+"/examples/*.yaml") {
		if out, err := helm(t, "", "lint", dir, "--strict", "--kube-version", "v1.35.0", "--values", name); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
