package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/verify"
)

// View is what an agent knew in one pass, what it made of it, and what became of that. It shares all with the pass and is never
// changed.
type View struct {
	// Config is the configuration in force. Kept means that there is none yet, and that FRR is given the frr.conf of the last good
	// one, as after each start until the sources are read, or the configuration is: then all but Conf, and what became of it, is zero.
	Config config.Config
	Kept   bool
	// Snapshot is what was known of the cluster, and Result what it was reduced to, before FRR refused any of it.
	Snapshot reduce.Snapshot
	Result   reduce.Result
	// Conf is the frr.conf for it. Held means that FRR holds it, but for Refusals; else it has what it had, which is Before. Held,
	// Before is zero: it would keep the routes of the pass before in memory.
	Conf     []byte
	Held     bool
	Refusals []Refusal
	Before   route.Speaker
	// Error is what the pass ended with; "" without Held means that it waits for FRR's daemons.
	Error string
}

// Refusal is a statement that FRR refused, and the route or the neighbor that it is for.
type Refusal struct {
	// Router is the name of the router; "" is the default one.
	Router string
	// Prefix is that of the route; the zero Prefix where it is for Neighbor, an address or interface.
	Prefix   netip.Prefix
	Neighbor string
	// Statement is what was refused, and Message FRR's words.
	Statement, Message string
}

// Told is what a session was told of a prefix, or should be.
type Told struct {
	Session verify.Session
	Verdict verify.Verdict
}

// Input is all that an explanation rests on. Nothing of it is changed.
type Input struct {
	Question Question
	// View is nil where no pass got so far as to know what to announce.
	View *View
	// State is what the agent tells of itself.
	State *status.State
	// Sessions are how the sessions stand now.
	Sessions []status.Session
	// Told gives what each session was told of a prefix, in the order of the speaker.
	Told func(prefix netip.Prefix) []Told
}

// explainer is one explanation on its way.
type explainer struct {
	Input
	*Explanation
}

// Explain answers a question.
func Explain(in Input) *Explanation {
	e := explainer{in, &Explanation{Node: in.State.Node, Question: in.Question.String(), Status: OK, Notes: []string{}, Steps: []Step{}}}
	if broken := in.State.Configuration.Broken; broken != "" {
		e.note("the latest configuration is not in force, and this is of the last good one: %s", broken)
	}
	if !e.ready() {
		return e.Explanation
	}
	switch o := in.Question.Object; {
	case in.Question.Prefix.IsValid():
		e.prefix()
	case o.Kind == kindConfig:
		e.source(nil)
		e.neighbor(o)
	case e.source([]route.Object{o}):
		e.object(o)
	}
	return e.Explanation
}

// ready tells where the agent knows too little to say anything, and reports whether it does not.
func (e *explainer) ready() bool {
	passes := e.State.Passes
	switch v := e.View; {
	case v != nil && v.Kept && e.State.Configuration.Broken != "":
		e.add(Step{Stage: Sources, Status: Unknown, Remedy: "correct the configuration: " + e.State.Configuration.Broken,
			Text: "the agent started with a configuration that it cannot read: FRR keeps the frr.conf of the last good one, and what asked for " +
				"that is not known"})
	case v != nil && !v.Kept:
		if passes.Outcome == status.Waiting && passes.Wait == status.ForSources {
			e.note("the agent waits for the cluster's objects again: this is what it knew before")
		}
		// A pass that is under way has its View before it has ended.
		if passes.Outcome == status.Failed && passes.Error != v.Error && !e.State.Loop.Busy {
			e.note("the last pass failed, and this is of the one before: %s", passes.Error)
		}
		if v.Held && v.Error != "" && len(v.Refusals) == 0 {
			e.note("FRR holds what is wanted, but the last pass failed: %s", v.Error)
		}
		return true
	case passes.Outcome == status.Failed:
		e.add(Step{Stage: Wish, Status: Stopped, Text: "nothing can be said of this node: " + passes.Error,
			Remedy: "do what the error says; it is tried again by itself"})
	default:
		s := Step{Stage: Sources, Status: Waiting, Text: "the cluster's objects are not all read yet: ", Details: e.sourceDetails()}
		if !slices.ContainsFunc(s.Details, func(d Detail) bool { return d.Status == Waiting }) {
			s.Text = "the agent starts, and has made no pass of its configuration yet: "
		}
		if v == nil {
			s.Text += "FRR keeps what it has"
		} else {
			s.Text += "FRR keeps the frr.conf of the last good configuration"
		}
		s.Remedy = cmp.Or(firstRemedy(s.Details), "wait; fairlead status says what for")
		e.add(s)
	}
	return false
}

