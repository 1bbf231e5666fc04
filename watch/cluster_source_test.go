package watch

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// listedModel is a Cluster that listed all but what is wanted.
func listedModel() *Cluster {
	c, _ := model(ClusterOptions{})
	for _, s := range c.sources {
		if s.definition != nil {
			s.definition.listing = sight{uid: "1"}
		}
		listed(s)
	}
	return c
}

// A Secret holds nothing up but until it was asked for once.
func TestReadinessWithoutSecrets(t *testing.T) {
	for name, answer := range map[string]error{
		"forbidden":   apierrors.NewForbidden(corev1.Resource("secrets"), "tor", nil),
		"failing":     apierrors.NewInternalError(errClosed),
		"unreachable": errClosed,
		"expired":     apierrors.NewResourceExpired("too old"),
		"missing":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			c := listedModel()
			if got := c.Readiness(Wanted{}); got != Complete {
				t.Fatalf("readiness %s before a Secret was wanted", got)
			}
			wanted := Wanted{Secrets: []config.SecretRef{{Namespace: "d", Name: "tor"}}}
			c.Want(wanted)
			if got := c.Readiness(Wanted{}); got != Complete {
				t.Errorf("readiness %s without the Secret", got)
			}
			if got := c.Readiness(wanted); got != Waiting {
				t.Errorf("readiness %s before the Secret was asked for", got)
			}
			<-c.dirty
			s := c.named("secrets/d/tor")
			if answer != nil {
				s.fails(answer)
			} else {
				listed(s)
			}
			if got := c.Readiness(wanted); got != Complete || len(c.dirty) == 0 {
				t.Errorf("readiness %s, told %d times", got, len(c.dirty))
			}
		})
	}
}

// Services that are not known are not gone for who wants them, and nothing to who does not.
func TestReadinessWithoutServices(t *testing.T) {
	fails := func(err error) func(*Cluster) { return func(c *Cluster) { c.named("services").fails(err) } }
	lists := func(c *Cluster) { listed(c.named("services")) }
	again := func(c *Cluster) {
		c.Want(Wanted{})
		c.Want(Wanted{Services: true})
	}
	forbidden := apierrors.NewForbidden(corev1.Resource("services"), "", nil)
	for name, test := range map[string]struct {
		then []func(*Cluster)
		want Readiness
	}{
		"not asked for":          {nil, Waiting},
		"forbidden":              {[]func(*Cluster){fails(forbidden)}, Partial},
		"failing":                {[]func(*Cluster){fails(apierrors.NewInternalError(errClosed))}, Partial},
		"unreachable":            {[]func(*Cluster){fails(errClosed)}, Partial},
		"missing":                {[]func(*Cluster){fails(apierrors.NewNotFound(corev1.Resource("services"), ""))}, Partial},
		"listed":                 {[]func(*Cluster){lists}, Complete},
		"forbidden, then listed": {[]func(*Cluster){fails(forbidden), lists}, Complete},
		"listed, then forbidden": {[]func(*Cluster){lists, fails(forbidden)}, Complete},
		"off and on":             {[]func(*Cluster){lists, again}, Waiting},
		"off, on and forbidden":  {[]func(*Cluster){lists, again, fails(forbidden)}, Partial},
		"off, on and listed":     {[]func(*Cluster){fails(forbidden), again, lists}, Complete},
		"off":                    {[]func(*Cluster){lists, func(c *Cluster) { c.Want(Wanted{}) }}, Waiting},
	} {
		t.Run(name, func(t *testing.T) {
			c := listedModel()
			wanted := Wanted{Services: true}
			if got := c.Readiness(wanted); got != Waiting {
				t.Errorf("readiness %s before they were wanted", got)
			}
			c.Want(wanted)
			for _, then := range test.then {
				<-c.dirty
				then(c)
				if len(c.dirty) == 0 {
					t.Error("nobody was told")
				}
			}
			if got := c.Readiness(wanted); got != test.want {
				t.Errorf("readiness %s, want %s", got, test.want)
			}
			if got := c.Readiness(Wanted{}); got != Complete {
				t.Errorf("readiness %s for who wants none", got)
			}
		})
	}
}

