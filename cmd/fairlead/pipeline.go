package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
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

// offline reads the settings and the manifests once and reduces them, without FRR. Problems of the manifests go to standard
// error; what is good of them counts. Without secrets, password files are not read and need not exist.
func offline(o *options, secrets bool) (settings, reduce.Result, error) {
	if err := o.check(); err != nil {
		return settings{}, reduce.Result{}, err
	}
	s, _, err := readSettings(o.config, secrets)
	if err != nil {
		return settings{}, reduce.Result{}, err
	}
	snapshot, problems, err := watch.ReadFolder(o.manifests)
	if err != nil {
		return settings{}, reduce.Result{}, err
	}
	for _, p := range problems {
		fmt.Fprintln(os.Stderr, "fairlead:", p)
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
	for _, statement := range all {
		if !owned[statement] && !strings.HasPrefix(statement.Text, "frr ") {
			return nil, fmt.Errorf("render frr.conf: the templates write %q, which is not Fairlead's: write into router bgp, "+
				"or objects whose name begins with FL-; the rest belongs into FRR's own configuration", frr.Mask(statement.Text))
		}
	}
	return conf, nil
}

// needsOf gives what a speaker asks of FRR's daemons.
func needsOf(speaker route.Speaker) frr.Needs {
	var n frr.Needs
	for _, r := range speaker.Routers {
		n.Zebra = n.Zebra || r.VRF
		for _, neighbor := range r.Neighbors {
			n.Listen = n.Listen || neighbor.Passive
			n.BFD = n.BFD || neighbor.BFD.On
			n.Zebra = n.Zebra || neighbor.BFD.On || neighbor.Interface != "" || neighbor.Receive.Install
		}
	}
	return n
}
