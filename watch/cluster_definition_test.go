package watch

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/reduce"
)

// model is a Cluster whose sources are driven by hand.
func model(o ClusterOptions) (*Cluster, *logtest.Hook) {
	log, hook := logtest.NewNullLogger()
	o.Log, o.Node = log, "node1"
	c, err := NewCluster(&rest.Config{Host: "http://192.0.2.1"}, o)
	if err != nil {
		panic(err)
	}
	return c, hook
}

func (c *Cluster) named(name string) *source {
	for _, s := range c.all() {
		if s.name == name {
			return s
		}
	}
	return nil
}

// listed, came and went have a source see what the reflector would show it.
func listed(s *source, objects ...any) { _ = s.Replace(objects, "") }
func came(s *source, i any)            { _ = s.Update(i) }
func went(s *source, i any)            { _ = s.Delete(i) }

func subnetItem(name string) *item {
	return &item{key: key{name: name}, value: &reduce.Subnet{Meta: reduce.Meta{Name: name}}}
}

// The life of a CRD, as its looks and its objects' events may come.
func TestDefinition(t *testing.T) {
	held := func(c *Cluster) string {
		var names []string
		for _, s := range c.Snapshot().Subnets {
			names = append(names, s.Name)
		}
		return strings.Join(names, " ")
	}
	first, second := sight{uid: "1"}, sight{uid: "2"}
	ending := sight{uid: "1", ending: true}
	// begin lists a, b and c by the first CRD.
	begin := func(t *testing.T) (*Cluster, *source, *definition, *logtest.Hook) {
		c, hook := model(ClusterOptions{Grace: time.Minute})
		s := c.named("subnets")
		d := s.definition
		listed(d.source, &item{value: &first})
		d.listing = first
		listed(s, subnetItem("a"), subnetItem("b"), subnetItem("c"))
		if held(c) != "a b c" || !s.synced {
			t.Fatalf("held %s, synced %t", held(c), s.synced)
		}
		return c, s, d, hook
	}
	verify := func(d *definition, seen sight) { d.conclude(seen, d.held, d.deletion) }

	t.Run("a deletion counts once it is verified", func(t *testing.T) {
		c, s, d, _ := begin(t)
		went(s, subnetItem("b"))
		if held(c) != "a b c" {
			t.Errorf("held %s before anybody looked", held(c))
		}
		verify(d, first)
		if held(c) != "a c" {
			t.Errorf("held %s", held(c))
		}
	})
	t.Run("so does a list that lacks one", func(t *testing.T) {
		c, s, d, _ := begin(t)
		listed(s, subnetItem("a"))
		if held(c) != "a b c" {
			t.Errorf("held %s before anybody looked", held(c))
		}
		verify(d, first)
		if held(c) != "a" {
			t.Errorf("held %s", held(c))
		}
	})
	t.Run("a look from before a deletion says nothing of it", func(t *testing.T) {
		c, s, d, _ := begin(t)
		went(s, subnetItem("a"))
		before := d.deletion
		went(s, subnetItem("b"))
		d.conclude(first, d.held, before)
		if held(c) != "b c" || len(d.kick) != 1 {
			t.Errorf("held %s, next look due %d", held(c), len(d.kick))
		}
	})
	t.Run("an object that came back is not deleted", func(t *testing.T) {
		c, s, d, _ := begin(t)
		went(s, subnetItem("b"))
		came(s, subnetItem("b"))
		verify(d, first)
		if held(c) != "a b c" {
			t.Errorf("held %s", held(c))
		}
	})
	for name, seen := range map[string]sight{"ending": ending, "missing": {}, "another": second} {
		t.Run("a CRD that is "+name, func(t *testing.T) {
			c, s, d, _ := begin(t)
			went(s, subnetItem("a"))
			went(s, subnetItem("b"))
			verify(d, seen)
			if held(c) != "a b c" || s.condition.Reason != Missing {
				t.Errorf("held %s, %+v", held(c), s.condition)
			}
		})
	}
	t.Run("nobody may look", func(t *testing.T) {
		c, s, d, _ := begin(t)
		d.listing = sight{blind: true}
		went(s, subnetItem("a"))
		if held(c) != "b c" {
			t.Errorf("held %s", held(c))
		}
		listed(s, subnetItem("b"))
		if held(c) != "b" {
			t.Errorf("held %s", held(c))
		}
		d.listing = first
		went(s, subnetItem("b"))
		verify(d, sight{blind: true})
		if held(c) != "" {
			t.Errorf("held %s", held(c))
		}
	})
	t.Run("created anew", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s, d, hook := begin(t)
			went(s, subnetItem("a"))
			verify(d, ending)
			went(d.source, &item{})
			if s.condition.Reason != Missing {
				t.Errorf("%+v", s.condition)
			}
			time.Sleep(time.Hour) //nolint:forbidigo // the bubble's clock
			came(d.source, &item{value: &second})
			d.listing = second
			listed(s, subnetItem("c"), subnetItem("d"))
			if held(c) != "a b c d" || s.condition.Reason != Restored {
				t.Errorf("held %s, %+v", held(c), s.condition)
			}
			came(s, subnetItem("b"))
			time.Sleep(59 * time.Second) //nolint:forbidigo // the bubble's clock
			verify(d, second)
			if held(c) != "a b c d" {
				t.Errorf("held %s before the grace time was over", held(c))
			}
			time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
			// Gone again at the last moment: the time begins anew when it is back.
			verify(d, sight{})
			if held(c) != "a b c d" || s.condition.Reason != Missing {
				t.Errorf("held %s, %+v", held(c), s.condition)
			}
			third := sight{uid: "3"}
			d.listing = third
			listed(s, subnetItem("b"), subnetItem("c"), subnetItem("d"))
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
			verify(d, third)
			if held(c) != "b c d" || s.condition.Reason != "" {
				t.Errorf("held %s, %+v", held(c), s.condition)
			}
			if text := hook.LastEntry(); text == nil || !strings.Contains(text.Message, "giving up 1 objects") {
				t.Errorf("logged %v", text)
			}
			went(s, subnetItem("b"))
			verify(d, third)
			if held(c) != "c d" {
				t.Errorf("held %s", held(c))
			}
		})
	})
	t.Run("created anew and not ready yet", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c, s, d, _ := begin(t)
			ready := func(name string, is bool) *item {
				return &item{key: key{name: name}, value: &reduce.Subnet{Meta: reduce.Meta{Name: name}, Ready: is}}
			}
			readiness := func() string {
				var text string
				for _, s := range c.Snapshot().Subnets {
					text += fmt.Sprintf("%s:%t ", s.Name, s.Ready)
				}
				return text
			}
			for _, name := range []string{"a", "b", "c"} {
				came(s, ready(name, name != "c"))
			}
			went(s, subnetItem("a"))
			verify(d, ending)
			came(d.source, &item{value: &second})
			d.listing = second
			// a came back before the list, b with it although its deletion was not seen; c never was ready, d is new.
			listed(s, ready("a", false), ready("b", false), ready("c", false), ready("d", false))
			if got, want := readiness(), "a:true b:true c:false d:false "; got != want || s.condition.Reason != Restored {
				t.Errorf("%s, want %s; %+v", got, want, s.condition)
			}
			came(s, ready("b", true))
			came(s, ready("b", false)) // which is news
			if got, want := readiness(), "a:true b:false c:false d:false "; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
			verify(d, second)
			if got, want := readiness(), "a:false b:false c:false d:false "; got != want || s.condition.Reason != "" {
				t.Errorf("%s, want %s; %+v", got, want, s.condition)
			}
		})
	})
	t.Run("ending at start", func(t *testing.T) {
		c, _ := model(ClusterOptions{})
		s := c.named("subnets")
		for _, other := range []string{"pods", "nodes"} {
			listed(c.named(other))
		}
		listed(s.definition.source, &item{value: &ending})
		s.definition.listing = ending
		listed(s, subnetItem("a"))
		if c.Readiness(Wanted{}) != Partial || s.condition.Reason != Missing {
			t.Errorf("readiness %s, %+v", c.Readiness(Wanted{}), s.condition)
		}
	})
}

