package reduce

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

func TestPassword(t *testing.T) {
	bgp := &Secret{Meta: Meta{Namespace: "fabric", Name: "bgp"}, Data: map[string]route.Secret{
		"password": "swordfish", "crlf": "swordfish\r\n", "empty": "", "break": "\n", "tab": "sword\tfish",
		"long": route.Secret(strings.Repeat("swordfish", 9)), "binary": "\xffswordfish",
	}}
	others := []*Secret{
		{Meta: Meta{Namespace: "default", Name: "bgp"}, Data: map[string]route.Secret{"password": "swordtail"}},
		{Meta: Meta{Namespace: "fabric", Name: "bgp2"}, Data: map[string]route.Secret{"password": "swordtail"}},
	}
	key := func(name string) config.SecretRef {
		return config.SecretRef{Namespace: "fabric", Name: "bgp", Key: name}
	}
	missing := config.SecretRef{Namespace: "fabric", Name: "missing", Key: "password"}
	elsewhere := config.SecretRef{Namespace: "kube-system", Name: "bgp", Key: "password"}
	tests := []struct {
		name      string
		ref       config.SecretRef
		known     route.Secret
		want, err string
	}{
		{name: "none"},
		{name: "good", ref: key("password"), want: "swordfish"},
		{name: "line break", ref: key("crlf"), want: "swordfish"},
		{name: "of a file", known: "swordtail", want: "swordtail"},
		{name: "known", ref: missing, known: "unread", want: "unread"},
		{name: "no such key", ref: key("tor1"), err: "Secret fabric/bgp has no key tor1: write"},
		{name: "no such Secret", ref: missing, err: "Secret fabric/missing is not known: create it"},
		{name: "another namespace", ref: elsewhere, err: "Secret kube-system/bgp is not known"},
		{name: "empty", ref: key("empty"), err: "its key empty is empty: write the password"},
		{name: "line break alone", ref: key("break"), err: "its key break is empty"},
		{name: "tab", ref: key("tab"), err: "its key tab has a character"},
		{name: "long", ref: key("long"), err: "its key long is longer than the 80 characters"},
		{name: "binary", ref: key("binary"), err: "its key binary has a character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := speaks(config.Announce{})
			c.Neighbors[0].PasswordSecretRef, c.Neighbors[0].Password = tt.ref, tt.known
			s := Snapshot{Nodes: []*Node{node("a", "10.0.1.2")}, Secrets: append(others[:len(others):len(others)], bgp)}
			result, err := Reduce(s, c, "a")
			if tt.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				if got := result.Speaker.Routers[0].Neighbors[0].Password.Reveal(); got != tt.want {
					t.Errorf("the password is %q, want %q", got, tt.want)
				}
				return
			}
			var bad *SecretError
			if !errors.As(err, &bad) || bad.Ref != tt.ref || bad.Neighbor != "tor" {
				t.Fatalf("error %v, want a SecretError of %+v", err, tt.ref)
			}
			if !strings.Contains(err.Error(), "read the password of neighbor tor: ") || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %q, want %q in it", err, tt.err)
			}
			if strings.Contains(fmt.Sprintf("%v %+v %#v", err, bad, bad.Err), "fish") {
				t.Errorf("the error holds a part of the password: %v", err)
			}
		})
	}
}

// A Secret that is missing keeps back the nodes that hold its session, and no other.
func TestPasswordOfChosenNodes(t *testing.T) {
	c := speaks(config.Announce{})
	c.Neighbors[0].NodeSelector.MatchLabels = map[string]string{"rack": "r-a"}
	c.Neighbors[0].PasswordSecretRef = config.SecretRef{Namespace: "fabric", Name: "bgp", Key: "password"}
	s := Snapshot{Nodes: []*Node{node("a", "10.0.1.2"), node("b", "10.0.1.3")}}
	if _, err := Reduce(s, c, "a"); err == nil {
		t.Error("node a announces without the password")
	}
	if _, err := Reduce(s, c, "b"); err != nil {
		t.Error(err)
	}
}
