package watch

import (
	"context"
	"time"
)

// Settle gathers bursts: after one or more events it sends one signal, once no event came for quiet, and at most limit
// after the first of them. The channel it returns has room for one signal and is never closed. A signal that nobody has
// taken yet also stands for later events, so the last event is never lost. Its goroutine ends with ctx; where events is
// closed, what has come still gives its signal.
func Settle(ctx context.Context, events <-chan struct{}, quiet, limit time.Duration) <-chan struct{} {
	settled := make(chan struct{}, 1)
	go func() {
		var calm, late <-chan time.Time // nil while no event waits
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-events:
				if !open {
					events = nil
					continue
				}
				calm = time.After(quiet)
				if late == nil {
					late = time.After(limit)
				}
				continue
			case <-calm:
			case <-late:
			}
			calm, late = nil, nil
			select {
			case settled <- struct{}{}:
			default:
			}
		}
	}()
	return settled
}
