package explain

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/verify"
)

// way adds the steps of a route that is wanted: which neighbors, by what statement, and what they were told.
func (e *explainer) way(r route.Route) {
	lines := statementsOf(e.View.Conf, r.Prefix)
	group := ""
	if len(lines) > 0 {
		_, group, _ = strings.Cut(lines[0].text, " route-map ")
	}
	a := r.Attributes
	e.add(Step{Stage: Route, Prefix: r.Prefix, Status: OK, Text: routeText(r, group), Route: &Announced{
		Prefix: r.Prefix, Group: group, LocalPreference: a.LocalPreference, MED: a.MED,
		Communities: list(a.Communities), LargeCommunities: list(a.LargeCommunities), From: list(r.From),
	}})
	told := e.audience(r)
	if len(told) == 0 || !e.statement(r, lines) {
		return
	}
	e.wire(r, group, told)
}

func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func routeText(r route.Route, group string) string {
	text := fmt.Sprintf("%s, MED %d", r.Prefix, r.Attributes.MED)
	if lp := r.Attributes.LocalPreference; lp != 0 {
		text += fmt.Sprintf(", local preference %d", lp)
	}
	for _, c := range r.Attributes.Communities {
		text += ", community " + c.String()
	}
	for _, c := range r.Attributes.LargeCommunities {
		text += ", large community " + c.String()
	}
	if group != "" {
		text += ", group " + group
	}
	return text
}

// sessionOf names a neighbor's session.
func sessionOf(router route.Router, n route.Neighbor) verify.Session {
	return verify.Session{Router: router.Name, Neighbor: n.ID()}
}

// of names a session for people.
func of(s verify.Session, name string) string {
	text := s.Neighbor
	if name != "" && name != text {
		text += " (" + name + ")"
	}
	if s.Router != "" {
		text += " in router " + s.Router
	}
	return text
}

// audience adds the step Neighbors of a route, and gives those that should be told.
func (e *explainer) audience(r route.Route) []Detail {
	var told []Detail
	s := Step{Stage: Neighbors, Prefix: r.Prefix}
	family := route.FamilyOf(r.Prefix.Addr())
	for _, router := range e.View.Result.Speaker.Routers {
		for _, n := range router.Neighbors {
			session := sessionOf(router, n)
			d := Detail{Of: of(session, n.Name), Status: OK, Text: "is told", Session: &session}
			switch {
			case !n.Speaks(family):
				d.Status, d.Text = Stopped, fmt.Sprintf("does not speak %s", family)
				d.Remedy = fmt.Sprintf("add %s to the families of neighbor %s, where it is to carry these routes", family, n.TransitName())
			case !slices.Contains(r.To, n.Audience):
				d.Status, d.Text = Stopped, fmt.Sprintf("is of the audience %s, which this route is not for", n.Audience)
			default:
				told = append(told, d)
			}
			s.Details = append(s.Details, d)
		}
	}
	s.Details = append(s.Details, e.others()...)
	s.Status, s.Text = OK, fmt.Sprintf("%d of %d are told", len(told), len(s.Details))
	if len(told) > 0 {
		// Not every neighbor is for every route: that one is not told stops nothing.
		for i := range s.Details {
			if d := &s.Details[i]; d.Status != OK {
				d.Status, d.Text = OK, "is not told: "+d.Text
			}
		}
	} else {
		s.Status, s.Text = Stopped, "no neighbor of this node is told"
		if len(s.Details) == 0 {
			s.Remedy = "add a neighbor to the configuration"
		}
	}
	e.add(s)
	return told
}

// others are the neighbors of the configuration that are not this node's.
func (e *explainer) others() []Detail {
	var found []Detail
	for i, n := range e.View.Config.Neighbors {
		if d, stopped := e.chosen(i, n); stopped {
			found = append(found, d)
		}
	}
	return found
}

