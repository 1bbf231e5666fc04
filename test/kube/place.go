package kube

import (
	"net/netip"
	"strconv"

	"github.com/fairlead/fairlead/test/lab"
)

// apiPort is that of a server with a Place: the one of the service "kubernetes", so that its address needs no proxy.
const apiPort = 443

// Place puts a server into a network namespace, where nodes reach it.
type Place struct {
	Namespace *lab.Namespace
	// Address is the one that nodes know, and Services the range of the cluster's services, of which the first is the server's
	// own. Both are addresses of an interface of Namespace.
	Address  netip.Addr
	Services netip.Prefix
}

// StartIn is Start for a server of a whole cluster: it stands in a network of nodes, and takes kubelets and controllers as
// Kubernetes' own installer has it. In this namespace it is reached like any other.
func StartIn(t lab.T, place Place) *Cluster {
	t.Helper()
	return startFor(t, &place)
}

// Service is the address that pods know the server by.
func (p *Place) Service() netip.Addr { return p.Services.Masked().Addr().Next() }

func (p *Place) endpoint() netip.AddrPort { return netip.AddrPortFrom(p.Address, apiPort) }

// addresses are those that the server is reached by; none without a place.
func (p *Place) addresses() []netip.Addr {
	if p == nil {
		return nil
	}
	return []netip.Addr{p.Address, p.Service()}
}

// prefix begins the server's command.
func (p *Place) prefix() []string {
	if p == nil {
		return nil
	}
	return []string{"ip", "netns", "exec", p.Namespace.Name}
}

func (c *Cluster) placeFlags() []string {
	return []string{
		"--bind-address=0.0.0.0",
		"--secure-port=" + strconv.Itoa(apiPort),
		"--advertise-address=" + c.place.Address.String(),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--service-cluster-ip-range=" + c.place.Services.String(),
		// For kubectl logs and exec: a node's name means nothing here.
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-client-certificate=" + c.File(kubeletCertificate),
		"--kubelet-client-key=" + c.File(kubeletKey),
	}
}
