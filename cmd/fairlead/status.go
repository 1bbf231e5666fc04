package main

import (
	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/status"
)

func statusCommand() *cobra.Command {
	var output, socket string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what the agent on this machine does, and how it fares",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			form, err := formOf(output)
			if err != nil {
				return err
			}
			return status.Read(cmd.Context(), socket, form, cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", string(status.Table), "table, json or yaml")
	cmd.Flags().StringVar(&socket, "socket", status.DefaultSocket, "the agent's socket, status.socket of its configuration")
	return cmd
}
