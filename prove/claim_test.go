package prove_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/prove"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/verify"
)

// TestClaim: FRR's word is enough to find what is wrong where there is no other witness, but for what it does not tell, and
// enough to find out why.
func TestClaim(t *testing.T) {
	t.Parallel()
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			testClaim(t, pair(t, v))
		})
	}
}

func testClaim(t *testing.T, vtysh frr.Vtysh) {
	session := verify.Session{Neighbor: "192.0.2.2"}
	announce := func(prefix string) route.Announcement {
		return route.Announcement{Prefix: netip.MustParsePrefix(prefix), ASPath: []route.ASN{65000}}
	}
	grouped := announce("10.16.0.5/32")
	grouped.MED = 50
	grouped.Communities = []route.Community{65000<<16 | 9}
	c := verify.NewComparer(session, verify.Options{Prepended: 65000})
	c.Intend(time.Now(), route.Diff(nil, route.RIB{grouped, announce("10.17.0.0/16"), announce("10.18.0.0/16")}))

	observe := func() frr.Neighbor {
		t.Helper()
		neighbors, err := vtysh.Neighbors(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		n := neighbors[slices.IndexFunc(neighbors, func(n frr.Neighbor) bool { return n.String() == session.Neighbor })]
		o, err := prove.Claim(t.Context(), vtysh, session, n, 65000)
		if err != nil {
			t.Fatal(err)
		}
		c.Own(time.Now(), n.NextHops...)
		c.Observe(o)
		// As a later look that finds the same.
		o.At = o.At.Add(time.Hour)
		c.Observe(o)
		return n
	}
	verdicts := func() []string {
		var lines []string
		for v := range c.All() {
			text := fmt.Sprint(v.Prefix, " ", v.Kind, " ", v.Witness)
			for _, d := range v.Differences {
				text += "; " + d.String()
			}
			lines = append(lines, text)
		}
		slices.Sort(lines)
		return lines
	}
	observe()
	// It does not see that a community is missing, nor that the next hop is ours; 10.99.0.0/16 is what the neighbor told.
	want := []string{"10.16.0.5/32 announced frr", "10.17.0.0/16 announced frr", "10.18.0.0/16 missing frr", "10.99.0.0/16 unexpected frr"}
	if diff := cmp.Diff(want, verdicts()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	v, _ := c.Verdict(grouped.Prefix)
	if want := verify.FieldsOf(verify.NextHop, verify.Communities, verify.LargeCommunities); v.Unseen != want {
		t.Errorf("%s of it was not seen, want %s", v.Unseen, want)
	}

	why := func(prefix string, want verify.Cause) {
		t.Helper()
		facts, err := prove.Facts(t.Context(), vtysh, session, netip.MustParsePrefix(prefix))
		if err != nil {
			t.Fatal(err)
		}
		if got := verify.Why(facts[0]); got != want {
			t.Errorf("%s: %s (%+v), want %s", prefix, got, facts[0], want)
		}
	}
	apply := func(script string) {
		t.Helper()
		if err := vtysh.Apply(t.Context(), []byte(script)); err != nil {
			t.Fatal(err)
		}
	}
	why("10.18.0.0/16", verify.NotInTable)
	why("2001:db8:16::/64", verify.FamilyNotSpoken)
	// Told, by its own word.
	why("10.17.0.0/16", verify.LostOnTheWay)
	apply("bgp route-map delay-timer 1\nip prefix-list NO seq 5 permit 10.17.0.0/16\nroute-map OUT deny 5\n match ip address prefix-list NO\nexit\n" +
		"route-map OUT permit 10\n set as-path prepend 65000\n set metric 70\n set ip next-hop 192.0.2.99\nexit\n")
	changed := []string{
		"10.16.0.5/32 mismatch frr; next hop: wanted the session's own, got 192.0.2.99; AS path: wanted 65000, got 65000 65000; MED: wanted 50, got 70",
		"10.17.0.0/16 missing frr", "10.18.0.0/16 missing frr", "10.99.0.0/16 unexpected frr",
	}
	lab.Eventually(t, 30*time.Second, "a policy changed by hand is found", func() error {
		observe()
		if diff := cmp.Diff(changed, verdicts()); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
	why("10.17.0.0/16", verify.FilteredOut)
	apply("router bgp 65000\n neighbor 192.0.2.2 shutdown\nexit\n")
	lab.Eventually(t, 30*time.Second, "the session is down", func() error {
		if n := observe(); n.State == frr.Established {
			return fmt.Errorf("it is %s", n.State)
		}
		return nil
	})
	want = []string{"10.16.0.5/32 not-comparable frr", "10.17.0.0/16 not-comparable frr", "10.18.0.0/16 not-comparable frr"}
	if diff := cmp.Diff(want, verdicts()); diff != "" {
		t.Errorf("with the session down (-want +got)\n%s", diff)
	}
	why("10.17.0.0/16", verify.ShutDown)
	apply("router bgp 65000\n no neighbor 192.0.2.2\nexit\n")
	why("10.17.0.0/16", verify.NeighborUnknown)
}
