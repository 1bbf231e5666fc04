package e2e

import (
	"fmt"
	"strings"
)

// nodeObject is node1, on which the agent runs.
const nodeObject = `apiVersion: v1
kind: Node
metadata: {name: node1}
status: {addresses: [{type: InternalIP, address: 10.0.1.2}, {type: InternalIP, address: "fd00:1::2"}]}
`

// subnetObject asks for both of its CIDRs.
const subnetObject = `apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: ovn-default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {cidrBlock: "10.16.0.0/16,fd00:10:16::/64"}
status: {conditions: [{type: Ready, status: "True"}]}
`

// serviceObject asks for both of its cluster addresses.
const serviceObject = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: default, annotations: {ovn.kubernetes.io/bgp: "true"}}
spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10, "fd00:10:96::a"], ipFamilyPolicy: RequireDualStack, ports: [{port: 80}]}
`

// pod is one that asks for its addresses.
func pod(name string, addresses ...string) string { return podThat("true", name, addresses...) }

// podThat asks for what policy says; with "" it asks for nothing.
func podThat(policy, name string, addresses ...string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  namespace: default\n", name)
	if policy != "" {
		fmt.Fprintf(&text, "  annotations:\n    ovn.kubernetes.io/bgp: %q\n", policy)
	}
	text.WriteString("spec:\n  nodeName: node1\n  containers: [{name: main, image: example/main}]\n")
	text.WriteString("status:\n  phase: Running\n  podIPs:\n")
	for _, a := range addresses {
		fmt.Fprintf(&text, "  - ip: %q\n", a)
	}
	return text.String()
}

// oneToR is a configuration with two sessions to the ToR of external and linked.
const oneToR = `asn: 65000
neighbors:
- {address: 10.0.1.1, asn: 65001, connectTime: 1s}
- {address: "fd00:1::1", asn: 65001, connectTime: 1s}
announce: {clusterIPs: true}
`

// untapped has no packets read: an agent that starts has FRR send nothing again.
const untapped = oneToR + "verify: {tap: false}\n"

// torConfig is that ToR: it takes and sends everything.
const torConfig = `
router bgp 65001
 bgp router-id 10.0.1.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 no bgp default ipv4-unicast
 neighbor 10.0.1.2 remote-as 65000
 neighbor 10.0.1.2 timers connect 1
 neighbor fd00:1::2 remote-as 65000
 neighbor fd00:1::2 timers connect 1
 address-family ipv4 unicast
  neighbor 10.0.1.2 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:1::2 activate
 exit-address-family
exit
`

// pods is a file of n pods that ask for their IPv4 addresses, 200 from each of 10.16.first.0/24 and the networks behind
// it, and their prefixes.
func pods(first, n int) (manifest string, prefixes []string) {
	var text strings.Builder
	for i := range n {
		address := fmt.Sprintf("10.16.%d.%d", first+i/200, i%200)
		text.WriteString(pod(fmt.Sprintf("pod-%d-%d", first, i), address))
		prefixes = append(prefixes, address+"/32")
	}
	return text.String(), prefixes
}
