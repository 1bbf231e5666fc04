package report

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead/fairlead/route"
)

// The labels that speakers find each other by, and the annotation of what one does not tell of.
const (
	labelName      = "app.kubernetes.io/name"
	labelComponent = "app.kubernetes.io/component"
	labelGroup     = "fairlead.io/group"
	silentKey      = "fairlead.io/silent"

	ourName      = "fairlead"
	ourComponent = "speaker"
)

const (
	// renewEvery is how often a speaker renews its Lease at least, while they are few.
	renewEvery = 20 * time.Second
	// renewals is how many Leases are renewed each second by all speakers together at most: each renewal is sent to each
	// speaker, so it must not grow with their number.
	renewals = 2
	// A Lease lasts for so many periods.
	lifetime = 3
	// A failed renewal is tried again after firstRetry, then after twice that each time, at most lastRetry.
	firstRetry = time.Second
	lastRetry  = 10 * time.Second
	// leaveWithin is how long the end may take.
	leaveWithin = 2 * time.Second
)

// peers holds this speaker's Lease, and knows the live ones of its group.
type peers struct {
	leases                 rest.Interface
	namespace, node, group string
	// owner gives what is to own the Lease, so that it goes with the node; nil means nothing does.
	owner func(context.Context) *metav1.OwnerReference
	// every is renewEvery, or shorter in tests.
	every time.Duration
	// trouble is told what about the Leases does not work and why, and nil once it does.
	trouble func(about string, err error)
	// wake asks for a renewal at once.
	wake chan struct{}

	mu     sync.Mutex
	seen   map[string]*member // by the Lease's name
	silent string
}

// member is a speaker as its Lease shows it.
type member struct {
	voter
	// renewed is the time that the Lease gives, by the clock of the one who wrote it.
	renewed time.Time
	// until is when it counts as dead, by our clock: only what changes under our eyes is compared with it, so that clocks may
	// differ.
	until time.Time
}

// voter is a live speaker.
type voter struct {
	name   string
	hash   uint64
	silent []string
}

// electorate are the speakers that were alive at one moment. The zero value knows of none.
type electorate struct {
	self   string
	voters []voter
}

// known reports whether this speaker is seen alive itself, and may thus tell what others could tell too. It is not while
// its Lease cannot be renewed or watched: then others tell.
func (e electorate) known() bool { return len(e.voters) > 0 }

// chooses reports whether this speaker is to tell of o: the one whose hash with o is the highest (rendezvous hashing), so
// that a speaker that comes or goes moves no object between two others.
func (e electorate) chooses(o route.Object) bool {
	object := digest(o.Kind, o.Namespace, o.Name)
	var best *voter
	var most uint64
	for i := range e.voters {
		v := &e.voters[i]
		if slices.Contains(v.silent, o.Kind) {
			continue
		}
		if score := mix(object ^ v.hash); best == nil || score > most || score == most && v.name < best.name {
			best, most = v, score
		}
	}
	return best != nil && best.name == e.self
}

// digest is the same in every speaker.
func digest(texts ...string) uint64 {
	h := fnv.New64a()
	for _, t := range texts {
		_, _ = h.Write([]byte(t))
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// mix spreads every bit over all others (the finalizer of MurmurHash3): FNV alone leaves similar names with similar hashes.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// lease is the name of this speaker's Lease: "fairlead-NODE", or "fairlead-NODE-0123abcd" with a hash of the group. Written as
// it is, a group could make of one node the name of another.
func (p *peers) lease() string {
	name := ourName + "-" + p.node
	if p.group != "" {
		name += fmt.Sprintf("-%08x", uint32(mix(digest(p.group))))
	}
	return name
}

// labels are those that the speakers of one group share. The group is written as a hash, because a label's value is
// shorter than a name may be.
func (p *peers) labels() map[string]string {
	return map[string]string{
		labelName:      ourName,
		labelComponent: ourComponent,
		labelGroup:     fmt.Sprintf("%016x", digest(p.group)),
	}
}

// alive gives the live speakers; none while this one is not among them.
func (p *peers) alive() electorate {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	self := p.seen[p.lease()]
	if self == nil || now.After(self.until) {
		return electorate{}
	}
	e := electorate{self: p.lease(), voters: make([]voter, 0, len(p.seen))}
	for _, m := range p.seen {
		if !now.After(m.until) {
			e.voters = append(e.voters, m.voter)
		}
	}
	return e
}

// say makes known what this speaker is silent about.
func (p *peers) say(silent []string) {
	text := strings.Join(silent, ",")
	p.mu.Lock()
	changed := text != p.silent
	p.silent = text
	p.mu.Unlock()
	if changed {
		p.renewNow()
	}
}

func (p *peers) renewNow() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// period is how often this speaker renews.
func (p *peers) period() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(p.every, time.Duration(len(p.seen))*time.Second/renewals)
}

// keep renews this speaker's Lease until ctx ends, and then deletes it, so that others take over at once.
func (p *peers) keep(ctx context.Context) {
	retry := firstRetry
	for {
		period := p.period()
		err := p.renew(ctx, lifetime*period)
		if ctx.Err() != nil {
			break
		}
		p.trouble("this speaker's lease", err)
		// A tenth earlier or later, so that speakers that started together do not stay together.
		wait := period*9/10 + rand.N(period/5)
		if err != nil {
			wait = min(retry, period)
			retry = min(2*retry, lastRetry)
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-time.After(wait):
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveWithin)
	defer cancel()
	// Where this fails, the Lease runs out by itself.
	_ = p.leases.Delete().Namespace(p.namespace).Resource("leases").Name(p.lease()).Do(ctx).Error()
}

// renew says that this speaker lives for so long.
func (p *peers) renew(ctx context.Context, lasts time.Duration) error {
	p.mu.Lock()
	annotations := map[string]string{silentKey: p.silent}
	p.mu.Unlock()
	now := metav1.NowMicro()
	seconds := int32((lasts + time.Second - 1) / time.Second)
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"labels": p.labels(), "annotations": annotations},
		"spec":     map[string]any{"holderIdentity": p.node, "renewTime": now, "leaseDurationSeconds": seconds},
	})
	if err != nil {
		return fmt.Errorf("write lease %s/%s: %w", p.namespace, p.lease(), err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestWithin)
	defer cancel()
	err = p.leases.Patch(types.MergePatchType).Namespace(p.namespace).Resource("leases").Name(p.lease()).Body(patch).
		Do(ctx).Error()
	if apierrors.IsNotFound(err) {
		lease := &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Name: p.lease(), Namespace: p.namespace, Labels: p.labels(), Annotations: annotations},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: &p.node, AcquireTime: &now, RenewTime: &now, LeaseDurationSeconds: &seconds,
			},
		}
		if owner := p.owner(ctx); owner != nil {
			lease.OwnerReferences = []metav1.OwnerReference{*owner}
		}
		err = p.leases.Post().Namespace(p.namespace).Resource("leases").Body(lease).Do(ctx).Error()
	}
	if err != nil {
		return fmt.Errorf("renew lease %s/%s: %w", p.namespace, p.lease(), err)
	}
	return nil
}

