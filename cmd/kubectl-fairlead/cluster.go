package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"
)

// cluster is the API server.
type cluster struct {
	config *rest.Config
	client kubernetes.Interface
}

// open gives the cluster that the flags and the kubeconfig name, and the namespace to look in; "" means all.
func (o *options) open() (*cluster, string, error) {
	settings := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(o.rules, &o.overrides)
	config, err := settings.ClientConfig()
	if err != nil {
		return nil, "", fmt.Errorf("read kubeconfig: %w", err)
	}
	namespace, _, err := settings.Namespace()
	if err != nil {
		return nil, "", fmt.Errorf("read kubeconfig: %w", err)
	}
	if o.all {
		namespace = metav1.NamespaceAll
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, "", fmt.Errorf("make client: %w", err)
	}
	return &cluster{config: config, client: client}, namespace, nil
}

// pods lists those with the labels.
func (c *cluster) pods(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	list, err := c.client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		return nil, fmt.Errorf("list pods: %w", err)
	}
	return list.Items, nil
}

// in gives what runs a program in a container of an agent's pod: over WebSocket, and over SPDY where something between does not pass
// that on (Kubernetes 1.29 has both).
func (c *cluster) in(container string) run {
	return func(ctx context.Context, s speaker, args []string, stdout, stderr io.Writer) error {
		address := c.client.CoreV1().RESTClient().Post().Resource("pods").Namespace(s.namespace).Name(s.pod).SubResource("exec").
			VersionedParams(&corev1.PodExecOptions{Container: container, Command: args, Stdout: true, Stderr: true}, scheme.ParameterCodec).URL()
		spdy, err := remotecommand.NewSPDYExecutor(c.config, "POST", address)
		if err != nil {
			return err
		}
		socket, err := remotecommand.NewWebSocketExecutor(c.config, "GET", address.String())
		if err != nil {
			return err
		}
		either, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
			return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
		})
		if err != nil {
			return err
		}
		return either.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: stdout, Stderr: stderr})
	}
}

// findWithin bounds the search for agents, which is no matter of --timeout: that is what each of them gets to answer.
const findWithin = 30 * time.Second

// find gives the agents that the flags name, and who asks them.
func (o *options) find(ctx context.Context) ([]speaker, *asker, error) {
	c, namespace, err := o.open()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, findWithin)
	defer cancel()
	pods, err := c.pods(ctx, namespace, o.selector)
	if err != nil {
		return nil, nil, err
	}
	speakers := speakersOf(pods, o.container, o.nodes)
	if len(speakers) == 0 {
		where := "in namespace " + namespace
		if namespace == metav1.NamespaceAll {
			where = "in any namespace"
		}
		return nil, nil, fmt.Errorf("no pod %s has the labels %s and a container %s: name the release's namespace with -n", where,
			strings.TrimSpace(o.selector), o.container)
	}
	return speakers, &asker{run: c.in(o.container), socket: o.socket, timeout: o.timeout}, nil
}
