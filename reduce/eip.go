package reduce

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// LabelGateway is the label with which Kube-OVN says to which VPC NAT gateway an EIP belongs.
const LabelGateway = "ovn.kubernetes.io/vpc-nat-gw-name"

// Reasons why an EIP that asks for it is not announced.
var (
	errEIPLocal = remedied(errors.New("policy local is not possible for an EIP, which is announced where its gateway runs: write true"),
		"write true into the annotation")
	errEIPNotReady = remedied(errors.New("the EIP is not ready (its status.ready is not true)"),
		"wait for Kube-OVN, and look at the status in kubectl describe eip, and whether its gateway runs")
	errEIPNoAddress = remedied(errors.New("the EIP has no address yet"), "wait for Kube-OVN, or write one into its spec.v4ip or spec.v6ip")
)

// eips announces the addresses of the configured gateway's EIPs that are ready and ask for it with policy cluster. Those of
// other gateways are their speakers' concern. An EIP counts until it is gone: one that is being deleted still translates.
//
// Of several speakers for one gateway those announce that are where it runs. Where nothing says so, each does: too little
// knowledge withdraws nothing.
func (p *pass) eips(all []*EIP, gateways []*Gateway) {
	nodes := nodesOf(gateways, p.config.NATGateway)
	elsewhere, held := len(nodes) > 0 && !slices.Contains(nodes, p.node), false
	for _, e := range all {
		if e.Gateway != p.config.NATGateway {
			continue
		}
		policy := p.wish("IptablesEIP", e.Meta)
		if policy != cluster && policy != local {
			continue
		}
		object := e.object("IptablesEIP")
		switch {
		case policy == local:
			p.skip(object, errEIPLocal)
		case !e.Ready:
			p.skip(object, errEIPNotReady)
		case e.V4 == "" && e.V6 == "":
			p.skip(object, errEIPNoAddress)
		case elsewhere:
			held = true
		default:
			p.hosts(object, slices.DeleteFunc([]string{e.V4, e.V6}, func(text string) bool { return text == "" })...)
		}
	}
	// It is told once and of the gateway: another speaker announces the EIPs, so that of them it would not be true.
	if held {
		p.silent = append(p.silent, "IptablesEIP")
		gateway := Meta{Name: p.config.NATGateway}.object("VpcNatGateway")
		p.skip(gateway, remedied(fmt.Errorf("its EIPs are announced where it runs, on %s, and not from this node", quote(strings.Join(nodes, ", "))),
			"nothing here: ask the agent on that node"))
	}
}

// nodesOf gives the nodes on which the gateway of that name says that it runs, sorted; none where nothing says so.
func nodesOf(gateways []*Gateway, name string) []string {
	i := slices.IndexFunc(gateways, func(g *Gateway) bool { return g.Name == name })
	if i < 0 {
		return nil
	}
	return slices.DeleteFunc(sorted(gateways[i].Nodes), func(node string) bool { return node == "" })
}
