package chart

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
)

// state is the folder of the host with frr.conf.
const state = "/var/lib/fairlead"

// patience bounds each wait for the container, on a machine that does other things too.
const patience = time.Minute

// grace is terminationGracePeriodSeconds of the chart.
const grace = time.Minute

// everything asks of FRR all that it needs a capability for: port 179, TCP MD5, BFD, and packets to read. One %s says who runs it, the
// other how BFD is set. The router keeps the routes of an FRR that just ends.
const everything = `
config:
  asn: 65000
  frr: {mode: %s}
  neighbors:
  - name: tor
    address: 10.0.1.254
    asn: 65001
    passwordFile: passwords/bgp/tor
    passive: true
    bfd: %s
    gracefulRestart: true
    holdTime: 60s
passwords: [{secret: bgp, key: tor}]
`

// torConf is the router at the other end.
const torConf = `bfd
 profile patient
  detect-multiplier 10
  receive-interval 1000
  transmit-interval 1000
 exit
exit
router bgp 65001
 bgp router-id 10.0.1.254
 no bgp ebgp-requires-policy
 bgp graceful-restart
 neighbor 10.0.1.1 remote-as 65000
 neighbor 10.0.1.1 password secret
 neighbor 10.0.1.1 timers 20 60
 neighbor 10.0.1.1 timers connect 1
 neighbor 10.0.1.1 bfd
 neighbor 10.0.1.1 bfd profile patient
exit
`

const manifests = `apiVersion: v1
kind: Node
metadata: {name: node1}
status: {addresses: [{type: InternalIP, address: 10.0.1.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: sample, namespace: default, annotations: {fairlead.io/bgp: "true"}}
spec: {nodeName: node1}
status: {phase: Running, podIPs: [{ip: 10.16.0.5}]}
`

// TestContainer runs an agent, and FRR in it or beside it, as the chart's containers do: each as the first process of its own, in a root
// folder that is read-only but for the mounts of the chart, with its capabilities and no other. FAIRLEAD_SOAK takes away one capability after
// the other, and each is missed.
func TestContainer(t *testing.T) {
	t.Parallel()
	versions := lab.Versions(t)
	program, err := fairlead()
	if err != nil {
		t.Fatal(err)
	}
	for mode, bfd := range map[string]string{
		"embedded": "true",
		// Here a test counts how often the session is dropped: BFD bears a machine that stands still for ten seconds.
		"external": "{receiveInterval: 1000, transmitInterval: 1000, detectMultiplier: 10}",
	} {
		objects := rendered(t, fmt.Sprintf(everything, mode, bfd))
		pods := []corev1.PodTemplateSpec{podOf(t, objects)}
		if mode == "external" {
			pods = append(pods, read[corev1.PodTemplateSpec](t, objects["DaemonSet fairlead-frr"], "spec", "template"))
		}
		for _, v := range versions {
			t.Run(v.Name+" "+mode, func(t *testing.T) {
				t.Parallel()
				h := newHost(t, v, program, configOf(t, objects))
				agent := h.run(t, pods[0])
				frr := agent
				if mode == "external" {
					frr = h.run(t, pods[1])
				}
				if err := h.works(agent, frr, patience); err != nil {
					t.Fatal(err)
				}
				if mode == "external" {
					// As with withdrawOnExit.
					next := *pods[0].DeepCopy()
					next.Spec.Containers[0].Args = append(next.Spec.Containers[0].Args, "--withdraw-on-exit")
					agent = h.replaced(t, agent, frr, next)
				}
				agent.takesUp(t)
				frr.takesUp(t)
				h.follows(t, agent, configOf(t, objects))
				if mode == "external" {
					h.drained(t, agent, frr)
				} else if err := agent.stop(); err != nil {
					t.Error(err)
				}
			})
			if os.Getenv("FAIRLEAD_SOAK") == "" {
				continue
			}
			for which, pod := range pods {
				for i, name := range pod.Spec.Containers[0].SecurityContext.Capabilities.Add {
					t.Run(fmt.Sprintf("%s %s %d without %s", v.Name, mode, which, name), func(t *testing.T) {
						t.Parallel()
						less := slices.Clone(pods)
						less[which] = *pod.DeepCopy()
						added := &less[which].Spec.Containers[0].SecurityContext.Capabilities.Add
						*added = slices.Delete(slices.Clone(*added), i, i+1)
						h := newHost(t, v, program, configOf(t, objects))
						var all []*container
						for _, pod := range less {
							all = append(all, h.run(t, pod))
						}
						err := h.works(all[0], all[len(all)-1], patience/2)
						for _, c := range all {
							if err == nil {
								err = c.stop()
							}
						}
						if err == nil {
							t.Fatal("nothing is missed")
						}
						t.Log(err)
					})
				}
			}
		}
	}
}

