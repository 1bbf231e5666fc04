package frr

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
)

// call is one run of vtysh, of one of the kinds that Fairlead has: questions, or a script of configuration. Neither can be anything
// else once check has passed it, so who may have calls run may not run what he likes.
type call struct {
	// Daemon is the one that is asked, or given its part of the script, alone (vtysh's -d); "" means all.
	Daemon string `json:"daemon,omitempty"`
	// Questions are commands that show something, or that have routes sent again, each a -c. Where there are none, Script is given.
	Questions []string `json:"questions,omitempty"`
	// Script is what -f gives. It may hold passwords, so it is never an argument.
	Script []byte `json:"script,omitempty"`
}

// isScript reports whether the call gives a script, which may be empty.
func (c call) isScript() bool { return len(c.Questions) == 0 }

// args are vtysh's arguments; path is where the script is.
func (c call) args(path string) []string {
	var args []string
	if c.Daemon != "" {
		args = append(args, "-d", c.Daemon)
	}
	if c.isScript() {
		return append(args, "-f", path)
	}
	for _, question := range c.Questions {
		args = append(args, "-c", question)
	}
	return args
}

// asks are the questions that Fairlead has: it shows what is BGP's and what daemons run with, and has a table sent again. The rest of a
// line is in printable ASCII, without the sign that has vtysh do something with the answer.
var asks = regexp.MustCompile(`^(show (bgp|modules|running-config)|clear bgp [!-{}~ ]+ soft out)( [!-{}~ ]*)?$`)

// acts are the commands of vtysh itself, which concern the machine that it runs on and no daemon: they run programs and write files, as
// root. vtysh takes the first letters of each for the whole. As configuration they mean nothing; but FRR 8.4 follows them out of a
// script that leaves the configuration, by one "exit" too many.
var acts = []string{
	"add", "clear", "configure", "copy", "disable", "do", "enable", "find", "generate", "graceful-restart", "list", "mtrace", "output", "ping",
	"show", "ssh", "start-shell", "telnet", "terminal", "test", "traceroute", "write",
}

// maxLineOfScript is what vtysh 8.4 reads at once: it takes the rest of a longer one for the next line.
const maxLineOfScript = 4000

var (
	errNoDaemon  = errors.New("there is no such daemon")
	errQuestion  = errors.New("it shows nothing of BGP's, of modules or of the running configuration, and has no routes sent again")
	errTooMuch   = errors.New("it asks and gives a script")
	errLineForm  = fmt.Errorf("it holds a zero byte or is longer than %d", maxLineOfScript)
	errNotConfig = errors.New("it is a command, and no configuration")
)

// check is an error where c is of none of the kinds that Fairlead has. It tells nothing of a script but the number of a line.
func (c call) check() error {
	if c.Daemon != "" && !slices.Contains(daemonsOfOurs(), c.Daemon) {
		return fmt.Errorf("daemon %q: %w", c.Daemon, errNoDaemon)
	}
	if !c.isScript() && len(c.Script) > 0 {
		return errTooMuch
	}
	for _, question := range c.Questions {
		if !asks.MatchString(question) {
			return fmt.Errorf("command %q: %w", Mask(question), errQuestion)
		}
	}
	number := 0
	for line := range bytes.Lines(c.Script) {
		number++
		if err := checkLine(line); err != nil {
			return fmt.Errorf("line %d of the script: %w", number, err)
		}
	}
	return nil
}

// checkLine is an error where a line of a script is no configuration.
func checkLine(line []byte) error {
	if len(line) > maxLineOfScript || bytes.IndexByte(line, 0) >= 0 {
		return errLineForm
	}
	words := bytes.Fields(line)
	if len(words) > 0 && slices.ContainsFunc(acts, func(act string) bool { return bytes.HasPrefix([]byte(act), words[0]) }) {
		return errNotConfig
	}
	return nil
}

// checked gives a script without the lines that check refuses, with nothing in their place, and these as FRR's refusals: one line that
// a template writes is not to keep all others from FRR.
func checked(script []byte) ([]byte, []Refusal) {
	rest, refusals := make([]byte, 0, len(script)), []Refusal(nil)
	number := 0
	for line := range bytes.Lines(script) {
		number++
		if err := checkLine(line); err != nil {
			refusals = append(refusals, Refusal{Line: number, Statement: Mask(string(bytes.TrimSpace(line))), Message: err.Error()})
			line = []byte("\n")
		}
		rest = append(rest, line...)
	}
	return rest, refusals
}