// chosen says why neighbor i of the configuration is not one of this node's; false where it is.
func (e *explainer) chosen(i int, n config.Neighbor) (Detail, bool) {
	from := configNeighbor(i)
	d := Detail{Of: from.String() + " (" + n.Name + ")", Status: Stopped}
	for _, router := range e.View.Result.Speaker.Routers {
		for _, there := range router.Neighbors {
			if slices.Contains(there.From, from) {
				return Detail{}, false
			}
		}
	}
	if skipped := e.skipped(from); len(skipped) > 0 {
		d.Text, d.Remedy = skipped[0].Text, skipped[0].Remedy
		return d, true
	}
	d.Text = "its nodeSelector does not match the labels of this node"
	d.Remedy = fmt.Sprintf("label node %s so that the nodeSelector of a neighbor matches, or correct the nodeSelector", e.State.Node)
	return d, true
}

func configNeighbor(i int) route.Object {
	return route.Object{Kind: kindConfig, Name: fmt.Sprintf("%s%d]", neighborsName, i)}
}

// line is a statement of a route in frr.conf.
type line struct {
	// router is the statement of its router, family that of its address family.
	router, family, text string
}

// name is that of the router; "" is the default one. Its statement is "router bgp 65000", or "router bgp 65000 vrf blue".
func (l line) name() string {
	if words := strings.Fields(l.router); len(words) == 5 {
		return words[4]
	}
	return ""
}

func (l line) String() string { return l.router + " / " + l.family + " / " + l.text }

// statementsOf gives the network statements of a prefix in frr.conf, one for each router.
func statementsOf(conf []byte, prefix netip.Prefix) []line {
	var found []line
	var router, family string
	network := "network " + prefix.String()
	for raw := range bytes.Lines(conf) {
		if raw[0] != ' ' {
			router = string(bytes.TrimSpace(raw))
			continue
		}
		switch text := bytes.TrimSpace(raw); {
		case bytes.HasPrefix(text, []byte("address-family ")):
			family = string(text)
		case bytes.HasPrefix(text, []byte(network)) && strings.HasPrefix(router, "router bgp ") &&
			(len(text) == len(network) || text[len(network)] == ' '):
			found = append(found, line{router, family, string(text)})
		}
	}
	return found
}

// statement adds the step Statement of a route, and reports whether FRR holds it.
func (e *explainer) statement(r route.Route, lines []line) bool {
	s := Step{Stage: Statement, Prefix: r.Prefix, Status: OK}
	if len(lines) == 0 {
		s.Status, s.Text = Stopped, "frr.conf has no statement for it"
		s.Remedy = "the templates in templatesDir write none: look at fairlead render, and correct them"
		e.add(s)
		return false
	}
	refused, drift := e.refused(r.Prefix), e.drifted(r.Prefix)
	before := slices.ContainsFunc(e.View.Before.Routers, func(router route.Router) bool {
		_, is := slices.BinarySearchFunc(router.Routes, r.Prefix, func(r route.Route, p netip.Prefix) int { return route.ComparePrefixes(r.Prefix, p) })
		return is
	})
	switch {
	case refused != nil:
		s.Status, s.Text = Stopped, fmt.Sprintf("FRR refuses %q: %s", refused.Statement, refused.Message)
		s.Remedy = "correct what writes the statement, such as a template in templatesDir, or take the wish back; it is tried again by itself"
	case drift != nil && drift.Owner == reload.Operator:
		s.Status, s.Text = Stopped, "frr.foreign declares it somebody else's, and it is not written therefore: "+strings.Join(drift.Path, " / ")
		s.Remedy = "take the declaration out of frr.foreign, or leave the statement to whom it belongs"
	case !e.View.Held && e.View.Error == "":
		s.Status, s.Text, s.Remedy = Waiting, "FRR's daemons are starting", "wait; fairlead status says what for"
	case !e.View.Held && !before:
		s.Status, s.Text = Stopped, "FRR was not given it, and keeps what it has: "+e.View.Error
		s.Remedy = "do what the error says; it is tried again by itself"
	case drift != nil:
		s.Status, s.Text = Stopped, "somebody changed it by hand: "+driftText(drift)
		s.Remedy = putBack
	default:
		s.Text = lines[0].String()
		if !e.View.Held {
			e.note("the last change could not be applied, and FRR keeps what it had, this route with it: %s", e.View.Error)
		}
	}
	if len(lines) > 1 || s.Status != OK {
		for _, l := range lines {
			d := Detail{Of: l.router, Status: s.Status, Text: l.family + " / " + l.text}
			if refused != nil && !slices.ContainsFunc(e.View.Refusals, func(f Refusal) bool { return f.Prefix == r.Prefix && f.Router == l.name() }) {
				// Another router refuses it.
				d.Status = OK
			}
			s.Details = append(s.Details, d)
		}
	}
	e.add(s)
	return s.Status == OK
}

