package watch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// How long to wait before the API server is asked again: at first, and at most, both give or take a quarter. Word that
// another source is served again, or that a CRD came or went, ends the wait, but for its first moments, and but for what the
// API server asked for, which counts up to longestAsked.
const (
	firstPause   = 200 * time.Millisecond
	lastPause    = 8 * time.Second
	fixedPause   = 500 * time.Millisecond
	longestAsked = 32 * time.Second
)

// source follows one resource: client-go's reflector lists and watches it, and what it sees goes into a table. All its
// fields but the first six belong to the Cluster's lock.
type source struct {
	cluster  *Cluster
	name     string
	resource resource
	// definition is what the resource exists by, and nil for those that always exist.
	definition *definition
	// sticky is what a Condition says of an object that was deleted and stays; "" means that deletions are followed.
	sticky string
	// mend, where it is set, completes an object that lacks what it had, before it is taken over.
	mend func(*item)

	rows rows
	// synced says that a complete list was seen; refused that the API server forbids one, or that the list it gave is
	// known to lack objects.
	synced, refused bool
	// answered says that it was asked for at least once, whatever came of that.
	answered bool
	listed   time.Time
	watches  int
	// trouble is why the API server cannot be followed at present; its Since is not set.
	trouble Condition
	// malformed are the objects that cannot be used as they are, and why.
	malformed map[key]string
	// lost are the objects that are gone from the API server and stay.
	lost map[key]bool
	// condition is what Sources tells, and logged the reason that the log was last told.
	condition Condition
	logged    Reason
}

// follow follows the resource until ctx ends.
func (s *source) follow(ctx context.Context) {
	reflector := cache.NewReflectorWithOptions(lister{s}, &item{}, s, cache.ReflectorOptions{Name: s.name, TypeDescription: s.name})
	var pause pause
	for {
		attempt, cancel := s.admit(ctx)
		if ctx.Err() != nil {
			cancel()
			return
		}
		begun := time.Now()
		err := reflector.ListAndWatchWithContext(attempt)
		stopped := attempt.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case stopped:
			s.works() // what went wrong is over with the CRD
			pause = 0
			continue
		case err != nil:
			s.fails(err)
		}
		if time.Since(begun) > lastPause {
			pause = 0
		}
		s.cluster.wait(ctx, pause.next(err))
	}
}

// admit waits until the resource exists. The context it gives ends when that is over.
func (s *source) admit(ctx context.Context) (context.Context, context.CancelFunc) {
	attempt, cancel := context.WithCancel(ctx)
	if s.definition == nil {
		return attempt, cancel
	}
	c := s.cluster
	for ctx.Err() == nil {
		c.mu.Lock()
		seen, open, turn := s.definition.sight, s.definition.open(), c.turn
		if !open && s.definition.source.synced && !s.synced && !s.refused {
			// There is no such kind in this cluster, and so there are no objects of it.
			s.synced = true
			c.poke()
		}
		c.mu.Unlock()
		if open {
			go s.attend(attempt, cancel, seen)
			return attempt, cancel
		}
		select {
		case <-turn:
		case <-ctx.Done():
		}
	}
	return attempt, cancel
}

// attend ends an attempt when the CRD is no longer the one that was seen.
func (s *source) attend(attempt context.Context, cancel context.CancelFunc, seen sight) {
	c := s.cluster
	for {
		c.mu.Lock()
		same, turn := s.definition.open() && s.definition.sight.uid == seen.uid, c.turn
		c.mu.Unlock()
		if !same {
			cancel()
			return
		}
		select {
		case <-turn:
		case <-attempt.Done():
			return
		}
	}
}

// pause is how long the next wait for the API server is, before it is varied.
type pause time.Duration

// delay is how long to wait: most, and where there is reason to look again sooner, least.
type delay struct{ least, most time.Duration }

// next is how long to wait after an error, nil where a watch ended without one.
func (p *pause) next(err error) delay {
	*p = min(max(*p*2, pause(firstPause)), pause(lastPause))
	most := time.Duration(float64(*p) * (0.75 + rand.Float64()/2))
	d := delay{least: min(most, fixedPause), most: most}
	if seconds, asked := apierrors.SuggestsClientDelay(err); asked {
		d.least = max(d.least, min(time.Duration(seconds)*time.Second, longestAsked))
		d.most = max(d.most, d.least)
	}
	return d
}

// lister is how the reflector reads a source's resource.
type lister struct{ *source }

// ListWithContext completes cache.ListerWatcherWithContext.
func (l lister) ListWithContext(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	if err := l.prepare(ctx); err != nil {
		return nil, err
	}
	if options.ResourceVersion == "0" {
		// That allows an API server to answer with what it held a while ago, without what was made since. A read that is
		// consistent costs it more, and can be paged.
		options.ResourceVersion = ""
	}
	return l.resource.list(ctx, options)
}