func firstRemedy(details []Detail) string {
	for _, d := range details {
		if d.Remedy != "" {
			return d.Remedy
		}
	}
	return ""
}

// sourceDetails say how each source fares.
func (e *explainer) sourceDetails() []Detail {
	details := []Detail{}
	for _, s := range e.State.Sources {
		d := Detail{Of: s.Name, Status: OK, Text: fmt.Sprintf("synced, %d objects", s.Objects)}
		switch {
		case !s.Synced:
			d.Status, d.Text = Waiting, "not read yet"
			if s.Problem != "" {
				d.Text += ": " + s.Problem
				d.Remedy = "mend what keeps " + s.Name + " from being read: " + s.Problem
			}
		case s.Problem != "":
			d.Text += ", but " + s.Problem
		}
		details = append(details, d)
	}
	return details
}

// source is the step Sources of objects, all of which must be known. It reports whether they are.
func (e *explainer) source(objects []route.Object) bool {
	s := Step{Stage: Sources, Status: OK, Text: "the agent knows it"}
	for _, o := range objects {
		if _, known := e.meta(o); !known {
			e.add(e.unknown(o))
			return false
		}
	}
	for _, source := range e.State.Sources {
		if source.Problem != "" {
			e.note("%s: %s", source.Name, source.Problem)
		}
	}
	if len(objects) == 0 {
		s.Text = "the sources are read"
	}
	e.add(s)
	return true
}

// sourceOf is the name of the source of a kind where that is the API; a folder is one source of all.
func sourceOf(kind string) string {
	switch kind {
	case kindPod:
		return "pods"
	case kindService:
		return "services"
	case kindSubnet:
		return "subnets"
	case kindEIP:
		return "iptables-eips"
	case kindGateway:
		return "vpc-nat-gateways"
	default:
		return "nodes"
	}
}

// unknown is the step Sources of an object that is not known.
func (e *explainer) unknown(o route.Object) Step {
	s := Step{Stage: Sources, Status: Stopped, Text: "the agent knows no " + o.String(), Details: e.sourceDetails(),
		Remedy: "look whether it exists, and under that name and namespace"}
	c := e.View.Config
	for _, source := range e.State.Sources {
		if source.Problem != "" && (source.Name == sourceOf(o.Kind) || source.Name == "manifests") {
			s.Status, s.Remedy = Unknown, "mend what is wrong with "+source.Name+": "+source.Problem
			return s
		}
	}
	switch {
	case c.NATGateway != "" && o.Kind != kindEIP && o.Kind != kindGateway && o.Kind != kindNode:
		s.Text = "this speaker announces the EIPs of the gateway " + c.NATGateway + " and nothing else (natGateway)"
		s.Remedy = "ask the agent of a speaker without natGateway"
	case c.NATGateway == "" && (o.Kind == kindEIP || o.Kind == kindGateway):
		s.Text = "this speaker announces no EIPs: natGateway is not set"
		s.Remedy = "ask the agent of the speaker whose natGateway is the EIP's gateway, or start one"
	case o.Kind == kindService && !c.Announce.ClusterIPs:
		s.Text = "services are not followed: announce.clusterIPs is off"
		s.Remedy = "set announce.clusterIPs to true"
	case o.Kind == kindPod:
		s.Text += "; it keeps none that has no annotation of its own or of a network"
		if c.Kubernetes.Scope == config.ScopeNode {
			s.Text += ", and none of other nodes (kubernetes.scope: node)"
		}
		s.Remedy += "; then annotate it: kubectl annotate pod -n " + o.Namespace + " " + o.Name + " fairlead.io/bgp=true"
	}
	return s
}

// object explains one object: its wish, and each of its routes.
func (e *explainer) object(o route.Object) {
	var mine []route.Route
	for _, r := range e.routes() {
		if slices.Contains(r.From, o) {
			mine = append(mine, r)
		}
	}
	e.add(e.wish([]route.Object{o}, mine))
	for _, r := range mine {
		e.way(r)
	}
}

// routes are what this node should announce. All routers originate the same.
func (e *explainer) routes() []route.Route {
	if routers := e.View.Result.Speaker.Routers; len(routers) > 0 {
		return routers[0].Routes
	}
	return nil
}

