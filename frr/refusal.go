package frr

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// ApplyError lists what FRR refused of a script; all other lines were applied.
type ApplyError struct {
	// Refusals are sorted by line; there is at least one.
	Refusals []Refusal
}

// Refusal is one line that FRR refused. No password is in it.
type Refusal struct {
	// Line is its number in the script, from 1.
	Line int
	// Statement is the line without the spaces around it; a password in it is masked.
	Statement string
	// Message is why, in FRR's own words where it was asked.
	Message string
}

// Error implements error. It tells all refusals, a line each where there are several.
func (e *ApplyError) Error() string {
	lines := make([]string, len(e.Refusals))
	for i, r := range e.Refusals {
		lines[i] = r.String()
	}
	if len(lines) == 1 {
		return "FRR refused " + lines[0]
	}
	return fmt.Sprintf("FRR refused %d lines:\n\t%s", len(lines), strings.Join(lines, "\n\t"))
}

// String gives "line 7: neighbor 192.0.2.1 passive: % Specify remote-as or peer-group commands first".
func (r Refusal) String() string {
	return fmt.Sprintf("line %d: %s: %s", r.Line, r.Statement, r.Message)
}

// passwords are the words after which the rest of a line is a secret, in the forms that FRR accepts and in its answers.
var passwords = regexp.MustCompile(`(?im)\b(passw[a-z]*)[ \t]+[^ \t\r\n].*$`)

// Mask returns text with the rest of each line behind the word "password" replaced by "***", also where that word is
// abbreviated or misspelled after its first five letters.
func Mask(text string) string { return passwords.ReplaceAllString(text, "$1 ***") }

var (
	aboutLine = regexp.MustCompile(`^line (\d+): (.*)$`)
	// byDaemon is how vtysh words a refusal that came from a daemon, which has printed its reason before.
	byDaemon = regexp.MustCompile(`^Failure to communicate\[\d+\] to ([^,]*), line:`)
	// byVtysh is how it words its own: "% Unknown command[28]:  neighbour 192.0.2.1 passive".
	byVtysh = regexp.MustCompile(`^(% [^\[]+)\[\d+\]:`)
	// warned is what 10.x says when it reads no further, and 8.4 for a statement that had no effect.
	warned = regexp.MustCompile(`^Warning\[\d+\]\.\.\.: (.*)$`)
)

// ParseRefusals finds in the output of "vtysh -f", both streams in the order they were written, which lines of script
// were refused. 10.x repeats a line that no daemon knows once for each of them: it is told once, and so is a line that
// several daemons refuse in the same words. Output that is about no line is left out.
func ParseRefusals(script, output []byte) []Refusal {
	statements := bytes.Split(script, []byte("\n"))
	var refusals []Refusal
	var said []string
	seen := map[Refusal]bool{}
	for raw := range strings.Lines(string(output)) {
		line := strings.TrimSpace(raw)
		match := aboutLine.FindStringSubmatch(line)
		if match == nil {
			if line != "" && !isChatter(line) {
				said = append(said, line)
			}
			continue
		}
		number, err := strconv.Atoi(match[1])
		if err != nil {
			continue
		}
		r := Refusal{Line: number}
		if number >= 1 && number <= len(statements) {
			r.Statement = Mask(string(bytes.TrimSpace(statements[number-1])))
		}
		if daemon := byDaemon.FindStringSubmatch(match[2]); daemon == nil {
			r.Message = wording(match[2])
		} else if len(said) > 0 {
			r.Message, said = strings.Join(said, "; "), nil
		} else {
			r.Message = daemon[1] + " gave no reason"
		}
		r.Message = Mask(r.Message)
		if !seen[r] {
			seen[r] = true
			refusals = append(refusals, r)
		}
	}
	slices.SortStableFunc(refusals, func(a, b Refusal) int { return a.Line - b.Line })
	return refusals
}

// wording is vtysh's own reason, without the line that it repeats behind it.
func wording(reason string) string {
	if match := byVtysh.FindStringSubmatch(reason); match != nil {
		return match[1]
	}
	if match := warned.FindStringSubmatch(reason); match != nil {
		return match[1]
	}
	return reason
}

// isChatter reports whether a line of vtysh's output is about no line of the script.
func isChatter(line string) bool {
	for _, start := range []string{
		"[",                            // [PID|DAEMON] sending configuration, done, or its file's failure
		"Waiting for children",         // 10.x, once it has forked
		"Configuration file[",          // the same failure, without a child
		"% Can't open configuration",   // vtysh.conf is missing, which is no harm
		"% Configuration applied with", // 10.7, on the next
		"No changes found to be",       // mgmtd, when a script changes nothing of its own
		"MGMTD: No changes found",      // the same in 10.3
		"% [ZEBRA] Unknown command: XFRR_end_configuration", // 8.4, when a script ends outside of the configuration
	} {
		if strings.HasPrefix(line, start) {
			return true
		}
	}
	return false
}
