package status

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/sirupsen/logrus"
	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

var update = flag.Bool("update", false, "write the goldens anew")

// password is that of every neighbor of the tests; nothing may tell it.
const password = "correct-horse"

// stories are what happens to an agent. What each then tells of itself is in testdata.
var stories = map[string]func(b *Board){
	"starting": func(*Board) { pass(time.Second) },

	"waiting-for-sources": func(b *Board) {
		b.Configured("/etc/fairlead/config.yaml", "0123456789ab")
		b.Follow([]Source{{Name: "nodes", Synced: true, Objects: 1}, {Name: "pods"}})
		pass(10 * time.Second)
		b.Follow([]Source{
			{Name: "nodes", Synced: true, Objects: 1},
			{Name: "pods", Problem: "the API server refuses it", Since: time.Now()},
		})
		pass(DefaultBound)
		b.Move()
		pass(30 * time.Second)
		p := b.Begin()
		p.Waits(ForSources)
		p.End(nil)
		pass(time.Second)
	},

	"waiting-for-frr": func(b *Board) {
		healthyStart(b)
		p := b.Begin()
		p.Enter(Reduce)
		p.Reduced(snapshot(), result())
		p.End(nil)
		pass(3 * time.Second)
	},

	"steady": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 1)
		pass(2 * time.Minute)
		wholePass(b, 0, 0)
		b.Told(Events{Told: 3, Dropped: 1})
		pass(26 * time.Hour)
		wholePass(b, 2, 0)
		pass(4 * time.Second)
	},

	// All that can be wrong while what was announced stays announced.
	"degraded": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		pass(time.Hour)
		b.Misconfigured(errors.New("config.yaml:3: asn: write a number\nconfig.yaml:7: neighbors[1].adress: unknown key"))
		pass(time.Minute)
		b.Misconfigured(errors.New("config.yaml:7: neighbors[1].adress: unknown key\nconfig.yaml:9: \x1b[31mred"))
		b.Follow([]Source{
			{Name: "nodes", Synced: true, Objects: 1},
			{Name: "pods", Synced: true, Objects: 2, WatchRestarts: 4, Problem: "not allowed: give list and watch on pods to this agent's role; keeping the 2 that are known:\npods is forbidden", Since: time.Now()},
		})
		pass(10 * time.Minute)
		wholePass(b, 0, 0)
		pass(5 * time.Second)
	},

	// One source may not be read since the start, and the agent adds to what FRR announces and takes nothing away.
	"partial": func(b *Board) {
		healthyStart(b)
		b.Follow([]Source{
			{Name: "nodes", Synced: true, Objects: 1},
			{Name: "pods", Synced: true, Objects: 2},
			{Name: "subnets", Problem: "not allowed: give list and watch on subnets to this agent's role: subnets.kubeovn.io is forbidden", Since: time.Now()},
		})
		wholePass(b, 42, 0)
		pass(time.Second)
	},

	// What each neighbor was sent is what it should be, as the packets show.
	"proven": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		b.Proven([]Session{session("10.0.1.1", "tor1", 65030, verify.Announced, verify.Wire, verify.Acknowledged, 2)}, nil,
			[]time.Duration{80 * time.Millisecond, 120 * time.Millisecond})
		pass(5 * time.Second)
	},

	// One neighbor lacks a route and has another with a MED that nobody wanted, the second cannot be compared, and no packet is read.
	"drifting": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		drifting := session("10.0.1.1", "tor1", 65030, verify.Announced, verify.Claim, verify.Claimed, 1)
		drifting.Proof.Counts = append(drifting.Proof.Counts,
			verify.Count{Kind: verify.Missing, Witness: verify.Claim, Routes: 1}, verify.Count{Kind: verify.Mismatch, Witness: verify.Claim, Routes: 1})
		drifting.Proof.Limits = []string{verify.Claim.Limits()}
		drifting.Proof.Open = []verify.Verdict{
			{
				Prefix: netip.MustParsePrefix("10.16.0.5/32"), Kind: verify.Missing, Witness: verify.Claim, Since: time.Now(), Differences: []verify.Difference{},
				Wanted: &verify.Attributes{ASPath: "65000"}, Cause: verify.FilteredOut,
			},
			{
				Prefix: netip.MustParsePrefix("10.16.0.6/32"), Kind: verify.Mismatch, Witness: verify.Claim, Since: time.Now(),
				Wanted: &verify.Attributes{ASPath: "65000"}, Got: &verify.Attributes{ASPath: "65000", MED: 7},
				Differences: []verify.Difference{{Field: verify.MED, Wanted: "0", Got: "7"}},
			},
		}
		down := session("eth1", "eth1", 65031, verify.NotComparable, verify.NoWitness, verify.Unproven, 3)
		down.State, down.Established, down.HoldTime, down.Proof.Witnesses, down.Resets = "Active", time.Time{}, 0, []verify.Knowledge{}, 2
		down.LastReset = "Hold Timer Expired"
		b.Proven([]Session{drifting, down}, []Blindness{{verify.Wire, "this process may not read packets: give it the capability NET_RAW"}}, nil)
		pass(7 * time.Second)
	},

	// A neighbor that does not read any more.
	"blocked": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		s := session("10.0.1.1", "tor1", 65030, verify.Announced, verify.Wire, verify.Sent, 2)
		s.Proof.Blocked, s.Proof.UnacknowledgedSince, s.Proof.Unacknowledged = time.Now(), time.Now(), 2
		b.Proven([]Session{s}, nil, nil)
		b.Fed([]Feed{
			{Source: netip.MustParseAddrPort("10.0.1.1:40000"), Name: "tor1\x1b[2J", Open: true, Since: time.Now(), Last: time.Now(), Messages: 9, Peers: 2, Routes: 3},
			{
				Source: netip.MustParseAddrPort("192.0.2.7:40000"), Since: time.Now(), Times: 4,
				Error: "refused: the address is not among the allowed sources",
			},
		})
		pass(8 * time.Second)
	},

	// Somebody changed FRR by hand; later an audit cannot be made.
	"touched": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		b.Audited(time.Now(), "report", touched())
		pass(30 * time.Second)
		b.Audited(time.Now(), "report", touched())
		pass(30 * time.Second)
		b.NotAudited(errors.New("read running configuration: bgpd is not running"))
		pass(time.Second)
	},

	// Somebody did, and it was put right.
	"healed": func(b *Board) {
		healthyStart(b)
		b.Audited(time.Now(), "heal", touched())
		wholePass(b, 2, 0)
		pass(30 * time.Second)
		b.Audited(time.Now(), "heal", nil)
		wholePass(b, 0, 0)
		pass(time.Second)
	},

	// FRR refuses a change, and the agent goes back to what held before.
	"refused": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		pass(time.Hour)
		refused := errors.New("apply the configuration: FRR refuses:\n  line 12: % Unknown command")
		p := b.Begin()
		p.Enter(Reduce)
		p.Reduced(snapshot(), result())
		p.Enter(Render)
		p.Enter(Apply)
		pass(70 * time.Millisecond)
		p.Applied(3, 0, refused)
		p.End(refused)
		pass(10 * time.Second)
	},

	// The new settings do not do, and in the same pass the last good ones are put back.
	"fallen-back": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		pass(time.Minute)
		refused := errors.New("FRR refuses: line 12: % Unknown command")
		p := b.Begin()
		p.Enter(Reduce)
		p.Enter(Render)
		p.Enter(Apply)
		p.Applied(3, 0, refused)
		b.Misconfigured(refused)
		p.Enter(Reduce)
		p.Reduced(snapshot(), result())
		p.Enter(Render)
		p.Enter(Apply)
		p.Applied(0, 0, nil)
		p.End(nil)
		pass(time.Second)
	},

	"stuck": func(b *Board) {
		healthyStart(b)
		wholePass(b, 42, 0)
		p := b.Begin()
		p.Enter(Reduce)
		pass(20 * time.Millisecond)
		p.Enter(Apply)
		pass(DefaultBound + time.Second)
	},

	"nothing-wanted": func(b *Board) {
		b.Configured("config.yaml", "0123456789ab")
		b.Follow([]Source{{Name: "manifests", Synced: true}})
		p := b.Begin()
		p.Enter(Reduce)
		p.Reduced(reduce.Snapshot{}, reduce.Result{Speaker: route.Speaker{
			Node:    "node1",
			Routers: []route.Router{{ASN: 65000, RouterID: netip.MustParseAddr("10.0.1.2")}},
		}})
		p.Enter(Render)
		p.Enter(Apply)
		p.Applied(0, 0, nil)
		p.End(nil)
		pass(time.Second)
	},

	"many-skipped": func(b *Board) {
		healthyStart(b)
		p := b.Begin()
		p.Enter(Reduce)
		r := result()
		r.Skipped = skipped(25)
		p.Reduced(snapshot(), r)
		p.Enter(Render)
		p.Enter(Apply)
		p.Applied(42, 0, nil)
		p.End(nil)
		pass(time.Second)
	},
}

