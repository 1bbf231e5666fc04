package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/status"
	"github.com/fairlead/fairlead/watch"
)

// source is where the cluster's objects come from: its API, or a folder of manifests. Its methods but Run may be called at any
// time from any goroutine.
type source interface {
	// Run follows the objects until ctx ends, and calls changed, never twice at a time, after any of the others would
	// answer otherwise.
	Run(ctx context.Context, changed func()) error
	// Snapshot is what is known, and Readiness, asked before it, how much that says to who wants w.
	Snapshot() reduce.Snapshot
	Readiness(w watch.Wanted) watch.Readiness
	// Sources are the parts it is made of, and how they fare.
	Sources() []watch.SourceState
	// Want says what else is needed.
	Want(w watch.Wanted)
}

// clusterOf gives the API of the cluster that the configuration means, or nil where manifests stand for it.
func clusterOf(o *options, c config.Config) (*rest.Config, error) {
	if o.manifests != "" {
		return nil, nil
	}
	api, err := apiOf(o, c.Kubernetes)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster: %w; set kubernetes.kubeconfig, or give --manifests", err)
	}
	api.UserAgent = "fairlead/" + version
	return api, nil
}

func apiOf(o *options, c config.Kubernetes) (*rest.Config, error) {
	if c.Kubeconfig == "" {
		return rest.InClusterConfig()
	}
	return clientcmd.BuildConfigFromFlags("", within(filepath.Dir(o.config), c.Kubeconfig))
}

// openSource opens what the objects come from; api is nil for the folder of manifests.
func openSource(o *options, c config.Config, api *rest.Config, log *logrus.Logger) (source, error) {
	if api == nil {
		return watch.OpenFolder(o.manifests, log)
	}
	watch.LogClientGo(log)
	return watch.NewCluster(api, watch.ClusterOptions{
		Node:       o.node,
		OwnPods:    c.Kubernetes.Scope == config.ScopeNode,
		NATGateway: c.NATGateway,
		Log:        log,
	})
}

// wantedOf gives what some versions of the configuration need.
func wantedOf(versions ...config.Config) watch.Wanted {
	var w watch.Wanted
	for _, c := range versions {
		w.Services = w.Services || c.Announce.ClusterIPs && c.NATGateway == ""
		w.Secrets = append(w.Secrets, c.SecretRefs()...)
	}
	return w
}

// sourcesOf gives how the parts of a source fare.
func sourcesOf(s source) []status.Source {
	var sources []status.Source
	for _, p := range s.Sources() {
		sources = append(sources, status.Source{
			Name: p.Name, Synced: p.Synced, Objects: p.Objects, WatchRestarts: uint64(p.Restarts),
			Problem: p.Condition.Message, Since: p.Condition.Since,
		})
	}
	return sources
}

// readTimeout is how long a command that looks once waits for the API server.
const readTimeout = 30 * time.Second

// look reads the cluster's objects once, and tells what is wrong with them by warn.
func look(ctx context.Context, o *options, c config.Config, secrets bool, warn func(problem string)) (reduce.Snapshot, error) {
	api, err := clusterOf(o, c)
	if err != nil {
		return reduce.Snapshot{}, err
	}
	if api == nil {
		snapshot, problems, err := watch.ReadFolder(o.manifests)
		for _, p := range problems {
			warn(p.String())
		}
		return snapshot, err
	}
	log := logrus.New()
	log.SetLevel(logrus.PanicLevel) // what is wrong is told below
	s, err := openSource(o, c, api, log)
	if err != nil {
		return reduce.Snapshot{}, err
	}
	wanted := watch.Wanted{Services: c.NATGateway == ""} // also where they are not announced, to say so
	if secrets {
		wanted.Secrets = c.SecretRefs()
	}
	s.Want(wanted)
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	changed, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- s.Run(ctx, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	for s.Readiness(wanted) == watch.Waiting {
		select {
		case <-changed:
		case err := <-ended:
			return reduce.Snapshot{}, errors.Join(fmt.Errorf("read the cluster's objects: no answer within %s", readTimeout), err, problemsOf(s))
		}
	}
	if problems := problemsOf(s); problems != nil {
		warn(problems.Error())
	}
	snapshot := s.Snapshot()
	cancel()
	return snapshot, <-ended
}

// problemsOf joins what is wrong with the parts of a source; nil means nothing.
func problemsOf(s source) error {
	var errs []error
	for _, p := range s.Sources() {
		if p.Condition.Message != "" {
			errs = append(errs, fmt.Errorf("%s: %s", p.Name, p.Condition.Message))
		}
	}
	return errors.Join(errs...)
}
