package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFoundation(t *testing.T) {
	plain := Config{}
	plain.setDefaults()
	plain.Verify = Verify{Deadline: 2 * time.Second, Tap: true, Claims: Claims{Interval: 10 * time.Second}, BMP: BMP{Listen: "127.0.0.1:11019"}}
	embedded := Config{Verify: plain.Verify, FRR: FRR{Mode: Embedded, Pathspace: "blue"}}
	embedded.Verify.BMP.Feed = true
	embedded.setDefaults()
	tapless := embedded
	tapless.Verify.Tap = false
	json := Config{FRR: embedded.FRR, Verify: embedded.Verify, Logging: Logging{Level: "debug", Format: "json"}}
	audited := embedded
	audited.FRR.Audit.Drift = Report
	declared := embedded
	declared.FRR.Foreign = []Foreign{"router bgp 65000 / neighbor 192.0.2.9"}
	const foreign = "frr: {mode: embedded, pathspace: blue, foreign: [router bgp 65000, router bgp 65000 / neighbor 10.0.0.1, " +
		"router bgp 65000 / neighbor 192.0.2.9, router bgp 65001 / neighbor 192.0.2.8, router bgp 65010 view own, router bgp 65000 / neighbor 192.0.2.9]}\n"
	const known = "asn: 65000\nrouters: [{name: own, asn: 65010}]\nneighbors:\n- {address: 10.0.0.1, asn: 65001}\n"
	unknown := embedded
	unknown.FRR.Foreign = []Foreign{
		"router bgp 65000 / neighbor 10.0.0.1", "router bgp 65000 / neighbor 192.0.2.9", "router bgp 65001 / neighbor 192.0.2.8", "router bgp 65010 view own",
	}
	for name, c := range map[string]struct {
		in   string
		want Config
		ok   bool
	}{
		"good":                 {"asn: 65000\nfrr: {mode: embedded, pathspace: blue}\n", embedded, true},
		"mistake elsewhere":    {"asn: zero\nbanana: 1\nfrr:\n  mode: embedded\n  pathspace: blue\n", embedded, true},
		"no frr":               {"asn: zero\n", plain, true},
		"mistake in frr":       {"asn: 65000\nfrr: {mode: embeded}\n", Config{}, false},
		"mistake in a path":    {"asn: 65000\nfrr: {paths: {config: frr.conf}}\n", Config{}, false},
		"unknown key in frr":   {"frr: {mode: embedded, pathspce: blue}\n", Config{}, false},
		"frr twice":            {"frr: {mode: embedded}\nfrr: {mode: external}\n", Config{}, false},
		"mistake in logging":   {"logging: {level: loud}\nfrr: {mode: embedded, pathspace: blue}\n", embedded, true},
		"verify":               {"asn: zero\nverify: {tap: false}\nfrr: {mode: embedded, pathspace: blue}\n", tapless, true},
		"mistake in verify":    {"verify: {tap: false, bmp: {listen: nowhere}}\nfrr: {mode: embedded, pathspace: blue}\n", embedded, true},
		"mistake in audit":     {"frr: {mode: embedded, pathspace: blue, audit: {interval: 0, drift: mend, banana: 1}}\n", embedded, true},
		"interval in audit":    {"frr: {mode: embedded, pathspace: blue, audit: {interval: 1s, drift: report}}\n", audited, true},
		"no mapping in audit":  {"frr: {mode: embedded, pathspace: blue, audit: 5}\n", embedded, true},
		"audit and mode":       {"frr: {mode: embeded, audit: 5}\n", Config{}, false},
		"key like audit":       {"frr: {mode: embedded, audits: 5}\n", Config{}, false},
		"foreign is no list":   {"frr: {mode: embedded, pathspace: blue, foreign: route-map MINE}\n", embedded, true},
		"foreign":              {known + foreign, declared, true},
		"foreign, mistakes":    {known + "banana: 1\n" + foreign + "announce: 5\n", declared, true},
		"foreign, no YAML":     {known + foreign + "announce: [\n", declared, true},
		"foreign, unread":      {"asn: [\nrouters: [\nneighbors: [\n" + foreign, unknown, true},
		"foreign, too much":    {known + strings.Repeat("- 1\n", maxErrors+1) + foreign, unknown, true},
		"no YAML before":       {"asn: [\nfrr:\n  mode: embedded\n  pathspace: blue\n", embedded, true},
		"no YAML behind":       {"frr:\n  mode: embedded\n\n  # ours\n  pathspace: blue\nneighbors:\n- {address: 10.0.0.1\n- asn: 1\n", embedded, true},
		"no YAML between":      {"'frr': {mode: embedded, pathspace: blue}\nneighbors:\n\t- x\n\"logging\":\n  format: json\n  level: debug\n", json, true},
		"no YAML in frr":       {"asn: 65000\nfrr: {mode: embedded\nneighbors: []\n", Config{}, false},
		"no YAML, frr inside":  {"routers:\n  frr: {mode: embedded}\nasn: [\n", Config{}, false},
		"no YAML, frr twice":   {"frr: {mode: embedded}\nasn: [\nfrr: {mode: external}\n", Config{}, false},
		"alias to another key": {"routers: &a [\nfrr: {mode: *a}\n", Config{}, false},
		"empty":                {"# nothing\n", Config{}, false},
		"list":                 {"- frr: {mode: embedded}\n", Config{}, false},
		"two documents":        {"frr: {mode: embedded, pathspace: blue}\n---\nasn: 65000\n", embedded, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := Foundation([]byte(c.in))
			if ok != c.ok {
				t.Errorf("got %t, want %t", ok, c.ok)
			}
			if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b Config) bool {
				return reflect.DeepEqual(a.FRR, b.FRR) && reflect.DeepEqual(a.Verify, b.Verify) && a.Logging == b.Logging && a.ASN == b.ASN
			})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
