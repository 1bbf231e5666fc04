package explain

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// Question is what somebody wants explained: an object, or else a prefix.
type Question struct {
	// Object is the zero Object where a prefix is asked for.
	Object route.Object
	// Prefix is masked. Bare means that it was written as an address: where that has no route of its own, the longest that
	// covers it answers.
	Prefix netip.Prefix
	Bare   bool
}

// The kinds of object that can be asked for, in the agent's words.
const (
	kindPod       = "Pod"
	kindService   = "Service"
	kindSubnet    = "Subnet"
	kindEIP       = "IptablesEIP"
	kindGateway   = "VpcNatGateway"
	kindNode      = "Node"
	kindConfig    = "Config"
	neighborsName = "neighbors["
)

// kindOf gives the agent's word for a kind as people and kubectl write it; "" where there is none.
func kindOf(word string) string {
	switch strings.ToLower(word) {
	case "pod", "pods", "po":
		return kindPod
	case "service", "services", "svc":
		return kindService
	case "subnet", "subnets":
		return kindSubnet
	case "eip", "eips", "iptableseip", "iptables-eip", "iptables-eips":
		return kindEIP
	case "vpcnatgateway", "vpc-nat-gateway", "vpc-nat-gateways", "vpc-nat-gw", "gateway":
		return kindGateway
	case "node", "nodes", "no":
		return kindNode
	case "config":
		return kindConfig
	default:
		return ""
	}
}

// Parse reads a question: an object as the agent writes it ("Pod default/sample", in one word or in two) or as people do
// ("pod/default/sample", "svc/web", "eip/x"; without a namespace it is default), a prefix, or an address.
func Parse(words ...string) (Question, error) {
	text := strings.Join(words, " ")
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return Question{Prefix: prefix.Masked()}, nil
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return Question{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Bare: true}, nil
	}
	wrong := fmt.Errorf("%q is no object, prefix or address: write pod/NAMESPACE/NAME, service/NAMESPACE/NAME, subnet/NAME, eip/NAME, "+
		"node/NAME, config/neighbors[0], 10.16.0.5/32 or 10.16.0.5", text)
	word, rest, _ := strings.Cut(strings.Replace(text, " ", "/", 1), "/")
	o := route.Object{Kind: kindOf(word), Name: strings.TrimSpace(rest)}
	if o.Kind == kindPod || o.Kind == kindService {
		if namespace, name, both := strings.Cut(o.Name, "/"); both {
			o.Namespace, o.Name = namespace, name
		} else {
			o.Namespace = "default"
		}
		if o.Namespace == "" {
			return Question{}, wrong
		}
	}
	if o.Kind == "" || o.Name == "" || strings.ContainsAny(o.Name, "/ ") || strings.ContainsFunc(text, unprintable) {
		return Question{}, wrong
	}
	return Question{Object: o}, nil
}

// String gives the object in the agent's words, the prefix, or the address.
func (q Question) String() string {
	switch {
	case !q.Prefix.IsValid():
		return q.Object.String()
	case q.Bare:
		return q.Prefix.Addr().String()
	default:
		return q.Prefix.String()
	}
}
