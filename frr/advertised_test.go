package frr_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// TestAdvertisedRoutesIsNotCutShort: bgpd of FRR 10.3 crashes where a vtysh is killed that it tells a long table. The vtysh here is
// a program that says when it has begun, and tells its table when it may.
func TestAdvertisedRoutesIsNotCutShort(t *testing.T) {
	dir := t.TempDir()
	begun, may := filepath.Join(dir, "begun"), filepath.Join(dir, "may")
	vtysh := frr.Vtysh{Timeout: time.Minute, Command: []string{"sh", "-c",
		"touch " + begun + "; until [ -e " + may + " ]; do sleep 0.01; done; " + `echo '{"advertisedRoutes": {"10.16.0.0/16": {"network": "10.16.0.0/16"}}}'`}}
	neighbor := frr.Peer{Address: netip.MustParseAddr("192.0.2.2")}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	told := make(chan error, 1)
	go func() {
		routes, err := vtysh.AdvertisedRoutes(ctx, "", route.IPv4Unicast, neighbor)
		if err == nil && len(routes) != 1 {
			err = errors.New("no routes")
		}
		told <- err
	}()
	lab.Eventually(t, 30*time.Second, "vtysh has begun", func() error {
		_, err := os.Stat(begun)
		return err
	})
	cancel()
	if err := os.WriteFile(may, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-told; err != nil {
		t.Error(err)
	}
	if _, err := vtysh.AdvertisedRoutes(ctx, "", route.IPv4Unicast, neighbor); !errors.Is(err, context.Canceled) {
		t.Errorf("it begins when nobody wants it any more: %v", err)
	}
}
