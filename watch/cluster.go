package watch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
)

// gracePeriod is how long objects stay that a CRD held before it was deleted and created anew.
const gracePeriod = 10 * time.Minute

// ClusterOptions say what of a cluster is followed. They hold for a Cluster's life.
type ClusterOptions struct {
	// Node is this node's name; it may not be empty.
	Node string
	// OwnPods follows the pods of this node only. The zero value follows those of all nodes.
	OwnPods bool
	// NATGateway is the name of the VPC NAT gateway whose EIPs are followed, instead of pods, services and subnets. ""
	// means that this is no gateway.
	NATGateway string
	// Grace is how long objects stay that are not in a CRD of theirs which was deleted and created anew. Zero means 10
	// minutes.
	Grace time.Duration
	// Log is told what changed, and why.
	Log logrus.FieldLogger
}

// Wanted is what is followed only while somebody needs it. The zero value is nothing.
type Wanted struct {
	// Services asks for all services.
	Services bool
	// Secrets are those that hold passwords; each names its namespace.
	Secrets []config.SecretRef
}

// Readiness is how much a Snapshot says to somebody who wants something of it, of all but the Secrets: what a Secret that is
// not known stops is for those to say who need it.
type Readiness int

const (
	// Waiting means that not every resource was listed yet, or that what is wanted was not asked for yet. What a Snapshot lacks
	// may exist: nothing should be done.
	Waiting Readiness = iota
	// Partial means that the API server forbids, and forbade since the start, to see some resources, that it did not give the
	// services that are wanted, or that what it listed is known to lack objects. What a Snapshot has may be announced; what it
	// lacks may exist, and should not be withdrawn.
	Partial
	// Complete means that every resource was listed. What a Snapshot lacks is gone.
	Complete
)

// Reason is the kind of a Condition; it is one of few, and fit for a metric's label.
type Reason string

// The reasons. The empty one means that all is well.
const (
	Unreachable  Reason = "Unreachable"  // no connection to the API server
	Throttled    Reason = "Throttled"    // it has too much to do (429)
	Failing      Reason = "Failing"      // it answers with another error
	Unauthorized Reason = "Unauthorized" // it does not know us (401)
	Forbidden    Reason = "Forbidden"    // we may not see the resource (403)
	Missing      Reason = "Missing"      // the resource, or its CRD, went away: its objects are kept
	Restored     Reason = "Restored"     // its CRD was created anew, and does not hold all objects yet: they are kept
	Deleted      Reason = "Deleted"      // a Secret or the node was deleted: its last value is kept
	Malformed    Reason = "Malformed"    // objects cannot be used: they are kept as they were, or left out
)

// Condition is what is wrong with a source. The zero value says that all is well.
type Condition struct {
	Reason Reason
	// Message says it for people, and what to do.
	Message string
	// Since is when the Reason became what it is.
	Since time.Time
}

// SourceState is how one resource is followed.
type SourceState struct {
	// Name is the resource's name in the API, a Secret's with its namespace and name behind.
	Name string
	// Synced says that all its objects were listed, or that the cluster has no such kind.
	Synced bool
	// Objects is the number that is held: pods that can never matter are not.
	Objects int
	// Listed is when all its objects were last listed; zero means never.
	Listed time.Time
	// Restarts is how often its watch was begun again. Watches end every few minutes without anything being wrong.
	Restarts int
	// Condition is what is wrong.
	Condition Condition
}

// Cluster follows the API of a Kubernetes cluster. Whatever happens to the API server, it keeps the objects it knows: one
// is gone when its deletion was seen, or when a list that succeeded lacks it, and neither counts where it is the object's
// CRD that goes. All methods may be called at any time from any goroutine.
type Cluster struct {
	log     logrus.FieldLogger
	options ClusterOptions
	grace   time.Duration
	api     *api
	// dirty holds at most one word that something changed, moved one that something else is wanted.
	dirty, moved chan struct{}

	// mu guards all that follows, and what the sources hold.
	mu sync.Mutex
	// turn is closed and replaced when a CRD came or went, or a source works again.
	turn chan struct{}

	pods     table[reduce.Pod]
	nodes    table[reduce.Node]
	subnets  table[reduce.Subnet]
	eips     table[reduce.EIP]
	gateways table[reduce.Gateway]
	// sources are what a Snapshot is made of, without the Secrets, and definitions the CRDs that some of them exist by.
	sources     []*source
	definitions []*definition
	// services is nil while nobody wants any.
	services *services
	secrets  map[key]*secret
}

