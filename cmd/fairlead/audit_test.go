package main

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
)

// A statement that somebody changed comes with the objects that ask for it, where it is a network's or a neighbor's of its router.
func TestDriftOf(t *testing.T) {
	of := func(name string) []route.Object {
		return []route.Object{{Kind: "Pod", Namespace: "default", Name: name}}
	}
	prefix := netip.MustParsePrefix("10.16.0.1/32")
	a := &agent{speaker: route.Speaker{Routers: []route.Router{
		{ASN: 65000, Routes: []route.Route{{Prefix: prefix, From: of("route")}, {Prefix: netip.MustParsePrefix("fd00::1/128"), From: of("route6")}},
			Neighbors: []route.Neighbor{{Address: netip.MustParseAddr("10.0.1.1"), From: of("address")}, {Interface: "eth0", From: of("interface")}}},
		{ASN: 65000, Name: "mesh", Routes: []route.Route{{Prefix: prefix, From: of("mesh")}}},
	}}}
	const router, ipv4, ipv6 = "router bgp 65000", "address-family ipv4 unicast", "address-family ipv6 unicast"
	for _, tt := range []struct {
		path []string
		want []route.Object
	}{
		{[]string{router, ipv4, "network 10.16.0.1/32 route-map FL-GROUP-1"}, of("route")},
		{[]string{router, ipv6, "network fd00::1/128"}, of("route6")},
		{[]string{router + " view mesh", ipv4, "network 10.16.0.1/32"}, of("mesh")},
		{[]string{router, "neighbor 10.0.1.1 timers 3 9"}, of("address")},
		{[]string{router, ipv4, "neighbor eth0 activate"}, of("interface")},
		{[]string{router + " view mesh", "neighbor 10.0.1.1 timers 3 9"}, []route.Object{}},
		{[]string{router, ipv4, "network 10.16.0.9/32"}, []route.Object{}},
		{[]string{router, ipv4, "network all"}, []route.Object{}},
		{[]string{router, "bgp router-id 10.0.0.1"}, []route.Object{}},
		{[]string{router, "network"}, []route.Object{}},
		{[]string{router}, []route.Object{}},
		{[]string{"neighbor 10.0.1.1 timers 3 9"}, []route.Object{}},
	} {
		// A list is never null in the JSON, and each is found beside others.
		drifts := a.driftOf([]reload.Drift{{Path: []string{router, ipv4, "network 10.16.0.1/32"}}, {Kind: reload.Missing, Path: tt.path}})
		if got := drifts[1]; got.Kind != reload.Missing || got.From == nil || fmt.Sprint(got.From) != fmt.Sprint(tt.want) {
			t.Errorf("%q comes from %v, want %v", tt.path, got.From, tt.want)
		}
	}
}
