package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead/fairlead/explain"
	"github.com/fairlead/fairlead/status"
)

// TestAsk has agents answer well and badly.
func TestAsk(t *testing.T) {
	for name, tt := range map[string]struct {
		run  run
		want status.Reply
	}{
		"well": {says(`{"node":"x"}`, "", nil), status.Reply{Answer: json.RawMessage(`{"node":"x"}`)}},
		"a fault": {
			says(`{}`, "fairlead: verify: not as it should be\n", errors.New("exit 1")),
			status.Reply{Answer: json.RawMessage(`{}`), Fault: "verify: not as it should be"},
		},
		"an error":           {says("", "fairlead: no agent answers\n", errors.New("exit 1")), status.Reply{Error: "no agent answers"}},
		"an error in words":  {says("half", "", errors.New("connection lost")), status.Reply{Error: "connection lost"}},
		"an error in none":   {says("", "", errors.New("")), status.Reply{Error: "nobody says why"}},
		"nothing":            {says("", "", nil), status.Reply{Error: "its answer is no JSON: is it an agent?"}},
		"no JSON":            {says("node node1", "", nil), status.Reply{Error: "its answer is no JSON: is it an agent?"}},
		"half of it":         {says(`{"node":`, "", nil), status.Reply{Error: "its answer is no JSON: is it an agent?"}},
		"complaints forever": {says("{}", strings.Repeat("x", 2*maxComplaint), errors.New("")), status.Reply{Answer: json.RawMessage("{}"), Fault: strings.Repeat("x", maxComplaint)}},
		"too much": {func(ctx context.Context, _ speaker, _ []string, stdout, _ io.Writer) error {
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for ctx.Err() == nil {
				if _, err := stdout.Write(chunk); err != nil {
					t.Error(err)
				}
			}
			return nil
		}, status.Reply{Error: "it says more than 64 MiB"}},
		"nothing for long": {func(ctx context.Context, _ speaker, _ []string, _, _ io.Writer) error {
			<-ctx.Done()
			return ctx.Err()
		}, status.Reply{Error: "nothing within 30s: give it more with --timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &asker{run: tt.run, timeout: 30 * time.Second}
				tt.want.Node, tt.want.Pod = "node1", "fairlead/a"
				got := a.ask(t.Context(), []speaker{{node: "node1", namespace: "fairlead", pod: "a"}}, []string{"status"})
				if diff := cmp.Diff(status.Fleet{tt.want}, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// says is what answers so.
func says(stdout, stderr string, err error) run {
	return func(_ context.Context, _ speaker, _ []string, out, complaint io.Writer) error {
		_, _ = io.WriteString(out, stdout)
		_, _ = io.WriteString(complaint, stderr)
		return err
	}
}

// TestAtOnce asks many: no more than the bound at a time, each once, with the same command, and the replies are in their order.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		a := &asker{socket: "/run/other.sock", timeout: time.Hour, run: func(_ context.Context, s speaker, args []string, stdout, _ io.Writer) error {
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-time.After(time.Second)
			now.Add(-1)
			want := []string{"fairlead", "verify", "--wait", "5s", "-o", "json", "--socket", "/run/other.sock", "--", "-x"}
			if !slices.Equal(args, want) {
				t.Errorf("%s is asked %q, want %q", s.pod, args, want)
			}
			_, err := io.WriteString(stdout, s.node)
			return err
		}}
		var speakers []speaker
		for i := range 100 {
			speakers = append(speakers, speaker{node: strconv.Itoa(i)})
		}
		for i, r := range a.ask(t.Context(), speakers, []string{"verify", "--wait", "5s"}, "-x") {
			if r.Node != strconv.Itoa(i) || string(r.Answer) != r.Node {
				t.Errorf("reply %d is %+v", i, r)
			}
		}
		if most.Load() != atOnce {
			t.Errorf("%d were asked at a time", most.Load())
		}
	})
}

