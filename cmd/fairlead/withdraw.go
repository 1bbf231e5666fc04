package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/frr"
)

const (
	// withdrawWithin bounds all that withdraw does, and sentWithin how long it waits for the neighbors to be told.
	withdrawWithin = 20 * time.Second
	sentWithin     = 5 * time.Second
	// sentEvery is how often FRR is asked whether they were.
	sentEvery = 50 * time.Millisecond
)

// withdraw takes back all routes, and then closes the sessions: the neighbors are told by UPDATE, so that none of them keeps
// what it would keep for a restart (RFC 4724).
func (a *agent) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, withdrawWithin)
	defer cancel()
	// bfdd may be told to end at the same time, and is not needed for this.
	a.vtysh.Daemons = frr.Needs{}.Daemons()
	a.reloader.WithoutProfiles(true)
	// The agent may be told to end before it has applied anything.
	a.reloader.Declare(a.settings.foreign())
	a.reloader.Forget()
	_, err := a.reloader.Withdraw(ctx)
	if err != nil {
		err = fmt.Errorf("withdraw all routes: %w", err)
	} else if late := a.sent(ctx); late != nil {
		a.log.Warn(late)
	}
	if _, clear := a.reloader.Clear(ctx); clear != nil {
		err = errors.Join(err, fmt.Errorf("close all sessions: %w", clear))
	}
	if err == nil {
		a.log.Info("all routes are withdrawn and all sessions closed")
	}
	return err
}

// sent waits until FRR has sent all that it has to say: what is queued for a session is dropped when the session is closed.
// Where that takes too long, the NOTIFICATION that closes it says enough to most neighbors.
func (a *agent) sent(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sentWithin)
	defer cancel()
	tick := time.NewTicker(sentEvery)
	defer tick.Stop()
	for {
		left, err := a.unsent(ctx)
		if err == nil && left == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait until all routes are withdrawn: %s", left), err)
		case <-tick.C:
		}
	}
}

// unsent names a session that has not been sent all; "" means that there is none.
func (a *agent) unsent(ctx context.Context) (string, error) {
	config := a.settings.config
	views := []string{""}
	for _, r := range config.Routers {
		views = append(views, r.Name)
	}
	transit := map[frr.Peer]bool{}
	for _, n := range config.Neighbors {
		// What it is passed on stays until the session is closed.
		transit[frr.Peer{Address: n.Address, Interface: n.Interface}] = len(n.Transit) > 0
	}
	for _, view := range views {
		summary, err := a.vtysh.Summary(ctx, view)
		if err != nil {
			return "", err
		}
		for _, s := range summary.Sessions {
			// What somebody else tells his own neighbors stays.
			passes, ours := transit[s.Neighbor]
			if ours && s.State == frr.Established && (s.Queued > 0 || s.Sent > 0 && !passes) {
				return fmt.Sprintf("neighbor %s still has %d prefixes", s.Neighbor, s.Sent), nil
			}
		}
	}
	return "", nil
}
