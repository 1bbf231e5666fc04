package frr_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
)

// originated is what FRR prints when it is asked for three networks: one it originates, one it does not know, and one that it has
// from a neighbor and originates too.
const originated = `
{
  "prefix":"10.16.0.5/32",
  "version":6,
  "paths":[
    {
      "aspath":{"string":"Local","segments":[],"length":0},
      "origin":"IGP", "metric":5, "locPrf":7, "weight":32768, "valid":true, "version":6, "sourced":true, "local":true,
      "community":{"string":"65000:7 no-export","list":["65000:7","noExport"]},
      "largeCommunity":{"string":"65000:4242:1 65000:1:2","list":["65000:4242:1","65000:1:2"]}
    }
  ]
}
{
}
{
  "prefix":"2001:db8::/64",
  "paths":[
    {"aspath":{"string":"65001"}, "metric":9, "valid":true},
    {"origin":"IGP", "metric":0, "sourced":true, "bestpath":{"overall":true}}
  ]
}
`

func TestParseOriginated(t *testing.T) {
	ask := []frr.Network{
		{Prefix: netip.MustParsePrefix("10.16.0.5/32")},
		{Instance: "view mesh", Prefix: netip.MustParsePrefix("10.16.0.6/32")},
		{Prefix: netip.MustParsePrefix("2001:db8::/64")},
	}
	want := []frr.Originated{
		{Network: ask[0], MED: 5, LocalPreference: 7, Communities: []string{"65000:7", "no-export"}, LargeCommunities: []string{"65000:1:2", "65000:4242:1"}},
		{Network: ask[2], Selected: true},
	}
	got, err := frr.ParseOriginated(ask, []byte(originated))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, compareNetip); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// An answer that lacks one, or is about another, confirms nothing.
	for _, data := range []string{"", "{}{}", "% Unknown command\n", "{}{}{"} {
		if got, err := frr.ParseOriginated(ask, []byte(data)); err == nil {
			t.Errorf("%q is read as %v", data, got)
		}
	}
	if got, err := frr.ParseOriginated(ask[1:2], []byte(originated)); err != nil || len(got) > 0 {
		t.Errorf("the answer for another prefix gives %v, %v", got, err)
	}
}

func FuzzParseOriginated(f *testing.F) {
	f.Add([]byte(originated))
	ask := []frr.Network{{Prefix: netip.MustParsePrefix("10.16.0.5/32")}, {Prefix: netip.MustParsePrefix("2001:db8::/64")}}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := frr.ParseOriginated(ask, data)
		if err != nil && got != nil || len(got) > len(ask) {
			t.Errorf("%v, %v", got, err)
		}
	})
}
