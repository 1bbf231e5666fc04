package reload

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// What an operator's own statements ask for beside what render's do.
func TestDiffOfOwnStatements(t *testing.T) {
	const router, end = "router bgp 1\n", "exit\n"
	tests := []struct{ name, running, wanted, want string }{
		{
			"entries that trade places", "ip prefix-list FL-A seq 5 permit any\nip prefix-list FL-A seq 10 deny 10.0.0.0/8\n",
			"ip prefix-list FL-A seq 5 deny 10.0.0.0/8\nip prefix-list FL-A seq 10 permit any\n",
			"no ip prefix-list FL-A seq 5 permit any\nno ip prefix-list FL-A seq 10 deny 10.0.0.0/8\n" +
				"ip prefix-list FL-A seq 5 deny 10.0.0.0/8\nip prefix-list FL-A seq 10 permit any\n",
		},
		{
			"a list of another sort", "bgp community-list standard FL-A seq 5 permit 1:2\n", "bgp community-list expanded FL-A seq 5 permit 1:.*\n",
			"no bgp community-list standard FL-A seq 5 permit 1:2\nbgp community-list expanded FL-A seq 5 permit 1:.*\n",
		},
		{
			"an entry that goes from a list that stays goes last", "access-list FL-A seq 5 permit 10.0.0.0/8\n", "access-list FL-A seq 10 deny any\n",
			"access-list FL-A seq 10 deny any\nno access-list FL-A seq 5 permit 10.0.0.0/8\n",
		},
		{
			"a list's description", "ip prefix-list FL-A description one\n", "ip prefix-list FL-A description two words\n",
			"no ip prefix-list FL-A description one\nip prefix-list FL-A description two words\n",
		},
		{
			"a group that goes takes its members along",
			router + " neighbor G peer-group\n neighbor G remote-as 2\n neighbor 10.0.0.1 peer-group G\n neighbor 10.0.0.1 timers 5 15\n bgp listen range 10.0.0.0/8 peer-group G\n" + end,
			router + " neighbor G peer-group\n neighbor G remote-as 3\n neighbor 10.0.0.1 peer-group G\n neighbor 10.0.0.1 timers 5 15\n" + end,
			router + " no neighbor 10.0.0.1\n no bgp listen range 10.0.0.0/8 peer-group G\n no neighbor G peer-group\n" +
				" neighbor G peer-group\n neighbor G remote-as 3\n neighbor 10.0.0.1 peer-group G\n neighbor 10.0.0.1 timers 5 15\n" + end,
		},
		{
			"a member that leaves", router + " neighbor G peer-group\n neighbor 10.0.0.1 remote-as 2\n neighbor 10.0.0.1 peer-group G\n" + end,
			router + " neighbor G peer-group\n neighbor 10.0.0.1 remote-as 2\n" + end,
			router + " no neighbor 10.0.0.1\n neighbor 10.0.0.1 remote-as 2\n" + end,
		},
		{
			"a label is not changed in place", router + " address-family ipv4 unicast\n  network 10.0.0.0/8 label-index 5\n exit-address-family\n" + end,
			router + " address-family ipv4 unicast\n  network 10.0.0.0/8 label-index 6\n exit-address-family\n" + end,
			router + " address-family ipv4 unicast\n  no network 10.0.0.0/8\n  network 10.0.0.0/8 label-index 6\n exit-address-family\n" + end,
		},
		{
			"BFD goes after its profile", router + " neighbor 10.0.0.1 remote-as 2\n neighbor 10.0.0.1 bfd\n neighbor 10.0.0.1 bfd profile FL-A\n" + end,
			router + " neighbor 10.0.0.1 remote-as 2\n" + end,
			router + " no neighbor 10.0.0.1 bfd profile FL-A\n no neighbor 10.0.0.1 bfd\n" + end,
		},
		{
			"a group of another AS takes its members along", router + " neighbor G peer-group\n neighbor G remote-as 2\n neighbor 10.0.0.1 peer-group G\n" + end,
			router + " neighbor G peer-group\n neighbor G remote-as 3\n neighbor 10.0.0.1 peer-group G\n" + end,
			router + " no neighbor 10.0.0.1\n no neighbor G peer-group\n neighbor G peer-group\n neighbor G remote-as 3\n neighbor 10.0.0.1 peer-group G\n" + end,
		},
		{
			"timers delayopen are none of the timers", router + " neighbor 10.0.0.1 remote-as 2\n neighbor 10.0.0.1 timers 5 15\n" + end,
			router + " neighbor 10.0.0.1 remote-as 2\n neighbor 10.0.0.1 timers 5 15\n neighbor 10.0.0.1 timers delayopen 5\n" + end,
			router + " neighbor 10.0.0.1 timers delayopen 5\n" + end,
		},
		{
			"contexts go whole, segment routing by what it holds",
			router + " segment-routing srv6\n  locator a\n exit\n bmp targets a\n  bmp stats\n exit\n address-family l2vpn evpn\n  vni 5\n   rd 1:2\n  exit-vni\n exit-address-family\n" + end,
			router + end,
			router + " segment-routing srv6\n  no locator a\n exit\n no bmp targets a\n address-family l2vpn evpn\n  no vni 5\n exit-address-family\n" + end,
		},
		{
			"a station keeps its place with other times, and not with another port",
			router + " bmp targets FL-STATION\n  bmp stats interval 60000\n  bmp connect 127.0.0.1 port 5000 min-retry 1000 max-retry 5000\n" +
				"  bmp connect 127.0.0.1 port 5001 min-retry 1000 max-retry 5000\n exit\n" + end,
			router + " bmp targets FL-STATION\n  bmp stats interval 5000\n  bmp connect 127.0.0.1 port 5000 min-retry 1000 max-retry 9000\n" +
				"  bmp connect 127.0.0.1 port 5002 min-retry 1000 max-retry 5000\n exit\n" + end,
			router + " bmp targets FL-STATION\n  no bmp connect 127.0.0.1 port 5001 min-retry 1000 max-retry 5000\n  bmp stats interval 5000\n" +
				"  bmp connect 127.0.0.1 port 5000 min-retry 1000 max-retry 9000\n  bmp connect 127.0.0.1 port 5002 min-retry 1000 max-retry 5000\n exit\n" + end,
		},
		{
			"distances are shared by routers, and lost with one",
			router + " address-family ipv4 unicast\n  distance 5 10.0.0.0/8\n  distance 6 11.0.0.0/8\n exit-address-family\n" + end +
				"router bgp 1 view a\n address-family ipv4 unicast\n  distance 5 10.0.0.0/8\n  distance 6 11.0.0.0/8\n exit-address-family\n" + end,
			router + " address-family ipv4 unicast\n  distance 6 11.0.0.0/8\n exit-address-family\n" + end,
			router + " address-family ipv4 unicast\n  no distance 5 10.0.0.0/8\n exit-address-family\n" + end + "no router bgp 1 vrf a\n" +
				router + " address-family ipv4 unicast\n  distance 6 11.0.0.0/8\n exit-address-family\n" + end,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			running, wanted := Parse([]byte(tt.running)).Owned(), Parse([]byte(tt.wanted)).Owned()
			if diff := cmp.Diff(tt.want, string(Diff(running, wanted).Script())); diff != "" {
				t.Errorf("change (-want +got):\n%s", diff)
			}
			if again := Diff(wanted, wanted); !again.Empty() {
				t.Errorf("what is wanted differs from itself:\n%s", again)
			}
		})
	}
}

