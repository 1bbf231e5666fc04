package main

import (
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/status"
)

// asking are the flags of a command that asks the agent.
type asking struct{ output, socket, router string }

// flags adds them to a command.
func (f *asking) flags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.output, "output", "o", string(status.Table), "table, json or yaml")
	cmd.Flags().StringVar(&f.socket, "socket", status.DefaultSocket, "the agent's socket, status.socket of its configuration")
}

// ask asks the agent, and prints its answer.
func (f *asking) ask(cmd *cobra.Command, question string, values url.Values) error {
	form, err := formOf(f.output)
	if err != nil {
		return err
	}
	if f.router != "" {
		values.Set("router", f.router)
	}
	return status.Ask(cmd.Context(), f.socket, question, values, form, cmd.OutOrStdout())
}

// formOf reads the form that an agent is to answer in.
func formOf(output string) (status.Form, error) {
	form := status.Form(output)
	if form != status.Table && form != status.JSON && form != status.YAML {
		return "", fmt.Errorf("--output %q is not possible: write table, json or yaml", output)
	}
	return form, nil
}

func neighborCommand() *cobra.Command {
	var f asking
	cmd := &cobra.Command{
		Use:   "neighbor [ADDRESS [adj-out]]",
		Short: "Show the sessions of this node, or one, or what it was really sent",
		Long: "Ask the agent on this machine how its sessions stand. With ADDRESS, which may be the neighbor's address, interface or name,\n" +
			"all there is to say of one; with adj-out each route that it was sent, with its attributes as the best witness saw them, and\n" +
			"each that it should have been sent.",
		Example: "  fairlead neighbor\n  fairlead neighbor 10.32.32.254\n  fairlead neighbor 10.32.32.254 adj-out -o json",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			question, values := "neighbor", url.Values{}
			if len(args) > 0 {
				values.Set("neighbor", args[0])
			}
			if len(args) > 1 {
				if args[1] != "adj-out" {
					return fmt.Errorf("%q is not possible: write adj-out", args[1])
				}
				question = "adj-out"
			}
			return f.ask(cmd, question, values)
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.router, "router", "", "the router that the neighbor is in, or all of which are shown: its name, or default")
	return cmd
}

func verifyCommand() *cobra.Command {
	var f asking
	var wait time.Duration
	cmd := &cobra.Command{
		Use:   "verify [ADDRESS]",
		Short: "Compare what each neighbor was really sent with what it should be",
		Long: "Ask the agent on this machine whether each neighbor, or one, was sent exactly what it should be, and by which witness that is\n" +
			"known. Each difference is told. The exit status is 1 where there is one, where a route is still on its way, and where a session\n" +
			"could not be compared, because it is down or has no witness.",
		Example: "  fairlead verify\n  fairlead verify --wait 10s -o json",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			values := url.Values{}
			if len(args) > 0 {
				values.Set("neighbor", args[0])
			}
			if wait > 0 {
				values.Set("wait", min(wait, maxWait).String())
			}
			return f.ask(cmd, "verify", values)
		},
	}
	f.flags(cmd)
	cmd.Flags().StringVar(&f.router, "router", "", "the router that the neighbor is in, or all of which are shown: its name, or default")
	cmd.Flags().DurationVar(&wait, "wait", 0, "wait so long at most, 45s or less, until nothing is on its way any more")
	return cmd
}

// maxWait is how long an agent lets itself be waited for.
const maxWait = 45 * time.Second
