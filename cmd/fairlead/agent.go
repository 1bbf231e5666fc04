package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/explain"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/prove"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/report"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/watch"
)

// agent is the state of run's loop.
type agent struct {
	options *options
	// paths are those of all that the last version of the configuration which could be read consists of.
	paths []string

	source   source
	reducer  reduce.Reducer
	files    *watch.Files
	vtysh    *frr.Vtysh
	reloader *reload.Reloader
	// supervisor is nil where somebody else runs FRR.
	supervisor *frr.Supervisor
	// logger is what log writes to; its level and form are settings too.
	logger *logrus.Logger
	log    logrus.FieldLogger
	board  *status.Board
	// prover finds out what neighbors are really sent.
	prover *prove.Prover
	// reporter is nil where Kubernetes is told nothing.
	reporter *report.Reporter

	// settings are the last good ones, next those that are yet to prove themselves, or nil; refused are the last that did not,
	// and broken is why the latest version was not taken, as it was logged.
	settings settings
	next     *settings
	refused  settings
	broken   string
	// passing says that broken may be over any time: it is tried again now and then.
	passing bool
	// needs are those of the settings in force, once applied; unwatched says that bfdd, which they need, is not there.
	needs     frr.Needs
	unwatched bool

	// feed is what is known of the bgpd that runs.
	feed feed

	// wake holds at most one wish to look again.
	wake chan struct{}
	// fresh is set when one of FRR's daemons came, or went, and lost when that was bgpd, which then has lost what it held; edited
	// when the operator's files changed; due when an audit is.
	fresh, lost, edited, due atomic.Bool
	// started is when bgpd came before this agent did, or when one of FRR's daemons was last told to have come, or gone.
	started time.Time
	// interrupted counts how often FRR went away while it was given the next settings; resets are those of the last change.
	interrupted, resets int
	// foretold is what the last change was to do to the neighbors, until it is made; decided is when it was.
	foretold string
	decided  time.Time
	// paced says that the next pass is to wait for its time, because FRR refused the last one.
	paced bool
	// settled is what the log was told of keys that take effect later.
	settled string
	// waiting says that the log was told that the source is not read yet.
	waiting bool
	// told are the wishes not followed, and the warnings, that were logged last, and drifted the changes by hand.
	told, drifted map[string]bool
	// speaker is what was applied last.
	speaker route.Speaker
	// view is what the last pass knew and did, for who asks, where that was by settings in force or FRR holds it; nil before one
	// got so far.
	view atomic.Pointer[explain.View]
}

func (a *agent) look() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// restarted says that one of FRR's daemons came, or went; "" is any. That of bgpd is told by Watch, under its name.
func (a *agent) restarted(daemon string) {
	if daemon == "bgpd" {
		a.lost.Store(true)
	}
	a.fresh.Store(true)
	a.look()
}

// young reports whether somebody else, who started FRR, may still be giving it a configuration.
func (a *agent) young() bool { return a.supervisor == nil && time.Since(a.started) < startTime }

func (a *agent) reread() {
	a.edited.Store(true)
	a.look()
}

// pass looks at everything once, and does what that asks for.
func (a *agent) pass(ctx context.Context) error {
	pass := a.board.Begin()
	// What is wished from here on is for the next pass.
	wished := a.due.Load()
	if a.edited.Swap(false) {
		a.read()
	}
	err := a.converge(ctx, pass)
	pass.End(err)
	if wished {
		a.unaudited(err)
	}
	a.board.Follow(sourcesOf(a.source))
	if a.reporter != nil {
		r := a.reporter.Status()
		a.board.Told(status.Events{Told: r.Told, Dropped: r.Dropped})
	}
	return err
}

