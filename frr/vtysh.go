// Package frr is the edge to FRR: it runs vtysh, reads what FRR says into typed values, writes frr.conf, and supervises
// the daemons where nobody else does.
package frr

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	defaultTimeout = time.Minute
	defaultRunDir  = "/var/run/frr"
	defaultEtcDir  = "/etc/frr"
	// dialTimeout bounds a look at a daemon's socket, which the kernel answers.
	dialTimeout = time.Second
	// patience is how long a vtysh may take before it is asked, each busyInterval, whether a daemon keeps it waiting; where none
	// does idleLooks times in a row, it hangs. The patience and the timeout grow by perLine for each line of a script: FRR 8.4
	// takes 0.2 ms for a line on an idle machine, 10.3 takes 0.1 ms.
	patience     = 2 * time.Second
	perLine      = 2 * time.Millisecond
	busyInterval = time.Second
	idleLooks    = 3
	// killDelay is how long output is still awaited after a program has ended, or was killed. A loaded machine can be slow
	// to hand over what is in the pipe.
	killDelay = 5 * time.Second
	// scriptPattern names the files that hold a script while vtysh reads it.
	scriptPattern = "fairlead-*.vtysh"
)

// Vtysh runs FRR's shell. Its zero value is the vtysh of this machine with FRR's default folders. A Vtysh is not changed by
// its methods, which may be called concurrently; FRR then takes turns by line, not by script, so Apply should not be.
type Vtysh struct {
	// Command starts vtysh, without options: {"chroot", "/proc/42/root", "vtysh"}. Empty means {"vtysh"}.
	Command []string
	// Root is the root folder that Command changes to, as this process sees it; "" means none.
	Root string
	// RunDir is the folder of FRR's sockets, inside Root and without the pathspace; "" means /var/run/frr. Where Root is set,
	// name the folder itself: a link such as /var/run would lead out of Root. Scripts lie there while they are applied:
	// it is in memory on most machines, and vtysh sees it.
	RunDir string
	// Pathspace is the daemons' -N; "" means none.
	Pathspace string
	// Daemons are those that must run for the configuration to be whole; empty means bgpd. vtysh itself leaves out a
	// daemon that is not running, says nothing, and exits with 0.
	Daemons []string
	// Socket is that of a VtyshServer which runs vtysh in the place of this process, in FRR's own container; Command means nothing
	// then. RunDir is shared. "" means none.
	Socket string
	// Timeout bounds each run; 0 means a minute. What runs longer is killed. A long script gets 2 ms more for each line.
	// A vtysh that is not done after 4 s, and those 2 ms, is killed sooner where all daemons answer: it is vtysh that hangs.
	Timeout time.Duration
}

// ErrNoVtysh is wrapped by the error of any call that finds no vtysh to run.
var ErrNoVtysh = errors.New("vtysh was not found: install FRR, or name the command that runs it")

// ErrVtysh is wrapped by the error of any call whose vtysh failed without a word of FRR's: it hung although FRR answers, was
// killed, or ended with an error of its own. That says nothing about what it was given, part of which may be applied.
var ErrVtysh = errors.New("vtysh itself failed")

// errHangs is the cause of the end of a vtysh that hangs.
var errHangs = fmt.Errorf("%w: it gave no answer, while FRR does, and was killed: %w", ErrVtysh, context.DeadlineExceeded)

// NotRunningError says that a daemon does not answer on its socket.
type NotRunningError struct {
	// Daemon is its name; "" means that not one runs.
	Daemon string
	// Err is what the look at its socket gave; nil where vtysh said so.
	Err error
}

// RestartedError says that a daemon was started again while it was given a configuration: it may lack part of it.
type RestartedError struct {
	Daemon string
}

// Error implements error.
func (e *RestartedError) Error() string { return e.Daemon + " was started again meanwhile" }

