package status

import (
	"context"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/socket"
)

const (
	// headerTimeout bounds how long a client may take to ask, and answerTimeout the whole of a request: a profile of Go's
	// default length fits into it.
	headerTimeout = 5 * time.Second
	answerTimeout = time.Minute
	maxHeader     = 16 << 10
	// stopTimeout is what answers that are under way get when the server ends.
	stopTimeout = time.Second
)

// DefaultSocket is where an agent is asked for its status unless the configuration says otherwise.
const DefaultSocket = "/run/fairlead/fairlead.sock"

// Config says where a Server is reached.
type Config struct {
	// Listen is host:port for /metrics, /healthz and /readyz; "" means none.
	Listen string
	// Socket is the path of a unix socket that has /status too, and that only the user who runs the agent may use; "" means
	// none.
	Socket string
	// Pprof adds /debug/pprof to both.
	Pprof bool
	// Questions are what else may be asked over Socket, by their names.
	Questions map[string]Question
}

// Server answers questions about a Board.
type Server struct {
	endpoints []endpoint
	log       logrus.FieldLogger
}

type endpoint struct {
	listener net.Listener
	handler  http.Handler
}

// Open listens where c says, and answers nothing yet: call Run, which also closes all again. A socket that an agent left behind
// when it was killed is replaced; that of an agent that runs is an error, and so is an address that somebody else has.
func Open(ctx context.Context, b *Board, c Config, log logrus.FieldLogger) (*Server, error) {
	s := &Server{log: log.WithField("stage", "status")}
	if err := s.open(ctx, b, c); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *Server) open(ctx context.Context, b *Board, c Config) error {
	var config net.ListenConfig
	if c.Listen != "" {
		l, err := config.Listen(ctx, "tcp", c.Listen)
		if err != nil {
			return fmt.Errorf("serve metrics on %s: %w; set status.listen to another address", c.Listen, err)
		}
		s.endpoints = append(s.endpoints, endpoint{l, handler(b, c, false, s.log)})
	}
	if c.Socket != "" {
		l, err := socket.Listen(ctx, c.Socket, 0o755)
		if err != nil {
			return fmt.Errorf("serve status on %s: %w; set status.socket to another path", c.Socket, err)
		}
		s.endpoints = append(s.endpoints, endpoint{l, handler(b, c, true, s.log)})
	}
	return nil
}

// Addrs gives the addresses that s listens on, that of Listen first.
func (s *Server) Addrs() []net.Addr {
	var addrs []net.Addr
	for _, e := range s.endpoints {
		addrs = append(addrs, e.listener.Addr())
	}
	return addrs
}

// Run answers until ctx ends, and then closes all that Open opened and returns nil; call it once.
func (s *Server) Run(ctx context.Context) error {
	defer s.close()
	g, ctx := errgroup.WithContext(ctx)
	for _, e := range s.endpoints {
		server := &http.Server{
			Handler:           e.handler,
			ReadHeaderTimeout: headerTimeout,
			ReadTimeout:       answerTimeout,
			WriteTimeout:      answerTimeout,
			IdleTimeout:       answerTimeout,
			MaxHeaderBytes:    maxHeader,
			ErrorLog:          stdlog.New(logWriter{s.log}, "", 0),
		}
		g.Go(func() error {
			if err := server.Serve(e.listener); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve status on %s: %w", e.listener.Addr(), err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
			defer cancel()
			if server.Shutdown(stop) != nil {
				return server.Close()
			}
			return nil
		})
	}
	return g.Wait()
}

// close ends what listens still.
func (s *Server) close() {
	for _, e := range s.endpoints {
		_ = e.listener.Close()
	}
}

// logWriter has the complaints of an http.Server logged.
type logWriter struct{ log logrus.FieldLogger }

// Write implements io.Writer.
func (w logWriter) Write(line []byte) (int, error) {
	w.log.Warn(strings.TrimSpace(string(line)))
	return len(line), nil
}
