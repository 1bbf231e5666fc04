package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
)

// fakeAPI models the little of an API server that a list and a watch need, with the troubles that a real one makes only on
// a bad day: it answers with JSON, serves no streaming lists, gives pages of two, and an old list, an empty one, to who takes
// any.
type fakeAPI struct {
	*httptest.Server
	t *testing.T

	mu sync.Mutex
	// pods are those it holds, by name, and version the last change's number.
	pods    map[string]*corev1.Pod
	version int
	// watches are the pods' watches that stand.
	watches []chan string
	// lists counts the lists of pods; refuse is the answer to a list or a watch of pods, where it is set.
	lists  int
	refuse func(watch bool) int
}

func newFakeAPI(t *testing.T) *fakeAPI {
	f := &fakeAPI{t: t, pods: make(map[string]*corev1.Pod), version: 100}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		f.endWatches()
		f.Close()
	})
	return f
}

func (f *fakeAPI) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	watch := r.URL.Query().Get("watch") != ""
	name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	switch {
	case name != "pods" && name != "nodes" && name != "services":
		f.mu.Unlock()
		status(w, http.StatusForbidden)
	case watch && r.URL.Query().Get("sendInitialEvents") != "":
		f.mu.Unlock()
		status(w, http.StatusUnprocessableEntity)
	case name == "pods" && f.refuse != nil && f.refuse(watch) != 0:
		code := f.refuse(watch)
		f.mu.Unlock()
		status(w, code)
	case watch:
		f.watch(w, r, name)
	default:
		f.list(w, r, name)
		f.mu.Unlock()
	}
}

// status answers with an error as an API server does.
func status(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintln(w, statusText(code))
}

func statusText(code int) string {
	reason := map[int]metav1.StatusReason{403: metav1.StatusReasonForbidden, 410: metav1.StatusReasonExpired,
		429: metav1.StatusReasonTooManyRequests, 422: metav1.StatusReasonInvalid, 500: metav1.StatusReasonInternalError}[code]
	text, _ := json.Marshal(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure",
		Code: int32(code), Reason: reason, Message: fmt.Sprintf("answer %d", code)})
	return string(text)
}

