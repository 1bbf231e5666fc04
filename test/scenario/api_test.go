package scenario

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/watch"
)

// TestScenariosOnAPI gives the objects of each scenario to a real API server, which takes them all, and compares what each
// node should announce that follows it.
func TestScenariosOnAPI(t *testing.T) {
	cluster := kube.Shared(t)
	cluster.CRDs(t)
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) { playOnAPI(t, cluster, path) })
	}
}

func playOnAPI(t *testing.T, cluster *kube.Cluster, path string) {
	archive, c := read(t, path)
	wants := make(map[string]string)
	for _, f := range archive.Files {
		if isObjects(f) {
			t.Cleanup(func() { cluster.Delete(t, string(f.Data)) })
			cluster.Apply(t, string(f.Data))
		}
		if node, is := strings.CutPrefix(f.Name, "want-"); is && wants[node] == "" {
			wants[node] = string(f.Data)
		}
		if node, is := strings.CutPrefix(f.Name, "api-want-"); is {
			wants[node] = string(f.Data)
		}
	}
	for node, want := range wants {
		if got := follow(t, cluster, c, node, want); got != want {
			t.Errorf("%s (-want +got):\n%s", node, cmp.Diff(want, got))
		}
	}
}

// follow follows the cluster as the agent of a node until the node should announce what is wanted, or for a while; it returns
// what it should announce then.
func follow(t *testing.T, cluster *kube.Cluster, c config.Config, node, want string) string {
	t.Helper()
	const patience = 40 * time.Second
	log := logrus.New()
	log.SetOutput(t.Output())
	source, err := watch.NewCluster(cluster.Config(), watch.ClusterOptions{
		Node: node, OwnPods: c.Kubernetes.Scope == config.ScopeNode, NATGateway: c.NATGateway, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	wanted := watch.Wanted{Services: c.NATGateway == "", Secrets: c.SecretRefs()}
	source.Want(wanted)
	// The server's own caches may lag: what they hold at first need not be all.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got := "nothing: it is not synced\n"
	err = source.Run(ctx, func() {
		if source.Readiness(wanted) == watch.Complete {
			if got = told(source.Snapshot(), c, node); got == want {
				cancel()
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}
