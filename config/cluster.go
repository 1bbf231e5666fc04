package config

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Kubernetes says how the cluster is reached, and how much of it is watched.
type Kubernetes struct {
	// Kubeconfig is the path of a kubeconfig file. A relative path starts at the folder of the configuration file.
	// Default: none; the agent runs in a pod of the cluster, and uses its service account.
	Kubeconfig string `yaml:"kubeconfig" value:"path" example:"/etc/fairlead/kubeconfig" frr:"-"`
	// Scope is cluster, or node to watch the pods of this node alone: for large clusters that announce pods only with the
	// policy local. A pod that asks for another is not announced then. Default: cluster.
	Scope Scope `yaml:"scope" enum:"cluster,node" example:"node" frr:"-"`
}

// Scope says which pods are watched.
type Scope string

// The two scopes.
const (
	ScopeCluster Scope = "cluster"
	ScopeNode    Scope = "node"
)

// SecretRef names a key of a Secret. The zero value names none.
type SecretRef struct {
	// Name is the name of the Secret. Required.
	Name string `yaml:"name" value:"name of a Secret" example:"bgp" frr:"-"`
	// Namespace is that of the Secret. Default: the agent's own.
	Namespace string `yaml:"namespace" value:"name of a namespace" example:"fabric" frr:"-"`
	// Key is the key of the Secret whose value is the password. Default: password.
	Key string `yaml:"key" value:"key of a Secret" example:"tor1" frr:"-"`
}

// decodeSecretRef reads a mapping. What stands in its place is not printed: it may be a password.
func (d *decoder) decodeSecretRef(path string, n *yaml.Node, r *SecretRef) {
	if n.Kind != yaml.MappingNode {
		d.fail(path, n.Line, "is no mapping: write one with the name of a Secret, such as {name: bgp}")
		return
	}
	d.decodeStruct(path, n, reflect.ValueOf(r).Elem())
}

// SetNamespace has each PasswordSecretRef without a namespace mean the Secret in this one, the agent's own.
func (c *Config) SetNamespace(namespace string) {
	for i := range c.Neighbors {
		if ref := &c.Neighbors[i].PasswordSecretRef; ref.Name != "" {
			setDefault(&ref.Namespace, namespace)
		}
	}
}

// SecretRefs gives what the neighbors' PasswordSecretRefs name, sorted by namespace, name and key, each once. They are those of
// all neighbors, also of the ones that a nodeSelector keeps on other nodes.
func (c Config) SecretRefs() []SecretRef {
	var refs []SecretRef
	for _, n := range c.Neighbors {
		if n.PasswordSecretRef.Name != "" {
			refs = append(refs, n.PasswordSecretRef)
		}
	}
	slices.SortFunc(refs, func(a, b SecretRef) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Key, b.Key))
	})
	return slices.Compact(refs)
}

// validateCluster checks what is said of the cluster and its objects.
func (d *decoder) validateCluster(c *Config) {
	const scope, pods = "kubernetes.scope", "announce.podsInAnnouncedSubnets"
	d.validateObjectName("natGateway", c.NATGateway)
	if c.Kubernetes.Scope == ScopeNode && c.Announce.PodsInAnnouncedSubnets && d.good(scope) && d.good(pods) {
		d.reject(pods, "is not possible with kubernetes.scope: node on line %d, which sees the pods of one node alone: take one of the two out",
			d.line(scope))
	}
}

// validateSecretRef checks what names a Secret; an empty mapping names none.
func (d *decoder) validateSecretRef(at string, r SecretRef) {
	if !d.given[at] || d.failed[at] || r == (SecretRef{}) {
		return
	}
	d.require(at+".name", "the name of the Secret")
	d.validateObjectName(at+".name", r.Name)
	if here := at + ".namespace"; d.good(here) && r.Namespace != "" && !isNamespace(r.Namespace) {
		d.reject(here, "%s cannot be the name of a namespace: write at most 63 small letters, digits and -, at the ends no -", quote(r.Namespace))
	}
	if here := at + ".key"; d.good(here) && r.Key != "" && !isSecretKey(r.Key) {
		d.reject(here, "%s cannot be a key of a Secret: write at most 253 letters, digits, -, _ and .", quote(r.Key))
	}
}

// validatePasswordSource checks that a neighbor, with what it has from neighborDefaults, has one password.
func (d *decoder) validatePasswordSource(at string, n *Neighbor) {
	file, secret := at+".passwordFile", at+".passwordSecretRef"
	if n.PasswordFile == "" || n.PasswordSecretRef == (SecretRef{}) || !d.good(file) || !d.good(secret) {
		return
	}
	if _, ok := d.inherited[file]; ok {
		d.reject(file, `cannot stand beside passwordSecretRef: take one of the two out, or write "" for this one`)
		return
	}
	d.reject(secret, "cannot stand beside passwordFile: take one of the two out, or write {} for this one")
}

// validateObjectName checks that the API server lets an object have that name; no other could ever be found.
func (d *decoder) validateObjectName(at, name string) {
	if d.good(at) && name != "" && !isObjectName(name) {
		d.reject(at, "%s cannot be the name of an object: write at most 253 small letters, digits, - and ., at the ends of a part no -", quote(name))
	}
}

// isObjectName reports whether name is a DNS subdomain (RFC 1123).
func isObjectName(name string) bool {
	return len(name) <= longestName && !slices.ContainsFunc(strings.Split(name, "."), func(part string) bool { return !isDNSLabel(part) })
}

// isNamespace reports whether name is a DNS label (RFC 1123).
func isNamespace(name string) bool {
	const longest = 63
	return len(name) <= longest && isDNSLabel(name)
}

// longestName is how long the API server lets a name be, or a key of a Secret.
const longestName = 253

func isDNSLabel(s string) bool {
	odd := func(r rune) bool { return r != '-' && (!isAlphanumeric(r) || 'A' <= r && r <= 'Z') }
	return s != "" && s[0] != '-' && s[len(s)-1] != '-' && !strings.ContainsFunc(s, odd)
}

func isSecretKey(s string) bool {
	odd := func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("-_.", r) }
	return len(s) <= longestName && s != "." && s != ".." && !strings.ContainsFunc(s, odd)
}