// What to do in several cases: where somebody changed something by hand, where a proof is yet to come, and where none can.
const (
	putBack     = "undo it: fairlead audit names each change by hand, and puts it right where frr.audit.drift is heal"
	wait        = "wait: fairlead verify --wait 10s"
	findWitness = "let the agent have a witness: NET_RAW, or the neighbor's BMP; fairlead verify names those that are missing"
)

// refused gives why FRR refused the statement of a prefix, or nil.
func (e *explainer) refused(prefix netip.Prefix) *Refusal {
	i := slices.IndexFunc(e.View.Refusals, func(r Refusal) bool { return r.Prefix == prefix })
	if i < 0 {
		return nil
	}
	return &e.View.Refusals[i]
}

// drifted gives how the last audit found the statement of a prefix changed by hand, or nil where it was put right at once, or where
// all neighbors are told the route since.
func (e *explainer) drifted(prefix netip.Prefix) *status.Drift {
	audit := &e.State.Audit
	for i := range audit.Statements {
		d := &audit.Statements[i]
		words := strings.Fields(d.Path[len(d.Path)-1])
		if d.Kind == reload.Added || len(words) < 2 || words[0] != "network" || words[1] != prefix.String() {
			continue
		}
		if d.Owner == reload.Operator || audit.Policy == string(config.Report) && slices.ContainsFunc(e.Told(prefix), func(t Told) bool {
			return t.Verdict.Kind.Wrong()
		}) {
			return d
		}
	}
	return nil
}

// driftText gives "missing router bgp 65000 / ...", with what runs instead.
func driftText(d *status.Drift) string {
	text := string(d.Kind) + " " + strings.Join(d.Path, " / ")
	if d.Running != "" {
		text += ", now " + d.Running
	}
	return text
}

// wire adds the step Wire of a route that some neighbors should be told.
func (e *explainer) wire(r route.Route, group string, neighbors []Detail) {
	s := Step{Stage: Wire, Prefix: r.Prefix, Status: OK, Text: "every neighbor was told"}
	told := e.Told(r.Prefix)
	for _, n := range neighbors {
		d := n
		if i := slices.IndexFunc(told, func(t Told) bool { return t.Session == *n.Session }); i >= 0 {
			d = e.verdict(told[i])
			d.Of, d.Session = n.Of, n.Session
		} else if !e.down(&d) {
			d.Status, d.Text, d.Remedy = Waiting, "nothing was compared yet", wait
		}
		if d.Status != OK {
			e.refusedNeighbor(&d)
		}
		if d.Status.rank() > s.Status.rank() {
			s.Status = d.Status
		}
		s.Details = append(s.Details, d)
	}
	if s.Status != OK {
		good := 0
		for _, d := range s.Details {
			if d.Status == OK {
				good++
			}
		}
		s.Text = fmt.Sprintf("%d of %d neighbors were told", good, len(s.Details))
		e.hands(group, s.Details)
	}
	e.add(s)
}

