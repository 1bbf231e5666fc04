package kube

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/fairlead/fairlead/test/lab"
)

const (
	// owner is the field manager of what this package writes.
	owner = "fairlead-test"
	// hold keeps an object terminating until Delete takes it off.
	hold = "test.fairlead.dev/hold"
)

// Namespace makes a namespace that no other test has, and returns its name. When t ends, what lies in it is deleted: its pods,
// services, secrets, ConfigMaps, Events, Leases, EndpointSlices, accounts and roles. It itself stays, because no controller
// would finish its deletion.
func (c *Cluster) Namespace(t lab.T) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
	defer cancel()
	client, err := dynamic.NewForConfig(c.admin)
	if err != nil {
		t.Fatalf("make namespace: %v", err)
	}
	made, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).Create(ctx,
		&unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"generateName": "test-"},
		}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("make namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := c.empty(client, made.GetName()); err != nil {
			t.Logf("empty namespace %s: %v", made.GetName(), err)
		}
	})
	return made.GetName()
}

// ordinary are the namespaced resources that tests of an agent make, or the agent.
var ordinary = []schema.GroupVersionResource{
	{Version: "v1", Resource: "pods"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "secrets"},
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "events"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	{Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "roles"},
	{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "rolebindings"},
}

// empty deletes the objects of a namespace. It does nothing while the server is ended.
func (c *Cluster) empty(client dynamic.Interface, namespace string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
	defer cancel()
	var errs []error
	for _, resource := range ordinary {
		errs = append(errs, client.Resource(resource).Namespace(namespace).DeleteCollection(ctx, atOnce(), metav1.ListOptions{}))
	}
	return errors.Join(errs...)
}

// atOnce deletes without the time that a kubelet would give a pod.
func atOnce() metav1.DeleteOptions {
	none := int64(0)
	return metav1.DeleteOptions{GracePeriodSeconds: &none}
}

// Apply makes the cluster hold the objects of a manifest: YAML of one or more documents, lists unfolded. An object's status
// is written too. One with a deletionTimestamp ends up terminating, since the time that the server sets, and stays so until
// Delete. Namespaces that objects lie in are made. Apply fails t where the server refuses an object.
func (c *Cluster) Apply(t lab.T, manifest string) {
	t.Helper()
	if err := c.TryApply(manifest); err != nil {
		t.Fatalf("apply manifest: %v", err)
	}
}

// TryApply is Apply for a test of what the server refuses. The objects before the refused one stand.
func (c *Cluster) TryApply(manifest string) error {
	return c.each(manifest, (*objects).apply)
}

// Delete deletes the objects of a manifest at once and waits until they are gone. An object that is not there is no error.
func (c *Cluster) Delete(t lab.T, manifest string) {
	t.Helper()
	if err := c.each(manifest, (*objects).delete); err != nil {
		t.Fatalf("delete objects: %v", err)
	}
}

// each does something with every object of a manifest, and stops at the first error.
func (c *Cluster) each(manifest string, do func(*objects, context.Context, *unstructured.Unstructured) error) error {
	wanted, err := parse(manifest)
	if err != nil {
		return err
	}
	a, err := c.objects()
	if err != nil {
		return err
	}
	for _, o := range wanted {
		ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
		err := do(a, ctx, o)
		cancel()
		if err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), strings.TrimPrefix(o.GetNamespace()+"/"+o.GetName(), "/"), err)
		}
	}
	return nil
}

// parse reads the objects of a manifest.
func parse(manifest string) ([]*unstructured.Unstructured, error) {
	var read []*unstructured.Unstructured
	documents := utilyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(manifest)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		text, err := yaml.YAMLToJSON(document)
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		if bytes.Equal(text, []byte("null")) {
			continue
		}
		object, _, err := unstructured.UnstructuredJSONScheme.Decode(text, nil, nil)
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		switch o := object.(type) {
		case *unstructured.Unstructured:
			read = append(read, o)
		case *unstructured.UnstructuredList:
			for i := range o.Items {
				read = append(read, &o.Items[i])
			}
		}
	}
}

// objects is a client that learns from the server what kinds there are, at the time of each use: CRDs come and go.
type objects struct {
	dynamic   dynamic.Interface
	discovery discovery.DiscoveryInterface
	kinds     map[schema.GroupVersionKind]*kind
}