// session is one that is up and of which all routes have one verdict.
func session(address, name string, asn route.ASN, kind verify.Kind, w verify.Witness, proof verify.Proof, routes int) Session {
	now := time.Now()
	return Session{
		Neighbor: address, Name: name, RemoteAS: route.RemoteASN(asn), State: "Established", Established: now, HoldTime: 9,
		Local: netip.MustParseAddrPort("10.0.1.2:40001"), Remote: netip.MustParseAddrPort("10.0.1.1:179"),
		Families: []SessionFamily{{Family: route.IPv4Unicast, Sent: routes}},
		Proof: verify.Report{
			Session: verify.Session{Neighbor: address}, At: now, LastProof: now, Open: []verify.Verdict{}, Limits: []string{w.Limits()},
			Witnesses: []verify.Knowledge{{Witness: w, State: verify.Whole, At: now}}, Whole: w != verify.NoWitness,
			Counts: []verify.Count{{Kind: kind, Witness: w, Proof: proof, Routes: routes}},
		},
	}
}

// touched is what an audit finds.
func touched() []Drift {
	const router = "router bgp 65000"
	return []Drift{
		{
			Kind: reload.Changed, Owner: reload.Fairlead, Path: []string{router, "neighbor 10.0.1.1 timers 3 9"},
			Running: "neighbor 10.0.1.1 timers 5 15", From: []route.Object{{Kind: "Config", Name: "neighbors[0]"}},
		},
		{
			Kind: reload.Missing, Owner: reload.Fairlead,
			Path: []string{router, "address-family ipv4 unicast", "network 10.16.0.5/32 route-map FL-GROUP-0000beef"},
			From: []route.Object{{Kind: "Pod", Namespace: "default", Name: "sample"}},
		},
		{Kind: reload.Added, Owner: reload.Unclaimed, Path: []string{router, "neighbor 192.0.2.1 description \x1b[31m"}, From: []route.Object{}},
		{Kind: reload.Added, Owner: reload.Operator, Path: []string{router, "neighbor 192.0.2.9 remote-as 65009"}, From: []route.Object{}},
	}
}