// hands notes what the last audit found changed by hand of what bears on neighbors that are not told, or on the group.
func (e *explainer) hands(group string, details []Detail) {
	for i := range e.State.Audit.Statements {
		d := &e.State.Audit.Statements[i]
		path := strings.Join(d.Path, " / ")
		bears := d.Owner != reload.Operator && (group != "" && strings.Contains(path, group) || slices.ContainsFunc(details, func(n Detail) bool {
			return n.Status == Stopped && n.Session != nil && strings.Contains(path+" ", "neighbor "+n.Session.Neighbor+" ")
		}))
		if bears {
			e.note("the audit of %s found changed by hand: %s", e.State.Audit.Time.UTC().Format(time.RFC3339), driftText(d))
		}
	}
}

// refusedNeighbor says that FRR refuses a statement of the neighbor, where it does.
func (e *explainer) refusedNeighbor(d *Detail) {
	for _, r := range e.View.Refusals {
		if d.Session != nil && r.Router == d.Session.Router && r.Neighbor == d.Session.Neighbor {
			d.Status, d.Text = Stopped, fmt.Sprintf("FRR refuses %q: %s", r.Statement, r.Message)
			d.Remedy = "correct the neighbor in the configuration, or the template that writes the statement"
		}
	}
}

// session gives how a session stands, or nil.
func (e *explainer) session(key verify.Session) *status.Session {
	for i := range e.Sessions {
		if s := &e.Sessions[i]; s.Router == key.Router && s.Neighbor == key.Neighbor {
			return s
		}
	}
	return nil
}

// down says that a neighbor's session is not established, and why, where that is so.
func (e *explainer) down(d *Detail) bool {
	s := e.session(*d.Session)
	switch {
	case s == nil || s.State == established:
		return false
	case s.AdminDown:
		d.Status, d.Text = Stopped, "the neighbor is shut down in FRR"
		d.Remedy = "undo that (no neighbor " + s.Neighbor + " shutdown): Fairlead does not ask for it; fairlead audit puts it right where frr.audit.drift is heal"
	case s.State == "":
		d.Status, d.Text = Unknown, "FRR has no such neighbor, or was not asked yet"
		d.Remedy = "look whether the last configuration was applied, and FRR runs: fairlead status"
	default:
		d.Status, d.Text = Stopped, "the session is down ("+s.State+")"
		if s.LastReset != "" {
			d.Text += "; its last reset: " + s.LastReset
		}
		d.Remedy = "look at the neighbor and the path to it: its address, AS, password and TTL must be those that it has for us; " +
			"fairlead neighbor " + s.Neighbor + " says more"
	}
	return true
}

// established is FRR's word for a session that is up.
const established = "Established"

// What is said of a neighbor that has stopped reading.
const (
	takesNothing   = "the neighbor's TCP takes nothing"
	lookAtNeighbor = "look whether the neighbor still reads, and whether the path drops packets"
)

// verdict says what a session was told.
func (e *explainer) verdict(t Told) Detail {
	v := t.Verdict
	d := Detail{Of: of(t.Session, ""), Session: &t.Session, Verdict: &v}
	if v.Kind == verify.Announced || v.Kind == verify.PassedOn {
		d.Status, d.Text = OK, fmt.Sprintf("%s, %s by %s", v.Kind, v.Proof, v.Witness)
		if s := e.session(t.Session); s != nil && !s.Proof.Blocked.IsZero() && v.Proof < verify.Acknowledged {
			d.Status, d.Text, d.Remedy = Stopped, d.Text+"; but "+takesNothing, lookAtNeighbor
		}
		return d
	}
	if e.down(&d) {
		return d
	}
	switch v.Kind {
	case verify.Pending:
		d.Status, d.Text, d.Remedy = Waiting, "on its way", wait
		if v.Until.IsZero() {
			d.Text = "not synced: " + v.Witness.String() + " has not seen all of the session yet"
		}
	case verify.Missing:
		why, remedy, _ := strings.Cut(v.Cause.String(), ": ")
		d.Status, d.Text, d.Remedy = Stopped, fmt.Sprintf("missing by %s: %s", v.Witness, why), remedy
		if v.Cause == verify.UnknownCause {
			d.Remedy = "ask again in a few seconds: FRR is being asked why"
		}
	case verify.Mismatch:
		differences := make([]string, len(v.Differences))
		for i, difference := range v.Differences {
			differences[i] = difference.String()
		}
		d.Status, d.Text, d.Remedy = Stopped, fmt.Sprintf("told otherwise by %s: %s", v.Witness, strings.Join(differences, "; ")), putBack
	case verify.Unexpected:
		d.Status, d.Text, d.Remedy = Stopped, fmt.Sprintf("told by %s, and nothing asks for it", v.Witness), putBack
	default:
		d.Status, d.Text, d.Remedy = Unknown, "no witness sees what it was told", findWitness
	}
	return d
}

