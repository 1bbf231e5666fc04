package watch

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"unique"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// known is the kind under which objects of a type are kept; "" means that they are passed over.
func (t typeMeta) known() string {
	switch t.kind {
	case "Pod", "Service", "Node", "Secret":
		if t.apiVersion == "v1" {
			return t.kind
		}
	case "Subnet", "IptablesEIP", "VpcNatGateway":
		if strings.HasPrefix(t.apiVersion, "kubeovn.io/") {
			return t.kind
		}
	}
	return ""
}

// item is what an entry of a list of this type has where it names no type of its own, and whether this is such a list.
func (t typeMeta) item() (base typeMeta, isList bool) {
	if t == (typeMeta{"v1", "List"}) {
		return typeMeta{}, true
	}
	kind, found := strings.CutSuffix(t.kind, "List")
	base = typeMeta{t.apiVersion, kind}
	return base, found && base.known() != ""
}

// decode adds to out what n holds: an object, or those of a list. base is what an item of a list has where it names no
// type of its own.
func decode(out *parsed, n *yaml.Node, base typeMeta, inList bool) {
	r := &reader{out: out}
	if n.Kind != yaml.MappingNode {
		r.fail(n.Line, "is "+describe(n)+" where an object is wanted")
		r.finish(n.Line, nil)
		return
	}
	root := section{node: n}
	t := r.typeMeta(root)
	if t.kind == "" {
		t.kind = base.kind
	}
	if t.apiVersion == "" {
		t.apiVersion = base.apiVersion
	}
	itemBase, isList := t.item()
	switch {
	case len(r.issues) > 0:
		r.finish(n.Line, nil)
	case t.kind == "" || t.apiVersion == "":
		r.fail(n.Line, "is no object: it needs apiVersion and kind")
		r.finish(n.Line, nil)
	case isList && inList:
		r.fail(n.Line, "a list within a list is not unfolded: write its items out")
		r.finish(n.Line, nil)
	case isList:
		for _, item := range r.list(root, "items") {
			decode(out, item, itemBase, true)
		}
		if len(r.issues) > 0 {
			r.finish(n.Line, nil)
		}
	case t.known() != "":
		r.key.Kind = t.known()
		r.finish(n.Line, r.value(root))
	}
}

// reader reads the fields of one object and gathers what is wrong with them.
type reader struct {
	out    *parsed
	key    route.Object
	issues []issue
}

// section is a mapping within an object, and where: "" for the object itself, else "spec" or "status.addresses[0]".
// A nil node is a mapping with nothing in it.
type section struct {
	node *yaml.Node
	path string
}

// at names a field for a message.
func (s section) at(key string) string {
	if s.path == "" {
		return key
	}
	return s.path + "." + key
}

// fail notes why the object cannot be used.
func (r *reader) fail(line int, what string) {
	r.issues = append(r.issues, issue{line: line, what: what, bad: true})
}

// finish adds the object, or its place where it cannot be used, and all that was noted.
func (r *reader) finish(line int, value any) {
	o := object{key: r.key, line: line, value: value}
	if slices.ContainsFunc(r.issues, func(i issue) bool { return i.bad }) {
		o.value = nil
	}
	r.out.objects = append(r.out.objects, o)
	for _, i := range r.issues {
		i.key = r.key
		if r.key != (route.Object{}) {
			i.what = r.key.String() + ": " + i.what
		}
		r.out.issues = append(r.out.issues, i)
	}
}

func (r *reader) typeMeta(root section) typeMeta {
	return typeMeta{apiVersion: r.text(root, "apiVersion"), kind: r.text(root, "kind")}
}

