package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/watch"
)

func runCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Watch, and keep FRR announcing what it should",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return run(cmd.Context(), o)
		},
	}
}

// run is the whole pipeline. Three things wake it: the source when the cluster's objects changed, FRR's supervisor when
// daemons came up, and a clock that has FRR's configuration looked at or a failed apply tried again. Each of them only says
// "look again"; the loop in agent.follow is the one place that acts.
func run(ctx context.Context, o *options) error {
	c, err := config.Load(o.config)
	if err != nil {
		return err
	}
	log, err := logger(c.Logging)
	if err != nil {
		return err
	}
	renderer, err := render.New(templates.FS)
	if err != nil {
		return err
	}
	source, err := watch.OpenFolder(o.manifests, log)
	if err != nil {
		return err
	}
	a := &agent{
		config:   c,
		node:     o.node,
		source:   source,
		renderer: renderer,
		reloader: reload.New(vtysh(c), reload.File{Path: c.FRR.Paths.Config, Write: frr.WriteConfig}),
		log:      log.WithField("node", o.node),
		wake:     make(chan struct{}, 1),
	}

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source.Run(ctx, a.look) })
	if c.FRR.Mode == config.Embedded {
		daemons := frr.Daemons{Dir: c.FRR.Paths.Daemons, Pathspace: c.FRR.Pathspace, Log: log}
		g.Go(func() error { return daemons.Run(ctx, a.restarted) })
	} else {
		a.restarted()
	}
	g.Go(func() error { return a.follow(ctx) })
	return g.Wait()
}

// agent is the state of run's loop.
type agent struct {
	config   config.Config
	node     string
	source   *watch.Folder
	renderer *render.Renderer
	reloader *reload.Reloader
	log      logrus.FieldLogger

	// wake holds at most one wish to look again.
	wake chan struct{}
	// fresh is set when FRR may hold anything, because it just started.
	fresh atomic.Bool
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

const (
	// auditEvery is how often FRR's whole running configuration is compared with what it should be.
	auditEvery = 30 * time.Second
	// A failed pass is tried again after firstRetry, then after twice that each time, at most auditEvery.
	firstRetry = time.Second
)

// follow makes one pass after another until ctx ends. Nothing is applied before FRR is there.
func (a *agent) follow(ctx context.Context) error {
	audit := time.NewTicker(auditEvery)
	defer audit.Stop()
	var again <-chan time.Time
	up, wait := false, firstRetry
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		case <-again:
		case <-audit.C:
			a.reloader.Forget()
		}
		if a.fresh.Swap(false) {
			up = true
			a.reloader.Forget()
		}
		if !up {
			continue
		}
		again = nil
		if err := a.pass(ctx); err != nil && ctx.Err() == nil {
			a.log.WithField("retry", wait).Error(err)
			again, wait = time.After(wait), min(2*wait, auditEvery)
		} else {
			wait = firstRetry
		}
	}
}

// pass is the pipeline: what the cluster holds, what this node should announce, frr.conf, and FRR holding it. On an error
// FRR keeps what it has.
func (a *agent) pass(ctx context.Context) error {
	start := time.Now()
	result, err := reduce.Reduce(a.source.Snapshot(), a.config, a.node)
	if err != nil {
		return err
	}
	a.tell(result)
	conf, err := a.renderer.Render(result.Speaker)
	if err != nil {
		return err
	}
	change, err := a.reloader.Apply(ctx, conf)
	if err != nil {
		return err
	}
	if !change.Empty() {
		router := result.Speaker.Routers[0]
		a.log.WithFields(logrus.Fields{
			"neighbors": len(router.Neighbors),
			"routes":    len(router.Routes),
			"duration":  time.Since(start).Round(time.Millisecond),
		}).Info("applied")
		a.log.Debugf("change:\n%s", change)
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

// vtysh gives the shell of the configured FRR.
func vtysh(c config.Config) *frr.Vtysh {
	return &frr.Vtysh{Command: []string{c.FRR.Paths.Vtysh}, Pathspace: c.FRR.Pathspace}
}

// logger gives the log that the configuration asks for, on standard error.
func logger(c config.Logging) (*logrus.Logger, error) {
	level, err := logrus.ParseLevel(c.Level)
	if err != nil {
		return nil, fmt.Errorf("set up the log: %w", err)
	}
	log := logrus.New()
	log.SetOutput(os.Stderr)
	log.SetLevel(level)
	if c.Format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{})
	}
	return log, nil
}
