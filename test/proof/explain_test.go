package proof

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// explanation is what `explain -o json` gives, as a program of somebody else's would read it.
type explanation struct {
	Status, Stage, Remedy string
	Notes                 []string
	Steps                 []struct {
		Stage, Status, Text string
		Details             []struct{ Of, Status, Text string }
	}
}

// stop is where something should stop.
type stop struct {
	// question is what is asked, and status and stage where that should end: "" is nowhere.
	question, status, stage string
	// text is said by the last step or by its details, and remedy is what to do.
	text, remedy string
}

// wrong says what of an explanation is not as it should be.
func (want stop) wrong(text string) error {
	var e explanation
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	if e.Status != want.status || e.Stage != want.stage || len(e.Steps) == 0 || !strings.Contains(e.Remedy, want.remedy) || (want.remedy == "") != (e.Remedy == "") {
		return fmt.Errorf("want %+v:\n%s", want, text)
	}
	last := e.Steps[len(e.Steps)-1]
	if want.stage != "" && last.Stage != want.stage {
		return fmt.Errorf("steps behind %s:\n%s", want.stage, text)
	}
	if said := fmt.Sprint(last); !strings.Contains(said, want.text) {
		return fmt.Errorf("want %q:\n%s", want.text, text)
	}
	return nil
}

// stops waits until each of the stops is explained as it should be.
func stops(t *testing.T, s *site.Site, all ...stop) {
	t.Helper()
	for _, want := range all {
		// FRR is asked why a route is missing at a pace that leaves a loaded machine time.
		lab.Eventually(t, 3*time.Minute, want.question+" is explained", func() error {
			out, err := s.Ask("explain", want.question, "-o", "json")
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return want.wrong(out)
		})
	}
}

const explainedObjects = `apiVersion: v1
kind: Pod
metadata: {name: good, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: 10.16.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: another, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: 10.16.0.6}]}
---
apiVersion: v1
kind: Pod
metadata: {name: same, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node2}
status: {phase: Running, podIPs: [{ip: 10.16.0.6}]}
---
apiVersion: v1
kind: Pod
metadata: {name: misspelt, namespace: default, annotations: {ovn.kubernetes.io/bgp: ture}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: 10.16.0.7}]}
---
apiVersion: v1
kind: Pod
metadata: {name: outside, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: six, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: "fd00::5"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: default, annotations: {ovn.kubernetes.io/bgp: local}}
spec: {nodeName: node2}
status: {phase: Running, podIPs: [{ip: 10.16.0.8}]}
---
apiVersion: v1
kind: Pod
metadata: {name: refused, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: 10.16.9.9}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default, annotations: {ovn.kubernetes.io/bgp: local}}
spec: {type: ClusterIP, clusterIPs: [10.96.0.1]}
---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: young, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {cidrBlock: 10.19.0.0/16}
`

