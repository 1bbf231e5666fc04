package status

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reply is what the agent of one node answered to somebody who asks many of them, or why it did not. An agent is not trusted here:
// what it says is bounded by who asked, and goes to a page through Decode only.
type Reply struct {
	// Node and Pod are where the agent runs, by the word of the API server; Pod, as NAMESPACE/NAME, is "" where there is none.
	Node string `json:"node"`
	Pod  string `json:"pod"`
	// Answer is the agent's own JSON; left out where there is none.
	Answer json.RawMessage `json:"answer,omitempty"`
	// Fault is what the agent found wrong by its own word, and Error why there is no answer; "" means nothing.
	Fault string `json:"fault"`
	Error string `json:"error"`
}

// Decode reads the answer into value. Each text in it has become one line without what a terminal would obey, so that none can
// show itself as something else.
func (r *Reply) Decode(value any) error {
	decoder := json.NewDecoder(bytes.NewReader(r.Answer))
	decoder.UseNumber()
	var said any
	if err := decoder.Decode(&said); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	text, err := json.Marshal(clean(said))
	if err == nil {
		err = json.Unmarshal(text, value)
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w: ask with the version of Fairlead that runs there", err)
	}
	return nil
}

// clean makes each text of a decoded JSON value one line.
func clean(value any) any {
	switch v := value.(type) {
	case string:
		return oneLine(v)
	case []any:
		for i := range v {
			v[i] = clean(v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = clean(v[key])
		}
	}
	return value
}

// Fleet is what many agents answered to one question, sorted by node. To print it gives those an Error whose Answer cannot be read.
type Fleet []Reply

// Failed counts those that did not answer, and those that found something wrong.
func (f Fleet) Failed() (silent, faulty int) {
	for i := range f {
		if f[i].Error != "" {
			silent++
		} else if f[i].Fault != "" {
			faulty++
		}
	}
	return silent, faulty
}

// PrintStates writes what the agents say of themselves: a table of them, and one of their sessions. Each Answer is a State.
func (f Fleet) PrintStates(out io.Writer, now time.Time) error {
	p := newPage(now)
	p.line("NODE\tVERSION\tUP FOR\tREADY\tPROVEN\tESTABLISHED\tDRIFT\tPROBLEM")
	sessions := []nodeSession{}
	Each(f, func(node string, s *told) {
		up, drift := 0, 0
		for _, session := range s.Proof.Sessions {
			if !session.Established.IsZero() {
				up++
			}
			drift += session.Wrong()
			sessions = append(sessions, nodeSession{node, session})
		}
		var problems []string
		for _, c := range s.Conditions {
			// Ready is not True because of another, and that no audit was made yet is none.
			told := c.Type != Ready && (c.Type != Untouched || c.Status == False)
			if told && c.Status != True && c.Message != "" {
				problems = append(problems, fmt.Sprintf("%s: %s", c.Type, c.Message))
			}
		}
		state := State{Conditions: s.Conditions}
		p.line("%s\t%s\t%s\t%s\t%s\t%d of %d\t%d\t%s", node, cmp.Or(s.Version, "unknown"), p.ago(s.Started), state.Condition(Ready).Status,
			state.Condition(Proven).Status, up, len(s.Proof.Sessions), drift, strings.Join(problems, "; "))
	})
	p.silent(f)
	if len(sessions) > 0 {
		p.section("%s", fleetColumns())
		p.fleet(sessions)
	}
	_, err := out.Write(p.end())
	return err
}

// told is what PrintStates reads of a State.
type told struct {
	Version    string
	Started    time.Time
	Conditions []Condition
	Proof      struct{ Sessions []Session }
}

// PrintSessions writes how the sessions of all agents stand, in one table. Each Answer is a Neighbors.
func (f Fleet) PrintSessions(out io.Writer, now time.Time) error {
	p := newPage(now)
	sessions := []nodeSession{}
	Each(f, func(node string, n *Neighbors) {
		for _, s := range n.Sessions {
			sessions = append(sessions, nodeSession{node, s})
		}
	})
	p.line("%s", fleetColumns())
	p.fleet(sessions)
	p.silent(f)
	_, err := out.Write(p.end())
	return err
}

// PrintVerifications writes whether the neighbors of all agents are told what they should be: each session, and each difference. Each
// Answer is a Verification.
func (f Fleet) PrintVerifications(out io.Writer, now time.Time) error {
	p := newPage(now)
	sessions, blind := []nodeSession{}, [][2]string{}
	Each(f, func(node string, v *Verification) {
		for _, s := range v.Sessions {
			sessions = append(sessions, nodeSession{node, s})
		}
		for _, b := range v.Blind {
			blind = append(blind, [2]string{node, fmt.Sprintf("%s: %s", b.Witness, b.Reason)})
		}
	})
	p.line("%s", fleetColumns())
	p.fleet(sessions)
	p.silent(f)
	p.differences(sessions)
	for i, b := range blind {
		if i == 0 {
			p.section("NODE\tWITNESS THAT IS MISSING")
		}
		p.line("%s\t%s", b[0], b[1])
	}
	limits := []string{}
	for _, s := range sessions {
		for _, l := range s.session.Proof.Limits {
			if !slices.Contains(limits, l) {
				limits = append(limits, l)
			}
		}
	}
	p.limits(limits)
	_, err := out.Write(p.end())
	return err
}

// differences writes why sessions do not agree.
func (p *page) differences(sessions []nodeSession) {
	first := true
	line := func(s *nodeSession, what string) {
		if first {
			p.section("NODE\tNEIGHBOR\tWHAT IS NOT AS IT SHOULD BE")
			first = false
		}
		p.line("%s\t%s\t%s", s.node, s.session.Neighbor, oneLine(what))
	}
	for i := range sessions {
		s := &sessions[i]
		if !s.session.Proof.Compared() {
			line(s, "not compared: "+s.session.uncompared())
		}
		for _, v := range s.session.Proof.Open {
			line(s, v.String())
		}
		if since := s.session.Proof.Blocked; !since.IsZero() {
			line(s, fmt.Sprintf("its TCP takes nothing for %s: %s", p.ago(since), unread))
		}
	}
}

// PrintAdjRIBOuts writes what a neighbor of several agents was sent by each, in one table. Each Answer is an AdjRIBOut.
func (f Fleet) PrintAdjRIBOuts(out io.Writer, now time.Time) error {
	p := newPage(now)
	p.line("NODE\t%s", strings.Join(verdictColumns[:], "\t"))
	limits := []string{}
	Each(f, func(node string, a *AdjRIBOut) {
		for i := range a.Routes {
			p.line("%s\t%s", node, strings.Join(p.verdict(&a.Routes[i]), "\t"))
		}
		for _, l := range a.Limits {
			if !slices.Contains(limits, l) {
				limits = append(limits, l)
			}
		}
	})
	p.silent(f)
	p.limits(limits)
	_, err := out.Write(p.end())
	return err
}

// Each calls row with each answer of f. One that cannot be read becomes an Error.
func Each[T any](f Fleet, row func(node string, answer *T)) {
	for i := range f {
		r := &f[i]
		if r.Error != "" {
			continue
		}
		var answer T
		if err := r.Decode(&answer); err != nil {
			r.Error = err.Error()
			continue
		}
		row(r.Node, &answer)
	}
}

// nodeSession is a session of one node.
type nodeSession struct {
	node    string
	session Session
}

// received is where a fleet's table says what FRR counts.
const received = 6

func fleetColumns() string {
	return strings.Join(slices.Insert(append([]string{"NODE"}, sessionColumns[:]...), 1+received, "RECEIVED", "SENT"), "\t")
}

// fleet writes the rows of sessions of several nodes.
func (p *page) fleet(sessions []nodeSession) {
	for i := range sessions {
		s := &sessions[i]
		in, sent := 0, 0
		for _, f := range s.session.Families {
			in += f.Received
			sent += f.Sent
		}
		cells := slices.Insert(p.cells(&s.session), received, strconv.Itoa(in), strconv.Itoa(sent))
		p.line("%s\t%s", s.node, strings.Join(cells, "\t"))
	}
}

func (p *page) silent(f Fleet) { f.Silent(p.w) }

// Silent writes a row for each agent that did not answer, for a tabwriter. They come last, because such a row has other columns.
func (f Fleet) Silent(w io.Writer) {
	for i := range f {
		if r := &f[i]; r.Error != "" {
			_, _ = fmt.Fprintf(w, "%s\tno answer: %s\n", r.Node, oneLine(r.Error))
		}
	}
}
