package config

import (
	"reflect"

	"go.yaml.in/yaml/v3"
)

// decodeBFD reads true or false, or a mapping, which means true and more.
func (d *decoder) decodeBFD(path string, n *yaml.Node, b *BFD) {
	if n.Kind == yaml.MappingNode {
		b.On = true
		d.decodeStruct(path, n, reflect.ValueOf(b).Elem())
		return
	}
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" || n.Value != "true" && n.Value != "false" {
		d.fail(path, n.Line, "is %s: write true or false%s, or a mapping with keys such as receiveInterval", describe(n), unquoted(n))
		return
	}
	b.On = n.Value == "true"
}

// decodeNextHop reads one of two words, or a mapping with addresses.
func (d *decoder) decodeNextHop(path string, n *yaml.Node, h *NextHop) {
	switch {
	case n.Kind == yaml.MappingNode:
		d.decodeStruct(path, n, reflect.ValueOf(h).Elem())
	case n.Kind == yaml.ScalarNode && (n.Value == NextHopSelf || n.Value == NextHopUnchanged):
		h.Mode = n.Value
	default:
		d.fail(path, n.Line, "is %s: write self, unchanged, or a mapping with an address for ipv4 or ipv6", describe(n))
	}
}

// decodeReceive reads one word, or a mapping that says more.
func (d *decoder) decodeReceive(path string, n *yaml.Node, r *Receive) {
	switch {
	case n.Kind == yaml.MappingNode:
		d.decodeStruct(path, n, reflect.ValueOf(r).Elem())
	case n.Kind == yaml.ScalarNode && n.Value == AcceptList:
		d.fail(path, n.Line, "is the text %q, and a list has to be given: write a mapping with prefixes", n.Value)
	case n.Kind == yaml.ScalarNode && (n.Value == AcceptNone || n.Value == AcceptDefault || n.Value == AcceptAll):
		r.Accept = n.Value
	default:
		d.fail(path, n.Line, "is %s: write none, default, all, or a mapping with keys such as prefixes", describe(n))
	}
}
