package update

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/test/lab"
)

// patience is how long a session, and what is told over it, may take on a loaded machine: one that is to be passive on both
// sides, because the neighbor waits for the node to restart (RFC 4724), comes after FRR's restart-time, two minutes.
const patience = 3 * time.Minute

// site is a node, 10.0.N.1 and AS 65000, with some neighbors, 10.0.N.2, each a router on a link of its own.
type site struct {
	near     *lab.Router
	far      []*far
	reloader *reload.Reloader
	renderer *render.Renderer
	// foretold is what was told of the last change.
	foretold reload.Foresight
}

// far is a neighbor of the node.
type far struct {
	*lab.Router
	// near and address are the node's address and its own.
	near, address netip.Addr
	shell         frr.Vtysh
	counter       *lab.UpdateCounter
}

// newSite starts a node's FRR, which holds nothing yet, and a neighbor for each of these AS numbers.
func newSite(t *testing.T, v lab.Version, asns ...int) *site {
	t.Helper()
	s := &site{}
	node := lab.NewNamespace(t, "node")
	for i, asn := range asns {
		tor := lab.NewNamespace(t, "tor")
		ends := func(host int) []netip.Prefix {
			return []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.0.%d.%d/24", i, host)), netip.MustParsePrefix(fmt.Sprintf("fd00:%d::%d/64", i, host))}
		}
		lab.Link(t, node, fmt.Sprintf("eth%d", i), ends(1), tor, "eth0", ends(2))
		f := &far{near: ends(1)[0].Addr(), address: ends(2)[0].Addr()}
		f.Router = tor.StartFRR(t, v, fmt.Sprintf(`router bgp %[1]d
 bgp router-id %[2]s
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor %[3]s remote-as %[4]s
 neighbor %[3]s timers connect 1
 %[5]s
 address-family ipv4 unicast
  network 192.0.2.%[6]d/32
  neighbor %[3]s activate
 exit-address-family
 address-family ipv6 unicast
  neighbor %[3]s activate
 exit-address-family
exit
`, asn, f.address, f.near, remoteAS(asn), multihop(asn, f.near), i))
		f.shell = shell(f.Router)
		f.counter = f.CountUpdates(f.near)
		s.far = append(s.far, f)
	}
	s.near = node.StartFRR(t, v, "", lab.WithArgs("bgpd", "-M", frr.BMP))
	s.reloader = reload.New(shell(s.near), reload.File{})
	s.reloader.Foretell(func(f reload.Foresight) { s.foretold = f })
	var err error
	if s.renderer, err = render.New(templates.FS); err != nil {
		t.Fatal(err)
	}
	return s
}

// nodeAS is the node's AS.
const nodeAS = 65000

// remoteAS is what a neighbor of this AS says of the node's.
func remoteAS(asn int) string {
	if asn == nodeAS {
		return "internal"
	}
	return "external"
}

// multihop has an eBGP neighbor send with a TTL that passes for ttl-security too.
func multihop(asn int, near netip.Addr) string {
	if asn == nodeAS {
		return "!"
	}
	return fmt.Sprintf("neighbor %s ebgp-multihop 255", near)
}

func shell(r *lab.Router) frr.Vtysh {
	return frr.Vtysh{Command: r.VtyshCommand(), Root: r.Version.Root, RunDir: "/run/frr", Pathspace: r.Pathspace}
}

// speaker is what a configuration makes of a snapshot.
func speaker(c config.Config, snapshot reduce.Snapshot) (route.Speaker, error) {
	result, err := reduce.Reduce(snapshot, c, "node1")
	if err != nil {
		return route.Speaker{}, err
	}
	if len(result.Skipped) > 0 {
		return route.Speaker{}, fmt.Errorf("skipped %v", result.Skipped)
	}
	return result.Speaker, nil
}

// apply takes the node to what a speaker should say, and gives what was changed.
func (s *site) apply(t *testing.T, speaker route.Speaker) reload.Change {
	t.Helper()
	conf, err := s.renderer.Render(speaker)
	if err != nil {
		t.Fatal(err)
	}
	s.foretold = reload.Foresight{}
	change, err := s.reloader.Apply(t.Context(), conf)
	if err != nil {
		t.Fatalf("%v\n%s", err, change)
	}
	return change
}

// neighbor is the session as the far side has it.
func (f *far) neighbor(t *testing.T) (frr.Neighbor, error) {
	t.Helper()
	neighbors, err := f.shell.Neighbors(t.Context(), "")
	if err != nil || len(neighbors) != 1 {
		return frr.Neighbor{}, fmt.Errorf("%d neighbors, %w", len(neighbors), err)
	}
	if n := neighbors[0]; n.State != frr.Established {
		return n, errors.New(n.State)
	}
	return neighbors[0], nil
}

// own gives those of some prefixes that the node announces of itself, sorted, each once.
func own(prefixes []netip.Prefix) []netip.Prefix {
	ours := slices.DeleteFunc(slices.Clone(prefixes), func(p netip.Prefix) bool { return !pods4.Contains(p.Addr()) && !pods6.Contains(p.Addr()) })
	slices.SortFunc(ours, route.ComparePrefixes)
	return slices.Compact(ours)
}
