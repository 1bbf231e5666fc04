package reload_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/test/lab"
)

// watched is a vtysh that counts how often the whole running configuration is read, and lies when it is told to.
type watched struct {
	frr.Vtysh
	reads, lies int
	// kept is how often a vtysh failed by itself, and alone how often other daemons were passed by.
	kept, alone int
}

func (w *watched) RunningConfig(ctx context.Context) ([]byte, error) {
	w.reads++
	return w.Vtysh.RunningConfig(ctx)
}

func (w *watched) Apply(ctx context.Context, script []byte) error {
	if w.lies > 0 {
		w.lies--
		return nil
	}
	err := w.Vtysh.Apply(ctx, script)
	if errors.Is(err, frr.ErrVtysh) {
		w.kept++
	}
	return err
}

func (w *watched) ApplyAlone(ctx context.Context, script []byte) error {
	w.alone++
	return w.Vtysh.ApplyAlone(ctx, script)
}

// manyRoutes gives one-switch with 500 routes more, and in a view too.
func manyRoutes(t *testing.T) string {
	t.Helper()
	good := goldens(t)["one-switch"]
	var routes strings.Builder
	for i := range 500 {
		routes.WriteString("  network 10.40." + strconv.Itoa(i>>8) + "." + strconv.Itoa(i&255) + "/32 route-map FL-GROUP-3a804f07\n")
	}
	before, after, found := strings.Cut(good, "  neighbor 10.32.32.254 activate\n")
	if !found {
		t.Fatal("one-switch has another neighbor")
	}
	view := "router bgp 65000 view mesh\n no bgp network import-check\n address-family ipv4 unicast\n  network 10.41.0.0/16 route-map FL-GROUP-3a804f07\n exit-address-family\nexit\n"
	return strings.TrimSuffix(before+routes.String()+"  neighbor 10.32.32.254 activate\n"+after, "end\n") + view + "end\n"
}

// After a small change of routes FRR is asked for those, and what it tells of them is true: a vtysh that lies is found out, on
// every version, for every kind of change.
func TestConfirmed(t *testing.T) {
	conf := manyRoutes(t)
	edit := func(old, now string) string {
		if !strings.Contains(conf, old) {
			t.Fatalf("no %q to edit", old)
		}
		return strings.Replace(conf, old, now, 1)
	}
	const group = "route-map FL-GROUP-9 permit 10\n set community 65000:9 blackhole no-export\n set large-community 65000:4242:608453210 65000:1:2\n set local-preference 7\n set metric 9\nexit\n"
	route := "  network 10.40.0.7/32 route-map FL-GROUP-3a804f07\n"
	tests := []struct {
		name, wanted string
		// cheap says that the whole configuration need not be read.
		cheap bool
	}{
		{"a route comes", edit(route, route+"  network 10.40.9.9/32 route-map FL-GROUP-3a804f07\n"), true},
		{"a route goes", edit(route, ""), true},
		{"a route in a view", edit("  network 10.41.0.0/16 ", "  network 10.42.0.0/16 route-map FL-GROUP-3a804f07\n  network 10.41.0.0/16 "), true},
		{"a route in another family", edit("router bgp 65000 view mesh\n", "router bgp 65000 view mesh\n address-family ipv6 unicast\n"+
			"  network 2001:db8::/64 route-map FL-GROUP-3a804f07\n exit-address-family\n"), true},
		{"a route in a new group", strings.Replace(edit(route, strings.Replace(route, "3a804f07", "9", 1)), "router bgp 65000\n", group+"router bgp 65000\n", 1), true},
		{"a new group alone", edit("router bgp 65000\n", group+"router bgp 65000\n"), false},
		{"a value of a neighbor", edit("254 timers 30 90", "254 timers 3 9"), false},
		{"a new neighbor", edit("router bgp 65000\n", "router bgp 65000\n neighbor 10.32.32.9 remote-as 65009\n"), false},
		{"a value of a router", edit("router-id 10.0.1.2", "router-id 10.0.1.9"), false},
		{"a list", "ip prefix-list FL-PL-1 seq 5 permit 10.0.0.0/8\n" + conf, false},
	}
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "confirm").StartFRR(t, version, "")
			w := &watched{Vtysh: shell(router)}
			r := reload.New(w, reload.File{})
			apply := func(name, conf string) {
				t.Helper()
				if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			apply("first", conf)
			for _, tt := range tests {
				cheap := false
				for start := time.Now(); !cheap && time.Since(start) < 30*time.Second; {
					// A loaded machine can be slow to take a route back, which has the whole read: it is given time.
					w.reads = 0
					apply(tt.name, tt.wanted)
					cheap = w.reads == 0
					apply(tt.name+", back", conf)
					if !tt.cheap {
						break
					}
				}
				if cheap != tt.cheap {
					t.Errorf("%s: the whole configuration is read: %t", tt.name, !cheap)
				}
				w.lies = 1
				apply(tt.name+", with a lie", tt.wanted)
				r.Forget()
				if left, err := r.Plan(t.Context(), []byte(tt.wanted)); err != nil || !left.Empty() || w.lies != 0 {
					t.Errorf("%s: FRR lied, and nobody saw that this is missing:\n%s%v", tt.name, left, err)
				}
				w.lies = 1
				apply(tt.name+", back, with a lie", conf)
				r.Forget()
				if left, err := r.Plan(t.Context(), []byte(conf)); err != nil || !left.Empty() {
					t.Errorf("%s, back: FRR lied, and nobody saw that this is missing:\n%s%v", tt.name, left, err)
				}
			}
		})
	}
}

