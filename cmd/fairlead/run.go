package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/report"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/watch"
)

func runCommand(o *options) *cobra.Command {
	var withdraw bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Watch, and keep FRR announcing what it should",
		Long: "Watch the cluster, and keep FRR announcing what it should. An agent that ends leaves FRR as it is, for the next\n" +
			"one to take over; with --withdraw-on-exit SIGTERM has all routes withdrawn and the sessions closed first.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return reaped(cmd.Context(), func() error { return run(cmd.Context(), o, withdraw) })
		},
	}
	cmd.Flags().BoolVar(&withdraw, "withdraw-on-exit", false, "withdraw all routes and close the sessions when told to end, to drain the node")
	return cmd
}

// run is the whole pipeline. Four things wake it: the source when the cluster's objects changed, the operator's files when
// one of them changed, FRR when daemons came or went, and a clock that has FRR's configuration audited or a failed apply tried
// again. Each of them only says "look again"; the loop in agent.follow is the one place that acts.
func run(ctx context.Context, o *options, withdraw bool) error {
	s, paths, broken := readSettings(o, true)
	kept, found := keptSettings(o.config)
	if broken != nil {
		if !found {
			return broken
		}
		s = kept
	}
	log := logrus.New()
	if err := setLogger(log, s.config.Logging); err != nil {
		return err
	}
	a, err := newAgent(o, s, log)
	if err != nil {
		return err
	}
	if withdraw && a.vtysh.Socket != "" {
		hold, err := frr.Hold(a.vtysh.Socket)
		if err != nil {
			return err
		}
		defer func() { _ = hold.Close() }()
	}
	a.paths = paths
	a.files.Follow(paths...)
	if found {
		// The last good version is in force, and this one has yet to prove itself.
		a.settings, a.needs = kept, frr.NeedsOf(kept.kept)
	}
	if broken != nil {
		a.keep(broken)
	} else if found {
		a.next = &s
	}
	a.reloader.Foretell(a.foretell)
	a.reloader.Mistrust(func() bool { return a.fresh.Load() || a.young() && time.Since(a.started) < bootTime })
	a.source.Want(wantedOf(s.config))

	g, inner := errgroup.WithContext(ctx)
	// FRR's daemons, where they are children, outlive the loop: its last word may be to them.
	daemons, end := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error { return a.serve(inner, s.config.Status) })
	g.Go(func() error { return a.prover.Run(inner) })
	g.Go(func() error { return a.source.Run(inner, a.look) })
	g.Go(func() error { return a.files.Run(inner, a.reread) })
	// By its own, so that it goes on as it is while the loop changes a.vtysh.
	shell := *a.vtysh
	g.Go(func() error { shell.Watch(inner, a.restarted); return nil })
	if a.reporter != nil {
		g.Go(func() error { return a.reporter.Run(inner) })
	}
	if a.supervisor != nil {
		g.Go(func() error { return a.supervisor.Run(daemons, func() { a.restarted("") }) })
	}
	a.started = a.vtysh.Started("bgpd")
	a.look()
	g.Go(func() error {
		defer end()
		err := a.follow(inner)
		if withdraw && ctx.Err() != nil {
			err = errors.Join(err, a.withdraw(daemons))
		}
		return err
	})
	return g.Wait()
}

// serveAgain is how long an agent waits that cannot serve its status, before it tries again.
const serveAgain = 5 * time.Second

// serve tells about the agent until ctx ends. That it cannot, because the port is taken, is no reason to announce nothing.
func (a *agent) serve(ctx context.Context, c config.Status) error {
	settings := status.Config{Listen: c.Listen, Socket: c.Socket, Pprof: c.Pprof, Questions: a.questions()}
	told := ""
	for ctx.Err() == nil {
		server, err := status.Open(ctx, a.board, settings, a.logger)
		if err == nil {
			err = server.Run(ctx)
		}
		if err == nil {
			continue
		}
		if text := err.Error(); text != told {
			told = text
			a.log.WithField("retry", serveAgain).Error(err)
		}
		again := time.NewTimer(serveAgain)
		select {
		case <-ctx.Done():
		case <-again.C:
		}
		again.Stop()
	}
	return nil
}

