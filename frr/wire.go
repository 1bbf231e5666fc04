package frr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Protocol is the version of what a VtyshServer and a Vtysh with a Socket say to each other, in JSON, a value after the other: the
// server greets, is asked for one run of vtysh, and answers with what that writes, as it comes, and its end. The end of a connection
// ends a vtysh that still runs. Fields may be added, and are passed over by who does not know them; what changes the meaning of another
// is a new version. A server that knows a later one goes on speaking the earlier ones.
const Protocol = 1

const (
	// maxRequest and maxAnswer bound what either side reads of the other: a script of 100,000 lines is 10 MB, a table of as many routes
	// 40 MB; in JSON a third more.
	maxRequest = 64 << 20
	maxAnswer  = 256 << 20
)

// greeting is what a server begins with.
type greeting struct {
	// Protocol is the latest version that it speaks, Version that of its program.
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
}

// request is what a server is asked for.
type request struct {
	Protocol int `json:"protocol"`
	call
}

// answer is a part of what vtysh writes, or the end.
type answer struct {
	Out []byte `json:"out,omitempty"`
	Err []byte `json:"err,omitempty"`
	End *end   `json:"end,omitempty"`
}

// end is how a run ended.
type end struct {
	// Exit is vtysh's exit status; -1 says that a signal ended it.
	Exit int `json:"exit"`
	// Text is why it was not 0, or why there is none.
	Text string `json:"text,omitempty"`
	// Kind says what there is in the place of an exit status; "" means nothing.
	Kind endKind `json:"kind,omitempty"`
}

// endKind says why there is no exit status.
type endKind string

const (
	// refused says that vtysh was not started: the call is none that the server takes.
	refused endKind = "refused"
	// missing says that there is no vtysh, and failed that running it failed otherwise.
	missing endKind = "missing"
	failed  endKind = "failed"
)

// anew says what to do about a server of another version.
const anew = "start it anew in the agent's version, in Kubernetes by deleting FRR's pod of this node"

var (
	errTooLong = errors.New("it is longer than anything that is meant")
	// errRefused is wrapped by the error of a call that a server did not take.
	errRefused = fmt.Errorf("%w: fairlead frr refused it", ErrVtysh)
)

// reader reads JSON values of one connection, of so many bytes in all.
type reader struct {
	left    *io.LimitedReader
	decoder *json.Decoder
}

func newReader(r io.Reader, limit int64) *reader {
	left := &io.LimitedReader{R: r, N: limit}
	return &reader{left, json.NewDecoder(left)}
}

func (r *reader) read(value any) error {
	err := r.decoder.Decode(value)
	if err != nil && r.left.N <= 0 {
		return errTooLong
	}
	return err
}

// readRequest reads what a server is asked for, and refuses what it does not take: the error says why.
func readRequest(r io.Reader) (call, error) {
	var q request
	if err := newReader(r, maxRequest).read(&q); err != nil {
		return call{}, fmt.Errorf("read request: %w", err)
	}
	if q.Protocol != Protocol {
		return call{}, fmt.Errorf("it is of protocol %d, and this fairlead frr speaks %d", q.Protocol, Protocol)
	}
	return q.call, q.check()
}

// readGreeting reads how a server begins. One that is too old for this program is an error.
func readGreeting(r *reader) (greeting, error) {
	var g greeting
	if err := r.read(&g); err != nil {
		return g, err
	}
	if g.Protocol < Protocol {
		return g, fmt.Errorf("%w: fairlead frr %q speaks protocol %d, and this agent needs %d: %s",
			ErrVtysh, g.Version, g.Protocol, Protocol, anew)
	}
	return g, nil
}

// readAnswer reads what vtysh writes until its end, and gives how it ended, as execute does.
func readAnswer(r *reader, version string, stdout, stderr io.Writer) error {
	for {
		var a answer
		if err := r.read(&a); err != nil {
			return err
		}
		if _, err := stdout.Write(a.Out); err != nil {
			return err
		}
		if _, err := stderr.Write(a.Err); err != nil {
			return err
		}
		switch {
		case a.End == nil:
		case a.End.Kind == refused:
			return fmt.Errorf("%w: %s (it is of version %q; if the agent is of another one, %s)", errRefused, a.End.Text, version, anew)
		case a.End.Kind == missing:
			return fmt.Errorf("%w (%s)", ErrNoVtysh, a.End.Text)
		case a.End.Kind != "":
			return fmt.Errorf("%w: %s", ErrVtysh, a.End.Text)
		case a.End.Exit != 0:
			return &exitError{a.End.Exit, a.End.Text}
		default:
			return nil
		}
	}
}

// endOf tells how a run ended.
func endOf(err error) *end {
	var exit *exitError
	switch {
	case err == nil:
		return &end{}
	case errors.As(err, &exit):
		return &end{Exit: exit.code, Text: exit.text}
	case errors.Is(explain(err, ""), ErrNoVtysh):
		return &end{Kind: missing, Text: err.Error()}
	default:
		return &end{Kind: failed, Text: err.Error()}
	}
}

// encode gives values as one side sends them.
func encode(w io.Writer, value any) error {
	// In one write, and without the escapes that HTML needs.
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes())
	return err
}
