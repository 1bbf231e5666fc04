package reduce

import (
	"errors"
	"fmt"
)

// Reasons why a service that asks for it is not announced.
var (
	errServiceLocal   = errors.New("policy local is not possible for a ClusterIP service, which every node serves: write true")
	errClusterIPsOff  = errors.New("announce.clusterIPs is off")
	errHeadless       = errors.New("the service is headless: it has no cluster IP")
	errNoClusterIPYet = errors.New("the service has no cluster IP yet")
)

// services announces every cluster IP of the services of type ClusterIP that ask for it, from every speaker.
func (p *pass) services(all []*Service) {
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
			p.skip(object, fmt.Errorf("services of type %s are not announced", quote(s.Type)))
		case len(s.ClusterIPs) == 0:
			p.skip(object, errNoClusterIPYet)
		case s.ClusterIPs[0] == "None":
			p.skip(object, errHeadless)
		default:
			for _, text := range s.ClusterIPs {
				prefix, err := hostPrefix(text)
				if err != nil {
					p.skip(object, err)
					continue
				}
				p.announce(prefix, object)
			}
		}
	}
}
