package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/bmp"
	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/prove"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/verify"
)

// newProver gives the one that finds out what neighbors are really sent, and has it tell the board.
func (a *agent) newProver(c config.Config, shell frr.Vtysh, log *logrus.Logger) *prove.Prover {
	v := c.Verify
	p := prove.New(prove.Options{
		FRR: shell, Deadline: v.Deadline, Tap: v.Tap, Claims: v.Claims.Interval, Station: v.BMP.Listen, Allowed: v.BMP.Allowed,
		Log: log.WithField("stage", "verify"),
		Changed: func(taken []time.Duration) {
			standing := a.prover.Sessions(status.MaxOpen)
			a.board.Proven(sessionsOf(standing), a.blind(), taken)
			a.tellDrifts(standing)
		},
		Fed: func(routers []bmp.Router) { a.board.Fed(feedsOf(routers)) },
	})
	return p
}

// sessions gives how the sessions stand now, as the board tells it, with at most so many open routes of each; 0 means all.
func (a *agent) sessions(most int) []status.Session { return sessionsOf(a.prover.Sessions(most)) }

func sessionsOf(standing []prove.Standing) []status.Session {
	all := make([]status.Session, 0, len(standing))
	for _, s := range standing {
		session := status.Session{
			Router: s.Session.Router, Neighbor: s.Session.Neighbor, Name: s.Neighbor.Name, RemoteAS: s.Neighbor.RemoteAS,
			State: s.Peer.State, AdminDown: s.Peer.AdminDown, Local: s.Peer.Local, Remote: s.Peer.Remote,
			Resets: s.Peer.Resets, LastReset: s.Peer.LastReset, Families: []status.SessionFamily{}, Proof: s.Report,
		}
		if s.Peer.State == frr.Established {
			session.Established, session.HoldTime = s.Asked.Add(-s.Peer.Uptime), s.Peer.HoldTime.Seconds()
		}
		for _, f := range s.Peer.Families {
			if f.Agreed {
				session.Families = append(session.Families, status.SessionFamily{Family: f.Family, Received: f.Accepted, Sent: f.Sent})
			}
		}
		all = append(all, session)
	}
	return all
}

// feedsOf gives the routers of the station as the board tells them.
func feedsOf(routers []bmp.Router) []status.Feed {
	all := make([]status.Feed, 0, len(routers))
	for _, r := range routers {
		f := status.Feed{
			Source: r.Source, Name: r.Name, Open: r.Error == "", Since: r.Since, Last: r.Last, Error: r.Error, Times: r.Times,
			Messages: r.Messages, Peers: len(r.Peers),
		}
		for _, p := range r.Peers {
			for _, t := range p.Tables {
				f.Routes += t.Routes
			}
			if p.Reason != "" && f.Error == "" {
				f.Error = fmt.Sprintf("%s: %s", p, p.Reason)
			}
		}
		all = append(all, f)
	}
	return all
}

// blind gives the witnesses that cannot be had.
func (a *agent) blind() []status.Blindness {
	reasons := a.prover.Blind()
	all := make([]status.Blindness, 0, len(reasons))
	for _, w := range slices.Sorted(maps.Keys(reasons)) {
		all = append(all, status.Blindness{Witness: w, Reason: reasons[w]})
	}
	return all
}

// questions are what may be asked beside the status.
func (a *agent) questions() map[string]status.Question {
	return map[string]status.Question{"neighbor": a.askNeighbor, "adj-out": a.askAdjOut, "verify": a.askVerify, "explain": a.askExplain}
}

// askNeighbor answers how one session stands, or all, of one router where values name that: they name the neighbor by what find
// takes.
func (a *agent) askNeighbor(_ context.Context, values url.Values) (status.Answer, error) {
	router := values.Get("router")
	meant := func(s status.Session) bool { return isIn(s.Router, router) }
	if values.Get("neighbor") != "" {
		found, err := a.find(values)
		if err != nil {
			return nil, err
		}
		meant = func(s status.Session) bool { return s.Router == found.Router && s.Neighbor == found.Neighbor }
	}
	sessions := slices.DeleteFunc(a.sessions(0), func(s status.Session) bool { return !meant(s) })
	if len(sessions) == 0 && router != "" {
		return nil, a.none("", router)
	}
	return &status.Neighbors{Sessions: sessions}, nil
}

// askAdjOut answers what one session was sent.
func (a *agent) askAdjOut(_ context.Context, values url.Values) (status.Answer, error) {
	session, err := a.find(values)
	if err != nil {
		return nil, err
	}
	routes, _ := a.prover.AdjRIBOut(session)
	answer := &status.AdjRIBOut{Session: session, Routes: routes, Limits: []string{}}
	if routes == nil {
		answer.Routes = []verify.Verdict{}
	}
	for _, s := range a.prover.Sessions(1) {
		if s.Session == session {
			answer.Limits = s.Report.Limits
		}
	}
	return answer, nil
}

// askVerify answers whether each neighbor is told what it should be, with wait once nothing is on its way, or that time is over.
func (a *agent) askVerify(ctx context.Context, values url.Values) (status.Answer, error) {
	if text := values.Get("wait"); text != "" {
		wait, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("wait %q: %w", text, err)
		}
		ctx, cancel := context.WithTimeout(ctx, wait)
		defer cancel()
		a.prover.Await(ctx)
	}
	if !a.prover.Intended() {
		return nil, errors.New("this agent does not know yet what neighbors should be told: see fairlead status")
	}
	answer, err := a.askNeighbor(ctx, values)
	if err != nil {
		return nil, err
	}
	return status.NewVerification(answer.(*status.Neighbors).Sessions, a.blind()), nil
}

// find gives the session that values name: by its address, its interface or its name, and its router where two have
// it.
func (a *agent) find(values url.Values) (verify.Session, error) {
	name, router := values.Get("neighbor"), values.Get("router")
	var found []verify.Session
	for _, s := range a.prover.Sessions(1) {
		if (s.Session.Neighbor == name || s.Neighbor.Name == name) && isIn(s.Session.Router, router) {
			found = append(found, s.Session)
		}
	}
	switch len(found) {
	case 0:
		return verify.Session{}, a.none(name, router)
	case 1:
		return found[0], nil
	default:
		return verify.Session{}, fmt.Errorf("neighbor %s is in more than one router: name one with --router", name)
	}
}

// defaultRouter is how people name the router without a name.
const defaultRouter = "default"

// isIn reports whether a router is the wanted one; "" means any.
func isIn(router, wanted string) bool { return wanted == "" || cmp.Or(router, defaultRouter) == wanted }

// none says that no session is meant by a neighbor, a router or both, and which there are.
func (a *agent) none(name, router string) error {
	var known []string
	for _, s := range a.prover.Sessions(1) {
		text := s.Session.Neighbor
		if s.Session.Router != "" || router != "" {
			text += " in router " + cmp.Or(s.Session.Router, defaultRouter)
		}
		known = append(known, text)
	}
	if len(known) == 0 {
		return errors.New("this node has no neighbor yet: see fairlead status")
	}
	wanted := "neighbor"
	if name != "" {
		wanted += " " + name
	}
	if router != "" {
		wanted += " in router " + router
	}
	return fmt.Errorf("there is no %s on this node: it has %s", wanted, some(known))
}
