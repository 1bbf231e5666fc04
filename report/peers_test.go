package report

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead/fairlead/route"
)

// seenFrom gives the electorate as the given member sees it.
func seenFrom(self string, e electorate) electorate {
	return electorate{self: self, voters: e.voters}
}

func TestChooses(t *testing.T) {
	var names []string
	for i := range 64 {
		names = append(names, fmt.Sprintf("fairlead-node%d", i))
	}
	all := election(names...)
	const objects = 1600
	teller := func(e electorate, o route.Object) string {
		t.Helper()
		var chosen []string
		for _, v := range e.voters {
			if seenFrom(v.name, e).chooses(o) {
				chosen = append(chosen, v.name)
			}
		}
		if len(chosen) != 1 {
			t.Fatalf("%s is told by %v, want one speaker", o, chosen)
		}
		return chosen[0]
	}
	without := electorate{voters: slices.Clone(all.voters[1:])}
	gone, counts := names[0], map[string]int{}
	for i := range objects {
		o := pod(fmt.Sprintf("pod-%d", i))
		before, after := teller(all, o), teller(without, o)
		counts[before]++
		if before != after && before != gone {
			t.Errorf("%s passes from %s to %s, though it is %s that went", o, before, after, gone)
		}
	}
	for _, n := range names {
		if counts[n] < 8 || counts[n] > 60 {
			t.Errorf("%s tells of %d of %d objects, want about 25", n, counts[n], objects)
		}
	}
	if (electorate{}).chooses(pod("a")) {
		t.Error("a speaker that knows of none, not even of itself, is chosen")
	}
}

func TestChoosesNoneThatIsSilent(t *testing.T) {
	e := election("self", "other")
	e.voters[1].silent = []string{"Service"}
	others := 0
	for i := range 20 {
		service := route.Object{Kind: "Service", Namespace: "default", Name: fmt.Sprintf("s-%d", i)}
		if !e.chooses(service) || seenFrom("other", e).chooses(service) {
			t.Errorf("%s is not told by the one that is not silent", service)
		}
		if seenFrom("other", e).chooses(pod(service.Name)) {
			others++
		}
	}
	if others == 0 {
		t.Error("a speaker that is silent about services is not chosen for pods either")
	}
}

// lease is the Lease of a speaker, renewed at that time.
func lease(name string, renewed time.Time) *coordinationv1.Lease {
	seconds, at := int32(60), metav1.NewMicroTime(renewed)
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       coordinationv1.LeaseSpec{RenewTime: &at, LeaseDurationSeconds: &seconds},
	}
}

func TestPeersLease(t *testing.T) {
	if got := (&peers{node: "b"}).lease(); got != "fairlead-b" {
		t.Errorf("without a group the Lease is %s, want fairlead-b", got)
	}
	if got := (&peers{node: "b", group: "a"}).lease(); !regexp.MustCompile(`^fairlead-b-[0-9a-f]{8}$`).MatchString(got) {
		t.Errorf("with a group the Lease is %s, want fairlead-b and a hash", got)
	}
	names := make(map[string]bool)
	all := []peers{
		{node: "a-b"}, {node: "b"}, {node: "b", group: "a"}, {node: "b", group: "b"}, {node: "a-b", group: "a"},
		{node: "c", group: "a-b"}, {node: "b-c", group: "a"},
	}
	for i := range all {
		names[all[i].lease()] = true
	}
	if len(names) != len(all) {
		t.Errorf("%d speakers have %d Leases: %v", len(all), len(names), names)
	}
}