// What the node said last stays when its object goes, and its addresses when it comes without.
func TestNodeStays(t *testing.T) {
	const first, second = "10.0.1.2", "10.0.1.3"
	node := func(label string, addresses ...string) *item {
		o := &corev1.Node{}
		o.Name, o.Labels = "node1", map[string]string{"rack": label}
		for _, a := range addresses {
			o.Status.Addresses = append(o.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a})
		}
		return itemOf(o, "")
	}
	gone, bare := "until it is there again", "no IPv4 InternalIP is left"
	for name, test := range map[string]struct {
		then           func(s *source)
		label, address string
		reason         Reason
		says           string
	}{
		"deleted":            {func(s *source) { went(s, node("r1")) }, "r1", first, Deleted, gone},
		"not in a list":      {func(s *source) { listed(s) }, "r1", first, Deleted, gone},
		"back":               {func(s *source) { went(s, node("r1")); came(s, node("r2", second)) }, "r2", second, "", ""},
		"back in a list":     {func(s *source) { listed(s); listed(s, node("r2", second)) }, "r2", second, "", ""},
		"back without":       {func(s *source) { went(s, node("r1")); came(s, node("r2")) }, "r2", first, Malformed, bare},
		"without":            {func(s *source) { came(s, node("r2")) }, "r2", first, Malformed, bare},
		"listed without":     {func(s *source) { listed(s, node("r2")) }, "r2", first, Malformed, bare},
		"still without":      {func(s *source) { came(s, node("r2")); came(s, node("r3")); listed(s, node("r4")) }, "r4", first, Malformed, bare},
		"with none that is":  {func(s *source) { came(s, node("r2", "nonsense")) }, "r2", first, Malformed, `"nonsense" is not an IP address; it is left out; ` + bare},
		"with one again":     {func(s *source) { came(s, node("r2")); came(s, node("r2", second)) }, "r2", second, "", ""},
		"without, then gone": {func(s *source) { came(s, node("r2")); went(s, node("r2")) }, "r2", first, Deleted, gone},
		"with another":       {func(s *source) { came(s, node("r1", second)) }, "r1", second, "", ""},
		"with IPv6 alone":    {func(s *source) { came(s, node("r2", "fd00::2")) }, "r2", first + " fd00::2", Malformed, bare},
		"with IPv6 and back": {func(s *source) { came(s, node("r2", "fd00::2")); came(s, node("r2", "fd00::2", second)) }, "r2", "fd00::2 " + second, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := model(ClusterOptions{})
			s := c.named("nodes")
			listed(s, node("r1", first))
			test.then(s)
			nodes := c.Snapshot().Nodes
			if len(nodes) != 1 || nodes[0].Labels["rack"] != test.label || fmt.Sprint(nodes[0].Addresses) != "["+test.address+"]" {
				t.Errorf("%d nodes, the first %+v", len(nodes), nodes)
			}
			if s.condition.Reason != test.reason || !strings.Contains(s.condition.Message, test.says) {
				t.Errorf("condition %+v", s.condition)
			}
		})
	}
	t.Run("never with one", func(t *testing.T) {
		c, _ := model(ClusterOptions{})
		s := c.named("nodes")
		listed(s, node("r1"))
		came(s, node("r2"))
		if n := c.Snapshot().Nodes; len(n) != 1 || n[0].Labels["rack"] != "r2" || len(n[0].Addresses) > 0 || s.condition.Reason != "" {
			t.Errorf("%+v, condition %+v", n, s.condition)
		}
	})
}