// converge makes FRR hold what it should: by the new settings where there are some, and where those do not do, or not yet, by
// the last good ones.
func (a *agent) converge(ctx context.Context, pass *status.Pass) error {
	if a.next == nil {
		_, err := a.apply(ctx, pass, a.settings, false)
		return err
	}
	done, err := a.apply(ctx, pass, *a.next, true)
	var secret *reduce.SecretError
	gone := away(err)
	if gone && ctx.Err() == nil && errors.Is(err, reload.ErrChanging) {
		if a.interrupted++; a.interrupted > 1 {
			// Once may be chance. Twice, FRR does not survive them.
			err, gone = fmt.Errorf("FRR went away twice while it was given this configuration: %w", err), false
		}
	}
	switch {
	case ctx.Err() != nil || gone:
		// Nothing speaks against the new settings yet: they are tried again.
		return err
	case (err == nil || isRest(err)) && done, errors.Is(err, reload.ErrNotKept):
		return errors.Join(err, a.enforce())
	case errors.As(err, &secret), errors.Is(err, errUnlisted):
		// The cluster may have it any time, and says so.
		a.complain(err, err.Error() == a.broken)
	case err != nil && !isRest(err):
		a.keep(err)
	}
	_, err = a.apply(ctx, pass, a.settings, false)
	// What FRR refuses of the cluster's is known by now, and need not be held against the new settings once more.
	a.passing = a.passing || isRest(err) && a.broken != ""
	return err
}

// enforce puts the next settings in force: what FRR holds has proven itself, also where frr.conf could not be written yet.
func (a *agent) enforce() error {
	a.settings, a.next, a.broken, a.passing, a.interrupted = *a.next, nil, "", false, 0
	a.board.Misconfigured(nil)
	a.board.Configured(a.options.config, a.settings.digest)
	a.want()
	if err := setLogger(a.logger, a.settings.config.Logging); err != nil {
		return err
	}
	a.log.Info("configuration applied")
	// What is left to somebody's hand may be another matter by now.
	a.look()
	return nil
}

// read takes up the files as they are now.
func (a *agent) read() {
	next, paths, err := readSettings(a.options, true)
	if err != nil {
		// The mistake may be mended in a file that only the last good version names.
		a.files.Follow(append(paths, a.paths...)...)
		a.keep(err)
		return
	}
	a.paths = paths
	a.files.Follow(paths...)
	if changed := next.settle(a.settings.config); changed != a.settled {
		if a.settled = changed; changed != "" {
			a.log.Warnf("a change of %s takes effect when the agent starts again; the rest applies now", changed)
		}
	}
	if err := next.conflict(); err != nil {
		a.keep(err)
		return
	}
	if a.next = nil; !next.equal(a.settings) || a.broken != "" {
		a.next, a.interrupted = &next, 0
	} else if a.settings.digest = next.digest; a.settings.kept == nil {
		a.board.Configured(a.options.config, next.digest)
	}
	a.want()
}

// want has the source follow what the settings in force need, and those that are to come.
func (a *agent) want() {
	versions := []config.Config{a.settings.config}
	if a.next != nil {
		versions = append(versions, a.next.config)
	}
	a.source.Want(wantedOf(versions...))
}

// keep says why the latest version of the operator's files is not taken: once, also where it is tried again.
func (a *agent) keep(err error) {
	var down *frr.NotRunningError
	var refused *frr.ApplyError
	blamed := errors.As(err, &refused) || errors.Is(err, reload.ErrNotHeld)
	changing := errors.Is(err, reload.ErrChanging)
	switch {
	case errors.Is(err, frr.ErrVtysh), errors.As(err, &down) && !changing:
		// A vtysh may be whole again any time, and a daemon come.
		a.passing = true
	case changing && (a.young() || !blamed && !away(err)):
		// A full disk says nothing against them, nor what comes of two who give a young FRR its configuration.
		a.passing = true
	default:
		// What was kept follows no cluster: all is better that FRR does not refuse, which would be applied and taken back each time.
		a.passing = a.settings.kept != nil && refused == nil
	}
	again := err.Error() == a.broken
	if a.next != nil {
		again = again && a.next.equal(a.refused)
		a.refused, a.next = *a.next, nil
	}
	a.complain(err, again)
	a.want()
}

// complain tells why the latest version is not in force; not to the log where that was told already.
func (a *agent) complain(err error, again bool) {
	a.board.Misconfigured(err)
	if !again {
		a.broken = err.Error()
		a.log.WithError(err).Error("keeping the last good configuration")
	}
}

// away reports whether an error says that FRR, or its bgpd, is not there, and nothing about what it was given.
func away(err error) bool {
	if errors.Is(err, frr.ErrVtysh) {
		return false
	}
	var down *frr.NotRunningError
	var again *frr.RestartedError
	return errors.As(err, &down) && (down.Daemon == "" || down.Daemon == "bgpd") || errors.As(err, &again) ||
		errors.Is(err, frr.ErrNoVtysh) || errors.Is(err, context.DeadlineExceeded)
}

