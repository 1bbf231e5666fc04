package main

import (
	"github.com/spf13/cobra"
)

func renderCommand(o *options) *cobra.Command {
	var secrets bool
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Print the frr.conf that this node should have",
		Long: "Print the frr.conf that this node should have. Passwords are masked, and their files need not exist, unless\n" +
			"--show-secrets is given.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, result, err := offline(cmd.Context(), o, secrets)
			if err != nil {
				return err
			}
			speaker := result.Speaker
			if !secrets {
				speaker = speaker.Redacted()
			}
			conf, err := s.render(speaker)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(conf)
			return err
		},
	}
	cmd.Flags().BoolVar(&secrets, "show-secrets", false, "read the password files and print the passwords")
	return cmd
}
