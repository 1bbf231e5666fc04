package reduce

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/config"
)

// Reasons why a pod that asks for it is not announced.
var (
	errHostNetwork = remedied(errors.New("the pod is on the host network: its address is the node's"),
		"take the annotation off: who reaches the node reaches the pod")
	errNoAddress = remedied(errors.New("the pod has no address yet"), "wait until it has, and look at kubectl describe pod for why it has not")
	errScopeNode = remedied(errors.New("every speaker would have to see the pod, and kubernetes.scope is node: "+
		"write local, or set the scope to cluster"), "write local into the annotation, or set kubernetes.scope to cluster")
)

// consider announces the addresses of a pod that asks for it, by its own annotation or its subnet's.
//
//	own policy      subnet's    announced by
//	cluster         any         every speaker
//	local           any         the speaker on the pod's node
//	never           any         nobody
//	unset           local       the speaker on the pod's node
//	unset           cluster     every speaker, where announce.podsInAnnouncedSubnets is on; else its CIDR speaks for it
//	unset           otherwise   nobody
//
// A pod counts until it is gone or finished: one that terminates still answers.
//
// With kubernetes.scope node policy cluster is refused: its one speaker would be that on the pod's node. Pods of other nodes
// say nothing then, so that a source which has them gives the same as one which has not.
func (p *pass) consider(pod *Pod) {
	scopeNode := p.config.Kubernetes.Scope == config.ScopeNode
	if scopeNode && pod.Node != p.node {
		return
	}
	own := unset
	if pod.Annotations != nil {
		own = p.wish("Pod", pod.Meta)
		if scopeNode {
			p.own = append(p.own, pod.object("Pod"))
		}
	}
	asks := own == cluster || own == local
	switch {
	case own == never, own == unset && !p.bequeaths:
	case pod.HostNetwork:
		if asks {
			p.skip(pod.object("Pod"), errHostNetwork)
		}
	case pod.Phase == "Succeeded" || pod.Phase == "Failed":
		if asks {
			p.skip(pod.object("Pod"), remedied(fmt.Errorf("the pod has finished (%s)", pod.Phase), "delete it, or take the annotation off"))
		}
	case own == cluster && scopeNode:
		p.skip(pod.object("Pod"), errScopeNode)
	default:
		p.pod(pod, own)
	}
}

// pod announces the addresses of one pod: those that Kube-OVN's annotations give with a subnet that exists, else those of
// its status.
func (p *pass) pod(pod *Pod, own policy) {
	var few [2]network // most pods have one
	if networks, unknown := p.networks(pod, few[:0]); len(networks) > 0 {
		if own == cluster || own == local && pod.Node == p.node {
			if own == local && len(unknown) > 0 {
				p.own = append(p.own, pod.object("Pod"))
			}
			for _, name := range unknown {
				p.skip(pod.object("Pod"), remedied(fmt.Errorf("subnet %s, of one of the pod's networks, does not exist", quote(name)),
					"create the subnet, or correct the pod's annotation that ends in "+SuffixSubnet))
			}
		}
		for _, n := range networks {
			for text := range strings.SplitSeq(n.addresses, ",") {
				p.address(pod, text, own, n.subnet)
			}
		}
		return
	}
	if len(pod.IPs) == 0 && own != unset {
		p.skip(pod.object("Pod"), errNoAddress)
		return
	}
	homes := p.homes(pod)
	for _, text := range pod.IPs {
		p.address(pod, text, own, homeOf(text, homes))
	}
}

// address announces one address of a pod under the policy that holds for it. s is the subnet it belongs to, or nil.
func (p *pass) address(pod *Pod, text string, own policy, s *subnet) {
	policy := own
	if policy == unset && s != nil {
		policy = p.inherited(s)
	}
	if policy == unset || policy == local && pod.Node != p.node {
		return
	}
	if policy == local {
		p.own = append(p.own, pod.object("Pod"))
	}
	prefix, err := hostPrefix(text)
	if err != nil {
		p.skip(pod.object("Pod"), err)
		return
	}
	if p.announce(prefix, pod.object("Pod")) && s != nil {
		p.outside(pod, prefix.Addr(), s)
	}
}

// network is one of a pod's networks, as Kube-OVN's annotations tell it.
type network struct {
	addresses string
	subnet    *subnet
}

// networks adds to found the networks of a pod whose annotations tell an address in a subnet that exists, and gives the names
// of the subnets that do not.
func (p *pass) networks(pod *Pod, found []network) (_ []network, unknown []string) {
	for key, addresses := range pod.Annotations {
		provider, ok := strings.CutSuffix(key, SuffixAddress)
		if !ok || addresses == "" {
			continue
		}
		switch name := pod.Annotations[provider+SuffixSubnet]; {
		case p.known[name] != nil:
			found = append(found, network{addresses: addresses, subnet: p.known[name]})
		case name != "":
			unknown = append(unknown, name)
		}
	}
	return found, unknown
}

// homes gives the subnets that a pod's annotations name, by the annotations' keys.
func (p *pass) homes(pod *Pod) []*subnet {
	var homes []*subnet
	for _, key := range slices.Sorted(maps.Keys(pod.Annotations)) {
		if s := p.known[pod.Annotations[key]]; s != nil && strings.HasSuffix(key, SuffixSubnet) {
			homes = append(homes, s)
		}
	}
	return homes
}

// homeOf gives the first subnet that holds the address of a pod's status, or nil.
func homeOf(text string, homes []*subnet) *subnet {
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return nil
	}
	i := slices.IndexFunc(homes, func(s *subnet) bool { return s.contains(addr) })
	if i < 0 {
		return nil
	}
	return homes[i]
}