// apply is the pipeline: what the cluster holds, what this node should announce, frr.conf, and FRR holding it. On an error
// FRR keeps what it has. It reports false where that must wait: for the cluster's objects, or for daemons that start; they say
// when to look again. Settings that are new have yet to prove themselves.
func (a *agent) apply(ctx context.Context, pass *status.Pass, s settings, isNew bool) (done bool, err error) {
	start := time.Now()
	known, err := a.known(s, isNew)
	if err != nil {
		return false, err
	}
	if known == watch.Waiting {
		pass.Waits(status.ForSources)
		return false, nil
	}
	view, err := a.wanted(ctx, pass, s)
	if err != nil {
		return false, err
	}
	conf, result := view.Conf, view.Result
	// Whatever comes of it is explained from then on; of new settings, once FRR holds what they ask for.
	defer func() {
		if isNew && !view.Held {
			return
		}
		if err != nil {
			view.Error = err.Error()
		}
		if !view.Held {
			view.Before = a.speaker
		}
		a.view.Store(view)
	}()
	needs := frr.NeedsOf(conf)
	if there, err := a.daemons(ctx, needs, isNew); err != nil || !there {
		return false, err
	}
	pass.Enter(status.Apply)
	a.reloader.Declare(s.foreign())
	if err := a.audit(ctx); err != nil {
		return false, err
	}
	put := a.reloader.Apply
	switch {
	case s.kept != nil:
		put = a.reloader.Restore
	case known == watch.Partial:
		put = a.reloader.Extend
	}
	a.resets, a.decided = 0, start
	intend := func() {
		if s.kept == nil {
			a.prover.Intend(result.Speaker, start, known == watch.Complete)
		}
	}
	if !isNew {
		intend()
	}
	// Of what is in force one wrong route does not hold up the others. New settings must be right as a whole.
	a.reloader.Spare(!isNew)
	change, err := put(ctx, conf)
	err = blame(err, result.Speaker)
	refused := refusedOf(err)
	rest := isRest(err)
	view.Refusals = refusalsOf(result.Speaker, refused)
	if err != nil && !errors.Is(err, reload.ErrNotKept) && !rest {
		pass.Applied(change.Len(), a.resets, err)
		return false, err
	}
	pass.Applied(change.Len(), a.resets, nil)
	view.Held = true
	a.foretold = ""
	if isNew {
		// What came of it late, because the apply took long, is no drift.
		a.prover.Settle(start, time.Now().Add(a.settings.config.Verify.Deadline))
		intend()
	}
	if refused != nil {
		result = withoutRefused(result, refused)
	}
	a.applied(s, known, result, change, time.Since(start))
	a.speaker = result.Speaker
	if a.reloader.Touched() {
		a.due.Store(true)
	}
	if audited := a.audit(ctx); audited != nil || err != nil && !rest {
		return false, errors.Join(err, audited)
	}
	if !isNew && a.next != nil {
		// The daemons are there for the new settings too.
		return true, err
	}
	settled, notSettled := a.settle(ctx, needs, conf)
	return settled, cmp.Or(notSettled, err)
}

// errUnlisted says that settings which are new would know less than those in force, and withdraw nothing any more.
var errUnlisted = errors.New("the API server does not give the services, which announce.clusterIPs asks for: " +
	"fairlead status says why; this configuration waits for them")

// known says how much is known of what some settings ask for. What was kept of the last good ones says what was announced, and
// nothing of what is not. Settings that are new wait, with an error, where what they alone ask for is not given.
func (a *agent) known(s settings, isNew bool) (watch.Readiness, error) {
	if s.kept != nil {
		return watch.Partial, nil
	}
	known := a.source.Readiness(wantedOf(s.config))
	if isNew && a.settings.kept == nil {
		// Those in force go on meanwhile.
		if known == watch.Partial && a.source.Readiness(wantedOf(a.settings.config)) == watch.Complete {
			return known, errUnlisted
		}
		return known, nil
	}
	if waiting := known == watch.Waiting; waiting != a.waiting {
		a.waiting = waiting
		if waiting {
			a.log.Info("waiting for the cluster's objects; FRR keeps what it has")
		}
	}
	return known, nil
}

