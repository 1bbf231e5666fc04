package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fairlead/fairlead/frr"
)

// FRR is what a Reloader drives. Its methods are called from one goroutine at a time.
type FRR interface {
	// RunningConfig gives the whole running configuration.
	RunningConfig(ctx context.Context) ([]byte, error)
	// Originated gives which of some networks FRR originates, in their order.
	Originated(ctx context.Context, networks []frr.Network) ([]frr.Originated, error)
	// Apply runs script in one vtysh. It goes on after a statement that FRR refuses; the error then has FRR's own words.
	Apply(ctx context.Context, script []byte) error
	// ApplyAlone is Apply past those daemons that need nothing of script.
	ApplyAlone(ctx context.Context, script []byte) error
}

// ErrNotKept is wrapped by the error of an Apply that FRR took, and whose configuration could not be written to its file.
var ErrNotKept = errors.New("keep the configuration in")

// ErrChanging is wrapped by the error of an Apply that failed while FRR was being changed, and not before.
var ErrChanging = errors.New("apply the configuration")

// ErrNotHeld is wrapped by the error of an Apply that FRR took, and does not hold. Where it holds nothing of it at all, vtysh is to
// blame (frr.ErrVtysh).
var ErrNotHeld = errors.New("FRR took the configuration without a word but does not hold it")

// Reloader makes an FRR hold one configuration after another. It is not safe for concurrent use. The zero Reloader is not
// usable; make one with New.
type Reloader struct {
	frr  FRR
	file File
	// applied is a configuration of which FRR is known to hold what is ours; known says whether there is one, or it must be
	// read first. It is kept as text: the next one is compared with it line by line, and few lines differ.
	applied []byte
	known   bool
	// good is the last configuration that held, to go back to; hasGood says whether there is one.
	good    []byte
	hasGood bool
	// proven says that good is not only what ran before the first Apply.
	proven bool
	// foretell is told what a change is about to do; nil tells nobody.
	foretell func(Foresight)
	// version is FRR's, "" until something was read; delayed says that somebody else has set its delay timer of route-maps.
	version string
	delayed bool
	// spare says that Apply goes on without what FRR refuses, and refused is that.
	spare   bool
	refused []Refusal
	// stuck is what FRR did not take back, and again says that something is to be given to FRR that it refused before.
	stuck []Refusal
	again bool
	// hopeless is a configuration that FRR refused as a whole, and hopelessly says why; nil where there is none.
	hopeless   []byte
	hopelessly error
	// foreign is what others keep inside of what is ours, and theirs what FRR held of it when it was last read.
	foreign Foreign
	theirs  Tree
	// leaves says that drift is left as it is, and left is what the last audit found of it, or nil.
	leaves bool
	left   *drifted
	// doubt is what there was before it was no longer known; nil where all may be lost.
	doubt *doubt
	// touched says that FRR was seen to hold what somebody else wrote.
	touched bool
	// mistrusts reports whether somebody else may be giving FRR a configuration, nil where nobody is reckoned with; handed is when FRR
	// was last seen to hold what somebody else wrote, and untidy says that something stays for either.
	mistrusts func() bool
	handed    time.Time
	untidy    bool
	// alone is until when daemons that need nothing of ours are passed by.
	alone time.Time
	// bare leaves profiles of BFD out of what FRR is given and asked for.
	bare bool
}

// New gives a Reloader that knows nothing of frr yet and keeps what holds in file.
func New(to FRR, file File) *Reloader { return &Reloader{frr: to, file: file} }

// handTime is for how long somebody who was seen to change FRR may be about it.
const handTime = 4 * time.Second

// Mistrust has an Apply reckon with somebody else who gives FRR a configuration: where mistrusts, which is called from its goroutine,
// says that it may be so, because daemons came or went, and for 4 s after FRR was seen to hold what somebody else wrote. As long as
// that is so, what nothing uses any more stays: an old file may be about to use it, and a route whose group is gone is withdrawn. A
// later Apply has that go (Untidy), and audits do not mind it. Without it nobody is reckoned with.
func (r *Reloader) Mistrust(mistrusts func() bool) { r.mistrusts = mistrusts }

