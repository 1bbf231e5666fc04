package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
)

// podsOf gives a cluster of n pods, each of which asks for its route.
func podsOf(n int) reduce.Snapshot {
	s := reduce.Snapshot{
		Nodes:   []*reduce.Node{{Meta: reduce.Meta{Name: "node1"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.1.2")}}},
		Subnets: []*reduce.Subnet{{Meta: reduce.Meta{Name: "ovn-default"}, CIDRBlock: "10.0.0.0/8", Ready: true}},
	}
	for i := range n {
		s.Pods = append(s.Pods, &reduce.Pod{
			Meta: reduce.Meta{Namespace: "default", Name: fmt.Sprintf("pod%d", i), Annotations: map[string]string{
				"ovn.kubernetes.io/bgp":               "true",
				"ovn.kubernetes.io/logical_switch":    "ovn-default",
				"ovn.kubernetes.io/ip_address":        fmt.Sprintf("10.%d.%d.%d", 16+i>>16, i>>8&255, i&255),
				"net1.default.ovn.kubernetes.io/none": "",
			}},
			Node: "node1",
		})
	}
	return s
}

// BenchmarkPass is the pure part of one pass: reduce and render.
func BenchmarkPass(b *testing.B) {
	renderer, err := render.New(templates.FS)
	if err != nil {
		b.Fatal(err)
	}
	c := config.Config{ASN: 65000, Neighbors: []config.Neighbor{{
		Name: "tor", Address: netip.MustParseAddr("10.0.1.1"),
		Session: config.Session{ASN: route.RemoteASN(65001), Families: []route.Family{route.IPv4Unicast}},
	}}}
	for _, n := range []int{100, 10_000, 100_000} {
		s := podsOf(n)
		b.Run(fmt.Sprintf("routes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				result, err := reduce.Reduce(s, c, "node1")
				if err != nil {
					b.Fatal(err)
				}
				conf, err := renderer.Render(result.Speaker)
				if err != nil {
					b.Fatal(err)
				}
				if got := len(result.Speaker.Routers[0].Routes); got != n || len(conf) < n {
					b.Fatalf("%d routes, want %d", got, n)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/route")
		})
	}
}

// BenchmarkPlan is `plan -o json` of a folder with 10,000 pods that ask for their routes, 100 to a file: what the command
// does from reading the configuration to the last byte of its output.
func BenchmarkPlan(b *testing.B) {
	const files, podsPerFile = 100, 100
	dir := b.TempDir()
	manifests := filepath.Join(dir, "manifests")
	if err := os.Mkdir(manifests, 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range files {
		var text strings.Builder
		for j := range podsPerFile {
			fmt.Fprintf(&text, `---
apiVersion: v1
kind: Pod
metadata:
  name: pod-%d-%d
  namespace: default
  annotations:
    ovn.kubernetes.io/bgp: "true"
spec:
  nodeName: node1
  containers: [{name: main, image: example/main}]
status:
  phase: Running
  podIPs: [{ip: 10.16.%d.%d}]
`, i, j, i, j)
		}
		if err := os.WriteFile(filepath.Join(manifests, fmt.Sprintf("pods-%d.yaml", i)), []byte(text.String()), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	file := filepath.Join(dir, "config.yaml")
	const c = "asn: 65000\nrouterID: 10.0.1.2\nneighbors: [{address: 10.0.1.1, asn: 65001}]\n"
	if err := os.WriteFile(file, []byte(c), 0o600); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var out bytes.Buffer
		cmd := root()
		cmd.SetArgs([]string{"plan", "-o", "json", "--config", file, "--manifests", manifests, "--node", "node1"})
		cmd.SetOut(&out)
		if err := cmd.ExecuteContext(b.Context()); err != nil {
			b.Fatal(err)
		}
		if got := bytes.Count(out.Bytes(), []byte(`"prefix"`)); got != files*podsPerFile {
			b.Fatalf("%d routes, want %d", got, files*podsPerFile)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(files*podsPerFile), "ns/route")
}