// watch follows the Leases of the group until ctx ends.
func (p *peers) watch(ctx context.Context) {
	selector := metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: p.labels()})
	request := func(o metav1.ListOptions) *rest.Request {
		o.LabelSelector = selector
		return p.leases.Get().Namespace(p.namespace).Resource("leases").VersionedParams(&o, metav1.ParameterCodec)
	}
	told := func(err error) error {
		if err != nil {
			err = fmt.Errorf("watch leases in %s: %w", p.namespace, err)
		}
		if ctx.Err() == nil {
			p.trouble("the speakers' leases", err)
		}
		return err
	}
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			list := &coordinationv1.LeaseList{}
			return list, told(request(o).Do(ctx).Into(list))
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.Watch = true
			w, err := request(o).Watch(ctx)
			return w, told(err)
		},
	}
	cache.NewReflectorWithOptions(source, &coordinationv1.Lease{}, p, cache.ReflectorOptions{Name: "speakers"}).
		RunWithContext(ctx)
}

// Add takes up a Lease; it and the next four methods are what a Reflector writes to.
func (p *peers) Add(o any) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.see(o, false)
	return nil
}

// Update takes up a Lease.
func (p *peers) Update(o any) error { return p.Add(o) }

// Delete forgets a speaker. One's own Lease is written again at once.
func (p *peers) Delete(o any) error {
	lease, ok := o.(*coordinationv1.Lease)
	if !ok {
		return nil
	}
	p.mu.Lock()
	delete(p.seen, lease.Name)
	p.mu.Unlock()
	if lease.Name == p.lease() {
		p.renewNow()
	}
	return nil
}

// Replace takes up all Leases. After a time without the API server nobody's Lease was seen renewed; then all count as
// alive, so that the first to renew does not believe itself alone.
func (p *peers) Replace(all []any, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	self := p.seen[p.lease()]
	blind := self == nil || time.Now().After(self.until)
	old := p.seen
	p.seen = make(map[string]*member, len(all))
	for _, o := range all {
		if lease, ok := o.(*coordinationv1.Lease); ok && old[lease.Name] != nil {
			p.seen[lease.Name] = old[lease.Name]
		}
		p.see(o, blind)
	}
	return nil
}

// Resync does nothing: all is kept.
func (p *peers) Resync() error { return nil }

// see takes up one Lease, which lives on where it was renewed, or anyway is given the time.
func (p *peers) see(o any, anyway bool) {
	lease, ok := o.(*coordinationv1.Lease)
	if !ok || lease.Spec.RenewTime == nil || lease.Spec.LeaseDurationSeconds == nil {
		return
	}
	m := p.seen[lease.Name]
	if m == nil {
		m = &member{voter: voter{name: lease.Name, hash: digest(lease.Name)}}
		p.seen[lease.Name] = m
	}
	m.silent = strings.Split(lease.Annotations[silentKey], ",")
	if anyway || !m.renewed.Equal(lease.Spec.RenewTime.Time) {
		m.until = time.Now().Add(time.Duration(*lease.Spec.LeaseDurationSeconds) * time.Second)
	}
	m.renewed = lease.Spec.RenewTime.Time
}
