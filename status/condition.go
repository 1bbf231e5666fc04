package status

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Condition is one thing that should be so, told as Kubernetes tells conditions.
type Condition struct {
	Type   ConditionType `json:"type"`
	Status Truth         `json:"status"`
	// Reason is one word for programs.
	Reason string `json:"reason"`
	// Message is for people; "" where there is nothing to say.
	Message string `json:"message"`
	// Since is when Status last changed.
	Since time.Time `json:"since"`
}

// ConditionType names a Condition. Each is written so that True is well.
type ConditionType string

// The conditions, in the order in which a State has them.
const (
	// Ready means that this node announces what it should, as far as is known: SourcesSynced and Applied are True.
	Ready ConditionType = "Ready"
	// SourcesSynced means that every source was read whole once.
	SourcesSynced ConditionType = "SourcesSynced"
	// SourcesHealthy means that no source has a problem now. Where it is not so, what was last known of it stays announced.
	SourcesHealthy ConditionType = "SourcesHealthy"
	// ConfigurationCurrent means that the latest version of the operator's files is in force, and not an earlier one.
	ConfigurationCurrent ConditionType = "ConfigurationCurrent"
	// Applied means that FRR held what it should when the last pass ended.
	Applied ConditionType = "Applied"
	// Untouched means that the last audit found FRR as Fairlead had left it.
	Untouched ConditionType = "Untouched"
	// Proven means that every neighbor is told what it should be, as far as the witnesses see.
	Proven ConditionType = "Proven"
)

var conditionTypes = [...]ConditionType{Ready, SourcesSynced, SourcesHealthy, ConfigurationCurrent, Applied, Untouched, Proven}

// Truth is the status of a Condition, in Kubernetes' words.
type Truth string

// The values of Truth. Unknown is what nobody could find out yet, right after the start.
const (
	True    Truth = "True"
	False   Truth = "False"
	Unknown Truth = "Unknown"
)

// Condition gives the condition of that type; its Status is Unknown where there is none.
func (s *State) Condition(t ConditionType) Condition {
	for _, c := range s.Conditions {
		if c.Type == t {
			return c
		}
	}
	return Condition{Type: t, Status: Unknown}
}

// conditionsOf gives the conditions of s at now. Since is taken over from last where the status is the same, and last itself
// is given where nothing changed at all.
func conditionsOf(s *State, last []Condition, now time.Time) []Condition {
	var next [len(conditionTypes)]Condition
	next[1], next[2], next[3], next[4], next[5], next[6] = synced(s), healthy(s), current(s), applied(s), untouched(s), proven(s)
	next[0] = ready(next[1], next[4])
	for i := range next {
		next[i].Type, next[i].Since = conditionTypes[i], now
		if i < len(last) && last[i].Status == next[i].Status {
			next[i].Since = last[i].Since
		}
	}
	if slices.Equal(next[:], last) {
		return last
	}
	return slices.Clone(next[:])
}

func ready(needed ...Condition) Condition {
	for _, c := range needed {
		if c.Status != True {
			return Condition{Status: False, Reason: c.Reason, Message: c.Message}
		}
	}
	return Condition{Status: True, Reason: "Ready"}
}

func synced(s *State) Condition {
	if len(s.Sources) == 0 {
		return Condition{Status: False, Reason: "Starting", Message: "no source has been opened yet"}
	}
	var missing []string
	for _, source := range s.Sources {
		if !source.Synced {
			missing = append(missing, source.Name+": "+unsynced(source))
		}
	}
	if missing != nil {
		return Condition{Status: False, Reason: "SourcesNotSynced", Message: strings.Join(missing, "; ")}
	}
	return Condition{Status: True, Reason: "Synced"}
}

// unsynced says why a source is not.
func unsynced(s Source) string { return "not read yet" + because(s.Problem) }

func healthy(s *State) Condition {
	var problems []string
	for _, source := range s.Sources {
		if source.Problem != "" {
			problems = append(problems, source.Name+": "+oneLine(source.Problem))
		}
	}
	if problems != nil {
		return Condition{Status: False, Reason: "SourceProblem", Message: strings.Join(problems, "; ")}
	}
	return Condition{Status: True, Reason: "Healthy"}
}

func current(s *State) Condition {
	switch c := s.Configuration; {
	case c.Broken != "":
		return Condition{Status: False, Reason: "ConfigurationBroken", Message: "keeping the last good one" + because(c.Broken)}
	case c.File == "":
		return Condition{Status: Unknown, Reason: "Starting", Message: "no configuration has been taken yet"}
	default:
		return Condition{Status: True, Reason: "Current"}
	}
}

func applied(s *State) Condition {
	switch s.Passes.Outcome {
	case Changed, Unchanged:
		return Condition{Status: True, Reason: "Applied"}
	case Waiting:
		if s.Passes.Wait == ForSources {
			return Condition{Status: False, Reason: "WaitingForSources", Message: "waiting for the cluster's objects"}
		}
		return Condition{Status: False, Reason: "WaitingForFRR", Message: "FRR's daemons are starting"}
	case Failed:
		return Condition{Status: False, Reason: "PassFailed", Message: oneLine(s.Passes.Error)}
	default:
		return Condition{Status: Unknown, Reason: "Starting", Message: "no pass has been made yet"}
	}
}

// because gives ": " and the text, or nothing where there is none.
func because(text string) string {
	if text == "" {
		return ""
	}
	return ": " + oneLine(text)
}

// oneLine joins the lines of a text, and takes out what a terminal would obey: part of it comes from other programs and from
// files.
func oneLine(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.ReplaceAll(line, "\t", " "))
		if strings.ContainsFunc(line, unprintable) {
			line = strconv.Quote(line)
		}
		switch before := out.String(); {
		case line == "":
			continue
		case strings.HasSuffix(before, ":"):
			out.WriteString(" ")
		case before != "":
			out.WriteString("; ")
		}
		out.WriteString(line)
	}
	return out.String()
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
