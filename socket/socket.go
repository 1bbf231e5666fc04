// Package socket opens a unix socket that one process serves at a time, and that only the user who runs it may use.
package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrTaken is what Listen returns where another process serves the socket.
var ErrTaken = errors.New("another process serves it")

// Listen listens on path alone; a folder that is missing is made with mode. A socket that a killed process left behind is replaced,
// that of one that runs is ErrTaken, and any other file an error. Closing the listener removes the socket.
//
// A socket cannot tell whether anybody still listens on it in a way that two processes that start at the same time would agree about;
// a lock on a file beside it can, also between containers that share the folder, and ends with the process that holds it.
func Listen(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), mode); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	l, err := listen(ctx, path, lock)
	if err != nil {
		_ = lock.Close()
		return nil, err
	}
	return &listener{l, lock}, nil
}

func listen(ctx context.Context, path string, lock *os.File) (net.Listener, error) {
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrTaken
	} else if err != nil {
		return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if err := remove(path); err != nil {
		return nil, err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// remove removes a socket that nobody serves any more, and nothing else.
func remove(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return errors.New("it exists and is no socket")
	}
	return os.Remove(path)
}

// listener is a socket, and the lock that says to others that it is served.
type listener struct {
	net.Listener
	lock *os.File
}

// Close implements net.Listener. The socket goes before its lock, or it could be that of the next process.
func (l *listener) Close() error {
	err := l.Listener.Close()
	_ = l.lock.Close()
	return err
}
