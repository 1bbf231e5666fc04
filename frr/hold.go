package frr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Hold says to the server of vtysh at socket that FRR is to outlast this process, which withdraws its routes when it ends: until the result
// is closed, or the process ends however. Several may hold at a time. The server need not be there yet; a folder that is missing is made,
// for this user alone.
//
// It is a lock on a file beside the socket, which holds between containers that share the folder, and never longer than its process.
func Hold(socket string) (io.Closer, error) {
	file, err := openHold(socket)
	if err != nil {
		return nil, fmt.Errorf("hold FRR: %w", err)
	}
	// Nobody has it alone for more than a moment: see held.
	if err := flock(file, unix.LOCK_SH); err != nil {
		return nil, errors.Join(fmt.Errorf("hold FRR: %w", err), file.Close())
	}
	return file, nil
}

// heldInterval is how often AwaitHolders looks.
const heldInterval = 100 * time.Millisecond

// AwaitHolders waits until nobody holds the server at socket by Hold. Its error is that of ctx where that ended before, or says why it
// cannot be known.
func AwaitHolders(ctx context.Context, socket string) error {
	tick := time.NewTicker(heldInterval)
	defer tick.Stop()
	for {
		if is, err := held(socket); !is || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func held(socket string) (bool, error) {
	file, err := openHold(socket)
	if err != nil {
		return false, fmt.Errorf("look who holds FRR: %w", err)
	}
	defer func() { _ = file.Close() }()
	switch err := flock(file, unix.LOCK_EX|unix.LOCK_NB); {
	case errors.Is(err, unix.EWOULDBLOCK):
		return true, nil
	case err != nil:
		return false, fmt.Errorf("look who holds FRR: %w", err)
	}
	return false, nil
}

func openHold(socket string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(socket), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(socket+".hold", os.O_RDWR|os.O_CREATE, 0o600)
}

func flock(file *os.File, how int) error {
	for {
		// A signal to this process, such as Go's own, is no answer.
		if err := unix.Flock(int(file.Fd()), how); !errors.Is(err, unix.EINTR) {
			if err != nil {
				return fmt.Errorf("lock %s: %w", file.Name(), err)
			}
			return nil
		}
	}
}
