package config

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/route"
)

var update = flag.Bool("update", false, "write the errors that Parse gives into testdata")

// byValue names the types that cmp compares with == instead of looking inside.
func byValue() cmp.Option {
	return cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, route.RemoteAS{})
}

// TestParseErrors reads each case of testdata: config.yaml, and in errors what Parse says to it. A case without errors is
// a file that Parse takes.
func TestParseErrors(t *testing.T) {
	for _, name := range cases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			want, good := "", true
			for _, f := range archive.Files {
				if f.Name == "errors" {
					want, good = string(f.Data), false
				}
			}
			got := ""
			if _, err := Parse("config.yaml", file(t, archive, "config.yaml")); err != nil {
				got = err.Error() + "\n"
			}
			if *update && !good {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "errors" })
				archive.Files = append(archive.Files, txtar.File{Name: "errors", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("errors differ (-want +got):\n%s", diff)
			}
			if !good && got == "" {
				t.Error("Parse took a file with mistakes")
			}
		})
	}
}

func cases(t testing.TB) []string {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases in testdata: %v", err)
	}
	return names
}

func file(t testing.TB, archive *txtar.Archive, name string) []byte {
	t.Helper()
	for _, f := range archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	t.Fatalf("archive has no %s", name)
	return nil
}

func TestParseFull(t *testing.T) {
	data, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse("full.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	both := []route.Family{route.IPv4Unicast, route.IPv6Unicast}
	want := Config{
		ASN:              65000,
		RouterID:         netip.MustParseAddr("10.0.1.2"),
		ClusterID:        netip.MustParseAddr("10.0.0.1"),
		Communities:      []route.Community{65000<<16 | 100, 0xffff029a},
		LargeCommunities: []route.LargeCommunity{{GlobalAdministrator: 65000, LocalData1: 1, LocalData2: 2}},
		LocalPreference:  200,
		MED:              50,
		Routers: []Router{
			{Name: "fabric", ASN: 65010, RouterID: netip.MustParseAddr("10.0.1.3"), ClusterID: netip.MustParseAddr("10.0.0.2")},
			{Name: "tenant", ASN: 65000, VRF: true},
		},
		NeighborDefaults: Session{ConnectTime: 5 * time.Second, MaximumPrefixOut: 10000, Passive: true},
		Neighbors: []Neighbor{
			{
				Name:        "tor1",
				Description: "top of rack 1, left",
				Address:     netip.MustParseAddr("10.32.32.252"),
				NodeSelector: NodeSelector{
					MatchLabels: map[string]string{"rack": "rack1"},
				},
				Session: Session{
					Port:            1790,
					ASN:             route.RemoteASN(65030),
					LocalASN:        64999,
					SourceAddress:   netip.MustParseAddr("10.0.1.2"),
					PasswordFile:    "secrets/tor1",
					Passive:         true,
					EBGPMultihop:    2,
					BFD:             BFD{On: true, ReceiveInterval: 100, TransmitInterval: 200, DetectMultiplier: 5},
					HoldTime:        30 * time.Second,
					KeepaliveTime:   10 * time.Second,
					ConnectTime:     5 * time.Second,
					GracefulRestart: true,
					Families:        both,
					NextHop:         NextHop{IPv4: netip.MustParseAddr("10.0.1.2"), IPv6: netip.MustParseAddr("2001:db8::2")},
					Receive: Receive{
						Accept:   AcceptList,
						Prefixes: []PrefixRange{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), GE: 16, LE: 24}},
						Install:  true,
					},
					MaximumPrefix:    1000,
					MaximumPrefixOut: 10000,
					AllowASIn:        1,
				},
			},
			{
				Name:    "tor2",
				Address: netip.MustParseAddr("2409:ab00:ab00:2000::afb:8afd"),
				NodeSelector: NodeSelector{
					MatchLabels: map[string]string{"kubernetes.io/os": "linux"},
					MatchExpressions: []Requirement{
						{Key: "rack", Operator: In, Values: []string{"rack2", "rack3"}},
						{Key: "node-role.kubernetes.io/control-plane", Operator: DoesNotExist},
					},
				},
				Session: Session{
					Port:              179,
					ASN:               route.External,
					PasswordSecretRef: SecretRef{Name: "bgp", Namespace: "fabric", Key: "tor2"},
					TTLSecurityHops:   3,
					BFD:               BFD{On: true},
					HoldTime:          90 * time.Second,
					KeepaliveTime:     30 * time.Second,
					ConnectTime:       5 * time.Second,
					Families:          both,
					ExtendedNextHop:   true,
					NextHop:           NextHop{Mode: NextHopUnchanged},
					Receive:           Receive{Accept: AcceptNone},
					Transit:           []string{"tor1"},
					MaximumPrefixOut:  10000,
				},
			},
			{
				Name:      "eth1",
				Interface: "eth1",
				Router:    "fabric",
				Session: Session{
					Port:                 179,
					ASN:                  route.Internal,
					HoldTime:             90 * time.Second,
					KeepaliveTime:        30 * time.Second,
					ConnectTime:          5 * time.Second,
					Families:             both,
					RouteReflectorClient: true,
					NextHop:              NextHop{Mode: NextHopSelf},
					Receive:              Receive{Accept: AcceptAll},
					MaximumPrefixOut:     10000,
				},
			},
			{
				Name:    "10.0.1.9",
				Address: netip.MustParseAddr("10.0.1.9"),
				Session: Session{
					Port:                 179,
					ASN:                  route.Internal,
					Passive:              true,
					HoldTime:             90 * time.Second,
					KeepaliveTime:        30 * time.Second,
					ConnectTime:          5 * time.Second,
					Families:             []route.Family{route.IPv4Unicast},
					RouteReflectorClient: true,
					Receive:              Receive{Accept: AcceptNone},
					MaximumPrefixOut:     10000,
				},
			},
		},
		GracefulRestart: GracefulRestart{
			RestartTime:  90 * time.Second,
			DeferralTime: 6 * time.Minute,
			StaleTime:    300 * time.Second,
		},
		Announce: Announce{
			ClusterIPs:                true,
			ServicesFromExcludedNodes: true,
			PodsInAnnouncedSubnets:    true,
			AllowedPrefixes: []netip.Prefix{
				netip.MustParsePrefix("10.16.0.0/16"),
				netip.MustParsePrefix("2001:db8:16::/64"),
			},
		},
		NATGateway: "gw1",
		Kubernetes: Kubernetes{Kubeconfig: "kubeconfig", Scope: ScopeCluster},
		Events:     false,
		Status:     Status{Listen: "127.0.0.1:9100", Socket: "", Pprof: true},
		Verify: Verify{
			Deadline: 5 * time.Second,
			Claims:   Claims{Interval: time.Minute},
			BMP: BMP{
				Listen: ":11020", Allowed: []netip.Prefix{netip.MustParsePrefix("10.32.32.0/24"), netip.MustParsePrefix("2001:db8:32::/64")},
			},
		},
		FRR: FRR{
			Mode:      Embedded,
			Pathspace: "blue",
			Audit:     Audit{Interval: time.Minute, Drift: Report},
			Foreign:   []Foreign{"router bgp 65000 / neighbor 192.0.2.9", "ip prefix-list MINE"},
			Socket:    "/run/frr/vtysh.sock",
			Paths: FRRPaths{
				Vtysh:   "/opt/frr/bin/vtysh",
				Daemons: "/opt/frr/sbin",
				Config:  "/var/lib/fairlead/frr.conf",
			},
		},
		TemplatesDir: "/etc/fairlead/templates",
		Logging:      Logging{Level: "debug", Format: "json"},
	}
	if diff := cmp.Diff(want, got, byValue()); diff != "" {
		t.Errorf("Config differs (-want +got):\n%s", diff)
	}

	// A key that is new to the types has to be in the file above too.
	var again Config
	root, _ := document(data)
	d := newDecoder("full.yaml")
	d.decode("", root, reflect.ValueOf(&again).Elem(), "")
	given := map[string]bool{}
	for path := range d.given {
		given[regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")] = true
	}
	for _, key := range allKeys("", reflect.TypeFor[Config]()) {
		if !given[key] && !given[strings.Replace(key, "neighborDefaults.", "neighbors[].", 1)] && !given[strings.Replace(key, "neighbors[].", "neighborDefaults.", 1)] {
			t.Errorf("testdata/full.yaml does not give %s", key)
		}
	}
}