// FRR 8 has a name for the community 0:0.
func TestCommunityZero(t *testing.T) {
	running := "route-map FL-A permit 10\n set community internet 65000:1\nexit\n"
	wanted := "route-map FL-A permit 10\n set community 0:0 65000:1\nexit\n"
	if change := Diff(Parse([]byte(running)), Parse([]byte(wanted))); !change.Empty() {
		t.Errorf("a difference:\n%s", change)
	}
}

// A router's setting of one value is replaced by another one, and of two in a file, such as ours and an operator's own behind it,
// the last counts.
func TestOneValue(t *testing.T) {
	for _, setting := range singleValued {
		one, other := " "+setting+" 1\n", " "+setting+" 2\n"
		for _, tt := range []struct{ name, running, wanted, want string }{
			{"another", one, other, other},
			{"the last", other, one + other, ""},
			{"the same", one, one, ""},
		} {
			router := func(lines string) string { return "router bgp 65000\n" + lines + "exit\n" }
			want := ""
			if tt.want != "" {
				want = router(tt.want)
			}
			got := Diff(Parse([]byte(router(tt.running))), Parse([]byte(router(tt.wanted)))).Script()
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", setting, tt.name, diff)
			}
		}
	}
}

// From every configuration to every other, in a model that refuses a wrong order.
func TestEveryPair(t *testing.T) {
	configs := everyConfig(t)
	for from, a := range configs {
		for to, b := range configs {
			m := &model{}
			for _, conf := range []string{a, b} {
				change := Diff(m.running.Owned(), Parse([]byte(conf)).Owned())
				if err := m.Apply(t.Context(), change.Script()); err != nil {
					t.Fatalf("from %s to %s: %v\n%s", from, to, err, change)
				}
			}
			fresh := &model{}
			if err := fresh.Apply(t.Context(), Diff(nil, Parse([]byte(b)).Owned()).Script()); err != nil {
				t.Fatalf("%s: %v", to, err)
			}
			if diff := cmp.Diff(lines(fresh.running.Owned()), lines(m.running.Owned())); diff != "" {
				t.Errorf("from %s to %s (-want +got):\n%s", from, to, diff)
			}
			if again := Diff(m.running.Owned(), Parse([]byte(b)).Owned()); !again.Empty() {
				t.Errorf("from %s to %s: there is no end:\n%s", from, to, again)
			}
		}
	}
}

