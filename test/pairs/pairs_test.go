// Package pairs takes a real FRR from one random configuration to another, and compares it with one that started there.
package pairs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/test/lab"
)

// From one random configuration to another, by the difference: then FRR runs what another one runs that started with the second,
// and frr-reload.py finds nothing to do. Half of the pairs have little in common, half are a few changes apart.
//
// FAIRLEAD_SOAK takes 300 pairs for each version in the place of 4, and FAIRLEAD_SEED those of a failure again. The first failure
// is made small and written into testdata: keep it there, with a name and the reason, once it is mended.
func TestPairs(t *testing.T) {
	seed := lab.Seed(t)
	pairs := 4
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		pairs = 300
	}
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			walk(t, version, seed, pairs)
		})
	}
}

// walk takes one FRR through so many pairs, the second of each being the first of the next.
func walk(t *testing.T, version lab.Version, seed uint64, pairs int) {
	const enough = 5
	r := thrower{Rand: rand.New(rand.NewPCG(seed, 0)), version: version.Name}
	from := site{{of: ofTop, key: "asn", value: "65000"}}
	router := start(t, version)
	failed, refused, lines := 0, 0, 0
	for done := 0; done < pairs; {
		to := r.site()
		if done%2 == 1 {
			to = r.edits(from, 1+r.IntN(6))
		}
		conf, err := to.conf()
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, to)
		}
		var complaint, why error
		t.Run(strconv.Itoa(done), func(t *testing.T) {
			fresh := start(t, version)
			if complaint = acceptable(fresh, conf); complaint == nil {
				why = transit(router, fresh, conf)
			}
		})
		if complaint != nil {
			// Fairlead would refuse these statements of the operator's own, and say so.
			if refused++; len(to.names(ofStanza)) == 0 || refused > pairs+10 {
				t.Fatalf("seed %d: FRR %s does not hold what is rendered of\n%s%v", seed, version.Name, to, complaint)
			}
			t.Logf("thrown again: %v", complaint)
			continue
		}
		if why != nil {
			t.Errorf("seed %d, pair %d of FRR %s: %v\n--- from\n%s--- to\n%s", seed, done, version.Name, why, from, to)
			if failed++; failed == 1 {
				shrink(t, version, from, to)
			}
			if failed == enough {
				t.Fatalf("%d of %d pairs failed: that is enough", failed, done+1)
			}
			router = start(t, version)
			router.Load(conf)
		}
		from = to
		lines += strings.Count(conf, "\n")
		done++
	}
	t.Logf("seed %d: %d pairs of %d lines, %d others thrown again", seed, pairs, lines/pairs, refused)
}

func start(t *testing.T, version lab.Version) *lab.Router {
	t.Helper()
	return lab.NewNamespace(t, "pairs").StartFRR(t, version, "", lab.WithDaemons("bfdd"), lab.WithArgs("bgpd", "-M", "bmp"))
}

func shell(r *lab.Router) frr.Vtysh {
	return frr.Vtysh{Command: r.VtyshCommand(), Root: r.Version.Root, RunDir: "/run/frr", Pathspace: r.Pathspace}
}

// acceptable starts fresh with conf, and says why Fairlead would refuse it: FRR does not take it all, or shows it otherwise.
func acceptable(fresh *lab.Router, conf string) error {
	if out, err := fresh.TryLoad(conf); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	if left := reload.Diff(owned(fresh.RunningConfig()), owned(conf)); !left.Empty() {
		return fmt.Errorf("FRR that has it all would be given once more\n%s", left)
	}
	return nil
}

func owned(conf string) reload.Tree { return reload.Parse([]byte(conf)).Owned() }

