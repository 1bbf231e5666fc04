package frr

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sirupsen/logrus"
)

// Daemons runs FRR as children of this process, for a container that holds both. Nothing else may then start FRR there.
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
	// More are daemons beside mgmtd, zebra and bgpd, such as bfdd.
	More []string
	// BGPArgs are further arguments of bgpd: {"-p", "0"} for no listening port, {"-M", "bmp"} for that module. With
	// {"-f", "/etc/frr/frr.conf"} it begins with the whole configuration, as a graceful restart needs (RFC 4724), and
	// passes over the lines that are other daemons'.
	BGPArgs []string
	// Log gets what the daemons write, line by line, and their coming and going; nil means that nobody does.
	Log logrus.FieldLogger
}

// Run starts the daemons one after the other: mgmtd where this FRR has it, zebra, More, and bgpd last. One that ends is
// started again, after a pause that grows from 250 ms to 10 s and is forgotten after a minute of life. Daemons that a
// killed predecessor left running are ended first.
//
// Run calls ready, from its own goroutine, each time all daemons answer again: a restarted daemon knows nothing, so the
// whole configuration must be given to it then. While ready runs, no daemon is started or stopped.
//
// When ctx ends, Run ends the daemons, bgpd first, each with SIGTERM and after 5 s with SIGKILL, and returns nil. It returns
// an error only where it could not begin: a program or a folder is missing, or a predecessor's daemon does not end.
func (d Daemons) Run(ctx context.Context, ready func()) error {
	if d.Log == nil {
		silent := logrus.New()
		silent.SetOutput(io.Discard)
		d.Log = silent
	}
	names, err := d.names()
	if err != nil {
		return fmt.Errorf("start FRR: %w", err)
	}
	if err := d.makeFolders(); err != nil {
		return fmt.Errorf("start FRR: %w", err)
	}
	for _, name := range slices.Backward(names) {
		if err := d.endPredecessor(ctx, name); err != nil {
			return fmt.Errorf("start FRR: %w", err)
		}
	}

	events := make(chan event)
	var children []*child
	defer func() {
		for _, c := range slices.Backward(children) {
			c.stop(events)
		}
	}()
	start := func() {
		name := names[len(children)]
		children = append(children, startChild(childSpec{
			name: name, command: d.command(name), dir: d.runDir(), log: d.Log.WithField("daemon", name),
		}, events))
	}
	start()
	up := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-events:
			up[e.daemon] = e.up
			if !e.up {
				continue
			}
			// The first one to answer lets the next one start; a restarted one finds them all started.
			if len(children) < len(names) {
				if e.daemon == names[len(children)-1] {
					start()
				}
				continue
			}
			if !slices.ContainsFunc(names, func(name string) bool { return !up[name] }) {
				ready()
			}
		}
	}
}

// names lists the daemons in the order of their start.
func (d Daemons) names() ([]string, error) {
	names := append(append([]string{"zebra"}, d.More...), "bgpd")
	for _, name := range names {
		if _, err := os.Stat(d.program(name)); err != nil {
			return nil, fmt.Errorf("find %s: %w", name, err)
		}
	}
	// FRR before 9 has no mgmtd; later zebra gets its configuration from it.
	if _, err := os.Stat(d.program("mgmtd")); err == nil {
		names = append([]string{"mgmtd"}, names...)
	}
	return names, nil
}

func (d Daemons) dir() string { return cmp.Or(d.Dir, "/usr/lib/frr") }

func (d Daemons) program(name string) string { return filepath.Join("/", d.Root, d.dir(), name) }

func (d Daemons) runDir() string {
	return filepath.Join("/", d.Root, cmp.Or(d.RunDir, defaultRunDir), d.Pathspace)
}

// command is what starts a daemon in the foreground. It answers on its socket alone: -P 0 opens no TCP port for vtys.
func (d Daemons) command(name string) []string {
	command := append(slices.Clone(d.Command), filepath.Join(d.dir(), name), "-A", "127.0.0.1", "-P", "0")
	if d.Pathspace != "" {
		command = append(command, "-N", d.Pathspace)
	}
	if name == "bgpd" {
		command = append(command, d.BGPArgs...)
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
