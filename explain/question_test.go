package explain

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/route"
)

func TestParse(t *testing.T) {
	pod := route.Object{Kind: "Pod", Namespace: "default", Name: "sample"}
	for text, want := range map[string]Question{
		"Pod default/sample":    {Object: pod},
		"pod/default/sample":    {Object: pod},
		"pods/sample":           {Object: pod},
		"svc/kube-system/dns":   {Object: route.Object{Kind: "Service", Namespace: "kube-system", Name: "dns"}},
		"subnet/ovn-default":    {Object: route.Object{Kind: "Subnet", Name: "ovn-default"}},
		"eip/x":                 {Object: route.Object{Kind: "IptablesEIP", Name: "x"}},
		"IptablesEIP x":         {Object: route.Object{Kind: "IptablesEIP", Name: "x"}},
		"Config neighbors[0]":   {Object: route.Object{Kind: "Config", Name: "neighbors[0]"}},
		"node/node1":            {Object: route.Object{Kind: "Node", Name: "node1"}},
		"10.16.0.5/32":          {Prefix: netip.MustParsePrefix("10.16.0.5/32")},
		"10.16.0.5/24":          {Prefix: netip.MustParsePrefix("10.16.0.0/24")},
		"10.16.0.5":             {Prefix: netip.MustParsePrefix("10.16.0.5/32"), Bare: true},
		"::ffff:10.16.0.5":      {Prefix: netip.MustParsePrefix("10.16.0.5/32"), Bare: true},
		"fd00::5":               {Prefix: netip.MustParsePrefix("fd00::5/128"), Bare: true},
		"":                      {},
		"sample":                {},
		"deployment/web":        {},
		"pod/":                  {},
		"pod//sample":           {},
		"pod/a/b/c":             {},
		"subnet/a/b":            {},
		"pod default sample":    {},
		"10.16.0.5/33":          {},
		"fe80::1%eth0":          {},
		"pod/default/\x1b[31mx": {},
		"pod/default\n/x":       {},
		"node/\x9bx":            {},
	} {
		got, err := Parse(strings.Split(text, " ")...)
		if (err != nil) != (want == Question{}) || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	if got := (Question{Object: route.Object{Kind: "Pod", Namespace: "default", Name: "\x1b[31mx"}}).String(); strings.Contains(got, "\x1b") {
		t.Errorf("%q would reach a terminal", got)
	}
}
