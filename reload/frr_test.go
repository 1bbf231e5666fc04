package reload_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/test/lab"
)

// goldens are the configurations that render's tests hold, by name: all that render can write.
func goldens(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../render/testdata/*.conf")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d goldens of render, %v", len(files), err)
	}
	found := make(map[string]string)
	for _, f := range files {
		conf, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		found[strings.TrimSuffix(filepath.Base(f), ".conf")] = string(conf)
	}
	return found
}

// walk gives the configurations to pass through: every ordered pair of them in the long run, a few of them otherwise,
// chosen anew each time.
func walk(t *testing.T, names []string) []string {
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		var all []string
		for _, a := range names {
			for _, b := range names {
				if a != b {
					all = append(all, a, b)
				}
			}
		}
		return all
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	steps := slices.Clone(names)
	for range 2 {
		random.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		steps = append(steps, names...)
	}
	return steps
}

func shell(r *lab.Router) frr.Vtysh {
	return frr.Vtysh{Command: r.VtyshCommand(), Root: r.Version.Root, RunDir: "/run/frr", Pathspace: r.Pathspace}
}

// From any configuration that render can write to any other, the difference leaves FRR as if it had started from the
// wanted one, what others configured stays, and frr-reload.py finds nothing more to do.
func TestFromAnyToAny(t *testing.T) {
	const foreign = "ip prefix-list OPERATOR seq 5 permit 192.0.2.0/24\nroute-map OPERATOR permit 10\n match ip address prefix-list OPERATOR\nexit\n" +
		"bfd\n profile OPERATOR\n  detect-multiplier 9\n exit\nexit\n"
	configs := goldens(t)
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "walk").StartFRR(t, version, foreign, lab.WithDaemons("bfdd"), lab.WithArgs("bgpd", "-M", "bmp"))
			file := filepath.Join(t.TempDir(), "frr.conf")
			if err := os.WriteFile(file, []byte(foreign), 0o600); err != nil {
				t.Fatal(err)
			}
			r := reload.New(shell(router), reload.File{Path: file, Write: frr.WriteConfig})
			names := []string{}
			for name := range configs {
				names = append(names, name)
			}
			slices.Sort(names)
			from := "nothing"
			for _, name := range walk(t, names) {
				change, err := r.Apply(t.Context(), []byte(configs[name]))
				if err != nil {
					t.Fatalf("from %s to %s: %v\n%s", from, name, err, change)
				}
				if deleted, added := router.ReloadDelta(configs[name] + foreign); len(deleted)+len(added) > 0 {
					t.Fatalf("from %s to %s by\n%sfrr-reload.py --test would delete\n\t%s\nand add\n\t%s", from, name, change,
						strings.Join(deleted, "\n\t"), strings.Join(added, "\n\t"))
				}
				kept, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(kept), strings.TrimSuffix(configs[name], "end\n")) || !strings.Contains(string(kept), foreign) {
					t.Fatalf("frr.conf does not hold both what is ours and what is not:\n%s", kept)
				}
				from = name
			}
		})
	}
}

// What FRR refuses is told in its own words, and the last good configuration comes back.
func TestRefusedConfiguration(t *testing.T) {
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			good := goldens(t)["one-switch"]
			router := lab.NewNamespace(t, "refused").StartFRR(t, version, "")
			file := filepath.Join(t.TempDir(), "frr.conf")
			r := reload.New(shell(router), reload.File{Path: file, Write: frr.WriteConfig})
			if _, err := r.Apply(t.Context(), []byte(good)); err != nil {
				t.Fatal(err)
			}
			bad := strings.Replace(good, " bgp router-id 10.0.1.2\n", " bgp router-id 10.0.1.9\n bgp router-idd nonsense\n", 1)
			_, err := r.Apply(t.Context(), []byte(bad))
			if err == nil || !strings.Contains(err.Error(), "bgp router-idd nonsense") || !strings.Contains(err.Error(), "Unknown command") {
				t.Errorf("error %v, want FRR's words and the statement", err)
			}
			if deleted, added := router.ReloadDelta(good); len(deleted)+len(added) > 0 {
				t.Errorf("the last good configuration is not back: %v %v", deleted, added)
			}
			kept, err := os.ReadFile(file)
			if err != nil || string(kept) != good {
				t.Errorf("frr.conf is %q, %v; want the last good one", kept, err)
			}
			if _, err := r.Apply(t.Context(), []byte(goldens(t)["pair-of-switches"])); err != nil {
				t.Errorf("after a refusal: %v", err)
			}
		})
	}
}

// Somebody's hand in what is ours is found when FRR is read again, and put right; what is foreign is left alone.
func TestChangedByHand(t *testing.T) {
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			conf := goldens(t)["one-switch"]
			router := lab.NewNamespace(t, "hand").StartFRR(t, version, "")
			r := reload.New(shell(router), reload.File{})
			if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
				t.Fatal(err)
			}
			router.Load(`
router bgp 65000
 bgp router-id 9.9.9.9
 neighbor 10.32.32.254 timers 5 15
 neighbor 192.0.2.1 remote-as 65099
 address-family ipv4 unicast
  no network 10.16.0.5/32
  network 172.16.0.0/12
  neighbor 192.0.2.1 activate
 exit-address-family
exit
route-map FL-STRAY permit 10
 set metric 5
exit
route-map FL-GROUP-3a804f07 permit 10
 set metric 7
 no set large-community 65000:4242:608453210
exit
route-map MINE permit 10
exit
`)
			r.Forget()
			change, err := r.Plan(t.Context(), []byte(conf))
			if err != nil || change.Empty() {
				t.Fatalf("the change by hand is not seen: %v", err)
			}
			if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
				t.Fatal(err)
			}
			if deleted, added := router.ReloadDelta(conf + "route-map MINE permit 10\nexit\n"); len(deleted)+len(added) > 0 {
				t.Errorf("after\n%swhat was changed by hand is not put right: %v %v", change, deleted, added)
			}
		})
	}
}

// FRR 8 and 10 write the greatest TTL in two ways; neither leaves a difference that never ends.
func TestGreatestTTL(t *testing.T) {
	conf := strings.Replace(goldens(t)["one-switch"], " neighbor 10.32.32.254 timers", " neighbor 10.32.32.254 ebgp-multihop 255\n neighbor 10.32.32.254 timers", 1)
	for _, version := range lab.Versions(t) {
		router := lab.NewNamespace(t, "ttl").StartFRR(t, version, "")
		r := reload.New(shell(router), reload.File{})
		if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
			t.Fatalf("%s: %v", version.Name, err)
		}
		r.Forget()
		if change, err := r.Plan(t.Context(), []byte(conf)); err != nil || !change.Empty() {
			t.Errorf("%s: a difference is left: %v\n%s", version.Name, err, change)
		}
	}
}

// One route more is one line, and the neighbor's table is not told again.
func TestOneRouteMore(t *testing.T) {
	var conf strings.Builder
	before, after, _ := strings.Cut(goldens(t)["one-switch"], "  network 10.16.0.0/16 ")
	_, after, _ = strings.Cut(after, "\n")
	group := "route-map FL-GROUP-3a804f07"
	conf.WriteString(before)
	for i := range 1000 {
		fmt.Fprintf(&conf, "  network 10.20.%d.%d/32 %s\n", i>>8, i&255, group)
	}
	version := lab.Versions(t)[0]
	router := lab.NewNamespace(t, "more").StartFRR(t, version, "")
	r := reload.New(shell(router), reload.File{})
	if _, err := r.Apply(t.Context(), []byte(conf.String()+after)); err != nil {
		t.Fatal(err)
	}
	change, err := r.Apply(t.Context(), []byte(conf.String()+"  network 10.99.0.1/32 "+group+"\n"+after))
	if err != nil {
		t.Fatal(err)
	}
	want := "router bgp 65000\n address-family ipv4 unicast\n  network 10.99.0.1/32 " + group + "\n exit-address-family\nexit\n"
	if change.String() != want {
		t.Errorf("one route more is\n%swant\n%s", change, want)
	}
}

// A canceled pass ends at once and leaves what FRR holds.
func TestCanceled(t *testing.T) {
	version := lab.Versions(t)[0]
	router := lab.NewNamespace(t, "canceled").StartFRR(t, version, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := reload.New(shell(router), reload.File{}).Apply(ctx, []byte(goldens(t)["one-switch"])); err == nil {
		t.Error("a canceled apply succeeds")
	}
	if strings.Contains(router.RunningConfig(), "router bgp") {
		t.Error("a canceled apply changes FRR")
	}
}
