package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// fullPod is a pod as clusters have them, with what is read of it and much that is not.
func fullPod() *corev1.Pod {
	grace, started := int64(30), true
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-6f7d9c5b4-x2v9k", GenerateName: "web-6f7d9c5b4-", Namespace: "shop", UID: "0b9c9a8e-1f3c-4c8f-9a52-9d7d0a3d2c11",
			ResourceVersion: "48213", Generation: 3, CreationTimestamp: metav1.Unix(1_700_000_000, 0), DeletionGracePeriodSeconds: &grace,
			Labels: map[string]string{"app": "web", "pod-template-hash": "6f7d9c5b4"},
			Annotations: map[string]string{"fairlead.io/bgp": "true", "ovn.kubernetes.io/ip_address": "10.16.0.5", "ovn.kubernetes.io/logical_switch": "ovn-default",
				"net1.default.ovn.kubernetes.io/ip_address": "10.17.0.5", "checksum/config": strings.Repeat("5f1c", 16)},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web-6f7d9c5b4", UID: "u"}},
			Finalizers:      []string{"example.com/finalizer"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "kubectl", Operation: metav1.ManagedFieldsOperationApply,
				FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:metadata":` + strings.Repeat(`{"f:annotations":`, 20) + strings.Repeat("}", 21))}}},
		},
		Spec: corev1.PodSpec{NodeName: "node1", HostNetwork: true, ServiceAccountName: "default", TerminationGracePeriodSeconds: &grace},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, HostIP: "10.0.1.2", PodIP: "10.16.0.5", PodIPs: []corev1.PodIP{{IP: "10.16.0.5"}, {IP: "fd00::5"}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
	for _, name := range []string{"main", "proxy"} {
		container := corev1.Container{Name: name, Image: "registry.example.com/shop/" + name + ":1.28.3"}
		for e := range 8 {
			container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", e), Value: "http://service.shop.svc.cluster.local:8080/path"})
		}
		p.Spec.Containers = append(p.Spec.Containers, container)
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: name, Started: &started,
			ImageID: container.Image + "@sha256:" + strings.Repeat("0a", 32), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	}
	return p
}

// wire is what the API server sends of an object, without its envelope.
func wire(tb testing.TB, o interface{ Marshal() ([]byte, error) }) []byte {
	tb.Helper()
	data, err := o.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

var compareItems = cmp.AllowUnexported(item{}, key{})

// The bookmark that ends a streaming list is a pod too, with nothing in it but its version and an annotation.
func TestPodList(t *testing.T) {
	bookmark := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{ResourceVersion: "7", Annotations: map[string]string{metav1.InitialEventsAnnotationKey: "true"}}}
	whole := corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "12", Continue: "on", RemainingItemCount: new(int64)},
		Items: []corev1.Pod{*fullPod(), *bookmark, {}}}
	var list podList
	if err := list.Unmarshal(wire(t, &whole)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole.ListMeta, list.ListMeta); diff != "" {
		t.Error(diff)
	}
	if len(list.Items) != len(whole.Items) {
		t.Fatalf("%d pods, want %d", len(list.Items), len(whole.Items))
	}
	for i := range whole.Items {
		if diff := cmp.Diff(itemOf(&pod{whole.Items[i]}, ""), itemOf(&list.Items[i], ""), compareItems); diff != "" {
			t.Errorf("pod %d (-whole +what is read):\n%s", i, diff)
		}
	}
	if i := itemOf(&list.Items[0], ""); i.value == nil || i.key.name == "" {
		t.Errorf("%+v says nothing", i)
	}
	if !itemOf(&list.Items[1], "").complete {
		t.Error("the bookmark does not end the list")
	}
}

// FuzzPod: of whatever decodes as a pod, the same is read as of one that is decoded whole.
func FuzzPod(f *testing.F) {
	seed := func(p *corev1.Pod) {
		data := wire(f, p)
		for _, err := range []error{new(corev1.Pod).Unmarshal(data), new(pod).Unmarshal(data)} {
			if err != nil {
				f.Fatal(err)
			}
		}
		f.Add(data)
	}
	full := fullPod()
	seed(full)
	full.Status.PodIPs, full.Spec.HostNetwork = nil, false
	seed(full)
	deleted := metav1.NewTime(time.Unix(1_700_000_100, 0))
	seed(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &deleted}, Status: corev1.PodStatus{Phase: corev1.PodFailed}})
	f.Fuzz(func(t *testing.T, data []byte) {
		var whole, read pod
		// Neither has to find all that is wrong with what no API server would send.
		if whole.Pod.Unmarshal(data) != nil || read.Unmarshal(data) != nil {
			return
		}
		if diff := cmp.Diff(itemOf(&whole, ""), itemOf(&read, ""), compareItems); diff != "" {
			t.Errorf("(-whole +what is read):\n%s", diff)
		}
	})
}

// BenchmarkPod is what an event about a pod costs to decode, and what it would cost to decode it whole.
func BenchmarkPod(b *testing.B) {
	data := wire(b, fullPod())
	for name, decode := range map[string]func() error{
		"read":  func() error { return new(pod).Unmarshal(data) },
		"whole": func() error { return new(corev1.Pod).Unmarshal(data) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := decode(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
