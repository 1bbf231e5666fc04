package reload

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func golden(t testing.TB, name string) string {
	t.Helper()
	conf, err := os.ReadFile(filepath.Join("..", "render", "testdata", name+".conf"))
	if err != nil {
		t.Fatal(err)
	}
	return string(conf)
}

// lines gives the statements of a tree with their contexts, sorted: FRR gives the order, not we.
func lines(t Tree) []string {
	var out []string
	var walk func(context string, t Tree)
	walk = func(context string, t Tree) {
		for _, s := range t {
			// An empty address family is none: FRR does not write one.
			if !byContents(s) || len(s.Children) > 0 {
				out = append(out, context+s.Text)
			}
			walk(context+s.Text+" / ", s.Children)
		}
	}
	walk("", t)
	slices.Sort(out)
	return out
}

func TestParse(t *testing.T) {
	const conf = `Building configuration...

Current configuration:
!
frr version 10.3
! a comment
router bgp 65000
 bgp router-id 10.0.0.1
 !
 address-family ipv4 unicast
  network 10.0.0.0/8
 exit-address-family
exit
!
# another
route-map FL-A permit 10
exit
router bgp 65000
 address-family l2vpn evpn
  vni 5
   rd 1:2
  exit-vni
 exit-address-family
 address-family ipv4 unicast
  network 10.1.0.0/16
 exit-address-family
exit
end
`
	want := []string{
		"frr version 10.3",
		"route-map FL-A permit 10",
		"router bgp 65000",
		"router bgp 65000 / address-family ipv4 unicast",
		"router bgp 65000 / address-family ipv4 unicast / network 10.0.0.0/8",
		"router bgp 65000 / address-family ipv4 unicast / network 10.1.0.0/16",
		"router bgp 65000 / address-family l2vpn evpn",
		"router bgp 65000 / address-family l2vpn evpn / vni 5",
		"router bgp 65000 / address-family l2vpn evpn / vni 5 / rd 1:2",
		"router bgp 65000 / bgp router-id 10.0.0.1",
	}
	if diff := cmp.Diff(want, lines(Parse([]byte(conf)))); diff != "" {
		t.Errorf("statements (-want +got):\n%s", diff)
	}
}

func TestOwned(t *testing.T) {
	owned := map[string]bool{
		"router bgp 65000":                                               true,
		"router bgp 65000 view mesh":                                     true,
		"router bgp 65000 vrf blue":                                      false,
		"router ospf":                                                    false,
		"route-map FL-GROUP-1 permit 10":                                 true,
		"route-map MINE permit 10":                                       false,
		"route-map XFL-GROUP-1 permit 10":                                false,
		"ip prefix-list FL-X seq 5 deny any":                             true,
		"ipv6 prefix-list FL-X seq 5 permit ::/0":                        true,
		"ipv6 prefix-list MINE seq 5 permit ::/0":                        false,
		"bgp as-path access-list FL-X seq 5 permit _65000$":              true,
		"bgp as-path access-list MINE seq 5 permit _65000$":              false,
		"bfd\n profile FL-BFD-1\n  detect-multiplier 5":                  true,
		"bfd\n profile mine\n  detect-multiplier 5":                      false,
		"router bgp 65000 vrf red\n neighbor 10.0.0.1 route-map FL-A in": true,
		"bgp large-community-list standard FL-TO-1 seq 5 permit 1:2:3":   true,
		"bgp large-community-list standard OURS seq 5 permit 1:2:3":      false,
		"frr defaults traditional":                                       false,
		"hostname FL-1":                                                  false,
		"bgp community-list standard FL-X seq 5 permit 1:2":              true,
		"bgp extcommunity-list expanded FL-X seq 5 permit 1:.*":          true,
		"bgp community-list standard MINE seq 5 permit 1:2":              false,
		"access-list FL-X seq 5 permit any":                              true,
		"access-list MINE seq 5 permit any":                              false,
		"ipv6 access-list FL-X seq 5 permit any":                         true,
		"ip prefix-list FL-X description any words":                      true,
	}
	for text, want := range owned {
		if got := len(Parse([]byte(text+"\n")).Owned()) == 1; got != want {
			t.Errorf("%s: owned %t, want %t", text, got, want)
		}
	}
}

