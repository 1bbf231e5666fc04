package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/yaml"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/watch"
)

// wish is the annotation that asks for an announcement.
const wish = "ovn.kubernetes.io/bgp"

// crowd is a cluster with as many pods as a real one.
type crowd struct {
	client    *kubernetes.Clientset
	namespace string
}

// ordinaryPod is the i-th pod of a crowd: some 4 kB of YAML, with the annotations of Kube-OVN.
func ordinaryPod(i int) *corev1.Pod {
	address := crowdAddress(i)
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("web-%05d", i),
			Labels: map[string]string{
				"app.kubernetes.io/name": "web", "app.kubernetes.io/instance": fmt.Sprintf("web-%d", i/100), "app.kubernetes.io/part-of": "shop",
				"pod-template-hash": "6f7d9c5b4", "topology.kubernetes.io/zone": "zone-a",
			},
			Annotations: map[string]string{
				"ovn.kubernetes.io/allocated": "true", "ovn.kubernetes.io/cidr": "10.64.0.0/10", "ovn.kubernetes.io/gateway": "10.64.0.1",
				"ovn.kubernetes.io/ip_address": address, "ovn.kubernetes.io/logical_router": "ovn-cluster", "ovn.kubernetes.io/logical_switch": "ovn-default",
				"ovn.kubernetes.io/mac_address": "00:00:00:2e:5d:9c", "ovn.kubernetes.io/pod_nic_type": "veth-pair", "ovn.kubernetes.io/routed": "true",
				"prometheus.io/scrape": "true", "prometheus.io/port": "9102", "checksum/config": strings.Repeat("5f1c", 16),
			},
		},
		Spec: corev1.PodSpec{
			NodeName: "node1", ServiceAccountName: "default", PriorityClassName: "",
			Tolerations: []corev1.Toleration{{Key: "node.kubernetes.io/not-ready", Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, HostIP: "10.0.1.2", PodIP: address, PodIPs: []corev1.PodIP{{IP: address}}, QOSClass: corev1.PodQOSBurstable,
		},
	}
	for _, name := range []string{"main", "proxy"} {
		container := corev1.Container{
			Name: name, Image: "registry.example.com/shop/" + name + ":1.28.3", Args: []string{"--config=/etc/web/config.yaml", "--log-level=info"},
			Ports: []corev1.ContainerPort{{Name: "http-" + name, ContainerPort: 8080}},
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi"),
			}},
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			LivenessProbe: &corev1.Probe{PeriodSeconds: 10, ProbeHandler: corev1.ProbeHandler{
				Exec: &corev1.ExecAction{Command: []string{"/bin/check", "--timeout=3s"}},
			}},
		}
		for e := range 8 {
			container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%d", e), Value: "http://service.shop.svc.cluster.local:8080/path"})
		}
		p.Spec.Containers = append(p.Spec.Containers, container)
		started := true
		p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: name, Ready: true, Started: &started, Image: container.Image, ImageID: container.Image + "@sha256:" + strings.Repeat("0a", 32),
			ContainerID: "containerd://" + strings.Repeat("1b", 32), State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
		})
	}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	for _, c := range []corev1.PodConditionType{corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue})
	}
	return p
}

func crowdAddress(i int) string { return fmt.Sprintf("10.%d.%d.%d", 64+i/62500, i/250%250, i%250+1) }

