package lab_test

import (
	"os"
	"sync"
	"testing"

	"github.com/fairlead/fairlead/test/lab"
)

// TestInside enters a namespace from so many goroutines that Go takes every thread it has for them: each is inside, and the
// process as a whole never is.
func TestInside(t *testing.T) {
	ns := lab.NewNamespace(t, "inside")
	there, err := os.Stat("/run/netns/" + ns.Name)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 500 {
		all.Go(func() {
			err := lab.Inside(ns.Name, func() error {
				own, err := os.Stat("/proc/thread-self/ns/net")
				if err == nil && !os.SameFile(own, there) {
					t.Error("the thread is not inside")
				}
				if process, err := os.Stat("/proc/self/ns/net"); err != nil || os.SameFile(process, there) {
					t.Errorf("the process is inside, or cannot be looked at: %v", err)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
