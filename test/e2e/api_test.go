package e2e

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
)

// ownSubnet is a Subnet that asks for its CIDR.
func ownSubnet(name, cidr, ready string) string {
	return fmt.Sprintf(`---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: %s, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {cidrBlock: %q}
status: {conditions: [{type: Ready, status: %q}]}
`, name, cidr, ready)
}

// What is annotated in the cluster is announced, what is no longer is withdrawn; and nothing else is ever said.
func TestAPI(t *testing.T) {
	t.Parallel()
	n, _, tor := following(t, kube.Start(t), strings.Replace(oneToR, "clusterIPs: true", "clusterIPs: false", 1))
	n.api.Apply(t, n.mine(podThat("", "sample", "10.16.0.5", "fd00:10:16::5")))
	n.start()
	n.ready()
	told(t, tor)
	if _, body, err := n.ask("/readyz?verbose"); err != nil || !strings.Contains(body, "sources/pods") || strings.Contains(body, "sources/services") {
		t.Errorf("%v, services are followed for nobody:\n%s", err, body)
	}
	n.configure("external", oneToR+"kubernetes: {kubeconfig: kubeconfig}\n")
	n.says("/readyz?verbose", "sources/services ok")

	n.api.Apply(t, n.mine(pod("sample", "10.16.0.5", "fd00:10:16::5")))
	told(t, tor, "10.16.0.5/32", "fd00:10:16::5/128")
	n.api.Apply(t, ownSubnet("ovn-default", "10.16.0.0/16", "False"))
	n.api.Apply(t, n.mine(serviceObject))
	told(t, tor, "10.16.0.5/32", "fd00:10:16::5/128", "10.96.0.10/32", "fd00:10:96::a/128")
	n.says("/status", "the subnet is not ready")

	counter := count(t, tor)
	n.api.Apply(t, ownSubnet("ovn-default", "10.16.0.0/16", "True"))
	n.api.Apply(t, n.mine(podThat("no", "sample", "10.16.0.5", "fd00:10:16::5")))
	counted(t, counter, []string{"10.16.0.0/16"}, []string{"10.16.0.5/32"})
	n.api.Delete(t, n.mine(serviceObject))
	n.api.Delete(t, ownSubnet("ovn-default", "10.16.0.0/16", "True"))
	counted(t, counter, []string{"10.16.0.0/16"}, []string{"10.16.0.5/32", "10.16.0.0/16", "10.96.0.10/32"})
	told(t, tor)
	n.mustRun()
}

// With scope node the speaker sees the pods of its own node; a node that is excluded announces no service until it is not.
func TestAPINode(t *testing.T) {
	t.Parallel()
	n, _, tor := following(t, kube.Start(t), oneToR+"kubernetes: {kubeconfig: kubeconfig, scope: node}\n")
	elsewhere := strings.Replace(podThat("local", "elsewhere", "10.16.0.6"), "nodeName: node1", "nodeName: node2", 1)
	n.api.Apply(t, n.mine(podThat("local", "here", "10.16.0.5")+elsewhere+podThat("true", "everywhere", "10.16.0.7")))
	n.api.Apply(t, n.mine(serviceObject))
	n.start()
	told(t, tor, "10.16.0.5/32", "10.96.0.10/32", "fd00:10:96::a/128")
	n.says("/status", "everywhere", "kubernetes.scope is node")
	n.says("/metrics", `fairlead_source_objects{source="pods"} 2`)

	labelled := strings.Replace(nodeObject, "{name: node1}", `{name: node1, labels: {node.kubernetes.io/exclude-from-external-load-balancers: ""}}`, 1)
	n.api.Apply(t, labelled)
	told(t, tor, "10.16.0.5/32")
	n.api.Apply(t, nodeObject)
	told(t, tor, "10.16.0.5/32", "10.96.0.10/32", "fd00:10:96::a/128")

	// A node that goes away says nothing about what stands, and stops nothing that comes.
	counter := count(t, tor)
	n.api.Delete(t, nodeObject)
	n.says("/readyz?verbose", "sources/nodes ok, but", "what it said last stays in use until it is there again")
	n.api.Apply(t, n.mine(podThat("local", "late", "10.16.0.8")))
	counted(t, counter, []string{"10.16.0.8/32"}, nil)
	told(t, tor, "10.16.0.5/32", "10.16.0.8/32", "10.96.0.10/32", "fd00:10:96::a/128")
	n.api.Apply(t, nodeObject)
	n.says("/metrics", `fairlead_source_healthy{source="nodes"} 1`)
	quiet(t, counter, []string{"10.16.0.8/32"}, nil)
	n.mustRun()
}