// Untidy reports whether FRR holds what nothing uses any more, which is to go with a later Apply.
func (r *Reloader) Untidy() bool { return r.untidy }

// wary reports whether somebody else may be giving FRR a configuration.
func (r *Reloader) wary() bool {
	return r.mistrusts != nil && (r.mistrusts() || time.Since(r.handed) < handTime)
}

// Forget makes the next Apply read what FRR holds, because it may have restarted: then nothing of what it lacks was somebody's
// hand, and all is put right.
func (r *Reloader) Forget() {
	r.Reread()
	r.left, r.doubt, r.alone = nil, nil, time.Time{}
}

// Reread makes the next Apply read what FRR holds, which has lost nothing of its own: what is left to somebody's hand stays so.
func (r *Reloader) Reread() {
	if r.known {
		r.doubt = &doubt{before: r.applied, wanted: r.good}
		if r.left != nil {
			r.doubt.next = r.ours(Parse(r.applied))
		}
	}
	r.applied, r.known = nil, false
}

// changed says that FRR, which held before, was given something to make it hold next of wanted.
func (r *Reloader) changed(before, wanted []byte, next Tree) {
	r.Reread()
	if r.doubt = (&doubt{before: before, wanted: wanted}); r.left != nil {
		r.doubt.next = next
	}
}

// WithoutProfiles says whether bfdd is not there: then the profiles of BFD, which are all that is its own, are not part of what
// FRR is to hold, and the rest does not wait for them. The file has them all the same.
func (r *Reloader) WithoutProfiles(without bool) {
	if r.bare != without {
		r.bare = without
		r.Reread()
	}
}

// ours gives what FRR is to hold of a configuration, but for what it does not take back.
func (r *Reloader) ours(config Tree) Tree {
	owned, _ := r.foreign.split(config.Owned())
	for _, f := range r.stuck {
		owned = owned.without(f.stuck, f.stuck.path)
	}
	return r.holdable(owned)
}

// holdable gives what is ours without what FRR cannot hold now, or holds somebody else's of.
func (r *Reloader) holdable(owned Tree) Tree {
	if !r.bare && !r.delayed {
		return owned
	}
	return slices.DeleteFunc(slices.Clone(owned), func(s *Statement) bool { return r.bare && isProfile(s) || r.delayed && isDelay(s) })
}

// between gives of two configurations what is ours, and of the wanted one what somebody's hand leaves of it. What both hold may be
// left out.
func (r *Reloader) between(running, wanted []byte) (Tree, Tree) {
	if r.left != nil {
		// What is left depends on all that stands beside it.
		from := r.ours(Parse(running))
		return from, r.next(from, r.ours(Parse(wanted)))
	}
	from, to := Between(running, wanted)
	runs := r.ours(from)
	return runs, r.next(runs, r.ours(to))
}

// next gives what FRR, which holds running, is to hold of wanted: with what is left to somebody's hand, and with those objects
// of ours that this, or what is foreign, still uses.
func (r *Reloader) next(running, wanted Tree) Tree {
	if r.left == nil {
		return withUsed(wanted, running, r.theirs)
	}
	left := r.left.leave(wanted)
	return withUsed(left, running, slices.Concat(left, r.theirs))
}

// diff gives what turns running into wanted in an FRR that holds what is foreign.
func (r *Reloader) diff(running, wanted Tree) Change { return Diff(share(running, r.theirs), wanted) }

// keepsForeign is an error where wanted has another AS for a router that holds foreign statements: FRR gives it one only by
// removing it with all that it holds.
func (r *Reloader) keepsForeign(wanted Tree) error {
	routers := index(wanted, topKey)
	for _, t := range r.theirs {
		if w := routers[topKey(t)]; w != nil && w.Text != t.Text {
			return fmt.Errorf("make %s of %s: it holds statements declared foreign, such as %q, which that would remove: "+
				"take them out of FRR first, and add them again after", w.Text, t.Text, frr.Mask(t.Children[0].Text))
		}
	}
	return nil
}

