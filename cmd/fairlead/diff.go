package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/reload"
)

func diffCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "diff",
		Short: "Print what an apply would change in the running FRR",
		Long: "Print what an apply would change in the running FRR, as the lines that vtysh would be given, with passwords\n" +
			"masked. Nothing is printed where FRR already holds what it should.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, result, err := offline(o, true)
			if err != nil {
				return err
			}
			conf, err := s.render(result.Speaker)
			if err != nil {
				return err
			}
			shell := vtysh(s.config)
			shell.Daemons = needsOf(result.Speaker).Daemons()
			change, err := reload.New(shell, reload.File{}).Plan(cmd.Context(), conf)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), change)
			return err
		},
	}
}
