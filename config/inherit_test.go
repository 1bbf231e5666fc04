package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
)

// TestInherit gives each key of a session as a default, to a neighbor that says nothing and to one that says the contrary.
func TestInherit(t *testing.T) {
	c, err := Parse("config.yaml", []byte(`
asn: 65000
neighborDefaults:
  port: 1790
  asn: 65030
  localASN: 64999
  passwordFile: secret
  passive: true
  ebgpMultihop: 4
  bfd: {receiveInterval: 100}
  holdTime: 30s
  keepaliveTime: 5s
  connectTime: 7s
  gracefulRestart: true
  families: [ipv6, ipv4]
  receive: {accept: all, install: true}
  transit: [other]
  maximumPrefix: 10
  maximumPrefixOut: 20
  allowASIn: 2
neighbors:
- name: silent
  address: 10.0.0.1
- name: other
  address: 10.0.0.2
  port: 179
  asn: 65031
  localASN: 64998
  passwordFile: ""
  passive: false
  ebgpMultihop: 0
  bfd: {}
  holdTime: 90s
  keepaliveTime: 30s
  connectTime: 120s
  gracefulRestart: false
  families: [ipv4]
  receive: default
  transit: []
  maximumPrefix: 0
  maximumPrefixOut: 0
  allowASIn: 0
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Neighbor{
		{Name: "silent", Address: netip.MustParseAddr("10.0.0.1"), Session: Session{
			Port: 1790, ASN: route.RemoteASN(65030), LocalASN: 64999, PasswordFile: "secret", Passive: true, EBGPMultihop: 4,
			BFD: BFD{On: true, ReceiveInterval: 100}, HoldTime: 30 * time.Second, KeepaliveTime: 5 * time.Second,
			ConnectTime: 7 * time.Second, GracefulRestart: true, Families: []route.Family{route.IPv4Unicast, route.IPv6Unicast},
			Receive: Receive{Accept: AcceptAll, Install: true}, Transit: []string{"other"},
			MaximumPrefix: 10, MaximumPrefixOut: 20, AllowASIn: 2,
		}},
		{Name: "other", Address: netip.MustParseAddr("10.0.0.2"), Session: Session{
			Port: 179, ASN: route.RemoteASN(65031), LocalASN: 64998, BFD: BFD{On: true}, HoldTime: 90 * time.Second,
			KeepaliveTime: 30 * time.Second, ConnectTime: 120 * time.Second, Families: []route.Family{route.IPv4Unicast},
			Receive: Receive{Accept: AcceptDefault}, Transit: []string{},
		}},
	}
	if diff := cmp.Diff(want, c.Neighbors, byValue()); diff != "" {
		t.Errorf("neighbors differ (-want +got):\n%s", diff)
	}
	// What the file says of families is left as it is: neighbors that inherit them share one list.
	if diff := cmp.Diff([]route.Family{route.IPv6Unicast, route.IPv4Unicast}, c.NeighborDefaults.Families); diff != "" {
		t.Errorf("the default families differ (-want +got):\n%s", diff)
	}
}

// TestBFDForms reads each form of the key bfd, over a default that is on and over one that is not there.
func TestBFDForms(t *testing.T) {
	tests := []struct {
		name, standard, key string
		want                BFD
	}{
		{name: "nothing"},
		{name: "empty mapping", key: "bfd: {}", want: BFD{On: true}},
		{name: "true", key: "bfd: true", want: BFD{On: true}},
		{name: "false", key: "bfd: false"},
		{name: "null", key: "bfd:"},
		{name: "default", standard: "bfd: {detectMultiplier: 5}", want: BFD{On: true, DetectMultiplier: 5}},
		{name: "null over a default", standard: "bfd: true", key: "bfd:", want: BFD{On: true}},
		{name: "false over a default", standard: "bfd: true", key: "bfd: false"},
		{name: "mapping over a default", standard: "bfd: {detectMultiplier: 5}", key: "bfd: {receiveInterval: 50}", want: BFD{On: true, ReceiveInterval: 50}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse("config.yaml", []byte("asn: 65000\nneighborDefaults:\n  asn: 65030\n  "+test.standard+
				"\nneighbors:\n- address: 10.0.0.1\n  "+test.key+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, c.Neighbors[0].BFD); diff != "" {
				t.Errorf("BFD differs (-want +got):\n%s", diff)
			}
		})
	}
}
