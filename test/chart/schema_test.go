package chart

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

// TestMistakes installs what people get wrong, and reads what helm says.
func TestMistakes(t *testing.T) {
	t.Parallel()
	neighbor := func(text string) string {
		return "config: {asn: 65000, neighbors: [{address: 10.32.32.254, asn: 65030, " + text + "}]}"
	}
	for name, tt := range map[string]struct{ values, want string }{
		"AS number 0":          {`config: {asn: 0}`, "at '/config/asn': minimum: got 0, want 1"},
		"AS number too high":   {`config: {asn: 4294967296}`, "at '/config/asn': maximum: got 4.294967296×10⁰⁹"},
		"AS number a text":     {`config: {asn: sixty}`, "at '/config/asn': 'sixty' does not match pattern"},
		"AS number, bare dot":  {`config: {asn: 1.10}`, "at '/config/asn': got number, want integer or string"},
		"no AS number":         {`{}`, "at '/config': missing property 'asn'"},
		"no address":           {`config: {asn: 65000, neighbors: [{address: 10.32.32.300, asn: 65030}]}`, "'10.32.32.300' is not valid ipv4"},
		"a prefix":             {`config: {asn: 65000, neighbors: [{address: 2001:db8::/64, asn: 65030}]}`, "'2001:db8::/64' is not valid ipv6"},
		"unknown key":          {neighbor("adress: 10.1.1.1"), "at '/config/neighbors/0': additional properties 'adress' not allowed"},
		"unknown value":        {`{config: {asn: 65000}, tolerance: []}`, "at '': additional properties 'tolerance' not allowed"},
		"port":                 {neighbor("port: 70000"), "at '/config/neighbors/0/port': maximum: got 70,000, want 65,535"},
		"holdTime in seconds":  {neighbor("holdTime: 2s"), "at '/config/neighbors/0/holdTime': '2s' does not match pattern '^\\\\+?(0*([3-9]|"},
		"holdTime as a number": {neighbor("holdTime: 2"), "at '/config/neighbors/0/holdTime': minimum: got 2, want 3"},
		"password in clear":    {neighbor("password: s3cret"), "at '/config/neighbors/0': additional properties 'password' not allowed"},
		"password as a name":   {neighbor("passwordFile: s3cret"), "config.neighbors[0].passwordFile: no such file in the pod: write passwords/SECRET/KEY"},
		"password not mounted": {`{config: {asn: 65000, neighborDefaults: {asn: 1, passwordFile: passwords/bgp/s3cret}}, passwords: [{secret: bgp, key: other}]}`,
			"config.neighborDefaults.passwordFile: no such file in the pod"},
		"password as reference": {neighbor("passwordSecretRef: s3cret"), "at '/config/neighbors/0/passwordSecretRef': got string, want object"},
		"password as file":      {`{config: {asn: 65000}, passwords: [s3cret]}`, "at '/passwords/0': got string, want object"},
		"family":                {neighbor("families: [ipv4-multicast]"), "at '/config/neighbors/0/families/0': value must be one of 'ipv4-unicast', 'ipv6-unicast'"},
		"empty neighbor":        {`config: {asn: 65000, neighbors: [{}]}`, "at '/config/neighbors/0': missing property 'address'"},
		"neighbor without AS":   {`config: {asn: 65000, neighbors: [{address: 10.32.32.254}]}`, "at '/config/neighbors/0': missing property 'asn'"},
		"no neighbor":           {`config: {asn: 65000, neighbors: [null]}`, "at '/config/neighbors/0': got null, want object"},
		"nodeSelector":          {`{config: {asn: 65000}, nodeSelector: [gateway]}`, "at '/nodeSelector': got array, want object"},
		"label without quotes":  {`{config: {asn: 65000}, nodeSelector: {gateway: true}}`, "at '/nodeSelector/gateway': got boolean, want"},
		"neighbor's selector":   {neighbor("nodeSelector: rack1"), "at '/config/neighbors/0/nodeSelector': got string, want object"},
		"image without tag":     {`{config: {asn: 65000}, image: {tag: ""}}`, "at '/image/tag': minLength: got 0, want 1"},
		"half of a digest":      {`{config: {asn: 65000}, image: {digest: "sha256:0f0f"}}`, "at '/image/digest': 'sha256:0f0f' does not match pattern"},
		"image as text":         {`{config: {asn: 65000}, image: "fairlead:0.1.0"}`, "at '/image': got string, want object"},
		"negative interval":     {`config: {asn: 65000, verify: {claims: {interval: -5s}}}`, "at '/config/verify/claims/interval': '-5s' does not match pattern"},
		"no such FRR":           {`config: {asn: 65000, frr: {mode: beside}}`, "at '/config/frr/mode': value must be one of 'external', 'embedded'"},
		"somebody else's FRR":   {`config: {asn: 65000, frr: {socket: null}}`, "at '/config/frr': missing property 'socket'"},
		"FRR elsewhere":         {`config: {asn: 65000, frr: {socket: /run/vtysh.sock}}`, "at '/config/frr/socket': value must be '/run/fairlead/vtysh/vtysh.sock'"},
		"FRR next door":         {`config: {asn: 65000, frr: {socket: /run/fairlead/vtysh/other.sock}}`, "at '/config/frr/socket': value must be '/run/fairlead/vtysh/vtysh.sock'"},
		"frr.conf in the way":   {`config: {asn: 65000, frr: {paths: {config: /etc/frr.conf}}}`, "at '/config/frr/paths/config': value must be '/var/lib/fairlead/frr.conf'"},
		"frr.conf elsewhere":    {`config: {asn: 65000, frr: {paths: {config: /usr/local/frr.conf}}}`, "at '/config/frr/paths/config': value must be '/var/lib/fairlead/frr.conf'"},
		"several FRRs":          {`config: {asn: 65000, frr: {pathspace: blue}}`, "at '/config/frr/pathspace': value must be ''"},
		"a socket elsewhere":    {`config: {asn: 65000, status: {socket: /var/fairlead.sock}}`, "at '/config/status/socket': '/var/fairlead.sock' does not match"},
		"status without a port": {`config: {asn: 65000, status: {listen: 127.0.0.1}}`, "at '/config/status/listen': '127.0.0.1' does not match pattern"},
		"a cluster elsewhere":   {`config: {asn: 65000, kubernetes: {kubeconfig: kubeconfig}}`, "at '/config/kubernetes/kubeconfig': value must be ''"},
		"a name to listen on":   {`config: {asn: 65000, status: {listen: "localhost:9000"}}`, "at '/config/status/listen': 'localhost:9000' does not match pattern"},
		"no prefix at all":      {`config: {asn: 65000, announce: {allowedPrefixes: []}}`, "at '/config/announce/allowedPrefixes': minItems: got 0, want 1"},
		"a nameless router":     {`config: {asn: 65000, routers: [{asn: 65010}]}`, "at '/config/routers/0': missing property 'name'"},
		"a nameless Secret":     {neighbor("passwordSecretRef: {key: tor1}"), "at '/config/neighbors/0/passwordSecretRef': properties 'name' required, if 'key' exists"},
		"templates elsewhere":   {`config: {asn: 65000, templatesDir: templates}`, "at '/config/templatesDir': value must be one of '', '/etc/fairlead-templates'"},
		"no template":           {`config: {asn: 65000, templatesDir: /etc/fairlead-templates}`, "config.templatesDir: there is no template in the folder: write them under templates"},
		"the system's folder":   {`{config: {asn: 65000}, stateDir: /etc}`, "at '/stateDir': '/etc' does not match pattern"},
		"everybody's folder":    {`{config: {asn: 65000}, stateDir: /var/lib}`, "at '/stateDir': '/var/lib' does not match pattern"},
		"a folder by a detour":  {`{config: {asn: 65000}, stateDir: /var/lib/fairlead/../../etc}`, "at '/stateDir': '/var/lib/fairlead/../../etc' does not match pattern"},
		"everybody's sockets":   {`{config: {asn: 65000}, frr: {runDir: /run}}`, "at '/frr/runDir': '/run' does not match pattern"},
		"sockets in /etc":       {`{config: {asn: 65000}, frr: {runDir: /etc}}`, "at '/frr/runDir': '/etc' does not match pattern"},
		"sockets by a detour":   {`{config: {asn: 65000}, frr: {runDir: /run/fairlead/../../etc}}`, "at '/frr/runDir': '/run/fairlead/../../etc' does not match pattern"},
		"no folder":             {`{config: {asn: 65000}, stateDir: null}`, "at '': missing property 'stateDir'"},
		"no probe":              {`{config: {asn: 65000}, livenessProbe: null}`, "at '': missing property 'livenessProbe'"},
		"no pause":              {`{config: {asn: 65000}, frr: {minReadySeconds: null}}`, "at '/frr': missing property 'minReadySeconds'"},
		"no probe of FRR":       {`{config: {asn: 65000}, frr: {livenessProbe: null}}`, "at '/frr': missing property 'livenessProbe'"},
		"no metrics":            {`{config: {asn: 65000}, metrics: null}`, "at '': missing property 'metrics'"},
		"no Service":            {`{config: {asn: 65000}, metrics: {service: null}}`, "at '/metrics': missing property 'service'"},
		"no policy":             {`{config: {asn: 65000}, networkPolicy: null}`, "at '': missing property 'networkPolicy'"},
		"from nobody":           {`{config: {asn: 65000}, networkPolicy: {enabled: true, from: []}}`, "at '/networkPolicy/from': minItems: got 0, want 1"},
		"from null":             {`{config: {asn: 65000}, networkPolicy: {enabled: true, from: null}}`, "at '/networkPolicy': missing property 'from'"},
		"from who knows":        {`{config: {asn: 65000}, networkPolicy: {enabled: true, from: [{}]}}`, "at '/networkPolicy/from/0': minProperties: got 0, want 1"},
		"no time to withdraw":   {`{config: {asn: 65000}, withdrawOnExit: true, terminationGracePeriodSeconds: 0}`, "at '/terminationGracePeriodSeconds': minimum: got 0, want 55"},
		"hardly time":           {`{config: {asn: 65000}, withdrawOnExit: true, terminationGracePeriodSeconds: 54}`, "at '/terminationGracePeriodSeconds': minimum: got 54, want 55"},
		"no strategy":           {`{config: {asn: 65000}, updateStrategy: null}`, "at '': missing property 'updateStrategy'"},
		"a password twice":      {`{config: {asn: 65000}, passwords: [{secret: a, key: b}, {secret: a, key: b}]}`, "at '/passwords': items at 0 and 1 are equal"},
		"a share of the agents": {`{config: {asn: 65000}, podDisruptionBudget: {minAvailable: 50%}}`, "at '/podDisruptionBudget/minAvailable': got string, want integer"},
		"the selector's label":  {`{config: {asn: 65000}, podLabels: {app.kubernetes.io/name: mine}}`, "invalid propertyName 'app.kubernetes.io/name'"},
		"the other label":       {`{config: {asn: 65000}, podLabels: {app.kubernetes.io/instance: mine}}`, "invalid propertyName 'app.kubernetes.io/instance'"},
		"our annotation":        {`{config: {asn: 65000}, podAnnotations: {fairlead.io/read-once: mine}}`, "invalid propertyName 'fairlead.io/read-once'"},
		"the other annotation":  {`{config: {asn: 65000}, podAnnotations: {kubectl.kubernetes.io/default-container: frr}}`, "invalid propertyName 'kubectl.kubernetes.io/default-container'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := template(t, tt.values)
			if err == nil {
				t.Fatal("helm installs it")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("helm says %v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestPlaces renders the chart under names and in namespaces that some objects cannot have.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ release, namespace, values, fault string }{
		"a dot":          {"rack.one", "fairlead", "", ""},
		"a digit":        {"1st", "fairlead", "", "release name 1st: a Service's name cannot begin with a digit: choose another, such as bgp-1st"},
		"kube-system":    {"fairlead", "kube-system", "", "namespace kube-system: the agents may write all Leases of their namespace"},
		"without Leases": {"fairlead", "kube-system", "  events: false\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := "config:\n  asn: 65000\n  neighbors: [{address: 10.32.32.254, asn: 65030, passwordSecretRef: {name: tor, namespace: infra}}]\n" + tt.values
			manifests, err := helm(t, values, "template", tt.release, dir, "--namespace", tt.namespace, "--kube-version", "v1.35.0", "--values", "-")
			if text := fmt.Sprint(err); (err != nil) != (tt.fault != "") || !strings.Contains(text, tt.fault) {
				t.Fatalf("helm says %v, want %q", err, tt.fault)
			}
			for _, o := range objectsOf(t, manifests) {
				if strings.HasPrefix(o.GetAPIVersion(), "rbac.") {
					continue // These may have any name.
				}
				if wrong := validation.IsDNS1035Label(o.GetName()); len(wrong) > 0 {
					t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), wrong)
				}
			}
		})
	}
}

