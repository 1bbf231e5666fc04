package chart

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead/fairlead/test/docs"
)

// TestDocsCommands holds each command of helm that the documentation shows against helm: what it would install is rendered.
func TestDocsCommands(t *testing.T) {
	t.Parallel()
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte("config:\n  asn: 65000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range docs.Commands(t, root, "helm") {
		args := slices.Clone(c.Args)
		for i := range args {
			switch args[i] {
			case "charts/fairlead":
				args[i] = dir
			case "values.yaml":
				args[i] = values
			}
		}
		switch {
		case c.Named:
			args = append(args, "--help")
		case args[0] == "install" || args[0] == "upgrade":
			args = append([]string{"template", "--kube-version", "v1.35.0"}, args[1:]...)
		default:
			// It asks a cluster: its flags are read, and no more.
			args = append(args, "--help")
		}
		said, err := helm(t, "", args...)
		if err == nil && args[0] != "template" && !strings.Contains(said, "\n  helm "+args[0]+" ") {
			err = errors.New("there is no such command")
		}
		if err != nil {
			t.Errorf("%s: helm %s: %v", c.At, strings.Join(c.Args, " "), err)
		}
	}
}

// TestDocsCapabilities: the guide says what each capability is for that a container has, and names no other.
func TestDocsCapabilities(t *testing.T) {
	t.Parallel()
	has := map[string]bool{}
	for name, o := range rendered(t, "config:\n  asn: 65000\n") {
		if !strings.HasPrefix(name, "DaemonSet ") {
			continue
		}
		pod := read[corev1.PodTemplateSpec](t, o, "spec", "template")
		for _, c := range slices.Concat(pod.Spec.Containers, pod.Spec.InitContainers) {
			for _, capability := range c.SecurityContext.Capabilities.Add {
				has[string(capability)] = true
			}
		}
	}
	_, table, _ := strings.Cut(file(t, root+"/docs/security.md"), "| capability | what for |\n|---|---|\n")
	told := map[string]bool{}
	for row := range strings.Lines(table) {
		if !strings.HasPrefix(row, "| `") {
			break
		}
		names, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for name := range strings.SplitSeq(names, ", ") {
			told[strings.Trim(name, "`")] = true
		}
	}
	if !maps.Equal(has, told) || len(has) == 0 {
		t.Errorf("the containers have %v, the guide tells of %v", slices.Sorted(maps.Keys(has)), slices.Sorted(maps.Keys(told)))
	}
}
