package reduce

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

var compare = cmp.Options{
	cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{}, netip.AddrPort{}, route.RemoteAS{}),
	cmpopts.EquateEmpty(),
}

// speaks is a configuration with one neighbor of both families.
func speaks(announce config.Announce) config.Config {
	return config.Config{
		ASN:      65000,
		Announce: announce,
		Neighbors: []config.Neighbor{{
			Name:    "tor",
			Address: netip.MustParseAddr("10.0.1.1"),
			Session: config.Session{
				Port:     179,
				ASN:      route.RemoteASN(65001),
				Families: []route.Family{route.IPv4Unicast, route.IPv6Unicast},
			},
		}},
	}
}

func node(name string, addresses ...string) *Node {
	n := &Node{Meta: Meta{Name: name}, Labels: map[string]string{"rack": "r-" + name}}
	for _, a := range addresses {
		n.Addresses = append(n.Addresses, netip.MustParseAddr(a))
	}
	return n
}

// bgp annotates with Kube-OVN's key.
func bgp(value string) map[string]string { return map[string]string{annotationKubeOVN: value} }

func TestRouterID(t *testing.T) {
	tests := []struct {
		name    string
		nodes   []*Node
		id      string
		want    string
		wantErr string
	}{
		{name: "of the node", nodes: []*Node{node("a", "10.0.1.2")}, want: "10.0.1.2"},
		{name: "the first IPv4 one", nodes: []*Node{node("a", "fd00::2", "10.0.1.3", "10.0.1.2")}, want: "10.0.1.3"},
		{name: "configured", nodes: []*Node{node("a", "10.0.1.2")}, id: "1.1.1.1", want: "1.1.1.1"},
		{name: "configured, node unknown", id: "1.1.1.1", want: "1.1.1.1"},
		{name: "node unknown", nodes: []*Node{node("b", "10.0.1.2")}, wantErr: "node a is not among the 1 nodes"},
		{name: "IPv6 only", nodes: []*Node{node("a", "fd00::2")}, want: "77.151.129.18"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := speaks(config.Announce{})
			if tt.id != "" {
				c.RouterID = netip.MustParseAddr(tt.id)
			}
			result, err := Reduce(Snapshot{Nodes: tt.nodes}, c, "a")
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("error %v, want %q", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := result.Speaker.Routers[0].RouterID.String(); got != tt.want {
				t.Errorf("router ID %s, want %s", got, tt.want)
			}
		})
	}
}

// A pod on a network of Kube-OVN's, as its annotations tell it.
func onNetwork(m Meta, provider, subnet, address string) Meta {
	annotations := map[string]string{provider + SuffixSubnet: subnet, provider + SuffixAddress: address}
	for k, v := range m.Annotations {
		annotations[k] = v
	}
	m.Annotations = annotations
	return m
}

func TestSeveralObjectsOnePrefix(t *testing.T) {
	s := Snapshot{
		Nodes: []*Node{node("a", "10.0.1.2")},
		Pods: []*Pod{
			{Meta: Meta{Namespace: "z", Name: "second", Annotations: bgp("true")}, IPs: []string{"10.16.0.5", "10.16.0.5"}},
			{Meta: Meta{Namespace: "a", Name: "first", Annotations: bgp("true")}, IPs: []string{"10.16.0.5"}},
		},
	}
	result, err := Reduce(s, speaks(config.Announce{}), "a")
	if err != nil {
		t.Fatal(err)
	}
	want := []route.Route{{
		Prefix: netip.MustParsePrefix("10.16.0.5/32"),
		To:     []route.Audience{route.Everyone},
		From:   []route.Object{{Kind: "Pod", Namespace: "a", Name: "first"}, {Kind: "Pod", Namespace: "z", Name: "second"}},
	}}
	if diff := cmp.Diff(want, result.Speaker.Routers[0].Routes, compare); diff != "" {
		t.Errorf("routes (-want +got):\n%s", diff)
	}
}

