package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/route"
)

// The reasons of the Events.
const (
	announced    = "Announced"
	withdrawn    = "Withdrawn"
	notAnnounced = "NotAnnounced"
	drifted      = "Drifted"
	proven       = "Proven"
)

const (
	// messageLimit is the most bytes of a message that the API server takes.
	messageLimit = 1024
	// nameLimit is the most bytes of an object's name (RFC 1123).
	nameLimit = 253
	// requestWithin is how long a request may take.
	requestWithin = 10 * time.Second
)

// kinds are the objects that can be told of, and where the API server has them.
var kinds = map[string]schema.GroupVersionResource{
	"Node":          {Version: "v1", Resource: "nodes"},
	"Pod":           {Version: "v1", Resource: "pods"},
	"Service":       {Version: "v1", Resource: "services"},
	"Subnet":        {Group: "kubeovn.io", Version: "v1", Resource: "subnets"},
	"IptablesEIP":   {Group: "kubeovn.io", Version: "v1", Resource: "iptables-eips"},
	"VpcNatGateway": {Group: "kubeovn.io", Version: "v1", Resource: "vpc-nat-gateways"},
}

// tellable reports whether Kubernetes has objects of o's kind. An entry of the agent's own configuration is none of them: who
// wrote it reads of it in the log and the status.
func tellable(o route.Object) bool {
	_, ok := kinds[o.Kind]
	return ok
}

// notice is what one Event says.
type notice struct {
	reason, message string
	// warning makes it a Warning, else it is Normal.
	warning bool
	// again means that it was told before and still stands: where Kubernetes remembers it, only its time moves on.
	again bool
}

// errPointless means that a notice can never be told: trying again does not help.
var errPointless = errors.New("cannot be told")

// errGone means that there is nobody to tell: the object, or its namespace, is being deleted or gone.
var errGone = fmt.Errorf("the object is gone: %w", errPointless)

// events writes Events.
type events struct {
	core     rest.Interface
	metadata metadata.Interface
	node     string
}

// post tells n on o. An Event's name says what it says, of which object, so that the same notice again, also by another
// speaker or after a restart, is the same Event with its count and time moved on. The error is errPointless where trying
// again does not help.
func (e *events) post(ctx context.Context, o route.Object, n notice) error {
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	event, err := e.event(ctx, o, n)
	if err == nil {
		err = e.write(ctx, event, n.again)
	}
	switch {
	case err == nil || errors.Is(err, errPointless):
		return err
	case apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return errGone
	case apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsMethodNotSupported(err):
		return fmt.Errorf("write event on %s: %w: %w", o, errPointless, err)
	}
	return fmt.Errorf("write event on %s: %w", o, err)
}

// write creates the Event, or moves the one on that is there.
func (e *events) write(ctx context.Context, event *corev1.Event, again bool) error {
	move := func(change map[string]any) error {
		change["lastTimestamp"] = event.LastTimestamp
		patch, err := json.Marshal(change)
		if err != nil {
			return fmt.Errorf("write patch of event %s: %w", event.Name, err)
		}
		return e.core.Patch(types.MergePatchType).Namespace(event.Namespace).Resource("events").Name(event.Name).Body(patch).
			Do(ctx).Error()
	}
	if again {
		if err := move(map[string]any{}); !apierrors.IsNotFound(err) {
			return err
		}
	}
	err := e.core.Post().Namespace(event.Namespace).Resource("events").Body(event).Do(ctx).Error()
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	old := &corev1.Event{}
	if err := e.core.Get().Namespace(event.Namespace).Resource("events").Name(event.Name).Do(ctx).Into(old); err != nil {
		return err
	}
	return move(map[string]any{"count": old.Count + 1})
}

// event builds the Event. The object's UID, by which kubectl describe finds its Events, is read now, and the object seen
// to be still there; where reading it is not allowed, the Event has none.
func (e *events) event(ctx context.Context, o route.Object, n notice) (*corev1.Event, error) {
	resource, ok := kinds[o.Kind]
	if !ok {
		return nil, fmt.Errorf("%s is not an object of the API: %w", o, errPointless)
	}
	found, err := e.metadata.Resource(resource).Namespace(o.Namespace).Get(ctx, o.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		found = &metav1.PartialObjectMetadata{}
	case err != nil:
		return nil, err
	}
	now := metav1.Now()
	event := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{
			Name:      eventName(o, string(found.UID), n),
			Namespace: o.Namespace,
		},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: resource.GroupVersion().String(),
			Kind:       o.Kind,
			Namespace:  o.Namespace,
			Name:       o.Name,
			UID:        found.UID,
		},
		Reason:              n.reason,
		Message:             shorten(n.message, messageLimit),
		Type:                corev1.EventTypeNormal,
		Source:              corev1.EventSource{Component: ourName, Host: e.node},
		ReportingController: ourName,
		ReportingInstance:   e.node,
		FirstTimestamp:      now,
		LastTimestamp:       now,
		Count:               1,
	}
	if event.Namespace == "" {
		event.Namespace = metav1.NamespaceDefault
	}
	if n.warning {
		event.Type = corev1.EventTypeWarning
	}
	return event, nil
}

// eventName gives "sample.0123456789abcdef": the object's name, and a hash of all that the Event says.
func eventName(o route.Object, uid string, n notice) string {
	suffix := fmt.Sprintf(".%016x", digest(o.Kind, o.Namespace, o.Name, uid, n.reason, n.message))
	name := o.Name[:min(len(o.Name), nameLimit-len(suffix))]
	return strings.TrimRight(name, "-.") + suffix
}

// shorten gives at most limit bytes of s, as valid UTF-8, and shows where something is missing.
func shorten(s string, limit int) string {
	const more = "..."
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= limit {
		return s
	}
	end := limit - len(more)
	for !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + more
}
