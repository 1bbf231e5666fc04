package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// fault is one thing that breaks and is mended.
type fault struct {
	name string
	// begin breaks it, and gives what mends it. Routes change in between.
	begin func(w *world) (end func())
	// restarts says that bgpd goes, and with it the sessions.
	restarts bool
	// quiet says that no route changes meanwhile, so that nothing but FRR itself wakes the agent.
	quiet bool
	// delay is how much longer FRR itself takes to tell a neighbor its table.
	delay time.Duration
	// lies says that FRR seems to take what it does not hold: a configuration of which it does so is not tried again.
	lies bool
}

// delayTimer is how long FRR waits, by default, before it tells anything by a route-map that somebody has touched.
const delayTimer = 5 * time.Second

func faults() []fault {
	return []fault{
		{name: "agent killed while it applies", begin: killAgent},
		{name: "bgpd killed", begin: killBGPD, restarts: true},
		{name: "bgpd killed, without its file", begin: loseBGPD, restarts: true, quiet: true},
		{name: "all daemons killed, with an empty file", begin: loseAll, restarts: true},
		{name: "zebra or mgmtd killed", begin: killOther},
		{name: "old file read late", begin: readLate, restarts: true, delay: delayTimer},
		{name: "vtysh hangs", begin: hangVtysh},
		{name: "vtysh fails half-way", begin: failHalfWay},
		{name: "vtysh lies", begin: lieVtysh, lies: true},
		{name: "vtysh is gone", begin: loseVtysh},
		{name: "disk full under frr.conf", begin: func(w *world) func() { return w.fill(w.Near.EtcDir) }},
		{name: "disk full under the sockets", begin: func(w *world) func() { return w.fill(w.Near.RunDir) }},
		{name: "frr.conf unreadable", begin: unreadable},
	}
}

// killAgent kills the agent some time after it began to apply a thousand routes, and starts it again.
func killAgent(w *world) func() {
	return func() {
		wait := time.NewTimer(time.Duration(rand.IntN(400)) * time.Millisecond)
		defer wait.Stop()
		w.many()
		<-wait.C
		w.Agent.Kill()
		w.Start()
	}
}

// killBGPD has bgpd start again as FRR's own scripts do: with vtysh -b, which gives it the file.
func killBGPD(w *world) func() {
	w.Near.Process("bgpd").Kill()
	return func() {
		w.Near.StartDaemon("bgpd")
		w.boot()
	}
}

func loseBGPD(w *world) func() {
	w.Near.Process("bgpd").Kill()
	return func() { w.Near.StartDaemon("bgpd") }
}

func loseAll(w *world) func() {
	w.Near.Stop(syscall.SIGKILL)
	w.must(os.WriteFile(w.conf(), nil, 0o640))
	return func() {
		for _, daemon := range []string{"mgmtd", "zebra", "bgpd"} {
			if w.Version.Has(daemon) {
				w.Near.StartDaemon(daemon)
			}
		}
	}
}

// readLate has bgpd start, and an old half of its file be read when the agent has given it what it should hold.
func readLate(w *world) func() {
	conf, err := os.ReadFile(w.conf())
	w.must(err)
	w.Near.Process("bgpd").Kill()
	return func() {
		w.Near.StartDaemon("bgpd")
		w.poll(20*time.Second, "the agent has given bgpd what it should hold", w.running)
		lines := strings.SplitAfter(string(conf), "\n")
		half := strings.Join(lines[:len(lines)*2/3], "") + "exit\n"
		// It announces what is long gone.
		_, group, _ := strings.Cut(half, "  network 10.16.0.0/16 ")
		group, _, _ = strings.Cut(group, "\n")
		half = strings.Replace(half, "  network ", "  network 10.66.0.0/16 "+group+"\n  network ", 1)
		w.must(os.WriteFile(w.Path("old.conf"), []byte(half), 0o644))
		w.reads("-f", w.Inside("old.conf"))
	}
}

// halfWay has vtysh -f take half of its file and fail.
const halfWay = `if [ "$applies" ]; then
	file=$(eval echo \${$#})
	head -n $(($(wc -l <"$file") / 2)) "$file" >"$file.half"
	vtysh -N "$2" -f "$file.half"
	rm "$file.half"
	kill -9 $$
fi`

// hangVtysh has all of vtysh hang, or only where it applies.
func hangVtysh(w *world) func() {
	return w.vtysh([]string{"exec sleep 1000", `[ "$applies" ] && exec sleep 1000`}[rand.IntN(2)])
}

// lieVtysh has vtysh apply nothing and end well, until the agent has seen through it.
func lieVtysh(w *world) func() {
	mark := w.Mark()
	mend := w.vtysh(`[ "$applies" ] && exit 0`)
	return func() {
		w.Says(mark, "does not hold it")
		mend()
	}
}

func failHalfWay(w *world) func() {
	end := w.vtysh(halfWay)
	w.many()
	return end
}

func loseVtysh(w *world) func() {
	w.must(os.Rename(w.Path("vtysh"), w.Path("vtysh.gone")))
	return func() { w.must(os.Rename(w.Path("vtysh.gone"), w.Path("vtysh"))) }
}

// unreadable has a folder in the place of frr.conf: root reads any file.
func unreadable(w *world) func() {
	w.must(os.Rename(w.conf(), w.conf()+".old"))
	w.must(os.Mkdir(w.conf(), 0o755))
	return func() {
		w.must(os.Remove(w.conf()))
		w.must(os.Rename(w.conf()+".old", w.conf()))
	}
}

// killOther has a daemon end that passes on what is bgpd's, and start again as FRR's own scripts do.
func killOther(w *world) func() {
	daemon := "zebra"
	if w.Version.Has("mgmtd") && rand.IntN(2) == 0 {
		daemon = "mgmtd"
	}
	w.Near.Process(daemon).Kill()
	return func() {
		w.Near.StartDaemon(daemon)
		w.boot()
	}
}

// boot reads the file as FRR's own scripts do after a start.
func (w *world) boot() { w.reads("-b") }

// reads has vtysh read a file, whatever it says of its lines: 8.4 refuses one for graceful restart that stands already.
func (w *world) reads(args ...string) {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	err := w.Node.Command(ctx, w.Version, append([]string{"vtysh", "-N", w.Node.Name}, args...)...).Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.must(err)
	}
}

// vtysh puts some lines of shell before the agent's vtysh; $applies is not empty where it is to apply a script.
func (w *world) vtysh(lines string) func() {
	put := func(lines string) {
		text := "#!/bin/sh\nfor a; do [ \"$a\" = -f ] && applies=1; done\n" + lines + "\nexec vtysh \"$@\"\n"
		path := w.Path("vtysh")
		w.must(errors.Join(os.WriteFile(path+"~", []byte(text), 0o755), os.Rename(path+"~", path)))
	}
	put(lines)
	return func() { put("") }
}

// fill takes all that is left of a file system.
func (w *world) fill(dir string) func() {
	path := filepath.Join(dir, "filler")
	file, err := os.Create(path)
	w.must(err)
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		w.t.Fatal(err)
	}
	return func() { w.must(os.Remove(path)) }
}

// must ends the test where the laboratory itself fails.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(fmt.Errorf("break or mend: %w", err))
	}
}

// conf is the frr.conf of the node, as this process sees it.
func (w *world) conf() string { return filepath.Join(w.Near.EtcDir, "frr.conf") }

// kept reads that file; nothing where it is not there.
func (w *world) kept() string {
	data, err := os.ReadFile(w.conf())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return string(data)
}