// eip is an EIP of a gateway.
func eip(name, gateway, policy, v4 string, ready bool) string {
	annotations := ""
	if policy != "" {
		annotations = fmt.Sprintf(", annotations: {ovn.kubernetes.io/bgp: %q}", policy)
	}
	return fmt.Sprintf(`---
apiVersion: kubeovn.io/v1
kind: IptablesEIP
metadata: {name: %s, labels: {ovn.kubernetes.io/vpc-nat-gw-name: %s}%s}
spec: {v4ip: %s, natGwDp: %s}
status: {ready: %t}
`, name, gateway, annotations, v4, gateway, ready)
}

// A gateway's speaker announces its own EIPs that are ready and ask for it, and nothing else.
func TestAPIGateway(t *testing.T) {
	t.Parallel()
	n, _, tor := following(t, kube.Start(t), oneToR+"natGateway: gw1\n")
	n.api.Apply(t, n.mine(pod("sample", "10.16.0.5")))
	n.api.Apply(t, eip("one", "gw1", "true", "203.0.113.1", true)+eip("two", "gw1", "yes", "203.0.113.2", false)+
		eip("three", "gw2", "true", "203.0.113.3", true)+eip("four", "gw1", "", "203.0.113.4", true))
	n.start()
	told(t, tor, "203.0.113.1/32")
	n.api.Apply(t, eip("two", "gw1", "yes", "203.0.113.2", true))
	told(t, tor, "203.0.113.1/32", "203.0.113.2/32")

	counter := count(t, tor)
	n.api.Apply(t, eip("one", "gw1", "no", "203.0.113.1", true))
	counted(t, counter, nil, []string{"203.0.113.1/32"})
	n.api.Delete(t, eip("two", "gw1", "yes", "203.0.113.2", true))
	counted(t, counter, nil, []string{"203.0.113.1/32", "203.0.113.2/32"})

	// The status tells where the gateway runs: first here too, then elsewhere only.
	const gateway = "---\napiVersion: kubeovn.io/v1\nkind: VpcNatGateway\nmetadata: {name: gw1}\nstatus: {workload: {nodes: [%s]}}\n"
	n.api.Apply(t, fmt.Sprintf(gateway, "node1, node2")+eip("one", "gw1", "true", "203.0.113.1", true))
	told(t, tor, "203.0.113.1/32")
	n.api.Apply(t, fmt.Sprintf(gateway, "node2"))
	told(t, tor)
	n.says("/status", "its EIPs are announced where it runs")
	n.mustRun()
}

// A password in a Secret is used, and followed; the session stands when the Secret is deleted, or holds none any more.
func TestAPISecret(t *testing.T) {
	t.Parallel()
	const first, second = "hunter2-first", "hunter2-second"
	n, speaker, tor := following(t, kube.Start(t),
		strings.Replace(oneToR, "asn: 65001,", "asn: 65001, passwordSecretRef: {name: tor},", 1))
	secret := func(password string) string {
		return n.mine("---\napiVersion: v1\nkind: Secret\nmetadata: {name: tor, namespace: default}\nstringData: {password: " + password + "}\n")
	}
	guard := func(password string) {
		tor.Load("router bgp 65001\nneighbor 10.0.1.2 password " + password + "\n")
	}
	guard(first)
	n.api.Apply(t, n.mine(pod("sample", "10.16.0.5", "fd00:10:16::5")))
	n.start()
	n.says("/readyz?verbose", "read the password of neighbor 10.0.1.1: Secret "+n.own+"/tor is not known")
	told(t, tor)
	n.api.Apply(t, secret(first))
	told(t, tor, "10.16.0.5/32", "fd00:10:16::5/128")

	guard(second)
	n.api.Apply(t, secret(second))
	lab.Eventually(t, converge, "the new password is there", func() error {
		if !strings.Contains(speaker.RunningConfig(), "neighbor 10.0.1.1 password "+second) {
			return fmt.Errorf("it is not")
		}
		return nil
	})
	told(t, tor, "10.16.0.5/32", "fd00:10:16::5/128")

	counter := count(t, tor)
	n.api.Apply(t, secret(`""`))
	n.says("/readyz?verbose", "secrets/"+n.own+"/tor ok, but", "its key password is empty", "what it held last stays in use")
	n.api.Apply(t, n.mine(pod("other", "10.16.0.7")))
	counted(t, counter, []string{"10.16.0.7/32"}, nil)
	n.api.Delete(t, secret(second))
	n.says("/readyz?verbose", "secrets/"+n.own+"/tor ok, but", "what it held last stays in use")
	n.api.Apply(t, n.mine(pod("more", "10.16.0.6")))
	counted(t, counter, []string{"10.16.0.6/32", "10.16.0.7/32"}, nil)

	_, state, err := n.ask("/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, password := range []string{first, second} {
		if strings.Contains(n.agent.Output()+state, password) {
			t.Errorf("%s stands in the log or the status", password)
		}
	}
}

