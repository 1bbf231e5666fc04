package frr

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
)

// Daemons says where FRR is that runs as children of this process, in a container that holds both, and how it is started.
// Nothing else may then start FRR there.
type Daemons struct {
	// Dir is the folder of the daemons' programs, inside Root; "" means /usr/lib/frr.
	Dir string
	// Command is put before each program, for one that changes root or network namespace and then becomes it; nil is none.
	Command []string
	// Root is the root folder that Command changes to, as this process sees it; "" means none.
	Root string
	// RunDir and EtcDir are the folders of sockets and of configuration, inside Root and without the pathspace; "" means
	// /var/run/frr and /etc/frr. As in Vtysh, they must not lead out of Root by a link.
	RunDir, EtcDir string
	// Pathspace is given to all daemons with -N; "" means none.
	Pathspace string
	// Config is the frr.conf, inside Root, that bgpd begins with where it is there, as a graceful restart needs (RFC 4724):
	// it passes over the lines that are other daemons'. "" has bgpd begin with nothing.
	Config string
	// BGPArgs are further arguments of bgpd.
	BGPArgs []string
	// Modules are those that bgpd is started with, such as BMP. It runs without one that it cannot load, and Log says why.
	Modules []string
	// Static has staticd run too, where this FRR has it, for static routes of others.
	Static bool
	// Retain has zebra leave the kernel's routes as they are at its end, and at its start: those that nobody has wanted again within
	// 120 s go then, which is how long neighbors wait for us unless they are told another time.
	Retain bool
	// Shell gives each daemon but bgpd its part of Config when it answers; nil leaves that to an agent.
	Shell *Vtysh
	// Alone runs bgpd without zebra and without a change of user, which is all that a container's default capabilities allow:
	// see Capable. What Needs more then is an error.
	Alone bool
	// Patience is how long a daemon that a new configuration needs may take to answer before that configuration is given up,
	// and three times as long for bgpd to start again; 0 means 10 s.
	Patience time.Duration
	// Log gets what the daemons write, line by line, and their coming and going; nil means that nobody does.
	Log logrus.FieldLogger
}

const (
	// noPort has bgpd listen on no port.
	noPort = "-p0"
	// retainTime is FRR's default for the time that neighbors wait (RFC 4724), in seconds.
	retainTime = "120"
)

// plan is one daemon as it should run: its name and the arguments that follow from the needs.
type plan struct {
	name string
	args []string
}

func (p plan) equal(other plan) bool { return p.name == other.name && slices.Equal(p.args, other.args) }

// listens reports whether p is a bgpd that listens.
func (p plan) listens() bool { return p.name == "bgpd" && !slices.Contains(p.args, noPort) }

// retains is 1 for a zebra that leaves the kernel's routes at its end, else 0.
func (p plan) retains() int {
	if p.name == "zebra" && slices.Contains(p.args, "-r") {
		return 1
	}
	return 0
}

// serves reports whether a daemon that was started as p does what other is for.
func (p plan) serves(other plan) bool {
	return p.name == other.name && (p.listens() || !other.listens())
}

// vital reports whether bgpd cannot do without p.
func (p plan) vital() bool { return p.name != "bfdd" && p.name != "staticd" }

// plans lists the daemons that n needs, in the order of their start.
func (d Daemons) plans(n Needs) []plan {
	var plans []plan
	add := func(name string, args ...string) { plans = append(plans, plan{name, args}) }
	if !d.Alone {
		// FRR before 9 has no mgmtd; later zebra gets its configuration from it.
		if _, err := os.Stat(d.program("mgmtd")); err == nil {
			add("mgmtd")
		}
		var args []string
		if d.Retain {
			args = []string{"-r", "-K", retainTime}
		}
		add("zebra", args...)
	}
	if _, err := os.Stat(d.program("staticd")); d.Static && err == nil {
		add("staticd")
	}
	if n.BFD {
		add("bfdd")
	}
	args := slices.Clone(d.BGPArgs)
	if d.Alone {
		args = append(args, "-S", "-Z")
	}
	if !n.Listen {
		args = append(args, noPort)
	}
	add("bgpd", args...)
	return plans
}

