package reload

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
)

// Originated gives the routes that the model's networks make.
func (m *model) Originated(_ context.Context, asked []frr.Network) ([]frr.Originated, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	m.asked += len(asked)
	var found []frr.Originated
	for _, n := range asked {
		for _, router := range m.running {
			if !isRouter(router) || strings.Join(strings.Fields(router.Text)[3:], " ") != n.Instance {
				continue
			}
			for _, family := range router.Children {
				for _, s := range family.Children {
					if words := strings.Fields(s.Text); words[0] == "network" && words[1] == n.Prefix.String() {
						route := frr.Originated{Network: n, LocalPreference: 100}
						if of := routeOf(words[3], m.running); of != nil {
							route.MED, route.Communities, route.LargeCommunities = of.MED, of.Communities, of.LargeCommunities
						}
						found = append(found, route)
					}
				}
			}
		}
	}
	return found, nil
}

// liar is an FRR whose next Apply says that all went well, and does nothing of it.
type liar struct {
	model
	lies  int
	reads int
}

func (l *liar) Apply(ctx context.Context, script []byte) error {
	if l.lies > 0 {
		l.lies--
		return nil
	}
	return l.model.Apply(ctx, script)
}

func (l *liar) RunningConfig(ctx context.Context) ([]byte, error) {
	l.reads++
	return l.model.RunningConfig(ctx)
}

// smallChanges are the small changes of every kind, from tables(500).
func smallChanges() map[string]string {
	from := tables(500)
	oneRouter, _, _ := strings.Cut(from, "router bgp 65009")
	edit := func(old, now string) string { return strings.Replace(from, old, now, 1) }
	return map[string]string{
		"a route comes":         edit("  network 10.0.0.7/32 ", "  network 10.9.0.1/32 route-map FL-GROUP-0\n  network 10.0.0.7/32 "),
		"a route goes":          edit("  network 10.0.0.7/32 route-map FL-GROUP-1\n", ""),
		"a route changes":       edit("  network 10.0.0.7/32 route-map FL-GROUP-1\n", "  network 10.0.0.7/32 route-map FL-GROUP-2\n"),
		"a route in a view":     strings.Replace(from, "view mesh\n", "view mesh\n address-family ipv6 unicast\n  network 2001:db8::/64 route-map FL-GROUP-1\n exit-address-family\n", 1),
		"a group and its route": edit("router bgp 65000\n", "route-map FL-GROUP-9 permit 10\n set metric 9\n set community 65000:9 no-export\nexit\nrouter bgp 65000\n address-family ipv6 unicast\n  network 2001:db8::/64 route-map FL-GROUP-9\n exit-address-family\n"),
		"a group alone":         edit("router bgp 65000\n", "route-map FL-GROUP-9 permit 10\n set metric 9\nexit\nrouter bgp 65000\n"),
		"a group of its own":    edit("router bgp 65000\n", "route-map FL-GROUP-9 permit 10\n set weight 9\nexit\nrouter bgp 65000\n address-family ipv6 unicast\n  network 2001:db8::/64 route-map FL-GROUP-9\n exit-address-family\n"),
		"a group changes":       edit(" set metric 1\n", " set metric 8\n"),
		"a group goes":          strings.ReplaceAll(strings.Replace(from, "route-map FL-GROUP-2 permit 10\n set metric 2\nexit\n", "", 1), "-map FL-GROUP-2", "-map FL-GROUP-1"),
		"a neighbor comes":      edit(" neighbor 10.0.1.1 remote-as 65001\n", " neighbor 10.0.1.1 remote-as 65001\n neighbor 10.0.1.2 remote-as 65001\n"),
		"a neighbor goes":       strings.Replace(edit(" neighbor 10.0.1.1 remote-as 65001\n", ""), "  neighbor 10.0.1.1 activate\n", "", 1),
		"a neighbor changes":    edit(" neighbor 10.0.1.1 remote-as 65001\n", " neighbor 10.0.1.1 remote-as 65001\n neighbor 10.0.1.1 passive\n"),
		"a router changes":      edit(" no bgp default ipv4-unicast\n", " no bgp default ipv4-unicast\n bgp router-id 10.0.1.9\n"),
		"a list comes":          "ip prefix-list FL-PL-1 seq 5 permit any\n" + from,
		"a list goes":           edit("bgp large-community-list standard FL-TO-1 seq 5 permit 65000:4242:1\n", ""),
		"a profile comes":       "bfd\n profile FL-BFD-1\n  detect-multiplier 5\n exit\nexit\n" + from,
		"a router goes":         oneRouter,
	}
}