// transit takes router, whatever it runs, to conf, and says how it differs then from fresh, which started with conf.
func transit(router, fresh *lab.Router, conf string) error {
	change := reload.Diff(owned(router.RunningConfig()), owned(conf))
	if err := shell(router).Apply(context.Background(), change.Script()); err != nil {
		return fmt.Errorf("%w, in\n%s", err, change)
	}
	running := router.RunningConfig()
	if diff := differ(fresh.RunningConfig(), running); diff != "" {
		return fmt.Errorf("running-config is another (-started there +brought there):\n%s\nafter\n%s", diff, change)
	}
	if left := reload.Diff(owned(running), owned(conf)); !left.Empty() {
		return fmt.Errorf("after\n%sthere is left to change\n%s", change, left)
	}
	if deleted, added := judged(router, conf); len(deleted)+len(added) > 0 {
		return fmt.Errorf("after\n%sfrr-reload.py --test would delete\n\t%s\nand add\n\t%s", change, strings.Join(deleted, "\n\t"), strings.Join(added, "\n\t"))
	}
	return nil
}

// judged gives what frr-reload.py would change, without what it says wrongly.
func judged(router *lab.Router, conf string) (deleted, added []string) {
	conf = inForce(conf)
	// FRR 8 has a name for the community 0:0, and shows it under that alone.
	if !router.Version.Has("mgmtd") {
		conf = strings.ReplaceAll(conf, " set community 0:0", " set community internet")
	}
	deleted, added = router.ReloadDelta(conf)
	empty := func(line string) bool { return strings.TrimSpace(line) == "" }
	deleted = slices.DeleteFunc(deleted, func(line string) bool {
		// A distance that one router is given all routers show.
		shared, _ := strings.CutPrefix(strings.TrimSpace(line), "no distance ")
		// FRR writes an empty context of bfd once there was anything in it. It is nothing.
		return empty(line) || line == "no bfd" || strings.Contains(conf, "  distance "+shared+"\n")
	})
	contexts := func(line string) bool {
		text := strings.TrimSpace(line)
		return text != "exit" && !strings.HasPrefix(text, "router bgp ") && !strings.HasPrefix(text, "address-family ")
	}
	if !slices.ContainsFunc(deleted, contexts) {
		deleted = nil
	}
	return deleted, slices.DeleteFunc(added, empty)
}

// overriding are the settings of a neighbor that an operator's own statement can give another value.
var overriding = []string{"timers", "description", "attribute-unchanged", "update-source", "maximum-prefix", "allowas-in"}

// inForce gives a configuration without the statements that later ones of it override: frr-reload.py would give FRR the older
// value again.
func inForce(conf string) string {
	lines := strings.SplitAfter(conf, "\n")
	latest := map[string]int{}
	router, family := "", ""
	for i, line := range lines {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "router "):
			router, family = line, ""
		case strings.HasPrefix(line, " address-family "):
			family = line
		case strings.HasPrefix(line, " exit-address-family"):
			family = ""
		}
		key := ""
		switch {
		case len(words) == 2 && words[0] == "table-map":
			key = "table-map"
		case len(words) > 3 && words[0] == "neighbor" && words[2] == "timers" && (words[3] == "connect" || words[3] == "delayopen"):
			continue
		case len(words) > 2 && words[0] == "neighbor" && slices.Contains(overriding, words[2]):
			key = strings.Join(words[:3], " ")
		case len(words) > 4 && words[0] == "neighbor" && words[2] == "bfd" && words[3] == "profile":
			key = strings.Join(words[:4], " ")
		default:
			continue
		}
		if before, ok := latest[router+family+key]; ok {
			lines[before] = ""
		}
		latest[router+family+key] = i
	}
	return strings.Join(lines, "")
}

// differ gives the statements that are in one configuration alone, each with the contexts that it stands in, and those contexts
// whose statements are in another order. The top has none: FRR 8 lists objects as they came, FRR 10 by name. An empty context
// of bfd is nothing: FRR 10 writes it once there was anything in it.
func differ(started, brought string) string {
	a, b := map[string]int{}, map[string]int{}
	orders := [2]map[string][]string{{}, {}}
	for i, conf := range []string{started, brought} {
		var walk func(context string, t reload.Tree)
		walk = func(context string, t reload.Tree) {
			for _, s := range t {
				if s.Text == "bfd" && len(s.Children) == 0 {
					continue
				}
				[]map[string]int{a, b}[i][context+s.Text]++
				if context != "" && context != "bfd / " {
					orders[i][context] = append(orders[i][context], s.Text)
				}
				walk(context+s.Text+" / ", s.Children)
			}
		}
		walk("", reload.Parse([]byte(conf)))
	}
	var out []string
	for _, text := range slices.Sorted(maps.Keys(a)) {
		if a[text] > b[text] {
			out = append(out, "-"+text)
		}
	}
	for _, text := range slices.Sorted(maps.Keys(b)) {
		if b[text] > a[text] {
			out = append(out, "+"+text)
		}
	}
	for _, context := range slices.Sorted(maps.Keys(orders[0])) {
		if len(out) == 0 && !slices.Equal(orders[0][context], orders[1][context]) {
			out = append(out, "another order in "+context+"\n"+cmp.Diff(orders[0][context], orders[1][context]))
		}
	}
	return strings.Join(out, "\n")
}