// wanted gives frr.conf by some settings, and what it was made from; of settings that are not known, what was kept.
func (a *agent) wanted(ctx context.Context, pass *status.Pass, s settings) (*explain.View, error) {
	if s.kept != nil {
		return &explain.View{Kept: true, Conf: s.kept}, nil
	}
	pass.Enter(status.Reduce)
	snapshot := a.source.Snapshot()
	result, err := a.reducer.Reduce(snapshot, s.config, a.options.node)
	if err != nil {
		return nil, err
	}
	pass.Reduced(snapshot, result)
	a.tell(result)
	if result.Speaker.Station.IsValid() {
		if a.feed.ask(ctx, a.vtysh) {
			a.log.Warn(unfed)
		}
		a.feed.leave(&result.Speaker)
	}
	pass.Enter(status.Render)
	conf, err := s.render(result.Speaker)
	return &explain.View{Config: s.config, Snapshot: snapshot, Result: result, Conf: conf}, err
}

// daemons sees to it that a configuration of these needs can be given to FRR, and reports whether it can now.
//
// New settings that need bfdd must show that it runs. Where those in force need it already, bfdd may come and go: all but the
// profiles of BFD is bgpd's, and an announcement does not wait for them.
func (a *agent) daemons(ctx context.Context, needs frr.Needs, isNew bool) (bool, error) {
	strict := isNew && needs.BFD && !a.needs.BFD
	if a.supervisor != nil {
		if isNew && needs.Listen {
			// Known now, it resets nothing.
			if err := a.supervisor.CanListen(ctx); err != nil {
				return false, err
			}
		}
		ask := a.supervisor.Serve
		if strict {
			ask = a.supervisor.Try
		}
		if there, err := ask(needs); err != nil || !there {
			return false, err
		}
	}
	a.vtysh.Daemons = needs.Daemons()
	unwatched := needs.BFD && !strict && !a.vtysh.Runs(ctx, "bfdd")
	if unwatched {
		a.vtysh.Daemons = frr.Needs{}.Daemons()
	}
	a.reloader.WithoutProfiles(unwatched)
	if unwatched != a.unwatched {
		a.unwatched = unwatched
		if unwatched {
			a.log.Warn("bfdd is not running: sessions are held without BFD until it does")
		} else {
			a.log.Info("bfdd runs, or is no longer needed")
		}
	}
	return true, nil
}

// settle ends the daemons that a configuration which was applied does not need, and has bgpd listen where it must. It comes
// last, because that resets every session: what FRR refuses is known by then. It reports false while bgpd starts.
func (a *agent) settle(ctx context.Context, needs frr.Needs, conf []byte) (bool, error) {
	if a.supervisor != nil {
		if needs.Listen {
			listens, err := a.supervisor.Listen(ctx, needs, func() { a.logResets(reload.Sessions(conf)) })
			if err != nil || !listens {
				return false, err
			}
		}
		a.supervisor.Trim(needs)
	}
	a.needs = needs
	return true, nil
}

// policyTime is how long FRR may wait before it evaluates a policy again, and take for it: its delay timer is 1 s.
const policyTime = 3 * time.Second

// foretell says what a change is about to do to the neighbors; of one that failed and is tried again, nothing more.
func (a *agent) foretell(f reload.Foresight) {
	text := fmt.Sprint(f)
	if text == a.foretold {
		a.resets += len(f.Resets)
		return
	}
	a.foretold = text
	a.logResets(f.Resets)
	routes := 0
	for _, r := range f.Routes {
		routes += len(r.Announced) + len(r.Replaced) + len(r.Withdrawn)
		if text := r.Withdrawals(); text != "" {
			a.log.Info(text)
		}
	}
	for _, p := range f.Policies {
		a.log.Info(p.String())
	}
	// What new settings change is on the wire before it is intended: they have yet to prove themselves.
	if takes := prove.Takes(routes); takes > 0 || len(f.Policies) > 0 {
		a.prover.Settle(a.decided, time.Now().Add(takes+policyTime+a.settings.config.Verify.Deadline))
	}
}

// logResets says which sessions a change is about to reset, and counts them.
func (a *agent) logResets(resets []reload.Reset) {
	for _, r := range resets {
		a.log.WithField("neighbor", r.Neighbor).Info(r.String())
	}
	a.resets += len(resets)
}
