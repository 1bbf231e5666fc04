package report

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/verify"
)

// Options say who reports.
type Options struct {
	// Node is the name of this speaker's node. It must be set.
	Node string
	// Namespace is where the speakers' Leases are, this one's own. It must be set.
	Namespace string
	// Group names the speakers that say the same of the objects they share; each group tells for itself. "" is the group of
	// those that speak for the whole cluster, a gateway's speakers are one of the gateway's name.
	Group string
	// Log is told, once while it lasts, why something cannot be told.
	Log logrus.FieldLogger
}

// Status counts what a Reporter did since it started.
type Status struct {
	// Told are the Events written.
	Told uint64
	// Dropped are the notices given up: because too many waited, the API server did not take one, or was away for too long.
	Dropped uint64
	// Waiting are the objects that are to be told of. It is bounded.
	Waiting int
	// Behind says that the last State given was not looked at yet: no more than a second and the time of one notice.
	Behind bool
	// Speakers are the live speakers of the group; 0 while this one's own Lease cannot be kept, and what others can tell is
	// left to them.
	Speakers int
}

// lookEvery is how often the latest State is compared with the one before, at most.
const lookEvery = time.Second

// A failed request stops all others for firstPause, then for twice that each time, at most lastPause.
const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

// electionWait is how long what others could tell too waits for the live speakers to be known, before it is tried again.
const electionWait = 5 * time.Second

// electionGrace is how long the first round waits for them. Where they cannot be known at all, it tells of this speaker's own
// objects then.
const electionGrace = 30 * time.Second

// poster tells one notice on one object. An error that is errPointless ends it, any other means to try again. It may be
// called again with what it told before.
type poster interface {
	post(ctx context.Context, o route.Object, n notice) error
}

// group knows the live speakers.
type group interface {
	alive() electorate
	say(silent []string)
}

// Reporter tells Kubernetes what this node's speaker does. It never makes its caller wait.
type Reporter struct {
	node   string
	poster poster
	group  group
	// background runs the speakers' Leases; nil means none.
	background func(context.Context)
	log        logrus.FieldLogger

	// latest is the last State that Tell was given, state the one that was looked at last, by Run alone; nil before the first.
	// wake holds at most one wish to look.
	latest, state atomic.Pointer[State]
	// sessions are those that Proven was given last.
	sessions atomic.Pointer[[]Session]
	wake     chan struct{}

	told, dropped atomic.Uint64
	waiting       atomic.Int64

	mu sync.Mutex
	// problems are what is wrong at present and was logged, by what it is about.
	problems map[string]string

	// These belong to Run.
	queue queue
	pace  pace
	// drifts is what neighbors are not told as intended; compared are the sessions that were looked at last, at comparedAt.
	drifts     queue
	driftPace  pace
	compared   *[]Session
	comparedAt time.Time

	began  time.Time // when the first State was looked at
	looked time.Time // when the last one was
	paused time.Time // until when nothing is asked of the API server
	pause  time.Duration
	round  round
}

// round is a walk over all that is skipped, to tell it again.
type round struct {
	// next is when the next one begins, or goes on.
	next time.Time
	// began is when this one did; zero between two rounds.
	began time.Time
	// after is the object that was told last in this round.
	after route.Object
}

// New makes a Reporter that writes with the rights of config. Call Run for it to do something.
func New(config *rest.Config, o Options) (*Reporter, error) {
	if o.Node == "" || o.Namespace == "" {
		return nil, fmt.Errorf("report: node %q and namespace %q must both be set", o.Node, o.Namespace)
	}
	config = rest.CopyConfig(config)
	// The Reporter paces itself.
	config.QPS = -1
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("report: connect to the API server: %w", err)
	}
	core, err := typed(config, client, "/api", corev1.SchemeGroupVersion, &corev1.Event{}, &corev1.EventList{})
	if err != nil {
		return nil, err
	}
	leases, err := typed(config, client, "/apis", coordinationv1.SchemeGroupVersion,
		&coordinationv1.Lease{}, &coordinationv1.LeaseList{})
	if err != nil {
		return nil, err
	}
	objects, err := metadata.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("report: make a client for metadata: %w", err)
	}

	r := newReporter(usual, o.Log.WithField("stage", "report"))
	r.node = o.Node
	r.poster = &events{core: core, metadata: objects, node: o.Node}
	p := &peers{
		leases: leases, namespace: o.Namespace, node: o.Node, group: o.Group,
		every: renewEvery,
		owner: func(ctx context.Context) *metav1.OwnerReference {
			node, err := objects.Resource(kinds["Node"]).Get(ctx, o.Node, metav1.GetOptions{})
			if err != nil {
				return nil // It matters only when the node goes away.
			}
			return &metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: o.Node, UID: node.UID}
		},
		trouble: r.problem,
		wake:    make(chan struct{}, 1),
		seen:    make(map[string]*member),
	}
	r.group = p
	r.background = func(ctx context.Context) {
		var both sync.WaitGroup
		both.Go(func() { p.keep(ctx) })
		both.Go(func() { p.watch(ctx) })
		both.Wait()
	}
	return r, nil
}

