package frr_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/frr"
)

// TestHold has two agents hold FRR, and one that waits for them: until both have let go, however long that takes, or its own time is over.
func TestHold(t *testing.T) {
	// A folder that FRR has not made yet.
	socket := filepath.Join(t.TempDir(), "made", "vtysh.sock")
	if err := frr.AwaitHolders(t.Context(), socket); err != nil {
		t.Errorf("nobody holds it: %v", err)
	}
	if info, err := os.Stat(filepath.Dir(socket)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info, err)
	}
	synctest.Test(t, func(t *testing.T) {
		var holds []io.Closer
		for range 2 {
			hold, err := frr.Hold(socket)
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, hold)
		}
		begun := time.Now()
		for _, hold := range holds {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if err := frr.AwaitHolders(ctx, socket); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it is held, and the wait gives %v", err)
			}
			cancel()
			if err := hold.Close(); err != nil {
				t.Error(err)
			}
		}
		if waited := time.Since(begun); waited != 2*time.Hour {
			t.Errorf("waited %s", waited)
		}
		if err := frr.AwaitHolders(t.Context(), socket); err != nil {
			t.Errorf("all have let go: %v", err)
		}
		if !time.Now().Equal(begun.Add(2 * time.Hour)) {
			t.Error("it waits for nobody")
		}
	})
	if _, err := frr.Hold(filepath.Join(socket+".hold", "vtysh.sock")); err == nil {
		t.Error("the folder is a file, and FRR is held")
	}
}
