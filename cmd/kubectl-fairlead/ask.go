package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fairlead/fairlead/status"
)

const (
	// atOnce bounds how many agents are asked at a time: each is a connection through the API server.
	atOnce = 16
	// maxAnswer bounds what is taken of an agent: a hundred thousand routes of adj-out are half of it. maxComplaint bounds what it
	// writes to its standard error.
	maxAnswer    = 64 << 20
	maxComplaint = 16 << 10
)

// run has a program run in an agent's container until ctx ends. Its error has what the program, or the way there, failed with. It may
// write to its writers until it returns, and later too.
type run func(ctx context.Context, s speaker, args []string, stdout, stderr io.Writer) error

// asker asks agents.
type asker struct {
	run run
	// socket is that of each agent; "" means the default.
	socket string
	// timeout is for each agent.
	timeout time.Duration
}

// ask asks all the speakers with one command of fairlead, and gives their replies in the same order. Operands are what a user wrote: none
// of them is taken for a flag.
func (a *asker) ask(ctx context.Context, speakers []speaker, command []string, operands ...string) status.Fleet {
	args := slices.Concat([]string{"fairlead"}, command, []string{"-o", "json"})
	if a.socket != "" {
		args = append(args, "--socket", a.socket)
	}
	args = append(append(args, "--"), operands...)
	fleet := make(status.Fleet, len(speakers))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, s := range speakers {
		group.Go(func() error {
			fleet[i] = a.one(ctx, s, args)
			return nil
		})
	}
	_ = group.Wait()
	return fleet
}

// one asks one speaker.
func (a *asker) one(ctx context.Context, s speaker, args []string) status.Reply {
	reply := status.Reply{Node: s.node, Error: s.problem}
	if s.pod != "" {
		reply.Pod = s.namespace + "/" + s.pod
	}
	if s.problem != "" {
		return reply
	}
	late := fmt.Errorf("nothing within %s: give it more with --timeout", a.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, a.timeout, late)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	stdout := &bounded{most: maxAnswer, full: func() { stop(fmt.Errorf("it says more than %d MiB", maxAnswer>>20)) }}
	stderr := &bounded{most: maxComplaint, full: func() {}}
	err := a.run(ctx, s, args, stdout, stderr)
	if end, _ := ctx.Deadline(); err != nil && !time.Now().Before(end) {
		<-ctx.Done() // A connection with the same end may have come to it a moment earlier.
	}
	if cause := context.Cause(ctx); cause != nil {
		reply.Error = cause.Error()
		return reply
	}
	answer, complaint := stdout.bytes(), strings.TrimPrefix(strings.TrimSpace(string(stderr.bytes())), "fairlead: ")
	valid := json.Valid(answer)
	if err != nil {
		complaint = cmp.Or(complaint, err.Error(), "nobody says why")
	}
	switch {
	case err != nil && valid:
		reply.Answer, reply.Fault = answer, complaint
	case err != nil:
		reply.Error = complaint
	case !valid:
		reply.Error = "its answer is no JSON: is it an agent?"
	default:
		reply.Answer = answer
	}
	return reply
}

// bounded keeps so many bytes at most of what is written to it, and calls full where there were more. Its methods may be called
// concurrently.
type bounded struct {
	most int
	full func()

	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer. It takes all: to refuse would only have the one who copies complain.
func (b *bounded) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.most - b.text.Len()
	b.text.Write(text[:min(room, len(text))])
	if len(text) > room {
		b.full()
	}
	return len(text), nil
}

func (b *bounded) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.text.Bytes())
}

// errNone says that no agent has what was asked for.
var errNone = errors.New("no agent that answers has it: kubectl fairlead neighbor lists what there is")

// defaultRouter is how people name the router without a name.
const defaultRouter = "default"

// holding gives those of the speakers that have a neighbor, by its address, interface or name, in a router; "" means any of them.
// Replies are theirs, to the question for their neighbors. What cannot be read, or did not answer, is in rest.
func holding(speakers []speaker, replies status.Fleet, neighbor, router string) (holders []speaker, rest status.Fleet) {
	for i := range replies {
		r := &replies[i]
		var n status.Neighbors
		if r.Error == "" {
			if err := r.Decode(&n); err != nil {
				r.Error = err.Error()
			}
		}
		if r.Error != "" {
			rest = append(rest, *r)
			continue
		}
		meant := func(s status.Session) bool {
			return (neighbor == "" || s.Neighbor == neighbor || s.Name == neighbor) && (router == "" || cmp.Or(s.Router, defaultRouter) == router)
		}
		if slices.ContainsFunc(n.Sessions, meant) {
			holders = append(holders, speakers[i])
		}
	}
	return holders, rest
}
