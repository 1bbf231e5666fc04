package status

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fairlead/fairlead/reduce"
)

// maxRows is how many skipped wishes the page shows; the JSON has all.
const maxRows = 20

// Print writes s as a page for people, with its ages as of now.
func (s *State) Print(out io.Writer, now time.Time) error {
	p := newPage(now)
	p.line("node %s, version %s, up for %s", s.Node, s.Version, p.ago(s.Started))
	p.line("the loop is %s, and moved %s ago", s.Loop, p.ago(s.Loop.Moved))
	if s.stuck(now) {
		p.line("it is stuck: %s", s.stuckText(now))
	}
	p.conditions(s.Conditions)
	p.configuration(s.Configuration)
	p.sources(s.Sources)
	p.speaker(s)
	p.proof(s)
	p.station(s.Station)
	p.passes(s)
	p.wishes("skipped", s.Skipped)
	p.wishes("announced, but look at", s.Warnings)
	_, err := out.Write(p.end())
	return err
}

// page collects sections that each are aligned on their own.
type page struct {
	text bytes.Buffer
	// w writes to text; neither can fail.
	w   *tabwriter.Writer
	now time.Time
}

func newPage(now time.Time) *page {
	p := &page{now: now}
	p.w = tabwriter.NewWriter(&p.text, 0, 0, 3, ' ', 0)
	return p
}

// line writes a line of the section; its cells are separated by tabs.
func (p *page) line(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format+"\n", args...) }

// section ends the section before and begins one.
func (p *page) section(format string, args ...any) {
	_ = p.w.Flush()
	p.line("\n"+format, args...)
}

// end gives the page, without the spaces that stand where the last cells of a line are empty.
func (p *page) end() []byte {
	_ = p.w.Flush()
	var trimmed bytes.Buffer
	for line := range bytes.Lines(p.text.Bytes()) {
		trimmed.Write(bytes.TrimRight(line, " \n"))
		trimmed.WriteByte('\n')
	}
	return trimmed.Bytes()
}

// ago gives how long ago t was.
func (p *page) ago(t time.Time) string { return age(p.now.Sub(t)) }

func (p *page) conditions(conditions []Condition) {
	p.section("conditions\n  TYPE\tSTATUS\tFOR\tREASON\tMESSAGE")
	for _, c := range conditions {
		p.line("  %s\t%s\t%s\t%s\t%s", c.Type, c.Status, p.ago(c.Since), c.Reason, c.Message)
	}
}

func (p *page) configuration(c Configuration) {
	if c.File == "" {
		p.section("no configuration is in force yet")
		return
	}
	p.section("configuration %s, in force for %s, digest %s", c.File, p.ago(c.Since), c.Digest)
	if c.Broken != "" {
		p.line("  for %s a later one has not been taken:", p.ago(c.BrokenSince))
		p.failure(c.Broken)
	}
}

func (p *page) sources(sources []Source) {
	if len(sources) == 0 {
		return
	}
	p.section("sources\n  SOURCE\tSYNCED\tOBJECTS\tWATCH RESTARTS\tPROBLEM")
	for _, s := range sources {
		problem := oneLine(s.Problem)
		if problem != "" {
			problem += ", for " + p.ago(s.Since)
		}
		p.line("  %s\t%s\t%d\t%d\t%s", s.Name, yes(s.Synced), s.Objects, s.WatchRestarts, problem)
	}
}