func TestNegate(t *testing.T) {
	tests := map[string]string{
		"neighbor 10.0.0.1 passive":                      "no neighbor 10.0.0.1 passive",
		"neighbor 10.0.0.1 password hunter2":             "no neighbor 10.0.0.1 password",
		"no bgp default ipv4-unicast":                    "bgp default ipv4-unicast",
		"network 10.0.0.0/8 route-map FL-A":              "no network 10.0.0.0/8",
		"network 10.0.0.0/8 rd 1:2 label 3":              "no network 10.0.0.0/8 rd 1:2 label 3",
		"description of a route-map":                     "no description",
		"neighbor 10.0.0.1 path-attribute discard 26 30": "no neighbor 10.0.0.1 path-attribute discard",
		"call FL-A":                            "no call",
		"on-match goto 30":                     "no on-match goto",
		"on-match next":                        "no on-match next",
		"no neighbor 10.0.0.1 send-community":  "neighbor 10.0.0.1 send-community",
		"neighbor 10.0.0.1 route-map FL-A out": "no neighbor 10.0.0.1 route-map FL-A out",
	}
	for text, want := range tests {
		if got := negate(text); got != want {
			t.Errorf("%s is taken back by %s, want %s", text, got, want)
		}
	}
}

// A change says what it must and no more, in FRR's order.
func TestDiff(t *testing.T) {
	running := golden(t, "one-switch")
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(running) }
	tests := []struct {
		name, wanted, want string
	}{
		{name: "the same", wanted: running},
		{name: "another order", wanted: edit(
			"  network 10.16.0.0/16 route-map FL-GROUP-3a804f07\n", "",
			"  neighbor 10.32.32.254 activate\n", "  neighbor 10.32.32.254 activate\n  network 10.16.0.0/16 route-map FL-GROUP-3a804f07\n",
		)},
		{name: "a route goes", wanted: edit("  network 10.16.0.5/32 route-map FL-GROUP-3a804f07\n", ""), want: `
router bgp 65000
 address-family ipv4 unicast
  no network 10.16.0.5/32
 exit-address-family
exit
`},
		{name: "a route moves to another group", wanted: edit(
			"route-map FL-GROUP-3a804f07 permit 10\n", "route-map FL-GROUP-0000beef permit 10\n set metric 5\nexit\n!\nroute-map FL-GROUP-3a804f07 permit 10\n",
			"10.16.0.5/32 route-map FL-GROUP-3a804f07", "10.16.0.5/32 route-map FL-GROUP-0000beef",
		), want: `
route-map FL-GROUP-0000beef permit 10
 set metric 5
exit
router bgp 65000
 address-family ipv4 unicast
  network 10.16.0.5/32 route-map FL-GROUP-0000beef
 exit-address-family
exit
`},
		{name: "a value is replaced in place", wanted: edit(
			"router-id 10.0.1.2", "router-id 10.0.1.9",
			"10.32.32.254 timers 30 90", "10.32.32.254 timers 3 9",
		), want: `
router bgp 65000
 bgp router-id 10.0.1.9
 neighbor 10.32.32.254 timers 3 9
exit
`},
		{name: "a value goes back to its default", wanted: edit(" neighbor 10.32.32.254 timers 30 90\n", ""), want: `
router bgp 65000
 no neighbor 10.32.32.254 timers 30 90
exit
`},
		{name: "timers and timers connect are two", wanted: edit(
			" neighbor 10.32.32.254 timers 30 90\n", " neighbor 10.32.32.254 timers 30 90\n neighbor 10.32.32.254 timers connect 5\n",
		), want: `
router bgp 65000
 neighbor 10.32.32.254 timers connect 5
exit
`},
		{name: "of two the later is in force", wanted: edit(
			"  neighbor 10.32.32.254 activate\n", "  neighbor 10.32.32.254 activate\n  network 10.16.0.0/16 route-map FL-OTHER\n",
			" neighbor 10.32.32.254 timers 30 90\n", " neighbor 10.32.32.254 timers 30 90\n neighbor 10.32.32.254 timers 5 15\n",
		), want: `
router bgp 65000
 neighbor 10.32.32.254 timers 5 15
 address-family ipv4 unicast
  network 10.16.0.0/16 route-map FL-OTHER
 exit-address-family
exit
`},
		{name: "contexts inside a router", wanted: edit(" neighbor 10.32.32.254 remote-as", " bmp targets a\n  bmp monitor ipv4 unicast post-policy\n exit\n neighbor 10.32.32.254 remote-as"), want: `
router bgp 65000
 bmp targets a
  bmp monitor ipv4 unicast post-policy
 exit
exit
`},
		{name: "another AS is another router", wanted: edit("router bgp 65000", "router bgp 65009"), want: "\nno router bgp 65000\n" +
			"router bgp 65009\n" + bodyOf(running, "router bgp 65000") + "exit\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Diff(Parse([]byte(running)).Owned(), Parse([]byte(tt.wanted)).Owned())
			if diff := cmp.Diff(strings.TrimPrefix(tt.want, "\n"), string(got.Script())); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
			if got.Empty() != (tt.want == "") {
				t.Errorf("Empty is %t", got.Empty())
			}
		})
	}
}