// nowhere is a kubeconfig of an API server that does not answer.
const nowhere = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u}]
current-context: c
`

// TestExplain stages what stops an announcement, in the cluster, in the configuration, in FRR and on the wire: each explanation
// names the step, why, and what to do.
func TestExplain(t *testing.T) {
	template, err := templates.FS.ReadFile("address-family.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	broken := strings.Replace(string(template), "route-map {{ .RouteMap }}\n",
		`route-map {{ .RouteMap }}{{ if eq (print .Prefix) "10.16.9.9/32" }} banana{{ end }}`+"\n", 1)
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			s.Write("mode", "frr: {mode: external, pathspace: "+s.Node.Name+", audit: {interval: 1h, drift: report}}\n"+
				"verify: {deadline: 1s, claims: {interval: 1s}}\nstatus: {socket: "+s.Inside("agent.sock")+"}\n")

			// Not synced: an API server that does not answer.
			s.Write("kubeconfig", nowhere)
			s.Edit(site.SpineLine, "kubernetes: {kubeconfig: kubeconfig}\n")
			s.Agent = s.Node.Start(t, v, append(s.Command("run"), "--manifests=")...)
			stops(t, s, stop{"pod/default/good", "waiting", "sources", "not read yet", "mend what keeps"})
			s.Agent.Stop()

			neighbors := fmt.Sprintf(site.ToRLine, "") + site.SpineLine +
				"  - {name: rack2, address: 10.0.2.254, asn: 65003, nodeSelector: {rack: r2}}\n" +
				"  - {name: double, address: 10.0.1.254, asn: 65003, nodeSelector: {matchExpressions: [{key: rack, operator: DoesNotExist}]}}\n"
			neighbors = strings.Replace(neighbors, "asn: 65001", "asn: 65001, nodeSelector: {matchExpressions: [{key: rack, operator: NotIn, values: [r2]}]}", 1)
			neighbors = strings.Replace(neighbors, "asn: 65002", "asn: 65002, nodeSelector: {matchExpressions: [{key: rack, operator: NotIn, values: [r2]}]}", 1)
			keys := []string{"announce: {clusterIPs: true, allowedPrefixes: [10.0.0.0/8, \"fd00::/8\"]}\n", "templatesDir: templates\n"}
			s.Write("templates/address-family.tmpl", broken)
			s.Write("manifests/more.yaml", explainedObjects)
			s.Edit(neighbors, keys...)
			s.Start()
			s.Announced(s.ToR)
			s.Announced(s.Spine)
			stops(t, s,
				stop{"pod/default/good", "ok", "", "announced, ", ""},
				stop{"10.16.3.3", "ok", "", "announced, ", ""},
				stop{"pod/default/misspelt", "stopped", "wish", `is "ture"`, "write true"},
				stop{"subnet/young", "stopped", "wish", "not ready", "kubectl describe subnet"},
				stop{"192.0.2.1", "stopped", "wish", "outside announce.allowedPrefixes", "add a prefix that holds it"},
				stop{"pod/default/six", "stopped", "neighbors", "does not speak ipv6-unicast", "to the families of neighbor"},
				stop{"svc/default/web", "stopped", "wish", "policy local is not possible", "write true"},
				stop{"pod/default/elsewhere", "stopped", "wish", "runs on node2", "ask the agent on node2"},
				stop{"pod/default/none", "stopped", "sources", "knows no Pod default/none", "look whether it exists"},
				stop{"pod/default/refused", "stopped", "statement", "banana\": ", "correct what writes the statement"},
				stop{"Config neighbors[3]", "stopped", "neighbors", "neighbor tor has the address 10.0.1.254 too", "take one of the two out"},
				stop{"Config neighbors[2]", "stopped", "neighbors", "nodeSelector does not match", "label node node1"},
			)
			if page, err := s.Ask("explain", "pod", "default/another"); err != nil || !strings.Contains(page, "Pod default/same") ||
				!strings.Contains(page, "asks for 10.16.0.6/32 too") || !strings.Contains(page, "all is well") {
				t.Errorf("two objects with one prefix, %v:\n%s", err, page)
			}
			if page, err := s.Ask("explain", "pod/default/good", "-o", "yaml"); err != nil || !strings.Contains(page, "status: ok") {
				t.Errorf("as YAML, %v:\n%s", err, page)
			}
			if out, err := s.Ask("explain", "good"); err == nil || !strings.Contains(out, "write pod/NAMESPACE/NAME") {
				t.Errorf("no question, %v: %s", err, out)
			}

			// A list of somebody's hand keeps a route from tor.
			s.Near.Load(`ip prefix-list MINE seq 5 deny 10.16.0.5/32
ip prefix-list MINE seq 10 permit any
router bgp 65000
 address-family ipv4 unicast
  neighbor 10.0.1.254 prefix-list MINE out
`)
			stops(t, s,
				stop{"pod/default/good", "stopped", "wire", "does not let it pass", "fairlead diff"},
				stop{"pod/default/another", "ok", "", "announced, ", ""},
			)
			if out, err := s.Ask("explain", "pod/default/good"); err != nil || !strings.Contains(out, "1 of 2 neighbors were told") {
				t.Errorf("spine was told, %v:\n%s", err, out)
			}
			s.Near.Load("router bgp 65000\n address-family ipv4 unicast\n  no neighbor 10.0.1.254 prefix-list MINE out\n")

			// A statement that is gone: the wire tells first, and an audit which.
			s.Near.Load("router bgp 65000\n address-family ipv4 unicast\n  no network 10.16.0.6/32\n")
			stops(t, s, stop{"10.16.0.6", "stopped", "wire", "bgpd does not hold the route", "fairlead diff"})
			_, _ = s.Ask("audit") // its exit status says that it found something
			stops(t, s, stop{"10.16.0.6", "stopped", "statement", "changed it by hand: missing router bgp 65000", "fairlead audit"})

			// Drift: the attributes of all.
			var group string
			for line := range strings.Lines(s.Near.RunningConfig()) {
				if _, name, ok := strings.Cut(strings.TrimSpace(line), "network 10.16.0.5/32 route-map "); ok {
					group = name
				}
			}
			s.Near.Load("route-map " + group + " permit 10\n set metric 7\n")
			stops(t, s, stop{"10.16.0.5/32", "stopped", "wire", "MED: wanted 0, got 7", "fairlead audit"})

			// The session of one.
			s.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 shutdown\n")
			stops(t, s, stop{"Config neighbors[0]", "stopped", "wire", "the session is down", "the path to it"})
			stops(t, s, stop{"pod/default/good", "stopped", "wire", "the session is down", "the path to it"})

			// No neighbor for this node.
			s.Edit("  - {name: rack2, address: 10.0.2.254, asn: 65003, nodeSelector: {rack: r2}}\n", keys...)
			stops(t, s, stop{"pod/default/good", "stopped", "neighbors", "nodeSelector does not match", "label node node1"})
		})
	}
}
