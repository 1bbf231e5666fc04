package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// scan reads the manifests of a folder, given what the last scan has found. The files it gives are sorted by name; those
// that are as they were are the same pointers.
func scan(dir string, last []*file) ([]*file, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read folder: %w", err)
	}
	entries = slices.DeleteFunc(entries, func(e os.DirEntry) bool { return !isManifest(e.Name()) })
	old := make(map[string]*file, len(last))
	for _, f := range last {
		old[f.name] = f
	}
	versions := make([]*version, len(entries))
	parallel(len(entries), func(i int) {
		name := entries[i].Name()
		versions[i] = load(filepath.Join(dir, name), name, old[name])
	})
	versions = slices.DeleteFunc(versions, func(v *version) bool { return v == nil })

	type part struct {
		version *version
		doc     *doc
		i       int
	}
	var parts []part
	for _, v := range versions {
		for _, d := range v.docs {
			for i := range d.parts {
				parts = append(parts, part{v, d, i})
			}
		}
	}
	parallel(len(parts), func(i int) { parts[i].version.parsePart(parts[i].doc, parts[i].i) })

	files := make([]*file, len(versions))
	for i, v := range versions {
		if files[i] = v.done; files[i] == nil {
			files[i] = v.finish()
		}
	}
	return files, nil
}

// isManifest reports whether a file of this name is read.
func isManifest(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return true
	default:
		return false
	}
}

// parallel calls do with 0 to n-1, on as many goroutines as there are processors, and returns when all are done.
func parallel(n int, do func(int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}

// merge gathers what the files hold, sorted. Of several objects with one key the last counts.
func merge(files []*file) (reduce.Snapshot, []Problem) {
	type place struct {
		file   *file
		object object
	}
	total := 0
	for _, f := range files {
		total += len(f.objects)
	}
	var problems []Problem
	places := make([]place, 0, total)
	index := make(map[route.Object]int, total)
	for _, f := range files {
		problems = append(problems, f.problems...)
		for _, o := range f.objects {
			i, twice := index[o.key]
			if !twice {
				index[o.key] = len(places)
				places = append(places, place{f, o})
				continue
			}
			problems = append(problems, Problem{f.name, o.line, fmt.Sprintf("%s stands also in %s:%d; this one is used, for it comes later",
				o.key, places[i].file.name, places[i].object.line)})
			places[i] = place{f, o}
		}
	}
	var s reduce.Snapshot
	for _, p := range places {
		switch o := p.object.value.(type) {
		case *reduce.Pod:
			s.Pods = append(s.Pods, o)
		case *reduce.Service:
			s.Services = append(s.Services, o)
		case *reduce.Node:
			s.Nodes = append(s.Nodes, o)
		case *reduce.Subnet:
			s.Subnets = append(s.Subnets, o)
		case *reduce.EIP:
			s.EIPs = append(s.EIPs, o)
		case *reduce.Gateway:
			s.Gateways = append(s.Gateways, o)
		case *reduce.Secret:
			s.Secrets = append(s.Secrets, o)
		}
	}
	slices.SortFunc(s.Pods, func(a, b *reduce.Pod) int { return compare(a.Meta, b.Meta) })
	slices.SortFunc(s.Services, func(a, b *reduce.Service) int { return compare(a.Meta, b.Meta) })
	slices.SortFunc(s.Nodes, func(a, b *reduce.Node) int { return compare(a.Meta, b.Meta) })
	slices.SortFunc(s.Subnets, func(a, b *reduce.Subnet) int { return compare(a.Meta, b.Meta) })
	slices.SortFunc(s.EIPs, func(a, b *reduce.EIP) int { return compare(a.Meta, b.Meta) })
	slices.SortFunc(s.Gateways, func(a, b *reduce.Gateway) int { return compare(a.Meta, b.Meta) })
	slices.SortFunc(s.Secrets, func(a, b *reduce.Secret) int { return compare(a.Meta, b.Meta) })
	sortProblems(problems)
	return s, problems
}

// compare orders objects of one kind by namespace and name.
func compare(a, b reduce.Meta) int {
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}

// sameSnapshot reports whether two snapshots say the same.
func sameSnapshot(a, b reduce.Snapshot) bool {
	return sameObjects(a.Pods, b.Pods) && sameObjects(a.Services, b.Services) &&
		sameObjects(a.Nodes, b.Nodes) && sameObjects(a.Subnets, b.Subnets) &&
		sameObjects(a.EIPs, b.EIPs) && sameObjects(a.Gateways, b.Gateways) && sameObjects(a.Secrets, b.Secrets)
}

func sameObjects[T any](a, b []*T) bool {
	return slices.EqualFunc(a, b, func(a, b *T) bool { return a == b || reflect.DeepEqual(a, b) })
}
