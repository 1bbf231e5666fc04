package status

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// check is one line of a health page.
type check struct {
	name string
	// failed says that the page is not well because of it.
	failed bool
	// text says what is wrong, also where that is not enough to fail; "" means nothing.
	text string
}

// String gives the line as Kubernetes' own components write it: "[+]apply ok", "[+]configuration ok, but ...",
// "[-]apply failed: ...".
func (c check) String() string {
	switch {
	case c.failed:
		return "[-]" + c.name + " failed: " + c.text
	case c.text != "":
		return "[+]" + c.name + " ok, but " + c.text
	default:
		return "[+]" + c.name + " ok"
	}
}

// liveness says whether the loop moves. What is wrong with the cluster, the configuration or FRR does not count: to start the
// agent anew would not mend it.
func liveness(s *State, now time.Time) []check {
	return []check{{name: "loop", failed: s.stuck(now), text: s.stuckText(now)}}
}

func (s *State) stuck(now time.Time) bool { return now.Sub(s.Loop.Moved).Seconds() > s.Loop.Bound }

func (s *State) stuckText(now time.Time) string {
	if !s.stuck(now) {
		return ""
	}
	return fmt.Sprintf("it has been %s for %s, and may be for %s", s.Loop, now.Sub(s.Loop.Moved).Round(time.Second),
		time.Duration(s.Loop.Bound*float64(time.Second)))
}

// String says what the loop does: "waiting", "in a pass", "in the stage apply of a pass".
func (l Loop) String() string {
	switch {
	case !l.Busy:
		return "waiting"
	case l.Stage == "":
		return "in a pass"
	default:
		return "in the stage " + string(l.Stage) + " of a pass"
	}
}

// readiness says whether this node announces what it should. It fails where Ready is not True. A source that has a problem
// only now, a configuration that is broken, an FRR that somebody changed by hand, and neighbors that are told otherwise than intended
// or of which nobody can say what they are told, are told and do not fail: what was last known is announced, and an agent that went
// unready for it would stop a rollout on every node at once.
func readiness(s *State, _ time.Time) []check {
	var checks []check
	for _, source := range s.Sources {
		c := check{name: "sources/" + source.Name, failed: !source.Synced, text: oneLine(source.Problem)}
		if c.failed {
			c.text = unsynced(source)
		} else if c.text != "" {
			c.text += since(source.Since)
		}
		checks = append(checks, c)
	}
	if len(checks) == 0 {
		checks = append(checks, check{name: "sources", failed: true, text: s.Condition(SourcesSynced).Message})
	}
	configuration := check{name: "configuration", text: s.Condition(ConfigurationCurrent).Message}
	if s.Configuration.Broken != "" {
		configuration.text += since(s.Configuration.BrokenSince)
	}
	apply := check{name: "apply"}
	if c := s.Condition(Applied); c.Status != True {
		apply.failed, apply.text = true, c.Message+since(c.Since)
	}
	audit := check{name: "audit"}
	if c := s.Condition(Untouched); c.Status == False {
		audit.text = c.Message + since(c.Since)
	}
	proof := check{name: "proof"}
	if c := s.Condition(Proven); c.Status != True && c.Message != "" {
		proof.text = c.Message + since(c.Since)
	}
	return append(checks, configuration, apply, audit, proof)
}

// since gives " (since 2006-01-02T15:04:05Z)".
func since(t time.Time) string { return " (since " + t.UTC().Format(time.RFC3339) + ")" }

// health answers with 200 where no check fails and with 503 where one does. It lists the checks where one fails, and with
// ?verbose always.
func health(name string, b *Board, checks func(*State, time.Time) []check) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var page strings.Builder
		failed := false
		for _, c := range checks(b.State(), time.Now()) {
			failed = failed || c.failed
			fmt.Fprintln(&page, c)
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		switch {
		case failed:
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintf(&page, "%s check failed\n", name)
		case r.URL.Query().Has("verbose"):
			fmt.Fprintf(&page, "%s check passed\n", name)
		default:
			page.Reset()
			page.WriteString("ok\n")
		}
		_, _ = w.Write([]byte(page.String()))
	}
}
