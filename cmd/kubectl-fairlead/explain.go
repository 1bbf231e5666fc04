package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/explain"
	"github.com/fairlead/fairlead/status"
)

// maxPages bounds how many explanations are printed whole.
const maxPages = 3

func explainCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "explain OBJECT|PREFIX",
		Short: "Explain why something is announced, and from which nodes, or why not",
		Long: "Ask the agents of all nodes why an object or a prefix is announced, or at which step it stops: a row for each node, and the whole\n" +
			"explanation of those where it came furthest, which are the ones that matter: of a pod that is announced from its own node alone\n" +
			"that is that node.",
		Example: "  kubectl fairlead -n fairlead explain pod/default/sample\n  kubectl fairlead -n fairlead explain 10.16.0.5 --node node1",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := explain.Parse(args...); err != nil {
				return err
			}
			return o.tell(cmd, printExplanations, func(ctx context.Context, a *asker, speakers []speaker) (status.Fleet, error) {
				return a.ask(ctx, speakers, []string{"explain"}, args...), nil
			})
		},
	}
}

// printExplanations writes a row for each node, and the explanations of those that matter.
func printExplanations(fleet status.Fleet, out io.Writer, now time.Time) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "NODE\tSTATUS\tAT THE STEP\tWHAT")
	var all []*explained
	status.Each(fleet, func(node string, answer *explain.Explanation) {
		e := &explained{*answer, []string{node}}
		all = append(all, e)
		at := e.at()
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", node, e.Status, at.Stage, at.Text)
	})
	fleet.Silent(w)
	if err := w.Flush(); err != nil {
		return err
	}
	pages := matter(all)
	for i, e := range pages {
		if i == maxPages {
			_, err := fmt.Fprintf(out, "\nand %d more in other words: ask for them with --node\n", len(pages)-maxPages)
			return err
		}
		if _, err := fmt.Fprintf(out, "\nwhat matters is said by %s:\n\n", strings.Join(e.nodes, ", ")); err != nil {
			return err
		}
		if err := e.Print(out, now); err != nil {
			return err
		}
	}
	return nil
}

// explained is an explanation, and the nodes whose agents give it.
type explained struct {
	explain.Explanation
	nodes []string
}

// at gives the step that decides: the first with the explanation's status, or the last where all is well.
func (e *explained) at() explain.Step {
	for _, s := range e.Steps {
		if s.Stage == e.Stage && s.Status == e.Status {
			return s
		}
	}
	if len(e.Steps) == 0 {
		return explain.Step{Stage: e.Stage}
	}
	return e.Steps[len(e.Steps)-1]
}

// matter gives the explanations that came furthest on the way from object to wire, those that say the same as one, and first those that
// are not well. On a node that something is not for, it stops early, and that is as it should be while it goes on elsewhere.
func matter(all []*explained) []*explained {
	furthest := 0
	for _, e := range all {
		furthest = max(furthest, e.reached())
	}
	var pages []*explained
	for _, e := range all {
		if e.reached() < furthest {
			continue
		}
		same := func(other *explained) bool { return other.said() == e.said() }
		if i := slices.IndexFunc(pages, same); i >= 0 {
			pages[i].nodes = append(pages[i].nodes, e.nodes...)
			continue
		}
		pages = append(pages, e)
	}
	slices.SortStableFunc(pages, func(a, b *explained) int { return cmp.Compare(urgency(b.Status), urgency(a.Status)) })
	return pages
}

// urgency orders statuses: what needs somebody most is greatest.
func urgency(s explain.Status) int {
	return slices.Index([]explain.Status{explain.OK, explain.Waiting, explain.Unknown, explain.Stopped}, s)
}

// reached gives how far the way came: the place of its last step.
func (e *explained) reached() int {
	way := []explain.Stage{explain.Sources, explain.Wish, explain.Route, explain.Neighbors, explain.Statement, explain.Wire}
	last := -1
	for _, s := range e.Steps {
		last = max(last, slices.Index(way, s.Stage))
	}
	return last
}

// said is what the explanation says, but for the node and the times.
func (e *explained) said() string {
	var text strings.Builder
	fmt.Fprintln(&text, e.Question, e.Status, e.Stage, e.Remedy, e.Notes)
	for _, s := range e.Steps {
		fmt.Fprintln(&text, s.Stage, s.Prefix, s.Status, s.Text, s.Remedy)
		for _, d := range s.Details {
			fmt.Fprintln(&text, d.Of, d.Status, d.Text, d.Remedy)
		}
	}
	return text.String()
}
