package reload

import (
	"context"
	"errors"
	"fmt"
)

// FRR is what a Reloader drives. Its methods are called from one goroutine at a time.
type FRR interface {
	// RunningConfig gives the whole running configuration.
	RunningConfig(ctx context.Context) ([]byte, error)
	// Apply runs script in one vtysh. It goes on after a statement that FRR refuses; the error then has FRR's own words.
	Apply(ctx context.Context, script []byte) error
}

// ErrNotKept is wrapped by the error of an Apply that FRR took, and whose configuration could not be written to its file.
var ErrNotKept = errors.New("keep the configuration in")

// Reloader makes an FRR hold one configuration after another. It is not safe for concurrent use. The zero Reloader is not
// usable; make one with New.
type Reloader struct {
	frr  FRR
	file File
	// applied is what FRR is known to hold of ours, or nil where that must be read first.
	applied Tree
	known   bool
	// good is the last configuration that held, to go back to; hasGood says whether there is one.
	good    Tree
	hasGood bool
}

// New gives a Reloader that knows nothing of frr yet and keeps what holds in file.
func New(frr FRR, file File) *Reloader { return &Reloader{frr: frr, file: file} }

// Forget makes the next Apply read what FRR holds, because it may have restarted.
func (r *Reloader) Forget() { r.applied, r.known = nil, false }

// Plan gives what Apply would change, and changes nothing. It reads what FRR holds where that is not known.
func (r *Reloader) Plan(ctx context.Context, wanted []byte) (Change, error) {
	if err := r.learn(ctx); err != nil {
		return Change{}, err
	}
	return Diff(r.applied, Parse(wanted).Owned()), nil
}

// Apply makes FRR hold wanted, reads it back, and keeps it in frr.conf. It gives what it changed. Where FRR refuses a
// statement, or does not hold what it took, the last configuration that held is put back (the first time, what FRR ran
// before) and the error says what was refused; what FRR holds is then read again before the next Apply. Once FRR is being
// changed, the end of ctx no longer stops Apply: half a change helps nobody.
func (r *Reloader) Apply(ctx context.Context, wanted []byte) (Change, error) {
	change, err := r.Plan(ctx, wanted)
	if err != nil {
		return Change{}, err
	}
	tree := Parse(wanted).Owned()
	if !change.Empty() {
		if err := r.transact(ctx, change, tree); err != nil {
			return change, err
		}
	}
	r.applied, r.known, r.good, r.hasGood = tree, true, tree, true
	if err := r.file.save(wanted); err != nil {
		return change, fmt.Errorf("%w %s: %w", ErrNotKept, r.file.Path, err)
	}
	return change, nil
}

// transact applies change, confirms that FRR now holds wanted, and goes back to the last good configuration if not.
func (r *Reloader) transact(ctx context.Context, change Change, wanted Tree) error {
	ctx = context.WithoutCancel(ctx)
	err := r.frr.Apply(ctx, change.Script())
	r.Forget()
	if err == nil {
		err = r.confirm(ctx, wanted)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("apply the configuration: %w", err)
	if back := r.goBack(ctx); back != nil {
		return errors.Join(err, fmt.Errorf("go back to the last good configuration: %w", back))
	}
	return err
}

// confirm reads FRR's running configuration and compares it with wanted. What is still missing is applied once more: a
// loaded machine can leave part of a long file unapplied (FRR issue 15799).
func (r *Reloader) confirm(ctx context.Context, wanted Tree) error {
	for again := false; ; again = true {
		running, err := r.read(ctx)
		if err != nil {
			return err
		}
		rest := Diff(running, wanted)
		if rest.Empty() {
			return nil
		}
		if again {
			return fmt.Errorf("FRR took the configuration without a word but does not hold it; what is missing:\n%s", rest)
		}
		if err := r.frr.Apply(ctx, rest.Script()); err != nil {
			return err
		}
	}
}

func (r *Reloader) goBack(ctx context.Context) error {
	running, err := r.read(ctx)
	if err != nil {
		return err
	}
	if undo := Diff(running, r.good); !undo.Empty() {
		return r.frr.Apply(ctx, undo.Script())
	}
	return nil
}

// learn reads what FRR holds of ours, where that is not known.
func (r *Reloader) learn(ctx context.Context) error {
	if r.known {
		return nil
	}
	running, err := r.read(ctx)
	if err != nil {
		return err
	}
	r.applied, r.known = running, true
	if !r.hasGood {
		r.good, r.hasGood = running, true
	}
	return nil
}

// read gives what FRR holds of ours. Under other defaults than ours, what render leaves out would mean something else.
func (r *Reloader) read(ctx context.Context) (Tree, error) {
	running, err := r.frr.RunningConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the running configuration: %w", err)
	}
	tree := Parse(running)
	if profile := tree.Profile(); profile != "" && profile != "traditional" {
		return nil, fmt.Errorf("FRR runs with \"frr defaults %s\", under which frr.conf would mean something else: "+
			"start it with \"frr defaults traditional\" (or daemons without -F %s)", profile, profile)
	}
	return tree.Owned(), nil
}