// newReporter makes one without a poster and a group.
func newReporter(l limits, log logrus.FieldLogger) *Reporter {
	return &Reporter{
		log:      log,
		wake:     make(chan struct{}, 1),
		problems: make(map[string]string),
		queue:    newQueue(l),
		drifts:   newQueue(usualDrift),
		pause:    firstPause,
	}
}

// typed gives a client of one group of the API that knows the given types alone: a scheme of all of Kubernetes' types would
// cost megabytes.
func typed(config *rest.Config, client *http.Client, path string, gv schema.GroupVersion, all ...runtime.Object) (rest.Interface, error) {
	scheme := runtime.NewScheme()
	scheme.AddKnownTypes(gv, all...)
	metav1.AddToGroupVersion(scheme, gv)
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	config = rest.CopyConfig(config)
	config.GroupVersion = &gv
	config.APIPath = path
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	c, err := rest.RESTClientForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("report: make a client for %s: %w", gv, err)
	}
	return c, nil
}

// Tell hands over what stands now; call it after each apply that succeeded. It returns at once and may be called from any
// goroutine. Of several States that come quickly, the last one counts.
//
// What the first State announces is taken as told before: an agent that restarts has no news. What it skips is told, as it
// is every 25 minutes while it stands, because the API server forgets Events after an hour.
func (r *Reporter) Tell(s State) {
	r.latest.Store(&s)
	r.lookAgain()
}

func (r *Reporter) lookAgain() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Status may be called at any time from any goroutine.
func (r *Reporter) Status() Status {
	return Status{
		Told:     r.told.Load(),
		Dropped:  r.dropped.Load(),
		Waiting:  int(r.waiting.Load()),
		Behind:   r.latest.Load() != r.state.Load(),
		Speakers: len(r.group.alive().voters),
	}
}

// Run tells until ctx ends, gives up the speaker's Lease, and returns nil; call it once. Trouble with the API server is
// logged and tried again, and never ends it.
func (r *Reporter) Run(ctx context.Context) error {
	var background sync.WaitGroup
	defer background.Wait()
	if r.background != nil {
		background.Go(func() { r.background(ctx) })
	}
	for {
		wait := r.step(ctx)
		if ctx.Err() != nil {
			return nil
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-r.wake:
			timer.Stop()
		}
	}
}

// idle is how long Run waits where nothing is to be done.
const idle = time.Minute

