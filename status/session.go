package status

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// Proof is what was found out of what neighbors were really sent. The zero Proof means that nobody looked yet.
type Proof struct {
	// Sessions are those that this node should hold, in the order of its Speaker.
	Sessions []Session `json:"sessions"`
	// Blind are the witnesses that cannot be had, and why.
	Blind []Blindness `json:"blind"`
	// Taken says how long it took from the decision to announce a route to its first being seen on the wire, or by the neighbor.
	Taken Histogram `json:"taken"`
}

// Blindness is a witness that cannot be had.
type Blindness struct {
	Witness verify.Witness `json:"witness"`
	Reason  string         `json:"reason"`
}

// Session is one session as FRR has it, and what was proven of what it was sent.
type Session struct {
	// Router is the name of the instance that holds it; "" is the default one. Neighbor is how FRR names it: its address, or the
	// interface of an unnumbered one.
	Router   string `json:"router"`
	Neighbor string `json:"neighbor"`
	// Name is what the configuration calls it.
	Name     string         `json:"name"`
	RemoteAS route.RemoteAS `json:"remoteAS"`
	// State is FRR's word, such as "Established"; "" where FRR was not asked yet, or has no such neighbor.
	State string `json:"state"`
	// AdminDown says that it is shut down in FRR.
	AdminDown bool `json:"adminDown"`
	// Established is since when it is; zero where it is not.
	Established time.Time `json:"establishedSince,omitzero"`
	// Local and Remote are the ends of its TCP connection; zero without one.
	Local  netip.AddrPort `json:"local"`
	Remote netip.AddrPort `json:"remote"`
	// HoldTime is what both sides agreed on, in seconds; 0 while it is not established.
	HoldTime float64 `json:"holdTimeSeconds"`
	// Resets counts how often it went down, and LastReset is FRR's reason for the last time.
	Resets    int    `json:"resets"`
	LastReset string `json:"lastReset"`
	// Families are those that both sides agreed on.
	Families []SessionFamily `json:"families"`
	// Proof is what was proven of it. Of what drifts it has the first thousand routes; `fairlead verify` has all.
	Proof verify.Report `json:"proof"`
}

// SessionFamily is a family of a session.
type SessionFamily struct {
	Family route.Family `json:"family"`
	// Received and Sent count the prefixes that FRR has accepted, and those that it says it has sent.
	Received int `json:"received"`
	Sent     int `json:"sent"`
}

// MaxOpen is how many routes of a session that drift, or are on their way, a State lists.
const MaxOpen = 1000

// Proven says how the sessions stand, which witnesses cannot be had, and how long routes took that were proven since the last
// call. The slices belong to the Board from then on; of each session it wants MaxOpen open routes at most.
func (b *Board) Proven(sessions []Session, blind []Blindness, taken []time.Duration) {
	b.publish(time.Now(), func(next *State) {
		p := &next.Proof
		p.Sessions, p.Blind = list(sessions), list(blind)
		for _, d := range taken {
			p.Taken.observe(d)
		}
	})
}

// Wrong counts the routes that the neighbor is not told as intended.
func (s *Session) Wrong() int {
	return s.Proof.Routes(verify.Missing) + s.Proof.Routes(verify.Mismatch) + s.Proof.Routes(verify.Unexpected)
}

// uncompared says why what it was sent could not be compared.
func (s *Session) uncompared() string {
	switch {
	case s.AdminDown:
		return "the neighbor is shut down in FRR"
	case s.State == "":
		return "FRR has no such neighbor, or does not answer"
	case s.State != "Established":
		return "the session is " + s.State
	case s.Proof.Learning():
		return "its first table is not through yet"
	default:
		return "no witness sees what it was sent"
	}
}

// unread is why a neighbor's TCP takes nothing.
const unread = "it has stopped reading, or the path drops packets"

// proven is the condition that every neighbor is told what it should be.
func proven(s *State) Condition {
	wrong, sessions := 0, s.Proof.Sessions
	var first, silent, blocked string
	for i := range sessions {
		session := &sessions[i]
		if n := session.Wrong(); n > 0 {
			if wrong += n; first == "" {
				first = session.firstWrong()
			}
		}
		if !session.Proof.Blocked.IsZero() && blocked == "" {
			blocked = session.Neighbor
		}
		if !session.Proof.Compared() && silent == "" {
			silent = session.Neighbor + ": " + session.uncompared()
		}
	}
	switch {
	case sessions == nil || s.Passes.Outcome == "":
		return Condition{Status: Unknown, Reason: "Starting", Message: "nothing has been compared yet"}
	case wrong > 0:
		return Condition{Status: False, Reason: "Drift", Message: fmt.Sprintf(
			"routes that neighbors are not told as intended: %d, the first: %s (fairlead verify)", wrong, first)}
	case blocked != "":
		return Condition{Status: False, Reason: "NotAcknowledged", Message: blocked + " takes nothing: " + unread + "; look whether it runs"}
	case silent != "":
		return Condition{Status: Unknown, Reason: "NotCompared", Message: silent}
	default:
		return Condition{Status: True, Reason: "Proven"}
	}
}