// TestSchemaTakesExamples has helm and the agent take what the guides show, and what the reference gives as an example of each key.
func TestSchemaTakesExamples(t *testing.T) {
	t.Parallel()
	for _, name := range matches(t, root+"/docs/examples/*.yaml") {
		values := "config:\n  " + strings.ReplaceAll(file(t, name), "\n", "\n  ")
		if got, err := config.Parse(name, []byte(configOf(t, rendered(t, values)))); err != nil || got.ASN == 0 {
			t.Errorf("%s, out of the chart: %v", name, err)
		}
	}

	for i, block := range strings.Split(file(t, root+"/docs/installing.md"), "```yaml\n")[1:] {
		values, _, _ := strings.Cut(block, "```")
		if _, err := config.Parse("installing.md", []byte(configOf(t, rendered(t, values)))); err != nil {
			t.Errorf("block %d of installing.md: %v", i, err)
		}
	}

	for _, name := range matches(t, root+"/config/testdata/ok-*.txtar") {
		_, text, _ := strings.Cut(file(t, name), "-- config.yaml --\n")
		_, err := template(t, "config:\n  "+strings.ReplaceAll(text, "\n", "\n  "))
		// null takes away what the chart has, and is no value of its own; and helm reads an AS number with a dot as a fraction.
		if known := slices.Contains([]string{"ok-null.txtar", "ok-asdot.txtar"}, filepath.Base(name)); err != nil && strings.Contains(err.Error(), "schema") != known {
			t.Errorf("%s: %v", name, err)
		}
	}

	all := document{}
	keys(t, func(path []string, f reflect.StructField) {
		var value any
		if err := yaml.Unmarshal([]byte(f.Tag.Get("example")), &value); err != nil {
			t.Fatal(err)
		}
		// The first two have no use in a pod, the others name what has to be there.
		if last := path[len(path)-1]; !slices.Contains([]string{"pathspace", "kubeconfig", "passwordFile", "templatesDir", "config"}, last) {
			all.set(path, value)
		}
	})
	if _, err := template(t, all.values(t)); err != nil {
		t.Error(err)
	}
}

