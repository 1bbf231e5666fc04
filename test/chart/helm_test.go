package chart

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

const (
	root = "../.."
	dir  = root + "/charts/fairlead"
)

// build gives the path of helm, of the version that tools/helm pins. It is built once: later it comes out of Go's cache.
var build = sync.OnceValues(func() (string, error) {
	command := exec.CommandContext(context.Background(), "go", "tool", "-modfile=tools/helm/go.mod", "-n", "helm")
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	var complaint bytes.Buffer
	command.Stderr = &complaint
	path, err := command.Output()
	if err != nil {
		err = errors.Join(err, errors.New(complaint.String()))
	}
	return strings.TrimSpace(string(path)), err
})

// helm runs it, in an empty home, with input to read.
func helm(t *testing.T, input string, args ...string) (string, error) {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatalf("build helm: %v", err)
	}
	// The test's own context is over when it cleans up.
	ctx, cancel := context.WithTimeout(context.Background(), 2*deadline)
	defer cancel()
	command := exec.CommandContext(ctx, path, args...)
	home := t.TempDir()
	command.Env = []string{"HOME=" + home, "HELM_CACHE_HOME=" + home, "HELM_CONFIG_HOME=" + home, "HELM_DATA_HOME=" + home}
	command.Stdin = strings.NewReader(input)
	var out, complaint bytes.Buffer
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return "", errors.Join(err, errors.New(complaint.String()))
	}
	return out.String(), nil
}

// template gives the manifests of a release with these values.
func template(t *testing.T, values string) (string, error) {
	t.Helper()
	return helm(t, values, "template", "fairlead", dir, "--namespace", "fairlead", "--kube-version", "v1.35.0", "--values", "-")
}

// rendered gives the objects of a release with these values.
func rendered(t *testing.T, values string) map[string]*unstructured.Unstructured {
	t.Helper()
	manifests, err := template(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return objectsOf(t, manifests)
}

// objectsOf gives the objects of manifests by kind and name, behind the namespace where it is not the release's.
func objectsOf(t *testing.T, manifests string) map[string]*unstructured.Unstructured {
	t.Helper()
	objects := map[string]*unstructured.Unstructured{}
	for document := range strings.SplitSeq(manifests, "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(strings.TrimPrefix(document, "---\n")+"\n"), &o.Object); err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		if len(o.Object) == 0 {
			continue
		}
		name := o.GetKind() + " " + o.GetName()
		if ns := o.GetNamespace(); ns != "" && ns != "fairlead" {
			name = o.GetKind() + " " + ns + "/" + o.GetName()
		}
		if objects[name] != nil {
			t.Errorf("there are two of %s", name)
		}
		objects[name] = &o
	}
	return objects
}

// configOf gives the agent's file out of the ConfigMap.
func configOf(t *testing.T, objects map[string]*unstructured.Unstructured) string {
	t.Helper()
	text, found, err := unstructured.NestedString(objects["ConfigMap fairlead"].Object, "data", "config.yaml")
	if err != nil || !found {
		t.Fatalf("the ConfigMap has no config.yaml: %v", err)
	}
	return text
}

// podOf gives what the DaemonSet makes.
func podOf(t *testing.T, objects map[string]*unstructured.Unstructured) corev1.PodTemplateSpec {
	t.Helper()
	return read[corev1.PodTemplateSpec](t, objects["DaemonSet fairlead"], "spec", "template")
}
