// Command fairlead announces, through the FRR beside it, what a Kubernetes cluster wants reachable.
package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// version is set at link time.
var version = "dev"

func main() { os.Exit(execute()) }

// execute runs the command that the arguments name until it ends, or until SIGINT or SIGTERM ends it, and gives the exit
// status of the process.
func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fairlead:", err)
		return 1
	}
	return 0
}

// options are the flags that every stage of the pipeline starts from.
type options struct {
	config    string
	manifests string
	node      string
	// namespace is the agent's own.
	namespace string
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fairlead",
		Short: "Announce what a Kubernetes cluster wants reachable, through FRR",
		Long: "Fairlead runs on chosen nodes of a Kubernetes cluster. It reduces the cluster's objects to the routes that this\n" +
			"node should announce, renders frr.conf, and reloads it through vtysh into the FRR beside it.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	o := &options{}
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.config, "config", "/etc/fairlead/config.yaml", "the configuration file")
	flags.StringVar(&o.manifests, "manifests", "", "a folder of YAML or JSON manifests to take the cluster's objects from, in the place of its API")
	flags.StringVar(&o.node, "node", os.Getenv("NODE_NAME"), "the name of this node (environment: NODE_NAME)")
	flags.StringVar(&o.namespace, "namespace", cmp.Or(os.Getenv("POD_NAMESPACE"), "default"),
		"the namespace that this speaker runs in (environment: POD_NAMESPACE)")
	cmd.AddCommand(runCommand(o), frrCommand(), planCommand(o), renderCommand(o), diffCommand(o), statusCommand(), auditCommand(), neighborCommand(),
		verifyCommand(), explainCommand(), readyCommand(), versionCommand())
	return cmd
}
