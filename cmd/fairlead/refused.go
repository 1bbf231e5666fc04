package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/route"
)

// refusedOf gives what an error says that FRR refused, or nil.
func refusedOf(err error) *reload.RefusedError {
	var refused *reload.RefusedError
	if !errors.As(err, &refused) {
		return nil
	}
	return refused
}

// isRest reports whether an error only says that FRR refused something, and holds all else.
func isRest(err error) bool {
	refused := refusedOf(err)
	return refused != nil && refused.Rest && !errors.Is(err, reload.ErrNotKept)
}

// named bound how many objects an error names.
const named = 10

// blame adds to an error the objects that asked for what FRR refused.
func blame(err error, s route.Speaker) error {
	refused := refusedOf(err)
	if refused == nil {
		return err
	}
	var from []string
	has := map[route.Object]bool{}
	for _, some := range origins(s, refused) {
		for _, o := range some {
			if !has[o] {
				from, has[o] = append(from, o.String()), true
			}
		}
	}
	if len(from) == 0 {
		return err
	}
	more := ""
	if len(from) > named {
		from, more = from[:named], fmt.Sprintf(" and %d more", len(from)-named)
	}
	return fmt.Errorf("%w (asked for by %s%s)", err, strings.Join(from, ", "), more)
}

// asked is a route or a neighbor of a router as the reduction tells of it.
type asked struct {
	// router is its statement.
	router   string
	prefix   netip.Prefix
	neighbor string
}

// askedFor gives what an object of FRR is to the reduction.
func askedFor(o reload.Object) asked {
	// What is no prefix is a neighbor, and the zero Prefix is that of no route.
	prefix, _ := netip.ParsePrefix(o.Network)
	return asked{router: o.Router, prefix: prefix, neighbor: o.Neighbor}
}

// origins gives for each refusal the objects that ask for what was refused, in its order.
func origins(s route.Speaker, refused *reload.RefusedError) [][]route.Object {
	var all []asked
	for _, f := range refused.Refusals {
		for _, o := range f.Objects {
			all = append(all, askedFor(o))
		}
	}
	by := askers(s, all)
	from := make([][]route.Object, len(refused.Refusals))
	for i, f := range refused.Refusals {
		for _, o := range f.Objects {
			from[i] = append(from[i], by[askedFor(o)]...)
		}
	}
	return from
}

// askers gives the objects that ask for some routes and neighbors, from one look at all that there are.
func askers(s route.Speaker, some []asked) map[asked][]route.Object {
	by := make(map[asked][]route.Object, len(some))
	for _, what := range some {
		by[what] = nil
	}
	if len(by) == 0 {
		return by
	}
	note := func(what asked, from []route.Object) {
		if before, ok := by[what]; ok {
			by[what] = append(before, from...)
		}
	}
	for _, router := range s.Routers {
		statement := routerStatement(router)
		for _, r := range router.Routes {
			note(asked{router: statement, prefix: r.Prefix}, r.From)
		}
		for _, n := range router.Neighbors {
			note(asked{router: statement, neighbor: n.ID()}, n.From)
		}
	}
	return by
}

// withoutRefused gives a result without the routes that FRR refused, and says of the objects that ask for them why.
func withoutRefused(result reduce.Result, refused *reload.RefusedError) reduce.Result {
	result.Skipped = slices.Clone(result.Skipped)
	result.Speaker.Routers = slices.Clone(result.Speaker.Routers)
	has := make(map[reduce.Skipped]bool, len(result.Skipped))
	for _, s := range result.Skipped {
		has[s] = true
	}
	gone := map[asked]bool{}
	for i, some := range origins(result.Speaker, refused) {
		f := refused.Refusals[i]
		for _, from := range some {
			if skipped := (reduce.Skipped{Object: from, Reason: "FRR refuses it: " + f.Message}); !has[skipped] {
				result.Skipped, has[skipped] = append(result.Skipped, skipped), true
			}
		}
		for _, o := range f.Objects {
			gone[askedFor(o)] = true
		}
	}
	for i, router := range result.Speaker.Routers {
		statement := routerStatement(router)
		result.Speaker.Routers[i].Routes = slices.DeleteFunc(slices.Clone(router.Routes), func(r route.Route) bool {
			return gone[asked{router: statement, prefix: r.Prefix}]
		})
	}
	return result
}