func (d Daemons) dir() string { return cmp.Or(d.Dir, "/usr/lib/frr") }

func (d Daemons) program(name string) string { return filepath.Join("/", d.Root, d.dir(), name) }

func (d Daemons) runDir() string {
	return filepath.Join("/", d.Root, cmp.Or(d.RunDir, defaultRunDir), d.Pathspace)
}

// base begins the command that starts a daemon in the foreground. It answers on its socket alone: -P 0 opens no TCP port for vtys.
func (d Daemons) base(p plan) []string {
	command := append(slices.Clone(d.Command), filepath.Join(d.dir(), p.name), "-A", "127.0.0.1", "-P", "0")
	if d.Pathspace != "" {
		command = append(command, "-N", d.Pathspace)
	}
	return append(command, p.args...)
}

// command is what starts a daemon in the foreground now. Only where there is no frr.conf yet bgpd begins with nothing: neighbors that have
// kept its routes for a restart would drop them.
func (d Daemons) command(ctx context.Context, p plan) ([]string, error) {
	command := append(d.base(p), d.loaded(ctx, p)...)
	if p.name != "bgpd" || d.Config == "" {
		return command, nil
	}
	switch _, err := os.Stat(filepath.Join("/", d.Root, d.Config)); {
	case err == nil:
		command = append(command, "-f", d.Config)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("look for frr.conf: %w", err)
	}
	return command, nil
}

// give gives a daemon, but bgpd, which begins with it, its part of d.Config. bgpd alone can begin with all of it: another one would end
// its reading where a context ends that it does not know.
func (d Daemons) give(ctx context.Context, p plan) error {
	if d.Shell == nil || d.Config == "" || p.name == "bgpd" {
		return nil
	}
	conf, err := os.ReadFile(filepath.Join("/", d.Root, d.Config))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	shell := *d.Shell
	shell.Daemons = []string{p.name}
	return shell.apply(ctx, call{Daemon: p.name, Script: conf})
}

// makeFolders makes the folders that the daemons expect. The one for sockets must be theirs, since they change to the user
// frr before they make them; any other that is there already is left as it is.
func (d Daemons) makeFolders() error {
	uid, gid, err := frrUser(filepath.Join("/", d.Root, "etc/passwd"))
	if err != nil {
		return err
	}
	etc := filepath.Join("/", d.Root, cmp.Or(d.EtcDir, defaultEtcDir))
	folders := []string{etc, filepath.Join(etc, d.Pathspace), d.runDir()}
	if d.Pathspace != "" {
		folders = append(folders, filepath.Dir(d.runDir()))
	}
	slices.Sort(folders)
	for _, folder := range slices.Compact(folders) {
		err := os.Mkdir(folder, 0o755)
		made := err == nil
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make folder: %w", err)
		}
		if uid < 0 || !made && folder != d.runDir() {
			continue
		}
		if err := os.Chown(folder, uid, gid); err != nil {
			return fmt.Errorf("give folder to frr: %w", err)
		}
	}
	return nil
}

// frrUser reads the user and group number of frr from a passwd file; -1 where there is none.
func frrUser(passwd string) (uid, gid int, err error) {
	data, err := os.ReadFile(passwd)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, -1, nil
	}
	if err != nil {
		return -1, -1, fmt.Errorf("look for user frr: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := strings.Split(lines.Text(), ":")
		if fields[0] != "frr" || len(fields) < 4 {
			continue
		}
		uid, errUID := strconv.Atoi(fields[2])
		gid, errGID := strconv.Atoi(fields[3])
		if err := errors.Join(errUID, errGID); err != nil {
			return -1, -1, fmt.Errorf("read user frr: %w", err)
		}
		return uid, gid, nil
	}
	if err := lines.Err(); err != nil {
		return -1, -1, fmt.Errorf("read user frr: %w", err)
	}
	return -1, -1, nil
}