// bodyOf gives the lines inside a context of a configuration as a change writes them.
func bodyOf(conf, context string) string {
	_, body, _ := strings.Cut(conf, context+"\n")
	body, _, _ = strings.Cut(body, "\nexit\n")
	return strings.ReplaceAll(body, " !\n", "") + "\n"
}

func TestChangePrintsNoPassword(t *testing.T) {
	wanted := golden(t, "every-setting")
	change := Diff(nil, Parse([]byte(wanted)).Owned())
	if !strings.Contains(string(change.Script()), "password s3cret!~#%&") {
		t.Fatal("the script holds no password: the test tests nothing")
	}
	if text := change.String(); strings.Contains(text, "s3cret") || !strings.Contains(text, "neighbor 10.0.1.1 password ***") {
		t.Errorf("a change prints its password:\n%s", text)
	}
}

func TestSteadyStateReadsNothing(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	conf := []byte(golden(t, "one-switch"))
	if _, err := r.Apply(t.Context(), conf); err != nil {
		t.Fatal(err)
	}
	m.broken = errors.New("nobody may ask")
	change, err := r.Apply(t.Context(), conf)
	if err != nil || !change.Empty() {
		t.Errorf("the same again: %v, %q", err, change)
	}
}

// What a loaded machine leaves out is applied once more.
func TestLostStatementsAreAppliedAgain(t *testing.T) {
	m := &model{lose: 3}
	if _, err := New(m, File{}).Apply(t.Context(), []byte(golden(t, "one-switch"))); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(golden(t, "one-switch"))).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("running (-want +got):\n%s", diff)
	}
	if len(m.scripts) != 2 {
		t.Errorf("%d scripts, want the change and what was lost of it", len(m.scripts))
	}
}

// What is lost again and again is an error that says what is missing, and the last good configuration comes back.
func TestStatementsThatNeverHold(t *testing.T) {
	m := &model{}
	r := New(m, File{})
	good := golden(t, "one-switch")
	if _, err := r.Apply(t.Context(), []byte(good)); err != nil {
		t.Fatal(err)
	}
	wanted := strings.Replace(good, "router-id 10.0.1.2", "router-id 10.0.1.9", 1)
	m.lose = 2
	_, err := r.Apply(t.Context(), []byte(wanted))
	if err == nil || !strings.Contains(err.Error(), "does not hold it") || !strings.Contains(err.Error(), "bgp router-id 10.0.1.9") {
		t.Errorf("error %v, want one that says what is missing", err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(good)).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("running (-last good +got):\n%s", diff)
	}
}

func TestRefusalGoesBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "frr.conf")
	m := &model{}
	r := New(m, File{Path: file, Write: func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }})
	good := golden(t, "one-switch")
	if _, err := r.Apply(t.Context(), []byte(good)); err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(good, "router-id 10.0.1.2\n", "router-id 10.0.1.9\n bgp nonsense\n", 1)
	for range 2 {
		if _, err := r.Apply(t.Context(), []byte(bad)); err == nil || !strings.Contains(err.Error(), "Unknown command") {
			t.Fatalf("error %v, want FRR's words", err)
		}
		if diff := cmp.Diff(lines(Parse([]byte(good)).Owned()), lines(m.running.Owned())); diff != "" {
			t.Errorf("running (-last good +got):\n%s", diff)
		}
		if kept, err := os.ReadFile(file); err != nil || string(kept) != good {
			t.Errorf("frr.conf is not the last good one: %v\n%s", err, kept)
		}
	}
}

// A vtysh that dies half-way says nothing against the configuration: what it has applied stays, and the next Apply goes on.
func TestKilledHalfWay(t *testing.T) {
	before, wanted := golden(t, "one-switch"), golden(t, "pair-of-switches")
	for n := 1; ; n++ {
		m := &model{}
		r := New(m, File{})
		if _, err := r.Apply(t.Context(), []byte(before)); err != nil {
			t.Fatal(err)
		}
		m.killedAt = n
		_, err := r.Apply(t.Context(), []byte(wanted))
		if err == nil {
			// It was over by then.
			break
		}
		if !errors.Is(err, ErrChanging) || !errors.Is(err, context.DeadlineExceeded) || len(m.scripts) != 2 {
			t.Errorf("killed after line %d: error %v, and %d scripts, want no more than the two", n, err, len(m.scripts))
		}
		if _, err := r.Apply(t.Context(), []byte(wanted)); err != nil {
			t.Errorf("killed after line %d, once more: %v", n, err)
		}
		if diff := cmp.Diff(lines(Parse([]byte(wanted)).Owned()), lines(m.running)); diff != "" {
			t.Errorf("killed after line %d: running (-wanted +got):\n%s", n, diff)
		}
	}
}

func TestFRRIsAway(t *testing.T) {
	m := &model{broken: errors.New("bgpd is not running")}
	r := New(m, File{})
	if _, err := r.Apply(t.Context(), []byte(golden(t, "one-switch"))); err == nil || !strings.Contains(err.Error(), "bgpd is not running") {
		t.Errorf("error %v", err)
	}
	m.broken = nil
	if _, err := r.Apply(t.Context(), []byte(golden(t, "one-switch"))); err != nil {
		t.Errorf("once FRR is there: %v", err)
	}
}

// frr.conf keeps what others wrote into it, as they wrote it, and does not grow.
func TestFileKeepsWhatIsForeign(t *testing.T) {
	const foreign = "log syslog informational\nroute-map MINE permit 10\n match ip address prefix-list X\nexit\nvrf blue\n ip route 192.0.2.0/24 blackhole\nexit-vrf\n" +
		"router bgp 65000 vrf red\n neighbor 192.0.2.1 route-map MINE in\nexit\nbfd\n profile mine\n  detect-multiplier 9\n exit\nexit\n"
	path := filepath.Join(t.TempDir(), "frr.conf")
	existing := "frr version 8.4.4\nfrr defaults datacenter\n! mine\nrouter bgp 65099\n neighbor 192.0.2.1 remote-as 1\nexit\n!\n" +
		strings.Replace(foreign, "bfd\n", "bfd\n profile FL-BFD-1\n  detect-multiplier 9\n exit\n !\n", 1) +
		"route-map FL-OLD permit 10\nexit\nrouter bgp 65000 vrf blue\n neighbor 192.0.2.1 route-map FL-IN-NONE in\nexit\n" +
		"bfd\n profile FL-BFD-2\n  detect-multiplier 9\n exit\nexit\nend\n"
	if err := os.WriteFile(path, []byte(existing), 0o600); err != nil {
		t.Fatal(err)
	}
	writes := 0
	f := File{Path: path, Write: func(path string, data []byte) error {
		writes++
		return os.WriteFile(path, data, 0o600)
	}}
	ours := golden(t, "one-switch")
	want := strings.TrimSuffix(ours, "end\n") + foreignHeading + "frr version 8.4.4\n" + foreign + "!\nend\n"
	for range 2 {
		if err := f.save([]byte(ours), nil); err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(kept)); diff != "" {
			t.Errorf("frr.conf (-want +got):\n%s", diff)
		}
	}
	if writes != 1 {
		t.Errorf("%d writes of the same content", writes)
	}
}

