package watch

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// item is what is kept of an object of the API. Objects become items as soon as they are decoded, one by one or page by
// page, so that a list of ten thousand pods is never held as the API sent it.
type item struct {
	metav1.TypeMeta
	key     key
	version string
	// complete says that this is the bookmark which ends the initial objects of a streaming list.
	complete bool
	// value is a pointer to one of reduce's structs, or a *sight; nil for an object that matters to nobody.
	value any
	// err is what is wrong with the object. Where value is nil too, it cannot be used at all.
	err error
}

// mended replaces the value by one that has what it lacks, and notes what that is.
func (i *item) mended(value any, lacks error) {
	i.value = value
	if i.err != nil {
		lacks = fmt.Errorf("%w; %w", i.err, lacks)
	}
	i.err = lacks
}

// items is a list of them, as client-go wants to see one.
type items struct {
	metav1.TypeMeta
	metav1.ListMeta
	Items []*item
}

// GetObjectMeta is what client-go's reflector reads of an item.
func (i *item) GetObjectMeta() metav1.Object {
	m := &metav1.ObjectMeta{Namespace: i.key.namespace, Name: i.key.name, ResourceVersion: i.version}
	if i.complete {
		m.Annotations = map[string]string{metav1.InitialEventsAnnotationKey: "true"}
	}
	return m
}

// DeepCopyObject completes runtime.Object. What an item holds is never changed, so the copy shares it.
func (i *item) DeepCopyObject() runtime.Object {
	c := *i
	return &c
}

// DeepCopyObject completes runtime.Object.
func (l *items) DeepCopyObject() runtime.Object {
	c := *l
	return &c
}

// custom is an object of Kube-OVN's. What is in spec and status is read afterwards, object by object, so that one that
// is not as its CRD should have it does not stop the others.
type custom struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              json.RawMessage `json:"spec,omitempty"`
	Status            json.RawMessage `json:"status,omitempty"`
}

// customList is a list of them.
type customList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []custom `json:"items"`
}

// DeepCopyObject completes runtime.Object.
func (c *custom) DeepCopyObject() runtime.Object {
	out := &custom{TypeMeta: c.TypeMeta, Spec: c.Spec, Status: c.Status}
	c.DeepCopyInto(&out.ObjectMeta)
	return out
}

// DeepCopyObject completes runtime.Object.
func (l *customList) DeepCopyObject() runtime.Object {
	out := *l
	return &out
}

// itemOf makes an item of an object of the API. kind says of which kind an object of Kube-OVN's is: client-go takes that
// out of what it decodes.
func itemOf(object runtime.Object, kind string) *item {
	var i item
	switch o := object.(type) {
	case *pod:
		i = identify(o)
		if pod := readPod(&o.Pod); matters(pod) {
			i.value = pod
		}
	case *corev1.Service:
		i = identify(o)
		i.value = readService(o)
	case *corev1.Node:
		i = identify(o)
		i.value, i.err = readNode(o)
	case *corev1.Secret:
		i = identify(o)
		i.value = readSecret(o)
	case *metav1.PartialObjectMetadata:
		i = identify(o)
		i.value = &sight{uid: o.UID, ending: o.DeletionTimestamp != nil}
	case *custom:
		i = identify(o)
		i.value, i.err = readCustom(o, kind)
	default:
		i.err = fmt.Errorf("the API server sent a %T, which nobody asked for", object)
	}
	return &i
}

