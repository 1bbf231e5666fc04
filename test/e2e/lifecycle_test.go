package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// sample asks for what the tests of this file announce.
func sample(n *node) []string {
	n.write("subnet.yaml", subnetObject)
	n.write("pod.yaml", pod("sample", "10.16.0.5", "fd00:10:16::5"))
	return []string{"10.16.0.0/16", "10.16.0.5/32", "fd00:10:16::/64", "fd00:10:16::5/128"}
}

// An embedded FRR is started, comes back with all its routes when a daemon dies, and ends with the agent.
func TestEmbedded(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		n, tor := linked(t, v, torConfig)
		n.configure("embedded", oneToR)
		want := sample(n)
		n.start()
		told(t, tor, want...)

		bgpd := n.processes("bgpd")
		if len(bgpd) != 1 {
			t.Fatalf("bgpd runs as processes %v, want one", bgpd)
		}
		if err := syscall.Kill(bgpd[0], syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		// The ToR drops the routes when the connection ends, so that they are new where they come back.
		lab.Eventually(t, converge, "another bgpd runs", func() error {
			if now := n.processes("bgpd"); len(now) != 1 || now[0] == bgpd[0] {
				return fmt.Errorf("bgpd runs as processes %v", now)
			}
			return nil
		})
		lab.Eventually(t, converge, "the new bgpd answers", func() error {
			if got := strings.Count(n.agent.Output(), `msg="daemon answers" daemon=bgpd`); got < 2 {
				return fmt.Errorf("bgpd answered %d times", got)
			}
			return nil
		})
		n.converged()
		told(t, tor, want...)
		n.mustRun()

		if err := n.agent.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		lab.Eventually(t, converge, "nothing is left", func() error {
			if left := n.processes(""); len(left) > 0 {
				return fmt.Errorf("processes %v", left)
			}
			return nil
		})
		if err := n.agent.Wait(); err != nil {
			t.Errorf("after SIGTERM the agent ended with %v, want no error", err)
		}
		told(t, tor)
	})
}

// processes lists what runs on the node: programs of this name, or all where it is "".
func (n *node) processes(name string) []int {
	n.t.Helper()
	out, err := exec.CommandContext(n.t.Context(), "ip", "netns", "pids", n.Name).Output()
	if err != nil {
		n.t.Fatalf("list processes: %v", err)
	}
	var pids []int
	for _, field := range strings.Fields(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			n.t.Fatalf("list processes: %v", err)
		}
		// One that has ended meanwhile has no name any more.
		comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err == nil && (name == "" || strings.TrimSpace(string(comm)) == name) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// An agent that is killed and started again tells the neighbors nothing, where it reads no packets; what changed meanwhile it tells
// once.
func TestAgentRestart(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		n, tor, counter := restarted(t, v, untapped)
		quiet(t, counter, nil, nil)
		if got := counter.Counts().Messages; got != 0 {
			t.Errorf("%d UPDATEs came while the agent was started again", got)
		}

		n.agent.Kill()
		n.write("pod.yaml", pod("other", "10.16.0.6"))
		n.start()
		told(t, tor, "10.16.0.0/16", "10.16.0.6/32", "fd00:10:16::/64")
		counted(t, counter, []string{"10.16.0.6/32"}, []string{"10.16.0.5/32"})
		quiet(t, counter, []string{"10.16.0.6/32"}, []string{"10.16.0.5/32"})
	})
}

// One that reads packets has FRR send its table once more, to see it, and resets and withdraws nothing.
func TestAgentRestartProves(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		n, _, counter := restarted(t, v, oneToR)
		ctx, cancel := context.WithTimeout(t.Context(), converge)
		defer cancel()
		verify := n.Command(ctx, v, n.inside+"/fairlead", "verify", "--wait", "30s", "--socket", n.inside+"/agent.sock")
		if out, err := verify.CombinedOutput(); err != nil {
			t.Errorf("fairlead verify: %v\n%s", err, out)
		}
		// FRR's word may have stood in until then: the table is asked for after a random pause.
		again := []string{"10.16.0.0/16", "10.16.0.5/32"}
		counted(t, counter, again, nil)
		quiet(t, counter, again, nil)
	})
}

// restarted gives a node whose agent was killed after its routes were told, and started again, its ToR, and what that was sent since
// the kill.
func restarted(t *testing.T, v lab.Version, config string) (*node, *lab.Router, *lab.UpdateCounter) {
	t.Helper()
	n, _, tor := external(t, v, torConfig)
	n.configure("external", config)
	want := sample(n)
	n.start()
	told(t, tor, want...)
	counter := count(t, tor)
	n.agent.Kill()
	n.start()
	n.converged()
	return n, tor, counter
}

// converged waits until FRR has read the manifests' last state: then diff has nothing to say, and frr.conf is kept.
func (n *node) converged() {
	n.t.Helper()
	lab.Eventually(n.t, converge, "FRR holds what it should", func() error {
		if change := n.fairlead("diff"); change != "" {
			return fmt.Errorf("it lacks\n%s", change)
		}
		return nil
	})
}

// An FRR that lost its bgpd gets everything back without anybody asking, at the latest with the next audit.
func TestExternalBGPDRestart(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		n, speaker, tor := external(t, v, torConfig)
		n.configure("external", oneToR)
		want := sample(n)
		n.start()
		told(t, tor, want...)

		speaker.Process("bgpd").Kill()
		told(t, tor)
		speaker.StartDaemon("bgpd")
		began := time.Now()
		told(t, tor, want...)
		t.Logf("all routes were back after %s", time.Since(began).Round(time.Second))
		n.mustRun()
	})
}

// Routes come and go one by one among many, wherever they sort: each is one announcement or one withdrawal.
func TestOneRouteAmongMany(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		n, _, tor := external(t, v, torConfig)
		n.configure("external", oneToR)
		manifest, want := pods(10, 1000)
		n.write("pods.yaml", manifest)
		n.start()
		told(t, tor, want...)

		counter := count(t, tor)
		one := []struct{ name, address string }{{"first", "10.0.0.1"}, {"middle", "10.16.11.250"}, {"last", "203.0.113.1"}}
		var all []string
		for _, r := range one {
			all = append(all, r.address+"/32")
			n.write(r.name+".yaml", pod(r.name, r.address))
			counted(t, counter, all, nil)
		}
		var gone []string
		for i, r := range one {
			gone = append(gone, all[i])
			n.remove(r.name + ".yaml")
			counted(t, counter, all, gone)
		}
		quiet(t, counter, all, gone)
		told(t, tor, want...)
	})
}