// The goroutine that verifies ends its waits in time.
func TestVerifyGivesUpInTime(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"name":"subnets.kubeovn.io","uid":"2"}}`)
	}))
	defer api.Close()
	log, _ := logtest.NewNullLogger()
	c, err := NewCluster(&rest.Config{Host: api.URL}, ClusterOptions{Node: "node1", Grace: 300 * time.Millisecond, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	s := c.named("subnets")
	d := s.definition
	d.listing = sight{uid: "1"}
	listed(s, subnetItem("a"))
	go d.verify(t.Context())
	began := time.Now()
	c.mu.Lock()
	d.listing = sight{uid: "2"}
	c.mu.Unlock()
	listed(s)
	r := &running{Cluster: c, t: t}
	r.await("the grace time's end", func() bool { return len(r.Snapshot().Subnets) == 0 })
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("given up after %s", took)
	}
}

func TestMalformed(t *testing.T) {
	good := &custom{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: json.RawMessage(`{"cidrBlock":"10.16.0.0/16"}`)}
	bad := &custom{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: json.RawMessage(`{"cidrBlock":{"v4":"10.16.0.0/16"}}`)}
	other := &custom{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Status: json.RawMessage(`{"conditions":"Ready"}`)}
	c, hook := model(ClusterOptions{})
	s := c.named("subnets")
	s.definition.listing = sight{uid: "1"}
	listed(s, itemOf(good, "Subnet"), itemOf(other, "Subnet"))
	if n := len(c.Snapshot().Subnets); n != 1 || s.condition.Reason != Malformed {
		t.Errorf("%d subnets, %+v", n, s.condition)
	}
	for range 3 {
		came(s, itemOf(bad, "Subnet"))
		listed(s, itemOf(bad, "Subnet"))
		s.definition.conclude(s.definition.held, s.definition.held, s.definition.deletion)
	}
	if got := c.Snapshot().Subnets; len(got) != 1 || got[0].CIDRBlock != "10.16.0.0/16" {
		t.Errorf("%+v", got)
	}
	if n := len(hook.AllEntries()); n != 2 {
		t.Errorf("two problems were logged %d times", n)
	}
	came(s, itemOf(good, "Subnet"))
	if s.condition.Reason != "" {
		t.Errorf("%+v", s.condition)
	}
}
