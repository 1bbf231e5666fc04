package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecretRefs(t *testing.T) {
	c, err := Parse("config.yaml", []byte(`
asn: 65000
neighborDefaults:
  asn: 65030
  passwordSecretRef: {name: fabric}
neighbors:
- address: 10.0.0.1
- address: 10.0.0.2
  passwordSecretRef: {name: fabric, key: tor2}
- address: 10.0.0.3
  passwordSecretRef: {}
- address: 10.0.0.4
  nodeSelector: {rack: rack1}
  passwordSecretRef: {name: edge, namespace: zebra}
- address: 10.0.0.5
- address: 10.0.0.6
  passwordSecretRef: {name: fabric, namespace: agent, key: password}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []SecretRef{
		{Name: "fabric", Key: "password"},
		{Name: "fabric", Key: "tor2"},
		{Namespace: "agent", Name: "fabric", Key: "password"},
		{Namespace: "zebra", Name: "edge", Key: "password"},
	}
	if diff := cmp.Diff(want, c.SecretRefs()); diff != "" {
		t.Errorf("as parsed (-want +got):\n%s", diff)
	}
	c.SetNamespace("agent")
	want = []SecretRef{
		{Namespace: "agent", Name: "fabric", Key: "password"},
		{Namespace: "agent", Name: "fabric", Key: "tor2"},
		{Namespace: "zebra", Name: "edge", Key: "password"},
	}
	if diff := cmp.Diff(want, c.SecretRefs()); diff != "" {
		t.Errorf("in namespace agent (-want +got):\n%s", diff)
	}
	if ref := c.Neighbors[2].PasswordSecretRef; ref != (SecretRef{}) {
		t.Errorf("the neighbor without a Secret has %+v", ref)
	}
	if refs := (Config{}).SecretRefs(); len(refs) > 0 {
		t.Errorf("the zero Config names %v", refs)
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("a", 253)
	tests := []struct {
		name                      string
		object, namespace, secret bool
	}{
		{name: "gw1", object: true, namespace: true, secret: true},
		{name: "gw-1.fabric", object: true, secret: true},
		{name: "1", object: true, namespace: true, secret: true},
		{name: "GW", secret: true},
		{name: "gw_1", secret: true},
		{name: "-gw", secret: true},
		{name: "gw-", secret: true},
		{name: "gw.-1", secret: true},
		{name: "."},
		{name: ".."},
		{name: "gw/1"},
		{name: "gw 1"},
		{name: "gé"},
		{name: long[:63], object: true, namespace: true, secret: true},
		{name: long[:64], object: true, secret: true},
		{name: long, object: true, secret: true},
		{name: long + "a"},
	}
	for _, tt := range tests {
		if got := isObjectName(tt.name); got != tt.object {
			t.Errorf("%q is the name of an object: %t", tt.name, got)
		}
		if got := isNamespace(tt.name); got != tt.namespace {
			t.Errorf("%q is the name of a namespace: %t", tt.name, got)
		}
		if got := isSecretKey(tt.name); got != tt.secret {
			t.Errorf("%q is a key of a Secret: %t", tt.name, got)
		}
	}
}