// identify reads what client-go's reflector needs of every object, bookmarks among them.
func identify(o metav1.Object) item {
	return item{key: key{pooled(o.GetNamespace()), o.GetName()}, version: o.GetResourceVersion(),
		complete: o.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true"}
}

// readMeta reads what all kinds have in common. Keys, and the names of subnets among the values, are shared by many
// objects.
func readMeta(o metav1.Object) reduce.Meta {
	m := reduce.Meta{Namespace: pooled(o.GetNamespace()), Name: o.GetName()}
	for name, value := range o.GetAnnotations() {
		if !reduce.KeepAnnotation(name) {
			continue
		}
		if m.Annotations == nil {
			m.Annotations = make(map[string]string)
		}
		if !strings.HasSuffix(name, reduce.SuffixAddress) {
			value = pooled(value)
		}
		m.Annotations[pooled(name)] = value
	}
	return m
}

// matters reports whether reduce could ever say anything of the pod as it is now. Most pods of most clusters do not
// matter, and need not be kept: one without any annotation that reduce reads asks for nothing and is in no subnet, so it
// inherits nothing either; one on the host network, or finished, inherits nothing, so its own wish is all that counts.
func matters(pod *reduce.Pod) bool {
	if !pod.HostNetwork && pod.Phase != string(corev1.PodSucceeded) && pod.Phase != string(corev1.PodFailed) {
		return len(pod.Annotations) > 0
	}
	for name := range pod.Annotations {
		if !strings.HasSuffix(name, reduce.SuffixAddress) && !strings.HasSuffix(name, reduce.SuffixSubnet) {
			return true
		}
	}
	return false
}

func readPod(o *corev1.Pod) *reduce.Pod {
	pod := &reduce.Pod{Meta: readMeta(o), Node: pooled(o.Spec.NodeName), HostNetwork: o.Spec.HostNetwork,
		Phase: pooled(string(o.Status.Phase))}
	for _, ip := range o.Status.PodIPs {
		pod.IPs = append(pod.IPs, ip.IP)
	}
	if len(pod.IPs) == 0 && o.Status.PodIP != "" {
		pod.IPs = []string{o.Status.PodIP}
	}
	return pod
}

func readService(o *corev1.Service) *reduce.Service {
	service := &reduce.Service{Meta: readMeta(o), Type: pooled(string(o.Spec.Type))}
	if len(o.Spec.ClusterIPs) > 0 {
		service.ClusterIPs = o.Spec.ClusterIPs
	} else if o.Spec.ClusterIP != "" {
		service.ClusterIPs = []string{o.Spec.ClusterIP}
	}
	return service
}

// readNode reads a node. An address that is none is left out, and told.
func readNode(o *corev1.Node) (*reduce.Node, error) {
	var bad error
	node := &reduce.Node{Meta: readMeta(o), Labels: o.Labels}
	for _, a := range o.Status.Addresses {
		if a.Type != corev1.NodeInternalIP {
			continue
		}
		address, err := netip.ParseAddr(a.Address)
		if err != nil {
			bad = fmt.Errorf("InternalIP %q is not an IP address; it is left out", a.Address)
			continue
		}
		node.Addresses = append(node.Addresses, address)
	}
	return node, bad
}

func readSecret(o *corev1.Secret) *reduce.Secret {
	secret := &reduce.Secret{Meta: readMeta(o), Data: make(map[string]route.Secret, len(o.Data))}
	for name, value := range o.Data {
		secret.Data[name] = route.Secret(value)
	}
	return secret
}

// readCustom reads an object of Kube-OVN's.
func readCustom(o *custom, kind string) (any, error) {
	switch kind {
	case "Subnet":
		var spec struct {
			CIDRBlock   string `json:"cidrBlock"`
			NATOutgoing bool   `json:"natOutgoing"`
		}
		var status struct {
			Conditions []struct {
				Type   string `json:"type"`
				Status string `json:"status"`
			} `json:"conditions"`
		}
		if err := o.into(&spec, &status); err != nil {
			return nil, err
		}
		subnet := &reduce.Subnet{Meta: readMeta(o), CIDRBlock: spec.CIDRBlock, NATOutgoing: spec.NATOutgoing}
		for _, c := range status.Conditions {
			if c.Type == "Ready" {
				subnet.Ready = c.Status == "True"
			}
		}
		return subnet, nil
	case "IptablesEIP":
		var spec struct {
			V4      string `json:"v4ip"`
			V6      string `json:"v6ip"`
			Gateway string `json:"natGwDp"`
		}
		var status struct {
			Ready bool `json:"ready"`
		}
		if err := o.into(&spec, &status); err != nil {
			return nil, err
		}
		eip := &reduce.EIP{Meta: readMeta(o), Gateway: pooled(o.Labels[reduce.LabelGateway]), V4: spec.V4, V6: spec.V6, Ready: status.Ready}
		if eip.Gateway == "" {
			eip.Gateway = pooled(spec.Gateway)
		}
		return eip, nil
	case "VpcNatGateway":
		var status struct {
			Workload struct {
				Nodes []string `json:"nodes"`
			} `json:"workload"`
		}
		if err := o.into(&struct{}{}, &status); err != nil {
			return nil, err
		}
		return &reduce.Gateway{Meta: readMeta(o), Nodes: status.Workload.Nodes}, nil
	default:
		return nil, fmt.Errorf("kind %q is none that is read", kind)
	}
}

// into reads what is wanted of spec and status. One that is missing or null leaves its struct as it is.
func (c *custom) into(spec, status any) error {
	for _, part := range []struct {
		name string
		text json.RawMessage
		out  any
	}{{"spec", c.Spec, spec}, {"status", c.Status, status}} {
		if len(part.text) == 0 {
			continue
		}
		if err := json.Unmarshal(part.text, part.out); err != nil {
			return fmt.Errorf("read %s: %w", part.name, err)
		}
	}
	return nil
}

// sight is what was seen of a CustomResourceDefinition.
type sight struct {
	// uid is "" where there is none of that name.
	uid types.UID
	// ending says that it is being deleted, and its objects before it.
	ending bool
	// blind says that nobody may look.
	blind bool
}