// outage is how long the API server is away: a minute in the long form.
func outage() time.Duration {
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		return time.Minute
	}
	return 8 * time.Second
}

// An API server that is killed changes nothing at the neighbor, and what changes right after its return arrives.
func TestAPIServerKilled(t *testing.T) {
	t.Parallel()
	n, _, tor := following(t, kube.Start(t), oneToR)
	text, want := pods(0, 50)
	n.api.Apply(t, n.mine(text))
	n.start()
	told(t, tor, want...)
	counter := count(t, tor)

	n.api.Kill(t)
	n.says("/readyz?verbose", "sources/pods ok, but", "cannot be reached")
	n.says("/metrics", `fairlead_source_healthy{source="pods"} 0`)
	holds(t, outage(), "nothing is sent while the API server is away", func() error {
		if got := counter.Counts().Messages; got != 0 {
			return fmt.Errorf("%d UPDATEs", got)
		}
		return nil
	})
	n.api.Restart(t)
	n.api.Apply(t, n.mine(pod("late", "10.99.0.1")))
	counted(t, counter, []string{"10.99.0.1/32"}, nil)
	n.says("/metrics", `fairlead_source_healthy{source="pods"} 1`)
	quiet(t, counter, []string{"10.99.0.1/32"}, nil)
	n.mustRun()
}

// An agent that is killed and started again while pods come and go withdraws nothing that stays.
func TestAPIAgentKilled(t *testing.T) {
	t.Parallel()
	times := 4
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		times = 20
	}
	n, _, tor := following(t, kube.Start(t), oneToR)
	text, stay := pods(0, 100)
	n.api.Apply(t, n.mine(text))
	n.start()
	told(t, tor, stay...)
	counter := count(t, tor)

	last := ""
	for i := range times {
		// It is killed with a change on its way, and starts with another one.
		coming := pod("coming", fmt.Sprintf("10.99.0.%d", i+1))
		n.api.Delete(t, n.mine(pod("coming", "10.99.0.1")))
		n.api.Apply(t, n.mine(coming))
		n.agent.Kill()
		last = fmt.Sprintf("10.98.0.%d", i+1)
		n.api.Delete(t, n.mine(pod("other", "10.98.0.1")))
		n.api.Apply(t, n.mine(pod("other", last)))
		n.start()
		told(t, tor, append(slices.Clone(stay), fmt.Sprintf("10.99.0.%d/32", i+1), last+"/32")...)
	}
	for _, prefix := range texts(counter.Counts().Withdrawn) {
		if slices.Contains(stay, prefix) {
			t.Errorf("%s was withdrawn, which was to stay", prefix)
		}
	}
}

// withdrawn waits until the router has nothing and no session with node1.
func withdrawn(t *testing.T, n *node, tor *lab.Router) {
	t.Helper()
	told(t, tor)
	lab.Eventually(t, converge, "the sessions are closed", func() error {
		for _, neighbor := range []string{nodeV4, nodeV6} {
			if up(t, tor, neighbor) == nil {
				return fmt.Errorf("%s is up", neighbor)
			}
		}
		return nil
	})
	if err := n.agent.Wait(); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
}