// A vtysh that lies, exits with 0 and has applied nothing, is found out by what is read after any small change, and the change is
// applied again.
func TestLie(t *testing.T) {
	cheap := []string{"a route comes", "a route goes", "a route changes", "a route in a view", "a group and its route"}
	for name, wanted := range smallChanges() {
		l := &liar{}
		r := New(l, File{})
		if _, err := r.Apply(t.Context(), []byte(tables(500))); err != nil {
			t.Fatal(err)
		}
		l.lies, l.reads = 1, 0
		change, err := r.Apply(t.Context(), []byte(wanted))
		if err != nil || change.Empty() {
			t.Errorf("%s: %v, change\n%s", name, err, change)
		}
		if missing := Diff(l.running.Owned(), Parse([]byte(wanted)).Owned()); !missing.Empty() {
			t.Errorf("%s: FRR lied, and nobody saw that this is missing:\n%s", name, missing)
		}
		// Told the truth, it is taken at its word where only routes changed.
		l.reads = 0
		if _, err := r.Apply(t.Context(), []byte(tables(500))); err != nil {
			t.Errorf("%s, back: %v", name, err)
		}
		l.reads, l.asked = 0, 0
		if _, err := r.Apply(t.Context(), []byte(wanted)); err != nil {
			t.Errorf("%s, again: %v", name, err)
		}
		if (l.reads == 0) != slices.Contains(cheap, name) || (l.asked > 0) != slices.Contains(cheap, name) && l.reads == 0 {
			t.Errorf("%s: the whole configuration was read %d times, %d networks were asked for", name, l.reads, l.asked)
		}
	}
}

// Many routes at once are confirmed by the whole configuration, which then costs less; and so is what cannot be asked for.
func TestConfirmWhole(t *testing.T) {
	l := &liar{}
	r := New(l, File{})
	conf := tables(500)
	if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
		t.Fatal(err)
	}
	l.reads, l.asked = 0, 0
	if _, err := r.Apply(t.Context(), []byte(strings.ReplaceAll(conf, "7/32 route-map FL-GROUP-1", "7/32 route-map FL-GROUP-2"))); err != nil {
		t.Fatal(err)
	}
	if l.reads != 1 || l.asked != 0 {
		t.Errorf("the whole configuration was read %d times, %d networks were asked for", l.reads, l.asked)
	}
	deaf := &deafLiar{liar: liar{model: l.model}}
	r = New(deaf, File{})
	if _, err := r.Apply(t.Context(), []byte(conf)); err != nil {
		t.Fatal(err)
	}
	deaf.reads, deaf.lies = 0, 1
	if _, err := r.Apply(t.Context(), []byte(smallChanges()["a route comes"])); err != nil || deaf.reads != 2 {
		t.Errorf("%v after the whole configuration was read %d times", err, deaf.reads)
	}
}

// deafLiar tells of no route.
type deafLiar struct{ liar }

func (d *deafLiar) Originated(context.Context, []frr.Network) ([]frr.Originated, error) {
	return nil, errors.New("what?")
}

// A route with other attributes than those of its group is not confirmed.
func TestSameRoute(t *testing.T) {
	group := "route-map G permit 10\n set community no-export 65000:7\n set large-community 1:2:3\n set metric 5\n set local-preference 7\nexit\n"
	want := routeOf("G", Parse([]byte(group)))
	made := frr.Originated{Communities: []string{"65000:7", "no-export"}, LargeCommunities: []string{"1:2:3"}, MED: 5, LocalPreference: 7}
	if want == nil || !sameRoute(*want, made) {
		t.Fatalf("the group makes %v, want %v", want, made)
	}
	for _, other := range []frr.Originated{
		{Communities: want.Communities, LargeCommunities: want.LargeCommunities, MED: 5},
		{Communities: want.Communities, LargeCommunities: want.LargeCommunities, LocalPreference: 7},
		{Communities: want.Communities, MED: 5, LocalPreference: 7},
		{LargeCommunities: want.LargeCommunities, MED: 5, LocalPreference: 7},
	} {
		if sameRoute(other, *want) {
			t.Errorf("%v is taken for %v", other, *want)
		}
	}
	for _, unknown := range []string{"set weight 5", "match tag 1", "set metric +5", "set metric 1 2", "call X"} {
		if made := routeOf("G", Parse([]byte(group[:len(group)-5]+" "+unknown+"\nexit\n"))); made != nil {
			t.Errorf("a group with %q makes %v", unknown, *made)
		}
	}
}