// neighbor explains a neighbor of the configuration: whether it is one of this node's, and how its session stands.
func (e *explainer) neighbor(o route.Object) {
	i := -1
	for at := range e.View.Config.Neighbors {
		if configNeighbor(at) == o {
			i = at
		}
	}
	if i < 0 {
		e.add(Step{Stage: Wish, Status: Stopped, Text: fmt.Sprintf("the configuration has %d neighbors, from config/neighbors[0] on", len(e.View.Config.Neighbors)),
			Remedy: "ask for one of them"})
		return
	}
	n := e.View.Config.Neighbors[i]
	e.add(Step{Stage: Wish, Status: OK, Text: "the configuration has it: " + n.Name})
	if d, stopped := e.chosen(i, n); stopped {
		e.add(Step{Stage: Neighbors, Status: Stopped, Text: "it is no neighbor of this node", Details: []Detail{d}})
		return
	}
	for _, router := range e.View.Result.Speaker.Routers {
		for _, n := range router.Neighbors {
			if !slices.Contains(n.From, o) {
				continue
			}
			session := sessionOf(router, n)
			e.add(Step{Stage: Neighbors, Status: OK, Text: "it is a neighbor of this node", Details: []Detail{{
				Of: of(session, n.Name), Status: OK, Text: fmt.Sprintf("AS %s, %d routes", n.RemoteAS, len(router.AdjRIBOut(n))), Session: &session,
			}}})
			e.add(e.standing(session, n.Name))
		}
	}
}

// standing is the step Wire of a whole session.
func (e *explainer) standing(key verify.Session, name string) Step {
	d := Detail{Of: of(key, name), Status: OK, Text: "all routes are told as intended", Session: &key}
	if s := e.session(key); !e.down(&d) {
		switch {
		case s == nil:
			d.Status, d.Text, d.Remedy = Waiting, "nothing was compared yet", wait
		case s.Wrong() > 0:
			d.Status, d.Text = Stopped, fmt.Sprintf("routes that it is not told as intended: %d", s.Wrong())
			d.Remedy = "ask for one of them: fairlead verify " + key.Neighbor + " names them"
		case !s.Proof.Blocked.IsZero():
			d.Status, d.Text, d.Remedy = Stopped, takesNothing, lookAtNeighbor
		case s.Proof.Routes(verify.Pending) > 0:
			d.Status, d.Text, d.Remedy = Waiting, fmt.Sprintf("routes that are on their way: %d", s.Proof.Routes(verify.Pending)), wait
		case !s.Proof.Compared() && s.Proof.Learning():
			d.Status, d.Text, d.Remedy = Waiting, "its first table is not through yet", wait
		case !s.Proof.Compared():
			d.Status, d.Text, d.Remedy = Unknown, "no witness sees what it was told", findWitness
		}
	}
	if d.Status != OK {
		e.refusedNeighbor(&d)
	}
	return Step{Stage: Wire, Status: d.Status, Text: "its session", Details: []Detail{d}}
}
