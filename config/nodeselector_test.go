package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNodeSelectorMatches(t *testing.T) {
	tests := []struct {
		name, yaml string
		labels     map[string]string
		want       bool
	}{
		{name: "empty mapping", yaml: "{}", want: true},
		{name: "empty mapping, labels", yaml: "{}", labels: map[string]string{"rack": "rack1"}, want: true},
		{name: "null", yaml: "~", want: true},
		{name: "empty matchLabels", yaml: "{matchLabels: {}, matchExpressions: []}", want: true},
		{name: "label there", yaml: "{rack: rack1}", labels: map[string]string{"rack": "rack1", "zone": "a"}, want: true},
		{name: "label of another value", yaml: "{rack: rack1}", labels: map[string]string{"rack": "rack2"}},
		{name: "label not there", yaml: "{rack: rack1}"},
		{name: "two labels, one there", yaml: "{rack: rack1, zone: a}", labels: map[string]string{"rack": "rack1"}},
		{name: "empty label there", yaml: `{role: ""}`, labels: map[string]string{"role": ""}, want: true},
		{name: "empty label not there", yaml: `{role: ""}`},
		{name: "quoted number", yaml: `{rack: "1"}`, labels: map[string]string{"rack": "1"}, want: true},
		{name: "matchLabels", yaml: "{matchLabels: {rack: rack1}}", labels: map[string]string{"rack": "rack1"}, want: true},
		{name: "matchLabels, not there", yaml: "{matchLabels: {rack: rack1}}", labels: map[string]string{"zone": "a"}},
		{name: "In", yaml: "{matchExpressions: [{key: rack, operator: In, values: [a, b]}]}", labels: map[string]string{"rack": "b"}, want: true},
		{name: "In, another value", yaml: "{matchExpressions: [{key: rack, operator: In, values: [a, b]}]}", labels: map[string]string{"rack": "c"}},
		{name: "In, not there", yaml: "{matchExpressions: [{key: rack, operator: In, values: [a, b]}]}"},
		{name: "In, empty value, not there", yaml: `{matchExpressions: [{key: rack, operator: In, values: [""]}]}`},
		{name: "NotIn", yaml: "{matchExpressions: [{key: rack, operator: NotIn, values: [a, b]}]}", labels: map[string]string{"rack": "b"}},
		{name: "NotIn, another value", yaml: "{matchExpressions: [{key: rack, operator: NotIn, values: [a]}]}", labels: map[string]string{"rack": "b"}, want: true},
		{name: "NotIn, not there", yaml: "{matchExpressions: [{key: rack, operator: NotIn, values: [a]}]}", want: true},
		{name: "Exists", yaml: "{matchExpressions: [{key: rack, operator: Exists}]}", labels: map[string]string{"rack": ""}, want: true},
		{name: "Exists, not there", yaml: "{matchExpressions: [{key: rack, operator: Exists, values: []}]}"},
		{name: "DoesNotExist", yaml: "{matchExpressions: [{key: rack, operator: DoesNotExist}]}", want: true},
		{name: "DoesNotExist, there", yaml: "{matchExpressions: [{key: rack, operator: DoesNotExist}]}", labels: map[string]string{"rack": ""}},
		{name: "both forms, one fails", yaml: "{matchLabels: {rack: a}, matchExpressions: [{key: zone, operator: Exists}]}", labels: map[string]string{"rack": "a"}},
		{name: "both forms", yaml: "{matchLabels: {rack: a}, matchExpressions: [{key: zone, operator: Exists}]}", labels: map[string]string{"rack": "a", "zone": "b"}, want: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse("config.yaml", []byte("asn: 65000\nneighbors:\n- {address: 10.0.0.1, asn: 65030, nodeSelector: "+test.yaml+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Neighbors[0].NodeSelector.Matches(test.labels); got != test.want {
				t.Errorf("Matches(%v) = %t, want %t", test.labels, got, test.want)
			}
		})
	}
}

func TestNodeSelectorZero(t *testing.T) {
	var zero NodeSelector
	if !zero.Matches(nil) || !zero.Matches(map[string]string{"rack": "rack1"}) {
		t.Error("the zero value does not match every node")
	}
	unknown := NodeSelector{MatchExpressions: []Requirement{{Key: "rack", Operator: "Equals"}}}
	if unknown.Matches(map[string]string{"rack": "Equals"}) {
		t.Error("an unknown operator matches a node")
	}
}

func TestLabels(t *testing.T) {
	tests := []struct {
		name       string
		text       string
		key, value bool
	}{
		{name: "empty", text: "", value: true},
		{name: "word", text: "rack", key: true, value: true},
		{name: "one letter", text: "a", key: true, value: true},
		{name: "dots and dashes", text: "a.b-c_d", key: true, value: true},
		{name: "63 letters", text: strings.Repeat("a", 63), key: true, value: true},
		{name: "64 letters", text: strings.Repeat("a", 64)},
		{name: "dash first", text: "-a"},
		{name: "dot last", text: "a."},
		{name: "space", text: "a b"},
		{name: "not ASCII", text: "räck"},
		{name: "prefixed", text: "kubernetes.io/hostname", key: true},
		{name: "long prefix", text: strings.Repeat("a", 254) + "/b"},
		{name: "no prefix", text: "/b"},
		{name: "no name", text: "a/"},
		{name: "two slashes", text: "a/b/c"},
		{name: "underscore in prefix", text: "a_b/c"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := [2]bool{isLabelKey(test.text), isLabelValue(test.text)}
			if diff := cmp.Diff([2]bool{test.key, test.value}, got); diff != "" {
				t.Errorf("key and value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNearest(t *testing.T) {
	known := []string{"name", "address", "port", "asn", "passwordFile", "ebgpMultihop", "holdTime", "keepaliveTime"}
	tests := []struct{ key, want string }{
		{"adress", "address"},
		{"prot", "port"},
		{"hold-time", "holdTime"},
		{"HOLDTIME", "holdTime"},
		{"keepalive", "keepaliveTime"},
		{"multihop", "ebgpMultihop"},
		{"password", "passwordFile"},
		{"as", "asn"},
		{"vrf", ""},
		{"mode", ""},
		{"", ""},
		{strings.Repeat("address", 100), ""},
	}
	for _, test := range tests {
		if got := nearest(test.key, known); got != test.want {
			t.Errorf("nearest(%q) = %q, want %q", test.key, got, test.want)
		}
	}
}