// wish is a source that somebody wants.
type wish struct {
	source *source
	// stop ends its watch; nil before Run has begun it.
	stop context.CancelFunc
}

// services are all services. Those that are wanted anew have a table of their own.
type services struct {
	wish
	table table[reduce.Service]
}

// secret is a Secret.
type secret struct {
	wish
	table table[reduce.Secret]
	// keys are those of it that hold passwords.
	keys []string
}

// NewCluster prepares to follow a cluster, and sends nothing yet: call Run. The User-Agent is that of access, else
// "fairlead". An error means that access or the options cannot work.
func NewCluster(access *rest.Config, o ClusterOptions) (*Cluster, error) {
	if o.Node == "" {
		return nil, errors.New("follow the cluster: the name of this node is not known")
	}
	api, err := newAPI(access)
	if err != nil {
		return nil, err
	}
	c := &Cluster{log: o.Log.WithField("stage", "watch"), options: o, grace: cmp.Or(o.Grace, gracePeriod), api: api,
		dirty: make(chan struct{}, 1), moved: make(chan struct{}, 1), turn: make(chan struct{}), secrets: make(map[key]*secret)}
	c.pods.keyOf = func(o *reduce.Pod) key { return keyOf(o.Meta) }
	c.nodes.keyOf = func(o *reduce.Node) key { return keyOf(o.Meta) }
	c.subnets.keyOf = func(o *reduce.Subnet) key { return keyOf(o.Meta) }
	c.eips.keyOf = func(o *reduce.EIP) key { return keyOf(o.Meta) }
	c.gateways.keyOf = func(o *reduce.Gateway) key { return keyOf(o.Meta) }

	node := c.add("nodes", named(o.Node), &c.nodes)
	node.sticky, node.mend = "was deleted: what it said last stays in use until it is there again", c.keepAddresses
	if o.NATGateway != "" {
		c.addKubeOVN("iptables-eips", "IptablesEIP", "", &c.eips)
		c.addKubeOVN("vpc-nat-gateways", "VpcNatGateway", named(o.NATGateway), &c.gateways)
		return c, nil
	}
	pods := ""
	if o.OwnPods {
		pods = fields.OneTermEqualSelector("spec.nodeName", o.Node).String()
	}
	c.add("pods", pods, &c.pods)
	c.addKubeOVN("subnets", "Subnet", "", &c.subnets)
	return c, nil
}

func keyOf(m reduce.Meta) key { return key{m.Namespace, m.Name} }

// keepAddresses gives a node that has no IPv4 InternalIP those that it had last. A node that registers anew where a cloud
// controller sets its addresses lacks them for a while; the router ID follows them, and another one resets every session.
func (c *Cluster) keepAddresses(i *item) {
	now, ok := i.value.(*reduce.Node)
	last := c.nodes.at(i.key)
	if !ok || last == nil || slices.ContainsFunc(now.Addresses, netip.Addr.Is4) {
		return
	}
	kept := slices.DeleteFunc(slices.Clone(last.Addresses), netip.Addr.Is6)
	if len(kept) == 0 {
		return
	}
	mended := *now
	mended.Addresses = slices.Concat(kept, now.Addresses)
	i.mended(&mended, errors.New("no IPv4 InternalIP is left: those it had last stay in use; "+
		"give it one, or set routerID and restart the agent to do without"))
}

// keepPasswords gives a Secret, for each of its keys that no longer holds a good password, the one that it held last: a
// session with another password than the neighbor's would end, and without one nothing could be said of this node.
func (s *secret) keepPasswords(i *item) {
	now, ok := i.value.(*reduce.Secret)
	last := s.table.at(i.key)
	if !ok || last == nil {
		return
	}
	mended := *now
	mended.Data = maps.Clone(now.Data)
	for _, k := range s.keys {
		_, bad := config.ParsePassword([]byte(now.Data[k].Reveal()))
		_, worse := config.ParsePassword([]byte(last.Data[k].Reveal()))
		if bad != nil && worse == nil {
			mended.Data[k] = last.Data[k]
			i.mended(&mended, fmt.Errorf("its key %s %w; what it held last stays in use", k, bad))
		}
	}
}

// named selects one object by its name.
func named(name string) string { return fields.OneTermEqualSelector("metadata.name", name).String() }

// add follows a resource of core/v1.
func (c *Cluster) add(plural, selector string, rows rows) *source {
	s := c.core(plural, selector, rows)
	c.sources = append(c.sources, s)
	return s
}

