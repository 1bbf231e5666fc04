package watch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
)

// How long an API server that went without a word may stay unnoticed by a connection: without this, a watch waits for
// events that cannot come.
const (
	dialTimeout   = 5 * time.Second
	probeInterval = 5 * time.Second
	silence       = 15 * time.Second
)

// established is how long a watch must last, where it tells nothing, to count as one that works.
const established = time.Second

// stalled is how long a request that is not a watch may take.
const stalled = 2 * time.Minute

// api speaks with the API server, in one connection for all resources.
type api struct {
	core, ovn, crds rest.Interface
	options         runtime.ParameterCodec
}

// newAPI sets up the clients; it sends nothing yet.
func newAPI(config *rest.Config) (*api, error) {
	config = rest.CopyConfig(config)
	if config.Dial == nil {
		config.Dial = dial
	}
	config.Timeout = 0 // it would end every watch
	config.WarningHandlerWithContext, config.WarningHandler = rest.NoWarnings{}, rest.NoWarnings{}
	if config.UserAgent == "" {
		config.UserAgent = "fairlead"
	}
	if config.QPS == 0 {
		config.QPS, config.Burst = 20, 40
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("set up the connection to the API server: %w", err)
	}

	scheme := runtime.NewScheme()
	kubeOVN := schema.GroupVersion{Group: "kubeovn.io", Version: "v1"}
	extensions := schema.GroupVersion{Group: "apiextensions.k8s.io", Version: "v1"}
	if err := metav1.AddMetaToScheme(scheme); err != nil {
		return nil, fmt.Errorf("register the kinds of Kubernetes: %w", err)
	}
	core := corev1.SchemeGroupVersion
	scheme.AddKnownTypeWithName(core.WithKind("Pod"), &pod{})
	scheme.AddKnownTypeWithName(core.WithKind("PodList"), &podList{})
	scheme.AddKnownTypes(core, &corev1.Service{}, &corev1.ServiceList{}, &corev1.Node{}, &corev1.NodeList{}, &corev1.Secret{}, &corev1.SecretList{})
	for _, kind := range []string{"Subnet", "IptablesEIP", "VpcNatGateway"} {
		scheme.AddKnownTypeWithName(kubeOVN.WithKind(kind), &custom{})
		scheme.AddKnownTypeWithName(kubeOVN.WithKind(kind+"List"), &customList{})
	}
	metav1.AddToGroupVersion(scheme, core)
	metav1.AddToGroupVersion(scheme, kubeOVN)
	metav1.AddToGroupVersion(scheme, extensions)
	codecs := serializer.NewCodecFactory(scheme).WithoutConversion()

	a := &api{options: runtime.NewParameterCodec(scheme)}
	for _, group := range []struct {
		client   *rest.Interface
		version  schema.GroupVersion
		path     string
		protobuf bool
	}{{&a.core, core, "/api", true}, {&a.ovn, kubeOVN, "/apis", false}, {&a.crds, extensions, "/apis", true}} {
		c := rest.CopyConfig(config)
		c.APIPath, c.GroupVersion, c.NegotiatedSerializer = group.path, &group.version, codecs
		c.ContentType, c.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON
		if group.protobuf {
			c.ContentType = runtime.ContentTypeProtobuf
			c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
		}
		if *group.client, err = rest.RESTClientForConfigAndClient(c, client); err != nil {
			return nil, fmt.Errorf("set up the client for %s: %w", group.version, err)
		}
	}
	return a, nil
}

// dial connects so that a peer which vanishes is noticed, whether we wait for it to speak or to acknowledge.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:         dialTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: probeInterval, Interval: probeInterval, Count: int(silence/probeInterval) - 1},
		Control: func(_, _ string, c syscall.RawConn) error {
			var err error
			if failed := c.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
			}); failed != nil {
				return failed
			}
			return err
		},
	}
	return dialer.DialContext(ctx, network, address)
}

// resource is a set of objects of one kind: all of them, those of a namespace, or one by its name.
type resource struct {
	client  rest.Interface
	options runtime.ParameterCodec
	// plural is the resource's name in the API, and kind that of its objects where they are Kube-OVN's.
	plural, kind string
	namespace    string
	// name is the only object of interest; "" where several are.
	name string
	// fields selects among the objects; "" takes all of them.
	fields string
	// metadata asks for the objects' metadata only.
	metadata bool
}

// group names the resource for an error.
func (r resource) group() schema.GroupResource {
	return schema.GroupResource{Group: r.client.APIVersion().Group, Resource: r.plural}
}