// shrink makes a failing pair small: it leaves out what does not matter for its failure, as long as there is time, and writes what
// is left into testdata.
func shrink(t *testing.T, version lab.Version, from, to site) {
	t.Helper()
	const long = 3 * time.Minute
	deadline := time.Now().Add(long)
	var last error
	fails := func(from, to site) bool {
		a, err := from.conf()
		b, err2 := to.conf()
		if errors.Join(err, err2) != nil || time.Now().After(deadline) {
			return false
		}
		var why error
		t.Run("shrink", func(t *testing.T) {
			fresh, router := start(t, version), start(t, version)
			if errors.Join(acceptable(fresh, b), acceptable(router, a)) == nil {
				why = transit(router, fresh, b)
			}
		})
		if why != nil {
			last = why
		}
		return why != nil
	}
	if !fails(from, to) {
		t.Log("it does not fail from a fresh start: what came before it matters")
		return
	}
	for size := max(len(from), len(to)) / 2; size > 0; size /= 2 {
		for at := 0; ; {
			all := union(from, to)
			if at >= len(all) {
				break
			}
			chunk := all[at:min(at+size, len(all))]
			gone := func(f fact) bool {
				_, found := slices.BinarySearchFunc(chunk, f, compareFacts)
				return found
			}
			smaller := slices.ContainsFunc([][2]site{{from.without(gone), to.without(gone)}, {from.without(gone), to}, {from, to.without(gone)}}, func(try [2]site) bool {
				if len(try[0])+len(try[1]) == len(from)+len(to) || !fails(try[0], try[1]) {
					return false
				}
				from, to = try[0], try[1]
				return true
			})
			if !smaller {
				at += size
			}
		}
	}
	a, err := from.conf()
	b, err2 := to.conf()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	small := txtar.Format(&txtar.Archive{
		Comment: fmt.Appendf(nil, "FRR %s: %v\n", version.Name, last),
		Files:   []txtar.File{{Name: "a.conf", Data: []byte(a)}, {Name: "b.conf", Data: []byte(b)}},
	})
	name := filepath.Join("testdata", fmt.Sprintf("%s-%d.txtar", version.Name, time.Now().Unix()))
	if err := os.WriteFile(name, small, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Logf("small, in %s:\n%s", name, small)
}

// union gives the facts of both, once where they are of one thing.
func union(a, b site) site {
	all := slices.Concat(a, b)
	slices.SortFunc(all, compareFacts)
	return slices.CompactFunc(all, func(a, b fact) bool { return compareFacts(a, b) == 0 })
}

// What has once failed, in testdata: there and back, on every version.
func TestRegressions(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			router := start(t, version)
			for _, file := range files {
				archive, err := txtar.ParseFile(file)
				if err != nil || len(archive.Files) != 2 {
					t.Fatalf("%s: %d files in it, %v", file, len(archive.Files), err)
				}
				a, b := string(archive.Files[0].Data), string(archive.Files[1].Data)
				for i, conf := range []string{a, b, a} {
					t.Run(fmt.Sprintf("%s/%d", filepath.Base(file), i), func(t *testing.T) {
						fresh := start(t, version)
						if err := acceptable(fresh, conf); err != nil {
							t.Fatal(err)
						}
						if err := transit(router, fresh, conf); err != nil {
							t.Fatal(err)
						}
					})
				}
			}
		})
	}
}