// everyConfig gives all that render's tests hold, and what the random pairs of configurations have found.
func everyConfig(t testing.TB) map[string]string {
	t.Helper()
	configs := map[string]string{}
	files, err := filepath.Glob("../render/testdata/*.conf")
	pairs, err2 := filepath.Glob("../test/pairs/testdata/*.txtar")
	if errors.Join(err, err2) != nil || len(files) < 10 || len(pairs) == 0 {
		t.Fatalf("%d goldens, %d pairs, %v", len(files), len(pairs), errors.Join(err, err2))
	}
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".conf")
		configs[name] = golden(t, name)
	}
	for _, path := range pairs {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			configs[filepath.Base(path)+"/"+f.Name] = string(f.Data)
		}
	}
	return configs
}

// checkInModel takes a model from one configuration to another. It must then hold what one does that was given the second at
// once; what the model refuses by itself, as FRR would, is none.
func checkInModel(t *testing.T, a, b Tree) {
	t.Helper()
	walked, fresh := &model{}, &model{}
	from, to := Diff(nil, a), Diff(nil, b)
	if errors.Join(walked.Apply(t.Context(), from.Script()), fresh.Apply(t.Context(), to.Script())) != nil {
		return
	}
	if !Diff(walked.running.Owned(), a).Empty() || !Diff(fresh.running.Owned(), b).Empty() {
		return
	}
	change := Diff(walked.running.Owned(), b)
	if err := walked.Apply(t.Context(), change.Script()); err != nil {
		t.Errorf("refused: %v\n%s", err, change)
	}
	if diff := cmp.Diff(lines(fresh.running.Owned()), lines(walked.running.Owned())); diff != "" {
		t.Errorf("after\n%s(-given at once +brought there)\n%s", change, diff)
	}
}

// BenchmarkDiff finds a thousandth of so many routes changed. Its time for each line is to be the same for all sizes.
func BenchmarkDiff(b *testing.B) {
	for _, size := range []int{1_000, 10_000, 100_000} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			conf := func(change int) Tree {
				var out strings.Builder
				out.WriteString("router bgp 65000\n bgp router-id 10.0.1.2\n address-family ipv4 unicast\n")
				for i := range size {
					group := "FL-GROUP-1"
					if change > 0 && i%change == 0 {
						group = "FL-GROUP-2"
					}
					fmt.Fprintf(&out, "  network 10.%d.%d.%d/32 route-map %s\n", i>>16, i>>8&255, i&255, group)
				}
				return Parse([]byte(out.String() + " exit-address-family\nexit\n")).Owned()
			}
			running, wanted := conf(0), conf(1000)
			b.ReportAllocs()
			for b.Loop() {
				if Diff(running, wanted).Empty() {
					b.Fatal("there is no difference")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size), "ns/line")
		})
	}
}
