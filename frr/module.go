package frr

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// BMP is the module with which bgpd feeds a station (RFC 7854), by the two names that FRR has for it: what -M takes, and what
// is shown.
const (
	BMP       = "bmp"
	bmpModule = "bgpd_bmp"
)

// loadTimeout is how long bgpd may take to say whether it can load a module: 0.1 s where nothing else runs.
const loadTimeout = 5 * time.Second

// FeedsBMP reports whether bgpd was started with its module for BMP. Without, it refuses "bmp targets", and reads the lines
// behind it in the wrong context.
func (v Vtysh) FeedsBMP(ctx context.Context) (bool, error) {
	out, err := v.ask(ctx, call{Daemon: "bgpd", Questions: []string{"show modules"}})
	if err != nil {
		return false, fmt.Errorf("ask bgpd for its modules: %w", err)
	}
	return hasModule(out, bmpModule), nil
}

// hasModule looks for a module in the table that "show modules" prints.
func hasModule(output []byte, name string) bool {
	for line := range strings.Lines(string(output)) {
		if words := strings.Fields(line); len(words) > 0 && words[0] == name {
			return true
		}
	}
	return false
}

// loaded gives the arguments for those of d's modules that bgpd can load now. One that it cannot, it would end for.
func (d Daemons) loaded(ctx context.Context, p plan) []string {
	if p.name != "bgpd" {
		return nil
	}
	var args []string
	for _, module := range d.Modules {
		if err := d.loads(ctx, p, module); err != nil {
			d.Log.WithError(err).WithField("daemon", p.name).Warnf("starting it without its module %s", module)
			continue
		}
		args = append(args, "-M", module)
	}
	return args
}

// loads has bgpd check an empty configuration with a module, which it does before it opens or writes anything. An error is why
// it cannot load that.
func (d Daemons) loads(ctx context.Context, p plan, module string) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	args := append(d.base(p), "-M", module, "-f", "/dev/null", "-C")
	out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput()
	if err != nil && len(bytes.TrimSpace(out)) > 0 {
		return errors.New(firstLine(out))
	}
	return err
}