// host is a node that containers run on, beside a router.
type host struct {
	version   lab.Version
	program   string
	node      *lab.Namespace
	tor       *lab.Router
	manifests string
	// config is the folder that the kubelet would mount: the files stand in a folder that a link beside them names.
	config string
	// disk is where the host's folders are that containers mount.
	disk string
}

// newHost makes a node, with a version of the configuration on it.
func newHost(t *testing.T, v lab.Version, program, text string) *host {
	t.Helper()
	h := &host{version: v, program: program, config: t.TempDir(), manifests: t.TempDir(), disk: t.TempDir()}
	h.node = lab.NewNamespace(t, "node")
	tor := lab.NewNamespace(t, "tor")
	at := func(address string) []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix(address)} }
	lab.Link(t, h.node, "eth0", at("10.0.1.1/24"), tor, "eth0", at("10.0.1.254/24"))
	h.tor = tor.StartFRR(t, v, torConf, lab.WithDaemons("bfdd"))
	h.project(t, "1", text)
	for _, link := range []string{"config.yaml", "passwords"} {
		if err := os.Symlink("..data/"+link, filepath.Join(h.config, link)); err != nil {
			t.Fatal(err)
		}
	}
	// What an FRR of another number has left, and somebody else.
	folder := filepath.Join(h.disk, state)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"frr.conf.sav", "other"} {
		if err := os.WriteFile(filepath.Join(folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sockets := filepath.Join(h.disk, "run/fairlead/frr")
	if err := os.MkdirAll(sockets, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"zebra", "bgpd", "mgmtd"} {
		if err := os.WriteFile(filepath.Join(sockets, name+".pid"), []byte("99999999\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The user frr passes through.
	err := errors.Join(os.WriteFile(h.manifests+"/all.yaml", []byte(manifests), 0o600), os.Chmod(h.disk, 0o755), os.Chmod(filepath.Dir(h.disk), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// container is one that runs.
type container struct {
	process *lab.Process
	// pid is that of its first process, as this one sees it.
	pid  int
	caps []string
}

// run starts the container of a pod.
func (h *host) run(t *testing.T, pod corev1.PodTemplateSpec) *container {
	t.Helper()
	spec, before := pod.Spec.Containers[0], pod.Spec.InitContainers[0]
	c := &container{caps: capabilities(spec)}
	place := t.TempDir()
	script := []string{
		"set -eu",
		"mount -t tmpfs tmpfs " + place,
		"cd " + place,
		"mkdir above work root",
		// The image: the agent on an FRR.
		"mount -t overlay overlay -o lowerdir=" + h.version.Root + ",upperdir=above,workdir=work root",
		"cp " + h.program + " root/usr/local/bin/fairlead",
		"mkdir -p root/objects",
		"mount --rbind /dev root/dev",
		"mount -t proc proc root/proc",
		"mount --bind " + h.manifests + " root/objects",
	}
	var last []string
	for _, m := range spec.VolumeMounts {
		i := slices.IndexFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		// A link in the image leads to another place of it, and not of this machine.
		script = append(script, "chroot root mkdir -p "+m.MountPath, "at=root$(chroot root readlink -f "+m.MountPath+")")
		switch volume := pod.Spec.Volumes[i]; {
		case volume.Projected != nil:
			script = append(script, "mount --bind "+h.config+" $at")
		case volume.HostPath != nil:
			from := h.disk + volume.HostPath.Path
			script = append(script, "mkdir -p "+from, "mount --bind "+from+" $at")
		default:
			script = append(script, "mount -t tmpfs -o mode=0777 tmpfs $at")
		}
		if m.ReadOnly {
			// The other container mounts it for itself.
			last = append(last, "mount -o remount,bind,ro root$(chroot root readlink -f "+m.MountPath+")")
		}
	}
	arguments := slices.Concat(confined(c.caps), spec.Command, spec.Args)
	if spec.Args[0] == "run" {
		arguments = append(arguments, "--manifests", "/objects", "--node", "node1")
	}
	script = append(script, "mount -o remount,ro root",
		"chroot root "+strings.Join(slices.Concat(confined(capabilities(before)), quoted(before.Command)), " "))
	script = append(script, last...)
	made := filepath.Join(t.TempDir(), "made")
	script = append(script, ": >"+made, "exec chroot root "+strings.Join(arguments, " "))
	c.process = h.node.Start(t, lab.Version{Root: "/"}, "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"sh", "-c", strings.Join(script, "\n"))
	lab.Eventually(t, patience, "the container is made", func() error {
		// The shell that makes it becomes its first process.
		children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", c.process.PID()))
		if err == nil && c.pid == 0 {
			c.pid, err = strconv.Atoi(strings.TrimSpace(string(children)))
		}
		_, making := os.Stat(made)
		select {
		case <-c.process.Done():
			if making != nil || c.pid == 0 {
				t.Fatalf("the script that makes the container has ended before %s was started: %v\n%s", spec.Command[0], c.process.Wait(), c.process.Output())
			}
			return nil
		default:
			return errors.Join(err, making)
		}
	})
	return c
}

// quoted gives words that a shell takes as they are.
func quoted(words []string) []string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return all
}

func capabilities(c corev1.Container) []string {
	var names []string
	for _, name := range c.SecurityContext.Capabilities.Add {
		names = append(names, strings.ToLower(string(name)))
	}
	return names
}

// confined begins a command that has these capabilities and can get no others.
func confined(caps []string) []string {
	return []string{"setpriv", "--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all,+" + strings.Join(caps, ",+")}
}

// project writes a version of the configuration, as the kubelet does: all files of it become visible at once.
func (h *host) project(t *testing.T, version, text string) {
	t.Helper()
	folder := filepath.Join(h.config, ".."+version)
	err := errors.Join(os.MkdirAll(folder+"/passwords/bgp", 0o755), os.WriteFile(folder+"/config.yaml", []byte(text), 0o440),
		os.WriteFile(folder+"/passwords/bgp/tor", []byte("secret\n"), 0o400), os.Symlink(".."+version, h.config+"/..data_tmp"),
		os.Rename(h.config+"/..data_tmp", h.config+"/..data"))
	if err != nil {
		t.Fatal(err)
	}
}

// exec runs a command in the container, as kubectl exec does.
func (c *container) exec(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	args = slices.Concat([]string{"--target", strconv.Itoa(c.pid), "--mount", "--net", "--pid", "--root", "--wd=/"}, confined(c.caps), args)
	out, err := exec.CommandContext(ctx, "nsenter", args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", args[len(args)-1], err, out)
	}
	return string(out), err
}

// works waits until the router has the route of the pod, and the agent has proven it by the packets.
func (h *host) works(agent, frr *container, timeout time.Duration) error {
	end := time.Now().Add(timeout)
	for {
		err := h.worksNow(agent, frr)
		if err == nil {
			return nil
		}
		gone := false
		select {
		case <-agent.process.Done():
			gone = true
		case <-frr.process.Done():
			gone = true
		case <-time.After(200 * time.Millisecond):
		}
		if gone || time.Now().After(end) {
			return fmt.Errorf("%w\nthe agent says:\n%s\nFRR says:\n%s", err, agent.process.Output(), frr.process.Output())
		}
	}
}

func (h *host) worksNow(agent, frr *container) error {
	if _, told := h.tor.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.5/32")]; !told {
		return errors.New("the router has not the pod's route")
	}
	page, err := agent.exec("fairlead", "verify")
	if err == nil && !regexp.MustCompile(`Established .* tap\b`).MatchString(page) {
		err = fmt.Errorf("no packets are read:\n%s", page)
	}
	if err != nil {
		return err
	}
	if page, err := frr.exec("vtysh", "-c", "show bfd peers brief"); err != nil || !strings.Contains(page, "up") {
		return fmt.Errorf("BFD is not up: %w\n%s", err, page)
	}
	if agent != frr {
		_, err = frr.exec("fairlead", "frr", "--check")
	}
	return err
}

// replaced ends an agent and starts another one, and gives that: the session stands, and frr.conf is still for the user of the FRR
// that goes on, whose image may be another one.
func (h *host) replaced(t *testing.T, agent, frr *container, pod corev1.PodTemplateSpec) *container {
	t.Helper()
	before := h.dropped(t)
	if err := agent.stop(); err != nil {
		t.Error(err)
	}
	const another = 4711
	if err := os.Chown(filepath.Join(h.disk, state, "frr.conf"), another, another); err != nil {
		t.Fatal(err)
	}
	next := h.run(t, pod)
	if err := h.works(next, frr, patience); err != nil {
		t.Fatal(err)
	}
	if info := h.stat(t, state+"/frr.conf"); info.Sys().(*syscall.Stat_t).Uid != another {
		t.Errorf("frr.conf was given to another user: %+v", info.Sys())
	}
	if info := h.stat(t, "run/fairlead"); info.Mode().Perm() != 0o700 {
		t.Errorf("users of the node come to FRR's sockets by the mode %v", info.Mode())
	}
	if after := h.dropped(t); after != before {
		t.Errorf("another agent has dropped the session: it was dropped %s times before, and now %s", before, after)
	}
	return next
}

// dropped is how often the router's session was dropped: once perhaps at its begin, when BFD gets its times.
func (h *host) dropped(t *testing.T) string {
	t.Helper()
	out, err := h.tor.Vtysh(t.Context(), "show bgp neighbors 10.0.1.1 json")
	if err != nil {
		t.Fatal(err)
	}
	times := regexp.MustCompile(`"connectionsDropped":(\d+),`).FindStringSubmatch(out)
	if times == nil {
		t.Fatalf("the router does not say how often the session was dropped:\n%s", out)
	}
	return times[1]
}

// takesUp leaves a process in the container without a parent, and waits until its end was taken up.
func (c *container) takesUp(t *testing.T) {
	t.Helper()
	if _, err := c.exec("sh", "-c", "cat /proc/self/stat >/tmp/left & exit 0"); err != nil {
		t.Fatal(err)
	}
	lab.Eventually(t, patience, "no process is left that has ended", func() error {
		states, err := c.exec("sh", "-c", "test -s /tmp/left && cat /proc/[0-9]*/status | grep ^State:")
		if err == nil && strings.Contains(states, "zombie") {
			err = errors.New(states)
		}
		return err
	})
}

// follows changes the configuration as the kubelet does, and looks at the router, and at what is kept on the host.
func (h *host) follows(t *testing.T, agent *container, text string) {
	t.Helper()
	h.project(t, "2", text+"med: 77\n")
	h.tor.Eventually(patience, "the new configuration is told", func() error {
		for _, p := range h.tor.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.5/32")] {
			if p.MED == 77 {
				return nil
			}
		}
		return fmt.Errorf("the agent says:\n%s", agent.process.Output())
	})
	for name, frrs := range map[string]bool{"": true, "frr.conf": true, "frr.conf.sav": true, "other": false} {
		info := h.stat(t, filepath.Join(state, name))
		if user := info.Sys().(*syscall.Stat_t).Uid; user != 0 != frrs || name == "frr.conf" && info.Mode().Perm() != 0o640 {
			t.Errorf("%q of the host's folder has mode %v and user %d", name, info.Mode(), user)
		}
	}
}

// stat looks at a file of the host.
func (h *host) stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Lstat(filepath.Join(h.disk, path))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// drained ends both containers, as when the node is no longer chosen, FRR first: the router keeps no route of the node.
func (h *host) drained(t *testing.T, agent, frr *container) {
	t.Helper()
	for _, c := range []*container{frr, agent} {
		if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []*container{agent, frr} {
		if err := c.ended(); err != nil {
			t.Error(err)
		}
	}
	h.tor.Eventually(patience, "all is withdrawn", func() error {
		if left := h.tor.Routes(route.IPv4Unicast); len(left) > 0 {
			return fmt.Errorf("the router has %v\nthe agent says:\n%s\nFRR says:\n%s", left, agent.process.Output(), frr.process.Output())
		}
		return nil
	})
}

// stop ends the container as the kubelet does, and with it what runs in it.
func (c *container) stop() error {
	if err := syscall.Kill(c.pid, syscall.SIGTERM); err != nil {
		return err
	}
	return c.ended()
}

// ended waits for the end of a container that was told to, within what the kubelet gives it.
func (c *container) ended() error {
	select {
	case <-c.process.Done():
	case <-time.After(grace):
		return errors.New("it does not end")
	}
	if err := c.process.Wait(); err != nil {
		return fmt.Errorf("it ends with %w\n%s", err, c.process.Output())
	}
	if said := c.process.Output(); strings.Contains(said, "operation not permitted") {
		return fmt.Errorf("it misses a right:\n%s", said)
	}
	return nil
}
