package frr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

const (
	// requestTimeout is how long an agent may take to say what it wants, writeTimeout to take a piece of the answer.
	requestTimeout = 30 * time.Second
	writeTimeout   = time.Minute
	// maxRuns is how many vtyshs run at a time; the next waits.
	maxRuns = 16
)

// VtyshServer runs vtysh for an agent in another container, over a socket: see Protocol. It runs nothing else, and vtysh only for what
// an agent asks and gives.
type VtyshServer struct {
	// Vtysh says how it is run; its Socket is "".
	Vtysh Vtysh
	// Version is that of the program, for messages.
	Version string
	// Log gets what is refused.
	Log logrus.FieldLogger
}

// Serve serves l until ctx ends, then closes it, kills what vtysh still runs, and returns nil. Whoever connects must be the same user.
func (s VtyshServer) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	places := make(chan struct{}, maxRuns)
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("serve vtysh: %w", err)
		case err != nil:
			// Too many files are open: those of vtyshs that run go with them.
			s.Log.WithError(err).Warn("an agent could not connect")
			wait(ctx, busyInterval)
			continue
		}
		all.Go(func() {
			if err := s.serve(ctx, conn, places); err != nil && ctx.Err() == nil {
				s.Log.WithError(err).Warn("an agent was not served")
			}
		})
	}
}

// wait waits for a time, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// serve runs vtysh once for who has connected, and closes the connection.
func (s VtyshServer) serve(ctx context.Context, conn net.Conn, places chan struct{}) error {
	var gone sync.WaitGroup
	defer gone.Wait()
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err := sameUser(conn); err != nil {
		return err
	}
	if err := conn.SetDeadline(time.Now().Add(requestTimeout)); err != nil {
		return err
	}
	if err := encode(conn, greeting{Protocol, s.Version}); err != nil {
		return err
	}
	c, err := readRequest(conn)
	if errors.Is(err, io.EOF) {
		// It wanted to know whether we are there.
		return nil
	}
	if err != nil {
		return errors.Join(err, encode(conn, answer{End: &end{Kind: refused, Text: err.Error()}}))
	}
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone.Go(func() {
		// It says nothing more: the read ends when it is no longer there.
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	})
	select {
	case places <- struct{}{}:
		defer func() { <-places }()
	case <-ctx.Done():
		return nil
	}
	var mu sync.Mutex
	err = s.Vtysh.execute(ctx, c, &pieces{conn: conn, mu: &mu}, &pieces{conn: conn, mu: &mu, err: true})
	if ctx.Err() != nil {
		return nil
	}
	mu.Lock()
	defer mu.Unlock()
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	return encode(conn, answer{End: endOf(err)})
}

// sameUser is an error where another user is at the other end.
func sameUser(conn net.Conn) error {
	local, is := conn.(*net.UnixConn)
	if !is {
		return errors.New("it came by no unix socket")
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	var asked error
	if err := raw.Control(func(fd uintptr) { peer, asked = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return err
	}
	if asked != nil {
		return fmt.Errorf("ask who connects: %w", asked)
	}
	if int(peer.Uid) != os.Geteuid() {
		return fmt.Errorf("it is user %d", peer.Uid)
	}
	return nil
}

// pieces sends what vtysh writes to one of its streams.
type pieces struct {
	conn net.Conn
	mu   *sync.Mutex
	err  bool
}

// Write implements io.Writer.
func (p *pieces) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := answer{Out: text}
	if p.err {
		a = answer{Err: text}
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	if err := encode(p.conn, a); err != nil {
		return 0, err
	}
	return len(text), nil
}

// request is execute by the server at v.Socket: where ctx ends, the vtysh is killed there. A server that is not there is a
// *NotRunningError: FRR ends with it.
func (v Vtysh) request(ctx context.Context, c call, stdout, stderr io.Writer) error {
	conn, r, g, err := v.greeted(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if err = encode(conn, request{Protocol, c}); err == nil {
		err = readAnswer(r, g.Version, stdout, stderr)
	}
	return ofConnection(err)
}

// greeted connects to the server, and reads how it begins.
func (v Vtysh) greeted(ctx context.Context) (net.Conn, *reader, greeting, error) {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", v.Socket)
	if err != nil {
		return nil, nil, greeting{}, &NotRunningError{Err: err}
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	r := newReader(conn, maxAnswer)
	g, err := readGreeting(r)
	if err != nil {
		_ = conn.Close()
		if ctx.Err() != nil {
			return nil, nil, greeting{}, &NotRunningError{Err: fmt.Errorf("fairlead frr does not greet: %w", ctx.Err())}
		}
		return nil, nil, greeting{}, ofConnection(err)
	}
	return conn, r, g, nil
}

// ofConnection tells the end of a connection, with that of the server, from what it says. vtysh ended with it.
func ofConnection(err error) error {
	switch {
	case err == nil, errors.Is(err, ErrVtysh), errors.Is(err, ErrNoVtysh), errors.As(err, new(*exitError)):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &NotRunningError{Err: fmt.Errorf("fairlead frr has closed the connection: %w", err)}
	default:
		return fmt.Errorf("%w: what fairlead frr answers cannot be read: %w", ErrVtysh, err)
	}
}

// Check is an error where the server at v.Socket is not there or is too old, or where one of the daemons does not answer a word.
func (v Vtysh) Check(ctx context.Context, daemons ...string) error {
	conn, _, _, err := v.greeted(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	for _, daemon := range daemons {
		if err := replies(ctx, v.dir(), daemon); err != nil {
			return &NotRunningError{Daemon: daemon, Err: err}
		}
	}
	return nil
}
