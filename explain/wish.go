package explain

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// wish is the step Wish: what each of the objects asks for, where these routes come of it.
func (e *explainer) wish(objects []route.Object, routes []route.Route) Step {
	s := Step{Stage: Wish, Status: OK}
	for _, o := range objects {
		asks := slices.ContainsFunc(routes, func(r route.Route) bool { return slices.Contains(r.From, o) })
		var skipped []Detail
		// What else an object asks for is not what a prefix is asked for.
		if !asks || !e.Input.Question.Prefix.IsValid() {
			skipped = e.skipped(o)
		}
		switch {
		case asks:
			s.Details = append(s.Details, Detail{Of: o.String(), Status: OK, Text: e.asks(o)})
			if len(objects) == 1 {
				s.Details = append(s.Details, e.besides(o, routes)...)
			}
		case len(skipped) == 0:
			s.Details = append(s.Details, e.quiet(o))
		}
		s.Details = append(s.Details, skipped...)
		for _, w := range e.View.Result.Warnings {
			if w.Object == o && asks {
				e.note("%s is announced, but %s", o, w.Reason)
			}
		}
	}
	for _, d := range s.Details {
		s.Status = worse(s.Status, d.Status)
	}
	switch {
	case len(routes) == 0:
		s.Text = "nothing is announced from this node"
	case s.Status != OK:
		s.Text = "a part of what is asked for is announced"
	case len(objects) > 1:
		s.Text = fmt.Sprintf("%d objects ask for it, and it stays while one of them does", len(objects))
	default:
		s.Text = "asked for"
	}
	return s
}

// besides are the other objects that ask for the same routes as an object.
func (e *explainer) besides(o route.Object, routes []route.Route) []Detail {
	var found []Detail
	for _, r := range routes {
		for _, other := range r.From {
			if other != o {
				found = append(found, Detail{Of: other.String(), Status: OK,
					Text: fmt.Sprintf("asks for %s too: both are one route, which stays while one of them asks", r.Prefix)})
			}
		}
	}
	return found
}

// skipped are the reasons why an object's wish is not followed.
func (e *explainer) skipped(o route.Object) []Detail {
	var found []Detail
	for _, s := range e.View.Result.Skipped {
		if s.Object == o {
			found = append(found, Detail{Of: o.String(), Status: Stopped, Text: s.Reason, Remedy: s.Remedy})
		}
	}
	return found
}

// asks says what asks for an object's announcement.
func (e *explainer) asks(o route.Object) string {
	m, _ := e.meta(o)
	if key, value := reduce.Annotation(m.Annotations); value != "" {
		who := "every speaker"
		switch {
		case o.Kind == kindEIP:
			who = "the speaker of its gateway"
		case value == "local":
			who = "the speaker on its node"
		}
		return fmt.Sprintf("annotation %s=%s: %s announces it", key, value, who)
	}
	for _, home := range e.homes(m) {
		if key, value := reduce.Annotation(home.Annotations); value != "" {
			return fmt.Sprintf("its subnet %s asks for its pods: annotation %s=%s there", home.Name, key, value)
		}
	}
	return "it asks for it"
}

// homes are the subnets that a pod's annotations name, by the annotations' keys.
func (e *explainer) homes(m reduce.Meta) []*reduce.Subnet {
	var homes []*reduce.Subnet
	for _, key := range slices.Sorted(maps.Keys(m.Annotations)) {
		if !strings.HasSuffix(key, reduce.SuffixSubnet) {
			continue
		}
		if i := slices.IndexFunc(e.View.Snapshot.Subnets, func(s *reduce.Subnet) bool { return s.Name == m.Annotations[key] }); i >= 0 {
			homes = append(homes, e.View.Snapshot.Subnets[i])
		}
	}
	return homes
}

// quiet says why an object is not announced here of which the reduction says nothing: it asks for nothing, or of another node.
func (e *explainer) quiet(o route.Object) Detail {
	d := Detail{Of: o.String(), Status: Stopped}
	m, _ := e.meta(o)
	key, value := reduce.Annotation(m.Annotations)
	c := e.View.Config
	switch {
	case o.Kind == kindNode || o.Kind == kindGateway:
		d.Text, d.Remedy = "nothing is ever announced of such an object itself", "ask for a pod, a service, a subnet, an EIP or a prefix"
	case c.NATGateway != "" && o.Kind != kindEIP:
		d.Text = "this speaker announces the EIPs of the gateway " + c.NATGateway + " and nothing else (natGateway)"
		d.Remedy = "ask the agent of a speaker without natGateway"
	case o.Kind == kindEIP && c.NATGateway == "":
		d.Text = "this speaker announces no EIPs: natGateway is not set"
		d.Remedy = "ask the agent of the speaker whose natGateway is the EIP's gateway, or start one"
	case o.Kind == kindEIP && e.gatewayOf(o) != c.NATGateway:
		d.Text = fmt.Sprintf("it belongs to the gateway %q, and this speaker's natGateway is %s", e.gatewayOf(o), c.NATGateway)
		d.Remedy = "ask the agent of that gateway's speaker, or correct the EIP's gateway"
	case value == "false" || value == "no":
		d.Text = fmt.Sprintf("annotation %s=%s: it says that it is not to be announced", key, value)
		d.Remedy = "write true into annotation " + key + ", or take it off"
	case slices.Contains(e.View.Result.Silent, o.Kind):
		d.Text, d.Remedy = e.silenced(o.Kind)
	case o.Kind == kindSubnet && value == "local":
		d.Text = fmt.Sprintf("annotation %s=local: its pods are announced, each by the speaker on its node, and not its CIDRs", key)
		d.Remedy = "ask for one of its pods, or write true to announce its CIDRs"
	case o.Kind == kindPod:
		d.Text, d.Remedy = e.quietPod(o, m, value)
	default:
		d.Text, d.Remedy = "nothing asks for it: it has no annotation fairlead.io/bgp or ovn.kubernetes.io/bgp", annotate(o)
	}
	return d
}