// WatchWithContext completes cache.ListerWatcherWithContext. While the API server is away or busy it tries again, so that
// the watch goes on where it was instead of with a new list, and so that it is us who decide how often.
func (l lister) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	var pause pause
	for {
		w, err := l.tryWatch(ctx, options)
		if err == nil || ctx.Err() != nil || !transient(err) {
			return w, err
		}
		l.fails(err)
		l.cluster.wait(ctx, pause.next(err))
	}
}

func (l lister) tryWatch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if options.SendInitialEvents != nil {
		if err := l.prepare(ctx); err != nil {
			return nil, err
		}
	}
	w, err := l.resource.watch(ctx, options, l.works, func(err error) {
		// That an attempt was ended is nothing wrong, and after it nobody would take such a word back.
		if ctx.Err() == nil {
			l.fails(err)
		}
	})
	if err != nil {
		return nil, err
	}
	l.cluster.mu.Lock()
	l.watches++
	l.cluster.mu.Unlock()
	return w, nil
}

// List completes cache.ListerWatcher; the reflector uses the form with a context.
func (l lister) List(options metav1.ListOptions) (runtime.Object, error) {
	return l.ListWithContext(context.Background(), options)
}

// Watch completes cache.ListerWatcher, as List does.
func (l lister) Watch(options metav1.ListOptions) (watch.Interface, error) {
	return l.WatchWithContext(context.Background(), options)
}

// prepare looks at the CRD before a list, so that it is known whose objects they are.
func (s *source) prepare(ctx context.Context) error {
	if s.definition == nil {
		return nil
	}
	seen, err := s.definition.look(ctx)
	if err != nil {
		return err
	}
	if seen == (sight{}) {
		return apierrors.NewNotFound(s.resource.group(), s.name)
	}
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	s.definition.listing = seen
	return nil
}

// works notes that the API server serves the resource.
func (s *source) works() {
	defer s.locked()()
	if s.trouble.Reason != "" {
		s.trouble = Condition{}
		s.cluster.announce()
	}
}

// fails notes that it does not.
func (s *source) fails(err error) {
	s.cluster.log.WithError(err).WithField("object", s.name).Debug("the watch of a resource was interrupted")
	defer s.locked()()
	s.answer()
	trouble := s.explain(err)
	if trouble.Reason == "" {
		return
	}
	was := s.trouble.Reason
	s.trouble = trouble
	switch {
	case s.synced:
	case trouble.Reason == Forbidden:
		s.refused = true
	case trouble.Reason == Missing && s.definition != nil && s.definition.hidden():
		// Nobody may ask whether the kind exists, and this answer says that it does not.
		s.synced = true
		s.cluster.poke()
	}
	if trouble.Reason == Missing && s.rows.len() == 0 {
		s.trouble = Condition{}
	}
	if _, defines := s.rows.(*definition); defines && (was == Forbidden) != (s.trouble.Reason == Forbidden) {
		// Whether the CRD is hidden decides whether its objects are asked for. Any other word would only have the sources wake
		// each other, and the API server be asked ever again.
		s.cluster.announce()
	}
}

// answer notes that the resource was asked for.
func (s *source) answer() {
	if !s.answered {
		s.answered = true
		s.cluster.poke()
	}
}

// explain says what an error means to the one who runs the cluster. It has no Reason where the error is none: a watch
// whose events the API server no longer has is listed anew.
func (s *source) explain(err error) Condition {
	keeping := fmt.Sprintf("; keeping the %d that are known", s.rows.len())
	if !s.synced {
		keeping = ""
	}
	var reason Reason
	var advice string
	switch {
	case apierrors.IsResourceExpired(err) || apierrors.IsGone(err):
		return Condition{}
	case apierrors.IsForbidden(err):
		verbs := "list and watch"
		if _, defines := s.rows.(*definition); defines {
			verbs = "get, list and watch"
		}
		reason, advice = Forbidden, fmt.Sprintf("not allowed: give %s on %s to this agent's role", verbs, s.name)
	case apierrors.IsUnauthorized(err):
		reason, advice = Unauthorized, "the API server does not accept this agent's credentials"
	case apierrors.IsTooManyRequests(err):
		reason, advice = Throttled, "the API server has too much to do"
	case apierrors.IsNotFound(err):
		reason, advice = Missing, "the API server does not know this resource"
	case errors.As(err, new(apierrors.APIStatus)):
		reason, advice = Failing, "the API server answers with an error"
	default:
		reason, advice = Unreachable, "the API server cannot be reached"
	}
	return Condition{Reason: reason, Message: fmt.Sprintf("%s%s: %v", advice, keeping, err)}
}

// Add completes cache.ReflectorStore.
func (s *source) Add(object any) error {
	defer s.locked()()
	s.accept(object.(*item))
	return nil
}

// Update completes cache.ReflectorStore.
func (s *source) Update(object any) error { return s.Add(object) }

