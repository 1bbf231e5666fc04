package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
)

// check reports the flags that are missing.
func (o *options) check() error {
	if o.node == "" {
		return errors.New("--node is required: name the node that this speaker runs on, or set NODE_NAME")
	}
	return nil
}

// offline reads the settings and the cluster's objects once and reduces them, without FRR. Problems of the objects go to
// standard error; what is good of them counts. Without secrets, passwords are not read and need not exist.
func offline(ctx context.Context, o *options, secrets bool) (settings, reduce.Result, error) {
	if err := o.check(); err != nil {
		return settings{}, reduce.Result{}, err
	}
	s, _, err := readSettings(o, secrets)
	if err != nil {
		return settings{}, reduce.Result{}, err
	}
	snapshot, err := look(ctx, o, s.config, secrets, func(problem string) { fmt.Fprintln(os.Stderr, "fairlead:", problem) })
	if err != nil {
		return settings{}, reduce.Result{}, err
	}
	result, err := reduce.Reduce(snapshot, s.config, o.node)
	return s, result, err
}

// render gives frr.conf for a speaker. A statement that an operator's template writes and that would not be Fairlead's is an
// error: nobody would apply it, nor take it back one day.
func (s settings) render(speaker route.Speaker) ([]byte, error) {
	conf, err := s.renderer.Render(speaker)
	if err != nil || len(s.own) == 0 {
		return conf, err
	}
	all := reload.Parse(conf)
	owned := map[*reload.Statement]bool{}
	for _, statement := range all.Owned() {
		owned[statement] = true
	}
	var top reload.Tree
	for _, statement := range all {
		if statement.Text == "bfd" {
			// It is nobody's: its profiles are.
			top = append(top, statement.Children...)
			continue
		}
		top = append(top, statement)
	}
	for _, statement := range top {
		if !owned[statement] && !strings.HasPrefix(statement.Text, "frr ") {
			return nil, fmt.Errorf("render frr.conf: the templates write %q, which is not Fairlead's to take back: take it out, and write it "+
				"into %s yourself, where Fairlead leaves it alone; a template may write inside router bgp, and objects whose "+
				"name begins with FL-", frr.Mask(statement.Text), s.config.FRR.Paths.Config)
		}
	}
	return conf, nil
}