// annotate says how to ask for an object.
func annotate(o route.Object) string {
	words := []string{"kubectl", "annotate", strings.ToLower(o.Kind)}
	if o.Namespace != "" {
		words = append(words, "-n", o.Namespace)
	}
	return "ask for it: " + strings.Join(append(words, o.Name, "fairlead.io/bgp=true"), " ")
}

// gatewayOf is the gateway that an EIP belongs to.
func (e *explainer) gatewayOf(o route.Object) string {
	for _, eip := range e.View.Snapshot.EIPs {
		if eip.Name == o.Name {
			return eip.Gateway
		}
	}
	return ""
}

// silenced says why this node announces none of a kind, which the reduction tells of its node or its gateway.
func (e *explainer) silenced(kind string) (text, remedy string) {
	teller := kindNode
	if kind == kindEIP {
		teller = kindGateway
	}
	for _, s := range e.View.Result.Skipped {
		if s.Object.Kind == teller {
			return s.Object.String() + ": " + s.Reason, s.Remedy
		}
	}
	return "this node announces none of its kind", ""
}

// quietPod says why a pod is not announced here, whose own annotation has this value.
func (e *explainer) quietPod(o route.Object, m reduce.Meta, value string) (text, remedy string) {
	i := slices.IndexFunc(e.View.Snapshot.Pods, func(p *reduce.Pod) bool { return p.Namespace == o.Namespace && p.Name == o.Name })
	pod := e.View.Snapshot.Pods[i]
	switch elsewhere := pod.Node != e.State.Node; {
	case elsewhere && (value == "local" || e.announces(pod)):
		return there(pod)
	case elsewhere && value != "":
		_, remedy = there(pod)
		return "kubernetes.scope is node: only the agent on its node looks at it", remedy
	}
	for _, home := range e.homes(m) {
		key, asked := reduce.Annotation(home.Annotations)
		subnet := route.Object{Kind: kindSubnet, Name: home.Name}
		switch {
		case asked == "" || asked == "false" || asked == "no":
			continue
		case len(e.skipped(subnet)) > 0:
			why := e.skipped(subnet)[0]
			return subnet.String() + ", which asks for it: " + why.Text, why.Remedy
		case pod.HostNetwork:
			return "it inherits nothing from its subnet, because it is on the host network", "nothing: who reaches the node reaches the pod"
		case pod.Phase == "Succeeded" || pod.Phase == "Failed":
			return "it inherits nothing from its subnet, because it has finished (" + pod.Phase + ")", "nothing: it will never use its address again"
		case asked != "local" && !e.View.Config.Announce.PodsInAnnouncedSubnets:
			return fmt.Sprintf("its subnet's CIDR is announced instead of it (annotation %s=%s on %s)", key, asked, subnet),
				"nothing, where the CIDR is enough (ask for the subnet); else annotate the pod, or set announce.podsInAnnouncedSubnets"
		case asked == "local" && pod.Node != e.State.Node:
			return there(pod)
		default:
			return subnet.String() + " asks for it, and it has no address there yet", "wait until it has, and look at kubectl describe pod for why it has not"
		}
	}
	return "nothing asks for it: neither it nor its subnet has an annotation fairlead.io/bgp or ovn.kubernetes.io/bgp", annotate(o)
}

// there says that only the speaker on a pod's node announces it.
func there(pod *reduce.Pod) (text, remedy string) {
	const only = "only the speaker on its node announces it (local), and it "
	if pod.Node == "" {
		return only + "is on no node yet", "wait until it is scheduled, and look at kubectl describe pod for why it is not"
	}
	return only + "runs on " + pod.Node, "ask the agent on " + pod.Node
}

// announces reports whether the speaker on the pod's own node would announce it, were it to know what this one knows.
func (e *explainer) announces(pod *reduce.Pod) bool {
	if pod.Node == "" {
		return false
	}
	c := e.View.Config
	// Neither sessions nor the router ID are asked for: that node's labels and addresses are not known here.
	c.Neighbors, c.Routers, c.RouterID = nil, nil, netip.IPv4Unspecified().Next()
	there, err := reduce.Reduce(reduce.Snapshot{Pods: []*reduce.Pod{pod}, Subnets: e.View.Snapshot.Subnets}, c, pod.Node)
	return err == nil && slices.ContainsFunc(there.Speaker.Routers[0].Routes, func(r route.Route) bool {
		return slices.ContainsFunc(r.From, func(o route.Object) bool { return o.Kind == kindPod })
	})
}