// core is the source of a resource of core/v1.
func (c *Cluster) core(plural, selector string, rows rows) *source {
	return &source{cluster: c, name: plural, rows: rows,
		resource: resource{client: c.api.core, options: c.api.options, plural: plural, fields: selector}}
}

// addKubeOVN follows a resource of Kube-OVN's, and its CRD.
func (c *Cluster) addKubeOVN(plural, kind, selector string, rows rows) {
	name := plural + ".kubeovn.io"
	crd := resource{client: c.api.crds, options: c.api.options, plural: "customresourcedefinitions", name: name, fields: named(name), metadata: true}
	d := &definition{crd: crd, kick: make(chan struct{}, 1)}
	d.source = &source{cluster: c, name: crd.plural + "/" + name, resource: crd, rows: d}
	d.objects = &source{cluster: c, name: plural, rows: rows, definition: d,
		resource: resource{client: c.api.ovn, options: c.api.options, plural: plural, kind: kind, fields: selector}}
	c.definitions = append(c.definitions, d)
	c.sources = append(c.sources, d.objects)
}

// Run follows the cluster until ctx ends, and then returns nil; call it once. It calls changed, from its own goroutine and
// never twice at a time, after Snapshot, Readiness, or the Reason of a Condition changed; changed should return soon.
func (c *Cluster) Run(ctx context.Context, changed func()) error {
	settled := Settle(ctx, c.dirty, quiet, limit)
	var running sync.WaitGroup
	defer running.Wait()
	for _, s := range c.sources {
		running.Go(func() { s.follow(ctx) })
	}
	for _, d := range c.definitions {
		running.Go(func() { d.source.follow(ctx) })
		running.Go(func() { d.verify(ctx) })
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.moved:
			c.followWanted(ctx, &running)
		case <-settled:
			c.tell()
			changed()
		}
	}
}

// Snapshot is what the cluster holds as far as it is known, its objects sorted by namespace and name. What it gives does
// not change. Ask for Readiness before it.
func (c *Cluster) Snapshot() reduce.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := reduce.Snapshot{Pods: c.pods.list(), Nodes: c.nodes.list(), Subnets: c.subnets.list(), EIPs: c.eips.list(), Gateways: c.gateways.list()}
	if c.services != nil {
		s.Services = c.services.table.list()
	}
	for _, secret := range c.sortedSecrets() {
		s.Secrets = append(s.Secrets, secret.table.list()...)
	}
	return s
}

// Readiness is how much a Snapshot that is taken afterwards says to who wants w. What others want, and Want named, does not
// count; what Want did not name yet is Waiting. For the same w it becomes worse only by Want.
func (c *Cluster) Readiness(w Wanted) Readiness {
	c.mu.Lock()
	defer c.mu.Unlock()
	readiness := Complete
	for _, s := range c.sources {
		switch {
		case s.synced:
		case s.refused:
			readiness = min(readiness, Partial)
		default:
			return Waiting
		}
	}
	if w.Services {
		switch s := c.services; {
		case s == nil || !s.source.answered:
			return Waiting
		case !s.source.synced:
			readiness = Partial
		}
	}
	for _, ref := range w.Secrets {
		if s := c.secrets[key{ref.Namespace, ref.Name}]; s == nil || !s.source.answered {
			return Waiting
		}
	}
	return readiness
}

// Sources are how the resources are followed that a Snapshot is made of, what is wanted last. The slice is the caller's.
func (c *Cluster) Sources() []SourceState {
	c.mu.Lock()
	defer c.mu.Unlock()
	var states []SourceState
	for _, s := range c.all() {
		states = append(states, SourceState{Name: s.name, Synced: s.synced, Objects: s.rows.len(), Listed: s.listed,
			Restarts: max(0, s.watches-1), Condition: s.condition})
	}
	return states
}