// TestSchemaAgrees holds forms and bounds, as helm takes them, against those that the agent takes.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	const neighbor = "neighbors: [{address: 10.32.32.254, asn: 65030, %s}]"
	session := func(key string) string { return fmt.Sprintf(neighbor, key) }
	for _, tt := range []struct {
		// key stands for the lines of a configuration with %s in the place of each of the values.
		key            string
		takes, refuses []string
	}{
		{session("holdTime: %s"),
			[]string{"3", "3s", `"3"`, "30s", "+30s", "030s", "1m", "1m30s", "30s1m", "1h05m", "1.5m", ".5m", "90.0s", "3000ms", "1.5s1500ms", "1h", "65535", "65535s", "18h12m15s"},
			[]string{"2", "2s", "0", `"0"`, "-3s", "-3", "3x", `""`, "soon", "1.5", "3.5s", "500ms", "3500ms", "70000", "70000s", "65536s", "19h", "100h", "1093m", "1m100h"}},
		{"gracefulRestart: {restartTime: %s}", []string{"4095s", "68m15s", "1h"}, []string{"4096s", "69m", "2h", "100h"}},
		{"verify: {deadline: %s}", []string{"1s", "60s", "1m"}, []string{"61s", "2m", "1h", "10ms"}},
		{"communities: [%s]", []string{"65000:1", "0:65535", `"007:1"`, "no-export", "blackhole"}, []string{"70000:1", "1:65536", "no-exprot", "65000", "1:2:3", "blackhole, blackhole"}},
		{"largeCommunities: [%s]", []string{"65000:1:2", "0:4294967295:0"}, []string{"65000:1", "65000:1:42949672950", "1:2:3, 1:2:3"}},
		{"announce: {allowedPrefixes: %s}", []string{"[10.16.0.0/16]", "[0.0.0.0/0, '::/0', 2001:db8::/128]", "[10.0.0.0/8, 10.0.0.0/8]"},
			[]string{"[]", "[10.16.0.0]", "[10.16.0.0/33]", "['2001:db8::/129']", "[10.16.0.0/016]"}},
		{"natGateway: %s", []string{"gw1", "gw-1.example", "7up", `""`}, []string{"Not_A_Name", "gw-", "-gw", "a..b"}},
		{"routers: [{name: %s}]", []string{"storage", "a.b_c-d", "abcdefghijklmno"}, []string{`""`, "a b", "abcdefghijklmnop", "null"}},
		{"routers: [{%s}]", []string{"name: red, vrf: true"}, []string{"asn: 65010", "vrf: true"}},
		{"frr: {paths: {daemons: %s}}", []string{"/usr/lib/frr", `""`}, []string{"usr/lib/frr", "./frr"}},
		{"status: {listen: '%s'}", []string{"", ":7473", "127.0.0.1:7473", "[::1]:7473", "[fe80::1%eth0]:7473"},
			[]string{"localhost:9000", "::1:7473", "127.0.0.1", ":0", ":65536", "7473", "127.0.0.1:http"}},
		{"logging: {level: %s}", []string{"debug", `""`}, []string{"loud"}},
		{session("families: %s"), []string{"[ipv4]", "[ipv4, ipv6-unicast]"}, []string{"[]", "[ipv4, ipv4]", "[ipv5]"}},
		{session("nextHop: %s"), []string{"self", "{ipv4: 10.0.0.1}"}, []string{"{}", "other"}},
		{session("receive: %s"), []string{"all", "{}", "{accept: ''}", "{prefixes: []}", "{prefixes: [{prefix: 10.0.0.0/8, le: 24}]}"},
			[]string{"list", "{prefixes: [{le: 24}]}", "{prefixes: [{prefix: 10.0.0.0/33}]}", "{prefixes: [{prefix: 10.0.0.0/8}, {prefix: 10.0.0.0/8}]}"}},
		{session("passwordSecretRef: %s"), []string{"{}", "{name: ''}", "{name: bgp.fabric, namespace: fabric, key: tor_1.old}"},
			[]string{"{key: tor1}", "{namespace: fabric}", "{name: a/b}", "{name: A}", "{name: bgp, namespace: a.b}", "{name: bgp, key: a/b}"}},
		{session("nodeSelector: %s"),
			[]string{"{}", "{rack: rack1, ovn.kubernetes.io/bgp: 'true', empty: ''}", "{matchLabels: {rack: a}, matchExpressions: [{key: a/b, operator: Exists}]}"},
			[]string{"{rack: a b}", "{a/b/c: x}", "{-a: x}", "{rack: -a}", "{matchExpressions: [{operator: Exists}]}", "{matchExpressions: [{key: a}]}", "{matchExpressions: [{key: a, operator: ''}]}"}},
		{session("description: %s"), []string{strings.Repeat("a", 80), `""`}, []string{strings.Repeat("a", 81)}},
		{session("router: %s"), []string{`""`}, []string{"a b"}},
		{"neighbors: [{interface: %s, asn: 65030}]", []string{"eth1", "bond0.100", "abcdefghijklmno"}, []string{"eth 1", "abcdefghijklmnop", "a/b"}},
		{"neighbors: [{name: a, address: 10.0.0.1, asn: 1, receive: all}, {address: 10.0.0.2, asn: 2, transit: %s}]", []string{"[a]", "[]"}, []string{"['']"}},
		{"frr: {foreign: %s}", []string{"[ip prefix-list MINE]"}, []string{"[ip prefix-list MINE, ip prefix-list MINE]"}},
	} {
		agree := func(value string, takes bool) {
			values := "asn: 65000\n" + strings.Replace(tt.key, "%s", value, 1) + "\n"
			t.Run(values, func(t *testing.T) {
				t.Parallel()
				_, refused := config.Parse("", []byte(values))
				_, err := template(t, "config:\n  "+strings.ReplaceAll(values, "\n", "\n  "))
				if (refused == nil) != takes || (err == nil) != takes {
					t.Errorf("the agent says %v, helm %v", refused, err)
				}
			})
		}
		for _, value := range tt.takes {
			agree(value, true)
		}
		for _, value := range tt.refuses {
			agree(value, false)
		}
	}
}