// request begins one to read the objects. client-go's own retries are off: they hide for a minute that something is wrong.
func (r resource) request(single bool) *rest.Request {
	request := r.client.Get().Resource(r.plural).MaxRetries(0)
	if r.namespace != "" {
		request.Namespace(r.namespace)
	}
	if r.metadata {
		kind := "PartialObjectMetadata"
		if !single {
			kind += "List"
		}
		form := ";as=" + kind + ";g=meta.k8s.io;v=v1"
		request.SetHeader("Accept", runtime.ContentTypeProtobuf+form, runtime.ContentTypeJSON+form)
	}
	return request
}

// list reads the objects, or a page of them.
func (r resource) list(ctx context.Context, options metav1.ListOptions) (*items, error) {
	ctx, cancel := context.WithTimeout(ctx, stalled)
	defer cancel()
	options.FieldSelector = r.fields
	list, err := r.request(false).VersionedParams(&options, r.options).Do(ctx).Get()
	if err != nil {
		return nil, err
	}
	about, err := meta.ListAccessor(list)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", r.plural, err)
	}
	out := &items{ListMeta: metav1.ListMeta{ResourceVersion: about.GetResourceVersion(), Continue: about.GetContinue(),
		RemainingItemCount: about.GetRemainingItemCount()}}
	return out, meta.EachListItem(list, func(o runtime.Object) error {
		if i := itemOf(o, r.kind); i.value != nil || i.err != nil {
			out.Items = append(out.Items, i)
		}
		return nil
	})
}

// watch follows the objects. healthy is called once, when the API server told something or kept the watch for a second;
// failed for each error that it sends within the watch.
func (r resource) watch(ctx context.Context, options metav1.ListOptions, healthy func(), failed func(error)) (watch.Interface, error) {
	options.Watch, options.FieldSelector = true, r.fields
	incoming, err := r.request(true).VersionedParams(&options, r.options).Watch(ctx)
	if err != nil {
		return nil, err
	}
	s := &stream{incoming: incoming, kind: r.kind, out: make(chan watch.Event), done: make(chan struct{}),
		initial: options.SendInitialEvents != nil && *options.SendInitialEvents, healthy: healthy, failed: failed}
	select {
	case event, open := <-incoming.ResultChan():
		if !open {
			// This is how client-go tells of a connection that broke before there was an answer.
			return nil, errClosed
		}
		s.first = &event
	default:
	}
	go s.run()
	return s, nil
}

var errClosed = errors.New("the API server closed the connection")

// stream is a watch whose objects have become items.
type stream struct {
	incoming watch.Interface
	kind     string
	first    *watch.Event
	out      chan watch.Event
	// initial says that the objects which exist are still being sent.
	initial bool
	healthy func()
	failed  func(error)
	done    chan struct{}
	stop    sync.Once
}

// ResultChan completes watch.Interface.
func (s *stream) ResultChan() <-chan watch.Event { return s.out }

// Stop completes watch.Interface.
func (s *stream) Stop() {
	s.stop.Do(func() { close(s.done) })
	s.incoming.Stop()
}

// run ends when the watch ends or is stopped.
func (s *stream) run() {
	defer close(s.out)
	calm := time.NewTimer(established)
	defer calm.Stop()
	if s.first != nil && !s.pass(*s.first) {
		return
	}
	for {
		select {
		case <-s.done:
			return
		case <-calm.C:
			s.works()
		case event, open := <-s.incoming.ResultChan():
			if !open || !s.pass(event) {
				return
			}
		}
	}
}

func (s *stream) works() {
	if s.healthy != nil {
		s.healthy()
		s.healthy = nil
	}
}

// pass hands an event on and reports whether somebody still listens.
func (s *stream) pass(event watch.Event) bool {
	if event.Type == watch.Error {
		s.failed(apierrors.FromObject(event.Object))
	} else {
		s.works()
		i := itemOf(event.Object, s.kind)
		if event.Type == watch.Bookmark {
			s.initial = s.initial && !i.complete
			i.value, i.err = nil, nil
		}
		if s.initial && event.Type == watch.Added && i.value == nil && i.err == nil {
			return true // not even the list that is being gathered needs to hold it
		}
		event.Object = i
	}
	select {
	case s.out <- event:
		return true
	case <-s.done:
		return false
	}
}

// transient reports whether an error is of the kind that passes by itself, so that a watch can go on where it was: the
// API server away, starting, or busy.
func transient(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	switch status.Status().Code {
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable:
		return true
	}
	return false
}