// A group that FRR still has routes of, because it lost that they have another one, stays until they do: a route whose group is gone
// is withdrawn.
func TestGroupInUseStays(t *testing.T) {
	const config = "route-map FL-GROUP-1 permit 10\n set metric 1\nexit\nrouter bgp 65000\n address-family ipv4 unicast\n" +
		"  network 10.0.0.0/24 route-map FL-GROUP-1\n  network 10.0.1.0/24 route-map FL-GROUP-1\n exit-address-family\nexit\n"
	wanted := strings.NewReplacer("GROUP-1", "GROUP-2", "metric 1", "metric 2").Replace(config)
	for name, tt := range map[string]struct {
		lose, scripts int
		held          string
	}{
		"nothing is lost":          {0, 2, wanted},
		"routes are lost":          {3, 3, wanted},
		"and some the second time": {5, 4, wanted},
		"all is lost twice":        {6, 3, config},
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{}
			r := New(m, File{})
			if _, err := r.Apply(t.Context(), []byte(config)); err != nil {
				t.Fatal(err)
			}
			m.scripts, m.lose = nil, tt.lose
			_, err := r.Apply(t.Context(), []byte(wanted))
			if (err == nil) != (tt.held == wanted) || len(m.scripts) != tt.scripts {
				t.Errorf("error %v, after %d scripts:\n%s", err, len(m.scripts), strings.Join(m.scripts, "---\n"))
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(lines(Parse([]byte(tt.held)).Owned()))), slices.Sorted(slices.Values(lines(m.running.Owned())))); diff != "" {
				t.Errorf("running (-want +got):\n%s", diff)
			}
		})
	}
}

// An entry of a list that stays is in force for as long as it is there: it is not of what may wait to go.
func TestApart(t *testing.T) {
	t.Parallel()
	running := Parse([]byte("ip prefix-list FL-A seq 5 permit 10.0.0.0/8\nip prefix-list FL-A seq 10 permit 11.0.0.0/8\n" +
		"ip prefix-list FL-B seq 5 permit 10.0.0.0/8\nipv6 prefix-list FL-A seq 5 permit any\nroute-map FL-A permit 10\nexit\nroute-map FL-B permit 10\nexit\nroute-map FL-A permit 20\nexit\n"))
	wanted := Parse([]byte("ip prefix-list FL-A seq 5 permit 10.0.0.0/8\nroute-map FL-A permit 10\nexit\n"))
	use, unused := Diff(running, wanted).apart()
	if diff := cmp.Diff("no route-map FL-A permit 20\nno ip prefix-list FL-A seq 10 permit 11.0.0.0/8\n", string(use.Script())); diff != "" {
		t.Errorf("at once (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff("no route-map FL-B permit 10\nno ip prefix-list FL-B seq 5 permit 10.0.0.0/8\nno ipv6 prefix-list FL-A seq 5 permit any\n", string(unused.Script())); diff != "" {
		t.Errorf("later (-want +got)\n%s", diff)
	}
}

// As long as somebody else may be giving FRR a configuration, nothing goes that an old file may use, and nobody is told of it as drift.
func TestMistrust(t *testing.T) {
	const config = "route-map FL-GROUP-1 permit 10\n set metric 1\nexit\nrouter bgp 65000\n address-family ipv4 unicast\n" +
		"  network 10.0.0.0/24 route-map FL-GROUP-1\n exit-address-family\nexit\n"
	wanted := strings.NewReplacer("GROUP-1", "GROUP-2", "metric 1", "metric 2").Replace(config)
	m, mistrusts := &model{}, true
	r := New(m, File{})
	r.Mistrust(func() bool { return mistrusts })
	apply := func(want int) {
		t.Helper()
		m.scripts = nil
		change, err := r.Apply(t.Context(), []byte(wanted))
		if err != nil || len(m.scripts) != want || change.Empty() != (want == 0) {
			t.Errorf("%d scripts, want %d, error %v, change\n%s", len(m.scripts), want, err, change)
		}
	}
	audit := func(want int) {
		t.Helper()
		if drifts, made, err := r.Audit(t.Context()); err != nil || !made || len(drifts) != want {
			t.Errorf("an audit is made %t, and finds %v, want %d; %v", made, drifts, want, err)
		}
	}
	if _, err := r.Apply(t.Context(), []byte(config)); err != nil {
		t.Fatal(err)
	}
	audit(0)
	// It begins when the change is half through.
	asked := 0
	r.Mistrust(func() bool { asked++; return mistrusts && asked > 1 })
	apply(1)
	if !strings.Contains(string(m.running.text()), "route-map FL-GROUP-1 permit 10") {
		t.Errorf("what an old file may use is gone:\n%s", m.running.text())
	}
	audit(0)
	apply(0)
	r.Reread()
	apply(0)
	audit(0)
	if !r.Untidy() {
		t.Error("it is tidy")
	}
	mistrusts = false
	// Somebody whose hand was just seen may be about it still, and what he has use an old group.
	if err := m.Apply(t.Context(), []byte("router bgp 65000\n address-family ipv4 unicast\n  network 10.0.9.0/24 route-map FL-GROUP-1\n exit-address-family\nexit\n")); err != nil {
		t.Fatal(err)
	}
	audit(1)
	apply(1)
	if !r.Untidy() || !strings.Contains(string(m.running.text()), "route-map FL-GROUP-1 permit 10") {
		t.Errorf("somebody was seen, and an old group is gone:\n%s", m.running.text())
	}
	r.handed = time.Time{}
	apply(1)
	audit(0)
	if r.Untidy() {
		t.Error("it is untidy")
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(lines(Parse([]byte(wanted)).Owned()))), slices.Sorted(slices.Values(lines(m.running.Owned())))); diff != "" {
		t.Errorf("running (-want +got):\n%s", diff)
	}
}

