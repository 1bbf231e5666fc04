package live_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// patience bounds each wait, on a machine that does other things too.
const patience = time.Minute

// pod is an FRR that "fairlead frr" runs as the first process of its own process and mount namespaces, beside the agent of a site.
type pod struct {
	*site.Site
	t       *testing.T
	process *lab.Process
}

// newPod prepares a site whose agent has vtysh run over a socket, and starts nothing.
func newPod(t *testing.T, v lab.Version) *pod {
	t.Helper()
	p := &pod{Site: site.New(t, v, true), t: t}
	p.Write("mode", "frr: {mode: external, socket: "+p.socket()+", pathspace: "+p.Node.Name+", paths: {vtysh: /nowhere}}\n"+
		"status: {socket: "+p.Inside("agent.sock")+"}\n")
	return p
}

func (p *pod) socket() string { return p.Inside("vtysh/vtysh.sock") }

// begin starts FRR.
func (p *pod) begin() {
	p.t.Helper()
	command := strings.Join(slices.Concat(p.Command("frr"), []string{
		"--socket", p.socket(), "--pathspace", p.Node.Name, "--frr-conf", "/etc/frr/" + p.Node.Name + "/frr.conf",
	}), " ")
	p.process = p.Node.Start(p.t, lab.Version{Root: "/"}, "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child",
		"sh", "-ec", fmt.Sprintf("mount -t proc proc %s; exec chroot %s %s", p.Version.Path("proc"), p.Version.Root, command))
}

// end ends FRR as the kubelet does.
func (p *pod) end() {
	p.t.Helper()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.process.PID()))
	if err != nil {
		p.t.Fatal(err)
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err == nil {
		err = syscall.Kill(first, syscall.SIGTERM)
	}
	if err != nil {
		p.t.Fatalf("end FRR: %v", err)
	}
	select {
	case <-p.process.Done():
	case <-time.After(patience):
		p.t.Fatalf("fairlead frr does not end:\n%s", p.process.Output())
	}
	if err := p.process.Wait(); err != nil {
		p.t.Errorf("fairlead frr ends with %v\n%s", err, p.process.Output())
	}
	if left := p.Daemons(); len(left) > 0 {
		p.t.Errorf("there are still %v", left)
	}
}

// kill ends a daemon with SIGKILL.
func (p *pod) kill(daemon string) {
	p.t.Helper()
	out, err := exec.CommandContext(p.t.Context(), "ip", "netns", "pids", p.Node.Name).Output()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, field := range strings.Fields(string(out)) {
		if comm, err := os.ReadFile(filepath.Join("/proc", field, "comm")); err != nil || strings.TrimSpace(string(comm)) != daemon {
			continue
		}
		pid, err := strconv.Atoi(field)
		if err == nil {
			err = syscall.Kill(pid, syscall.SIGKILL)
		}
		if err != nil {
			p.t.Fatal(err)
		}
		return
	}
	p.t.Fatalf("there is no %s", daemon)
}

// proven waits until the agent has proven that both routers were told what they should be.
func (p *pod) proven(when string) {
	p.t.Helper()
	lab.Eventually(p.t, patience, when+" the agent proves it", func() error {
		if page, err := p.Ask("verify"); err != nil {
			return fmt.Errorf("%w:\n%s\nthe agent says:\n%s\nFRR says:\n%s", err, page, p.Agent.Output(), p.process.Output())
		}
		return nil
	})
}

// announce adds a pod to the manifests, and waits until spine has its address.
func (p *pod) announce(address string) {
	p.t.Helper()
	p.Write("manifests/more.yaml", site.Pod("more", address))
	p.Spine.Eventually(patience, address+" is announced", func() error {
		if got := p.Spine.Routes(route.IPv4Unicast)[netip.PrefixFrom(netip.MustParseAddr(address), 32)]; len(got) != 1 {
			return fmt.Errorf("paths %v; the agent says:\n%s", got, p.Agent.Output())
		}
		return nil
	})
}

// check asks a probe's question.
func (p *pod) check() error {
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	out, err := p.Node.Command(ctx, p.Version, append(p.Command("frr"), "--check", "--socket", p.socket(), "--pathspace", p.Node.Name)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// TestAgentReplaced starts an agent before its FRR, ends it, kills it, and starts it beside an FRR that runs: no session notices.
func TestAgentReplaced(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, v)
			// An agent that reads packets has a table sent again that it has not read from its beginning.
			p.Edit(site.SpineLine+fmt.Sprintf(site.ToRLine, ", passive: true, bfd: {receiveInterval: 250}"), "verify: {tap: false}\n")
			p.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 bfd\nexit\n")
			p.Start()
			lab.Eventually(t, patience, "the agent misses FRR", func() error {
				if said := p.Agent.Output(); !strings.Contains(said, "bgpd is not running") {
					return errors.New(said)
				}
				return nil
			})
			if err := p.check(); err == nil || !strings.Contains(err.Error(), "FRR is not running") {
				t.Errorf("nothing runs, and the probe says %v", err)
			}
			p.begin()
			p.ToR.Eventually(patience, "BFD is up", func() error { return site.BFDUp(p.ToR) })
			p.proven("at first")
			p.Settle()
			if err := p.check(); err != nil {
				t.Error(err)
			}
			want := []string{"bfdd", "bgpd", "zebra"}
			if v.Has("mgmtd") {
				want = []string{"bfdd", "bgpd", "mgmtd", "zebra"}
			}
			if diff := cmp.Diff(want, p.Daemons()); diff != "" {
				t.Errorf("daemons (-want +got)\n%s", diff)
			}
			resets := p.Resets(p.ToR)
			for _, end := range []func(){p.Agent.Stop, p.Agent.Kill} {
				end()
				p.Start()
				p.proven("with another agent")
				p.Standing(p.ToR, resets, "another agent")
				p.Silent("another agent")
			}
			p.announce("10.16.7.7")
			if left, err := filepath.Glob(v.Path("run/frr", p.Node.Name, "*.vtysh")); err != nil || len(left) > 0 {
				t.Errorf("scripts are left: %v, %v", left, err)
			}
			p.end()
		})
	}
}

