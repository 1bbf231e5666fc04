package reduce

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Reasons why a pod that asks for it is not announced.
var (
	errHostNetwork = errors.New("the pod is on the host network: its address is the node's")
	errNoAddress   = errors.New("the pod has no address yet")
)

// pods announces the addresses of the pods that ask for it, by their own annotation or their subnet's.
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
func (p *pass) pods(all []*Pod) {
	for _, pod := range all {
		own := unset
		if pod.Annotations != nil {
			own = p.wish("Pod", pod.Meta)
		}
		asks := own == cluster || own == local
		switch {
		case own == never:
			continue
		case pod.HostNetwork:
			if asks {
				p.skip(pod.object("Pod"), errHostNetwork)
			}
			continue
		case pod.Phase == "Succeeded" || pod.Phase == "Failed":
			if asks {
				p.skip(pod.object("Pod"), fmt.Errorf("the pod has finished (%s)", pod.Phase))
			}
			continue
		}
		p.pod(pod, own)
	}
}

// pod announces the addresses of one pod: those that Kube-OVN's annotations give with a subnet that exists, else those of
// its status.
func (p *pass) pod(pod *Pod, own policy) {
	if networks, unknown := p.networks(pod); len(networks) > 0 {
		if own == cluster || own == local && pod.Node == p.node {
			for _, name := range unknown {
				p.skip(pod.object("Pod"), fmt.Errorf("subnet %s, of one of the pod's networks, does not exist", quote(name)))
			}
		}
		for _, n := range networks {
			for _, text := range strings.Split(n.addresses, ",") {
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

// networks gives the networks of a pod whose annotations tell an address in a subnet that exists, and the names of the
// subnets that do not.
func (p *pass) networks(pod *Pod) (found []network, unknown []string) {
	for key, addresses := range pod.Annotations {
		provider, ok := strings.CutSuffix(key, suffixAddress)
		if !ok || addresses == "" {
			continue
		}
		switch name := pod.Annotations[provider+suffixSubnet]; {
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
		if s := p.known[pod.Annotations[key]]; s != nil && strings.HasSuffix(key, suffixSubnet) {
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
