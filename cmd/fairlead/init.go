package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// reaped runs do: where this is the first process of a container, in a child of it.
func reaped(ctx context.Context, do func() error) error {
	if os.Getpid() == 1 {
		return initProcess(ctx)
	}
	return do()
}

// initProcess is the first process of a container. It runs the same command once more, as a child, until that ends, and ends it when ctx
// does. Meanwhile it takes up all that end without a parent, such as children of a vtysh that was killed: nobody else may, and one that
// waits for whichever child ends cannot share a process with those that wait for their own.
func initProcess(ctx context.Context) error {
	child, err := os.StartProcess("/proc/self/exe", os.Args, &os.ProcAttr{
		Env: os.Environ(), Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return fmt.Errorf("start as a child: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = unix.Kill(child.Pid, syscall.SIGTERM) })
	defer stop()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for children: %w", err)
		case pid == child.Pid && status.Signaled():
			return fmt.Errorf("process %d was ended by signal %q: if nobody ended it, look whether the container ran out of memory", pid, status.Signal())
		case pid == child.Pid && status.ExitStatus() != 0:
			return fmt.Errorf("process %d ended with status %d", pid, status.ExitStatus())
		case pid == child.Pid:
			return nil
		}
	}
}
