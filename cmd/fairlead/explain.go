package main

import (
	"context"
	"net/netip"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/explain"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
)

func explainCommand() *cobra.Command {
	var f asking
	cmd := &cobra.Command{
		Use:   "explain OBJECT|PREFIX",
		Short: "Explain, step by step from object to wire, why something is announced from this node, or why not",
		Long: "Ask the agent on this machine why an object or a prefix is announced, or at which step it stops and what to do: whether the\n" +
			"agent knows the object, what asks for it, its route, the neighbors that should be told, the statement that FRR holds, and\n" +
			"what each neighbor was really told. Of an address without a route of its own it tells about the route that covers it.",
		Example: "  fairlead explain pod/default/sample\n  fairlead explain subnet/ovn-default -o json\n  fairlead explain 10.16.0.5",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := explain.Parse(args...); err != nil {
				return err
			}
			return f.ask(cmd, "explain", url.Values{"what": args})
		},
	}
	f.flags(cmd)
	return cmd
}

// askExplain answers why what values name is announced, or why not.
func (a *agent) askExplain(_ context.Context, values url.Values) (status.Answer, error) {
	question, err := explain.Parse(values["what"]...)
	if err != nil {
		return nil, err
	}
	return explain.Explain(explain.Input{
		Question: question, View: a.view.Load(), State: a.board.State(), Sessions: a.sessions(1), Told: a.toldOf,
	}), nil
}

// toldOf gives what each session was told of a prefix.
func (a *agent) toldOf(prefix netip.Prefix) []explain.Told {
	var all []explain.Told
	for _, t := range a.prover.Told(prefix) {
		all = append(all, explain.Told(t))
	}
	return all
}

// refusalsOf gives what FRR refused of a speaker, for who wants it explained.
func refusalsOf(s route.Speaker, refused *reload.RefusedError) []explain.Refusal {
	if refused == nil {
		return nil
	}
	names := map[string]string{}
	for _, r := range s.Routers {
		names[routerStatement(r)] = r.Name
	}
	var all []explain.Refusal
	for _, f := range refused.Refusals {
		for _, o := range f.Objects {
			what := askedFor(o)
			all = append(all, explain.Refusal{
				Router: names[what.router], Prefix: what.prefix, Neighbor: what.neighbor, Statement: f.Statement, Message: f.Message,
			})
		}
	}
	return all
}
