package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
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

// run is the whole pipeline. Four things wake it: the source when the cluster's objects changed, the operator's files when
// one of them changed, FRR's supervisor when daemons came up, and a clock that has FRR's configuration looked at or a failed
// apply tried again. Each of them only says "look again"; the loop in agent.follow is the one place that acts.
func run(ctx context.Context, o *options) error {
	s, paths, err := readSettings(o.config, true)
	if err != nil {
		return err
	}
	log := logrus.New()
	if err := setLogger(log, s.config.Logging); err != nil {
		return err
	}
	source, err := watch.OpenFolder(o.manifests, log)
	if err != nil {
		return err
	}
	vtysh := vtysh(s.config)
	a := &agent{
		node:     o.node,
		config:   o.config,
		paths:    paths,
		settings: s,
		source:   source,
		files:    watch.NewFiles(log),
		vtysh:    vtysh,
		reloader: reload.New(vtysh, reload.File{Path: s.config.FRR.Paths.Config, Write: frr.WriteConfig}),
		logger:   log,
		log:      log.WithField("node", o.node),
		wake:     make(chan struct{}, 1),
	}
	a.files.Follow(paths...)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return source.Run(ctx, a.look) })
	g.Go(func() error { return a.files.Run(ctx, a.reread) })
	if s.config.FRR.Mode == config.Embedded {
		if a.supervisor, err = supervisor(s.config.FRR, log); err != nil {
			return err
		}
		g.Go(func() error { return a.supervisor.Run(ctx, a.restarted) })
	}
	a.restarted()
	g.Go(func() error { return a.follow(ctx) })
	return g.Wait()
}

const (
	// auditEvery is how often FRR's whole running configuration is compared with what it should be.
	auditEvery = 30 * time.Second
	// A failed pass is tried again after firstRetry, then after twice that each time, at most auditEvery.
	firstRetry = time.Second
)

// follow makes one pass after another until ctx ends.
func (a *agent) follow(ctx context.Context) error {
	audit := time.NewTicker(auditEvery)
	defer audit.Stop()
	var again <-chan time.Time
	wait := firstRetry
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.wake:
		case <-again:
		case <-audit.C:
			a.reloader.Forget()
			if a.absent {
				a.edited.Store(true)
			}
		}
		if a.fresh.Swap(false) {
			a.reloader.Forget()
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

// vtysh gives the shell of the configured FRR.
func vtysh(c config.Config) *frr.Vtysh {
	return &frr.Vtysh{Command: []string{c.FRR.Paths.Vtysh}, Pathspace: c.FRR.Pathspace}
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
	return frr.NewSupervisor(frr.Daemons{
		Dir: c.Paths.Daemons, Pathspace: c.Pathspace, Config: c.Paths.Config, Alone: !capable, Log: log,
	}), nil
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