// newAgent opens what an agent with these settings works with, and starts nothing.
func newAgent(o *options, s settings, log *logrus.Logger) (*agent, error) {
	api, err := clusterOf(o, s.config)
	if err != nil {
		return nil, err
	}
	vtysh := vtysh(s.config)
	a := &agent{
		options:  o,
		settings: s,
		files:    watch.NewFiles(log),
		vtysh:    vtysh,
		reloader: reload.New(vtysh, reload.File{Path: s.config.FRR.Paths.Config, Write: frr.WriteConfig}),
		logger:   log,
		log:      log.WithField("node", o.node),
		wake:     make(chan struct{}, 1),
	}
	a.prover = a.newProver(s.config, *vtysh, log)
	a.board = status.New(status.Options{Node: o.node, Version: version, Audit: a.wish})
	if a.source, err = openSource(o, s.config, api, log); err != nil {
		return nil, err
	}
	if api != nil && s.config.Events {
		a.reporter, err = report.New(api, report.Options{Node: o.node, Namespace: o.namespace, Group: s.config.NATGateway, Log: log})
		if err != nil {
			return nil, err
		}
	}
	if s.config.FRR.Mode == config.Embedded {
		a.supervisor, err = supervisor(s.config.FRR, log)
	}
	return a, err
}

const (
	// A failed pass is tried again after firstRetry, then after twice that each time; see pause.
	firstRetry  = time.Second
	faultRetry  = 3 * time.Second
	downRetry   = 5 * time.Second
	lastRetry   = 30 * time.Second
	lastRefused = 5 * time.Minute
	// What FRR holds is looked at each startLook for startTime after one of its daemons came up: what started it may give it
	// another configuration all that time, line by line (vtysh -b), in part also where the machine is loaded (FRR issue 15799).
	startLook = time.Second
	startTime = 15 * time.Second
	// bootTime is how soon after a daemon came up or went the one who starts it begins to.
	bootTime = 4 * time.Second
)

// follow makes one pass after another until ctx ends.
func (a *agent) follow(ctx context.Context) error {
	every := a.settings.config.FRR.Audit.Interval
	audit := time.NewTicker(every)
	defer audit.Stop()
	young := time.NewTicker(startLook)
	defer young.Stop()
	var retry retry
	// reread has what FRR holds read again after a start: where bgpd stays, it has lost nothing.
	reread := a.reloader.Forget
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
			// What FRR refused as a whole is tried again when that is due, and not with each change of the cluster.
			if retry.due != nil && a.paced && !a.fresh.Load() && !a.edited.Load() && !a.due.Load() {
				continue
			}
		case <-retry.due:
			retry.due = nil
			// What the new settings are refused for may be the cluster's, and not theirs: in turns they are tried without that.
			if a.passing {
				a.edited.Store(true)
			}
			if !a.passing || retry.tries%2 == 0 {
				a.reloader.Retry()
			}
		case <-young.C:
			if !a.young() && !a.reloader.Untidy() {
				young.Stop()
				continue
			}
			if retry.failed != "" {
				continue
			}
			if a.young() {
				reread()
			}
		case <-audit.C:
			a.due.Store(true)
			if a.passing {
				a.edited.Store(true)
			}
		}
		if a.fresh.Swap(false) {
			// Another FRR may take what the last one refused.
			a.feed = feed{}
			if a.lost.Swap(false) {
				reread = a.reloader.Forget
			} else if !a.young() {
				reread = a.reloader.Reread
			}
			reread()
			a.reloader.Retry()
			retry.over()
			a.started = time.Now()
			young.Reset(startLook)
		}
		untidy := a.reloader.Untidy()
		err := a.pass(ctx)
		if a.reloader.Untidy() && !untidy {
			// What nothing uses any more goes when nobody else has changed FRR for a while.
			young.Reset(startLook)
		}
		a.paced = errors.Is(err, reload.ErrChanging)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if arranged, isNew := retry.after(err, a.young()); isNew {
				a.log.WithField("retry", retry.wait).Error(err)
			} else if arranged {
				a.log.WithField("retry", retry.wait).Debug(err)
			}
		case a.passing:
			// The last good configuration is in force, and the latest may be taken the next time.
			retry.again()
		default:
			retry.over()
		}
		if now := a.settings.config.FRR.Audit.Interval; now != every {
			every = now
			audit.Reset(every)
		}
	}
}