// step does what is due, at most one notice of it, and gives how long nothing else is.
func (r *Reporter) step(ctx context.Context) time.Duration {
	now := time.Now()
	alive := r.group.alive()
	next := now.Add(idle)
	if latest := r.latest.Load(); latest != nil && latest != r.state.Load() {
		if at := r.looked.Add(lookEvery); at.After(now) {
			next = at
		} else {
			r.look(latest, alive, now)
		}
	}
	next = earlier(next, r.lookAtDrifts(now))

	free := later(r.paused, r.pace.next(r.queue.limits.every, r.queue.limits.burst))
	told, at := r.tellDrift(ctx, alive, free, now)
	if told {
		return 0
	}
	next = earlier(next, at)
	state := r.state.Load()
	if state == nil {
		return next.Sub(now)
	}
	first := r.queue.first()
	switch {
	case first != nil && !first.due.After(now):
		if free.After(now) {
			return earlier(next, free).Sub(now)
		}
		r.change(ctx, &r.queue, first, alive, now)
		return 0
	case first != nil:
		next = earlier(next, first.due)
	}
	if at := later(free, r.round.next); at.After(now) {
		return earlier(next, at).Sub(now)
	}
	if r.again(ctx, state, alive, now) {
		return 0
	}
	return earlier(next, r.round.next).Sub(now)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// look takes up what differs between the State of before and the latest.
func (r *Reporter) look(latest *State, alive electorate, now time.Time) {
	before := r.state.Load()
	if before == nil {
		before, r.began = latest, now
		r.round.next = now.Add(r.queue.limits.settle)
	}
	r.queue.trim(now)
	// Where the live speakers are known already, what another one tells takes no room here.
	matters := func(o route.Object) bool {
		return tellable(o) &&
			(r.queue.entries[subject{object: o}] != nil || !alive.known() || before.own(o) || latest.own(o) || alive.chooses(o))
	}
	all, more := changes(before, latest, matters, r.queue.limits.waiting)
	for _, c := range all {
		if !r.queue.put(c, now) {
			more++
		}
	}
	r.dropped.Add(uint64(more))
	r.group.say(latest.Silent)
	r.looked = now
	r.waiting.Store(r.queue.waiting() + r.drifts.waiting())
	r.state.Store(latest)
}

// change tells what changed about one entry of q.
func (r *Reporter) change(ctx context.Context, q *queue, e *entry, alive electorate, now time.Time) {
	defer func() { r.waiting.Store(r.queue.waiting() + r.drifts.waiting()) }()
	switch {
	case e.own:
	case !alive.known():
		r.delay(q, e, now.Add(electionWait), now)
		return
	case !alive.chooses(e.object):
		q.settled(e, now)
		return
	}
	all := notices(e.told, e.now)
	if e.session != (verify.Session{}) {
		all = []notice{driftNotice(r.node, e)}
	}
	for _, n := range all {
		err := r.post(ctx, e.object, n)
		if err != nil && !errors.Is(err, errPointless) {
			r.delay(q, e, r.paused, now)
			return
		}
		// What was told stays told where the next notice fails.
		if n.reason != notAnnounced {
			e.told.announced = e.now.announced
		}
	}
	e.pace.take(now, q.limits.objectEvery)
	q.settled(e, now)
}

// delay has e tried again at that time, or gives it up where that has lasted too long.
func (r *Reporter) delay(q *queue, e *entry, until, now time.Time) {
	if e.failing.IsZero() {
		e.failing = now
	}
	if now.Sub(e.failing) >= q.limits.patience {
		q.settled(e, now)
		r.dropped.Add(1)
		return
	}
	if e.waits() {
		e.due = until
	} else {
		e.again = until
	}
}

// notices are what to tell where one fact became another.
func notices(told, now fact) []notice {
	var all []notice
	switch now.announced {
	case told.announced:
	case "":
		all = append(all, notice{reason: withdrawn, message: "withdrew " + told.announced})
	default:
		all = append(all, notice{reason: announced, message: "announcing " + now.announced})
	}
	if now.skipped != told.skipped && now.skipped != "" {
		all = append(all, skippedNotice(now.skipped))
	}
	return all
}

func skippedNotice(reasons string) notice {
	return notice{reason: notAnnounced, message: reasons, warning: true}
}

// again tells the next object of the round that is skipped, and reports false where the round ends or waits.
func (r *Reporter) again(ctx context.Context, state *State, alive electorate, now time.Time) bool {
	if r.round.began.IsZero() {
		r.round.began = now
		r.round.after = route.Object{}
	}
	if !alive.known() && now.Sub(r.began) < electionGrace {
		// The Lease was asked for only now.
		r.round.next = now.Add(time.Second)
		return false
	}
	for _, s := range state.from(r.round.after) {
		o := s.Object
		if o == r.round.after {
			continue
		}
		r.round.after = o
		e := r.queue.entries[subject{object: o}]
		if e != nil && e.waits() || !tellable(o) || !state.own(o) && !alive.chooses(o) {
			continue
		}
		n := skippedNotice(state.reasons(o))
		n.again = true
		// What fails is told in the next round.
		_ = r.post(ctx, o, n)
		return true
	}
	r.round.next = later(now, r.round.began.Add(r.queue.limits.standing))
	r.round.began = time.Time{}
	return false
}

// post tells one notice, counts and paces it.
func (r *Reporter) post(ctx context.Context, o route.Object, n notice) error {
	r.pace.take(time.Now(), r.queue.limits.every)
	err := r.poster.post(ctx, o, n)
	switch {
	case err == nil:
		r.told.Add(1)
		r.pause = firstPause
		r.problem("events", nil)
	case errors.Is(err, errGone):
	case errors.Is(err, errPointless):
		r.dropped.Add(1)
		r.problem("events", err)
	case ctx.Err() == nil:
		r.paused = time.Now().Add(r.pause)
		r.pause = min(2*r.pause, lastPause)
		r.problem("events", err)
	}
	return err
}

// problem logs what is wrong once while it stays, and once when it is over.
func (r *Reporter) problem(about string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, text := r.problems[about], ""
	if err != nil {
		text = err.Error()
	}
	r.problems[about] = text
	switch {
	case err != nil && old == "":
		r.log.WithError(err).Warnf("Kubernetes is not told everything: trouble with %s", about)
	case err == nil && old != "":
		r.log.Infof("no more trouble with %s", about)
	}
}

// from gives what is skipped from the given object on.
func (s *State) from(o route.Object) []reduce.Skipped {
	at, _ := slices.BinarySearchFunc(s.Skipped, o, func(w reduce.Skipped, o route.Object) int { return w.Object.Compare(o) })
	return s.Skipped[at:]
}

// waiting is how many entries are to be told.
func (q *queue) waiting() int64 {
	n := int64(0)
	for _, e := range q.entries {
		if e.waits() {
			n++
		}
	}
	return n
}
