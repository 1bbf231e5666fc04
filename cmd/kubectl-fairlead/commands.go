package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/status"
)

func statusCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Show how the agents fare, and their sessions",
		Example: "  kubectl fairlead -n fairlead status\n  kubectl fairlead -n fairlead status --node node1 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.tell(cmd, status.Fleet.PrintStates, func(ctx context.Context, a *asker, speakers []speaker) (status.Fleet, error) {
				return a.ask(ctx, speakers, []string{"status"}), nil
			})
		},
	}
}

func neighborCommand(o *options) *cobra.Command {
	var router string
	cmd := &cobra.Command{
		Use:   "neighbor [ADDRESS [adj-out]]",
		Short: "Show the sessions of all nodes, or those with one neighbor, or what that was really sent",
		Long: "Show the sessions of all nodes, or those with one neighbor: ADDRESS may be its address, interface or name. With adj-out each route\n" +
			"that it was sent, by each node that has it, and each that it should have been sent.",
		Example: "  kubectl fairlead -n fairlead neighbor\n  kubectl fairlead -n fairlead neighbor 10.32.32.254 adj-out -o json",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			page := status.Fleet.PrintSessions
			if len(args) > 1 {
				if args[1] != "adj-out" {
					return fmt.Errorf("%q is not possible: write adj-out", args[1])
				}
				page = status.Fleet.PrintAdjRIBOuts
			}
			return o.tell(cmd, page, func(ctx context.Context, a *asker, speakers []speaker) (status.Fleet, error) {
				return a.askHolders(ctx, speakers, []string{"neighbor"}, router, args)
			})
		},
	}
	cmd.Flags().StringVar(&router, "router", "", "the router that the neighbor is in, or all of which are shown: its name, or default")
	return cmd
}

func verifyCommand(o *options) *cobra.Command {
	var router string
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "verify [ADDRESS]",
		Short: "Compare what the neighbors of all nodes were really sent with what they should be",
		Long: "Compare what the neighbors of all nodes, or one, were really sent with what they should be, and tell each difference. The exit\n" +
			"status is 1 where there is one, where a route is still on its way, where a session could not be compared, and where an agent did\n" +
			"not answer.",
		Example: "  kubectl fairlead -n fairlead verify\n  kubectl fairlead -n fairlead verify --wait 30s",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			command := []string{"verify"}
			if wait > 0 {
				command = append(command, "--wait", wait.String())
				o.timeout += wait
			}
			return o.tell(cmd, status.Fleet.PrintVerifications, func(ctx context.Context, a *asker, speakers []speaker) (status.Fleet, error) {
				return a.askHolders(ctx, speakers, command, router, args)
			})
		},
	}
	cmd.Flags().StringVar(&router, "router", "", "the router that the neighbor is in, or all of which are shown: its name, or default")
	cmd.Flags().DurationVar(&wait, "wait", 0, "let each agent wait so long at most, 45s or less, until nothing is on its way any more")
	return cmd
}

// askHolders asks those of the speakers that have a neighbor, which is the first operand where there are any, in a router; "" means any.
// Who could not say whether it has is part of the fleet, which is sorted by node and pod.
func (a *asker) askHolders(ctx context.Context, speakers []speaker, command []string, router string, operands []string) (status.Fleet, error) {
	if router == "" && len(operands) == 0 {
		return a.ask(ctx, speakers, command), nil
	}
	name := ""
	if len(operands) > 0 {
		name = operands[0]
	}
	holders, rest := holding(speakers, a.ask(ctx, speakers, []string{"neighbor"}), name, router)
	if len(holders) == 0 && len(rest) == 0 {
		return nil, errNone
	}
	if router != "" {
		command = append(command, "--router", router)
	}
	fleet := append(a.ask(ctx, holders, command, operands...), rest...)
	slices.SortStableFunc(fleet, func(x, y status.Reply) int { return cmp.Or(cmp.Compare(x.Node, y.Node), cmp.Compare(x.Pod, y.Pod)) })
	return fleet, nil
}

// tell finds the agents, has them asked, and writes what they answered: with page, or as JSON. It fails where one did not answer or
// found something wrong.
func (o *options) tell(cmd *cobra.Command, page func(status.Fleet, io.Writer, time.Time) error,
	ask func(context.Context, *asker, []speaker) (status.Fleet, error),
) error {
	if o.output != string(status.Table) && o.output != string(status.JSON) {
		return fmt.Errorf("--output %q is not possible: write table or json", o.output)
	}
	if o.timeout <= 0 {
		return errors.New("--timeout: write a time above 0, such as 30s")
	}
	speakers, asker, err := o.find(cmd.Context())
	if err != nil {
		return err
	}
	fleet, err := ask(cmd.Context(), asker, speakers)
	if err := cmd.Context().Err(); err != nil {
		return err // Somebody has ended this, and no agent is to blame.
	}
	if err != nil {
		return err
	}
	if o.output == string(status.JSON) {
		err = printJSON(fleet, cmd.OutOrStdout())
	} else {
		err = page(fleet, cmd.OutOrStdout(), time.Now())
	}
	if err != nil {
		return err
	}
	return failure(fleet)
}

// printJSON writes a fleet as a JSON array. What a terminal would obey is escaped.
func printJSON(fleet status.Fleet, out io.Writer) error {
	text, err := json.MarshalIndent(fleet, "", "  ")
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = out.Write(append(escaped(text), '\n'))
	return err
}

// escaped gives JSON of the same value in printable characters and line breaks: others stand in strings alone.
func escaped(text []byte) []byte {
	var out bytes.Buffer
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == '\n' || unicode.IsPrint(r) && r != utf8.RuneError:
			out.Write(text[:size])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out.Bytes()
}