// Without a word an agent that ends leaves all as it is; with --withdraw-on-exit it takes its routes back by UPDATE first and
// closes the sessions then, so that a neighbor that would wait for a restart does not.
func TestWithdrawOnExit(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"external", "embedded"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			n, tor := linked(t, newest(t), torConfig)
			if mode == "external" {
				n.StartFRR(t, n.version, "")
			}
			n.configure(mode, strings.ReplaceAll(oneToR, "connectTime: 1s", "connectTime: 1s, gracefulRestart: true"))
			want := sample(n)
			n.start("--withdraw-on-exit")
			told(t, tor, want...)
			counter := count(t, tor)
			if err := n.agent.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			withdrawn(t, n, tor)
			if got, over := texts(counter.Counts().Withdrawn), []string{"10.16.0.0/16", "10.16.0.5/32"}; !slices.Equal(sorted(got), over) {
				t.Errorf("withdrawn by UPDATE over IPv4: %v, want %v", got, over)
			}
		})
	}
}

// An agent that is told to end before it could apply anything takes nothing from somebody else's statements either.
func TestWithdrawBeforeAnything(t *testing.T) {
	t.Parallel()
	n, _ := linked(t, newest(t), torConfig)
	router := n.StartFRR(t, n.version, "router bgp 65000\n bgp router-id 10.0.1.2\n neighbor 192.0.2.9 remote-as 65009\nexit\n")
	const guest = "neighbor 192.0.2.9 remote-as 65009"
	n.configure(`external, foreign: ["router bgp 65000 / neighbor 192.0.2.9"]`,
		strings.ReplaceAll(oneToR, "connectTime: 1s", "connectTime: 1s, passwordSecretRef: {name: none, namespace: default}"))
	n.start("--withdraw-on-exit")
	lab.Eventually(t, converge, "the agent waits for the Secret", func() error {
		if !strings.Contains(n.agent.Output(), "Secret default/none") {
			return errors.New(n.agent.Output())
		}
		return nil
	})
	if err := n.agent.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := n.agent.Wait(); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	if conf := router.RunningConfig(); !strings.Contains(conf, guest) {
		t.Errorf("what is foreign is gone:\n%s\nthe agent says\n%s", conf, n.agent.Output())
	}
}

// A CRD that is deleted takes its objects along in the API, and none of them off the wire; one that comes back with them
// goes on as if nothing had been.
func TestAPICRDDeleted(t *testing.T) {
	t.Parallel()
	n, _, tor := following(t, kube.Start(t), oneToR)
	subnet := ownSubnet("ovn-default", "10.16.0.0/16", "True")
	n.api.Apply(t, subnet+n.mine(pod("sample", "10.99.0.1")))
	n.start()
	told(t, tor, "10.16.0.0/16", "10.99.0.1/32")
	counter := count(t, tor)

	n.api.RemoveCRDs(t, kube.Subnets)
	n.says("/readyz?verbose", "sources/subnets ok, but")
	n.says("/metrics", `fairlead_source_healthy{source="subnets"} 0`, `fairlead_source_healthy{source="pods"} 1`)
	n.api.Apply(t, n.mine(pod("meanwhile", "10.99.0.2")))
	counted(t, counter, []string{"10.99.0.2/32"}, nil)

	n.api.CRDs(t, kube.Subnets)
	n.api.Apply(t, n.mine(pod("afterwards", "10.99.0.3")))
	counted(t, counter, []string{"10.99.0.2/32", "10.99.0.3/32"}, nil)
	quiet(t, counter, []string{"10.99.0.2/32", "10.99.0.3/32"}, nil)
	n.api.Apply(t, subnet+ownSubnet("second", "10.17.0.0/16", "True"))
	counted(t, counter, []string{"10.99.0.2/32", "10.99.0.3/32", "10.17.0.0/16"}, nil)
	n.says("/metrics", `fairlead_source_healthy{source="subnets"} 1`)

	// A Subnet that is deleted by itself is gone.
	n.api.Delete(t, subnet)
	counted(t, counter, []string{"10.99.0.2/32", "10.99.0.3/32", "10.17.0.0/16"}, []string{"10.16.0.0/16"})
}

