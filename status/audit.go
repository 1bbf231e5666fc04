package status

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
)

// maxDrift is how many statements an Audit lists: an FRR that lost all that it held differs in as many as it had.
const maxDrift = 1000

// Audit says what was found when FRR's whole configuration was compared with what Fairlead made it. The zero Audit means that it
// was not yet.
type Audit struct {
	// Count is how many audits there were.
	Count uint64 `json:"count"`
	// Time is when FRR was read.
	Time time.Time `json:"time,omitzero"`
	// Policy says what follows on what was found: "heal" or "report".
	Policy string `json:"policy"`
	// Error says why the last wish for an audit could not be followed; "" means that it was.
	Error string `json:"error"`
	// Counts count what somebody changed by hand, for each kind and owner.
	Counts []DriftCount `json:"counts"`
	// Statements are those that differ, in FRR's order, and those that are declared foreign: the first thousand of them.
	Statements []Drift `json:"statements"`
}

// DriftCount is how many statements of one owner somebody changed in one way.
type DriftCount struct {
	Kind  reload.Kind  `json:"kind"`
	Owner reload.Owner `json:"owner"`
	Count int          `json:"count"`
}

// Drift is one statement that differs.
type Drift struct {
	Kind  reload.Kind  `json:"kind"`
	Owner reload.Owner `json:"owner"`
	// Path is the statement as it should be, or as it was added, behind its contexts.
	Path []string `json:"path"`
	// Running is what runs in the place of a statement that was changed.
	Running string `json:"running"`
	// From are the objects that ask for it, where that is known.
	From []route.Object `json:"from"`
}

// Drift gives how many statements somebody changed by hand. What is declared foreign is not among them.
func (a *Audit) Drift() int {
	sum := 0
	for _, c := range a.Counts {
		sum += c.Count
	}
	return sum
}

// countsOf counts what somebody changed by hand.
func countsOf(found []Drift) []DriftCount {
	var counts []DriftCount
	for _, kind := range []reload.Kind{reload.Missing, reload.Added, reload.Changed} {
		for _, owner := range []reload.Owner{reload.Fairlead, reload.Unclaimed} {
			n := 0
			for _, d := range found {
				if d.Kind == kind && d.Owner == owner {
					n++
				}
			}
			// What nobody owned cannot be missed, nor be changed.
			if owner == reload.Fairlead || kind == reload.Added {
				counts = append(counts, DriftCount{Kind: kind, Owner: owner, Count: n})
			}
		}
	}
	return counts
}

// Audited says what an audit found in an FRR that was read at the time of at, and what follows. The slice belongs to the Board from
// then on.
func (b *Board) Audited(at time.Time, policy string, found []Drift) {
	b.publish(time.Now(), func(next *State) {
		a := &next.Audit
		a.Count++
		a.Time, a.Policy, a.Error = at, policy, ""
		a.Counts = countsOf(found)
		a.Statements = list(slices.Clone(found[:min(len(found), maxDrift)]))
	})
	b.announceAudit()
}

// NotAudited says that a wish for an audit could not be followed, and why.
func (b *Board) NotAudited(reason error) {
	b.publish(time.Now(), func(next *State) { next.Audit.Error = reason.Error() })
	b.announceAudit()
}

// announceAudit wakes those who wait for an audit.
func (b *Board) announceAudit() {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	close(b.audited)
	b.audited = make(chan struct{})
}

// nextAudit is closed when an audit was made, or could not be.
func (b *Board) nextAudit() <-chan struct{} {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	return b.audited
}

// MakeAudit has the loop make an audit, and gives it. It is an error where it could not be made, and where ctx ends first.
func (b *Board) MakeAudit(ctx context.Context) (*Audit, error) {
	if b.audit == nil {
		return nil, errors.New("this agent makes no audit")
	}
	asked := time.Now()
	for {
		made := b.nextAudit()
		b.audit()
		select {
		case <-ctx.Done():
			return nil, errors.New("no audit was made in time: the agent is " + b.State().Loop.String())
		case <-made:
		}
		a := b.State().Audit
		switch {
		case a.Error != "":
			return nil, errors.New(a.Error)
		case !a.Time.Before(asked):
			return &a, nil
		}
	}
}

func untouched(s *State) Condition {
	drift := s.Audit.Drift()
	switch {
	case s.Audit.Time.IsZero():
		return Condition{Status: Unknown, Reason: "Starting", Message: "no audit has been made yet"}
	case drift == 0:
		return Condition{Status: True, Reason: "Untouched"}
	}
	first := slices.IndexFunc(s.Audit.Statements, func(d Drift) bool { return d.Owner != reload.Operator })
	message := fmt.Sprintf("statements changed by hand: %d", drift)
	if first >= 0 {
		message += ", the first: " + s.Audit.Statements[first].String()
	}
	return Condition{Status: False, Reason: "ChangedByHand", Message: message + "; " + s.Audit.follows()}
}

// String gives "changed router bgp 65000 / neighbor 192.0.2.1 timers 3 9, now neighbor 192.0.2.1 timers 5 15".
func (d Drift) String() string {
	text := string(d.Kind) + " " + strings.Join(d.Path, " / ")
	if d.Running != "" {
		text += ", now " + d.Running
	}
	return oneLine(text)
}

// Print writes a as a page for people, with its age as of now.
func (a *Audit) Print(out io.Writer, now time.Time) error {
	p := newPage(now)
	p.audit(p.line, a)
	if len(a.Statements) > 0 {
		p.line("\n  KIND\tOWNER\tSTATEMENT\tRUNNING\tFROM")
	}
	for _, d := range a.Statements {
		from := make([]string, len(d.From))
		for i, o := range d.From {
			from[i] = o.String()
		}
		p.line("  %s\t%s\t%s\t%s\t%s", d.Kind, d.Owner, oneLine(strings.Join(d.Path, " / ")), oneLine(d.Running), strings.Join(from, ", "))
	}
	_, err := out.Write(p.end())
	return err
}

// audit says by line how the last audit went.
func (p *page) audit(line func(format string, args ...any), a *Audit) {
	switch drift := a.Drift(); {
	case a.Time.IsZero():
		line("no audit of FRR has been made yet")
	case drift == 0:
		line("audits: %d; the last one, %s ago, found FRR as Fairlead had left it", a.Count, p.ago(a.Time))
	default:
		line("audits: %d; the last one, %s ago, found statements changed by hand: %d, %s (fairlead audit)",
			a.Count, p.ago(a.Time), drift, a.follows())
	}
}

// follows says what is done about drift.
func (a *Audit) follows() string {
	if a.Policy == "report" {
		return "left as they are"
	}
	return "put right"
}
