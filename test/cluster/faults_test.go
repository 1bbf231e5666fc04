package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// The steps in which something breaks.

func (s *suite) killsAgent() {
	one, _ := s.nodes()
	before := s.r.pods()
	s.agentsAnew(func() {
		s.r.killAgent(one)
		s.begunAnew(one, before)
	}, one)
	s.r.rolledOut()
}

// begunAnew waits until the cluster knows that the agent of a node was started again.
func (s *suite) begunAnew(n *Node, before map[string]string) {
	s.t.Helper()
	lab.Eventually(s.t, patience, "the agent of "+n.Name+" has begun anew", func() error {
		if s.r.pods()[n.Name] == before[n.Name] {
			return errors.New("it was not started")
		}
		return nil
	})
}

// agentsAnew holds that the router loses no route while agents of nodes end and begin, and no session where FRR is apart.
func (s *suite) agentsAnew(do func(), nodes ...*Node) {
	s.t.Helper()
	before, since := s.tor.sessions(nodes...), s.two.mark()
	s.tor.keeps(func() {
		do()
		if !s.r.apart() {
			for _, n := range nodes {
				s.tor.up(n, before[n.Name]+1)
			}
		}
		s.everything(s.c.Nodes...)
	})
	if s.r.apart() {
		for _, n := range nodes {
			if gap, err := s.gap(since, n); err != nil || gap > 0 {
				s.t.Errorf("a router without graceful restart had no route to a pod of %s for %s, %v", n.Name, gap, err)
			}
		}
	}
	if after := s.tor.sessions(nodes...); s.r.apart() && fmt.Sprint(after) != fmt.Sprint(before) {
		s.t.Errorf("the sessions had come up %v times, and now have %v", before, after)
	}
}

// gap is for how long the router without graceful restart had no route to a pod of a node, since a mark. That it has none is an error.
func (s *suite) gap(since int, n *Node) (time.Duration, error) {
	return s.two.gap(since, s.addresses[n.Name+"-local"])
}

// misses tells for how long the router without graceful restart had no route to a pod of a node. The figure is for the documentation.
func (s *suite) misses(why string, since int, n *Node) {
	s.t.Helper()
	var gap time.Duration
	// Its kernel is told a moment after its bgpd.
	lab.Eventually(s.t, patience, "a router without graceful restart has noticed, and has the route again", func() (err error) {
		if gap, err = s.gap(since, n); err == nil && gap == 0 {
			err = errors.New("it has noticed nothing")
		}
		return err
	})
	s.t.Logf("%s: a router without graceful restart had no route to a pod of %s for %.1f s", why, n.Name, gap.Seconds())
}

// again is the number of the next session with a node.
func (s *suite) again(n *Node) int { return s.tor.sessions(n)[n.Name] + 1 }

func (s *suite) killsBGPD() {
	one, _ := s.nodes()
	since := s.two.mark()
	s.tor.keeps(func() {
		next := s.again(one)
		one.Kill("/usr/lib/frr/bgpd")
		s.tor.up(one, next)
		s.everything(s.c.Nodes...)
	})
	s.misses("bgpd was killed", since, one)
	s.r.rolledOut()
	s.r.proven(one)
}

func (s *suite) killsKubelet() {
	one, _ := s.nodes()
	before, sessions := s.r.pods(), s.tor.sessions(s.c.Nodes...)
	s.tor.keeps(func() {
		one.KillKubelet()
		s.everything(s.c.Nodes...)
	})
	// The agent needs no kubelet.
	s.r.kubectl("annotate", "subnet", "ovn-default", "ovn.kubernetes.io/bgp-")
	s.tor.has(subnetRoute)
	one.StartKubelet()
	one.Ready()
	s.r.kubectl("annotate", "subnet", "ovn-default", "ovn.kubernetes.io/bgp=true")
	s.everything(s.c.Nodes...)
	s.unchanged(before, sessions)
}

// killsAPIServer has agent and FRR begin anew while there is none: FRR starts from what lies on the node.
func (s *suite) killsAPIServer() {
	one, _ := s.nodes()
	next, before := s.again(one), s.r.pods()
	s.tor.keeps(func() {
		s.c.API.Kill(s.t)
		s.r.killAll(one)
		s.tor.up(one, next)
		s.everything(s.c.Nodes...)
		s.c.API.Restart(s.t)
		s.begunAnew(one, before)
		s.r.rolledOut()
	})
	s.r.kubectl("annotate", "pod", "node1-more", "ovn.kubernetes.io/bgp-")
	s.tor.has(s.route("node1-more"))
	s.everything(s.c.Nodes...)
}

// reboots turns a node off and on: what other nodes announce stays, and the node comes back with all of its own.
func (s *suite) reboots() {
	one, two := s.nodes()
	next := s.again(one)
	// Its pods begin anew too, with other addresses.
	moved := []string{s.addresses["node1-sample"], s.addresses["node1-local"]}
	s.tor.keeps(func() {
		one.PowerOff()
		one.Start()
		s.tor.up(one, next)
		one.Ready()
		s.r.rolledOut()
		for _, name := range []string{"sample", "local"} {
			s.moved(one, name)
		}
		s.everything(one, two)
	}, moved...)
}

// moved waits until a pod has another address than before.
func (s *suite) moved(n *Node, name string) {
	s.t.Helper()
	name = n.Name + "-" + name
	before := s.addresses[name]
	lab.Eventually(s.t, patience, "pod "+name+" has another address", func() error {
		address, err := s.c.Kubectl("get", "pod", name, "--output", "jsonpath={.status.podIP}")
		if err == nil && (address == "" || address == before) {
			err = fmt.Errorf("it has %q", address)
		}
		s.addresses[name] = address
		return err
	})
}