// pass lets time pass.
func pass(d time.Duration) { <-time.After(d) }

func healthyStart(b *Board) {
	b.Configured("/etc/fairlead/config.yaml", "0123456789ab")
	b.Follow([]Source{{Name: "nodes", Synced: true, Objects: 1}, {Name: "pods", Synced: true, Objects: 2}})
	pass(time.Second)
}

func wholePass(b *Board, lines, resets int) {
	p := b.Begin()
	p.Enter(Reduce)
	pass(3 * time.Millisecond)
	p.Reduced(snapshot(), result())
	p.Enter(Render)
	pass(1500 * time.Microsecond)
	p.Enter(Apply)
	pass(60 * time.Millisecond)
	p.Applied(lines, resets, nil)
	p.End(nil)
}

func snapshot() reduce.Snapshot {
	return reduce.Snapshot{
		Pods:     []*reduce.Pod{{}, {}},
		Nodes:    []*reduce.Node{{}},
		Services: []*reduce.Service{{}},
		Secrets:  []*reduce.Secret{{Data: map[string]route.Secret{"password": password}}},
	}
}

func result() reduce.Result {
	const inside = route.Audience("inside")
	to := func(prefix string, audiences ...route.Audience) route.Route {
		return route.Route{Prefix: netip.MustParsePrefix(prefix), To: audiences}
	}
	return reduce.Result{
		Speaker: route.Speaker{Node: "node1", Routers: []route.Router{
			{
				ASN: 65000, RouterID: netip.MustParseAddr("10.0.1.2"),
				Neighbors: []route.Neighbor{
					{
						Name: "tor1", Address: netip.MustParseAddr("10.0.1.1"), RemoteAS: route.RemoteASN(65030), Password: password,
						Families: []route.Family{route.IPv4Unicast}, Audience: route.Everyone,
					},
					{
						Name: "reflector", Address: netip.MustParseAddr("10.0.1.9"), RemoteAS: route.Internal, Password: password,
						Families: []route.Family{route.IPv4Unicast, route.IPv6Unicast}, Audience: inside,
					},
					{
						Name: "tor1-v6", Address: netip.MustParseAddr("fd00:1::1"), RemoteAS: route.RemoteASN(65030), Password: password,
						Families: []route.Family{route.IPv6Unicast}, Audience: route.Everyone,
					},
					{
						Name: "eth1", Interface: "eth1", RemoteAS: route.External, Password: password,
						Families: []route.Family{route.IPv4Unicast, route.IPv6Unicast}, Audience: route.Everyone,
					},
				},
				Routes: []route.Route{
					to("10.16.0.5/32", route.Everyone, inside), to("10.16.0.6/32", route.Everyone),
					to("fd00:10::5/128", route.Everyone, inside),
				},
			},
			{
				Name: "storage", ASN: 65010, RouterID: netip.MustParseAddr("10.0.1.3"),
				Neighbors: []route.Neighbor{{
					// The same neighbor as that of the default router: the two are told apart.
					Name: "storage-tor", Address: netip.MustParseAddr("10.0.1.1"), RemoteAS: route.RemoteASN(65031),
					Families: []route.Family{route.IPv4Unicast}, Audience: route.Everyone,
				}},
				Routes: []route.Route{to("10.16.0.5/32", route.Everyone)},
			},
		}},
		Skipped: []reduce.Skipped{
			{Object: route.Object{Kind: "Pod", Namespace: "default", Name: "typo"}, Reason: `annotation fairlead.io/bgp is "treu"`},
			{Object: route.Object{Kind: "Pod", Namespace: "default", Name: "typo2"}, Reason: `annotation fairlead.io/bgp is "treu"`},
			{Object: route.Object{Kind: "Subnet", Name: "late"}, Reason: "the subnet is not ready"},
		},
		Warnings: []reduce.Warning{
			{Object: route.Object{Kind: "Subnet", Name: "ovn-default"}, Reason: "natOutgoing is true"},
		},
	}
}