// A neighbor that FRR refuses in part stays as it was, with its session; routes come and go all the same.
func TestSpared(t *testing.T) {
	conf := manyRoutes(t)
	const bad = " neighbor 10.32.32.254 timers 30 90\n neighbor 10.32.32.254 ttl-security hops 900\n"
	wanted := strings.Replace(conf, " neighbor 10.32.32.254 timers 30 90\n", bad, 1)
	wanted = strings.Replace(wanted, "  network 10.40.0.7/32 ", "  network 10.40.9.9/32 route-map FL-GROUP-3a804f07\n  network 10.40.0.7/32 ", 1)
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "spared").StartFRR(t, version, "")
			file := filepath.Join(t.TempDir(), "frr.conf")
			r := reload.New(shell(router), reload.File{Path: file, Write: frr.WriteConfig})
			r.Spare(true)
			if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
				t.Fatal(err)
			}
			var once sync.Once
			for range 2 {
				change, err := r.Apply(t.Context(), []byte(wanted))
				var refused *reload.RefusedError
				if !errors.As(err, &refused) || !refused.Rest || len(refused.Refusals) == 0 || len(refused.Refusals[0].Objects) != 1 {
					t.Fatalf("error %v", err)
				}
				once.Do(func() { t.Logf("%v\n%s", err, change) })
				want := strings.Replace(wanted, bad, " neighbor 10.32.32.254 timers 30 90\n", 1)
				if deleted, added := router.ReloadDelta(want); len(deleted)+len(added) > 0 {
					t.Errorf("what is good is not there, or what is bad: %v %v", deleted, added)
				}
				kept, err := os.ReadFile(file)
				if err != nil || !strings.Contains(string(kept), "10.40.9.9/32") || strings.Contains(string(kept), "hops 900") {
					t.Errorf("frr.conf holds\n%s\n%v", kept, err)
				}
				// It is what FRR starts with, so FRR must take it.
				router.Load(string(kept))
			}
			if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
				t.Fatal(err)
			}
			if deleted, added := router.ReloadDelta(conf); len(deleted)+len(added) > 0 {
				t.Errorf("mended, there is left: %v %v", deleted, added)
			}
		})
	}
}

// TestLocked: where mgmtd is locked, the first change of a policy has vtysh hang, and bgpd takes it all the same; those after it pass
// mgmtd by, and changes of routes alone never go there. Once it is free again, what it lacks is in nobody's way.
func TestLocked(t *testing.T) {
	first := goldens(t)["one-switch"]
	policy := func(n int) string {
		return fmt.Sprintf("ip prefix-list FL-PL-%[1]d seq 5 permit 10.%[1]d.0.0/16\nroute-map FL-GROUP-%[1]d permit 10\n match ip address prefix-list FL-PL-%[1]d\nexit\n", n) + first
	}
	fewer := strings.Replace(manyRoutes(t), "  network 10.40.0.7/32 route-map FL-GROUP-3a804f07\n", "", 1)
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			t.Parallel()
			router := lab.NewNamespace(t, "locked").StartFRR(t, version, "")
			w := &watched{Vtysh: shell(router)}
			r := reload.New(w, reload.File{})
			apply := func(conf string) {
				t.Helper()
				if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
					t.Fatal(err)
				}
				again := reload.New(w, reload.File{})
				if left, err := again.Plan(t.Context(), []byte(conf)); err != nil || !left.Empty() {
					t.Errorf("there is left: %v\n%s", err, left)
				}
			}
			apply(first)
			unlock := lock(t, version, router)
			apply(manyRoutes(t))
			apply(fewer)
			if w.kept != 0 && unlock != nil {
				t.Errorf("%d times a vtysh hung for changes of routes", w.kept)
			}
			apply(policy(1))
			apply(first)
			apply(policy(2))
			if unlock != nil && (w.kept != 1 || w.alone == 0) || unlock == nil && w.kept+w.alone != 0 {
				t.Errorf("%d times a vtysh hung, and %d times others were passed by", w.kept, w.alone)
			}
			if unlock != nil {
				unlock()
			}
			// What mgmtd was never given is taken back from it too.
			r = reload.New(w, reload.File{})
			apply(first)
			apply(policy(3))
			apply(first)
			if deleted, added := router.ReloadDelta(first); len(deleted)+len(added) > 0 {
				t.Errorf("there is left: %v %v", deleted, added)
			}
		})
	}
}

// lock has somebody keep mgmtd's lock until the function that it gives is called; that is nil where a version has no mgmtd.
func lock(t *testing.T, v lab.Version, r *lab.Router) func() {
	t.Helper()
	if strings.HasPrefix(v.Name, "8.") {
		return nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "unix", filepath.Join("/", v.Root, "run/frr", r.Pathspace, "mgmtd.vty"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	// Each command ends with a zero; each answer with three and a status.
	words := bufio.NewReader(conn)
	for _, command := range []string{"enable", "configure terminal file-lock"} {
		if _, err := conn.Write(append([]byte(command), 0)); err != nil {
			t.Fatal(err)
		}
		status := make([]byte, 4)
		if _, err := io.ReadFull(words, status); err != nil || status[3] != 0 {
			t.Fatalf("%s: status %v, %v", command, status, err)
		}
	}
	return func() { _ = conn.Close() }
}