// value reads the object as what its key's kind says.
func (r *reader) value(root section) any {
	meta := r.meta(root)
	spec, status := r.section(root, "spec"), r.section(root, "status")
	switch r.key.Kind {
	case "Pod":
		pod := &reduce.Pod{Meta: meta, Node: pooled(r.text(spec, "nodeName")), HostNetwork: r.bool(spec, "hostNetwork"),
			Phase: pooled(r.text(status, "phase"))}
		for _, ip := range r.sections(status, "podIPs") {
			pod.IPs = append(pod.IPs, r.text(ip, "ip"))
		}
		if ip := r.text(status, "podIP"); ip != "" && len(pod.IPs) == 0 {
			pod.IPs = []string{ip}
		}
		return pod
	case "Service":
		service := &reduce.Service{Meta: meta, Type: pooled(r.text(spec, "type"))}
		for i, ip := range r.list(spec, "clusterIPs") {
			service.ClusterIPs = append(service.ClusterIPs, r.scalar(ip, fmt.Sprintf("spec.clusterIPs[%d]", i)))
		}
		if ip := r.text(spec, "clusterIP"); ip != "" && len(service.ClusterIPs) == 0 {
			service.ClusterIPs = []string{ip}
		}
		return service
	case "Node":
		return &reduce.Node{Meta: meta, Labels: r.texts(r.section(root, "metadata"), "labels", nil), Addresses: r.internalIPs(status)}
	case "Subnet":
		subnet := &reduce.Subnet{Meta: meta, CIDRBlock: r.text(spec, "cidrBlock"), NATOutgoing: r.bool(spec, "natOutgoing")}
		for _, c := range r.sections(status, "conditions") {
			if r.text(c, "type") == "Ready" {
				subnet.Ready = r.text(c, "status") == "True"
			}
		}
		return subnet
	case "IptablesEIP":
		eip := &reduce.EIP{Meta: meta, V4: r.text(spec, "v4ip"), V6: r.text(spec, "v6ip"), Ready: r.bool(status, "ready"),
			Gateway: pooled(r.text(r.section(r.section(root, "metadata"), "labels"), reduce.LabelGateway))}
		if eip.Gateway == "" {
			eip.Gateway = pooled(r.text(spec, "natGwDp"))
		}
		return eip
	case "VpcNatGateway":
		gateway := &reduce.Gateway{Meta: meta}
		for i, node := range r.list(r.section(status, "workload"), "nodes") {
			gateway.Nodes = append(gateway.Nodes, pooled(r.scalar(node, fmt.Sprintf("status.workload.nodes[%d]", i))))
		}
		return gateway
	case "Secret":
		return &reduce.Secret{Meta: meta, Data: r.secretData(root)}
	default:
		return nil
	}
}

// meta reads what all kinds have in common, and completes the key.
func (r *reader) meta(root section) reduce.Meta {
	metadata := r.section(root, "metadata")
	noted := len(r.issues)
	name := r.text(metadata, "name")
	var namespace string
	if r.key.Kind == "Pod" || r.key.Kind == "Service" || r.key.Kind == "Secret" {
		if namespace = pooled(r.text(metadata, "namespace")); namespace == "" {
			namespace = "default"
		}
	}
	if len(r.issues) == noted {
		if name == "" {
			r.fail(root.node.Line, "a "+r.key.Kind+" needs metadata.name")
		} else {
			r.key.Namespace, r.key.Name = namespace, name
		}
	}
	if r.key.Name == "" {
		r.key = route.Object{} // whose problem it is cannot be said
	}
	return reduce.Meta{Namespace: namespace, Name: name,
		Annotations: r.texts(metadata, "annotations", reduce.KeepAnnotation)}
}

// secretData reads the values of a Secret's keys; one of stringData wins. What is wrong is told without what stands there.
func (r *reader) secretData(root section) map[string]route.Secret {
	data := map[string]route.Secret{}
	for _, field := range []string{"data", "stringData"} {
		n := r.get(root, field)
		if n == nil {
			continue
		}
		if n.Kind != yaml.MappingNode {
			r.fail(n.Line, field+" is no mapping of keys to values")
			continue
		}
		texts := r.texts(root, field, nil)
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			value := []byte(texts[key])
			if field == "data" {
				var err error
				if value, err = base64.StdEncoding.DecodeString(texts[key]); err != nil {
					r.fail(n.Line, field+"."+key+" is not base64: write it so, or as it is under stringData")
				}
			}
			data[key] = route.Secret(value)
		}
	}
	return data
}

// internalIPs reads a node's own addresses. One that does not parse is left out, and noted.
func (r *reader) internalIPs(status section) []netip.Addr {
	var addresses []netip.Addr
	for _, a := range r.sections(status, "addresses") {
		if r.text(a, "type") != "InternalIP" {
			continue
		}
		text := r.text(a, "address")
		address, err := netip.ParseAddr(text)
		if err != nil {
			r.issues = append(r.issues, issue{line: a.node.Line, what: fmt.Sprintf("InternalIP %q is not an IP address; it is left out", text)})
			continue
		}
		addresses = append(addresses, address)
	}
	return addresses
}

// pooled shares one copy of a text that many objects have.
func pooled(s string) string { return unique.Make(s).Value() }
