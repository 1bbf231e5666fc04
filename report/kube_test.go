package report

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/kube"
)

// deadline bounds each wait for what the API server is to hold.
const deadline = time.Minute

// renewed is how often the speakers of these tests renew their Leases, which last three times as long.
const renewed = 2 * time.Second

// quick are the usual limits for a test that waits for them.
func quick() limits {
	l := usual
	l.settle = 100 * time.Millisecond
	l.standing = time.Second
	l.every = 10 * time.Millisecond
	return l
}

// speaker is a Reporter that runs against a real API server.
type speaker struct {
	*Reporter
	stop func()
	logs *logtest.Hook
	// cut, once set, fails all requests, as if the node had died.
	cut atomic.Bool
	// requests counts those that are not watches, by their method and the resource.
	mu       sync.Mutex
	requests map[string]int
}

// speak starts a speaker of the given node, whose Lease is in namespace ns.
func speak(t *testing.T, config *rest.Config, ns, node string, l limits) *speaker {
	t.Helper()
	s := &speaker{requests: make(map[string]int)}
	config = rest.CopyConfig(config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if s.cut.Load() {
				return nil, errors.New("the node is dead")
			}
			if r.URL.Query().Get("watch") == "" {
				words := strings.Split(strings.TrimPrefix(r.URL.Path, "/apis/coordination.k8s.io"), "/")
				s.mu.Lock()
				s.requests[r.Method+" "+words[min(len(words)-1, 4)]]++
				s.mu.Unlock()
			}
			return next.RoundTrip(r)
		})
	})
	var log *logrus.Logger
	log, s.logs = logtest.NewNullLogger()
	r, err := New(config, Options{Node: node, Namespace: ns, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s.Reporter = r
	r.queue.limits = l
	r.drifts.limits.settle = l.settle
	r.group.(*peers).every = renewed
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run returns %v", err)
		}
	}()
	s.stop = func() { cancel(); <-done }
	t.Cleanup(s.stop)
	return s
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip calls f.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// await polls until ok reports true.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.After(deadline)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end:
			t.Fatalf("%s: not within %v", what, deadline)
		case <-tick.C:
		}
	}
}

// awaitSpeakers waits until each of the speakers sees so many.
func awaitSpeakers(t *testing.T, n int, speakers ...*speaker) {
	t.Helper()
	await(t, fmt.Sprintf("%d speakers alive", n), func() bool {
		for _, s := range speakers {
			if s.Status().Speakers != n {
				return false
			}
		}
		return true
	})
}

// awaitLooked waits until a speaker has taken up a State, given to it as new.
func awaitLooked(t *testing.T, s *speaker, state State) {
	t.Helper()
	s.Tell(state)
	await(t, "the state is looked at", func() bool { return !s.Status().Behind })
}

// eventsIn lists the Events of a namespace, those that fields select.
func eventsIn(t *testing.T, config *rest.Config, ns, fields string) []corev1.Event {
	t.Helper()
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	core, err := typed(config, client, "/api", corev1.SchemeGroupVersion, &corev1.Event{}, &corev1.EventList{})
	if err != nil {
		t.Fatal(err)
	}
	list := &corev1.EventList{}
	if err := core.Get().Namespace(ns).Resource("events").
		VersionedParams(&metav1.ListOptions{FieldSelector: fields}, metav1.ParameterCodec).Do(t.Context()).Into(list); err != nil {
		t.Fatalf("list events: %v", err)
	}
	return list.Items
}

// pods makes so many pods and gives what a speaker says when it announces them all.
func pods(t *testing.T, c *kube.Cluster, ns string, n int) State {
	t.Helper()
	var manifest strings.Builder
	var s State
	for i := range n {
		name := fmt.Sprintf("pod-%d", i)
		fmt.Fprintf(&manifest, "---\n%s", podManifest(ns, name))
		s.Routes = append(s.Routes, route.Route{
			Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 16, byte(i >> 8), byte(i)}), 32),
			From:   []route.Object{{Kind: "Pod", Namespace: ns, Name: name}},
		})
	}
	c.Apply(t, manifest.String())
	return s
}

