package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
)

func diffCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Print what an apply would change in the running FRR",
		Long: "Print what an apply would change in the running FRR, as the lines that vtysh would be given, with passwords\n" +
			"masked, and what each neighbor would notice of it. Nothing is printed where FRR already holds what it should.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := tableOrJSON(output); err != nil {
				return err
			}
			s, result, err := offline(cmd.Context(), o, true)
			if err != nil {
				return err
			}
			shell := vtysh(s.config)
			if result.Speaker.Station.IsValid() {
				var f feed
				f.ask(cmd.Context(), shell)
				f.leave(&result.Speaker)
			}
			conf, err := s.render(result.Speaker)
			if err != nil {
				return err
			}
			shell.Daemons = frr.NeedsOf(conf).Daemons()
			reloader := reload.New(shell, reload.File{})
			reloader.Declare(s.foreign())
			change, foresight, err := reloader.Foresee(cmd.Context(), conf)
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(diffOf(change, foresight))
			}
			return printDiff(cmd.OutOrStdout(), diffOf(change, foresight))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// diff is the contract of `diff -o json`: fields may be added, none changes its meaning, no list is ever null.
type diff struct {
	Lines    []string     `json:"lines"`
	Resets   []diffReset  `json:"resets"`
	Policies []diffPolicy `json:"policies"`
	Routes   []diffRoutes `json:"routes"`
}

// diffReset is a session that goes down; its router is the statement: "router bgp 65000".
type diffReset struct {
	Router   string `json:"router"`
	Neighbor string `json:"neighbor"`
	Cause    string `json:"cause"`
	// May says that it may go down: that depends on what FRR does not show.
	May bool `json:"may"`
}

// diffPolicy is a policy that FRR evaluates again: direction "in" asks the neighbors for their routes, "out" sends them ours.
// Where it is delayed, FRR waits for its route-map delay timer.
type diffPolicy struct {
	Router    string   `json:"router"`
	Family    string   `json:"family"`
	Neighbors []string `json:"neighbors"`
	Direction string   `json:"direction"`
	Cause     string   `json:"cause"`
	Delayed   bool     `json:"delayed"`
}

// diffRoutes are the routes that these neighbors are told of.
type diffRoutes struct {
	Router    string         `json:"router"`
	Family    string         `json:"family"`
	Neighbors []string       `json:"neighbors"`
	Announced []netip.Prefix `json:"announced"`
	Replaced  []netip.Prefix `json:"replaced"`
	Withdrawn []netip.Prefix `json:"withdrawn"`
}

func diffOf(change reload.Change, f reload.Foresight) diff {
	d := diff{Lines: []string{}, Resets: []diffReset{}, Policies: []diffPolicy{}, Routes: []diffRoutes{}}
	for line := range strings.Lines(change.String()) {
		d.Lines = append(d.Lines, strings.TrimSuffix(line, "\n"))
	}
	for _, r := range f.Resets {
		d.Resets = append(d.Resets, diffReset(r))
	}
	for _, p := range f.Policies {
		direction := "out"
		if p.Inbound {
			direction = "in"
		}
		d.Policies = append(d.Policies, diffPolicy{
			Router: p.Router, Family: p.Family, Neighbors: list(p.Neighbors), Direction: direction, Cause: p.Cause, Delayed: p.Delayed,
		})
	}
	for _, r := range f.Routes {
		d.Routes = append(d.Routes, diffRoutes{
			Router: r.Router, Family: r.Family, Neighbors: list(r.Neighbors),
			Announced: list(r.Announced), Replaced: list(r.Replaced), Withdrawn: list(r.Withdrawn),
		})
	}
	return d
}

// printDiff prints the lines as they are, and below them a table of what neighbors would notice, where they would.
func printDiff(out io.Writer, d diff) error {
	for _, line := range d.Lines {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	if len(d.Resets)+len(d.Policies)+len(d.Routes) == 0 {
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprint(w, "\nwhat neighbors notice\n  NEIGHBORS\tROUTER\tWHAT\n")
	row := func(neighbors []string, router, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", some(neighbors), router, fmt.Sprintf(format, args...))
	}
	for _, r := range d.Resets {
		reset := "is reset"
		if r.May {
			reset = "may be reset"
		}
		row([]string{r.Neighbor}, r.Router, "the session %s (%s)", reset, r.Cause)
	}
	for _, r := range d.Routes {
		for _, rows := range []struct {
			what     string
			prefixes []netip.Prefix
		}{{"withdrawn", r.Withdrawn}, {"replaced", r.Replaced}, {"announced", r.Announced}} {
			if n := len(rows.prefixes); n > 0 {
				row(r.Neighbors, r.Router, "%s routes %s: %d (%s)", r.Family, rows.what, n, some(rows.prefixes))
			}
		}
	}
	for _, p := range d.Policies {
		when, what := "at once", "sent again"
		if p.Delayed {
			when = "after FRR's delay timer"
		}
		if p.Direction == "in" {
			what = "asked for again"
		}
		row(p.Neighbors, p.Router, "all %s routes are %s %s (%s)", p.Family, what, when, p.Cause)
	}
	return w.Flush()
}

// some gives the first of some names, and how many more there are.
func some[T any](names []T) string {
	const most = 5
	text := joinedWith(", ", names[:min(most, len(names))])
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return text
}

// tableOrJSON checks an --output.
func tableOrJSON(output string) error {
	if output != "table" && output != "json" {
		return fmt.Errorf("--output %q is not possible: write table or json", output)
	}
	return nil
}
