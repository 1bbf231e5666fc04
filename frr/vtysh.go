// Package frr is the edge to FRR: it runs vtysh, reads what FRR says into typed values, writes frr.conf, and supervises
// the daemons where nobody else does.
package frr

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	defaultTimeout = time.Minute
	defaultRunDir  = "/var/run/frr"
	defaultEtcDir  = "/etc/frr"
	// dialTimeout bounds a look at a daemon's socket, which the kernel answers.
	dialTimeout = time.Second
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
	// Timeout bounds each run; 0 means a minute. What runs longer is killed.
	Timeout time.Duration
}

// ErrNoVtysh is wrapped by the error of any call that finds no vtysh to run.
var ErrNoVtysh = errors.New("vtysh was not found: install FRR, or name the command that runs it")

// NotRunningError says that a daemon does not answer on its socket.
type NotRunningError struct {
	// Daemon is its name; "" means that not one runs.
	Daemon string
	// Err is what the look at its socket gave; nil where vtysh said so.
	Err error
}

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
	var stdout, stderr bytes.Buffer
	if err := v.run(ctx, &stdout, &stderr, "-c", command); err != nil {
		return nil, fmt.Errorf("run vtysh %q: %w", Mask(command), explain(err, stdout.String()+stderr.String()))
	}
	return stdout.Bytes(), nil
}

// RunningConfig is FRR's running configuration, passwords included, without the words around it. It is an error when one
// of v.Daemons is not running, since its part would be missing.
func (v Vtysh) RunningConfig(ctx context.Context) ([]byte, error) {
	if _, err := v.running(ctx); err != nil {
		return nil, fmt.Errorf("read running configuration: %w", err)
	}
	out, err := v.Show(ctx, "show running-config")
	if err != nil {
		return nil, fmt.Errorf("read running configuration: %w", err)
	}
	config, err := ParseRunningConfig(out)
	if err != nil {
		return nil, fmt.Errorf("read running configuration: %w", err)
	}
	return config, nil
}

// Apply gives FRR all lines of script in one run of vtysh -f. Lines that FRR refuses are an *ApplyError; the others are
// applied nevertheless. Any other error, such as a *NotRunningError or a deadline, may leave the script applied in part.
//
// The script is never an argument, which every process could read. It cannot be vtysh's standard input either: 10.x forks
// for each daemon, and each child opens the file again. So it is a file of mode 0600 in RunDir for as long as vtysh runs.
func (v Vtysh) Apply(ctx context.Context, script []byte) error {
	sockets, err := v.running(ctx)
	if err != nil {
		return fmt.Errorf("apply configuration: %w", err)
	}
	path, err := v.writeScript(script)
	if err != nil {
		return fmt.Errorf("apply configuration: %w", err)
	}
	// One buffer for both streams keeps their order: a daemon's words come right before the line they are about.
	var out bytes.Buffer
	err = v.run(ctx, &out, &out, "-f", v.inside(path))
	if removeErr := os.Remove(path); removeErr != nil {
		return fmt.Errorf("apply configuration: remove script: %w", removeErr)
	}
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.Exited() {
		// vtysh goes on without a daemon that ends meanwhile, or with the one started in its place, which knows nothing
		// of what came before. It exits with 0 either way.
		if err := v.unchanged(ctx, sockets); err != nil {
			return fmt.Errorf("apply configuration: %w", err)
		}
		if refusals := ParseRefusals(script, out.Bytes()); len(refusals) > 0 {
			return &ApplyError{Refusals: refusals}
		}
	}
	if err != nil {
		return fmt.Errorf("apply configuration: %w", explain(err, out.String()))
	}
	return nil
}

// dir is the folder of the sockets as this process sees it.
func (v Vtysh) dir() string {
	return filepath.Join("/", v.Root, cmp.Or(v.RunDir, defaultRunDir), v.Pathspace)
}

// inside is a path of this process as vtysh sees it.
func (v Vtysh) inside(path string) string {
	return filepath.Join("/", strings.TrimPrefix(path, filepath.Join("/", v.Root)))
}

func (v Vtysh) timeout() time.Duration { return cmp.Or(v.Timeout, defaultTimeout) }

// running returns the sockets of v.Daemons, or a *NotRunningError for the first of them that does not answer.
func (v Vtysh) running(ctx context.Context) (map[string]os.FileInfo, error) {
	daemons := v.Daemons
	if len(daemons) == 0 {
		daemons = []string{"bgpd"}
	}
	sockets := map[string]os.FileInfo{}
	for _, daemon := range daemons {
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
			return fmt.Errorf("%s was started again meanwhile", daemon)
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

func (v Vtysh) writeScript(script []byte) (string, error) {
	if err := v.sweep(); err != nil {
		return "", err
	}
	file, err := os.CreateTemp(v.dir(), scriptPattern)
	if err != nil {
		return "", fmt.Errorf("write script: %w", err)
	}
	_, err = file.Write(script)
	if err := errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write script: %w", err), os.Remove(file.Name()))
	}
	return file.Name(), nil
}

// sweep removes scripts that an agent killed in the middle left behind: no run of ours is as old as they are.
func (v Vtysh) sweep() error {
	paths, err := filepath.Glob(filepath.Join(v.dir(), scriptPattern))
	if err != nil {
		return fmt.Errorf("look for old scripts: %w", err)
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || time.Since(info.ModTime()) < 2*v.timeout() {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove old script: %w", err)
		}
	}
	return nil
}

// run runs vtysh with args until it ends or the deadline is over, when it is killed with the children it has forked.
func (v Vtysh) run(ctx context.Context, stdout, stderr *bytes.Buffer, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, v.timeout())
	defer cancel()
	command := slices.Clone(v.Command)
	if len(command) == 0 {
		command = []string{"vtysh"}
	}
	if v.Pathspace != "" {
		command = append(command, "-N", v.Pathspace)
	}
	command = append(command, args...)
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	err := cmd.Run()
	if cause := ctx.Err(); err != nil && cause != nil {
		return fmt.Errorf("vtysh gave no answer in time and was killed: %w", cause)
	}
	return err
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
	var exit *exec.ExitError
	// 127 is what chroot and a shell say for a command that is not there; ip netns exec only says it in words.
	missing := errors.As(err, &exit) && (exit.ExitCode() == 127 || strings.HasPrefix(output, "exec of "))
	if missing || errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w (%w)", ErrNoVtysh, err)
	}
	if output == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, Mask(output))
}