func podManifest(ns, name string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Pod
metadata: {namespace: %s, name: %s}
spec: {containers: [{name: main, image: example.invalid/main}]}
`, ns, name)
}

// TestSpeakersShare has three speakers announce 200 pods, lets one die, and then has all withdrawn: each is told exactly once.
func TestSpeakersShare(t *testing.T) {
	t.Parallel()
	c := kube.Shared(t)
	ns, config := c.Namespace(t), c.Config()
	all := pods(t, c, ns, 200)
	start := time.Now()
	speakers := []*speaker{
		speak(t, config, ns, "node1", quick()), speak(t, config, ns, "node2", quick()), speak(t, config, ns, "node3", quick()),
	}
	awaitSpeakers(t, 3, speakers...)
	for _, s := range speakers {
		awaitLooked(t, s, State{})
	}

	told := func(reason string, by int) {
		t.Helper()
		await(t, fmt.Sprintf("200 %s", reason), func() bool {
			return len(eventsIn(t, config, ns, "reason="+reason)) >= 200
		})
		hosts, objects := map[string]int{}, map[string]int{}
		for _, e := range eventsIn(t, config, ns, "reason="+reason) {
			hosts[e.Source.Host]++
			objects[e.InvolvedObject.Name] += int(e.Count)
		}
		t.Logf("%s: %v", reason, hosts)
		if len(hosts) != by || len(objects) != 200 {
			t.Errorf("%s is told by %v of %d objects, want %d speakers and 200", reason, hosts, len(objects), by)
		}
		for o, n := range objects {
			if n != 1 {
				t.Errorf("%s of %s is told %d times", reason, o, n)
			}
		}
	}
	for _, s := range speakers {
		s.Tell(all)
	}
	told(announced, 3)

	speakers[2].cut.Store(true)
	awaitSpeakers(t, 2, speakers[:2]...)
	for _, s := range speakers[:2] {
		s.Tell(State{})
	}
	told(withdrawn, 2)
	// Who took over tells nothing of what stood before: told has counted each Announced once, and counts it now again.
	told(announced, 3)

	ended := time.Now()
	speakers[1].stop()
	awaitSpeakers(t, 1, speakers[0])
	// A Lease that is not deleted lasts longer: it was renewed little more than one period ago, for three.
	if took := time.Since(ended); took > renewed*3/2 {
		t.Errorf("a speaker that ends is alive for %v more, want its Lease deleted", took)
	}
	s := speakers[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	t.Logf("requests of node1 in %v, with a Lease renewed every %v: %v", time.Since(start).Round(time.Second), renewed, s.requests)
	if most := int(time.Since(start)/(renewed*9/10)) + 2; s.requests["PATCH leases"] > most {
		t.Errorf("the Lease was renewed %d times, want at most %d", s.requests["PATCH leases"], most)
	}
}

// TestEventAnswersWhy skips objects of several kinds, and finds the reason on each as kubectl describe does, by its UID.
func TestEventAnswersWhy(t *testing.T) {
	t.Parallel()
	c := kube.Shared(t)
	c.CRDs(t)
	ns, config := c.Namespace(t), c.Config()
	clusterWide := fmt.Sprintf(`---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: %s-subnet}
