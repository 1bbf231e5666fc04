package config

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"github.com/fairlead/fairlead/route"
)

// FuzzParse checks what every Config that Parse gives must fulfil, and every error.
func FuzzParse(f *testing.F) {
	for _, name := range cases(f) {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file(f, archive, "config.yaml"))
	}
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("config.yaml", data)
		if err != nil {
			checkErrors(t, data, err)
			return
		}
		if c.ASN == 0 {
			t.Error("asn is 0")
		}
		checkRouters(t, c)
		names, addresses := map[string]bool{}, map[[2]string]bool{}
		for i, n := range c.Neighbors {
			end := [2]string{vrfOf(c, n), n.Interface}
			if n.Interface == "" {
				end[1] = n.Address.String()
			}
			switch {
			case n.HoldTime < n.KeepaliveTime || n.KeepaliveTime < time.Second || n.HoldTime > 65535*time.Second:
				t.Errorf("neighbors[%d] has hold time %s and keepalive time %s", i, n.HoldTime, n.KeepaliveTime)
			case n.HoldTime%time.Second != 0 || n.KeepaliveTime%time.Second != 0 || n.ConnectTime%time.Second != 0:
				t.Errorf("neighbors[%d] has a time that is not in whole seconds", i)
			case n.Address.IsValid() != (n.Interface == "") || n.Address.Zone() != "" || n.Address.Is4In6() || n.Address.IsLinkLocalUnicast() && n.Address.Is6():
				t.Errorf("neighbors[%d] has the address %s and the interface %q", i, n.Address, n.Interface)
			case addresses[end] && n.NodeSelector.Everywhere():
				t.Errorf("neighbors[%d] has the address %s again", i, end)
			case n.Name == "" || names[n.Name]:
				t.Errorf("neighbors[%d] has the name %q", i, n.Name)
			case n.Port == 0 || n.ASN.IsZero() || n.EBGPMultihop == 1:
				t.Errorf("neighbors[%d] has port %d, AS %s, multihop %d", i, n.Port, n.ASN, n.EBGPMultihop)
			case n.EBGPMultihop > 0 && n.TTLSecurityHops > 0:
				t.Errorf("neighbors[%d] has multihop %d and TTL security hops %d", i, n.EBGPMultihop, n.TTLSecurityHops)
			case len(n.Families) == 0 || !slices.IsSorted(n.Families) || len(slices.Compact(slices.Clone(n.Families))) != len(n.Families):
				t.Errorf("neighbors[%d] has the families %v", i, n.Families)
			case strings.ContainsFunc(n.Description+n.Interface, func(r rune) bool { return r < ' ' || r > '~' || r == '|' }) || len(n.Description) > 80:
				t.Errorf("neighbors[%d] has the description %q and the interface %q", i, n.Description, n.Interface)
			}
			checkKind(t, c, i)
			checkPolicy(t, c, i)
			names[n.Name], addresses[end] = true, true
		}
		checkCluster(t, c)
		for i, p := range c.Announce.AllowedPrefixes {
			if !p.IsValid() || p != p.Masked() {
				t.Errorf("allowedPrefixes[%d] is %s", i, p)
			}
		}
	})
}

// checkCluster looks at what names something of the cluster or of the node.
func checkCluster(t *testing.T, c Config) {
	t.Helper()
	if k := c.Kubernetes; k.Scope != ScopeCluster && (k.Scope != ScopeNode || c.Announce.PodsInAnnouncedSubnets) {
		t.Errorf("the scope is %q, and podsInAnnouncedSubnets is %t", k.Scope, c.Announce.PodsInAnnouncedSubnets)
	}
	if s := c.Status; s.Socket != "" && s.Socket[0] != '/' || len(s.Socket) > 107 || s.Listen != "" && !strings.Contains(s.Listen, ":") {
		t.Errorf("status is %+v", s)
	}
	if v := c.Verify; v.Deadline < time.Second || v.Claims.Interval < time.Second || v.BMP.Feed && !v.BMP.FedBy().IsValid() {
		t.Errorf("verify is %+v", v)
	}
	objectName := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	if name := c.NATGateway; name != "" && (!objectName.MatchString(name) || len(name) > 253) {
		t.Errorf("natGateway is %q", name)
	}
	for i, n := range c.Neighbors {
		ref := n.PasswordSecretRef
		if ref == (SecretRef{}) {
			continue
		}
		if n.PasswordFile != "" || ref.Key == "" || !objectName.MatchString(ref.Name) || strings.ContainsAny(ref.Namespace+ref.Key, "/ ") {
			t.Errorf("neighbors[%d] has the password of %+v and of %q", i, ref, n.PasswordFile)
		}
	}
}

func vrfOf(c Config, n Neighbor) string {
	if i := slices.IndexFunc(c.Routers, func(r Router) bool { return r.Name == n.Router && r.VRF }); i >= 0 {
		return n.Router
	}
	return ""
}

