package prove

import (
	"time"

	"github.com/fairlead/fairlead/verify"
)

// patience is how many times FRR may be asked in vain, at the pace at which it is asked, before what it has claimed counts no more.
const patience = 3

// silence is for how long FRR has not answered a question about a session, and why. The zero silence is that of an FRR that answers.
type silence struct {
	since  time.Time
	reason string
}

// heard takes the answer to the question: nil is one.
func (s *silence) heard(err error, at time.Time) {
	switch {
	case err == nil:
		*s = silence{}
		return
	case s.since.IsZero():
		s.since = at
	}
	s.reason = err.Error()
}

// unheard gives up the claims of an FRR that has not answered for long, and says why. That it starts, or that one question fails, is
// not worth a word.
func (p *Prover) unheard(now time.Time) {
	long := patience * max(p.options.Claims, askEvery)
	reason := ""
	p.mu.Lock()
	for _, s := range p.order {
		for _, silent := range []silence{s.unmet, s.unclaimed, s.unexplained} {
			if !silent.since.IsZero() && now.Sub(silent.since) >= long && reason == "" {
				reason = "FRR does not answer: " + silent.reason
			}
		}
		if old := s.unclaimed.since; !old.IsZero() && now.Sub(old) >= long && s.comparer.State(verify.Claim) == verify.Whole {
			s.comparer.Observe(verify.Observation{Session: s.key, Witness: verify.Claim, At: now, State: verify.Unknown, Snapshot: true})
			p.news = true
			p.look()
		}
	}
	p.mu.Unlock()
	p.blindness(verify.Claim, reason)
}