// rights are those of an agent, less one resource.
func rights(without string) string {
	var rules strings.Builder
	for _, r := range [][2]string{{"", "pods"}, {"", "services"}, {"", "nodes"}, {"", "secrets"}, {"kubeovn.io", "subnets"},
		{"apiextensions.k8s.io", "customresourcedefinitions"}} {
		if r[1] != without {
			fmt.Fprintf(&rules, "- {apiGroups: [%q], resources: [%s], verbs: [get, list, watch]}\n", r[0], r[1])
		}
	}
	return "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: speaker}\nrules:\n" + rules.String()
}

const binding = `---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: speaker}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: speaker}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: speaker}]
`

// A resource that may not be read any more keeps what it had, and the others go on; that holds for an agent that starts
// then, too: it has nothing withdrawn that it cannot see.
func TestAPIForbidden(t *testing.T) {
	t.Parallel()
	n, _, tor := following(t, kube.Start(t), untapped)
	n.follows(n.api.KubeconfigOf(t, "speaker"), "external", untapped)
	n.api.Apply(t, rights("")+binding)
	n.api.Apply(t, ownSubnet("ovn-default", "10.16.0.0/16", "True")+n.mine(pod("sample", "10.99.0.1")))
	n.start()
	told(t, tor, "10.16.0.0/16", "10.99.0.1/32")
	counter := count(t, tor)

	n.api.Apply(t, rights("subnets"))
	// The right is asked for when a watch begins.
	n.api.Stop(t)
	n.api.Restart(t)
	n.says("/readyz?verbose", "sources/subnets ok, but not allowed")
	n.says("/metrics", `fairlead_source_healthy{source="subnets"} 0`, `fairlead_source_healthy{source="pods"} 1`)
	n.api.Apply(t, n.mine(pod("meanwhile", "10.99.0.2")))
	announced := []string{"10.99.0.2/32"}
	counted(t, counter, announced, nil)

	n.agent.Kill()
	n.start()
	n.says("/readyz?verbose", "sources/subnets failed: not read yet: not allowed")
	n.api.Apply(t, n.mine(pod("afterwards", "10.99.0.3")))
	announced = append(announced, "10.99.0.3/32")
	counted(t, counter, announced, nil)

	n.api.Apply(t, rights(""))
	n.ready()
	n.api.Apply(t, n.mine(pod("last", "10.99.0.4")))
	announced = append(announced, "10.99.0.4/32")
	counted(t, counter, announced, nil)
	quiet(t, counter, announced, nil)
}

// Services that may not be read hold up the configuration that asks for them, and nothing of the one in force; an agent that
// starts then announces what it sees.
func TestAPIServicesForbidden(t *testing.T) {
	t.Parallel()
	without := strings.Replace(oneToR, "clusterIPs: true", "clusterIPs: false", 1)
	n, _, tor := following(t, kube.Start(t), without)
	n.follows(n.api.KubeconfigOf(t, "speaker"), "external", without)
	n.api.Apply(t, rights("services")+binding)
	n.api.Apply(t, n.mine(serviceObject)+n.mine(pod("sample", "10.99.0.1")))
	n.start()
	told(t, tor, "10.99.0.1/32")
	n.configure("external", oneToR+"kubernetes: {kubeconfig: kubeconfig}\n")
	n.says("/readyz?verbose", "sources/services failed: not read yet: not allowed", "which announce.clusterIPs asks for")
	n.api.Apply(t, n.mine(podThat("no", "sample", "10.99.0.1")+pod("other", "10.99.0.2")))
	told(t, tor, "10.99.0.2/32")

	n.agent.Kill()
	n.start()
	n.says("/readyz?verbose", "sources/services failed: not read yet: not allowed")
	n.api.Apply(t, n.mine(pod("afterwards", "10.99.0.3")))
	told(t, tor, "10.99.0.2/32", "10.99.0.3/32")
	n.api.Apply(t, rights(""))
	n.ready()
	told(t, tor, "10.96.0.10/32", "fd00:10:96::a/128", "10.99.0.2/32", "10.99.0.3/32")
}