spec: {cidrBlock: 10.16.0.0/16}
---
apiVersion: v1
kind: Node
metadata: {name: %[1]s-node}
`, ns)
	c.Apply(t, podManifest(ns, "sample")+clusterWide)
	t.Cleanup(func() { c.Delete(t, clusterWide) })

	objects := []route.Object{
		{Kind: "Node", Name: ns + "-node"},
		{Kind: "Pod", Namespace: ns, Name: "sample"},
		{Kind: "Subnet", Name: ns + "-subnet"},
	}
	const reason = `annotation fairlead.io/bgp is "ture": write true (or yes, cluster), local, false or no`
	var bad State
	for _, o := range append(objects, route.Object{Kind: "Pod", Namespace: ns, Name: "gone"}) {
		bad.Skipped = append(bad.Skipped, reduce.Skipped{Object: o, Reason: reason})
	}
	find := func(o route.Object) []corev1.Event {
		t.Helper()
		in, fields := o.Namespace, "involvedObject.kind="+o.Kind+",involvedObject.name="+o.Name
		if in == "" {
			in = metav1.NamespaceDefault
		}
		return eventsIn(t, config, in, fields)
	}
	slices.SortFunc(bad.Skipped, func(a, b reduce.Skipped) int { return a.Object.Compare(b.Object) })

	l := quick()
	l.standing = time.Hour
	first := speak(t, config, ns, "node1", l)
	first.Tell(bad)
	for _, o := range objects {
		await(t, "an Event on "+o.String(), func() bool { return len(find(o)) == 1 })
		e := find(o)[0]
		if e.Reason != notAnnounced || e.Type != corev1.EventTypeWarning || e.Message != reason || e.Count != 1 {
			t.Errorf("%s: %s %s %q, %d times", o, e.Type, e.Reason, e.Message, e.Count)
		}
		if e.InvolvedObject.UID == "" || e.InvolvedObject.UID != uid(t, first, o) {
			t.Errorf("%s: the Event has UID %q, want the object's own", o, e.InvolvedObject.UID)
		}
	}
	// An Event can be read before its writer has the answer, and counts it.
	await(t, "three told", func() bool { return first.Status().Told == 3 })
	if s := first.Status(); s.Dropped != 0 {
		t.Errorf("status %+v, want nothing lost with the object that is gone", s)
	}

	// An agent that restarts tells again what stands: the same Events, moved on.
	pod := objects[1]
	before := find(pod)[0]
	first.stop()
	await(t, "the next second, which is all that an Event's time shows", func() bool {
		return time.Since(before.LastTimestamp.Time) > 1100*time.Millisecond
	})
	second := speak(t, config, ns, "node1", l)
	second.Tell(bad)
	await(t, "three told again", func() bool { return second.Status().Told == 3 })
	after := find(pod)
	if len(after) != 1 || after[0].Count != 1 || !after[0].LastTimestamp.After(before.LastTimestamp.Time) {
		t.Errorf("after a restart: %+v, want the one Event with a later time", after)
	}

	// The same mistake made again counts.
	second.Tell(State{})
	await(t, "the mistake is mended", func() bool { return !second.Status().Behind })
	second.Tell(bad)
	await(t, "the second count", func() bool { e := find(pod); return len(e) == 1 && e[0].Count == 2 })
}

// uid reads the UID of an object.
func uid(t *testing.T, s *speaker, o route.Object) types.UID {
	t.Helper()
	found, err := s.poster.(*events).metadata.Resource(kinds[o.Kind]).Namespace(o.Namespace).
		Get(t.Context(), o.Name, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("read %s: %v", o, err)
	}
	return found.UID
}

// TestFlapsOnAPIServer flaps one pod a thousand times.
func TestFlapsOnAPIServer(t *testing.T) {
	t.Parallel()
	c := kube.Shared(t)
	ns, config := c.Namespace(t), c.Config()
	on := pods(t, c, ns, 1)
	l := quick()
	l.objectEvery = 2 * time.Second
	s := speak(t, config, ns, "node1", l)
	awaitSpeakers(t, 1, s)
	awaitLooked(t, s, State{})
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for i := range 1001 {
		<-tick.C
		if i%2 == 0 {
			s.Tell(on)
		} else {
			s.Tell(State{})
		}
	}
	await(t, "all is told", func() bool {
		return !s.Status().Behind && s.Status().Waiting == 0
	})
	var last corev1.Event
	total := 0
	for _, e := range eventsIn(t, config, ns, "") {
		total += int(e.Count)
		// At the same second, the count tells.
		if e.LastTimestamp.After(last.LastTimestamp.Time) || e.LastTimestamp.Equal(&last.LastTimestamp) && e.Reason == announced {
			last = e
		}
	}
	t.Logf("%d Events for 1001 flaps", total)
	if total == 0 || total > 10 || last.Reason != announced {
		t.Errorf("%d Events, the last %q, want a few, and the last Announced", total, last.Reason)
	}
}

// TestRights takes one right after the other from a speaker.
func TestRights(t *testing.T) {
	t.Parallel()
	c := kube.Shared(t)
	const (
		eventRule = `{apiGroups: [""], resources: [events], verbs: [get, create, patch]}`
		leaseRule = `{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, patch, delete, list, watch]}`
		podRule   = `{apiGroups: [""], resources: [pods], verbs: [get]}`
	)
	tests := []struct {
		name    string
		rules   []string
		own     bool
		told    bool
		withUID bool
		log     string
	}{
		{"all that is needed", []string{eventRule, leaseRule, podRule}, false, true, true, ""},
		{"no pods: told, without UID", []string{eventRule, leaseRule}, false, true, false, ""},
		{"no leases: others may tell", []string{eventRule, podRule}, false, false, false, "leases"},
		{"no leases, but nobody else can tell", []string{eventRule, podRule}, true, true, true, "leases"},
		{"no events", []string{leaseRule, podRule}, false, false, false, "events"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ns, user := c.Namespace(t), fmt.Sprintf("speaker-%d", i)
			c.Apply(t, podManifest(ns, "sample"))
			sample := route.Object{Kind: "Pod", Namespace: ns, Name: "sample"}
			c.Apply(t, fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {namespace: %s, name: %s}
rules: [%s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {namespace: %[1]s, name: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[2]s}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: %[2]s}]
`, ns, user, strings.Join(tt.rules, ", ")))
			config := c.ConfigOf(t, user)
			await(t, "the rights of the user", func() bool { return len(kube.Rules(t, config, ns)) == len(tt.rules) })
			s := speak(t, config, ns, user, quick())
			if tt.log != "leases" {
				awaitSpeakers(t, 1, s)
			}
			awaitLooked(t, s, State{})
			why := fmt.Sprintf("reason %d", i)
			now := State{Skipped: []reduce.Skipped{{Object: sample, Reason: why}}}
			if tt.own {
				now.Own = []route.Object{sample}
			}
			awaitLooked(t, s, now)
			found := func() *corev1.Event {
				for _, e := range eventsIn(t, c.Config(), ns, "reason="+notAnnounced) {
					if e.Message == why {
						return &e
					}
				}
				return nil
			}
			if tt.told {
				await(t, "the Event", func() bool { return found() != nil })
				if got := found().InvolvedObject.UID != ""; got != tt.withUID {
					t.Errorf("the Event has a UID: %v, want %v", got, tt.withUID)
				}
			}
			if tt.log != "" {
				await(t, "a warning", func() bool { return len(s.logs.AllEntries()) > 0 })
			}
			if !tt.told && found() != nil {
				t.Error("there is an Event, want none")
			}
			if tt.log == "events" {
				await(t, "a dropped notice", func() bool { return s.Status().Dropped > 0 })
			}
			warned := map[string]int{}
			for _, e := range s.logs.AllEntries() {
				warned[e.Message]++
				if tt.log == "" || !strings.Contains(e.Message, tt.log) && !strings.Contains(e.Message, "lease") {
					t.Errorf("log: %s: %v", e.Message, e.Data["error"])
				}
			}
			for m, n := range warned {
				if n != 1 {
					t.Errorf("logged %d times, want once: %s", n, m)
				}
			}
		})
	}
}

// TestOutage kills the API server, lets things change, and starts it again.
func TestOutage(t *testing.T) {
	t.Parallel()
	c := kube.Start(t)
	ns, config := c.Namespace(t), c.Config()
	all := pods(t, c, ns, 20)
	one, two := speak(t, config, ns, "node1", quick()), speak(t, config, ns, "node2", quick())
	awaitSpeakers(t, 2, one, two)
	for _, s := range []*speaker{one, two} {
		awaitLooked(t, s, State{})
	}
	c.Kill(t)
	awaitSpeakers(t, 0, one, two)
	for _, s := range []*speaker{one, two} {
		awaitLooked(t, s, all)
	}
	c.Restart(t)
	await(t, "all told", func() bool { return len(eventsIn(t, config, ns, "reason="+announced)) == 20 })
	await(t, "all counted", func() bool { return one.Status().Told+two.Status().Told >= 20 })
	if a, b := one.Status(), two.Status(); a.Dropped+b.Dropped != 0 || a.Told+b.Told != 20 || a.Told == 0 || b.Told == 0 {
		t.Errorf("told %+v and %+v, want 20 by both together and nothing dropped", a, b)
	}
}