// TestSchemaRefuses gives each key what it cannot be, and looks for it in what helm says.
func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	for _, above := range []bool{false, true} {
		all := document{}
		var places []string
		keys(t, func(path []string, f reflect.StructField) { places = append(places, all.set(path, bad(f, above))) })
		_, err := template(t, all.values(t))
		if err == nil {
			t.Fatal("helm installs it")
		}
		for _, place := range places {
			if !strings.Contains(err.Error(), "at '/config/"+place+"':") {
				t.Errorf("helm does not say what is wrong with %s", place)
			}
		}
		t.Logf("%d keys", len(places))
	}
}

// bad gives a value that cannot stand in a field.
func bad(f reflect.StructField, above bool) any {
	low, high, ranged := strings.Cut(f.Tag.Get("range"), "-")
	bound := low
	if above {
		bound = high
	}
	number, _ := strconv.Atoi(strings.TrimSuffix(bound, "s"))
	switch {
	case f.Type == reflect.TypeFor[route.ASN]() || f.Type == reflect.TypeFor[route.RemoteAS]():
		return -1
	case f.Type == reflect.TypeFor[netip.Addr]():
		return "10.32.32.300"
	case f.Type == reflect.TypeFor[time.Duration]() && !above:
		return fmt.Sprintf("%ds", number-1)
	case ranged && above:
		return number + 1
	case ranged:
		return number - 1
	case f.Type.Kind() == reflect.Bool || f.Tag.Get("enum") != "":
		return "maybe"
	case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[config.NodeSelector]() && f.Type != reflect.TypeFor[netip.Prefix]():
		return map[string]any{"nonsense": 1}
	default:
		return 7
	}
}