// Error implements error.
func (e *NotRunningError) Error() string {
	text := cmp.Or(e.Daemon, "FRR") + " is not running"
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Unwrap returns Err.
func (e *NotRunningError) Unwrap() error { return e.Err }

// Show runs one command, such as "show bgp summary json", and returns what it prints. A daemon that is not running is a
// *NotRunningError; a deadline, ours or that of ctx, is context.DeadlineExceeded.
func (v Vtysh) Show(ctx context.Context, command string) ([]byte, error) {
	out, err := v.ask(ctx, call{Questions: []string{command}})
	if err != nil {
		return nil, fmt.Errorf("run vtysh %q: %w", Mask(command), err)
	}
	return out, nil
}

// RunningConfig is what v.Daemons, and bfdd where it runs, run with, one after the other, passwords included, without the words
// around it. It is an error when one of v.Daemons is not running, since its part would be missing.
//
// Each daemon is asked for itself, because vtysh mixes what all of them say: a route-map that bgpd has lost would still be
// there, since zebra (8.4) or mgmtd (10.x) has its name and number too.
func (v Vtysh) RunningConfig(ctx context.Context) ([]byte, error) {
	config, err := v.runningConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read running configuration: %w", err)
	}
	return config, nil
}

func (v Vtysh) runningConfig(ctx context.Context) ([]byte, error) {
	if _, err := v.running(ctx); err != nil {
		return nil, err
	}
	var all []byte
	daemons := v.daemons()
	if !slices.Contains(daemons, "bfdd") && v.Runs(ctx, "bfdd") {
		daemons = append(slices.Clone(daemons), "bfdd")
	}
	for _, daemon := range daemons {
		config, err := v.configOf(ctx, daemon)
		if err != nil {
			return nil, fmt.Errorf("ask %s: %w", daemon, err)
		}
		all = append(all, config...)
	}
	return all, nil
}

// configOf is what one daemon runs with.
func (v Vtysh) configOf(ctx context.Context, daemon string) ([]byte, error) {
	out, err := v.ask(ctx, call{Daemon: daemon, Questions: []string{"show running-config"}})
	if err != nil {
		return nil, err
	}
	return ParseRunningConfig(out)
}

// Apply gives FRR all lines of script in one run of vtysh -f. Lines that FRR refuses are an *ApplyError; the others are
// applied nevertheless. Any other error, such as a *NotRunningError or a deadline, may leave the script applied in part.
//
// The script is never an argument, which every process could read. It cannot be vtysh's standard input either: 10.x forks
// for each daemon, and each child opens the file again. So it is a file of mode 0600 in RunDir for as long as vtysh runs.
//
// A script that is about BGP instances alone is given to bgpd alone: vtysh has every daemon take its part in turn, and mgmtd
// of 10.x can be locked for minutes (FRR issue 18340).
func (v Vtysh) Apply(ctx context.Context, script []byte) error {
	if ForBGPAlone(script) {
		return v.apply(ctx, call{Daemon: "bgpd", Script: script})
	}
	return v.apply(ctx, call{Script: script})
}

// ApplyAlone is Apply for those daemons only that need what Fairlead writes: bgpd and, where it runs, bfdd. The others, who keep
// route-maps and lists of all for programs that they do not run, are passed by, and a daemon that keeps vtysh waiting with them.
func (v Vtysh) ApplyAlone(ctx context.Context, script []byte) error {
	err := v.apply(ctx, call{Daemon: "bgpd", Script: script})
	var refused *ApplyError
	if err != nil && !errors.As(err, &refused) || !v.Runs(ctx, "bfdd") {
		return err
	}
	other := v.apply(ctx, call{Daemon: "bfdd", Script: script})
	var more *ApplyError
	if refused != nil && errors.As(other, &more) {
		return &ApplyError{Refusals: append(slices.Clone(refused.Refusals), more.Refusals...)}
	}
	return cmp.Or(err, other)
}

// ForBGPAlone reports whether all of script stands in contexts of "router bgp", which only bgpd has.
func ForBGPAlone(script []byte) bool {
	for line := range bytes.Lines(script) {
		text := bytes.TrimRight(line, "\n")
		if len(text) > 0 && text[0] != ' ' && string(text) != "exit" && !bytes.HasPrefix(text, []byte("router bgp ")) && !bytes.HasPrefix(text, []byte("no router bgp ")) {
			return false
		}
	}
	return true
}

