package watch

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead/fairlead/reduce"
)

// pod is a Pod that is decoded only as far as itemOf reads it. Pods are what a cluster has most of and what changes most often,
// on every node's agent: to decode one whole costs ten times as much. As JSON it is decoded whole.
type pod struct{ corev1.Pod }

// podList is a list of them.
type podList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata"`
	Items           []pod `json:"items"`
}

// DeepCopyObject completes runtime.Object.
func (p *pod) DeepCopyObject() runtime.Object { return &pod{*p.DeepCopy()} }

// DeepCopyObject completes runtime.Object.
func (l *podList) DeepCopyObject() runtime.Object {
	out := *l
	out.Items = slices.Clone(l.Items)
	return &out
}

// Reset completes what client-go's protobuf serializer asks of a message.
func (l *podList) Reset() { *l = podList{} }

// Unmarshal decodes a PodList. The numbers of its fields, and those below, are in k8s.io/api/core/v1/generated.proto.
func (l *podList) Unmarshal(data []byte) error {
	return eachField(data, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 1:
			return l.ListMeta.Unmarshal(value)
		case 2:
			l.Items = append(l.Items, pod{})
			return l.Items[len(l.Items)-1].Unmarshal(value)
		}
		return nil
	})
}

// Unmarshal decodes what is read of a Pod.
func (p *pod) Unmarshal(data []byte) error {
	return eachField(data, func(number protowire.Number, value []byte, _ uint64) error {
		switch number {
		case 1:
			return eachField(value, p.metadata)
		case 2:
			return eachField(value, p.spec)
		case 3:
			return eachField(value, p.status)
		}
		return nil
	})
}

// metadata decodes a field of ObjectMeta.
func (p *pod) metadata(number protowire.Number, value []byte, _ uint64) error {
	switch number {
	case 1:
		p.Name = string(value)
	case 3:
		p.Namespace = string(value)
	case 6:
		p.ResourceVersion = string(value)
	case 12:
		var entry [3][]byte // the key is field 1 of it, the value field 2
		err := eachField(value, func(number protowire.Number, value []byte, _ uint64) error {
			if int(number) < len(entry) {
				entry[number] = value
			}
			return nil
		})
		if key := string(entry[1]); reduce.KeepAnnotation(key) || key == metav1.InitialEventsAnnotationKey {
			metav1.SetMetaDataAnnotation(&p.ObjectMeta, key, string(entry[2]))
		}
		return err
	}
	return nil
}

// spec decodes a field of PodSpec.
func (p *pod) spec(number protowire.Number, value []byte, varint uint64) error {
	switch number {
	case 10:
		p.Spec.NodeName = string(value)
	case 11:
		p.Spec.HostNetwork = varint != 0
	}
	return nil
}

// status decodes a field of PodStatus.
func (p *pod) status(number protowire.Number, value []byte, _ uint64) error {
	switch number {
	case 1:
		p.Status.Phase = corev1.PodPhase(value)
	case 6:
		p.Status.PodIP = string(value)
	case 12:
		var ip corev1.PodIP
		if err := ip.Unmarshal(value); err != nil {
			return err
		}
		p.Status.PodIPs = append(p.Status.PodIPs, ip)
	}
	return nil
}

// eachField calls field for each field of a protobuf message, with its bytes, or with its number where it is one. Fields of
// other kinds, which nobody reads, have neither.
func eachField(message []byte, field func(number protowire.Number, value []byte, varint uint64) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("decode pod: %w", protowire.ParseError(n))
		}
		message = message[n:]
		var value []byte
		var varint uint64
		switch kind {
		case protowire.BytesType:
			value, n = protowire.ConsumeBytes(message)
		case protowire.VarintType:
			varint, n = protowire.ConsumeVarint(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return fmt.Errorf("decode pod: %w", protowire.ParseError(n))
		}
		message = message[n:]
		if err := field(number, value, varint); err != nil {
			return err
		}
	}
	return nil
}
