package main

import (
	"context"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"

	"github.com/fairlead/fairlead/frr"
)

// TestOutlasting tells FRR to end: it goes on while an agent lives that withdraws its routes, but not for ever.
func TestOutlasting(t *testing.T) {
	for name, tt := range map[string]struct {
		// holds is how long an agent holds FRR after that; 0 means that none does.
		holds, want time.Duration
		warns       bool
	}{
		"no agent":            {0, 0, false},
		"one that ends too":   {3 * time.Second, 3 * time.Second, false},
		"one that goes on":    {time.Hour, heldWithin, true},
		"one that ends late":  {withdrawWithin + 5*time.Second, withdrawWithin + 5*time.Second, false},
		"one that ends after": {heldWithin + time.Second, heldWithin, true},
	} {
		t.Run(name, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "vtysh.sock")
			synctest.Test(t, func(t *testing.T) {
				log, hook := logtest.NewNullLogger()
				told, tell := context.WithCancel(t.Context())
				ctx := outlasting(told, socket, log)
				if tt.holds > 0 {
					hold, err := frr.Hold(socket)
					if err != nil {
						t.Fatal(err)
					}
					end := time.AfterFunc(time.Minute+tt.holds, func() { _ = hold.Close() })
					defer func() { end.Stop(); _ = hold.Close() }()
				}
				<-time.After(time.Minute)
				if ctx.Err() != nil {
					t.Fatal("it ends without being told")
				}
				begun := time.Now()
				tell()
				<-ctx.Done()
				// It looks from time to time.
				if late := time.Since(begun) - tt.want; late < 0 || late > time.Second {
					t.Errorf("it ends after %s, want %s", time.Since(begun), tt.want)
				}
				if warned := len(hook.AllEntries()) > 0; warned != tt.warns {
					t.Errorf("it has warned: %v, want %v", warned, tt.warns)
				}
			})
		})
	}
}