// Foretell has tell called with what a change does to the neighbors, before each change.
func (r *Reloader) Foretell(tell func(Foresight)) { r.foretell = tell }

// Foresee gives what Apply would change, as Plan does, and what that does to the neighbors.
func (r *Reloader) Foresee(ctx context.Context, wanted []byte) (Change, Foresight, error) {
	if err := r.learn(ctx); err != nil {
		return Change{}, Foresight{}, err
	}
	running, next, change, err := r.steps(ctx, wanted)
	if err != nil {
		return Change{}, Foresight{}, err
	}
	return change, r.foresee(running, next, wanted, change), nil
}

// foresee gives what a change does that makes next of running, of which both may lack networks that stay.
func (r *Reloader) foresee(running, next Tree, wanted []byte, change Change) Foresight {
	if change.touchesSessions() {
		// What another policy of a neighbor lets through is told from all routes.
		running = r.ours(Parse(r.applied))
		next = r.next(running, r.ours(Parse(wanted)))
	}
	return Foresee(r.version, together(running, running, r.theirs), together(next, running, r.theirs), change)
}

// Plan gives what Apply would change, and changes nothing. It reads what FRR holds where that is not known.
func (r *Reloader) Plan(ctx context.Context, wanted []byte) (Change, error) {
	if err := r.learn(ctx); err != nil {
		return Change{}, err
	}
	_, _, change, err := r.steps(ctx, wanted)
	return change, err
}

// steps gives what FRR, of which all is known, holds, what it is to hold, and the change that this takes; the first two as between
// does. Before a router goes, FRR is read again: what is declared foreign may have been typed into it since.
func (r *Reloader) steps(ctx context.Context, wanted []byte) (running, next Tree, change Change, err error) {
	running, next = r.between(r.applied, wanted)
	if len(r.foreign) > 0 && losesRouter(running, next) {
		r.Reread()
		if err := r.learn(ctx); err != nil {
			return nil, nil, Change{}, err
		}
		running, next = r.between(r.applied, wanted)
	}
	if err := r.keepsForeign(next); err != nil {
		return nil, nil, Change{}, err
	}
	return running, next, r.diff(running, next), nil
}

// Apply makes FRR hold wanted, reads it back, and keeps it in frr.conf. It gives what it changed. Where FRR refuses a
// statement, or does not hold what it took, the last configuration that held is put back (the first time, what FRR ran
// before) and the error says what was refused. After any other error, which says nothing against wanted, the change may be
// there in part: the next Apply goes on from there, and what was announced is not taken back only to be announced again. What
// FRR holds is read again before it. Once FRR is being changed, the end of ctx no longer stops Apply: half a change helps nobody.
// The Reloader keeps wanted, which must not change any more.
func (r *Reloader) Apply(ctx context.Context, wanted []byte) (Change, error) {
	if err := r.learn(ctx); err != nil {
		return Change{}, err
	}
	held, change, err := r.take(ctx, wanted)
	var refused *RefusedError
	if err != nil && (!errors.As(err, &refused) || !refused.Rest) {
		return change, err
	}
	if notKept := r.file.save(held, r.foreign); notKept != nil {
		err = errors.Join(fmt.Errorf("%w %s: %w", ErrNotKept, r.file.Path, notKept), err)
	}
	return change, err
}

// take makes FRR, of which all is known, hold wanted, or as much of it as FRR takes, and gives the configuration that it holds then.
func (r *Reloader) take(ctx context.Context, wanted []byte) ([]byte, Change, error) {
	if r.spare && r.hopeless != nil && bytes.Equal(wanted, r.hopeless) {
		change, err := r.hold(ctx, r.good)
		return r.good, change, errors.Join(r.hopelessly, err)
	}
	held, change, err := r.applySparing(ctx, wanted)
	var refused *RefusedError
	switch {
	case !errors.As(err, &refused) || refused.Rest:
		r.hopeless, r.hopelessly = nil, nil
	case r.spare:
		r.hopeless, r.hopelessly = wanted, err
	}
	return held, change, r.back(ctx, err)
}