// Want has Run follow what w names, and no more of its kinds. While some of it was not asked for yet, its Readiness is Waiting,
// and Partial until all services are known. A Secret that does not exist, or that the API server did not give, is not in a Snapshot.
// One that was seen once and is deleted keeps its last value for as long as it is wanted, and so does a key of it that holds no
// good password any more.
func (c *Cluster) Want(w Wanted) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case w.Services && c.services == nil:
		c.services = &services{table: table[reduce.Service]{keyOf: func(o *reduce.Service) key { return keyOf(o.Meta) }}}
		c.services.source = c.core("services", "", &c.services.table)
	case !w.Services && c.services != nil:
		c.services.end()
		c.services = nil
	}
	keys := make(map[key][]string, len(w.Secrets))
	for _, ref := range w.Secrets {
		k := key{ref.Namespace, ref.Name}
		keys[k] = append(keys[k], ref.Key)
		if c.secrets[k] != nil {
			continue
		}
		s := &secret{table: table[reduce.Secret]{keyOf: func(o *reduce.Secret) key { return keyOf(o.Meta) }}}
		s.source = c.core("secrets", named(k.name), &s.table)
		s.source.name, s.source.resource.namespace = "secrets/"+k.String(), k.namespace
		s.source.sticky = "was deleted: what it held last stays in use; create it again, or take it out of the configuration"
		s.source.mend = s.keepPasswords
		c.secrets[k] = s
	}
	for k, s := range c.secrets {
		if s.keys = keys[k]; s.keys == nil {
			delete(c.secrets, k)
			s.end()
			continue
		}
		// Two versions of the configuration may name the same.
		slices.Sort(s.keys)
		s.keys = slices.Compact(s.keys)
	}
	select {
	case c.moved <- struct{}{}:
	default:
	}
	c.poke()
}

// end ends the watch of what nobody wants any more.
func (w *wish) end() {
	if w.stop != nil {
		w.stop()
	}
}

// followWanted begins to follow what nobody follows yet.
func (c *Cluster) followWanted(ctx context.Context, running *sync.WaitGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.wishes() {
		if w.stop == nil {
			var own context.Context
			own, w.stop = context.WithCancel(ctx)
			running.Go(func() { w.source.follow(own) })
		}
	}
}

// wishes are the sources that somebody wants, the Secrets' last.
func (c *Cluster) wishes() []*wish {
	var wishes []*wish
	if c.services != nil {
		wishes = append(wishes, &c.services.wish)
	}
	for _, s := range c.sortedSecrets() {
		wishes = append(wishes, &s.wish)
	}
	return wishes
}

func (c *Cluster) sortedSecrets() []*secret {
	return slices.SortedFunc(maps.Values(c.secrets), func(a, b *secret) int { return cmp.Compare(a.source.name, b.source.name) })
}

// all are the sources, those that somebody wants last.
func (c *Cluster) all() []*source {
	all := slices.Clone(c.sources)
	for _, w := range c.wishes() {
		all = append(all, w.source)
	}
	return all
}

// poke tells Run that something changed.
func (c *Cluster) poke() {
	select {
	case c.dirty <- struct{}{}:
	default:
	}
}

// announce ends the waits of the sources.
func (c *Cluster) announce() {
	close(c.turn)
	c.turn = make(chan struct{})
}

// wait waits as long as d says, or until there is reason to look again sooner. It never looks at once: word that comes in
// plenty must not become requests in plenty.
func (c *Cluster) wait(ctx context.Context, d delay) {
	c.mu.Lock()
	turn := c.turn
	c.mu.Unlock()
	for _, phase := range []struct {
		time time.Duration
		turn <-chan struct{}
	}{{d.least, nil}, {d.most - d.least, turn}} {
		timer := time.NewTimer(phase.time)
		select {
		case <-ctx.Done():
		case <-phase.turn:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// tell logs which conditions changed: once for all sources to which the same happened, and an API server that is away once
// for all of them, whichever notices first.
func (c *Cluster) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	affected := make(map[Reason][]string)
	message := make(map[Reason]string)
	var wasAway, isAway bool
	all := c.all()
	for _, d := range c.definitions {
		all = append(all, d.source)
	}
	for _, s := range all {
		last, now := s.logged, s.condition.Reason
		s.logged = now
		wasAway, isAway = wasAway || last == Unreachable, isAway || now == Unreachable
		if now == last || now == "" && last == Unreachable {
			continue
		}
		if affected[now] == nil {
			message[now] = s.condition.Message
		}
		affected[now] = append(affected[now], s.name)
	}
	if wasAway {
		delete(affected, Unreachable)
		if !isAway {
			c.log.Info("the API server is reached again")
		}
	}
	for reason, names := range affected {
		log := c.log.WithField("object", strings.Join(names, ", "))
		if reason == "" {
			log.Info("followed again, nothing is wrong any more")
		} else {
			log.WithField("reason", string(reason)).Warn(message[reason])
		}
	}
}

// String names the readiness for a log.
func (r Readiness) String() string {
	switch r {
	case Waiting:
		return "waiting"
	case Partial:
		return "partial"
	case Complete:
		return "complete"
	default:
		return fmt.Sprintf("Readiness(%d)", int(r))
	}
}
