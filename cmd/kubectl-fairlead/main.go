// Command kubectl-fairlead is a kubectl plugin: it asks the agents of all nodes at once, and joins their answers into one table.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/fairlead/fairlead/status"
)

// version is set at link time.
var version = "dev"

func main() { os.Exit(execute()) }

// execute runs the command that the arguments name until it ends, or until SIGINT or SIGTERM ends it, and gives the exit
// status of the process.
func execute() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// What client-go complains of is in the replies already.
	klog.SetLogger(logr.Discard())
	if err := root().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "kubectl fairlead:", err)
		return 1
	}
	return 0
}

// options are the flags that every command has.
type options struct {
	// rules and overrides are kubectl's own: which cluster, as whom, in which namespace.
	rules     *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
	// all looks for agents in all namespaces.
	all       bool
	selector  string
	container string
	nodes     []string
	socket    string
	output    string
	// timeout is for each agent.
	timeout time.Duration
}

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "kubectl-fairlead",
		Short: "Ask the Fairlead agents of all nodes at once",
		Long: "Ask the Fairlead agents of all nodes at once, and join their answers into one table. Each is asked by the program of its own pod,\n" +
			"through the API server, as kubectl exec does it. One that does not answer is a row that says why, and the exit status is 1.",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl fairlead"},
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version,
	}
	o := &options{rules: clientcmd.NewDefaultClientConfigLoadingRules()}
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.rules.ExplicitPath, clientcmd.RecommendedConfigPathFlag, "", "the kubeconfig file")
	clientcmd.BindOverrideFlags(&o.overrides, flags, clientcmd.RecommendedConfigOverrideFlags(""))
	flags.BoolVarP(&o.all, "all-namespaces", "A", false, "look for agents in all namespaces: anybody who may make pods in one can give answers then")
	flags.StringVarP(&o.selector, "selector", "l", "app.kubernetes.io/name=fairlead", "the labels of the pods")
	flags.StringVarP(&o.container, "container", "c", "fairlead", "the container that the agent runs in; pods without it are none")
	flags.StringSliceVar(&o.nodes, "node", nil, "ask only the agents of these nodes")
	flags.StringVar(&o.socket, "socket", "", "the agent's socket in its pod, where status.socket of its configuration says another than the default")
	flags.StringVarP(&o.output, "output", "o", string(status.Table), "table or json")
	flags.DurationVar(&o.timeout, "timeout", 30*time.Second, "how long each agent may take to answer")
	cmd.AddCommand(statusCommand(o), neighborCommand(o), verifyCommand(o), explainCommand(o))
	return cmd
}

// failure is the error of a fleet of which some agents did not answer, or found something wrong; nil where all is well.
func failure(f status.Fleet) error {
	silent, faulty := f.Failed()
	switch {
	case silent > 0 && faulty > 0:
		return fmt.Errorf("of %d agents %d did not answer, and %d found something wrong", len(f), silent, faulty)
	case silent > 0:
		return fmt.Errorf("of %d agents %d did not answer", len(f), silent)
	case faulty > 0:
		return fmt.Errorf("of %d agents %d found something wrong", len(f), faulty)
	case len(f) == 0:
		return errors.New("there was nobody to ask")
	default:
		return nil
	}
}