// People write frr.conf by hand: with tabs, without indentation, without exit. No line of ours becomes somebody's own.
func TestFileByHand(t *testing.T) {
	tests := map[string]string{
		"tabs":                "router bgp 1\n\tneighbor 192.0.2.1 remote-as 2\n\tneighbor 192.0.2.1 password hunter2\nexit\nlog syslog\n",
		"flat":                "router bgp 1\nneighbor 192.0.2.1 remote-as 2\n!\naddress-family ipv4 unicast\nnetwork 10.0.0.0/8\nexit-address-family\nexit\nlog syslog\n",
		"flat without exit":   "router bgp 1\nneighbor 192.0.2.1 remote-as 2\n!\nlog syslog\n",
		"spaces without exit": "router bgp 1\n neighbor 192.0.2.1 remote-as 2\n !\n address-family ipv4 unicast\n  network 10.0.0.0/8\n!\nlog syslog\n",
		"one after another":   "router bgp 1\nroute-map FL-X permit 10\n set metric 5\nbgp large-community-list standard FL-Y seq 5 permit 1:2:3\nlog syslog\n",
	}
	for name, existing := range tests {
		t.Run(name, func(t *testing.T) {
			_, foreign, _ := strings.Cut(string(merge([]byte("ours\nend\n"), []byte(existing), nil)), foreignHeading)
			if want := "log syslog\n!\nend\n"; foreign != want {
				t.Errorf("kept as foreign %q, want %q", foreign, want)
			}
		})
	}
}

// Under other defaults than ours, what is not written means something else.
func TestOtherDefaults(t *testing.T) {
	m := &model{running: Parse([]byte("frr defaults datacenter\n"))}
	_, err := New(m, File{}).Apply(t.Context(), []byte(golden(t, "one-switch")))
	if err == nil || !strings.Contains(err.Error(), "frr defaults datacenter") || len(m.scripts) > 0 {
		t.Errorf("error %v after %d scripts, want one that names the defaults, and none", err, len(m.scripts))
	}
}

// The first configuration that an agent brings can be refused like any other: what FRR ran before comes back.
func TestFirstRefusalGoesBack(t *testing.T) {
	before := Parse([]byte(golden(t, "pair-of-switches"))).Owned()
	m := &model{running: before}
	bad := strings.Replace(golden(t, "one-switch"), "router-id 10.0.1.2\n", "router-id 10.0.1.9\n bgp nonsense\n", 1)
	if _, err := New(m, File{}).Apply(t.Context(), []byte(bad)); err == nil {
		t.Fatal("nonsense is taken")
	}
	if diff := cmp.Diff(lines(Parse([]byte(golden(t, "pair-of-switches"))).Owned()), lines(m.running)); diff != "" {
		t.Errorf("running (-before +got):\n%s", diff)
	}
}

// FRR writes the end of some IPv6 addresses as IPv4; that is no difference.
func TestIPv4Tail(t *testing.T) {
	a := Parse([]byte("router bgp 1\n neighbor ::10.0.0.2 remote-as 2\n address-family ipv6 unicast\n  network ::10.0.0.1/128 route-map X\n"))
	b := Parse([]byte("router bgp 1\n neighbor ::a00:2 remote-as 2\n address-family ipv6 unicast\n  network ::a00:1/128 route-map X\n"))
	if change := Diff(a, b); !change.Empty() {
		t.Errorf("a difference:\n%s", change)
	}
}

