package bmp

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

// TestFull: the routers together may tell of so many routes, and what one no longer tells another may.
func TestFull(t *testing.T) {
	t.Parallel()
	s, address := serve(t, Config{Routes: 10, AllRoutes: 15})
	tell := func(routes int) net.Conn {
		t.Helper()
		conn := dial(t, address)
		data := append(initiation(t), peerUp(t, header(0), false)...)
		for i := range routes {
			data = append(data, monitoring(t, header(0), nil, ipv4(fmt.Sprintf("10.0.0.%d", i), 32))...)
		}
		if _, err := conn.Write(data); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	held := func(r Router) int {
		routes := 0
		for _, p := range r.Peers {
			for _, table := range p.Tables {
				routes += table.Routes
			}
		}
		return routes
	}
	is := func(routes int, err string) func([]Router) bool {
		return func(list []Router) bool {
			return slices.ContainsFunc(list, func(r Router) bool { return err == "" && r.Error == "" && held(r) == routes }) ||
				slices.ContainsFunc(list, func(r Router) bool { return err != "" && strings.Contains(r.Error, err) })
		}
	}
	first := tell(10)
	eventually(t, s, "the first is served", is(10, ""))
	tell(6)
	eventually(t, s, "the second is one too many", is(0, "all routers together tell of more routes"))
	third := tell(5)
	eventually(t, s, "the third fits", is(5, ""))
	_ = first.Close()
	eventually(t, s, "the first is gone", is(0, errEnded.Error()))
	tell(10)
	eventually(t, s, "another has its place", is(10, ""))
	_ = third.Close()
}