func skipped(n int) []reduce.Skipped {
	all := make([]reduce.Skipped, n)
	for i := range all {
		all[i] = reduce.Skipped{
			Object: route.Object{Kind: "Pod", Namespace: "default", Name: fmt.Sprintf("pod-%05d", i)},
			Reason: "the pod has no address",
		}
	}
	return all
}

// telling is all that is told of b now, by what it is told as.
func telling(t *testing.T, b *Board) []txtar.File {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	h := handler(b, Config{}, true, log)
	get := func(path string) string {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		return fmt.Sprintf("%d\n%s", w.Code, w.Body)
	}
	var metrics strings.Builder
	for line := range strings.Lines(get("/metrics")) {
		if strings.HasPrefix(line, "fairlead_") && !strings.Contains(line, "_bucket{") {
			metrics.WriteString(strings.ReplaceAll(line, runtime.Version(), "GO"))
		}
	}
	return []txtar.File{
		{Name: "healthz", Data: []byte(get("/healthz"))},
		{Name: "readyz", Data: []byte(get("/readyz"))},
		{Name: "readyz?verbose", Data: []byte(get("/readyz?verbose"))},
		{Name: "status?output=table", Data: []byte(get("/status?output=table"))},
		{Name: "status", Data: []byte(get("/status"))},
		{Name: "metrics", Data: []byte(metrics.String())},
	}
}