func FuzzDiff(f *testing.F) {
	for _, name := range []string{"one-switch", "every-setting", "audiences", "views", "empty", "bfd", "receive", "vrf"} {
		f.Add(golden(f, name), golden(f, "pair-of-switches"))
	}
	for _, conf := range everyConfig(f) {
		f.Add(golden(f, "every-setting"), conf)
		f.Add(conf, golden(f, "views"))
	}
	f.Add("router bgp 1\n a\n  b\n   c\nrouter bgp 2 view x\n", "router bgp 3\n neighbor 1.1.1.1 remote-as 2\n neighbor  \n network \n")
	f.Fuzz(func(t *testing.T, running, wanted string) {
		a, b := Parse([]byte(running)).Owned(), Parse([]byte(wanted)).Owned()
		change := Diff(a, b)
		if again := Diff(a, b); string(again.Script()) != string(change.Script()) {
			t.Error("the same pair gives another change")
		}
		if same := Diff(b, b); !same.Empty() && distinct(b) {
			t.Errorf("a configuration differs from itself by\n%s", same)
		}
		checkInModel(t, a, b)
	})
}

// distinct reports whether no two statements of a context have one identity, as in every configuration of FRR.
func distinct(t Tree) bool {
	if len(index(t, topKey)) != len(t) {
		return false
	}
	return !slices.ContainsFunc(t, func(s *Statement) bool {
		return len(index(s.Children, childKey)) != len(s.Children) || !distinct(s.Children)
	})
}

// TestWithoutProfiles applies a configuration with profiles of BFD to an FRR without bfdd, which takes none, and then to one
// with it.
func TestWithoutProfiles(t *testing.T) {
	m := &model{noProfiles: true}
	path := filepath.Join(t.TempDir(), "frr.conf")
	r := New(m, File{Path: path, Write: func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) }})
	wanted := golden(t, "bfd")
	if _, err := r.Apply(t.Context(), []byte(wanted)); err == nil {
		t.Error("profiles that nobody holds are no error")
	}
	r.WithoutProfiles(true)
	for range 2 {
		if _, err := r.Apply(t.Context(), []byte(wanted)); err != nil {
			t.Fatal(err)
		}
		r.Forget()
	}
	if change, err := r.Plan(t.Context(), []byte(wanted)); err != nil || !change.Empty() {
		t.Errorf("applied, there is left to change: %v\n%s", err, change)
	}
	if kept, err := os.ReadFile(path); err != nil || string(kept) != wanted {
		t.Errorf("the file holds %s, %v, want all of\n%s", kept, err, wanted)
	}
	m.noProfiles = false
	r.WithoutProfiles(false)
	if _, err := r.Apply(t.Context(), []byte(wanted)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(wanted)).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("FRR with bfdd holds (-want +got)\n%s", diff)
	}
	// Going back, without bfdd once more, leaves its profiles out too.
	m.noProfiles = true
	r.WithoutProfiles(true)
	if _, err := r.Apply(t.Context(), []byte("router bgp 65000\n bgp nonsense\nexit\n")); err == nil || strings.Contains(err.Error(), "go back") {
		t.Errorf("a refused statement gives %v", err)
	}
}

// An FRR without a router of ours is given what a file holds, and the file is left as it is; another one is left as it is.
func TestRestore(t *testing.T) {
	m := &model{}
	r := New(m, File{Path: filepath.Join(t.TempDir(), "frr.conf"), Write: func(string, []byte) error {
		t.Error("the file was written")
		return nil
	}})
	kept := golden(t, "bfd") + foreignHeading + "ip route 10.9.0.0/16 blackhole\n"
	if _, err := r.Restore(t.Context(), []byte(kept)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lines(Parse([]byte(kept)).Owned()), lines(m.running.Owned())); diff != "" {
		t.Errorf("FRR holds (-want +got)\n%s", diff)
	}
	older := strings.Replace(kept, "router bgp 65000", "router bgp 65009", 1)
	if change, err := r.Restore(t.Context(), []byte(older)); err != nil || !change.Empty() {
		t.Errorf("beside what FRR holds already it changes %q, %v", change, err)
	}
}