// TestHolders asks those that have a neighbor: the replies are by node and pod, with those that could not say whether they have it.
func TestHolders(t *testing.T) {
	a := &asker{timeout: time.Minute, run: func(_ context.Context, s speaker, _ []string, stdout, _ io.Writer) error {
		switch s.node {
		case "node1", "node4":
			return errors.New("it is away")
		case "node2":
			_, err := io.WriteString(stdout, `{"sessions":[]}`)
			return err
		default:
			_, err := io.WriteString(stdout, `{"sessions":[{"neighbor":"10.0.1.1"}]}`)
			return err
		}
	}}
	var speakers []speaker
	for _, node := range []string{"node1", "node2", "node3", "node4", "node5"} {
		speakers = append(speakers, speaker{node: node, namespace: "fairlead", pod: "agent"}, speaker{node: node, namespace: "other", pod: "agent"})
	}
	fleet, err := a.askHolders(t.Context(), speakers, []string{"verify"}, "", []string{"10.0.1.1"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range fleet {
		got = append(got, strings.TrimSpace(r.Node+" "+r.Pod+" "+r.Error))
	}
	want := []string{
		"node1 fairlead/agent it is away", "node1 other/agent it is away", "node3 fairlead/agent", "node3 other/agent",
		"node4 fairlead/agent it is away", "node4 other/agent it is away", "node5 fairlead/agent", "node5 other/agent",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSpeakers chooses the agents among pods.
func TestSpeakers(t *testing.T) {
	pod := func(name, node, container string, phase corev1.PodPhase, leaving bool) corev1.Pod {
		p := corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "fairlead"},
			Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "sidecar"}, {Name: container}}},
			Status:     corev1.PodStatus{Phase: phase},
		}
		if leaving {
			p.DeletionTimestamp = &metav1.Time{}
		}
		return p
	}
	broken := pod("f", "node6", "fairlead", corev1.PodRunning, false)
	broken.Status.ContainerStatuses = []corev1.ContainerStatus{
		{Name: "sidecar", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "Other"}}},
		{Name: "fairlead", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "OOMKilled"}}},
	}
	pods := []corev1.Pod{
		broken,
		pod("e", "", "fairlead", corev1.PodPending, false),
		pod("d1", "node4", "fairlead", corev1.PodRunning, true),
		pod("c2", "node3", "fairlead", corev1.PodRunning, false),
		pod("c1", "node3", "fairlead", corev1.PodRunning, true),
		pod("b", "node2", "frr", corev1.PodRunning, false),
		pod("a2", "node1", "fairlead", corev1.PodFailed, false),
		pod("a1", "node1", "fairlead", corev1.PodRunning, false),
	}
	at := func(node, pod, problem string) speaker {
		return speaker{node: node, namespace: "fairlead", pod: pod, problem: problem}
	}
	for name, tt := range map[string]struct{ wanted, want any }{
		"all": {[]string(nil), []speaker{
			at("node1", "a1", ""), at("node3", "c2", ""), at("node4", "d1", ""), at("node6", "f", "its container has ended: OOMKilled"),
			at("none", "e", "its pod is Pending"),
		}},
		"some": {[]string{"node3", "node2", "node3"}, []speaker{
			{node: "node2", problem: "no agent runs on this node: look whether it has the chart's nodeSelector as labels"}, at("node3", "c2", ""),
		}},
	} {
		if got := speakersOf(pods, "fairlead", tt.wanted.([]string)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestMatter: of a pod that is announced from its own node alone, that node matters; of what is announced from all, those that have
// trouble come first, and those that say the same say it once.
func TestMatter(t *testing.T) {
	at := func(node string, s explain.Status, stage explain.Stage, text string) *explained {
		e := &explained{nodes: []string{node}}
		e.Status, e.Stage = s, stage
		e.Steps = []explain.Step{{Stage: explain.Wish}, {Stage: stage, Status: s, Text: text}}
		if s == explain.OK {
			e.Stage = ""
		}
		return e
	}
	for name, tt := range map[string]struct {
		all  []*explained
		want string
	}{
		"nobody": {nil, ""},
		"its own node": {[]*explained{
			at("node1", explain.Stopped, explain.Wish, "elsewhere"), at("node2", explain.OK, explain.Wire, "told"), at("node3", explain.Stopped, explain.Wish, "elsewhere"),
		}, "node2"},
		"one in trouble": {[]*explained{
			at("node1", explain.OK, explain.Wire, "told"), at("node2", explain.Stopped, explain.Wire, "lost"),
			at("node3", explain.OK, explain.Wire, "told"), at("node4", explain.Waiting, explain.Wire, "on its way"),
		}, "node2; node4; node1 node3"},
		"nowhere": {[]*explained{
			at("node1", explain.Stopped, explain.Wish, "no annotation"), at("node2", explain.Stopped, explain.Wish, "no annotation"),
		}, "node1 node2"},
	} {
		var got []string
		for _, e := range matter(tt.all) {
			got = append(got, strings.Join(e.nodes, " "))
		}
		if text := strings.Join(got, "; "); text != tt.want {
			t.Errorf("%s: got %q, want %q", name, text, tt.want)
		}
	}
}

// FuzzEscaped escapes any JSON: it stays the same value, and is printable.
func FuzzEscaped(f *testing.F) {
	for _, seed := range []string{`{"a":"b"}`, "\"\u009b\u202e\U000e0001\xff\"", "[\n1,\t2]", `"\u001b"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var want, got any
		if json.Unmarshal(text, &want) != nil {
			return
		}
		fleet := status.Fleet{{Answer: text}}
		var out bytes.Buffer
		if err := printJSON(fleet, &out); err != nil {
			t.Fatal(err)
		}
		var again []struct{ Answer json.RawMessage }
		if err := json.Unmarshal(out.Bytes(), &again); err != nil || json.Unmarshal(again[0].Answer, &got) != nil {
			t.Fatalf("%v in %q", err, out.Bytes())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("another value (-want +got):\n%s", diff)
		}
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("not printable: %q", out.String())
		}
	})
}