// kind is how the server serves one kind.
type kind struct {
	resource   schema.GroupVersionResource
	namespaced bool
	// status is whether the status is written apart.
	status bool
}

func (c *Cluster) objects() (*objects, error) {
	dynamicClient, err := dynamic.NewForConfig(c.admin)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	discoveryClient, err := discovery.NewDiscoveryClientForConfig(c.admin)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &objects{dynamic: dynamicClient, discovery: discoveryClient, kinds: map[schema.GroupVersionKind]*kind{}}, nil
}

// kind asks the server once about each group.
func (a *objects) kind(gvk schema.GroupVersionKind) (*kind, error) {
	if k := a.kinds[gvk]; k != nil {
		return k, nil
	}
	list, err := a.discovery.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if err != nil {
		return nil, fmt.Errorf("find resource: %w", err)
	}
	statuses := map[string]bool{}
	for _, r := range list.APIResources {
		if name, is := strings.CutSuffix(r.Name, "/status"); is {
			statuses[name] = true
		}
	}
	for _, r := range list.APIResources {
		if !strings.Contains(r.Name, "/") {
			a.kinds[gvk.GroupVersion().WithKind(r.Kind)] = &kind{
				resource: gvk.GroupVersion().WithResource(r.Name), namespaced: r.Namespaced, status: statuses[r.Name],
			}
		}
	}
	if k := a.kinds[gvk]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("find resource: the server serves no kind %s of %s", gvk.Kind, gvk.GroupVersion())
}

// client is for the objects beside o.
func (a *objects) client(o *unstructured.Unstructured) (*kind, dynamic.ResourceInterface, error) {
	k, err := a.kind(o.GroupVersionKind())
	if err != nil {
		return nil, nil, err
	}
	if !k.namespaced {
		return k, a.dynamic.Resource(k.resource), nil
	}
	if o.GetNamespace() == "" {
		o.SetNamespace(metav1.NamespaceDefault)
	}
	return k, a.dynamic.Resource(k.resource).Namespace(o.GetNamespace()), nil
}

func (a *objects) apply(ctx context.Context, o *unstructured.Unstructured) error {
	k, client, err := a.client(o)
	if err != nil {
		return err
	}
	terminating := o.GetDeletionTimestamp() != nil
	if terminating {
		o.SetFinalizers(append(o.GetFinalizers(), hold))
	}
	unstructured.RemoveNestedField(o.Object, "metadata", "deletionTimestamp")
	unstructured.RemoveNestedField(o.Object, "metadata", "deletionGracePeriodSeconds")
	status, has := o.Object["status"]
	if k.status {
		// Server-side apply takes no node with two addresses of one type: the status is written whole.
		delete(o.Object, "status")
	}
	made, err := patch(ctx, client, o)
	if apierrors.IsNotFound(err) && k.namespaced {
		if err := a.makeNamespace(ctx, o.GetNamespace()); err != nil {
			return err
		}
		made, err = patch(ctx, client, o)
	}
	if err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	if k.status && has {
		made.Object["status"] = status
		if _, err := client.UpdateStatus(ctx, made, metav1.UpdateOptions{FieldManager: owner}); err != nil {
			return fmt.Errorf("update status: %w", err)
		}
	}
	if terminating {
		if err := client.Delete(ctx, o.GetName(), atOnce()); err != nil {
			return fmt.Errorf("delete: %w", err)
		}
	}
	return nil
}

// patch applies o on the server's side, whoever else owns its fields.
func patch(ctx context.Context, client dynamic.ResourceInterface, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("write object: %w", err)
	}
	force := true
	return client.Patch(ctx, o.GetName(), types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: owner, Force: &force})
}

func (a *objects) makeNamespace(ctx context.Context, name string) error {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
	o.SetName(name)
	if err := a.apply(ctx, o); err != nil {
		return fmt.Errorf("make namespace %s: %w", name, err)
	}
	return nil
}

func (a *objects) delete(ctx context.Context, o *unstructured.Unstructured) error {
	_, client, err := a.client(o)
	if err != nil {
		return err
	}
	if err := client.Delete(ctx, o.GetName(), atOnce()); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	_, err = client.Patch(ctx, o.GetName(), types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{FieldManager: owner})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("remove finalizers: %w", err)
	}
	return gone(ctx, client, o.GetName())
}
