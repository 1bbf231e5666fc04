package main

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/watch"
)

// agent is the state of run's loop.
type agent struct {
	node string
	// config is the path of the configuration, paths are those of all that the last version which could be read consists of.
	config string
	paths  []string

	source   *watch.Folder
	files    *watch.Files
	vtysh    *frr.Vtysh
	reloader *reload.Reloader
	// supervisor is nil where somebody else runs FRR.
	supervisor *frr.Supervisor
	// logger is what log writes to; its level and form are settings too.
	logger *logrus.Logger
	log    logrus.FieldLogger

	// settings are the last good ones, next those that are yet to prove themselves, or nil; broken is why the latest version
	// was not taken, as it was logged.
	settings settings
	next     *settings
	broken   string
	// absent says that broken is the lack of a daemon, which may start any time.
	absent bool

	// wake holds at most one wish to look again.
	wake chan struct{}
	// fresh is set when FRR may hold anything, because it just started; edited when the operator's files changed.
	fresh, edited atomic.Bool
	// told are the wishes not followed, and the warnings, that were logged last.
	told map[string]bool
}

func (a *agent) look() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *agent) restarted() {
	a.fresh.Store(true)
	a.look()
}

func (a *agent) reread() {
	a.edited.Store(true)
	a.look()
}

// pass makes FRR hold what it should: by the new settings where there are some, and where those do not do, by the last good
// ones.
func (a *agent) pass(ctx context.Context) error {
	if a.edited.Swap(false) {
		a.read()
	}
	if a.next == nil {
		_, err := a.apply(ctx, a.settings)
		return err
	}
	done, err := a.apply(ctx, *a.next)
	switch {
	case ctx.Err() != nil || err == nil && !done || away(err):
		// Nothing speaks against the new settings yet: they are tried again.
		return err
	case err != nil && !errors.Is(err, reload.ErrNotKept):
		a.keep(err)
		_, err = a.apply(ctx, a.settings)
		return err
	}
	// What FRR holds has proven itself, also where frr.conf could not be written yet.
	a.settings, a.next, a.broken, a.absent = *a.next, nil, "", false
	if err := setLogger(a.logger, a.settings.config.Logging); err != nil {
		return err
	}
	a.log.Info("configuration applied")
	return err
}

// read takes up the files as they are now.
func (a *agent) read() {
	next, paths, err := readSettings(a.config, true)
	if err != nil {
		// The mistake may be mended in a file that only the last good version names.
		a.files.Follow(append(paths, a.paths...)...)
		a.keep(err)
		return
	}
	a.paths = paths
	a.files.Follow(paths...)
	if !reflect.DeepEqual(next.config.FRR, a.settings.config.FRR) {
		a.log.Warn("a change of frr takes effect when the agent starts again; the rest applies now")
		next.config.FRR = a.settings.config.FRR
	}
	if a.next = nil; !next.equal(a.settings) || a.broken != "" {
		a.next = &next
	}
}

// keep says once why the latest version of the operator's files is not taken.
func (a *agent) keep(err error) {
	var down *frr.NotRunningError
	a.next, a.absent = nil, errors.As(err, &down)
	if text := err.Error(); text != a.broken {
		a.broken = text
		a.log.WithError(err).Error("keeping the last good configuration")
	}
}

// away reports whether an error says that FRR, or its bgpd, is not there, and nothing about what it was given.
func away(err error) bool {
	var down *frr.NotRunningError
	return errors.As(err, &down) && (down.Daemon == "" || down.Daemon == "bgpd") ||
		errors.Is(err, frr.ErrNoVtysh) || errors.Is(err, context.DeadlineExceeded)
}

// apply is the pipeline: what the cluster holds, what this node should announce, frr.conf, and FRR holding it. On an error
// FRR keeps what it has. It reports false where daemons must start first; they say when to look again.
func (a *agent) apply(ctx context.Context, s settings) (bool, error) {
	start := time.Now()
	result, err := reduce.Reduce(a.source.Snapshot(), s.config, a.node)
	if err != nil {
		return false, err
	}
	a.tell(result)
	conf, err := s.render(result.Speaker)
	if err != nil {
		return false, err
	}
	needs := needsOf(result.Speaker)
	if a.supervisor != nil {
		if there, err := a.supervisor.Serve(needs); err != nil || !there {
			return false, err
		}
	}
	a.vtysh.Daemons = needs.Daemons()
	if a.next != nil {
		if err := a.announceResets(ctx, conf); err != nil {
			return false, err
		}
	}
	change, err := a.reloader.Apply(ctx, conf)
	if err != nil {
		return false, err
	}
	if a.supervisor != nil {
		a.supervisor.Trim(needs)
	}
	if !change.Empty() {
		neighbors, routes := 0, 0
		for _, r := range result.Speaker.Routers {
			neighbors, routes = neighbors+len(r.Neighbors), routes+len(r.Routes)
		}
		a.log.WithFields(logrus.Fields{
			"neighbors": neighbors,
			"routes":    routes,
			"duration":  time.Since(start).Round(time.Millisecond),
		}).Info("applied")
		a.log.Debugf("change:\n%s", change)
	}
	return true, nil
}

// announceResets says which sessions the change to conf resets, before it does.
func (a *agent) announceResets(ctx context.Context, conf []byte) error {
	_, foreseen, err := a.reloader.Foresee(ctx, conf)
	if err != nil {
		return err
	}
	for _, r := range foreseen.Resets {
		a.log.WithField("neighbor", r.Neighbor).Info(r.String())
	}
	return nil
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
