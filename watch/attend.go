package watch

import (
	"context"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/sirupsen/logrus"
)

// How long what is followed must be quiet before it is read, at most how long that may last, which leaves even a
// machine that is busy with 64 agents enough for the pass to end 250 ms after the event, and how often what cannot be followed is tried again.
const (
	quiet = 20 * time.Millisecond
	limit = 100 * time.Millisecond
	retry = time.Second
)

// attend calls read, until ctx ends, each time the events of a watcher have settled. It calls check each second, and at once
// for each word of moved, to see that the right folders are watched; check reports whether events may have been missed, and
// that, or a word of moved, is as good as an event. A moved of nil says nothing.
func attend(ctx context.Context, watcher *fsnotify.Watcher, log logrus.FieldLogger, moved <-chan struct{}, check func() bool, read func()) {
	events := make(chan struct{})
	settled := Settle(ctx, events, quiet, limit)
	look := func() {
		select {
		case events <- struct{}{}:
		case <-ctx.Done():
		}
	}
	ticker := time.NewTicker(retry)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-moved:
			// The watches come first, so that nothing is missed between them and the look at the content.
			check()
			look()
		case <-settled:
			read()
		case <-watcher.Events:
			// Whatever it is: editors write beside and rename, and a ConfigMap's mount swaps a hidden link.
			look()
		case err := <-watcher.Errors:
			log.WithError(err).Debug("events were lost, reading anew")
			look()
		case <-ticker.C:
			if check() {
				look()
			}
		}
	}
}
