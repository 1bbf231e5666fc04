package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
)

// What FRR refuses is told with the object that asks for it, and is not told as announced.
func TestBlame(t *testing.T) {
	pod := func(name string) route.Object { return route.Object{Kind: "Pod", Namespace: "default", Name: name} }
	routes := []route.Route{
		{Prefix: netip.MustParsePrefix("10.16.0.1/32"), From: []route.Object{pod("a")}},
		{Prefix: netip.MustParsePrefix("10.16.0.2/32"), From: []route.Object{pod("b")}},
	}
	neighbor := route.Neighbor{Address: netip.MustParseAddr("10.0.1.1"), From: []route.Object{{Kind: "Config", Name: "neighbors[0]"}}}
	result := reduce.Result{Speaker: route.Speaker{Routers: []route.Router{
		{ASN: 65000, Routes: routes, Neighbors: []route.Neighbor{neighbor}},
		{ASN: 65000, Name: "mesh", Routes: routes},
	}}}
	refused := &reload.RefusedError{Refusals: []reload.Refusal{
		{Refusal: frr.Refusal{Line: 3, Statement: "network 10.16.0.2/32 route-map X", Message: "% No"},
			Objects: []reload.Object{{Router: "router bgp 65000", Network: "10.16.0.2/32"}}},
		{Refusal: frr.Refusal{Line: 9, Statement: "neighbor 10.0.1.1 passive", Message: "% Never"},
			Objects: []reload.Object{{Router: "router bgp 65000", Neighbor: "10.0.1.1"}}},
	}, Rest: true}
	err := blame(fmt.Errorf("apply: %w", refused), result.Speaker)
	const want = "apply: FRR refused 2 lines:\n\tline 3: network 10.16.0.2/32 route-map X: % No\n\tline 9: neighbor 10.0.1.1 passive: % Never; " +
		"all else is applied (asked for by Pod default/b, Config neighbors[0])"
	if err.Error() != want || !errors.Is(err, error(refused)) {
		t.Errorf("error\n%v\nwant\n%s", err, want)
	}
	if other := blame(io.EOF, result.Speaker); !errors.Is(other, io.EOF) || other.Error() != io.EOF.Error() {
		t.Errorf("another error becomes %v", other)
	}
	rest := withoutRefused(result, refused)
	if got := rest.Speaker.Routers[0].Routes; len(got) != 1 || got[0].Prefix != routes[0].Prefix {
		t.Errorf("the default router announces %v", got)
	}
	if got := rest.Speaker.Routers[1].Routes; len(got) != 2 {
		t.Errorf("the view announces %v", got)
	}
	if got := fmt.Sprint(rest.Skipped); got != "[{Pod default/b FRR refuses it: % No } {Config neighbors[0] FRR refuses it: % Never }]" {
		t.Errorf("skipped is %s", got)
	}
	refused.Refusals[0].Objects[0].Router += " view mesh"
	if got := fmt.Sprint(refusalsOf(result.Speaker, refused)); got != "[{mesh 10.16.0.2/32  network 10.16.0.2/32 route-map X % No} "+
		"{ invalid Prefix 10.0.1.1 neighbor 10.0.1.1 passive % Never}]" {
		t.Errorf("explained is %s", got)
	}
	if len(result.Speaker.Routers[0].Routes) != 2 || len(result.Skipped) != 0 {
		t.Error("the result itself was changed")
	}
}

// An error names some of the objects, however many routes FRR refuses.
func TestBlameMany(t *testing.T) {
	router := route.Router{ASN: 65000}
	var objects []reload.Object
	for i := range 3 * named {
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 16, 0, byte(i)}), 32)
		router.Routes = append(router.Routes, route.Route{Prefix: prefix, From: []route.Object{{Kind: "Pod", Namespace: "default", Name: fmt.Sprint("p", i, ";")}}})
		objects = append(objects, reload.Object{Router: "router bgp 65000", Network: prefix.String()})
	}
	refused := &reload.RefusedError{Refusals: []reload.Refusal{{Objects: objects}, {Objects: objects}}, Rest: true}
	err := blame(refused, route.Speaker{Routers: []route.Router{router}})
	if text := err.Error(); !strings.HasSuffix(text, "p9; and 20 more)") || strings.Count(text, "Pod ") != named {
		t.Errorf("error %s", text)
	}
	rest := withoutRefused(reduce.Result{Speaker: route.Speaker{Routers: []route.Router{router}}}, refused)
	if len(rest.Skipped) != len(objects) || len(rest.Speaker.Routers[0].Routes) != 0 {
		t.Errorf("%d are skipped, and %v announced", len(rest.Skipped), rest.Speaker.Routers[0].Routes)
	}
}

// What fails is tried again later each time, and soon where something else fails. Passes for other reasons do not put it off.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := fmt.Errorf("apply: %w", &reload.RefusedError{Refusals: []reload.Refusal{{Refusal: frr.Refusal{Statement: "x"}}}})
		notHeld, down := fmt.Errorf("apply: %w", reload.ErrNotHeld), &frr.NotRunningError{Daemon: "bgpd"}
		var r retry
		for _, step := range []struct {
			err   error
			young bool
			want  []time.Duration
		}{
			{refused, false, []time.Duration{1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300}},
			{io.EOF, false, []time.Duration{1, 2, 3, 3}},
			{notHeld, false, []time.Duration{1, 2, 4, 8}},
			{down, false, []time.Duration{5, 10, 20, 30, 30}},
			{refused, true, []time.Duration{1, 1, 1}},
		} {
			for i, seconds := range step.want {
				arranged, isNew := r.after(step.err, step.young)
				if !arranged || isNew != (i == 0) || r.wait != seconds*time.Second {
					t.Fatalf("%v is tried again after %s (%t, new: %t), want %d s", step.err, r.wait, arranged, isNew, seconds)
				}
				began := time.Now()
				if arranged, isNew := r.after(step.err, step.young); arranged || isNew {
					t.Fatal("a pass for another reason puts it off")
				}
				<-r.due
				if got := time.Since(began); got != r.wait {
					t.Fatalf("it is due after %s, want %s", got, r.wait)
				}
				r.due = nil
			}
		}
		if r.over(); r.due != nil || r.wait != 0 {
			t.Error("it is not over")
		}
	})
}
