package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/test/lab"
)

// Node is a node of a Cluster: a host with containerd and kubelet.
type Node struct {
	// Name is what the cluster calls it: node1.
	Name string
	// Address is its one on the segment: 10.32.32.11 is node1's.
	Address netip.Addr

	c *Cluster
	// pods is the range of its pods' addresses.
	pods       netip.Prefix
	host       *host
	cgroups    []string
	kubeconfig string
	kubelet    *service
}

// pauseImage is what each pod's first process is of.
const pauseImage = "localhost/pause:1"

// containerdConfig is that of each node. What a host without CAP_SYS_RESOURCE cannot do, restrict_oom_score_adj leaves out.
const containerdConfig = `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[plugins."io.containerd.internal.v1.opt"]
  path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "` + pauseImage + `"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/var/lib/containerd/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
`

// networkConfig gives pods addresses of a range, and the node a route to each.
const networkConfig = `{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "ptp", "ipam": {
  "type": "host-local", "subnet": "%s", "routes": [{"dst": "0.0.0.0/0"}]}}]}
`

// kubeletConfig is with the path of the authority's certificate, the cgroup, and the cluster's name server and domain.
const kubeletConfig = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: %s}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /%s
# Deprecated and still what machines of tests have.
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
evictionHard: {memory.available: 1%%, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
volumePluginDir: /var/lib/kubelet/volumeplugins
resolvConf: ""
clusterDNS: [%s]
clusterDomain: %s
# How soon a mounted ConfigMap follows: a minute by default.
syncFrequency: 5s
nodeStatusReportFrequency: 2s
nodeStatusUpdateFrequency: 2s
`

// newNode makes a node that is off.
func (c *Cluster) newNode(number int) *Node {
	c.t.Helper()
	n := &Node{c: c, Name: fmt.Sprintf("node%d", number), Address: netip.AddrFrom4([4]byte{10, 32, 32, byte(10 + number)})}
	ns := lab.NewNamespace(c.t, n.Name)
	c.Segment.Connect(c.t, ns, "eth0", netip.PrefixFrom(n.Address, control.Bits()))
	ns.IP(c.t, "route", "add", "default", "via", control.Addr().String())
	cgroup := fmt.Sprintf("fl-%d-%s", os.Getpid(), n.Name)
	n.cgroups = newCgroup(c.t, cgroup)
	n.host = newHost(c.t, ns, n.Name, c.home)
	n.kubeconfig = c.API.NodeKubeconfigOf(c.t, "system:node:"+n.Name, "system:nodes")
	n.pods = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 244, byte(number), 0}), 24)
	for name, text := range map[string]string{
		"containerd.toml": containerdConfig,
		"kubelet.yaml":    fmt.Sprintf(kubeletConfig, c.API.File(kube.AuthorityCertificate), cgroup, nameServer(), domain),
		"var/lib/containerd/net.d/10-pods.conflist": fmt.Sprintf(networkConfig, n.pods),
	} {
		n.write(name, text)
	}
	return n
}

// write writes a file of the node's home.
func (n *Node) write(name, text string) {
	n.c.t.Helper()
	file := filepath.Join(n.host.home, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(text), 0o644)
	}
	if err != nil {
		n.c.t.Fatalf("write file of %s: %v", n.Name, err)
	}
}

// Start turns the node on, and its containerd and kubelet with it.
func (n *Node) Start() {
	n.c.t.Helper()
	n.host.on()
	n.host.start("containerd", "containerd", "--config", filepath.Join(n.host.home, "containerd.toml"))
	lab.Eventually(n.c.t, patience, "containerd of "+n.Name+" answers", func() error {
		return n.host.run("ctr", "version")
	})
	n.StartKubelet()
}

// PowerOff ends everything on the node at once, and says goodbye to nobody. Start turns it on again, with the disk as it was.
func (n *Node) PowerOff() {
	n.c.t.Helper()
	n.host.off()
	// The kernel of a real machine would forget them, and a kubelet looks at each for seconds.
	for _, dir := range n.cgroups {
		if err := emptyCgroup(dir); err != nil {
			n.c.t.Fatalf("turn %s off: %v", n.Name, err)
		}
	}
}

// StartKubelet starts the kubelet, or starts it again after KillKubelet.
func (n *Node) StartKubelet() {
	n.c.t.Helper()
	n.kubelet = n.host.start("kubelet", n.c.binary, "kubelet",
		"--config="+filepath.Join(n.host.home, "kubelet.yaml"),
		"--kubeconfig="+n.kubeconfig,
		"--hostname-override="+n.Name,
		"--node-ip="+n.Address.String(),
	)
}

// KillKubelet ends the kubelet with SIGKILL. The pods run on.
func (n *Node) KillKubelet() { n.kubelet.kill() }

// Ready waits until the cluster holds the node for ready, by what its kubelet has said since now.
func (n *Node) Ready() {
	n.c.t.Helper()
	client, since := n.c.Client(), time.Now().Add(-time.Second)
	lab.Eventually(n.c.t, patience, n.Name+" is ready", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		node, err := client.CoreV1().Nodes().Get(ctx, n.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type != corev1.NodeReady {
				continue
			}
			if condition.Status == corev1.ConditionTrue && condition.LastHeartbeatTime.After(since) {
				return nil
			}
			return fmt.Errorf("%s (%s)\n%s", condition.Reason, condition.Message, n.c.Logs())
		}
		return fmt.Errorf("its kubelet has not said\n%s", n.c.Logs())
	})
}

// load gives the node the images of a file.
func (n *Node) load(file string) {
	n.c.t.Helper()
	if err := n.host.run("ctr", "--namespace", "k8s.io", "images", "import", file); err != nil {
		n.c.t.Fatalf("load images: %v", err)
	}
}

// Kill ends those processes of the node's pods with SIGKILL whose command begins so: the path of the program, or its name where it was
// started by that, and arguments.
func (n *Node) Kill(command string) {
	n.c.t.Helper()
	// pkill knows the processes of the host and no other.
	if err := n.host.run("pkill", "-KILL", "--full", "^"+regexp.QuoteMeta(command)+"( |$)"); err != nil {
		n.c.t.Fatalf("kill %s: %v", command, err)
	}
}

// Client is the administrator's.
func (c *Cluster) Client() *kubernetes.Clientset {
	c.t.Helper()
	client, err := kubernetes.NewForConfig(c.API.Config())
	if err != nil {
		c.t.Fatalf("make client: %v", err)
	}
	return client
}
