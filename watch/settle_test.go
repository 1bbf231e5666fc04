package watch

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSettle(t *testing.T) {
	ms := func(n ...int) []time.Duration {
		var all []time.Duration
		for _, n := range n {
			all = append(all, time.Duration(n)*time.Millisecond)
		}
		return all
	}
	var steady []int
	for at := 0; at < 600; at += 10 {
		steady = append(steady, at)
	}
	tests := []struct {
		name   string
		events []time.Duration // when they come, from the start
		want   []time.Duration // when the signals come
	}{
		{"no event", nil, nil},
		{"one event", ms(5), ms(25)},
		{"a burst is one signal", ms(0, 1, 2, 19, 38), ms(58)},
		{"two bursts", ms(0, 10, 100, 110), ms(30, 130)},
		{"an event without end is late by the limit", ms(steady...), ms(250, 500, 610)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				start := time.Now()
				events := make(chan struct{})
				settled := Settle(ctx, events, 20*time.Millisecond, 250*time.Millisecond)
				go func() {
					for _, at := range tt.events {
						<-time.After(at - time.Since(start))
						events <- struct{}{}
					}
				}()
				var got []time.Duration
				for ctx.Err() == nil {
					select {
					case <-settled:
						got = append(got, time.Since(start))
					case <-ctx.Done():
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("signals (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A reader that is busy gets one signal for all that came meanwhile, and it is there after the last event.
func TestSettleKeepsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		events := make(chan struct{})
		settled := Settle(ctx, events, 20*time.Millisecond, 250*time.Millisecond)
		for range 3 {
			events <- struct{}{}
			<-time.After(100 * time.Millisecond)
		}
		if len(settled) != 1 {
			t.Fatalf("%d signals wait, want 1", len(settled))
		}
		<-settled
		events <- struct{}{}
		close(events)
		<-time.After(100 * time.Millisecond)
		if len(settled) != 1 {
			t.Errorf("%d signals wait after the last event, want 1", len(settled))
		}
		cancel()
		synctest.Wait()
	})
}