func checkRouters(t *testing.T, c Config) {
	t.Helper()
	names, own := map[string]bool{"": true, "default": true}, map[uint32]bool{uint32(c.ASN): true}
	for i, r := range c.Routers {
		if names[r.Name] || len(r.Name) > 15 || r.ASN == 0 || r.RouterID.IsValid() && !r.RouterID.Is4() || r.ClusterID.IsValid() && !r.ClusterID.Is4() {
			t.Errorf("routers[%d] is %+v", i, r)
		}
		names[r.Name], own[uint32(r.ASN)] = true, true
	}
	for i, community := range c.LargeCommunities {
		if own[community.GlobalAdministrator] && community.LocalData1 == route.MarkerData {
			t.Errorf("largeCommunities[%d] is a marker, %s", i, community)
		}
	}
	for i, n := range c.Neighbors {
		if n.Router != "" && !names[n.Router] {
			t.Errorf("neighbors[%d] is of router %q", i, n.Router)
		}
	}
}

// checkKind looks at what is possible on one kind of session only.
func checkKind(t *testing.T, c Config, i int) {
	t.Helper()
	n, local := c.Neighbors[i], c.ASN
	for _, r := range c.Routers {
		if r.Name == n.Router {
			local = r.ASN
		}
	}
	if internal := n.ASN.IsInternal(local); internal && (n.EBGPMultihop > 0 || n.LocalASN != 0) || !internal && n.RouteReflectorClient {
		t.Errorf("neighbors[%d]: iBGP is %t with multihop %d, local AS %d, client %t", i, internal, n.EBGPMultihop, n.LocalASN, n.RouteReflectorClient)
	}
	if n.LocalASN != 0 && (n.LocalASN == local || n.ASN == route.RemoteASN(n.LocalASN)) {
		t.Errorf("neighbors[%d] has local AS %d in %d to %s", i, n.LocalASN, local, n.ASN)
	}
	if n.Interface != "" && (n.EBGPMultihop > 0 || n.TTLSecurityHops > 1 || n.SourceAddress.IsValid() || n.Port != defaultPort) {
		t.Errorf("neighbors[%d] is unnumbered with multihop %d, TTL %d, source %s, port %d", i, n.EBGPMultihop, n.TTLSecurityHops, n.SourceAddress, n.Port)
	}
	if n.Interface == "" && n.SourceAddress.IsValid() && n.SourceAddress.Is4() != n.Address.Is4() {
		t.Errorf("neighbors[%d] has address %s and source %s", i, n.Address, n.SourceAddress)
	}
	if n.ExtendedNextHop && (n.Address.Is4() || !slices.Contains(n.Families, route.IPv4Unicast)) {
		t.Errorf("neighbors[%d] has extended next hops with address %s and families %v", i, n.Address, n.Families)
	}
}

// checkPolicy looks at what is accepted and passed on.
func checkPolicy(t *testing.T, c Config, i int) {
	t.Helper()
	n := c.Neighbors[i]
	r := n.Receive
	if (r.Accept == AcceptList) != (len(r.Prefixes) > 0) || r.Accept == "" || r.Accept == AcceptNone && (r.Install || n.AllowASIn > 0) {
		t.Errorf("neighbors[%d] receives %+v, and allows our AS %d times", i, r, n.AllowASIn)
	}
	for _, p := range r.Prefixes {
		bits, longest := uint8(p.Prefix.Bits()), uint8(p.Prefix.Addr().BitLen())
		if p.Prefix != p.Prefix.Masked() || p.GE != 0 && (p.GE < bits || p.GE > longest) || p.LE != 0 && (p.LE < max(bits, p.GE) || p.LE > longest) {
			t.Errorf("neighbors[%d] receives %+v", i, p)
		}
	}
	h := n.NextHop
	if h.IPv4.IsValid() && !h.IPv4.Is4() || h.IPv6.IsValid() && !h.IPv6.Is6() || h.Mode == NextHopUnchanged && len(n.Transit) == 0 {
		t.Errorf("neighbors[%d] has the next hop %+v", i, h)
	}
	for _, name := range n.Transit {
		j := slices.IndexFunc(c.Neighbors, func(other Neighbor) bool { return other.Name == name })
		if j < 0 || j == i || c.Neighbors[j].Router != n.Router || c.Neighbors[j].Receive.Accept == AcceptNone {
			t.Errorf("neighbors[%d] has transit from %q", i, name)
		}
	}
}

func checkErrors(t *testing.T, data []byte, err error) {
	t.Helper()
	var all Errors
	if !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("Parse gives %T, want Errors", err)
	}
	// A carriage return alone, NEL, LS and PS break lines in YAML too.
	lines := len(data) + 1
	for i, e := range all {
		if e.Line < 1 || e.Line > lines {
			t.Errorf("error %d is on line %d of at most %d", i, e.Line, lines)
		}
		if e.Message == "" || strings.ContainsAny(e.Error(), "\r\n") {
			t.Errorf("error %d is not one line: %q", i, e.Error())
		}
		if i > 0 && all[i-1].Line > e.Line {
			t.Errorf("error %d is on line %d, after one on line %d", i, e.Line, all[i-1].Line)
		}
	}
}