// apply gives a script to FRR.
func (v Vtysh) apply(ctx context.Context, c call) error {
	sockets, err := v.running(ctx)
	if err != nil {
		return fmt.Errorf("apply configuration: %w", err)
	}
	given, refusals := c, []Refusal(nil)
	if v.Socket != "" {
		given.Script, refusals = checked(c.Script)
	}
	out, err := v.run(ctx, given)
	var exit *exitError
	if err == nil || errors.As(err, &exit) && exit.code >= 0 {
		// vtysh goes on without a daemon that ends meanwhile, or with the one started in its place, which knows nothing
		// of what came before. It exits with 0 either way.
		if err := v.unchanged(ctx, sockets); err != nil {
			return fmt.Errorf("apply configuration: %w", err)
		}
		told := ParseRefusals(c.Script, out.stdout.Bytes())
		refusals = append(refusals, told...)
		slices.SortStableFunc(refusals, func(a, b Refusal) int { return a.Line - b.Line })
		// A vtysh that fails without a word about a line has applied nothing, or not all.
		if len(told) > 0 || err == nil && len(refusals) > 0 {
			return &ApplyError{Refusals: refusals}
		}
	}
	if err != nil {
		return fmt.Errorf("apply configuration: %w", explain(err, out.stdout.String()))
	}
	return nil
}

// Runs reports whether a daemon answers on its socket.
func (v Vtysh) Runs(ctx context.Context, daemon string) bool {
	return answers(ctx, v.dir(), daemon) == nil
}

// Started is when a daemon made its socket, or the zero Time where it has none.
func (v Vtysh) Started(daemon string) time.Time {
	info, err := os.Stat(socket(v.dir(), daemon))
	if err != nil {
		return time.Time{}
	}
	return info.ModTime()
}

// dir is the folder of the sockets as this process sees it.
func (v Vtysh) dir() string {
	return filepath.Join("/", v.Root, cmp.Or(v.RunDir, defaultRunDir), v.Pathspace)
}

// inside is a path of this process as vtysh sees it.
func (v Vtysh) inside(path string) string {
	return filepath.Join("/", strings.TrimPrefix(path, filepath.Join("/", v.Root)))
}

func (v Vtysh) daemons() []string {
	if len(v.Daemons) == 0 {
		return []string{"bgpd"}
	}
	return v.Daemons
}

func (v Vtysh) timeout() time.Duration { return cmp.Or(v.Timeout, defaultTimeout) }

// running returns the sockets of v.Daemons, or a *NotRunningError for the first of them that does not answer.
func (v Vtysh) running(ctx context.Context) (map[string]os.FileInfo, error) {
	sockets := map[string]os.FileInfo{}
	for _, daemon := range v.daemons() {
		info, err := os.Stat(socket(v.dir(), daemon))
		if err == nil {
			err = answers(ctx, v.dir(), daemon)
		}
		if err != nil {
			return nil, &NotRunningError{Daemon: daemon, Err: err}
		}
		sockets[daemon] = info
	}
	return sockets, nil
}

// unchanged is an error where a daemon has ended or was started again, which makes a new socket, since before was taken.
func (v Vtysh) unchanged(ctx context.Context, before map[string]os.FileInfo) error {
	after, err := v.running(ctx)
	if err != nil {
		return err
	}
	for daemon, info := range after {
		if !os.SameFile(info, before[daemon]) || !info.ModTime().Equal(before[daemon].ModTime()) {
			return &RestartedError{Daemon: daemon}
		}
	}
	return nil
}

func socket(dir, daemon string) string { return filepath.Join(dir, daemon+".vty") }

// answers looks whether a daemon listens on its socket in dir. The kernel answers for it, so a busy daemon does too.
func answers(ctx context.Context, dir, daemon string) error {
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "unix", socket(dir, daemon))
	if err != nil {
		return err
	}
	return conn.Close()
}

// explain gives the error of a run its meaning, from what vtysh has printed.
func explain(err error, output string) error {
	output = strings.TrimSpace(output)
	if daemon, rest, found := strings.Cut(output, " is not running"); found && rest == "" && !strings.ContainsAny(daemon, " \n") {
		return &NotRunningError{Daemon: daemon}
	}
	if strings.Contains(output, "failed to connect to any daemons") {
		return &NotRunningError{}
	}
	var exit *exitError
	// 127 is what chroot and a shell say for a command that is not there; ip netns exec only says it in words.
	missing := errors.As(err, &exit) && (exit.code == 127 || strings.HasPrefix(output, "exec of "))
	var start *fs.PathError
	missing = missing || errors.As(err, &start) && start.Op == "fork/exec" && errors.Is(start, fs.ErrNotExist)
	if missing || errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("%w (%w)", ErrNoVtysh, err)
	}
	if exit != nil {
		err = fmt.Errorf("%w: %w", ErrVtysh, err)
	}
	if output == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, Mask(output))
}
