package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/status"
)

func readyCommand() *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "ready HOST:PORT",
		Short: "Ask every agent that a name leads to whether all is well with it",
		Long: "Ask every agent that HOST leads to, such as the chart's Service without an address, on the port of its status.listen, whether it is\n" +
			"ready, and its neighbors are told what they should be. It needs no right but to reach that port: the chart's helm test is this\n" +
			"command. The exit status is 1 where there is no agent, and where anything is not as it should be.",
		Example: "  fairlead ready fairlead-metrics.fairlead.svc:7473 --wait 1m",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			host, text, err := net.SplitHostPort(args[0])
			if err != nil {
				return fmt.Errorf("%q is not possible: write HOST:PORT", args[0])
			}
			port, err := strconv.ParseUint(text, 10, 16)
			if err != nil {
				return fmt.Errorf("port %q is not possible: write a number up to 65535", text)
			}
			lookup := func(ctx context.Context) ([]netip.Addr, error) {
				return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			}
			return awaitReady(cmd.Context(), wait, lookup, uint16(port), cmd.OutOrStdout())
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "ask again for so long at most, until all is well")
	return cmd
}

// readyInterval is how often agents are asked that are waited for.
const readyInterval = time.Second

// roundTimeout is what a round may take that begins when wait is over.
const roundTimeout = 15 * time.Second

// awaitReady asks the agents at the addresses that lookup gives until all is well with each or wait is over, and writes how the last
// round ended. Each round looks up anew: agents come and go while a release is rolled out.
func awaitReady(ctx context.Context, wait time.Duration, lookup func(context.Context) ([]netip.Addr, error), port uint16, out io.Writer) error {
	over := time.After(wait)
	ctx, cancel := context.WithTimeout(ctx, wait+roundTimeout)
	defer cancel()
	for {
		lines, err := askReady(ctx, lookup, port)
		again := false
		if err != nil {
			select {
			case <-over:
			case <-ctx.Done():
			case <-time.After(readyInterval):
				again = wait > 0
			}
		}
		if !again {
			for _, line := range lines {
				fmt.Fprintln(out, line)
			}
			return err
		}
	}
}

// atOnce is how many agents are asked at a time. Those that cannot be reached take status.Readiness's time each.
const atOnce = 64

// errNotReady says that something is not as it should be.
var errNotReady = errors.New("not all is well")

// askReady makes one round, and gives a line for each thing that an agent says, sorted by address.
func askReady(ctx context.Context, lookup func(context.Context) ([]netip.Addr, error), port uint16) ([]string, error) {
	addrs, err := lookup(ctx)
	if err != nil {
		return nil, fmt.Errorf("find agents: %w: is there a pod, and a Service?", err)
	}
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	addrs = slices.Compact(addrs)
	problems := make([][]string, len(addrs))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, addr := range addrs {
		group.Go(func() error {
			lines, err := status.Readiness(ctx, netip.AddrPortFrom(addr, port))
			if err != nil {
				lines = []string{err.Error()}
			}
			problems[i] = lines
			return nil
		})
	}
	_ = group.Wait()
	var page []string
	bad := 0
	for i, addr := range addrs {
		if len(problems[i]) > 0 {
			bad++
		} else {
			page = append(page, fmt.Sprintf("%s all is well", addr))
		}
		for _, p := range problems[i] {
			page = append(page, fmt.Sprintf("%s %s", addr, p))
		}
	}
	switch {
	case len(addrs) == 0:
		return nil, errors.New("find agents: there is none")
	case bad > 0:
		return page, fmt.Errorf("%w with %d of %d agents", errNotReady, bad, len(addrs))
	default:
		return page, nil
	}
}