// TestStories compares what each story has told with its golden: health, the page, the JSON and the metrics of the same moment.
func TestStories(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(Options{Node: "node1", Version: "v1.2.3"})
				story(b)
				got := txtar.Format(&txtar.Archive{Files: telling(t, b)})
				path := filepath.Join("testdata", name+".txtar")
				if *update {
					if err := os.WriteFile(path, got, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), string(got)); diff != "" {
					t.Errorf("what is told (-want +got), write it anew with -update:\n%s", diff)
				}
				if strings.Contains(string(got), password) {
					t.Errorf("a password is told")
				}
			})
		})
	}
}

// TestGoldens looks for files that no story writes any more.
func TestGoldens(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if stories[strings.TrimSuffix(filepath.Base(path), ".txtar")] == nil {
			t.Errorf("%s belongs to no story", path)
		}
	}
}

// TestAgreement reads the condition Ready in every form in which it is told, at the end of each story.
func TestAgreement(t *testing.T) {
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(Options{Node: "node1", Version: "v1.2.3"})
				story(b)
				ready := b.State().Condition(Ready).Status == True
				told := map[string]string{}
				for _, f := range telling(t, b) {
					told[f.Name] = string(f.Data)
				}
				if got := strings.HasPrefix(told["readyz"], "200\n"); got != ready {
					t.Errorf("Ready is %t, and readyz says %s", ready, told["readyz"])
				}
				line := fmt.Sprintf("fairlead_condition{type=\"Ready\"} %v\n", truth(ready))
				if !strings.Contains(told["metrics"], line) {
					t.Errorf("the metrics lack %s", line)
				}
				var doc struct {
					Conditions []struct{ Type, Status string }
				}
				if err := json.Unmarshal([]byte(strings.TrimPrefix(told["status"], "200\n")), &doc); err != nil {
					t.Fatal(err)
				}
				if got := doc.Conditions[0].Type + doc.Conditions[0].Status; got != "Ready"+string(b.State().Condition(Ready).Status) {
					t.Errorf("the JSON says %s", got)
				}
				if strings.Contains(told["status"], "null") {
					t.Errorf("the JSON has a null:\n%s", told["status"])
				}
			})
		})
	}
}

// TestMetricsLint gathers the metrics at the end of each story, and has Prometheus' own linter look at them.
func TestMetricsLint(t *testing.T) {
	seen := map[string]bool{}
	for name, story := range stories {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := New(Options{Node: "node1", Version: "v1.2.3"})
				story(b)
				r := registry(b)
				problems, err := testutil.GatherAndLint(r)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]promlint.Problem(nil), problems); diff != "" {
					t.Errorf("problems (-want +got):\n%s", diff)
				}
				families, err := r.Gather()
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range families {
					seen[f.GetName()] = true
				}
			})
		})
	}
	for _, m := range Metrics() {
		if !seen[m.Name] {
			t.Errorf("no story tells of %s", m.Name)
		}
	}
	for _, other := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if !seen[other] {
			t.Errorf("%s is missing", other)
		}
	}
}