// gather makes n pods, of which the first are announced.
func gather(t testing.TB, api *kube.Cluster, namespace string, n, announced int) crowd {
	t.Helper()
	config := api.Config()
	config.ContentType = runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(ordinaryPod(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a pod is %d bytes of YAML", len(text))
	pods := client.CoreV1().Pods(namespace)
	var g errgroup.Group
	g.SetLimit(16)
	for i := range n {
		g.Go(func() error {
			p := ordinaryPod(i)
			if i < announced {
				p.Annotations[wish] = "true"
			}
			made, err := pods.Create(context.Background(), p, metav1.CreateOptions{})
			if err == nil {
				made.Status = p.Status
				_, err = pods.UpdateStatus(context.Background(), made, metav1.UpdateOptions{})
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	return crowd{client, namespace}
}

// annotate changes one pod's wish; nil takes it away.
func (c crowd) annotate(i int, policy *string) error {
	value := "null"
	if policy != nil {
		value = strconv.Quote(*policy)
	}
	// What it has become is of no interest: less of it is less work.
	return c.client.CoreV1().RESTClient().Patch(types.MergePatchType).Namespace(c.namespace).Resource("pods").Name(fmt.Sprintf("web-%05d", i)).
		SetHeader("Accept", "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").
		Body(fmt.Appendf(nil, `{"metadata":{"annotations":{%q:%s}}}`, wish, value)).Do(context.Background()).Error()
}

const crowdSubnet = `---
apiVersion: kubeovn.io/v1
kind: Subnet
metadata: {name: ovn-default}
spec: {cidrBlock: 10.64.0.0/10}
status: {conditions: [{type: Ready, status: "True"}]}
`

// BenchmarkAPIAnnotate is what a user of kubectl annotate waits for: in a cluster of 10,000 pods, 1,000 of them announced, from
// the request until the ToR has received the route, and the same for taking the annotation away.
func BenchmarkAPIAnnotate(b *testing.B) {
	const all, announced, tries = 10_000, 1_000, 50
	n, _, tor := following(b, kube.Start(b), oneToR)
	n.api.Apply(b, crowdSubnet)
	c := gather(b, n.api, n.own, all, announced)
	n.start()
	lab.Eventually(b, 2*converge, "the ToR has all routes", func() error {
		if got := len(tor.Routes(route.IPv4Unicast)); got != announced {
			return fmt.Errorf("it has %d", got)
		}
		return nil
	})
	count(b, tor) // which makes bgpd log what it receives, too
	log, yes := tor.Process("bgpd"), "true"
	measure := func(i int, policy *string, line string) time.Duration {
		return untilLogged(b, log, line, func() {
			if err := c.annotate(i, policy); err != nil {
				b.Fatal(err)
			}
		})
	}
	for b.Loop() {
		var annotate, remove []time.Duration
		for i := range tries {
			at := announced + i
			annotate = append(annotate, measure(at, &yes, "rcvd "+crowdAddress(at)+"/32 IPv4 unicast"))
			remove = append(remove, measure(at, nil, "rcvd UPDATE about "+crowdAddress(at)+"/32 IPv4 unicast -- withdrawn"))
		}
		report(b, "annotate", annotate)
		report(b, "remove", remove)
	}
}

// BenchmarkAPIMemory is how much memory the agent holds, and held at most, beside pods of 4 kB of YAML each.
func BenchmarkAPIMemory(b *testing.B) {
	for _, all := range []int{10_000, 50_000} {
		for _, announced := range []int{0, all} {
			b.Run(fmt.Sprintf("%d/announced-%d", all, announced), func(b *testing.B) {
				n, _, tor := following(b, kube.Start(b), oneToR)
				n.api.Apply(b, crowdSubnet)
				gather(b, n.api, n.own, all, announced)
				for b.Loop() {
					n.start()
					lab.Eventually(b, 10*converge, "the ToR has all routes", func() error { return received(tor, announced) })
					n.ready()
					settle := time.NewTimer(settled)
					<-settle.C
					b.ReportMetric(memory(b, n.agent.PID(), "VmRSS"), "MB-resident")
					b.ReportMetric(memory(b, n.agent.PID(), "VmHWM"), "MB-peak")
					n.agent.Stop()
				}
			})
		}
	}
}

// received reports unless a router has as many routes. It has them counted: of 50,000 a list takes FRR most of a minute.
func received(r *lab.Router, want int) error {
	text, err := r.Vtysh(context.Background(), "show bgp ipv4 unicast summary json")
	if err != nil {
		return err
	}
	var summary struct {
		RIBCount int `json:"ribCount"`
	}
	if err := json.Unmarshal([]byte(text), &summary); err != nil {
		return err
	}
	if summary.RIBCount != want {
		return fmt.Errorf("it has %d", summary.RIBCount)
	}
	return nil
}

// memory reads a size in megabytes (10^6 bytes) from a process's status.
func memory(t testing.TB, pid int, field string) float64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if rest, ok := strings.CutPrefix(string(line), field+":"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return float64(kib) * 1024 / 1e6
		}
	}
	t.Fatalf("%s is not in\n%s", field, text)
	return 0
}

// BenchmarkAPIFleet has agents without FRR follow one API server with 1,000 pods, of which 100 a second change their wish
// for 10 s. All of them, their API server and who writes the changes share this machine's processors. It tells
//   - how far behind the agents were: from the moment that a bare watch of the same server, which does nothing but look at the
//     clock, was told of a change, until an agent had ended the pass with it; of each change and each agent,
//   - what was the API server's part: from its acknowledgement of the change until that watch was told,
//   - what an agent costs the API server, and its own node, in processor time: what was used with all of them, less what the
//     same changes cost before the first of them began.
func BenchmarkAPIFleet(b *testing.B) {
	for _, agents := range []int{16, 64} {
		b.Run(strconv.Itoa(agents), func(b *testing.B) {
			for b.Loop() {
				fleet(b, agents)
			}
		})
	}
}

// fleetChanges are how many changes a fleet follows, and fleetEvery how long after one the next is made.
const (
	fleetChanges = 1_000
	fleetEvery   = 10 * time.Millisecond
)

func fleet(b *testing.B, agents int) {
	api := kube.Start(b)
	api.CRDs(b)
	namespace := api.Namespace(b)
	api.Apply(b, nodeObject+crowdSubnet)
	c := gather(b, api, namespace, fleetChanges, 0)
	settings, err := config.Parse("config.yaml", []byte(oneToR))
	if err != nil {
		b.Fatal(err)
	}
	quiet := logrus.New()
	quiet.SetLevel(logrus.PanicLevel)

	ctx, stop := context.WithCancel(context.Background())
	var running errgroup.Group
	defer func() {
		stop()
		if err := running.Wait(); err != nil {
			b.Error(err)
		}
	}()
	told := new(moments)
	pods := c.client.CoreV1().Pods(namespace)
	now, err := pods.List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	bare, err := toolswatch.NewRetryWatcherWithContext(ctx, now.ResourceVersion, &cache.ListWatch{WatchFuncWithContext: pods.Watch})
	if err != nil {
		b.Fatal(err)
	}
	running.Go(func() error {
		for event := range bare.ResultChan() {
			if pod, ok := event.Object.(*corev1.Pod); ok && pod.Annotations[wish] == "true" {
				told.note(pod.Name)
			}
		}
		return nil
	})
	alone := c.wishes(b, "false")

	passed := make([]*moments, agents)
	var synced sync.WaitGroup
	synced.Add(agents)
	for a := range passed {
		passed[a] = new(moments)
		cluster, err := watch.NewCluster(api.Config(), watch.ClusterOptions{Node: "node1", Log: quiet})
		if err != nil {
			b.Fatal(err)
		}
		var reducer reduce.Reducer
		ready := false
		running.Go(func() error {
			return cluster.Run(ctx, func() {
				if cluster.Readiness(watch.Wanted{}) != watch.Complete {
					return
				}
				result, err := reducer.Reduce(cluster.Snapshot(), settings, "node1")
				if err != nil {
					return
				}
				for _, r := range result.Speaker.Routers[0].Routes {
					passed[a].note(r.From[0].Name)
				}
				if !ready {
					ready = true
					synced.Done()
				}
			})
		})
	}
	synced.Wait()
	before := requestsOf(b, c.client)
	all := c.wishes(b, "true")
	lab.Eventually(b, converge, "everybody has every change", func() error {
		for _, m := range append(passed, told) {
			if n := m.noted(); n != fleetChanges {
				return fmt.Errorf("one has %d", n)
			}
		}
		return nil
	})
	// Each change is a request of this benchmark's own.
	requests := requestsOf(b, c.client) - before - fleetChanges

	var delivery, behind []time.Duration
	for i := range fleetChanges {
		delivery = append(delivery, time.Duration(told[i].Load()-all.acknowledged[i].Load()))
		for a := range passed {
			behind = append(behind, time.Duration(passed[a][i].Load()-told[i].Load()))
		}
	}
	perAgent := func(with, without time.Duration) float64 {
		return float64((with - without).Microseconds()) / 1000 / float64(agents) / all.took.Seconds()
	}
	report(b, "delivery", delivery)
	report(b, "behind", behind)
	b.ReportMetric(float64(behind[len(behind)*999/1000].Microseconds())/1000, "behind-99.9th-ms")
	b.ReportMetric(perAgent(all.server, alone.server), "server-cpu-ms/agent/s")
	b.ReportMetric(perAgent(all.own, alone.own), "cpu-ms/agent/s")
	b.ReportMetric(float64((all.server+all.own).Milliseconds())/10/all.took.Seconds()/float64(goruntime.NumCPU()), "%-busy")
	b.ReportMetric(fleetChanges/all.took.Seconds(), "changes/s")
	b.ReportMetric(requests/float64(agents)/all.took.Minutes(), "requests/agent/min")
}

// moments are when each of a crowd's pods did something first, in nanoseconds; 0 means that it did not yet.
type moments [fleetChanges]atomic.Int64

// note notes that the pod of that name did it now. A name that is none of a crowd's means nothing.
func (m *moments) note(name string) {
	if i, err := strconv.Atoi(strings.TrimPrefix(name, "web-")); err == nil && m[i].Load() == 0 {
		m[i].Store(time.Now().UnixNano())
	}
}

// noted counts the pods that did it.
func (m *moments) noted() int {
	n := 0
	for i := range m {
		if m[i].Load() != 0 {
			n++
		}
	}
	return n
}

// wishing is what it took to change the wishes of a crowd.
type wishing struct {
	acknowledged *moments
	took         time.Duration
	// server and own are the processor time of the API server and of this process.
	server, own time.Duration
}

// wishes gives one pod after another the wish.
func (c crowd) wishes(b *testing.B, policy string) wishing {
	b.Helper()
	w := wishing{acknowledged: new(moments), server: serverTime(b, c.client), own: processorTime(b)}
	began := time.Now()
	var writing errgroup.Group
	for i := range fleetChanges {
		<-time.After(time.Until(began.Add(time.Duration(i) * fleetEvery))) // at once, where it is late
		writing.Go(func() error {
			err := c.annotate(i, &policy)
			w.acknowledged[i].Store(time.Now().UnixNano())
			return err
		})
	}
	if err := writing.Wait(); err != nil {
		b.Fatal(err)
	}
	w.took = time.Since(began)
	w.server, w.own = serverTime(b, c.client)-w.server, processorTime(b)-w.own
	return w
}

// processorTime is what this process has used of the processors.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// serverTime is what the API server has used of the processors.
func serverTime(t testing.TB, client *kubernetes.Clientset) time.Duration {
	t.Helper()
	return time.Duration(sumOf(t, client, func(line string) bool { return strings.HasPrefix(line, "process_cpu_seconds_total ") }) * 1e9)
}

// requestsOf gives how many requests the API server has answered; a watch counts when it ends.
func requestsOf(t testing.TB, client *kubernetes.Clientset) float64 {
	t.Helper()
	return sumOf(t, client, func(line string) bool {
		return strings.HasPrefix(line, "apiserver_request_total{") && !strings.Contains(line, `,resource="",`)
	})
}

// sumOf adds up the API server's metrics whose lines count.
func sumOf(t testing.TB, client *kubernetes.Clientset, counts func(line string) bool) float64 {
	t.Helper()
	text, err := client.RESTClient().Get().AbsPath("/metrics").DoRaw(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for line := range strings.Lines(string(text)) {
		if counts(line) {
			fields := strings.Fields(line)
			value, err := strconv.ParseFloat(fields[len(fields)-1], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += value
		}
	}
	return sum
}
