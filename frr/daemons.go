package frr

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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
	// BGPArgs are further arguments of bgpd, such as {"-M", "bmp"} for that module.
	BGPArgs []string
	// Alone runs bgpd without zebra and without a change of user, which is all that a container's default capabilities allow:
	// see Capable. What Needs more then is an error.
	Alone bool
	// Log gets what the daemons write, line by line, and their coming and going; nil means that nobody does.
	Log logrus.FieldLogger
}

// plan is one daemon as it should run: its name and the arguments that follow from the needs.
type plan struct {
	name string
	args []string
}

func (p plan) equal(other plan) bool { return p.name == other.name && slices.Equal(p.args, other.args) }

// plans lists the daemons that n needs, in the order of their start.
func (d Daemons) plans(n Needs) []plan {
	var plans []plan
	add := func(name string, args ...string) { plans = append(plans, plan{name, args}) }
	if !d.Alone {
		// FRR before 9 has no mgmtd; later zebra gets its configuration from it.
		if _, err := os.Stat(d.program("mgmtd")); err == nil {
			add("mgmtd")
		}
		add("zebra")
	}
	if n.BFD {
		add("bfdd")
	}
	args := slices.Clone(d.BGPArgs)
	if d.Alone {
		args = append(args, "-S", "-Z")
	}
	if !n.Listen {
		args = append(args, "-p", "0")
	}
	add("bgpd", args...)
	return plans
}

func (d Daemons) dir() string { return cmp.Or(d.Dir, "/usr/lib/frr") }

func (d Daemons) program(name string) string { return filepath.Join("/", d.Root, d.dir(), name) }

func (d Daemons) runDir() string {
	return filepath.Join("/", d.Root, cmp.Or(d.RunDir, defaultRunDir), d.Pathspace)
}

// command is what starts a daemon in the foreground. It answers on its socket alone: -P 0 opens no TCP port for vtys.
func (d Daemons) command(p plan) []string {
	command := append(slices.Clone(d.Command), filepath.Join(d.dir(), p.name), "-A", "127.0.0.1", "-P", "0")
	if d.Pathspace != "" {
		command = append(command, "-N", d.Pathspace)
	}
	command = append(command, p.args...)
	if p.name != "bgpd" || d.Config == "" {
		return command
	}
	if _, err := os.Stat(filepath.Join("/", d.Root, d.Config)); err == nil {
		command = append(command, "-f", d.Config)
	}
	return command
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
