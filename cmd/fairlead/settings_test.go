package main

import (
	"testing"

	"github.com/fairlead/fairlead/config"
)

// What is read once stays as it was; what it makes impossible of the rest is refused.
func TestSettle(t *testing.T) {
	for name, test := range map[string]struct {
		scope, next config.Scope
		pods        bool
		changed     string
		refused     bool
	}{
		"as it was":              {config.ScopeCluster, config.ScopeCluster, true, "", false},
		"together, later":        {config.ScopeNode, config.ScopeCluster, true, "kubernetes", true},
		"the scope alone":        {config.ScopeNode, config.ScopeCluster, false, "kubernetes", false},
		"the other way, for now": {config.ScopeCluster, config.ScopeNode, false, "kubernetes", false},
	} {
		t.Run(name, func(t *testing.T) {
			next := settings{config: config.Config{Kubernetes: config.Kubernetes{Scope: test.next}, Announce: config.Announce{PodsInAnnouncedSubnets: test.pods}}}
			changed := next.settle(config.Config{Kubernetes: config.Kubernetes{Scope: test.scope}})
			if err := next.conflict(); changed != test.changed || next.config.Kubernetes.Scope != test.scope || (err != nil) != test.refused {
				t.Errorf("%q changed, scope %s, error %v", changed, next.config.Kubernetes.Scope, err)
			}
		})
	}
}

// The station is where it was when the agent started; whether FRR feeds it may change at any time.
func TestSettleVerify(t *testing.T) {
	now := config.Verify{Tap: true, BMP: config.BMP{Listen: "127.0.0.1:11019"}}
	next := settings{config: config.Config{Verify: config.Verify{Tap: true, BMP: config.BMP{Listen: "127.0.0.1:11019", Feed: true}}}}
	if changed := next.settle(config.Config{Verify: now}); changed != "" || next.config.Verify.BMP.FedBy().String() != "127.0.0.1:11019" {
		t.Errorf("fed: %q changed, FRR connects to %s", changed, next.config.Verify.BMP.FedBy())
	}
	next.config.Verify.BMP.Listen = "127.0.0.1:5000"
	if changed := next.settle(config.Config{Verify: now}); changed != "verify" || next.config.Verify.BMP.FedBy().String() != "127.0.0.1:11019" {
		t.Errorf("elsewhere: %q changed, FRR connects to %s", changed, next.config.Verify.BMP.FedBy())
	}
}