func TestNodeSelector(t *testing.T) {
	c := speaks(config.Announce{})
	c.Neighbors[0].NodeSelector.MatchLabels = map[string]string{"rack": "r-a"}
	for _, tt := range []struct {
		node string
		want int
	}{{"a", 1}, {"b", 0}} {
		result, err := Reduce(Snapshot{Nodes: []*Node{node("a", "10.0.1.2"), node("b", "10.0.1.3")}}, c, tt.node)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(result.Speaker.Routers[0].Neighbors); got != tt.want {
			t.Errorf("node %s has %d neighbors, want %d", tt.node, got, tt.want)
		}
	}
	// Labels that are not known must not end a session.
	c.RouterID = netip.MustParseAddr("1.1.1.1")
	if _, err := Reduce(Snapshot{}, c, "a"); err == nil || !strings.Contains(err.Error(), "nodeSelector of neighbor tor") {
		t.Errorf("without the node: error %v, want one that names the neighbor", err)
	}
}

// cluster of n pods, a tenth of them annotated themselves, in four subnets of both families.
func clusterOf(n int) Snapshot {
	s := Snapshot{Nodes: []*Node{node("a", "10.0.1.2"), node("b", "10.0.1.3")}}
	for i := range 4 {
		s.Subnets = append(s.Subnets, &Subnet{
			Meta:      Meta{Name: fmt.Sprintf("subnet%d", i), Annotations: bgp([]string{"true", "local", "", "nonsense"}[i])},
			CIDRBlock: fmt.Sprintf("10.%d.0.0/16, fd00:%d::/64", 16+i, i),
			Ready:     true,
		})
	}
	for i := range n {
		m := Meta{Namespace: "default", Name: fmt.Sprintf("pod%d", i), Annotations: bgp("true")}
		in := i % 4
		m = onNetwork(m, "ovn", fmt.Sprintf("subnet%d", in),
			fmt.Sprintf("10.%d.%d.%d,fd00:%d::%x", 16+in, i>>8&255, i&255, in, i+1))
		s.Pods = append(s.Pods, &Pod{Meta: m, Node: []string{"a", "b"}[i%2]})
	}
	return s
}

func TestOrderOfObjectsDoesNotMatter(t *testing.T) {
	s := clusterOf(300)
	for i := range 40 {
		s.Pods[i].Annotations[annotationKubeOVN] = fmt.Sprint("wrong", i)
	}
	c := speaks(config.Announce{PodsInAnnouncedSubnets: true})
	want, err := Reduce(s, c, "a")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffle(random, s.Pods)
		shuffle(random, s.Subnets)
		shuffle(random, s.Nodes)
		got, err := Reduce(s, c, "a")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, compare); diff != "" {
			t.Fatalf("another order gives another result (-want +got):\n%s", diff)
		}
	}
	if !slices.IsSortedFunc(want.Speaker.Routers[0].Routes, func(a, b route.Route) int { return route.ComparePrefixes(a.Prefix, b.Prefix) }) {
		t.Error("the routes are not sorted")
	}
}

func shuffle[T any](r *rand.Rand, s []T) {
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

// The snapshot belongs to its source: a pass must not write to it.
func TestSnapshotIsNotChanged(t *testing.T) {
	s, same := clusterOf(50), clusterOf(50)
	if _, err := Reduce(s, speaks(config.Announce{PodsInAnnouncedSubnets: true}), "a"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(same, s, compare); diff != "" {
		t.Errorf("Reduce changed its snapshot:\n%s", diff)
	}
}

// The station of the configuration is told of by every router where FRR feeds it, and by none elsewhere.
func TestStation(t *testing.T) {
	c := speaks(config.Announce{})
	c.Verify.BMP.Listen = ":11019"
	for feed, want := range map[bool]netip.AddrPort{true: netip.MustParseAddrPort("127.0.0.1:11019"), false: {}} {
		c.Verify.BMP.Feed = feed
		result, err := Reduce(Snapshot{Nodes: []*Node{node("a")}}, c, "a")
		if err != nil || result.Speaker.Station != want {
			t.Errorf("feed %t: the station is %s, %v", feed, result.Speaker.Station, err)
		}
	}
}