// hold makes FRR, of which all is known, hold wanted, or goes back to the last good configuration.
func (r *Reloader) hold(ctx context.Context, wanted []byte) (Change, error) {
	change, err := r.try(ctx, wanted)
	return change, r.back(ctx, err)
}

// back goes back to the last good configuration where err says that FRR was changed otherwise.
func (r *Reloader) back(ctx context.Context, err error) error {
	if !errors.Is(err, ErrChanging) {
		return err
	}
	var refused *frr.ApplyError
	if !errors.As(err, &refused) && !errors.Is(err, ErrNotHeld) {
		return err
	}
	if back := r.goBack(context.WithoutCancel(ctx)); back != nil {
		return errors.Join(err, fmt.Errorf("go back to the last good configuration: %w", back))
	}
	return err
}

// try gives FRR, of which all is known, what it lacks of wanted, and confirms that it holds it.
func (r *Reloader) try(ctx context.Context, wanted []byte) (Change, error) {
	running, next, change, err := r.steps(ctx, wanted)
	if err != nil {
		return Change{}, err
	}
	before := r.applied
	r.untidy = false
	if use, unused := change.apart(); !unused.Empty() && r.wary() {
		change, r.untidy = use, true
	}
	if !change.Empty() {
		if r.foretell != nil {
			r.foretell(r.foresee(running, next, wanted, change))
		}
		if err := r.transact(context.WithoutCancel(ctx), change, next, wanted); err != nil {
			if !r.setAside(err) {
				return change, fmt.Errorf("%w: %w", ErrChanging, err)
			}
			if err := r.learnAgain(ctx); err != nil {
				return change, err
			}
			_, err := r.try(ctx, wanted)
			return change, err
		}
	}
	r.applied, r.known, r.good, r.hasGood, r.proven = wanted, true, wanted, true, true
	if r.left != nil {
		r.applied, r.left = next.text(), r.left.after(r.ours(Parse(wanted)), next)
	}
	if r.untidy {
		change, _ = change.apart()
		r.applied = r.ours(Parse(r.applied)).beside(r.ours(Parse(before))).text()
	}
	return change, nil
}

// beside gives t with what before has of policies, and of the delay timer, and t has not: it stays beside it.
func (t Tree) beside(before Tree) Tree {
	there := index(t, topKey)
	stay := slices.DeleteFunc(slices.Clone(before), func(s *Statement) bool {
		return policyName(s) == "" && !isDelay(s) || there[topKey(s)] != nil
	})
	return append(stay, t...)
}

// transact applies change, which makes next of what runs, and confirms that FRR now holds wanted. What nothing uses any more goes
// last, once FRR is seen to hold the rest: it can lose part of a script without a word, or be given another one beside it, and a
// route whose group is gone is withdrawn.
func (r *Reloader) transact(ctx context.Context, change Change, next Tree, wanted []byte) error {
	before := r.applied
	give := func(part Change) error {
		err := r.give(ctx, part)
		r.changed(before, wanted, next)
		var refused *frr.ApplyError
		switch {
		case errors.As(err, &refused):
			return r.blame(refused, part, before, wanted)
		case errors.Is(err, frr.ErrVtysh) && r.holds(ctx, wanted):
			// Another daemon kept vtysh.
			return nil
		}
		return err
	}
	use, unused := change.apart()
	if !use.Empty() {
		if err := give(use); err != nil {
			return err
		}
		if err := r.confirm(ctx, use, next, before, wanted); err != nil {
			return err
		}
	}
	if unused.Empty() {
		return nil
	}
	// It holds what is wanted: should the rest not go, that is nothing to take it back for.
	r.good, r.hasGood, r.proven = wanted, true, true
	if r.mistrusts != nil {
		missing, still, err := r.lacks(ctx, wanted)
		if err != nil {
			return err
		}
		if !missing.Empty() {
			// Somebody else has just written what may use it.
			r.touched, r.handed = true, time.Now()
		}
		if r.untidy = r.wary(); r.untidy {
			return nil
		}
		if unused = still; unused.Empty() {
			return nil
		}
	}
	if err := give(unused); err != nil {
		return err
	}
	return r.confirmWhole(ctx, before, wanted, true)
}