// What changes nothing that is read wakes nobody, and what flaps is told in few Events and ends as it should.
func TestAPIQuietUpdates(t *testing.T) {
	t.Parallel()
	updates, flaps := 300, 100
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		updates, flaps = 10_000, 1_000
	}
	n, speaker, tor := following(t, kube.Start(t), oneToR)
	n.api.Apply(t, n.mine(pod("sample", "10.16.0.5")))
	n.start()
	told(t, tor, "10.16.0.5/32")
	n.ready()
	speaker.Grown()
	before, err := n.passes()
	if err != nil {
		t.Fatal(err)
	}
	label := func(i int) string {
		return n.mine(strings.Replace(pod("sample", "10.16.0.5"), "  annotations:\n", fmt.Sprintf("  annotations:\n    example.com/turn: \"%d\"\n", i), 1))
	}
	for i := range updates {
		n.api.Apply(t, label(i))
	}
	after, err := n.passes()
	if err != nil {
		t.Fatal(err)
	}
	// The audit makes one pass every 30 s by itself.
	audits := uint64(after.Ended.Sub(before.Ended)/(30*time.Second)) + 1
	if made := total(after) - total(before); made > audits {
		t.Errorf("%d passes for %d updates that change nothing", made, updates)
	}

	for i := range flaps {
		policy := "true"
		if i%2 == 0 {
			policy = "no"
		}
		n.api.Apply(t, n.mine(podThat(policy, "sample", "10.16.0.5")))
	}
	n.api.Apply(t, n.mine(podThat("no", "sample", "10.16.0.5")))
	told(t, tor)
	lab.Eventually(t, converge, "the last Event tells the last state", func() error {
		events := n.events("sample")
		if len(events) == 0 || events[len(events)-1] != "Withdrawn: withdrew 10.16.0.5/32" {
			return fmt.Errorf("the Events are %q", events)
		}
		return nil
	})
	if events := n.events("sample"); len(events) > 12 {
		t.Errorf("%d Events for %d flaps: %q", len(events), flaps, events)
	}
}

// An object's Events say why it is not announced, and that it is once it is.
func TestAPIEvents(t *testing.T) {
	t.Parallel()
	n, _, tor := following(t, kube.Start(t), oneToR)
	n.api.Apply(t, n.mine(podThat("ture", "sample", "10.16.0.5")))
	n.start()
	says := func(want string) {
		t.Helper()
		lab.Eventually(t, converge, "an Event says so", func() error {
			events := n.events("sample")
			if !slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, want) }) {
				return fmt.Errorf("%q is not in %q", want, events)
			}
			return nil
		})
	}
	says(`NotAnnounced: annotation ovn.kubernetes.io/bgp is "ture": write true`)
	n.api.Apply(t, n.mine(pod("sample", "10.16.0.5")))
	told(t, tor, "10.16.0.5/32")
	says("Announced: announcing 10.16.0.5/32")
}

// Whoever makes FRR hold a route back from a neighbor has the object told so, and told once it is over.
func TestAPIDriftEvents(t *testing.T) {
	t.Parallel()
	n, speaker, tor := following(t, kube.Start(t), oneToR)
	// Else an audit puts right what this test changes by hand.
	n.follows(n.api.Kubeconfig(t), "external, audit: {drift: report}", oneToR)
	n.api.Apply(t, n.mine(pod("held", "10.16.0.5")))
	n.start()
	told(t, tor, "10.16.0.5/32")
	speaker.Grown()
	says := func(want string) {
		t.Helper()
		lab.Eventually(t, converge, "an Event says so", func() error {
			events := n.events("held")
			if !slices.ContainsFunc(events, func(e string) bool { return strings.HasPrefix(e, want) }) {
				return fmt.Errorf("%q is not in %q", want, events)
			}
			return nil
		})
	}
	const neighbor = "neighbor 10.0.1.1 on node node1"
	const held = "router bgp 65000\n address-family ipv4 unicast\n  %sneighbor 10.0.1.1 prefix-list HELD out\n exit-address-family\nexit\n"
	speaker.Load("ip prefix-list HELD seq 5 deny 10.16.0.5/32\nip prefix-list HELD seq 10 permit any\n" + fmt.Sprintf(held, ""))
	told(t, tor)
	says("Drifted: " + neighbor + " is not told as intended: 10.16.0.5/32 missing by tap: bgpd uses the route and the outbound policy")
	speaker.Load(fmt.Sprintf(held, "no "))
	told(t, tor, "10.16.0.5/32")
	says("Proven: " + neighbor + " is told as intended again")
}