// A key of a Secret that is wanted keeps the last good password, whatever comes instead of it; the others are as they are.
func TestSecretStays(t *testing.T) {
	holding := func(values ...string) *item {
		s := &reduce.Secret{Meta: reduce.Meta{Namespace: "d", Name: "tor"}, Data: map[string]route.Secret{}}
		for i := 0; i < len(values); i += 2 {
			s.Data[values[i]] = route.Secret(values[i+1])
		}
		return &item{key: key{"d", "tor"}, value: s}
	}
	for name, test := range map[string]struct {
		then   func(s *source)
		one    string
		reason Reason
		says   string
	}{
		"another":            {func(s *source) { came(s, holding("one", "better")) }, "better", "", ""},
		"empty":              {func(s *source) { came(s, holding("one", "")) }, "good", Malformed, "d/tor: its key one is empty"},
		"gone":               {func(s *source) { came(s, holding("other", "x")) }, "good", Malformed, "its key one is empty"},
		"bad":                {func(s *source) { came(s, holding("one", "two\nlines")) }, "good", Malformed, "more than one line"},
		"listed bad":         {func(s *source) { listed(s, holding("one", "")) }, "good", Malformed, "what it held last stays in use"},
		"bad twice":          {func(s *source) { came(s, holding("one", "")); came(s, holding("one", "two\nlines")) }, "good", Malformed, "more than one line"},
		"bad, then another":  {func(s *source) { came(s, holding("one", "")); came(s, holding("one", "better")) }, "better", "", ""},
		"bad, then deleted":  {func(s *source) { came(s, holding("one", "")); went(s, holding()) }, "good", Deleted, "was deleted"},
		"deleted, then bad":  {func(s *source) { went(s, holding()); came(s, holding("one", "")) }, "good", Malformed, "is empty"},
		"a key of no matter": {func(s *source) { came(s, holding("one", "good", "other", "")) }, "good", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := model(ClusterOptions{})
			ref := config.SecretRef{Namespace: "d", Name: "tor", Key: "one"}
			c.Want(Wanted{Secrets: []config.SecretRef{ref, {Namespace: "d", Name: "tor", Key: "another"}, ref}})
			s := c.named("secrets/d/tor")
			listed(s, holding("one", "good", "other", "o"))
			test.then(s)
			held := c.Snapshot().Secrets
			if len(held) != 1 || held[0].Data["one"].Reveal() != test.one {
				t.Errorf("%d secrets are held, or another value", len(held))
			}
			if s.condition.Reason != test.reason || !strings.Contains(s.condition.Message, test.says) ||
				strings.Count(s.condition.Message, "its key one") > 1 {
				t.Errorf("condition %+v", s.condition)
			}
		})
	}
	t.Run("never good", func(t *testing.T) {
		c, _ := model(ClusterOptions{})
		c.Want(Wanted{Secrets: []config.SecretRef{{Namespace: "d", Name: "tor", Key: "one"}}})
		s := c.named("secrets/d/tor")
		listed(s, holding("one", ""))
		came(s, holding("one", "two\nlines"))
		if held := c.Snapshot().Secrets; len(held) != 1 || held[0].Data["one"].Reveal() != "two\nlines" || s.condition.Reason != "" {
			t.Errorf("%d secrets are held, condition %+v", len(held), s.condition)
		}
	})
}

// A word that there is reason to look ends a wait, but for its first moments, and never before the API server wants to be asked.
func TestWaitHonorsRetryAfter(t *testing.T) {
	asks := func(seconds int) error {
		return fmt.Errorf("list pods: %w", apierrors.NewTooManyRequests("busy", seconds))
	}
	for name, test := range map[string]struct {
		err      error
		min, max time.Duration
	}{
		"nothing asked": {nil, fixedPause, fixedPause},
		"asked":         {asks(20), 20 * time.Second, 20 * time.Second},
		"asked briefly": {asks(1), time.Second, time.Second},
		"asked forever": {asks(3600), longestAsked, longestAsked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _ := model(ClusterOptions{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				go func() {
					ticker := time.NewTicker(10 * time.Millisecond)
					defer ticker.Stop()
					for {
						select {
						case <-ticker.C:
							c.mu.Lock()
							c.announce()
							c.mu.Unlock()
						case <-ctx.Done():
							return
						}
					}
				}()
				p := pause(lastPause)
				began := time.Now()
				c.wait(ctx, p.next(test.err))
				if took := time.Since(began); took < test.min || took > test.max+10*time.Millisecond {
					t.Errorf("waited %s, want %s to %s", took, test.min, test.max)
				}
			})
		})
	}
}

// refusal is an API server's answer to whatever it is asked; requests counts them.
type refusal struct {
	code     int
	requests atomic.Int64
}

func (r *refusal) RoundTrip(request *http.Request) (*http.Response, error) {
	r.requests.Add(1)
	return &http.Response{StatusCode: r.code, Request: request, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(statusText(r.code)))}, nil
}

// Sources that are all refused do not have each other ask more often.
func TestClusterRefusedIsAskedSeldom(t *testing.T) {
	for name, o := range map[string]ClusterOptions{"gateway": {NATGateway: "gw1"}, "speaker": {}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := refusal{code: http.StatusForbidden}
				r := run(t, &rest.Config{Host: "http://192.0.2.1", Transport: &api}, o)
				time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
				begun := api.requests.Load()
				time.Sleep(5 * time.Minute) //nolint:forbidigo // the bubble's clock
				// At most every six seconds each source asks for a stream and then for a list, and where it has a CRD, for that
				// before both.
				n := api.requests.Load() - begun
				if most := int64(50 * (3*2 + 2*4)); n > most || n < 100 {
					t.Errorf("%d requests in five minutes, want 100 to %d", n, most)
				}
				if got := r.Readiness(); got != Partial {
					t.Errorf("readiness %s", got)
				}
			})
		})
	}
}