// firstWrong gives the first route that is not as intended.
func (s *Session) firstWrong() string {
	for _, v := range s.Proof.Open {
		if v.Kind.Wrong() {
			return s.Neighbor + ": " + oneLine(v.String())
		}
	}
	return s.Neighbor
}

// Neighbors answers how sessions stand.
type Neighbors struct {
	Sessions []Session `json:"sessions"`
}

// Print writes n as a page for people, with its ages as of now: a table, and of a single session all.
func (n *Neighbors) Print(out io.Writer, now time.Time) error {
	p := newPage(now)
	p.sessions("", n.Sessions)
	if len(n.Sessions) == 1 {
		p.session(&n.Sessions[0])
	}
	_, err := out.Write(p.end())
	return err
}

// sessions writes the table of the sessions, indented.
func (p *page) sessions(indent string, sessions []Session) {
	if len(sessions) == 0 {
		p.line("no neighbor: neighbors is empty, or no nodeSelector in it matches the labels of this node")
		return
	}
	p.line(indent + strings.Join(sessionColumns[:], "\t"))
	for i := range sessions {
		p.line("%s", indent+strings.Join(p.cells(&sessions[i]), "\t"))
	}
}

var sessionColumns = [...]string{
	"NEIGHBOR", "NAME", "ROUTER", "AS", "STATE", "FOR", "TOLD", "PROVEN", "PENDING", "DRIFT", "WITNESS", "LAST PROOF",
}

// cells gives a session's row in the table of sessionColumns.
func (p *page) cells(s *Session) []string {
	since, last := "", ""
	if !s.Established.IsZero() {
		since = p.ago(s.Established)
	}
	if !s.Proof.LastProof.IsZero() {
		last = p.ago(s.Proof.LastProof) + " ago"
	}
	state := cmp.Or(s.State, "unknown")
	if s.AdminDown {
		state = "shut down"
	}
	told, sure := 0, 0
	for _, c := range s.Proof.Counts {
		if c.Kind == verify.Announced || c.Kind == verify.PassedOn {
			told += c.Routes
			if c.Proof >= verify.Sent {
				sure += c.Routes
			}
		}
	}
	return []string{
		s.Neighbor, oneLine(s.Name), routerName(s.Router), s.RemoteAS.String(), state, since, strconv.Itoa(told), strconv.Itoa(sure),
		strconv.Itoa(s.Proof.Routes(verify.Pending)), strconv.Itoa(s.Wrong()), witnessesOf(s.Proof), last,
	}
}

