package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/status"
)

func auditCommand() *cobra.Command {
	var output, socket string
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Compare the running FRR with what the agent made it, now",
		Long: "Have the agent on this machine read FRR's whole configuration and compare it with what it made it. Each statement that\n" +
			"differs is told with its contexts, and whose it is. What follows is as on each audit: frr.audit.drift says whether it is\n" +
			"put right. The exit status is 1 where somebody changed FRR by hand; what frr.foreign declares is listed and does not count.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := tableOrJSON(output); err != nil {
				return err
			}
			return status.ReadAudit(cmd.Context(), socket, status.Form(output), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", string(status.Table), "table or json")
	cmd.Flags().StringVar(&socket, "socket", status.DefaultSocket, "the agent's socket, status.socket of its configuration")
	return cmd
}

// wish has the next pass make an audit.
func (a *agent) wish() {
	a.due.Store(true)
	a.look()
}

// audit compares FRR with what it was made, where that is due, and tells what somebody changed. What is left to his hand from
// then on is what the settings in force say. An audit that is not possible yet stays due.
func (a *agent) audit(ctx context.Context) error {
	policy := a.settings.config.FRR.Audit.Drift
	a.reloader.LeaveDrift(policy == config.Report)
	if !a.due.Load() {
		return nil
	}
	now := time.Now()
	found, made, err := a.reloader.Audit(ctx)
	if err != nil || !made {
		return err
	}
	a.due.Store(false)
	if slices.ContainsFunc(found, func(d reload.Drift) bool { return d.Owner != reload.Operator }) {
		// Where it is found after an apply, another one puts it right.
		a.look()
	}
	if a.settings.kept != nil {
		// What was kept is given to an FRR that has lost all, and changes nothing in another.
		policy = config.Report
	}
	a.tellDrift(found, policy)
	a.board.Audited(now, string(policy), a.driftOf(found))
	return nil
}

// unaudited ends an audit that is due, where the pass that should have made it could not.
func (a *agent) unaudited(err error) {
	if !a.due.Swap(false) {
		return
	}
	if err == nil {
		err = errors.New("nothing has been applied yet that FRR could be compared with: see fairlead status")
	}
	a.board.NotAudited(err)
}

// maxToldDrift is how many changes by hand are logged one by one.
const maxToldDrift = 20

// tellDrift logs what somebody changed, each once while it stands.
func (a *agent) tellDrift(found []reload.Drift, policy config.DriftPolicy) {
	follows := "putting it right"
	switch {
	case a.settings.kept != nil:
		follows = "leaving it until the configuration is right"
	case policy == config.Report:
		follows = "leaving it (frr.audit.drift)"
	}
	now := make(map[string]bool)
	told := 0
	for _, d := range found {
		text := d.String()
		if d.Owner == reload.Operator {
			// A foreign statement is nothing to tell, unless Fairlead would write it too.
			if d.Kind == reload.Added {
				continue
			}
			if now[text] = true; !a.drifted[text] {
				a.log.Warnf("declared foreign, and not written therefore: %s", text)
			}
			continue
		}
		if now[text] = true; a.drifted[text] {
			continue
		}
		if told++; told <= maxToldDrift {
			a.log.Warnf("somebody changed FRR by hand, %s: %s", follows, text)
		}
	}
	if told > maxToldDrift {
		a.log.Warnf("somebody changed FRR by hand, %s: %d statements more, see fairlead audit", follows, told-maxToldDrift)
	}
	a.drifted = now
}

// driftOf gives what an audit found with the objects that ask for it.
func (a *agent) driftOf(found []reload.Drift) []status.Drift {
	of := make([]asked, len(found))
	for i, d := range found {
		of[i] = askedAt(d.Path)
	}
	from := askers(a.speaker, of)
	all := make([]status.Drift, len(found))
	for i, d := range found {
		all[i] = status.Drift{Kind: d.Kind, Owner: d.Owner, Path: d.Path, Running: d.Running, From: list(from[of[i]])}
	}
	return all
}

// askedAt gives what a statement is to the reduction, whose contexts stand before it in path; the zero asked where it is neither a
// network nor a neighbor.
func askedAt(path []string) asked {
	if len(path) < 2 {
		return asked{}
	}
	switch words := strings.Fields(path[len(path)-1]); {
	case len(words) < 2:
	case words[0] == "network":
		return askedFor(reload.Object{Router: path[0], Network: words[1]})
	case words[0] == "neighbor":
		return askedFor(reload.Object{Router: path[0], Neighbor: words[1]})
	}
	return asked{}
}

// routerStatement gives how FRR writes a router.
func routerStatement(r route.Router) string {
	text := fmt.Sprintf("router bgp %d", r.ASN)
	switch {
	case r.VRF:
		text += " vrf " + r.Name
	case r.Name != "":
		text += " view " + r.Name
	}
	return text
}
