package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// Inside runs do in a network namespace, on a thread that ends with it; a socket that do makes stays in that namespace.
//
// The thread is never the process's first one: that one is what the process as a whole is known by, to "ip netns pids" too, and
// Go cannot end it. There it would look as if the tests ran in the namespace, and taking that down would kill them.
func Inside(namespace string, do func() error) error {
	result := make(chan error, 1)
	go onSpareThread(func() {
		err := enter(namespace)
		if err == nil {
			err = do()
		}
		result <- err
	})
	return <-result
}

// onSpareThread runs do on a thread that is locked to the calling goroutine, which is to end after it.
func onSpareThread(do func()) {
	runtime.LockOSThread()
	if unix.Gettid() != unix.Getpid() {
		do()
		return
	}
	defer runtime.UnlockOSThread()
	done := make(chan struct{})
	go func() {
		defer close(done)
		// This thread is taken, so that it is another one.
		onSpareThread(do)
	}()
	<-done
}

// enter changes the calling thread to a network namespace.
func enter(namespace string) error {
	file, err := os.Open(filepath.Join(netnsDir, namespace))
	if err != nil {
		return fmt.Errorf("open namespace: %w", err)
	}
	defer file.Close()
	if err := unix.Setns(int(file.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter namespace %s: %w", namespace, err)
	}
	return nil
}
