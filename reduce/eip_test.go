package reduce

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/config"
)

// gatewaysOf has n EIPs of two gateways in every state, and all else that a cluster has.
func gatewaysOf(n int) Snapshot {
	s := clusterOf(n)
	values := []string{"true", "yes", "cluster", "local", "false", "", "nonsense"}
	for i := range n {
		s.EIPs = append(s.EIPs, &EIP{
			Meta:    Meta{Name: fmt.Sprintf("eip%d", i), Annotations: bgp(values[i%len(values)])},
			Gateway: []string{"gw1", "gw2"}[i%2],
			V4:      fmt.Sprintf("203.0.%d.%d", i>>8, i&255),
			V6:      []string{"", fmt.Sprintf("2001:db8::%x", i+1)}[i/2%2],
			Ready:   i%3 != 0,
		})
	}
	s.Gateways = []*Gateway{{Meta: Meta{Name: "gw2"}, Nodes: []string{"b"}}, {Meta: Meta{Name: "gw1"}, Nodes: []string{"a"}}}
	return s
}

// Only what is ready, of this gateway and asks for it is announced, whatever else the cluster has.
func TestEIPsOnly(t *testing.T) {
	s := gatewaysOf(300)
	c := speaks(config.Announce{ClusterIPs: true})
	c.NATGateway = "gw1"
	result, err := Reduce(s, c, "a")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, e := range s.EIPs {
		asks := slices.Contains([]string{"true", "yes", "cluster"}, e.Annotations[annotationKubeOVN])
		if asks && e.Gateway == "gw1" && e.Ready {
			want[e.V4+"/32"] = e.Name
			if e.V6 != "" {
				want[e.V6+"/128"] = e.Name
			}
		}
	}
	got := map[string]string{}
	for _, r := range result.Speaker.Routers[0].Routes {
		if len(r.From) != 1 || r.From[0].Kind != "IptablesEIP" {
			t.Errorf("%s is from %v", r.Prefix, r.From)
		}
		got[r.Prefix.String()] = r.From[0].Name
	}
	if diff := cmp.Diff(want, got); diff != "" || len(want) < 30 {
		t.Errorf("%d routes are wanted (-want +got):\n%s", len(want), diff)
	}
	for _, skipped := range result.Skipped {
		if skipped.Object.Kind != "IptablesEIP" {
			t.Errorf("%s is skipped: %s", skipped.Object, skipped.Reason)
		}
	}
}

func TestEIPGatewayNodes(t *testing.T) {
	eip := &EIP{Meta: Meta{Name: "eip", Annotations: bgp("true")}, Gateway: "gw1", V4: "203.0.113.1", Ready: true}
	tests := []struct {
		name     string
		gateways []*Gateway
		want     int
	}{
		{name: "no gateway", want: 1},
		{name: "another's nodes", gateways: []*Gateway{{Meta: Meta{Name: "gw2"}, Nodes: []string{"b"}}}, want: 1},
		{name: "no nodes", gateways: []*Gateway{{Meta: Meta{Name: "gw1"}}}, want: 1},
		{name: "not scheduled", gateways: []*Gateway{{Meta: Meta{Name: "gw1"}, Nodes: []string{"", ""}}}, want: 1},
		{name: "here", gateways: []*Gateway{{Meta: Meta{Name: "gw1"}, Nodes: []string{"a"}}}, want: 1},
		{name: "here too", gateways: []*Gateway{{Meta: Meta{Name: "gw1"}, Nodes: []string{"b", "a"}}}, want: 1},
		{name: "elsewhere", gateways: []*Gateway{{Meta: Meta{Name: "gw1"}, Nodes: []string{"b"}}}, want: 0},
		{name: "elsewhere, and one not scheduled", gateways: []*Gateway{{Meta: Meta{Name: "gw1"}, Nodes: []string{"", "b"}}}, want: 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := speaks(config.Announce{})
			c.NATGateway = "gw1"
			result, err := Reduce(Snapshot{Nodes: []*Node{node("a", "10.0.1.2")}, EIPs: []*EIP{eip}, Gateways: tt.gateways}, c, "a")
			if err != nil {
				t.Fatal(err)
			}
			if got := len(result.Speaker.Routers[0].Routes); got != tt.want {
				t.Errorf("%d routes, want %d", got, tt.want)
			}
			if got := len(result.Skipped); got != 1-tt.want {
				t.Errorf("skipped is %v", result.Skipped)
			}
		})
	}
}

// The order in which a gateway's status has its nodes is no news.
func TestEIPOrder(t *testing.T) {
	s := gatewaysOf(200)
	s.Gateways[1].Nodes = []string{"d", "c", "b"}
	c := speaks(config.Announce{})
	c.NATGateway = "gw1"
	want, err := Reduce(s, c, "a")
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffle(random, s.EIPs)
		shuffle(random, s.Gateways)
		for _, g := range s.Gateways {
			shuffle(random, g.Nodes)
		}
		before := slices.Clone(s.Gateways[0].Nodes)
		got, err := Reduce(s, c, "a")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, compare); diff != "" {
			t.Fatalf("another order gives another result (-want +got):\n%s", diff)
		}
		if !slices.Equal(before, s.Gateways[0].Nodes) {
			t.Fatal("Reduce changed its snapshot")
		}
	}
}
