package reduce

import (
	"net/netip"

	"github.com/fairlead/fairlead/route"
)

// Snapshot is what a source knows of the cluster at one moment. It and all it holds are never changed once handed out.
// Its objects keep only what reduce reads; texts that a cluster's users wrote are kept as they wrote them.
type Snapshot struct {
	Pods     []*Pod
	Services []*Service
	Nodes    []*Node
	Subnets  []*Subnet
	EIPs     []*EIP
	Gateways []*Gateway
	Secrets  []*Secret
}

// Meta is what all kinds have in common.
type Meta struct {
	Namespace, Name string
	// Annotations are those of the object whose keys KeepAnnotation accepts; nil where there are none.
	Annotations map[string]string
}

// Pod is a core/v1 Pod.
type Pod struct {
	Meta
	// Node is spec.nodeName; "" while the pod is not scheduled.
	Node string
	// HostNetwork is spec.hostNetwork.
	HostNetwork bool
	// Phase is status.phase; "" means not told yet.
	Phase string
	// IPs is status.podIPs, or status.podIP alone where the list is empty.
	IPs []string
}

// Service is a core/v1 Service.
type Service struct {
	Meta
	// Type is spec.type; "" means ClusterIP.
	Type string
	// ClusterIPs is spec.clusterIPs, or spec.clusterIP alone where the list is empty. A headless service has "None".
	ClusterIPs []string
}

// Node is a core/v1 Node.
type Node struct {
	Meta
	Labels map[string]string
	// Addresses are those of status.addresses whose type is InternalIP, in their order.
	Addresses []netip.Addr
}

// Subnet is a kubeovn.io/v1 Subnet.
type Subnet struct {
	Meta
	// CIDRBlock is spec.cidrBlock: "v4", "v6" or "v4,v6".
	CIDRBlock string
	// NATOutgoing is spec.natOutgoing.
	NATOutgoing bool
	// Ready is whether status.conditions has Ready with status "True".
	Ready bool
}

// EIP is a kubeovn.io/v1 IptablesEIP: an address that a VPC NAT gateway holds outside.
type EIP struct {
	Meta
	// Gateway is the label LabelGateway, or spec.natGwDp where the label is missing.
	Gateway string
	// V4 and V6 are spec.v4ip and spec.v6ip; "" means none.
	V4, V6 string
	// Ready is status.ready.
	Ready bool
}

// Gateway is a kubeovn.io/v1 VpcNatGateway.
type Gateway struct {
	Meta
	// Nodes is status.workload.nodes, where its instances run; empty means not told.
	Nodes []string
}

// Secret is a core/v1 Secret that holds neighbors' passwords.
type Secret struct {
	Meta
	// Data are the values of its keys, decoded.
	Data map[string]route.Secret
}

// object names an object of the given kind.
func (m Meta) object(kind string) route.Object {
	return route.Object{Kind: kind, Namespace: m.Namespace, Name: m.Name}
}