func TestPeersAlive(t *testing.T) {
	type at = time.Duration
	// Each step is a list or an event at a time; then the live speakers must be those.
	type step struct {
		at   at
		do   func(*peers, func(at) time.Time) error
		want []string
	}
	add := func(name string, renewed at) func(*peers, func(at) time.Time) error {
		return func(p *peers, clock func(at) time.Time) error { return p.Add(lease(name, clock(renewed))) }
	}
	list := func(renewed map[string]at) func(*peers, func(at) time.Time) error {
		return func(p *peers, clock func(at) time.Time) error {
			var all []any
			for name, r := range renewed {
				all = append(all, lease(name, clock(r)))
			}
			return p.Replace(all, "1")
		}
	}
	nothing := func(*peers, func(at) time.Time) error { return nil }
	const me, other, third = "fairlead-me", "fairlead-other", "fairlead-third"
	tests := []struct {
		name  string
		steps []step
	}{
		{"none before one's own Lease is seen", []step{
			{0, list(map[string]at{other: 0}), nil},
			{1 * time.Second, add(me, time.Second), []string{me, other}},
		}},
		{"one that is not renewed dies", []step{
			{0, list(map[string]at{me: 0, other: 0}), []string{me, other}},
			{50 * time.Second, add(me, 50*time.Second), []string{me, other}},
			{61 * time.Second, nothing, []string{me}},
			{70 * time.Second, add(other, 70*time.Second), []string{me, other}},
		}},
		{"an event that renews nothing keeps nobody alive", []step{
			{0, list(map[string]at{me: 0, other: 0}), []string{me, other}},
			{50 * time.Second, add(me, 50*time.Second), []string{me, other}},
			{55 * time.Second, add(other, 0), []string{me, other}},
			{61 * time.Second, nothing, []string{me}},
		}},
		{"clocks that differ by an hour do not matter", []step{
			{0, list(map[string]at{me: 0, other: -time.Hour, third: time.Hour}), []string{me, other, third}},
			{50 * time.Second, add(me, 50*time.Second), []string{me, other, third}},
			{51 * time.Second, add(other, -time.Hour+51*time.Second), []string{me, other, third}},
			{61 * time.Second, nothing, []string{me, other}},
		}},
		{"one whose Lease is deleted is dead at once", []step{
			{0, list(map[string]at{me: 0, other: 0}), []string{me, other}},
			{1 * time.Second, func(p *peers, clock func(at) time.Time) error { return p.Delete(lease(other, clock(0))) }, []string{me}},
		}},
		{"one that the list lacks is dead", []step{
			{0, list(map[string]at{me: 0, other: 0}), []string{me, other}},
			{1 * time.Second, list(map[string]at{me: 0}), []string{me}},
		}},
		{"after an outage nobody believes itself alone", []step{
			{0, list(map[string]at{me: 0, other: 0}), []string{me, other}},
			{90 * time.Second, nothing, nil},
			{100 * time.Second, list(map[string]at{me: 99 * time.Second, other: 0}), []string{me, other}},
			{155 * time.Second, add(me, 155*time.Second), []string{me, other}},
			{161 * time.Second, nothing, []string{me}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				clock := start.Add
				p := &peers{node: "me", seen: make(map[string]*member), wake: make(chan struct{}, 1)}
				for _, s := range tt.steps {
					<-time.After(s.at - time.Since(start))
					if err := s.do(p, clock); err != nil {
						t.Fatal(err)
					}
					var got []string
					for _, v := range p.alive().voters {
						got = append(got, v.name)
					}
					slices.Sort(got)
					if !slices.Equal(got, s.want) {
						t.Errorf("after %v the live speakers are %v, want %v", s.at, got, s.want)
					}
				}
			})
		})
	}
}

func TestPeersPeriodBoundsRenewalsOfAll(t *testing.T) {
	for n, want := range map[int]time.Duration{0: 20 * time.Second, 40: 20 * time.Second, 64: 32 * time.Second, 1000: 500 * time.Second} {
		p := &peers{every: renewEvery, seen: make(map[string]*member)}
		for i := range n {
			p.seen[fmt.Sprint(i)] = &member{}
		}
		if got := p.period(); got != want {
			t.Errorf("with %d speakers each renews every %v, want %v", n, got, want)
		}
	}
}