// keys calls each with every key of the configuration file that has an example: its path, where "0" is an entry of a list.
func keys(t *testing.T, each func(path []string, f reflect.StructField)) {
	t.Helper()
	var walk func(path []string, of reflect.Type)
	walk = func(path []string, of reflect.Type) {
		for _, f := range reflect.VisibleFields(of) {
			key := f.Tag.Get("yaml")
			if key == "" || key == "-" || f.Anonymous {
				continue
			}
			here := slices.Concat(path, []string{key})
			each(here, f)
			inner := f.Type
			if inner.Kind() == reflect.Slice {
				here, inner = append(here, "0"), inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner.PkgPath() == of.PkgPath() {
				walk(here, inner)
			}
		}
	}
	walk(nil, reflect.TypeFor[config.Config]())
}

// document is a configuration to which keys are added one by one.
type document map[string]any

// set puts a value at a path, in an entry of its own where a list is on the way, and gives the path that it became. What stands in the
// way goes.
func (d document) set(path []string, value any) string {
	var at any = map[string]any(d)
	var place []string
	for i, step := range path[:len(path)-1] {
		list := path[i+1] == "0"
		switch holder := at.(type) {
		case map[string]any:
			next := holder[step]
			entries, isList := next.([]any)
			if _, isMap := next.(map[string]any); !list && !isMap {
				next = needed(step)
			} else if list {
				if !isList {
					entries = nil
				}
				next = slices.Concat(entries, []any{needed(step)})
			}
			holder[step] = next
			at, place = next, append(place, step)
		case []any:
			at, place = holder[len(holder)-1], append(place, strconv.Itoa(len(holder)-1))
		}
	}
	last := path[len(path)-1]
	at.(map[string]any)[last] = value
	return strings.Join(append(place, last), "/")
}

// needed gives what a mapping under a key must have in it.
func needed(key string) map[string]any {
	switch key {
	case "neighbors":
		return map[string]any{"address": "192.0.2.1", "asn": 1}
	case "routers", "passwordSecretRef":
		return map[string]any{"name": "a"}
	case "prefixes":
		return map[string]any{"prefix": "10.1.0.0/16"}
	case "matchExpressions":
		return map[string]any{"key": "a", "operator": "Exists"}
	default:
		return map[string]any{}
	}
}

func (d document) values(t *testing.T) string {
	t.Helper()
	text, err := yaml.Marshal(map[string]any{"config": d})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