// retry says when what failed is tried again: later each time, for as long as the same fails.
type retry struct {
	// due is nil where nothing waits to be tried again.
	due   <-chan time.Time
	wait  time.Duration
	tries int
	// failed is what fails, "" where nothing does.
	failed string
}

// over says that nothing is to be tried again.
func (r *retry) over() { *r = retry{} }

// after has what failed tried again, later each time. It reports whether that was not arranged before, and whether something else
// failed before: a pass that something else asked for does not put it off.
func (r *retry) after(err error, young bool) (arranged, isNew bool) {
	if text := err.Error(); text != r.failed {
		r.over()
		r.failed, isNew = text, true
	}
	return r.later(func(wait time.Duration) time.Duration { return pause(err, wait, young) }), isNew
}

// again has what did not fail tried again.
func (r *retry) again() {
	r.failed = ""
	r.later(func(wait time.Duration) time.Duration { return min(wait, lastRetry) })
}

// later sets when it is due, by what bound makes of the time that would be next, unless it is due anyway.
func (r *retry) later(bound func(time.Duration) time.Duration) bool {
	if r.due != nil {
		return false
	}
	r.wait = bound(max(firstRetry, 2*r.wait))
	r.due = time.After(r.wait)
	r.tries++
	return true
}

// pause is how long to wait after an error, where wait would be next. Of a daemon that is not there Watch tells when it is. What
// FRR refuses or does not hold it will not take the next time; but a young one may have been told the same by somebody else at the
// same time. Of a vtysh that hangs or lies, a full disk, or a file that cannot be read, nobody tells that it is over.
func pause(err error, wait time.Duration, young bool) time.Duration {
	var refused *frr.ApplyError
	var down *frr.NotRunningError
	switch {
	case errors.As(err, &down):
		return min(max(wait, downRetry), lastRetry)
	case !errors.As(err, &refused) && !errors.Is(err, reload.ErrNotHeld):
		return min(wait, faultRetry)
	case young:
		return firstRetry
	default:
		return min(wait, lastRefused)
	}
}

// vtysh gives the shell of the configured FRR.
func vtysh(c config.Config) *frr.Vtysh {
	v := &frr.Vtysh{Command: []string{c.FRR.Paths.Vtysh}, Pathspace: c.FRR.Pathspace}
	if c.FRR.Mode == config.External {
		v.Socket = c.FRR.Socket
	}
	return v
}

// supervisor gives the one that runs FRR as children of this process.
func supervisor(c config.FRR, log *logrus.Logger) (*frr.Supervisor, error) {
	capable, err := frr.Capable()
	if err != nil {
		return nil, err
	}
	if !capable {
		log.Info("this process has few capabilities: running bgpd alone, without zebra")
	}
	d := daemons(c, log)
	d.Alone = !capable
	return frr.NewSupervisor(d), nil
}

// daemons says where FRR is that is run as children of this process.
func daemons(c config.FRR, log *logrus.Logger) frr.Daemons {
	return frr.Daemons{
		Dir: c.Paths.Daemons, Pathspace: c.Pathspace, Config: c.Paths.Config, Log: log, Modules: []string{frr.BMP},
	}
}

// setLogger makes log what the configuration asks for, on standard error.
func setLogger(log *logrus.Logger, c config.Logging) error {
	level, err := logrus.ParseLevel(c.Level)
	if err != nil {
		return fmt.Errorf("set up the log: %w", err)
	}
	log.SetOutput(os.Stderr)
	log.SetLevel(level)
	log.SetFormatter(&logrus.TextFormatter{})
	if c.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	}
	return nil
}
