package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/socket"
)

// checkTimeout bounds the look at an FRR of this machine.
const checkTimeout = 10 * time.Second

func frrCommand() *cobra.Command {
	var c config.FRR
	var logging config.Logging
	var check bool
	cmd := &cobra.Command{
		Use:   "frr",
		Short: "Run FRR, and vtysh for the agent of another container",
		Long: "Run FRR's daemons from the last good frr.conf, start again what ends, and run vtysh for the agent over a socket, for which\n" +
			"the agent's configuration has frr.mode: external and frr.socket. Agent and FRR share the folder of that socket, that of\n" +
			"FRR's own sockets, and that of frr.conf, which the agent alone writes. An agent that is replaced touches no session. When\n" +
			"both are told to end, FRR waits 30 s at most for an agent that runs with --withdraw-on-exit.",
		Example: "  fairlead frr --frr-conf /var/lib/fairlead/frr.conf\n  fairlead frr --check",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := logrus.New()
			if err := setLogger(log, logging); err != nil {
				return err
			}
			if check {
				ctx, cancel := context.WithTimeout(cmd.Context(), checkTimeout)
				defer cancel()
				return frr.Vtysh{Socket: c.Socket, Pathspace: c.Pathspace}.Check(ctx, "zebra", "bgpd")
			}
			return reaped(cmd.Context(), func() error { return runFRR(cmd.Context(), c, log) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&c.Socket, "socket", "/run/fairlead/vtysh/vtysh.sock", "where the agent has vtysh run")
	flags.StringVar(&c.Paths.Config, "frr-conf", "/etc/frr/frr.conf", "the frr.conf that the agent writes, frr.paths.config of its configuration")
	flags.StringVar(&c.Paths.Daemons, "daemons", "/usr/lib/frr", "the folder of FRR's daemons")
	flags.StringVar(&c.Paths.Vtysh, "vtysh", "/usr/bin/vtysh", "FRR's shell")
	flags.StringVar(&c.Pathspace, "pathspace", "", "FRR's -N")
	flags.StringVar(&logging.Level, "log-level", "info", "error, warn, info or debug")
	flags.StringVar(&logging.Format, "log-format", "text", "text or json")
	flags.BoolVar(&check, "check", false, "only see whether it runs here, and whether zebra and bgpd answer")
	return cmd
}

// errIncapable says what FRR's daemons end without.
var errIncapable = errors.New("run FRR: bgpd and zebra do not start without more capabilities: give the container NET_ADMIN, NET_RAW, " +
	"NET_BIND_SERVICE and SYS_ADMIN")

// runFRR runs FRR until ctx ends, for an agent that finds all that its configuration may need: zebra, bfdd, and a bgpd that listens. What
// would come and go by what is configured would reset sessions at the agent's word.
func runFRR(ctx context.Context, c config.FRR, log *logrus.Logger) error {
	if capable, err := frr.Capable(); err != nil {
		return err
	} else if !capable {
		return errIncapable
	}
	shell := frr.Vtysh{Command: []string{c.Paths.Vtysh}, Pathspace: c.Pathspace}
	d := daemons(c, log)
	d.Static, d.Retain, d.Shell = true, true, &shell
	supervisor := frr.NewSupervisor(d)
	if _, err := supervisor.Serve(frr.Needs{Listen: true, Zebra: true, BFD: true}); err != nil {
		return err
	}
	listener, err := socket.Listen(ctx, c.Socket, 0o700)
	if errors.Is(err, socket.ErrTaken) {
		err = fmt.Errorf("%w: end the other fairlead frr of this node, or give this one a socket and folders of its own", err)
	}
	if err != nil {
		return fmt.Errorf("serve vtysh on %s: %w", c.Socket, err)
	}
	g, inner := errgroup.WithContext(outlasting(ctx, c.Socket, log))
	g.Go(func() error { return frr.VtyshServer{Vtysh: shell, Version: version, Log: log}.Serve(inner, listener) })
	// An agent sees by itself that a daemon came, or went.
	g.Go(func() error { return supervisor.Run(inner, func() {}) })
	return g.Wait()
}

// heldWithin is how long FRR waits at its end for an agent that withdraws. The agent's own time begins when what it has just given FRR
// has ended.
const heldWithin = withdrawWithin + 10*time.Second

// outlasting gives a context that ends behind ctx: when no agent holds FRR any more (frr.Hold), or heldWithin later. A node that is
// drained loses the pods of both at once, and an FRR that ends first has neighbors with graceful restart keep the node's routes.
func outlasting(ctx context.Context, socket string, log logrus.FieldLogger) context.Context {
	outlasting, end := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		defer end()
		ctx, cancel := context.WithTimeout(outlasting, heldWithin)
		defer cancel()
		if err := frr.AwaitHolders(ctx, socket); err != nil {
			log.WithError(err).Warn("FRR ends although an agent may not have withdrawn its routes")
		}
	})
	return outlasting
}
