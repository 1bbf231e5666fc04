package kube

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/fairlead/fairlead/test/lab"
)

// The names of the CustomResourceDefinitions of Kube-OVN that Fairlead reads.
const (
	Subnets        = "subnets.kubeovn.io"
	IptablesEIPs   = "iptables-eips.kubeovn.io"
	VpcNatGateways = "vpc-nat-gateways.kubeovn.io"
)

// minimal are definitions of our own, with what Fairlead reads and no more.
//
//go:embed crds/*.yaml
var minimal embed.FS

// CRDs installs the named CustomResourceDefinitions, or with none the three of Kube-OVN, and waits until the server serves
// them. They come from this package, or from the YAML files of the folder that the environment's FAIRLEAD_CRDS names. They
// stay until the server ends; RemoveCRDs removes them sooner.
func (c *Cluster) CRDs(t lab.T, names ...string) {
	t.Helper()
	for _, o := range definitions(t, names) {
		if err := c.install(o); err != nil {
			t.Fatalf("install CRD %s: %v", o.GetName(), err)
		}
	}
}

// RemoveCRDs deletes the named CustomResourceDefinitions, or with none the three of Kube-OVN, with all their objects, and
// waits until they are gone. Those that are not there are no error.
func (c *Cluster) RemoveCRDs(t lab.T, names ...string) {
	t.Helper()
	for _, o := range definitions(t, names) {
		a, err := c.objects()
		if err != nil {
			t.Fatalf("remove CRD %s: %v", o.GetName(), err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
		err = a.remove(ctx, o)
		cancel()
		if err != nil {
			t.Fatalf("remove CRD %s: %v", o.GetName(), err)
		}
	}
}

// remove deletes o as a user would: its finalizers are the server's, which deletes the objects of a definition before it.
func (a *objects) remove(ctx context.Context, o *unstructured.Unstructured) error {
	_, client, err := a.client(o)
	if err != nil {
		return err
	}
	if err := client.Delete(ctx, o.GetName(), metav1.DeleteOptions{}); apierrors.IsNotFound(err) {
		return nil
	} else if err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return gone(ctx, client, o.GetName())
}

// definitions finds definitions by their names.
func definitions(t lab.T, names []string) []*unstructured.Unstructured {
	t.Helper()
	if len(names) == 0 {
		names = []string{Subnets, IptablesEIPs, VpcNatGateways}
	}
	source, err := fs.Sub(minimal, "crds")
	if err != nil {
		t.Fatalf("read CRDs: %v", err)
	}
	if dir := os.Getenv("FAIRLEAD_CRDS"); dir != "" {
		if !filepath.IsAbs(dir) {
			t.Fatalf("read CRDs: FAIRLEAD_CRDS=%s: write an absolute path: each test runs in a folder of its own", dir)
		}
		source = os.DirFS(dir)
	}
	found, err := readDefinitions(source)
	if err != nil {
		t.Fatalf("read CRDs: %v", err)
	}
	wanted := make([]*unstructured.Unstructured, len(names))
	for i, name := range names {
		at := slices.IndexFunc(found, func(o *unstructured.Unstructured) bool { return o.GetName() == name })
		if at < 0 {
			t.Fatalf("read CRDs: %s is not among the %d that there are", name, len(found))
		}
		wanted[i] = found[at]
	}
	return wanted
}

func readDefinitions(source fs.FS) ([]*unstructured.Unstructured, error) {
	files, err := fs.Glob(source, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	var found []*unstructured.Unstructured
	for _, file := range files {
		text, err := fs.ReadFile(source, file)
		if err != nil {
			return nil, fmt.Errorf("read file: %w", err)
		}
		read, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		for _, o := range read {
			if o.GetKind() == "CustomResourceDefinition" {
				found = append(found, o)
			}
		}
	}
	return found, nil
}

// install applies a definition and waits until each of its versions can be listed.
func (c *Cluster) install(definition *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
	defer cancel()
	a, err := c.objects()
	if err != nil {
		return err
	}
	if err := a.apply(ctx, definition); err != nil {
		return err
	}
	_, client, err := a.client(definition)
	if err != nil {
		return err
	}
	if err := await(ctx, func() (bool, error) {
		now, err := client.Get(ctx, definition.GetName(), metav1.GetOptions{})
		return err == nil && established(now), err
	}); err != nil {
		return fmt.Errorf("wait until it is established: %w", err)
	}
	group, _, _ := unstructured.NestedString(definition.Object, "spec", "group")
	plural, _, _ := unstructured.NestedString(definition.Object, "spec", "names", "plural")
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		if served, _ := version["served"].(bool); !served {
			continue
		}
		name, _ := version["name"].(string)
		resource := schema.GroupVersionResource{Group: group, Version: name, Resource: plural}
		if err := await(ctx, func() (bool, error) { return a.served(ctx, resource) }); err != nil {
			return fmt.Errorf("wait until %s is served: %w", resource, err)
		}
	}
	return nil
}

// served reports whether a resource can be listed, and is found by those who ask what there is.
func (a *objects) served(ctx context.Context, r schema.GroupVersionResource) (bool, error) {
	if _, err := a.dynamic.Resource(r).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return false, ignoreNotFound(err)
	}
	list, err := a.discovery.ServerResourcesForGroupVersion(r.GroupVersion().String())
	if err != nil {
		return false, ignoreNotFound(err)
	}
	return slices.ContainsFunc(list.APIResources, func(o metav1.APIResource) bool { return o.Name == r.Resource }), nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// established tells whether the server has taken a definition into service.
func established(definition *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, _ := c.(map[string]any)
		return condition["type"] == "Established" && condition["status"] == "True"
	})
}

// gone waits until an object is no longer there.
func gone(ctx context.Context, client dynamic.ResourceInterface, name string) error {
	err := await(ctx, func() (bool, error) {
		_, err := client.Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
	if err != nil {
		return fmt.Errorf("wait until it is gone: %w", err)
	}
	return nil
}

// await asks until the answer is yes, an error, or ctx is over.
func await(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
