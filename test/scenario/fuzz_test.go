package scenario

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/watch"
)

// explained are the forms of all lines that frr.conf can have, but for the networks, which are looked at one by one.
var explained = regexp.MustCompile(`^(?:` + strings.Join([]string{
	`! Written by Fairlead: what is changed here by hand is overwritten\.`, ` *!`, `exit`, `end`, ` exit-address-family`,
	`frr defaults traditional`, `bgp route-map delay-timer 1`,
	`bgp large-community-list (?:standard FL-TO-\w+ seq 5 permit \d+:4242:\d+|expanded FL-MARKERS-\d+ seq 5 permit \^\d+:4242:)`,
	`route-map FL-(?:GROUP-\w+ permit|OUT-\w+ permit|IN-NONE deny) 10`,
	` set large-community \d+:4242:\d+`, ` match large-community FL-TO-\w+`, ` set large-comm-list FL-MARKERS-\d+ delete`,
	`router bgp 65000`, ` bgp router-id 10\.0\.1\.2`, ` no bgp default ipv4-unicast`, ` no bgp network import-check`, ` coalesce-time 500`,
	` neighbor (?:10\.0\.1\.1|fd00:1::1) (?:remote-as 65001|timers 30 90)`,
	`  neighbor (?:10\.0\.1\.1|fd00:1::1) (?:activate|route-map FL-IN-NONE in|route-map FL-OUT-\w+ out)`,
	` address-family ipv[46] unicast`,
}, "|") + `)$`)

var groupName = regexp.MustCompile(`^FL-GROUP-\w+$`)

// Whatever a cluster's users write into their objects, every line of frr.conf is one that the configuration explains, or a
// network that is the prefix of one route. No text of theirs gets there.
func FuzzManifestsToConf(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if file.Name == "objects.yaml" {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte("{apiVersion: v1, kind: Pod, metadata: {name: a, annotations: {ovn.kubernetes.io/bgp: \"true\"}}, status: {podIPs: [{ip: \"10.0.0.1\\n network 0.0.0.0/0\"}]}}"))
	var configs []config.Config
	for _, announce := range []string{"announce: {clusterIPs: true, podsInAnnouncedSubnets: true}", "natGateway: gw1"} {
		c, err := config.Parse("config.yaml", []byte(`
asn: 65000
routerID: 10.0.1.2
neighbors: [{address: 10.0.1.1, asn: 65001}, {address: "fd00:1::1", asn: 65001}]
`+announce))
		if err != nil {
			f.Fatal(err)
		}
		configs = append(configs, c)
	}
	renderer, err := render.New(templates.FS)
	if err != nil {
		f.Fatal(err)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, manifest []byte) {
		if err := os.WriteFile(filepath.Join(dir, "objects.yaml"), manifest, 0o600); err != nil {
			t.Fatal(err)
		}
		snapshot, _, err := watch.ReadFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range configs {
			explain(t, renderer, snapshot, c)
		}
	})
}

// explain looks for what each line of frr.conf comes from.
func explain(t *testing.T, renderer *render.Renderer, snapshot reduce.Snapshot, c config.Config) {
	t.Helper()
	result, err := reduce.Reduce(snapshot, c, "node1")
	if err != nil {
		t.Fatal(err)
	}
	wanted := make(map[string]bool)
	for _, r := range result.Speaker.Routers[0].Routes {
		wanted[r.Prefix.String()] = true
	}
	networks := 0
	for line := range strings.Lines(conf(t, renderer, snapshot, c, "node1")) {
		line = strings.TrimSuffix(line, "\n")
		if prefix, ok := network(line); ok {
			networks++
			if !wanted[prefix] {
				t.Errorf("%q is no route that is wanted", line)
			}
		} else if !explained.MatchString(line) {
			t.Errorf("nothing explains the line %q", line)
		}
	}
	if networks != len(wanted) {
		t.Errorf("%d networks for %d routes", networks, len(wanted))
	}
}

// network gives the prefix of a line that announces one, where it is written as only a typed value is.
func network(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "  network ")
	if !ok {
		return "", false
	}
	text, group, _ := strings.Cut(rest, " route-map ")
	prefix, err := netip.ParsePrefix(text)
	return text, err == nil && prefix.String() == text && prefix == prefix.Masked() &&
		route.FamilyOf(prefix.Addr()) != 0 && groupName.MatchString(group)
}