func (f *fakeAPI) list(w http.ResponseWriter, r *http.Request, name string) {
	list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}}
	list.ResourceVersion = fmt.Sprint(f.version)
	if name != "pods" {
		list.Kind = map[string]string{"nodes": "NodeList", "services": "ServiceList"}[name]
	} else {
		f.lists++
		names := make([]string, 0, len(f.pods))
		for name := range f.pods {
			if name > r.URL.Query().Get("continue") && r.URL.Query().Get("resourceVersion") != "0" {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		if r.URL.Query().Get("limit") != "" && len(names) > 2 {
			names = names[:2]
			list.Continue = names[1]
		}
		for _, name := range names {
			list.Items = append(list.Items, *f.pods[name])
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

// watch serves a watch until it is ended, and lets the lock go.
func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request, name string) {
	events := make(chan string, 100)
	if name == "pods" {
		f.watches = append(f.watches, events)
	}
	f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case event, open := <-events:
			if !open {
				return
			}
			_, _ = io.WriteString(w, event)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// put makes or changes a pod, and removeUnseen deletes one without telling a watch.
func (f *fakeAPI) put(name string)          { f.change("MODIFIED", name, false) }
func (f *fakeAPI) removeUnseen(name string) { f.change("DELETED", name, true) }

func (f *fakeAPI) change(event, name string, unseen bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	pod := &corev1.Pod{TypeMeta: metav1.TypeMeta{Kind: "Pod", APIVersion: "v1"}}
	pod.Name, pod.Namespace, pod.ResourceVersion = name, "default", fmt.Sprint(f.version)
	pod.Annotations = map[string]string{"fairlead.io/bgp": "true"}
	f.pods[name] = pod
	if event == "DELETED" {
		delete(f.pods, name)
	}
	text, err := json.Marshal(pod)
	if err != nil {
		f.t.Error(err)
	}
	if !unseen {
		f.send(fmt.Sprintf(`{"type":%q,"object":%s}`, event, text))
	}
}

func (f *fakeAPI) send(event string) {
	for _, w := range f.watches {
		w <- event + "\n"
	}
}

func (f *fakeAPI) endWatches() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.watches {
		close(w)
	}
	f.watches = nil
}

// answer has it refuse what concerns pods; 0 ends that.
func (f *fakeAPI) answer(list, watch int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = func(w bool) int {
		if w {
			return watch
		}
		return list
	}
}

func (f *fakeAPI) standing() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watches) > 0
}

// A server without streaming lists, that gives pages.
func TestClusterPages(t *testing.T) {
	api := newFakeAPI(t)
	for i := range 7 {
		api.put(fmt.Sprintf("p%d", i))
	}
	r := run(t, &rest.Config{Host: api.URL}, ClusterOptions{})
	r.await("the pods", func() bool { return len(r.Snapshot().Pods) == 7 })
	// CRDs and subnets are forbidden, the others are followed.
	r.await("partial", func() bool { return r.Readiness() == Partial })
	api.mu.Lock()
	defer api.mu.Unlock()
	if api.lists < 4 {
		t.Errorf("seven pods came in %d pages of two", api.lists)
	}
}

// Events that the server has forgotten are no deletions: the list is, that follows.
func TestClusterGone(t *testing.T) {
	api := newFakeAPI(t)
	api.put("stays")
	api.put("goes")
	r := run(t, &rest.Config{Host: api.URL}, ClusterOptions{})
	r.await("the pods", func() bool { return len(r.Snapshot().Pods) == 2 && api.standing() })
	api.answer(http.StatusGone, http.StatusGone)
	api.removeUnseen("goes")
	api.mu.Lock()
	lists := api.lists
	api.send(`{"type":"ERROR","object":` + statusText(http.StatusGone) + `}`)
	api.mu.Unlock()
	api.endWatches()
	r.await("the watch's end", func() bool { return !api.standing() })
	if n := len(r.Snapshot().Pods); n != 2 {
		t.Errorf("410 removed pods: %d of 2 are left", n)
	}
	api.answer(0, 0)
	r.await("the list", func() bool { return len(r.Snapshot().Pods) == 1 && r.pod("stays") != nil })
	api.mu.Lock()
	defer api.mu.Unlock()
	if api.lists == lists {
		t.Error("nothing was listed")
	}
	if c := r.source("pods").Condition; c.Reason != "" {
		t.Errorf("condition %+v", c)
	}
}

// A watch that we end ourselves, as when its CRD goes, leaves no word of trouble.
func TestWatchEnded(t *testing.T) {
	api := newFakeAPI(t)
	c, err := NewCluster(&rest.Config{Host: api.URL}, ClusterOptions{Node: "node1", Log: silent()})
	if err != nil {
		t.Fatal(err)
	}
	s := c.named("pods")
	ctx, cancel := context.WithCancel(t.Context())
	w, err := lister{s}.tryWatch(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range w.ResultChan() {
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.condition.Reason != "" {
		t.Errorf("condition %+v", s.condition)
	}
}

func TestClusterTroubles(t *testing.T) {
	for _, test := range []struct {
		name        string
		list, watch int
		want        Reason
	}{
		{"throttled", http.StatusTooManyRequests, http.StatusTooManyRequests, Throttled},
		{"watch throttled", 0, http.StatusTooManyRequests, Throttled},
		{"forbidden", http.StatusForbidden, http.StatusForbidden, Forbidden},
		{"watch forbidden", 0, http.StatusForbidden, Forbidden},
		{"unauthorized", http.StatusUnauthorized, http.StatusUnauthorized, Unauthorized},
		{"failing", http.StatusInternalServerError, http.StatusInternalServerError, Failing},
		{"resource gone", http.StatusNotFound, http.StatusNotFound, Missing},
		{"starting", http.StatusServiceUnavailable, http.StatusServiceUnavailable, Failing},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			api := newFakeAPI(t)
			api.put("a")
			api.put("b")
			r := run(t, &rest.Config{Host: api.URL}, ClusterOptions{})
			r.await("the pods", func() bool { return len(r.Snapshot().Pods) == 2 && api.standing() })
			api.answer(test.list, test.watch)
			if test.list != 0 {
				api.removeUnseen("b")
			}
			api.endWatches()
			s := r.awaitReason("pods", test.want)
			if len(r.Snapshot().Pods) != 2 || !s.Synced {
				t.Errorf("not kept: %d pods, %+v", len(r.Snapshot().Pods), s)
			}
			if c := r.source("services").Condition; c.Reason != "" {
				t.Errorf("another resource suffers: %+v", c)
			}
			api.answer(0, 0)
			r.awaitReason("pods", "")
			r.await("the watch", api.standing)
			api.put("c")
			r.await("the next pod", func() bool { return r.pod("c") != nil })
			if restarts := r.source("pods").Restarts; restarts == 0 {
				t.Error("no restart was counted")
			}
		})
	}
	// At start there is nothing to keep, and only a refusal lets passes begin.
	for code, want := range map[int]Readiness{http.StatusForbidden: Partial, http.StatusTooManyRequests: Waiting, http.StatusInternalServerError: Waiting,
		http.StatusNotFound: Waiting, http.StatusUnauthorized: Waiting} {
		t.Run(fmt.Sprintf("at start %d", code), func(t *testing.T) {
			t.Parallel()
			api := newFakeAPI(t)
			api.answer(code, code)
			r := run(t, &rest.Config{Host: api.URL}, ClusterOptions{})
			r.await("the others", func() bool {
				return r.source("services").Synced && r.source("nodes").Synced && r.source("subnets").Condition.Reason == Forbidden &&
					(r.source("pods").Condition.Reason != "" || code == http.StatusNotFound)
			})
			if got := r.Readiness(); got != want {
				t.Errorf("readiness %s, want %s", got, want)
			}
			api.answer(0, 0)
			r.await("the pods", func() bool { return r.source("pods").Synced })
		})
	}
}

func TestPause(t *testing.T) {
	var p pause
	var last time.Duration
	for range 20 {
		last = p.next(nil).most
		if last > 10*time.Second {
			t.Fatalf("pause of %s", last)
		}
	}
	if last < 6*time.Second {
		t.Errorf("the last pause is %s", last)
	}
}

// A peer that vanishes without a word is the kernel's to notice.
func TestDial(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	conn, err := dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, option := range []struct{ level, name, want int }{
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 5},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 2},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 15000},
	} {
		var got int
		if failed := raw.Control(func(fd uintptr) { got, err = unix.GetsockoptInt(int(fd), option.level, option.name) }); failed != nil || err != nil {
			t.Fatal(failed, err)
		}
		if got != option.want {
			t.Errorf("socket option %d is %d, want %d", option.name, got, option.want)
		}
	}
}

func TestNewCluster(t *testing.T) {
	if _, err := NewCluster(&rest.Config{}, ClusterOptions{Log: logrus.New()}); err == nil || !strings.Contains(err.Error(), "node") {
		t.Errorf("without a node's name: %v", err)
	}
	if _, err := NewCluster(&rest.Config{Host: "::bad::"}, ClusterOptions{Node: "n", Log: logrus.New()}); err == nil {
		t.Error("a host that is none is taken")
	}
}

func TestLogClientGo(t *testing.T) {
	klog.Info("a word of client-go's")
	klog.Error("another")
	for _, text := range []string{"a word of client-go's", "another"} {
		if !slices.ContainsFunc(clientGo().AllEntries(), func(e *logrus.Entry) bool {
			return e.Level == logrus.DebugLevel && strings.Contains(e.Message, text)
		}) {
			t.Errorf("the log has no %q", text)
		}
	}
}