// passBy is for how long daemons that need nothing of ours are passed by after a vtysh that failed: mgmtd of FRR 10 can be locked
// (FRR issue 18340), by its own limit for a commit this long.
const passBy = 10 * time.Minute

// give gives FRR a change. Where vtysh fails without a word of FRR's, another daemon may have kept it.
func (r *Reloader) give(ctx context.Context, change Change) error {
	if time.Now().Before(r.alone) {
		return r.frr.ApplyAlone(ctx, change.Script())
	}
	script := change.Script()
	err := r.frr.Apply(ctx, script)
	if errors.Is(err, frr.ErrVtysh) && !frr.ForBGPAlone(script) {
		r.alone = time.Now().Add(passBy)
	}
	return err
}

// holds reports whether FRR is seen to hold wanted, but for what may go.
func (r *Reloader) holds(ctx context.Context, wanted []byte) bool {
	missing, _, err := r.lacks(ctx, wanted)
	return err == nil && missing.Empty()
}

// lacks reads what FRR holds, and gives what it lacks of wanted, and what it has that nothing uses any more then.
func (r *Reloader) lacks(ctx context.Context, wanted []byte) (missing, unused Change, err error) {
	running, err := r.read(ctx)
	if err != nil {
		return Change{}, Change{}, err
	}
	missing, unused = r.diff(r.between(running, wanted)).apart()
	return missing, unused, nil
}

// goBack gives FRR what it lacks of the last good configuration, and then has go what is not part of it.
func (r *Reloader) goBack(ctx context.Context) error {
	for range 2 {
		undo, unused, err := r.lacks(ctx, r.good)
		if err != nil {
			return err
		}
		if undo.Empty() && !r.wary() {
			undo = unused
		}
		if undo.Empty() {
			return nil
		}
		if err := r.give(ctx, undo); err != nil {
			return err
		}
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
	if r.hasGood {
		if missing, _ := r.diff(r.between(running, r.good)).apart(); !missing.Empty() {
			r.handed = time.Now()
		}
	}
	r.applied, r.known = running, true
	if r.left = nil; r.leaves && r.doubt != nil {
		r.left = r.doubted(r.ours(Parse(running)))
	}
	r.doubt = nil
	if !r.hasGood {
		r.good, r.hasGood = running, true
	}
	return nil
}

// read gives FRR's running configuration. Under other defaults than ours, what render leaves out would mean something else.
func (r *Reloader) read(ctx context.Context) ([]byte, error) {
	running, err := r.frr.RunningConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the running configuration: %w", err)
	}
	if profile, _ := valueOf(running, "frr defaults "); profile != "" && profile != "traditional" {
		return nil, fmt.Errorf("FRR runs with \"frr defaults %s\", under which frr.conf would mean something else: "+
			"start it with \"frr defaults traditional\" (or daemons without -F %s)", profile, profile)
	}
	r.version, _ = valueOf(running, "frr version ")
	delay, set := valueOf(running, delayTimers)
	r.delayed = set && delayTimers+delay != delayTimer
	if len(r.foreign) > 0 {
		_, r.theirs = r.foreign.split(Parse(running).Owned())
	} else {
		r.theirs = nil
	}
	return running, nil
}

// valueOf gives what stands behind words, which begin a line of a configuration, and whether there is such a line.
func valueOf(conf []byte, words string) (string, bool) {
	rest, found := bytes.CutPrefix(conf, []byte(words))
	if !found {
		_, rest, found = bytes.Cut(conf, []byte("\n"+words))
	}
	value, _, _ := bytes.Cut(rest, []byte("\n"))
	return string(bytes.TrimSpace(value)), found
}