// witnessesOf names the witnesses that see something now.
func witnessesOf(r verify.Report) string {
	var names []string
	for _, k := range r.Witnesses {
		if k.State == verify.Whole || k.State == verify.Learning {
			name := k.Witness.String()
			if k.State == verify.Learning {
				name += " (learning)"
			}
			names = append(names, name)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}

// session writes what there is to say of one.
func (p *page) session(s *Session) {
	p.section("connection\t%s to %s, hold time %s", endOf(s.Local), endOf(s.Remote), time.Duration(s.HoldTime*float64(time.Second)))
	p.line("resets\t%d%s", s.Resets, because(s.LastReset))
	for _, f := range s.Families {
		p.line("%s\treceived %d, sent %d by FRR's count", f.Family, f.Received, f.Sent)
	}
	r := s.Proof
	for _, k := range r.Witnesses {
		p.line("witness %s\t%s, heard %s ago", k.Witness, k.State, p.ago(k.At))
	}
	if !r.UnacknowledgedSince.IsZero() {
		p.line("unacknowledged\t%d changes, the oldest sent %s ago", r.Unacknowledged, p.ago(r.UnacknowledgedSince))
	}
	if !r.Blocked.IsZero() {
		p.line("blocked\tthe neighbor's TCP takes nothing for %s: %s", p.ago(r.Blocked), unread)
	}
	if len(r.Counts) > 0 {
		p.section("VERDICT\tWITNESS\tPROOF\tROUTES")
		for _, c := range r.Counts {
			p.line("%s\t%s\t%s\t%d", c.Kind, c.Witness, c.Proof, c.Routes)
		}
	}
	p.open(r.Open)
	p.limits(r.Limits)
}

func endOf(a netip.AddrPort) string {
	if !a.IsValid() {
		return "nothing"
	}
	return a.String()
}

// open writes the routes that are not as intended, or not yet.
func (p *page) open(open []verify.Verdict) {
	if len(open) == 0 {
		return
	}
	p.section("PREFIX\tVERDICT\tWITNESS\tFOR\tWHY")
	for i, v := range open {
		if i == maxRows {
			p.line("... and %d more: -o json has all", len(open)-maxRows)
			return
		}
		var why []string
		if v.Cause != verify.UnknownCause {
			why = append(why, v.Cause.String())
		}
		for _, d := range v.Differences {
			why = append(why, d.String())
		}
		p.line("%s\t%s\t%s\t%s\t%s", v.Prefix, v.Kind, v.Witness, p.ago(v.Since), oneLine(strings.Join(why, "; ")))
	}
}

// limits writes what the witnesses leave open.
func (p *page) limits(limits []string) {
	if len(limits) == 0 {
		return
	}
	p.section("what these witnesses leave open:")
	for _, l := range limits {
		p.line("  %s", l)
	}
}

// AdjRIBOut answers what one session was sent.
type AdjRIBOut struct {
	Session verify.Session   `json:"session"`
	Routes  []verify.Verdict `json:"routes"`
	// Limits says what the witnesses leave open.
	Limits []string `json:"limits"`
}

// Print writes a as a table for people.
func (a *AdjRIBOut) Print(out io.Writer, now time.Time) error {
	p := newPage(now)
	p.line(strings.Join(verdictColumns[:], "\t"))
	for i := range a.Routes {
		p.line("%s", strings.Join(p.verdict(&a.Routes[i]), "\t"))
	}
	p.limits(a.Limits)
	_, err := out.Write(p.end())
	return err
}

var verdictColumns = [...]string{
	"PREFIX", "VERDICT", "PROOF", "WITNESS", "FOR", "NEXT HOP", "AS PATH", "MED", "LOCAL PREFERENCE", "COMMUNITIES",
}

// verdict gives a route's row in the table of verdictColumns: without attributes where it was not told.
func (p *page) verdict(v *verify.Verdict) []string {
	cells := []string{v.Prefix.String(), v.Kind.String(), v.Proof.String(), v.Witness.String(), p.ago(v.Since)}
	told := v.Got
	if told == nil {
		return cells
	}
	seen := func(f verify.Field) string {
		if told.Unseen.Has(f) {
			return "?"
		}
		return told.Text(f)
	}
	communities := seen(verify.Communities)
	if large := seen(verify.LargeCommunities); large != "none" && large != communities {
		communities = strings.TrimPrefix(communities+" "+large, "none ")
	}
	return append(cells, seen(verify.NextHop), seen(verify.ASPath), seen(verify.MED), seen(verify.LocalPreference), communities)
}

// Verification answers whether each neighbor is told what it should be.
type Verification struct {
	// Agrees says that all sessions do, as verify.Report.Agrees says it.
	Agrees   bool        `json:"agrees"`
	Sessions []Session   `json:"sessions"`
	Blind    []Blindness `json:"blind"`
}

// NewVerification judges sessions.
func NewVerification(sessions []Session, blind []Blindness) *Verification {
	v := &Verification{Agrees: true, Sessions: list(sessions), Blind: list(blind)}
	for i := range sessions {
		v.Agrees = v.Agrees && sessions[i].Proof.Agrees()
	}
	return v
}

// Fault implements Faulty.
func (v *Verification) Fault() string {
	if v.Agrees {
		return ""
	}
	wrong, pending := 0, 0
	var silent, blocked []string
	for i := range v.Sessions {
		s := &v.Sessions[i]
		wrong += s.Wrong()
		pending += s.Proof.Routes(verify.Pending)
		if !s.Proof.Compared() {
			silent = append(silent, s.Neighbor)
		}
		if !s.Proof.Blocked.IsZero() {
			blocked = append(blocked, s.Neighbor)
		}
	}
	text := fmt.Sprintf("routes that neighbors are not told as intended: %d, on their way: %d", wrong, pending)
	if silent != nil {
		text += ", sessions that could not be compared: " + strings.Join(silent, ", ")
	}
	if blocked != nil {
		text += ", neighbors that take nothing: " + strings.Join(blocked, ", ")
	}
	return text
}

// Print writes v as a page for people: each session, and each difference.
func (v *Verification) Print(out io.Writer, now time.Time) error {
	p := newPage(now)
	p.sessions("", v.Sessions)
	limits := []string{}
	for i := range v.Sessions {
		s := &v.Sessions[i]
		switch {
		case !s.Proof.Compared():
			p.section("%s: not compared: %s", s.Neighbor, s.uncompared())
		case len(s.Proof.Open) > 0:
			p.section("%s:", s.Neighbor)
		}
		for _, d := range s.Proof.Open {
			p.line("  %s", oneLine(d.String()))
		}
		if !s.Proof.Blocked.IsZero() {
			p.line("%s: its TCP takes nothing for %s: %s", s.Neighbor, p.ago(s.Proof.Blocked), unread)
		}
		for _, l := range s.Proof.Limits {
			if !slices.Contains(limits, l) {
				limits = append(limits, l)
			}
		}
	}
	p.blind(v.Blind)
	p.limits(limits)
	_, err := out.Write(p.end())
	return err
}

// blind says which witnesses cannot be had.
func (p *page) blind(blind []Blindness) {
	if len(blind) == 0 {
		return
	}
	p.section("witnesses that are missing:")
	for _, b := range blind {
		p.line("  %s: %s", b.Witness, oneLine(b.Reason))
	}
}
