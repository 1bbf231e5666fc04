package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/watch"
)

// check reports the flags that are missing.
func (o *options) check() error {
	var errs []error
	if o.manifests == "" {
		errs = append(errs, errors.New("--manifests is required: name a folder of manifests"))
	}
	if o.node == "" {
		errs = append(errs, errors.New("--node is required: name the node that this speaker runs on, or set NODE_NAME"))
	}
	return errors.Join(errs...)
}

// offline reads the configuration and the manifests once and reduces them, without FRR. Problems of the manifests go to
// standard error; what is good of them counts. Without secrets, password files are not read and need not exist.
func offline(o *options, secrets bool) (config.Config, reduce.Result, error) {
	if err := o.check(); err != nil {
		return config.Config{}, reduce.Result{}, err
	}
	c, err := loadConfig(o.config, secrets)
	if err != nil {
		return config.Config{}, reduce.Result{}, err
	}
	snapshot, problems, err := watch.ReadFolder(o.manifests)
	if err != nil {
		return config.Config{}, reduce.Result{}, err
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, "fairlead:", p)
	}
	result, err := reduce.Reduce(snapshot, c, o.node)
	return c, result, err
}

// loadConfig reads the configuration. Without secrets a password stands for one that was not read: it says that there is
// one, and prints as all do.
func loadConfig(path string, secrets bool) (config.Config, error) {
	if secrets {
		return config.Load(path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return config.Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, err := config.Parse(path, data)
	for i, n := range c.Neighbors {
		if n.PasswordFile != "" {
			c.Neighbors[i].Password = route.Secret("unread")
		}
	}
	return c, err
}

// rendered gives frr.conf for s by Fairlead's own templates.
func rendered(s route.Speaker) ([]byte, error) {
	r, err := render.New(templates.FS)
	if err != nil {
		return nil, err
	}
	return r.Render(s)
}
