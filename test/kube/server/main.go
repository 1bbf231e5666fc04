// Command kube-apiserver is Kubernetes' own API server with its etcd inside: one process for one test package. It is built
// by hack/setup --test and started by package kube.
//
//	kube-apiserver --home DIR [flags of kube-apiserver]
//
// etcd keeps its data in DIR and listens on a Unix socket there, and nowhere else. It never calls fsync: what is written
// survives the death of this process, not that of the machine.
//
// Whoever starts it keeps its standard input open. When that closes, its owner is dead: it removes DIR and ends.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

// etcdStart bounds how long etcd may take to read its data, on a machine that does other things too.
const etcdStart = 30 * time.Second

func main() {
	command := app.NewAPIServerCommand()
	var home string
	command.Flags().StringVar(&home, "home", "", "the folder of this server and its etcd")
	command.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if home == "" {
			return errors.New("start etcd: name its folder with --home")
		}
		go outlive(home)
		endpoint, err := startEtcd(home)
		if err != nil {
			return fmt.Errorf("start etcd in %s: %w", home, err)
		}
		return cmd.Flags().Set("etcd-servers", endpoint)
	}
	os.Exit(cli.Run(command))
}

// outlive waits for the owner's death, and then leaves nothing behind.
func outlive(home string) {
	// Nobody writes: the copy ends with the pipe, however it ends.
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := os.RemoveAll(home); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

// startEtcd starts the etcd of home and returns the endpoint of its clients. It ends with the process.
func startEtcd(home string) (string, error) {
	// A killed process leaves its socket behind.
	socket := filepath.Join(home, "etcd.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	cfg := embed.NewConfig()
	cfg.Dir = filepath.Join(home, "etcd")
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: socket}}
	cfg.ListenPeerUrls = nil
	cfg.LogLevel = "error"
	cfg.UnsafeNoFsync = true
	// Zero would log every request as a slow one.
	cfg.WarningUnaryRequestDuration = time.Second
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return "", err
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return "unix://" + socket, nil
	case err := <-etcd.Err():
		return "", err
	case <-time.After(etcdStart):
		return "", fmt.Errorf("it is not ready after %s", etcdStart)
	}
}