// speaker says what was reduced to what.
func (p *page) speaker(s *State) {
	if len(s.Routers) == 0 {
		return
	}
	var seen []string
	for _, c := range s.Objects {
		if c.Count > 0 {
			seen = append(seen, fmt.Sprintf("%s %d", c.Kind, c.Count))
		}
	}
	p.section("objects: %s", cmp.Or(strings.Join(seen, ", "), "none"))
	p.section("routers\n  ROUTER\tAS\tROUTER ID\tIPV4 ROUTES\tIPV6 ROUTES")
	for _, r := range s.Routers {
		p.line("  %s\t%d\t%s\t%d\t%d", routerName(r.Name), r.ASN, r.RouterID, r.Routes.IPv4, r.Routes.IPv6)
	}
	if len(s.Neighbors) == 0 {
		p.section("no neighbor: neighbors is empty, or no nodeSelector in it matches the labels of this node")
		return
	}
	p.section("neighbors, and the routes that each should be told\n  NEIGHBOR\tNAME\tROUTER\tAS\tIPV4 ROUTES\tIPV6 ROUTES")
	for _, n := range s.Neighbors {
		p.line("  %s\t%s\t%s\t%s\t%d\t%d", n.ID(), oneLine(n.Name), routerName(n.Router), n.RemoteAS, n.Routes.IPv4, n.Routes.IPv6)
	}
}

// proof says what was found out of what neighbors were sent.
func (p *page) proof(s *State) {
	if len(s.Proof.Sessions) == 0 {
		return
	}
	p.section("sessions, and what each was found to be told")
	p.sessions("  ", s.Proof.Sessions)
	p.blind(s.Proof.Blind)
	if t := s.Proof.Taken; t.Count > 0 {
		p.section("from decision to proof: %d routes, the last in %s, in the mean %s", t.Count, seconds(t.Last), seconds(t.mean()))
	}
}

// routerName gives the name to show for a router.
func routerName(name string) string { return cmp.Or(name, "default") }

func (p *page) passes(s *State) {
	passes := s.Passes
	if passes.Outcome == "" {
		p.section("no pass has been made yet")
		return
	}
	p.section("passes: %d changed FRR, %d changed nothing, %d waited, %d failed",
		passes.Changed, passes.Unchanged, passes.Waiting, passes.Failed)
	p.line("  the last one, %s ago: %s", p.ago(passes.Ended), passes.Outcome)
	p.failure(passes.Error)
	p.section("  STAGE\tTIMES\tLAST\tMEAN")
	for _, t := range s.Stages {
		p.line("  %s\t%d\t%s\t%s", t.Stage, t.Count, seconds(t.Last), seconds(t.mean()))
	}
	p.line("  all\t%d\t%s\t%s", passes.Duration.Count, seconds(passes.Duration.Last), seconds(passes.Duration.mean()))
	p.applies(s.Applies)
	p.audit(p.section, &s.Audit)
}

func (p *page) applies(a Applies) {
	p.section("applies: %d changed FRR, %d changed nothing, %d failed", a.Changed, a.Unchanged, a.Failed)
	p.line("  lines changed: %d, sessions reset: %d", a.Lines, a.Resets)
	if c := a.Last; !c.Time.IsZero() {
		p.line("  the last change, %s ago: lines changed: %d, sessions reset: %d", p.ago(c.Time), c.Lines, c.Resets)
	}
	if a.Error != "" {
		p.line("  the last failure, %s ago:", p.ago(a.Erred))
		p.failure(a.Error)
	}
}

// failure writes an error that may have many lines.
func (p *page) failure(text string) {
	for line := range strings.Lines(text) {
		p.line("    %s", oneLine(strings.TrimRight(line, "\n")))
	}
}

func (p *page) wishes(heading string, wishes []reduce.Skipped) {
	if len(wishes) == 0 {
		return
	}
	p.section("%s: %d\n  OBJECT\tREASON", heading, len(wishes))
	for i, wish := range wishes {
		if i == maxRows {
			p.line("  ... and %d more: -o json has all", len(wishes)-maxRows)
			return
		}
		p.line("  %s\t%s", wish.Object, oneLine(wish.Reason))
	}
}

// mean gives how long one took, in seconds.
func (h Histogram) mean() float64 {
	if h.Count == 0 {
		return 0
	}
	return h.Sum / float64(h.Count)
}

// seconds writes a short time, given in seconds, with three digits that matter or so.
func seconds(s float64) string {
	d := time.Duration(s * float64(time.Second))
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}

// age writes a time that has passed with its two greatest units: "12s", "5m3s", "2h10m", "3d4h".
func age(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(0, d).Truncate(time.Second)
	switch {
	case d < time.Hour:
		return d.String()
	case d < day:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
