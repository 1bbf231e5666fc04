package main

import (
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/prove"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/report"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/watch"
)

// applied tells what FRR holds now, by settings s.
func (a *agent) applied(s settings, known watch.Readiness, result reduce.Result, change reload.Change, took time.Duration) {
	if !change.Empty() {
		log := a.log.WithField("duration", took.Round(time.Millisecond))
		if s.kept == nil {
			neighbors, routes := 0, 0
			for _, r := range result.Speaker.Routers {
				neighbors, routes = neighbors+len(r.Neighbors), routes+len(r.Routes)
			}
			log = log.WithFields(logrus.Fields{"neighbors": neighbors, "routes": routes})
		}
		log.Info("applied")
		a.log.Debugf("change:\n%s", change)
	}
	if s.kept != nil {
		return
	}
	if a.board.State().Configuration.File == "" && a.next == nil {
		a.board.Configured(a.options.config, s.digest)
	}
	// What is not known in full may say that something is gone which is not.
	if a.reporter != nil && known == watch.Complete {
		a.reporter.Tell(report.State{
			Routes: announced(result.Speaker), Skipped: result.Skipped, Own: result.Own, Silent: result.Silent,
		})
	}
}

// tellDrifts has Kubernetes told what neighbors are not told as intended.
func (a *agent) tellDrifts(standing []prove.Standing) {
	if a.reporter == nil {
		return
	}
	sessions := make([]report.Session, 0, len(standing))
	for _, s := range standing {
		sessions = append(sessions, report.Session{Routes: s.Routes, Report: s.Report})
	}
	a.reporter.Proven(sessions)
}

// announced gives the routes that at least one neighbor is told. All routers originate the same ones.
func announced(s route.Speaker) []route.Route {
	var families []route.Family
	for _, r := range s.Routers {
		for _, n := range r.Neighbors {
			families = append(families, n.Families...)
		}
	}
	if len(families) == 0 {
		return nil
	}
	spoken := func(r route.Route) bool { return slices.Contains(families, route.FamilyOf(r.Prefix.Addr())) }
	routes := s.Routers[0].Routes
	if !slices.ContainsFunc(routes, func(r route.Route) bool { return !spoken(r) }) {
		return routes
	}
	return slices.DeleteFunc(slices.Clone(routes), func(r route.Route) bool { return !spoken(r) })
}

// tell logs the wishes that are not followed, and those that look like a mistake, each once while it stands.
func (a *agent) tell(result reduce.Result) {
	now := make(map[string]bool)
	say := func(object, text string) {
		now[object+text] = true
		if !a.told[object+text] {
			a.log.WithField("object", object).Warn(text)
		}
	}
	for _, s := range result.Skipped {
		say(s.Object.String(), "not announced: "+s.Reason)
	}
	for _, w := range result.Warnings {
		say(w.Object.String(), "announced, but "+w.Reason)
	}
	a.told = now
}