// Delete completes cache.ReflectorStore.
func (s *source) Delete(object any) error {
	defer s.locked()()
	s.remove(object.(*item).key)
	return nil
}

// Replace completes cache.ReflectorStore: objects are all that the resource holds.
func (s *source) Replace(objects []any, _ string) error {
	defer s.locked()()
	s.answer()
	listed := make([]*item, 0, len(objects))
	held := s.malformed
	s.malformed = nil
	for _, object := range objects {
		i := object.(*item)
		s.judge(i, held[i.key])
		if s.definition != nil {
			s.definition.take(i)
		}
		delete(s.lost, i.key)
		listed = append(listed, i)
	}
	differs, lacking := s.rows.merge(listed)
	lacking = slices.DeleteFunc(lacking, func(k key) bool {
		return s.malformed[k] != "" // it is there, and cannot be read: it stays as it was
	})
	complete := true
	if s.definition != nil {
		complete = s.definition.adopt(lacking)
	} else {
		for _, k := range lacking {
			s.remove(k)
		}
	}
	if complete {
		differs = differs || !s.synced
		s.synced, s.refused = true, false
	} else if !s.synced {
		differs = differs || !s.refused
		s.refused = true
	}
	s.listed = time.Now()
	if s.trouble.Reason != "" {
		s.trouble = Condition{}
		s.cluster.announce()
	}
	s.changed(differs)
	return nil
}

// Resync completes cache.ReflectorStore; nothing is ever due.
func (s *source) Resync() error { return nil }

// accept takes an object over.
func (s *source) accept(i *item) {
	known := s.malformed[i.key]
	delete(s.malformed, i.key)
	s.judge(i, known)
	delete(s.lost, i.key)
	if s.definition != nil {
		s.definition.take(i)
	}
	if i.value != nil || i.err == nil {
		s.changed(s.rows.put(i.key, i.value))
	}
}

// judge mends an object where there is a way to, and notes what is wrong with it; known is what was wrong with it before.
func (s *source) judge(i *item, known string) {
	if s.mend != nil {
		s.mend(i)
	}
	if i.err == nil {
		return
	}
	if s.malformed == nil {
		s.malformed = make(map[key]string)
	}
	what := i.err.Error()
	s.malformed[i.key] = what
	if what != known {
		s.cluster.log.WithField("object", s.name+" "+i.key.String()).Warn(what)
	}
}

// remove follows the deletion of an object, where deletions are followed.
func (s *source) remove(k key) {
	delete(s.malformed, k)
	if s.rows.get(k) == nil {
		return
	}
	switch {
	case s.sticky != "":
		if s.lost == nil {
			s.lost = make(map[key]bool)
		}
		s.lost[k] = true
	case s.definition != nil:
		s.definition.doubt(k)
	default:
		s.changed(s.rows.put(k, nil))
	}
}

// changed tells that the objects did, where they differ.
func (s *source) changed(differs bool) {
	if !differs {
		return
	}
	s.cluster.poke()
	if _, defines := s.rows.(*definition); defines {
		s.cluster.announce() // another source waits for this
	}
}

// locked takes the Cluster's lock. What it gives brings the source's condition up to date and lets the lock go.
func (s *source) locked() (release func()) {
	s.cluster.mu.Lock()
	return func() {
		s.review()
		if d, ok := s.rows.(*definition); ok {
			d.objects.review()
		}
		s.cluster.mu.Unlock()
	}
}

// review brings the condition up to date.
func (s *source) review() {
	now := s.current()
	now.Since = s.condition.Since
	if now.Reason != s.condition.Reason {
		now.Since = time.Now()
		s.cluster.poke()
	}
	s.condition = now
}

// current is the source's condition as it is now; its Since is not set.
func (s *source) current() Condition {
	if s.trouble.Reason != "" {
		return s.trouble
	}
	if d := s.definition; d != nil {
		if t := d.source.trouble; t.Reason != "" && t.Reason != Forbidden {
			return t
		}
		if c := d.condition(); c.Reason != "" {
			return c
		}
	}
	if len(s.lost) > 0 {
		return Condition{Reason: Deleted, Message: s.sticky}
	}
	if len(s.malformed) == 0 {
		return s.unprotected()
	}
	first := slices.MinFunc(slices.Collect(maps.Keys(s.malformed)), key.compare)
	return Condition{Reason: Malformed, Message: fmt.Sprintf("%d cannot be used as they are, the first is %s: %s", len(s.malformed), first, s.malformed[first])}
}

// unprotected is the condition of objects that would go with their CRD.
func (s *source) unprotected() Condition {
	if s.definition == nil || !s.definition.listing.blind || s.rows.len() == 0 {
		return Condition{}
	}
	return Condition{Reason: Forbidden, Message: fmt.Sprintf("nobody could tell whether its %d objects were deleted or went with their CRD: "+
		"give get, list and watch on %s to this agent's role", s.rows.len(), s.definition.source.name)}
}