// allKeys gives the path of each key below the type that stands at path.
func allKeys(path string, typ reflect.Type) []string {
	var keys []string
	for _, f := range fieldsOf(typ) {
		here, inner := join(path, f.Tag.Get("yaml")), f.Type
		keys = append(keys, here)
		if inner.Kind() == reflect.Slice {
			here, inner = here+"[]", inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == typ.PkgPath() {
			keys = append(keys, allKeys(here, inner)...)
		}
	}
	return keys
}

func TestParseDefaults(t *testing.T) {
	got, err := Parse("config.yaml", []byte("asn: 65000\nneighbors: [{address: 10.32.32.254, asn: 65030}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		ASN: 65000,
		Neighbors: []Neighbor{{
			Name:    "10.32.32.254",
			Address: netip.MustParseAddr("10.32.32.254"),
			Session: Session{
				Port:          179,
				ASN:           route.RemoteASN(65030),
				HoldTime:      90 * time.Second,
				KeepaliveTime: 30 * time.Second,
				Families:      []route.Family{route.IPv4Unicast},
				Receive:       Receive{Accept: AcceptNone},
			},
		}},
		Kubernetes: Kubernetes{Scope: ScopeCluster},
		Events:     true,
		Status:     Status{Listen: ":7473", Socket: "/run/fairlead/fairlead.sock"},
		Verify: Verify{
			Deadline: 2 * time.Second, Tap: true, Claims: Claims{Interval: 10 * time.Second}, BMP: BMP{Listen: "127.0.0.1:11019"},
		},
		FRR: FRR{
			Mode:  External,
			Paths: FRRPaths{Vtysh: "/usr/bin/vtysh", Daemons: "/usr/lib/frr", Config: "/etc/frr/frr.conf"},
			Audit: Audit{Interval: 30 * time.Second, Drift: Heal},
		},
		Logging: Logging{Level: "info", Format: "text"},
	}
	if diff := cmp.Diff(want, got, byValue()); diff != "" {
		t.Errorf("Config differs (-want +got):\n%s", diff)
	}
}

func TestParseNeighborDefaults(t *testing.T) {
	const v4, v6 = route.IPv4Unicast, route.IPv6Unicast
	tests := []struct {
		name, keys      string
		hold, keepalive time.Duration
		multihop        uint8
		families        []route.Family
	}{
		{name: "hold time alone", keys: "holdTime: 100", hold: 100 * time.Second, keepalive: 33 * time.Second},
		{name: "shortest hold time", keys: "holdTime: 3s", hold: 3 * time.Second, keepalive: time.Second},
		{name: "short hold time", keys: "holdTime: 5s", hold: 5 * time.Second, keepalive: time.Second},
		{name: "short keepalive time alone", keys: "keepaliveTime: 3", hold: 90 * time.Second, keepalive: 3 * time.Second},
		{name: "long keepalive time alone", keys: "keepaliveTime: 1m", hold: 3 * time.Minute, keepalive: time.Minute},
		{name: "longest keepalive time alone", keys: "keepaliveTime: 21845", hold: 65535 * time.Second, keepalive: 21845 * time.Second},
		{name: "both", keys: "holdTime: 1m\n  keepaliveTime: 20s", hold: time.Minute, keepalive: 20 * time.Second},
		{name: "multihop 1", keys: "ebgpMultihop: 1"},
		{name: "multihop 0", keys: "ebgpMultihop: 0"},
		{name: "multihop 2", keys: "ebgpMultihop: 2", multihop: 2},
		{name: "families are sorted", keys: "families: [ipv6, ipv4]", families: []route.Family{v4, v6}},
		{name: "families of the author", keys: "families: [ipv6-unicast]", families: []route.Family{v6}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse("config.yaml", []byte("asn: 65000\nneighbors:\n- address: 10.32.32.254\n  asn: 65030\n  "+test.keys+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			want := c.Neighbors[0]
			want.HoldTime, want.KeepaliveTime, want.EBGPMultihop = 90*time.Second, 30*time.Second, test.multihop
			want.Families = []route.Family{v4}
			if test.hold != 0 {
				want.HoldTime, want.KeepaliveTime = test.hold, test.keepalive
			}
			if test.families != nil {
				want.Families = test.families
			}
			if diff := cmp.Diff(want, c.Neighbors[0], byValue()); diff != "" {
				t.Errorf("Neighbor differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParsePathspaceDefault(t *testing.T) {
	c, err := Parse("config.yaml", []byte("asn: 65000\nfrr: {pathspace: blue}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.FRR.Paths.Config, "/etc/frr/blue/frr.conf"; got != want {
		t.Errorf("frr.paths.config = %s, want %s", got, want)
	}
}

// TestFedBy: whether FRR feeds the station, and where it connects to.
func TestFedBy(t *testing.T) {
	for _, c := range []struct{ keys, want string }{
		{"", ""},
		{"frr: {mode: embedded}", "127.0.0.1:11019"},
		{"frr: {socket: /run/vtysh.sock}", "127.0.0.1:11019"},
		{"frr: {mode: embedded}\nverify: {bmp: {feed: null}}", "127.0.0.1:11019"},
		{"frr: {mode: embedded}\nverify: {bmp: {feed: false}}", ""},
		{"frr: {mode: embedded}\nverify: {bmp: {listen: ''}}", ""},
		{"verify: {bmp: {feed: true}}", "127.0.0.1:11019"},
		{"verify: {bmp: {feed: true, listen: ':5000'}}", "127.0.0.1:5000"},
		{"verify: {bmp: {feed: true, listen: '0.0.0.0:5000'}}", "127.0.0.1:5000"},
		{"verify: {bmp: {feed: true, listen: '[::]:5000', allowed: [10.0.0.0/8]}}", "[::1]:5000"},
		{"verify: {bmp: {feed: true, listen: '10.0.1.2:5000'}}", "10.0.1.2:5000"},
	} {
		parsed, err := Parse("config.yaml", []byte("asn: 65000\n"+c.keys+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if at := parsed.Verify.BMP.FedBy(); at.IsValid() {
			got = at.String()
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.keys, got, c.want)
		}
	}
}

func TestErrorsAs(t *testing.T) {
	_, err := Parse("x.yaml", []byte("asn: 0\nlogging: {level: loud}\n"))
	err = fmt.Errorf("start: %w", err)
	var all Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("errors.As gives %d errors, want 2", len(all))
	}
	want := Error{File: "x.yaml", Line: 2, Path: "logging.level", Message: `"loud" is not known: write one of error, warn, info, debug`}
	if diff := cmp.Diff(want, all[1]); diff != "" {
		t.Errorf("second error differs (-want +got):\n%s", diff)
	}
	var one Error
	if !errors.As(err, &one) || one.Path != "asn" {
		t.Errorf("errors.As gives the error of %q, want that of asn", one.Path)
	}
}

// TestParseBounded gives Parse files that would be huge if every alias were copied. They have to end in an error, fast.
func TestParseBounded(t *testing.T) {
	list := func(s string, n int) string { return "[" + strings.TrimSuffix(strings.Repeat(s+",", n), ",") + "]" }
	manyKeys := "{"
	for i := range 2000 {
		manyKeys += fmt.Sprintf("k%d: 1, ", i)
	}
	manyKeys += "}"
	many := func(n int, format string) string {
		var s strings.Builder
		for i := range n {
			fmt.Fprintf(&s, format+", ", i)
		}
		return s.String()
	}
	tests := []struct{ name, data string }{
		{"billion laughs", "asn: 65000\na: &a " + list("1", 9) + "\nb: &b " + list("*a", 9) + "\nneighbors: " + list("*b", 9) + "\n"},
		{"many aliases of many keys", "asn: 65000\nx: &x " + manyKeys + "\nneighbors: " + list("*x", 20000) + "\n"},
		{"many aliases of many labels", "asn: 65000\nx: &x " + manyKeys + "\nneighbors: " + list("{nodeSelector: *x}", 5000) + "\n"},
		{"many aliases of a list", "asn: 65000\nx: &x {families: &f " + list("ipv4", 2000) + "}\nneighbors: " + list("*x", 20000) + "\n"},
		{"many aliases of a long text", "asn: 65000\nx: &x " + strings.Repeat("x", 1<<20) + "\nneighbors: " + list("{asn: *x, *x : *x}", 5000) + "\n"},
		{"many transits of nobody", "asn: 65000\nneighbors: [" + many(20000, "{interface: eth%d, asn: 65030, transit: [other%[1]d]}") + "]\n"},
		{"many communities", "asn: 65000\nlargeCommunities: [" + many(90000, "'1:2:%d'") + "'1:2:3']\n"},
		{"many names", "asn: 65000\nneighborDefaults: {transit: [" + many(90000, "t%d") + "]}\nneighbors: [{address: 10.0.0.1, asn: 65030}]\n"},
		{"deep", strings.Repeat("[", 9000) + strings.Repeat("]", 9000)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			start := time.Now()
			_, err := Parse("config.yaml", []byte(test.data))
			if err == nil {
				t.Error("Parse took it")
			} else if size := len(err.Error()); size > 64<<20 {
				t.Errorf("the error has %d bytes", size)
			}
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("Parse took %s", took)
			}
		})
	}
}

// TestMistakes counts the cases with one mistake, and looks for advice in each: a word that says what to do.
func TestMistakes(t *testing.T) {
	const wanted = 100
	advice := regexp.MustCompile(`\b(write|take|keep|correct|give|indent)\b|did you mean|it belongs to|not valid YAML`)
	count := 0
	for _, name := range cases(t) {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse("config.yaml", file(t, archive, "config.yaml"))
		var mistakes Errors
		if !errors.As(err, &mistakes) || len(mistakes) != 1 {
			continue
		}
		count++
		if !advice.MatchString(mistakes[0].Message) {
			t.Errorf("%s: no advice in %q", name, mistakes[0].Message)
		}
	}
	if count < wanted {
		t.Errorf("%d cases have one mistake, want %d or more", count, wanted)
	}
}

// TestSchema checks what the decoder expects of every field's tags.
func TestSchema(t *testing.T) {
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		for _, f := range reflect.VisibleFields(typ) {
			here := path + "." + f.Name
			if f.Tag.Get("yaml") == "" {
				t.Errorf("%s has no yaml tag", here)
			}
			inner := f.Type
			for inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			switch {
			case inner.PkgPath() == typ.PkgPath() && inner.Kind() == reflect.Struct:
				check(here, inner)
			case inner == reflect.TypeFor[time.Duration]():
				if low, high, ok := strings.Cut(f.Tag.Get("range"), "-"); !ok || seconds(low) < 0 || seconds(high) <= seconds(low) {
					t.Errorf("%s has the range %q", here, f.Tag.Get("range"))
				}
			case inner.Kind() == reflect.Uint8 && f.Tag.Get("range") == "" && inner != reflect.TypeFor[route.Family](),
				inner.Kind() == reflect.Uint16 && f.Tag.Get("range") == "",
				inner == reflect.TypeFor[uint32]() && f.Tag.Get("range") == "":
				t.Errorf("%s has no range", here)
			}
		}
	}
	check("Config", reflect.TypeFor[Config]())
}

// TestDecodeEmbedded reads the keys of an embedded struct, and none of a field that has no key.
func TestDecodeEmbedded(t *testing.T) {
	type outer struct {
		Logging
		Hidden string `yaml:"-"`
	}
	got := keysOf(reflect.TypeFor[outer]())
	if diff := cmp.Diff([]string{"level", "format"}, got); diff != "" {
		t.Errorf("keys differ (-want +got):\n%s", diff)
	}
}
