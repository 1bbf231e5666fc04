// Command demo shows Fairlead at work on one machine, as root: two nodes, each with the agent and an FRR of its own, and a
// top-of-rack router, which is a plain FRR. It changes what the cluster holds and shows what the router then knows. It
// exits 0 only where the router's own table was right at each step, and takes everything down again.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	// A signal does not end the program but its steps, so that what it made is taken down.
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	err := run(ctx, newPrinter(os.Stdout), os.Getenv("KEEP") != "")
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// run builds the scene, goes through the steps, and takes the scene down, whatever happened. With keep it leaves the scene
// up, after the steps, until ctx ends.
func run(ctx context.Context, out *printer, keep bool) error {
	return during(out, func(l *lifetime) error {
		out.heading("Building: a top-of-rack router (tor) and two nodes, in network namespaces of this machine")
		s, err := build(ctx, l)
		if ctx.Err() != nil {
			return errInterrupted
		}
		if err != nil {
			return err
		}
		out.text("%s", s)
		err = (&tour{out: out, scene: s}).all(ctx)
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case err != nil:
			out.failed("%v", err)
			for _, n := range s.nodes {
				out.text("\nThe log of the agent on %s ends so:\n%s", n.name, tail(n.log, 15))
			}
		}
		if keep {
			out.heading("KEEP: all of it stays up")
			out.text("%s", s.directions(l))
			wait(ctx)
		}
		if err != nil {
			return errFailed
		}
		return nil
	})
}

var (
	errInterrupted = errors.New("interrupted before the last step")
	errFailed      = errors.New("a step failed, see above")
)

// wait returns when ctx ends, or the process that started this one does: SIGTERM ends `go run` alone, and nobody would
// be left to end the scene.
func wait(ctx context.Context) {
	parent := os.Getppid()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for os.Getppid() == parent {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tail gives the last lines of a file.
func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// printer writes what the demo shows; with color on a terminal, as plain text elsewhere.
type printer struct {
	w     io.Writer
	color bool
}

func newPrinter(file *os.File) *printer {
	info, err := file.Stat()
	return &printer{w: file, color: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (p *printer) heading(format string, args ...any) {
	p.text("\n%s", p.paint("1", "== "+fmt.Sprintf(format, args...)))
}

func (p *printer) text(format string, args ...any) {
	fmt.Fprintln(p.w, strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
}

// command shows a command as a person would type it, behind its prompt, and what it printed.
func (p *printer) command(command, output string) {
	p.text("%s\n%s", p.paint("1", command), strings.Trim(output, "\n"))
}

func (p *printer) ok(format string, args ...any) {
	p.text("%s %s", p.paint("32", "ok"), fmt.Sprintf(format, args...))
}

func (p *printer) failed(format string, args ...any) {
	p.text("%s %s", p.paint("31", "FAILED"), fmt.Sprintf(format, args...))
}

// paint puts text between the terminal's sequences for a style (ECMA-48, SGR).
func (p *printer) paint(style, text string) string {
	if !p.color {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}
