package reduce

import (
	"errors"
	"fmt"
)

// labelExcluded is the label of nodes that are not to receive traffic from outside for services.
const labelExcluded = "node.kubernetes.io/exclude-from-external-load-balancers"

// Reasons why a service that asks for it is not announced.
var (
	errServiceLocal = remedied(errors.New("policy local is not possible for a ClusterIP service, which every node serves: write true"),
		"write true into the annotation")
	errClusterIPsOff  = remedied(errors.New("announce.clusterIPs is off"), "set announce.clusterIPs to true")
	errHeadless       = remedied(errors.New("the service is headless: it has no cluster IP"), "annotate its pods instead")
	errNoClusterIPYet = remedied(errors.New("the service has no cluster IP yet"), "wait until the API server has given it one")
	errExcluded       = remedied(errors.New("no service is announced from it, for its label "+labelExcluded+
		": take the label off, or set announce.servicesFromExcludedNodes"), "take the label off, or set announce.servicesFromExcludedNodes")
)

// services announces every cluster IP of the services of type ClusterIP that ask for it, from every speaker but those on
// excluded nodes. A node that is not known, self is nil, is not excluded.
func (p *pass) services(all []*Service, self *Node) {
	excluded := p.excluded(self)
	held := false
	for _, s := range all {
		policy := p.wish("Service", s.Meta)
		if policy != cluster && policy != local {
			continue
		}
		object := s.object("Service")
		switch {
		case policy == local:
			p.skip(object, errServiceLocal)
		case !p.config.Announce.ClusterIPs:
			p.skip(object, errClusterIPsOff)
		case s.Type != "" && s.Type != "ClusterIP":
			p.skip(object, remedied(fmt.Errorf("services of type %s are not announced", quote(s.Type)),
				"annotate one of type ClusterIP, or announce its addresses by other means"))
		case len(s.ClusterIPs) == 0:
			p.skip(object, errNoClusterIPYet)
		case s.ClusterIPs[0] == "None":
			p.skip(object, errHeadless)
		case excluded:
			held = true
		default:
			p.hosts(object, s.ClusterIPs...)
		}
	}
	// It is told once and of the node: the other nodes announce the services, so that of them it would not be true.
	if held {
		node := self.object("Node")
		p.skip(node, errExcluded)
		p.own, p.silent = append(p.own, node), append(p.silent, "Service")
	}
}

// excluded reports whether self must not attract the traffic of services.
func (p *pass) excluded(self *Node) bool {
	if self == nil || p.config.Announce.ServicesFromExcludedNodes {
		return false
	}
	_, ok := self.Labels[labelExcluded]
	return ok
}
