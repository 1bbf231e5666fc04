package explain

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/verify"
	"github.com/fairlead/fairlead/watch"
)

var update = flag.Bool("update", false, "write the wanted pages anew")

// noon is when all is asked; what was told was told a minute before.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Each file of testdata is one cluster and one configuration on node1, and for each question a file with the page that answers it,
// or with the JSON where its name ends so. FRR holds all, and each neighbor was told all.
func TestPages(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files := map[string]string{}
		for _, f := range archive.Files {
			files[f.Name] = string(f.Data)
		}
		asked := 0
		for i, f := range archive.Files {
			words, ok := strings.CutPrefix(f.Name, "explain ")
			if !ok {
				continue
			}
			asked++
			words, isJSON := strings.CutSuffix(words, " -o json")
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+f.Name, func(t *testing.T) {
				e := Explain(world(t, files["config.yaml"], files["objects.yaml"], words))
				for _, s := range e.Steps {
					if (s.Status == Stopped) != (s.Remedy != "") {
						t.Errorf("step %s is %s, and to do is %q", s.Stage, s.Status, s.Remedy)
					}
				}
				got := page(t, e)
				if isJSON {
					text, err := json.MarshalIndent(e, "", "  ")
					if err != nil {
						t.Fatal(err)
					}
					if got = string(text) + "\n"; strings.Contains(got, "null") {
						t.Errorf("null in\n%s", got)
					}
				}
				if *update {
					archive.Files[i].Data = []byte(got)
				} else if diff := cmp.Diff(string(f.Data), got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		if asked == 0 {
			t.Errorf("%s asks nothing", path)
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func page(t *testing.T, e *Explanation) string {
	t.Helper()
	var out bytes.Buffer
	if err := e.Print(&out, noon); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// world is well of a configuration and objects as they are written.
func world(t testing.TB, conf, objects, words string) Input {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(conf))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "objects.yaml"), []byte(objects), 0o600); err != nil {
		t.Fatal(err)
	}
	snapshot, problems, err := watch.ReadFolder(dir)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return well(t, c, snapshot, words)
}

// well is what an agent on node1 knows of a configuration and a Snapshot once all is well.
func well(t testing.TB, c config.Config, snapshot reduce.Snapshot, words string) Input {
	t.Helper()
	result, err := reduce.Reduce(snapshot, c, "node1")
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := render.New(templates.FS)
	if err != nil {
		t.Fatal(err)
	}
	text, err := renderer.Render(result.Speaker)
	if err != nil {
		t.Fatal(err)
	}
	question, err := Parse(strings.Fields(words)...)
	if err != nil {
		t.Fatal(err)
	}
	in := Input{
		Question: question,
		View:     &View{Config: c, Snapshot: snapshot, Result: result, Conf: text, Held: true},
		State: &status.State{
			Node:    "node1",
			Sources: []status.Source{{Name: "manifests", Synced: true, Objects: 1}},
			Passes:  status.Passes{Outcome: status.Unchanged},
		},
	}
	told := map[netip.Prefix][]Told{}
	for _, r := range result.Speaker.Routers {
		for _, n := range r.Neighbors {
			session := verify.Session{Router: r.Name, Neighbor: n.ID()}
			in.Sessions = append(in.Sessions, status.Session{
				Router: r.Name, Neighbor: n.ID(), State: "Established", Proof: verify.Report{Whole: true},
			})
			for _, a := range r.AdjRIBOut(n) {
				told[a.Prefix] = append(told[a.Prefix], Told{session, verify.Verdict{
					Prefix: a.Prefix, Kind: verify.Announced, Witness: verify.Wire, Proof: verify.Acknowledged, Since: noon.Add(-time.Minute),
					Differences: []verify.Difference{},
				}})
			}
		}
	}
	in.Told = func(p netip.Prefix) []Told { return told[p] }
	return in
}

const (
	two = `asn: 65000
neighbors:
  - {name: tor, address: 10.0.1.254, asn: 65001}
  - {name: spine, address: 10.0.2.254, asn: 65002}
`
	one = `apiVersion: v1
kind: Node
metadata: {name: node1}
status: {addresses: [{type: InternalIP, address: 10.0.1.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sample, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: 10.16.0.5}]}
`
)

// What stops behind the cluster's objects: each names its step, why, and what to do.
func TestStops(t *testing.T) {
	prefix := netip.MustParsePrefix("10.16.0.5/32")
	network := []string{"router bgp 65000", "address-family ipv4 unicast", "network 10.16.0.5/32 route-map FL-GROUP-x"}
	// verdict has tor told otherwise.
	verdict := func(change func(v *verify.Verdict)) func(*Input) {
		return func(in *Input) {
			told := in.Told(prefix)
			in.Told = func(p netip.Prefix) []Told {
				if p != prefix {
					return nil
				}
				return told
			}
			for i := range told {
				if told[i].Session.Neighbor == "10.0.1.254" {
					change(&told[i].Verdict)
				}
			}
		}
	}
	missing := func(cause verify.Cause) func(*Input) {
		return verdict(func(v *verify.Verdict) { v.Kind, v.Proof, v.Cause = verify.Missing, verify.Unproven, cause })
	}
	all := func(changes ...func(*Input)) func(*Input) {
		return func(in *Input) {
			for _, change := range changes {
				change(in)
			}
		}
	}
	gone := func(in *Input) { in.View = nil }
	for name, test := range map[string]struct {
		stage  func(*Input)
		status Status
		at     Stage
		text   string
		remedy string
	}{
		"not synced": {all(gone, func(in *Input) {
			in.State.Passes = status.Passes{Outcome: status.Waiting, Wait: status.ForSources}
			in.State.Sources = []status.Source{{Name: "pods", Problem: "no connection"}, {Name: "nodes", Synced: true}}
		}), Waiting, Sources, "not all read yet", "mend what keeps pods from being read: no connection"},
		"starting": {all(gone, func(in *Input) { in.State.Passes = status.Passes{} }), Waiting, Sources, "has made no pass of its configuration yet", "wait"},
		"no pass": {all(gone, func(in *Input) {
			in.State.Passes = status.Passes{Outcome: status.Failed, Error: "node node1 is not among the 0 nodes"}
		}), Stopped, Wish, "node node1 is not among", "do what the error says"},
		"kept": {func(in *Input) {
			in.View = &View{Kept: true}
			in.State.Configuration.Broken = "config.yaml:3: asn: not good"
		}, Unknown, Sources, "cannot read", "config.yaml:3: asn: not good"},
		"kept, while the sources are read": {func(in *Input) {
			in.View = &View{Kept: true, Held: true}
			in.State.Passes = status.Passes{Outcome: status.Waiting, Wait: status.ForSources}
			in.State.Sources = []status.Source{{Name: "pods"}, {Name: "nodes", Synced: true}}
		}, Waiting, Sources, "not all read yet: FRR keeps the frr.conf of the last good configuration", "wait"},
		"kept, once they are": {func(in *Input) { in.View = &View{Kept: true} },
			Waiting, Sources, "has made no pass of its configuration yet: FRR keeps the frr.conf of the last good configuration", "wait"},
		"kept, and not applied": {func(in *Input) {
			in.View = &View{Kept: true, Error: "bgpd is not running"}
			in.State.Passes = status.Passes{Outcome: status.Failed, Error: "bgpd is not running"}
		}, Stopped, Wish, "nothing can be said of this node: bgpd is not running", "do what the error says"},
		"refused": {func(in *Input) {
			in.View.Refusals = []Refusal{{Prefix: prefix, Statement: "network 10.16.0.5/32 banana", Message: "Unknown command"}}
		}, Stopped, Statement, `FRR refuses "network 10.16.0.5/32 banana": Unknown command`, "templatesDir"},
		"another audience": {func(in *Input) { in.View.Result.Speaker.Routers[0].Neighbors[0].Audience = "others" },
			OK, "", "is not told: is of the audience others", ""},
		"drift of another": {all(missing(verify.FilteredOut), func(in *Input) {
			in.State.Audit.Policy = "report"
			in.State.Audit.Statements = []status.Drift{{Kind: reload.Missing, Owner: reload.Fairlead, Path: []string{"network 10.16.0.6/32"}}}
		}), Stopped, Wire, "does not let it pass", "fairlead diff"},
		"drift that is undone since": {func(in *Input) {
			in.State.Audit.Policy = "report"
			in.State.Audit.Statements = []status.Drift{{Kind: reload.Missing, Owner: reload.Fairlead, Path: network}}
		}, OK, "", "every neighbor was told", ""},
		"neighbor of another router refused": {all(missing(verify.NeighborUnknown), func(in *Input) {
			in.View.Refusals = []Refusal{{Router: "blue", Neighbor: "10.0.1.254", Statement: "neighbor 10.0.1.254 banana", Message: "Unknown command"}}
		}), Stopped, Wire, "missing by tap: FRR has no such neighbor", "look whether the last configuration was applied"},
		"not read, but acknowledged": {func(in *Input) { in.Sessions[0].Proof.Blocked = noon }, OK, "", "announced, acknowledged by tap", ""},
		"refused, another": {func(in *Input) {
			in.View.Refusals = []Refusal{{Prefix: netip.MustParsePrefix("10.16.0.6/32"), Statement: "network 10.16.0.6/32 banana"}}
		}, OK, "", "", ""},
		"neighbor refused": {all(missing(verify.NeighborUnknown), func(in *Input) {
			in.View.Refusals = []Refusal{{Neighbor: "10.0.1.254", Statement: "neighbor 10.0.1.254 banana", Message: "Unknown command"}}
		}), Stopped, Wire, `FRR refuses "neighbor 10.0.1.254 banana"`, "correct the neighbor"},
		"apply failed": {func(in *Input) {
			in.View.Held, in.View.Error = false, "FRR is not running"
		}, Stopped, Statement, "keeps what it has: FRR is not running", "tried again by itself"},
		"apply failed, there before": {func(in *Input) {
			in.View.Held, in.View.Error, in.View.Before = false, "disk full", in.View.Result.Speaker
		}, OK, "", "this route with it: disk full", ""},
		"frr.conf not written": {func(in *Input) {
			in.View.Error = "disk full"
			in.State.Passes = status.Passes{Outcome: status.Failed, Error: "disk full"}
		}, OK, "", "FRR holds what is wanted, but the last pass failed: disk full", ""},
		"a later pass failed": {func(in *Input) {
			in.State.Passes = status.Passes{Outcome: status.Failed, Error: "node node1 is gone"}
		}, OK, "", "this is of the one before: node node1 is gone", ""},
		"daemons start": {func(in *Input) {
			in.View.Held = false
			in.State.Passes = status.Passes{Outcome: status.Waiting, Wait: status.ForFRR}
		}, Waiting, Statement, "daemons are starting", "wait"},
		"templates write none": {func(in *Input) { in.View.Conf = []byte("router bgp 65000\n network 10.16.0.50/32\n") }, Stopped, Statement, "no statement", "templatesDir"},
		"foreign": {func(in *Input) {
			in.State.Audit.Statements = []status.Drift{{Kind: reload.Missing, Owner: reload.Operator, Path: network}}
		}, Stopped, Statement, "frr.foreign", "take the declaration out"},
		"drift that is left": {all(missing(verify.NotInTable), func(in *Input) {
			in.State.Audit.Policy = "report"
			in.State.Audit.Statements = []status.Drift{{Kind: reload.Missing, Owner: reload.Fairlead, Path: network}}
		}), Stopped, Statement, "changed it by hand: missing router bgp 65000", "fairlead audit"},
		"drift that was put right": {all(missing(verify.FilteredOut), func(in *Input) {
			in.State.Audit.Policy = "heal"
			in.State.Audit.Statements = []status.Drift{{Kind: reload.Missing, Owner: reload.Fairlead, Path: network}}
		}), Stopped, Wire, "does not let it pass", "fairlead diff"},
		"session down": {all(missing(verify.SessionDown), func(in *Input) {
			in.Sessions[0].State, in.Sessions[0].LastReset = "Active", "Hold Timer Expired"
		}), Stopped, Wire, "the session is down (Active); its last reset: Hold Timer Expired", "AS, password"},
		"shut down": {all(missing(verify.ShutDown), func(in *Input) { in.Sessions[0].State, in.Sessions[0].AdminDown = "Idle", true }),
			Stopped, Wire, "shut down in FRR", "no neighbor 10.0.1.254 shutdown"},
		"no such neighbor": {all(verdict(func(v *verify.Verdict) { v.Kind = verify.NotComparable }), func(in *Input) { in.Sessions[0].State = "" }),
			Unknown, Wire, "FRR has no such neighbor", "fairlead status"},
		"filtered": {missing(verify.FilteredOut), Stopped, Wire, "1 of 2 neighbors were told", "fairlead diff"},
		"filtered, and seen by an audit": {all(missing(verify.FilteredOut), func(in *Input) {
			in.State.Audit.Statements = []status.Drift{{Kind: reload.Added, Owner: reload.Unclaimed,
				Path: []string{"router bgp 65000", "address-family ipv4 unicast", "neighbor 10.0.1.254 prefix-list MINE out"}}}
		}), Stopped, Wire, "found changed by hand: added router bgp 65000 / address-family ipv4 unicast / neighbor 10.0.1.254 prefix-list MINE out", "fairlead diff"},
		"cause not known yet": {missing(verify.UnknownCause), Stopped, Wire, "missing by tap: not found out", "ask again"},
		"told otherwise": {verdict(func(v *verify.Verdict) {
			v.Kind, v.Differences = verify.Mismatch, []verify.Difference{{Field: verify.MED, Wanted: "0", Got: "7"}}
		}), Stopped, Wire, "MED: wanted 0, got 7", "fairlead audit"},
		"pending":                   {verdict(func(v *verify.Verdict) { v.Kind, v.Until = verify.Pending, noon }), Waiting, Wire, "on its way", "wait"},
		"not synced by the witness": {verdict(func(v *verify.Verdict) { v.Kind = verify.Pending }), Waiting, Wire, "not synced", "wait"},
		"no witness":                {verdict(func(v *verify.Verdict) { v.Kind = verify.NotComparable }), Unknown, Wire, "no witness", "NET_RAW"},
		"not compared":              {func(in *Input) { in.Told = func(netip.Prefix) []Told { return nil } }, Waiting, Wire, "nothing was compared yet", "wait"},
		"not read": {all(verdict(func(v *verify.Verdict) { v.Proof = verify.Sent }), func(in *Input) { in.Sessions[0].Proof.Blocked = noon }),
			Stopped, Wire, "TCP takes nothing", "still reads"},
		"a later configuration is broken": {func(in *Input) { in.State.Configuration.Broken = "config.yaml:3: asn" }, OK, "", "not in force", ""},
	} {
		t.Run(name, func(t *testing.T) {
			for _, words := range []string{"pod/default/sample", "10.16.0.5"} {
				in := world(t, two, one, words)
				test.stage(&in)
				e := Explain(in)
				got := page(t, e)
				if e.Status != test.status || e.Stage != test.at || !strings.Contains(got, test.text) || !strings.Contains(e.Remedy, test.remedy) ||
					(e.Remedy == "") != (test.status == OK) {
					t.Errorf("%s: want %s at %q with %q and %q:\n%s", words, test.status, test.at, test.text, test.remedy, got)
				}
				if n := len(e.Steps); n == 0 || test.status == Stopped && e.Steps[n-1].Stage != test.at {
					t.Errorf("%s: steps behind the stop:\n%s", words, got)
				}
				if text, err := json.Marshal(e); err != nil || bytes.Contains(text, []byte("null")) {
					t.Errorf("%s: %s, %v", words, text, err)
				}
			}
		})
	}
}

// What is to know before the steps are read.
func TestNotes(t *testing.T) {
	failed := status.Passes{Outcome: status.Failed, Error: "disk full"}
	for name, test := range map[string]struct {
		stage func(*Input)
		want  []string
	}{
		"none": {func(*Input) {}, []string{}},
		"broken": {func(in *Input) { in.State.Configuration.Broken = "line 3" },
			[]string{"the latest configuration is not in force, and this is of the last good one: line 3"}},
		"a later pass failed": {func(in *Input) { in.State.Passes = failed },
			[]string{"the last pass failed, and this is of the one before: disk full"}},
		"a pass that failed, and its view's is under way": {func(in *Input) { in.State.Passes, in.State.Loop.Busy = failed, true }, []string{}},
		"its own pass failed": {func(in *Input) { in.State.Passes, in.View.Error = failed, "disk full" },
			[]string{"FRR holds what is wanted, but the last pass failed: disk full"}},
		"its own pass refused something": {func(in *Input) {
			in.State.Passes, in.View.Error = failed, "disk full"
			in.View.Refusals = []Refusal{{Neighbor: "10.0.1.254"}}
		}, []string{}},
		"waiting again": {func(in *Input) { in.State.Passes = status.Passes{Outcome: status.Waiting, Wait: status.ForSources} },
			[]string{"the agent waits for the cluster's objects again: this is what it knew before"}},
		"waiting for FRR": {func(in *Input) { in.State.Passes = status.Passes{Outcome: status.Waiting, Wait: status.ForFRR} }, []string{}},
		"a source": {func(in *Input) {
			in.State.Sources = []status.Source{{Name: "pods", Synced: true}, {Name: "subnets", Problem: "forbidden"}}
		},
			[]string{"subnets: forbidden"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := world(t, two, one, "10.16.0.5")
			test.stage(&in)
			if diff := cmp.Diff(test.want, Explain(in).Notes); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// An object that is not known does not exist only where its kind can be read.
func TestUnknown(t *testing.T) {
	for _, test := range []struct {
		words, source string
		status        Status
		remedy        string
	}{
		{"pod/default/nobody", "pods", Unknown, "mend what is wrong with pods: forbidden"},
		{"pod/default/nobody", "manifests", Unknown, "mend what is wrong with manifests: forbidden"},
		{"pod/default/nobody", "subnets", Stopped, "look whether it exists"},
		{"subnet/nothing", "subnets", Unknown, "mend what is wrong with subnets: forbidden"},
		{"node/nowhere", "nodes", Unknown, "mend what is wrong with nodes: forbidden"},
		{"svc/nothing", "services", Unknown, "mend what is wrong with services: forbidden"},
		{"eip/nothing", "iptables-eips", Unknown, "mend what is wrong with iptables-eips: forbidden"},
		{"gateway/nothing", "vpc-nat-gateways", Unknown, "mend what is wrong with vpc-nat-gateways: forbidden"},
		{"svc/nothing", "pods", Stopped, "set announce.clusterIPs"},
	} {
		in := world(t, two, one, test.words)
		in.State.Sources = []status.Source{{Name: test.source, Problem: "forbidden", Synced: true}}
		e := Explain(in)
		if got := page(t, e); e.Status != test.status || e.Stage != Sources || !strings.HasPrefix(e.Remedy, test.remedy) ||
			!strings.Contains(got, "synced, 0 objects, but forbidden") {
			t.Errorf("want %+v:\n%s", test, got)
		}
	}
}

// How the session of a neighbor stands that is asked for itself.
func TestNeighborStands(t *testing.T) {
	count := func(kind verify.Kind) func(*Input) {
		return func(in *Input) { in.Sessions[0].Proof.Counts = []verify.Count{{Kind: kind, Routes: 3}} }
	}
	for _, test := range []struct {
		stage  func(*Input)
		status Status
		text   string
	}{
		{func(*Input) {}, OK, "all routes are told as intended"},
		{count(verify.Announced), OK, "all routes are told as intended"},
		{count(verify.Missing), Stopped, "routes that it is not told as intended: 3"},
		{count(verify.Pending), Waiting, "routes that are on their way: 3"},
		{count(verify.NotComparable), Unknown, "no witness sees what it was told"},
		{func(in *Input) { in.Sessions[0].Proof.Blocked = noon }, Stopped, "the neighbor's TCP takes nothing"},
		{func(in *Input) { in.Sessions = nil }, Waiting, "nothing was compared yet"},
		{func(in *Input) { in.Sessions[0].Proof.Whole = false }, Unknown, "no witness sees what it was told"},
		{func(in *Input) {
			in.Sessions[0].Proof = verify.Report{Witnesses: []verify.Knowledge{{Witness: verify.Wire, State: verify.Learning}}}
		}, Waiting, "its first table is not through yet"},
		{func(in *Input) { in.Sessions[0].State = "Connect" }, Stopped, "the session is down (Connect)"},
		{func(in *Input) {
			in.Sessions[0].State = ""
			in.View.Refusals = []Refusal{{Neighbor: "10.0.1.254", Statement: "neighbor 10.0.1.254 banana", Message: "Unknown command"}}
		}, Stopped, `FRR refuses "neighbor 10.0.1.254 banana"`},
	} {
		in := world(t, two, one, "config/neighbors[0]")
		test.stage(&in)
		e := Explain(in)
		if got := page(t, e); e.Status != test.status || (e.Stage == Wire) != (test.status != OK) || (e.Remedy != "") != (test.status != OK) ||
			!strings.Contains(got, test.text) {
			t.Errorf("want %s with %q:\n%s", test.status, test.text, got)
		}
	}
}

func TestStatementsOf(t *testing.T) {
	const family = "address-family ipv4 unicast"
	conf := []byte("network 128.0.0.0/1\nrouter bgp 65000\n " + family + "\n  network 128.0.0.0/16 route-map B\n  network 128.0.0.0/1 route-map A\n" +
		" exit-address-family\nexit\nrouter bgp 65001 vrf blue\n " + family + "\n  network 128.0.0.0/1\nexit\nrouter ospf\n network 128.0.0.0/1\n")
	want := []line{{"router bgp 65000", family, "network 128.0.0.0/1 route-map A"}, {"router bgp 65001 vrf blue", family, "network 128.0.0.0/1"}}
	if got := statementsOf(conf, netip.MustParsePrefix("128.0.0.0/1")); !slices.Equal(got, want) {
		t.Errorf("statements %v", got)
	}
}

// What FRR or somebody else wrote reaches no terminal as more than text.
func TestPrintable(t *testing.T) {
	in := world(t, two, one, "10.16.0.5")
	in.View.Refusals = []Refusal{{Prefix: netip.MustParsePrefix("10.16.0.5/32"), Message: "no\x1b[2J\nwish   ok"}}
	in.State.Node = "node1\x1b[2J"
	if got := page(t, Explain(in)); strings.Contains(got, "\x1b") || strings.Contains(got, "\nwish   ok") {
		t.Errorf("%q", got)
	}
}

// What one router refuses another may hold.
func TestRefusedInOneRouter(t *testing.T) {
	in := world(t, two, one, "10.16.0.5")
	const body = " address-family ipv4 unicast\n  network 10.16.0.5/32\nexit\n"
	in.View.Conf = []byte("router bgp 65000\n" + body + "router bgp 65000 view blue\n" + body)
	in.View.Refusals = []Refusal{{Router: "blue", Prefix: netip.MustParsePrefix("10.16.0.5/32"), Statement: "network 10.16.0.5/32", Message: "No"}}
	e := Explain(in)
	var got []Status
	for _, d := range e.Steps[len(e.Steps)-1].Details {
		got = append(got, d.Status)
	}
	if e.Stage != Statement || !slices.Equal(got, []Status{OK, Stopped}) {
		t.Errorf("the routers are %v:\n%s", got, page(t, e))
	}
}

// A prefix that no object asks for can be told all the same: because transit passes it on, or because something is wrong.
func TestUnasked(t *testing.T) {
	prefix, session := netip.MustParsePrefix("203.0.113.0/24"), verify.Session{Neighbor: "10.0.1.254"}
	for _, test := range []struct {
		kind         verify.Kind
		status       Status
		stage        Stage
		text, remedy string
	}{
		{verify.PassedOn, OK, "", "it was learned from a neighbor, and transit passes it on", ""},
		{verify.Unexpected, Stopped, Wire, "told by tap, and nothing asks for it", "undo it: fairlead audit"},
	} {
		in := world(t, two, one, prefix.String())
		in.Told = func(netip.Prefix) []Told {
			return []Told{{session, verify.Verdict{Prefix: prefix, Kind: test.kind, Witness: verify.Wire}}}
		}
		e := Explain(in)
		if got := page(t, e); e.Status != test.status || e.Stage != test.stage || !strings.Contains(got, test.text) || !strings.HasPrefix(e.Remedy, test.remedy) ||
			(test.remedy == "") != (e.Remedy == "") || e.Steps[len(e.Steps)-1].Stage != Wire {
			t.Errorf("want %+v:\n%s", test, got)
		}
	}
}