// prefix explains a prefix, or the one that covers an address.
func (e *explainer) prefix() {
	asked := e.Input.Question.Prefix
	holders := e.holders(asked)
	r, found := e.routeOf(asked)
	if found && r.Prefix != asked {
		e.note("%s has no route of its own: this is of %s, which covers it", asked.Addr(), r.Prefix)
		for _, o := range holders {
			if !slices.Contains(r.From, o) {
				e.note("%s has the address, and is not announced itself: ask for it to know why", o)
			}
		}
	}
	told := e.Told(asked)
	switch {
	case found:
		e.source(nil)
		e.add(e.wish(r.From, []route.Route{r}))
		e.way(r)
		return
	case len(holders) > 0:
		e.source(holders)
		e.add(e.wish(holders, nil))
	default:
		e.source(nil)
		s := Step{Stage: Wish, Status: OK, Text: "no object that the agent knows has or asks for " + e.Input.Question.String()}
		switch {
		case len(told) == 0:
			s.Status, s.Remedy = Stopped, "ask for the object that should have it: fairlead explain pod/NAMESPACE/NAME"
		case slices.ContainsFunc(told, func(t Told) bool { return t.Verdict.Kind == verify.PassedOn }):
			s.Text += ": it was learned from a neighbor, and transit passes it on"
		}
		e.add(s)
	}
	// Somebody may tell it all the same.
	if len(told) > 0 {
		s := Step{Stage: Wire, Prefix: asked, Status: OK, Text: "told, although no object asks for it"}
		for _, t := range told {
			s.Details = append(s.Details, e.verdict(t))
			s.Status = worse(s.Status, s.Details[len(s.Details)-1].Status)
		}
		e.add(s)
	}
}

// routeOf gives the route of a prefix; of an address the longest that covers it.
func (e *explainer) routeOf(asked netip.Prefix) (best route.Route, found bool) {
	for _, r := range e.routes() {
		switch {
		case r.Prefix == asked:
			return r, true
		case e.Input.Question.Bare && r.Prefix.Contains(asked.Addr()) && (!found || r.Prefix.Bits() > best.Prefix.Bits()):
			best, found = r, true
		}
	}
	return best, found
}

// meta gives what is known of an object by its metadata.
func (e *explainer) meta(o route.Object) (reduce.Meta, bool) {
	s := e.View.Snapshot
	switch o.Kind {
	case kindPod:
		return metaOf(s.Pods, o, func(p *reduce.Pod) reduce.Meta { return p.Meta })
	case kindService:
		return metaOf(s.Services, o, func(s *reduce.Service) reduce.Meta { return s.Meta })
	case kindSubnet:
		return metaOf(s.Subnets, o, func(s *reduce.Subnet) reduce.Meta { return s.Meta })
	case kindEIP:
		return metaOf(s.EIPs, o, func(e *reduce.EIP) reduce.Meta { return e.Meta })
	case kindGateway:
		return metaOf(s.Gateways, o, func(g *reduce.Gateway) reduce.Meta { return g.Meta })
	case kindNode:
		return metaOf(s.Nodes, o, func(n *reduce.Node) reduce.Meta { return n.Meta })
	default:
		return reduce.Meta{}, false
	}
}

func metaOf[T any](all []*T, o route.Object, meta func(*T) reduce.Meta) (reduce.Meta, bool) {
	for _, one := range all {
		if m := meta(one); m.Name == o.Name && m.Namespace == o.Namespace {
			return m, true
		}
	}
	return reduce.Meta{}, false
}

// holders are the objects that have a prefix as one of their addresses, or as their CIDR, sorted.
func (e *explainer) holders(prefix netip.Prefix) []route.Object {
	s := e.View.Snapshot
	var found []route.Object
	look := func(kind string, m reduce.Meta, texts ...string) {
		o := route.Object{Kind: kind, Namespace: m.Namespace, Name: m.Name}
		if slices.ContainsFunc(texts, func(text string) bool { return states(text, prefix) }) && !slices.Contains(found, o) {
			found = append(found, o)
		}
	}
	for _, p := range s.Pods {
		look(kindPod, p.Meta, p.IPs...)
		for key, text := range p.Annotations {
			if strings.HasSuffix(key, reduce.SuffixAddress) {
				look(kindPod, p.Meta, strings.Split(text, ",")...)
			}
		}
	}
	for _, o := range s.Services {
		look(kindService, o.Meta, o.ClusterIPs...)
	}
	for _, o := range s.EIPs {
		look(kindEIP, o.Meta, o.V4, o.V6)
	}
	for _, o := range s.Subnets {
		look(kindSubnet, o.Meta, strings.Split(o.CIDRBlock, ",")...)
	}
	slices.SortFunc(found, route.Object.Compare)
	return found
}

// states reports whether a text that an object states is a prefix: an address is that of a host, whatever mask is behind it.
func states(text string, prefix netip.Prefix) bool {
	text = strings.TrimSpace(text)
	if p, err := netip.ParsePrefix(text); err == nil && p.Masked() == prefix {
		return true
	}
	bare, _, _ := strings.Cut(text, "/")
	addr, err := netip.ParseAddr(bare)
	return err == nil && prefix.IsSingleIP() && addr.Unmap() == prefix.Addr()
}
