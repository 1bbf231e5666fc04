package verify_test

import (
	"testing"

	"github.com/fairlead/fairlead/verify"
)

// TestAgrees: a session that nobody sees whole does not agree, also where nothing is intended and nothing wrong was seen.
func TestAgrees(t *testing.T) {
	blocked := see(verify.Wire, start, verify.Whole)
	blocked.Blocked = start
	for name, test := range map[string]struct {
		seen                     []verify.Observation
		compared, agrees, learns bool
	}{
		"nobody looked":         {},
		"all is seen":           {[]verify.Observation{see(verify.Wire, start, verify.Whole)}, true, true, false},
		"the first table comes": {[]verify.Observation{see(verify.Wire, start, verify.Learning)}, false, false, true},
		"a packet was missed":   {[]verify.Observation{see(verify.Wire, start, verify.Unknown)}, false, false, false},
		"the session is down":   {[]verify.Observation{see(verify.Wire, start, verify.Down)}, false, false, false},
		"the neighbor's own table is no table of ours": {
			[]verify.Observation{see(verify.LocRIB, start, verify.Whole)}, false, false, false,
		},
		"FRR's word stands in": {
			[]verify.Observation{see(verify.Wire, start, verify.Unknown), see(verify.Claim, start, verify.Whole)}, true, true, false,
		},
		"the neighbor takes nothing": {[]verify.Observation{blocked}, true, false, false},
	} {
		for _, intended := range []bool{false, true} {
			c := newComparer()
			if intended {
				intend(c, start, announcement(1))
			}
			for _, o := range test.seen {
				if o.Witness != verify.LocRIB && intended && o.State >= verify.Learning {
					o.Changes = []verify.Change{{Prefix: prefix(1), Attributes: onWire()}}
				}
				c.Observe(o)
			}
			r := c.Report(start, 0)
			if r.Compared() != test.compared || r.Agrees() != test.agrees || r.Learning() != test.learns {
				t.Errorf("%s, intended %t: compared %t, agrees %t, learning %t", name, intended, r.Compared(), r.Agrees(), r.Learning())
			}
		}
	}
}
