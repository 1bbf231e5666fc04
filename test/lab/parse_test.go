package lab

import (
	"net/netip"
	"testing"
)

func FuzzParseRoutes(f *testing.F) {
	f.Add([]byte(`{"routes":{"10.0.0.0/8":[{"prefix":"10.0.0.0/8"},{"aspath":{"string":"Local"},"nexthops":[{"ip":"192.0.2.1"}],"peer":{"peerId":"192.0.2.1"}}]}}`))
	f.Add([]byte(`{"routes":{"2001:db8::/32":{"paths":[{"nexthops":[{"ip":"fe80::1"},{"ip":"2001:db8::1","used":true}],"peer":{"peerId":"eth0"}}]}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := parseRoutes(data)
		for prefix, paths := range table {
			for _, p := range paths {
				if err != nil || p.ASPath == "Local" || p.From.IsValid() && p.From.IsUnspecified() {
					t.Errorf("path to %s is %+v, %v", prefix, p, err)
				}
			}
		}
	})
}

func FuzzParseUpdateLine(f *testing.F) {
	from := netip.MustParseAddr("192.0.2.1")
	for _, line := range []string{
		"BGP: [YCKEM-GB33T] 192.0.2.1(host) rcvd 10.17.0.0/16 IPv4 unicast",
		"BGP: [RZMGQ-A03CG] 192.0.2.1(host) rcvd UPDATE about 10.17.0.0/16 IPv4 unicast -- withdrawn",
		"BGP: [XXWBM-V772F] 192.0.2.1(host) rcvd UPDATE w/ attr: nexthop 192.0.2.1",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if prefix, withdrawn, ok := parseUpdateLine(line, from); ok != prefix.IsValid() || withdrawn && !ok {
			t.Errorf("%q gives %v, %t, %t", line, prefix, withdrawn, ok)
		}
	})
}