// TestFRRReplaced kills bgpd; and ends FRR and starts it again while there is no agent: from frr.conf alone all is as it was. By graceful
// restart the far side has lost no route meanwhile, and in the second case the node's kernel neither.
func TestFRRReplaced(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, v)
			p.Edit(strings.Replace(site.SpineLine, "}", ", gracefulRestart: true, receive: {accept: all, install: true}}", 1) +
				fmt.Sprintf(site.ToRLine, ", gracefulRestart: true, bfd: {receiveInterval: 250}"))
			p.ToR.Load("router bgp 65001\n bgp graceful-restart\n neighbor 10.0.1.1 bfd\nexit\n")
			p.Spine.Load("ip route 10.99.0.0/16 blackhole\nrouter bgp 65002\n bgp graceful-restart\n no bgp network import-check\n" +
				" address-family ipv4 unicast\n  network 10.99.0.0/16\n exit-address-family\nexit\n")
			p.begin()
			lab.Eventually(t, patience, "FRR runs before the agent", p.check)
			p.Start()
			p.ToR.Eventually(patience, "BFD is up", func() error { return site.BFDUp(p.ToR) })
			p.proven("at first")
			kernel := func() error {
				out, err := exec.CommandContext(t.Context(), "ip", "-n", p.Node.Name, "route", "show", "10.99.0.0/16").CombinedOutput()
				if err == nil && len(out) == 0 {
					err = errors.New("the kernel has no route to 10.99.0.0/16")
				}
				return err
			}
			lab.Eventually(t, patience, "the node learns a route", kernel)
			// The capability is in the OPEN of a session that began with it.
			p.Counter = p.Spine.CountUpdates(site.SpineAddress)
			resets := 0
			again := func(what string) {
				t.Helper()
				p.Spine.Eventually(patience, what+": the session is back, and its routes are no longer stale", func() error {
					n, err := p.Session(p.Spine)
					if err != nil || n.State != frr.Established || n.Resets <= resets {
						return fmt.Errorf("it is %s with %d resets, %w; FRR says:\n%s", n.State, n.Resets, err, p.process.Output())
					}
					if got := p.Paths(); len(got) != 1 || got[0].Stale {
						return fmt.Errorf("the paths are %+v", got)
					}
					return nil
				})
				resets = p.Resets(p.Spine)
				if got := p.Counter.Counts(); len(got.Withdrawn) > 0 {
					t.Errorf("%s: spine received %v", what, got)
				}
			}
			p.kill("bgpd")
			again("bgpd killed")
			p.proven("after the death of bgpd")
			lab.Eventually(t, patience, "the node has the route again", kernel)

			p.Agent.Stop()
			monitor := p.Node.Start(t, lab.Version{Root: "/"}, "ip", "-ts", "monitor", "route")
			p.end()
			// The session has ended before BFD has: the far side keeps the route.
			p.ToR.Eventually(patience, "BFD is down", func() error {
				if site.BFDUp(p.ToR) == nil {
					return errors.New("it is up")
				}
				return nil
			})
			if err := kernel(); err != nil {
				t.Errorf("without FRR: %v", err)
			}
			for name, router := range map[string]*lab.Router{"tor": p.ToR, "spine": p.Spine} {
				if got := router.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.0/16")]; len(got) != 1 || !got[0].Stale {
					t.Errorf("without FRR %s has %+v", name, got)
				}
			}
			p.begin()
			again("FRR replaced")
			lab.Eventually(t, patience, "the node has the route", kernel)
			// bgpd of 10.7 has zebra take out what it has not wanted again as soon as the neighbor has said all, which is at the same time.
			soon := !strings.HasPrefix(v.Name, "8.") && !strings.HasPrefix(v.Name, "10.3")
			if said := monitor.Output(); strings.Contains(said, "Deleted 10.99.0.0/16") && !soon {
				t.Errorf("the kernel has lost the route:\n%s\nFRR says:\n%s", said, p.process.Output())
			}
			profile := func() error {
				out, err := frr.Vtysh{Command: append(p.Node.Command(t.Context(), v, "vtysh").Args, "-N", p.Node.Name)}.Show(t.Context(), "show running-config bfdd")
				if err != nil || !strings.Contains(string(out), "receive-interval 250") {
					return fmt.Errorf("bfdd has %s, %w", out, err)
				}
				return nil
			}
			if err := profile(); err != nil {
				t.Error(err)
			}
			p.Start()
			p.proven("with an agent again")
			p.announce("10.16.7.7")
			p.end()
		})
	}
}
