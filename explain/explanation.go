package explain

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// Stage is a step on the way from an object to the wire.
type Stage string

// The stages, in their order.
const (
	// Sources: whether the agent may see the object, and knows it.
	Sources Stage = "sources"
	// Wish: what asks for an announcement, and what forbids it.
	Wish Stage = "wish"
	// Route: the prefix, its attributes, and its group.
	Route Stage = "route"
	// Neighbors: which of them should be told.
	Neighbors Stage = "neighbors"
	// Statement: what FRR is given for it.
	Statement Stage = "statement"
	// Wire: what each of the neighbors was really told.
	Wire Stage = "wire"
)

// Status is how a step stands.
type Status string

// The statuses.
const (
	// OK means that it is done.
	OK Status = "ok"
	// Waiting means that it is under way, and needs nothing but time.
	Waiting Status = "waiting"
	// Unknown means that nobody can tell.
	Unknown Status = "unknown"
	// Stopped means that it goes no further until somebody does something.
	Stopped Status = "stopped"
)

// rank orders statuses: what is worse counts.
func (s Status) rank() int {
	switch s {
	case Waiting:
		return 1
	case Unknown:
		return 2
	case Stopped:
		return 3
	default:
		return 0
	}
}

// worse gives the worse of two.
func worse(a, b Status) Status {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// Explanation answers a Question. Encoded as JSON it is the contract of `explain -o json`: fields may be added, none changes its
// meaning, no list is ever null.
type Explanation struct {
	// Node is the node whose agent answers: of others it says nothing.
	Node string `json:"node"`
	// Question is what was asked, in the agent's words.
	Question string `json:"question"`
	// Status is the worst of the steps', Stage the first step that has it, "" where all is OK, and Remedy what to do there.
	Status Status `json:"status"`
	Stage  Stage  `json:"stage"`
	Remedy string `json:"remedy"`
	// Notes are what else to know before the steps are read.
	Notes []string `json:"notes"`
	// Steps are in the order from object to wire. Those behind a stop are left out; of several prefixes each goes its own way.
	Steps []Step `json:"steps"`
}

// Step is one step of an Explanation.
type Step struct {
	Stage Stage `json:"stage"`
	// Prefix is whose step it is; left out where it is that of all, as in sources and wish.
	Prefix netip.Prefix `json:"prefix,omitzero"`
	Status Status       `json:"status"`
	Text   string       `json:"text"`
	// Remedy is what to do; "" where there is nothing.
	Remedy string `json:"remedy"`
	// Details are what the step is made of: objects, neighbors.
	Details []Detail `json:"details"`
	// Route is that of the step Route; left out elsewhere.
	Route *Announced `json:"route,omitempty"`
}

// Detail is one part of a Step.
type Detail struct {
	// Of names it: an object, a neighbor with its router, a statement.
	Of     string `json:"of"`
	Status Status `json:"status"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
	// Session is the neighbor's, in the steps Neighbors and Wire, and Verdict what its witness says; left out where there is none.
	Session *verify.Session `json:"session,omitempty"`
	Verdict *verify.Verdict `json:"verdict,omitempty"`
}

// Announced is a route as FRR is given it.
type Announced struct {
	Prefix netip.Prefix `json:"prefix"`
	// Group is the route-map that sets its attributes; "" where its statement names none.
	Group string `json:"group"`
	// LocalPreference 0 leaves FRR's default of 100.
	LocalPreference  uint32                 `json:"localPreference"`
	MED              uint32                 `json:"med"`
	Communities      []route.Community      `json:"communities"`
	LargeCommunities []route.LargeCommunity `json:"largeCommunities"`
	From             []route.Object         `json:"from"`
}

// add adds a step, and takes its status from its details where that is worse.
func (e *Explanation) add(s Step) {
	if s.Details == nil {
		s.Details = []Detail{}
	}
	if s.Remedy == "" && s.Status != OK {
		for _, d := range s.Details {
			if d.Status == s.Status && d.Remedy != "" {
				s.Remedy = d.Remedy
				break
			}
		}
	}
	if s.Status.rank() > e.Status.rank() {
		e.Status, e.Stage, e.Remedy = s.Status, s.Stage, s.Remedy
	}
	e.Steps = append(e.Steps, s)
}

// note adds a note, once.
func (e *Explanation) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, n := range e.Notes {
		if n == text {
			return
		}
	}
	e.Notes = append(e.Notes, text)
}

// Print writes e as a page for people, with its ages as of now.
func (e *Explanation) Print(out io.Writer, now time.Time) error {
	var page bytes.Buffer
	state := "all is well"
	if e.Stage != "" {
		state = string(e.Status) + " at the step " + string(e.Stage)
	}
	fmt.Fprintf(&page, "%s on node %s: %s\n", oneLine(e.Question), oneLine(e.Node), state)
	for _, n := range e.Notes {
		fmt.Fprintf(&page, "note: %s\n", oneLine(n))
	}
	page.WriteByte('\n')
	w := tabwriter.NewWriter(&page, 0, 0, 3, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) }
	line("STEP", "STATUS", "WHAT")
	var prefix netip.Prefix
	for _, s := range e.Steps {
		if s.Prefix.IsValid() && s.Prefix != prefix {
			prefix = s.Prefix
			line(prefix.String(), "", "")
		}
		line(string(s.Stage), string(s.Status), oneLine(s.Text))
		for _, d := range s.Details {
			line("  "+oneLine(d.Of), string(d.Status), oneLine(d.Text)+since(d.Verdict, now))
		}
	}
	_ = w.Flush()
	if e.Remedy != "" {
		fmt.Fprintf(&page, "\nwhat to do: %s\n", oneLine(e.Remedy))
	}
	for _, s := range e.Steps {
		for _, r := range s.remedies() {
			if r != e.Remedy {
				fmt.Fprintf(&page, "and at %s: %s\n", s.Stage, oneLine(r))
			}
		}
	}
	for line := range bytes.Lines(page.Bytes()) {
		if _, err := out.Write(append(bytes.TrimRight(line, " \n"), '\n')); err != nil {
			return err
		}
	}
	return nil
}

// remedies are those of a step that is not as it should be and of its details, each once.
func (s *Step) remedies() []string {
	if s.Status == OK {
		return nil
	}
	all, has := []string{}, map[string]bool{"": true}
	for _, r := range append([]Detail{{Remedy: s.Remedy}}, s.Details...) {
		if !has[r.Remedy] {
			all, has[r.Remedy] = append(all, r.Remedy), true
		}
	}
	return all
}

// since gives ", for 3m0s" of a verdict.
func since(v *verify.Verdict, now time.Time) string {
	if v == nil || v.Since.IsZero() {
		return ""
	}
	return ", for " + max(0, now.Sub(v.Since)).Truncate(time.Second).String()
}

// oneLine makes one line of a text that FRR or somebody else wrote, without what a terminal must not see.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || unprintable(r) }), " ")
}

func unprintable(r rune) bool { return r == unicode.ReplacementChar || !unicode.IsPrint(r) }
