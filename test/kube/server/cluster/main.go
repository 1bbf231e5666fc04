// Command kube-cluster is what a cluster needs beside kube-apiserver, in one binary: Kubernetes' own controller manager, scheduler,
// kubelet and kubectl. It is built by hack/setup --e2e and started by package cluster.
//
//	kube-cluster kube-controller-manager|kube-scheduler|kubelet|kubectl [its arguments]
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

func main() {
	commands := map[string]func() *cobra.Command{
		"kube-controller-manager": controllers.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
		"kubectl":                 kubectl.NewDefaultKubectlCommand,
	}
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "run kube-cluster: name kube-controller-manager, kube-scheduler, kubelet or kubectl")
		os.Exit(2)
	}
	name := os.Args[1]
	// A command of cobra reads os.Args by itself, and the kubelet does so more than once.
	os.Args = os.Args[1:]
	os.Exit(cli.Run(commands[name]()))
}