// A vtysh that is killed while another daemon keeps it, after bgpd took all, did what it was to do; one that did nothing failed.
func TestKeptVtysh(t *testing.T) {
	m := &model{hangs: true}
	r := New(m, File{})
	first, second := golden(t, "one-switch"), golden(t, "pair-of-switches")
	for _, config := range []string{first, second} {
		if _, err := r.Apply(t.Context(), []byte(config)); err != nil {
			t.Errorf("apply: %v", err)
		}
		if diff := cmp.Diff(lines(Parse([]byte(config)).Owned()), lines(m.running.Owned())); diff != "" {
			t.Errorf("running (-want +got):\n%s", diff)
		}
	}
	if len(m.scripts) < 2 || m.alone != len(m.scripts)-1 {
		t.Errorf("of %d scripts %d passed by the daemon that kept the first", len(m.scripts), m.alone)
	}
	m = &model{hangs: true, lose: 2}
	if _, err := New(m, File{}).Apply(t.Context(), []byte(first)); !errors.Is(err, frr.ErrVtysh) {
		t.Errorf("apply, and part of it is lost: %v", err)
	}
}

// undone is an FRR in which somebody else undoes a line as soon as it is there.
type undone struct {
	*model
	line string
}

func (u *undone) Apply(ctx context.Context, script []byte) error {
	if u.line != "" {
		script = []byte(strings.ReplaceAll(string(script), u.line+"\n", ""))
	}
	return u.model.Apply(ctx, script)
}

// What somebody else undoes at the same time is no reason to take back the rest.
func TestStatementsThatSomebodyElseUndoes(t *testing.T) {
	m := &undone{model: &model{}}
	r := New(m, File{})
	mistrusts := true
	r.Mistrust(func() bool { return mistrusts })
	good := golden(t, "one-switch")
	if _, err := r.Apply(t.Context(), []byte(good)); err != nil {
		t.Fatal(err)
	}
	const network = "network 10.16.200.1/32"
	wanted := strings.Replace(good, "router-id 10.0.1.2", "router-id 10.0.1.9", 1)
	at := strings.Index(wanted, "  network ")
	wanted = wanted[:at] + "  " + network + "\n" + wanted[at:]
	m.line = "bgp router-id 10.0.1.9"
	_, err := r.Apply(t.Context(), []byte(wanted))
	if err == nil || errors.Is(err, ErrNotHeld) || !errors.Is(err, ErrChanging) || !strings.Contains(err.Error(), "bgp router-id 10.0.1.9") {
		t.Errorf("error %v, want one that says what is missing and blames nothing", err)
	}
	if !strings.Contains(string(m.running.text()), network) {
		t.Errorf("the new network was taken back:\n%s", m.running.text())
	}
	mistrusts, m.line = false, ""
	if _, err := r.Apply(t.Context(), []byte(wanted)); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(wanted)).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("running (-want +got):\n%s", diff)
	}
}
