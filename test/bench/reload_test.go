package bench

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/test/lab"
)

const (
	// Withdrawing 500 of 1,000 routes takes at most barVtysh of a bare vtysh -f with the same lines, and barPeer times less
	// than frr-reload.py.
	barVtysh = 1.5
	barPeer  = 100
	// Adding one route to 100,000 takes at most barOne of a bare vtysh -c of it.
	barOne = 2
)

// BenchmarkReload takes the time from the decision, which is the call of Reloader.Apply, until vtysh has returned, and beside it that
// of the ways that FRR itself offers, in turns. What Apply does then to make sure, and to keep frr.conf, is told as whole-ms.
func BenchmarkReload(b *testing.B) {
	for _, v := range lab.Versions(b) {
		b.Run("withdraw-500-of-1000/"+v.Name, func(b *testing.B) { withdraw(b, v) })
		b.Run("add-one-to-100000/"+v.Name, func(b *testing.B) { addOne(b, v) })
	}
}

func withdraw(b *testing.B, v lab.Version) {
	const rounds = 15
	s := newSite(b, v)
	all, half := conf(1000, 1), conf(1000, 2)
	for b.Loop() {
		s.apply(all)
		change, err := s.reloader.Plan(b.Context(), half)
		must(b, err)
		script := string(change.Script())
		var ours, whole, bare []time.Duration
		byFairlead := func() {
			vtysh, all := s.apply(half)
			ours, whole = append(ours, vtysh), append(whole, all)
		}
		byVtysh := func() {
			bare = append(bare, timed(func() { s.near.Load(script) }))
			s.reloader.Forget()
		}
		for round := range rounds {
			turns := []func(){byFairlead, byVtysh}
			if round%2 == 1 {
				slices.Reverse(turns)
			}
			for _, turn := range turns {
				s.told(1000)
				turn()
				s.told(500)
				s.apply(all)
			}
		}
		s.told(1000)
		peer := timed(func() { s.frrReload(half) })
		s.told(500)
		s.reloader.Forget()
		vtysh, python := ratio(ours, bare), float64(peer)/float64(median(ours))
		report(b, "fairlead", ours)
		report(b, "whole", whole)
		report(b, "vtysh-f", bare)
		report(b, "frr-reload.py", []time.Duration{peer})
		b.ReportMetric(vtysh, "x-vtysh-f")
		b.ReportMetric(python, "x-faster-than-frr-reload.py")
		if vtysh > barVtysh {
			b.Errorf("withdrawing 500 of 1,000 takes %.2f times what vtysh -f takes; %.1f are allowed", vtysh, barVtysh)
		}
		if python < barPeer {
			b.Errorf("withdrawing 500 of 1,000 is %.0f times as fast as frr-reload.py; %d are asked for", python, barPeer)
		}
	}
}

func addOne(b *testing.B, v lab.Version) {
	const rounds = 15
	s := newSite(b, v)
	table := conf(100_000, 1)
	one := "  network 10.15.0.1/32 route-map FL-GROUP-1"
	more := bytes.Replace(table, []byte("  network "), []byte(one+"\n  network "), 1)
	for b.Loop() {
		s.apply(table)
		s.told(100_000)
		var ours, whole, bare []time.Duration
		byFairlead := func() {
			vtysh, all := s.apply(more)
			ours, whole = append(ours, vtysh), append(whole, all)
			s.apply(table)
		}
		byVtysh := func() {
			bare = append(bare, timed(func() { s.vtysh("configure terminal", "router bgp 65000", "address-family ipv4 unicast", one) }))
			s.vtysh("configure terminal", "router bgp 65000", "address-family ipv4 unicast", "no network 10.15.0.1/32")
		}
		for round := range rounds {
			turns := []func(){byFairlead, byVtysh}
			if round%2 == 1 {
				slices.Reverse(turns)
			}
			for _, turn := range turns {
				turn()
			}
		}
		x := ratio(ours, bare)
		report(b, "fairlead", ours)
		report(b, "whole", whole)
		report(b, "vtysh-c", bare)
		b.ReportMetric(x, "x-vtysh-c")
		if x > barOne {
			b.Errorf("adding one route to 100,000 takes %.2f times what vtysh -c takes; %d are allowed", x, barOne)
		}
	}
}

// site is an FRR of a node with a session to a ToR, and the Reloader that drives it.
type site struct {
	b         *testing.B
	near, far *lab.Router
	shell     frr.Vtysh
	reloader  *reload.Reloader
	// applied is when vtysh had returned from the last apply.
	applied time.Time
}

func newSite(b *testing.B, v lab.Version) *site {
	node, tor := lab.NewNamespace(b, "node"), lab.NewNamespace(b, "tor")
	lab.Link(b, node, "eth0", []netip.Prefix{netip.MustParsePrefix("10.0.1.2/24")}, tor, "eth0", []netip.Prefix{netip.MustParsePrefix("10.0.1.1/24")})
	s := &site{b: b}
	s.far = tor.StartFRR(b, v, "router bgp 65001\n no bgp ebgp-requires-policy\n neighbor 10.0.1.2 remote-as external\n"+
		" neighbor 10.0.1.2 timers connect 1\nexit\n")
	s.near = node.StartFRR(b, v, "")
	s.shell = shellOf(s.near)
	s.reloader = reload.New(s, reload.File{Path: filepath.Join(s.near.EtcDir, "frr.conf"), Write: frr.WriteConfig})
	return s
}

func shellOf(r *lab.Router) frr.Vtysh {
	return frr.Vtysh{Command: r.VtyshCommand(), Root: r.Version.Root, RunDir: "/run/frr", Pathspace: r.Pathspace}
}

// RunningConfig implements reload.FRR.
func (s *site) RunningConfig(ctx context.Context) ([]byte, error) { return s.shell.RunningConfig(ctx) }

// Originated implements reload.FRR.
func (s *site) Originated(ctx context.Context, networks []frr.Network) ([]frr.Originated, error) {
	return s.shell.Originated(ctx, networks)
}

// Apply implements reload.FRR, and takes the time.
func (s *site) Apply(ctx context.Context, script []byte) error {
	err := s.shell.Apply(ctx, script)
	s.applied = time.Now()
	return err
}

// ApplyAlone implements reload.FRR, and takes the time.
func (s *site) ApplyAlone(ctx context.Context, script []byte) error {
	err := s.shell.ApplyAlone(ctx, script)
	s.applied = time.Now()
	return err
}

// apply makes FRR hold a configuration, and gives how long that took until vtysh had returned, and in all.
func (s *site) apply(conf []byte) (vtysh, whole time.Duration) {
	began := time.Now()
	_, err := s.reloader.Apply(s.b.Context(), conf)
	must(s.b, err)
	return s.applied.Sub(began), time.Since(began)
}

func (s *site) vtysh(commands ...string) {
	if _, err := s.near.Vtysh(s.b.Context(), commands...); err != nil {
		s.b.Fatal(err)
	}
}

// frrReload has FRR's own tool make FRR hold a configuration.
func (s *site) frrReload(conf []byte) {
	file := filepath.Join(s.b.TempDir(), "frr.conf")
	must(s.b, os.WriteFile(file, conf, 0o600))
	ctx, cancel := context.WithTimeout(s.b.Context(), 10*time.Minute)
	defer cancel()
	out, err := s.near.Namespace.Command(ctx, s.near.Version, "/usr/lib/frr/frr-reload.py", "--reload", "--overwrite", "--stdout", "--log-level", "error",
		"--pathspace", s.near.Pathspace, "--rundir", "/tmp", "--confdir", "/etc/frr/"+s.near.Pathspace, s.near.Version.Install(s.b, file)).CombinedOutput()
	if err != nil {
		s.b.Fatalf("frr-reload.py: %v\n%s", err, out)
	}
}

// told waits until the ToR has received so many routes. It asks for their number: a table of 100,000 takes long to print.
func (s *site) told(routes int) {
	lab.Eventually(s.b, 2*time.Minute, fmt.Sprintf("%d routes at the ToR", routes), func() error {
		summary, err := shellOf(s.far).Summary(s.b.Context(), "")
		if err != nil {
			return err
		}
		for _, session := range summary.Sessions {
			if session.Received == routes {
				return nil
			}
		}
		return fmt.Errorf("sessions %v", summary.Sessions)
	})
}

// conf gives a configuration of every step-th of n routes for the ToR.
func conf(n, step int) []byte {
	var out bytes.Buffer
	out.WriteString(`frr defaults traditional
bgp large-community-list standard FL-TO-1 seq 5 permit 65000:4242:1
bgp large-community-list expanded FL-MARKERS-65000 seq 5 permit 65000:4242:.*
route-map FL-GROUP-1 permit 10
 set large-community 65000:4242:1
exit
route-map FL-OUT-1 permit 10
 match large-community FL-TO-1
 set large-comm-list FL-MARKERS-65000 delete
exit
route-map FL-IN-NONE deny 10
exit
router bgp 65000
 bgp router-id 10.0.1.2
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 10.0.1.1 remote-as 65001
 neighbor 10.0.1.1 timers connect 1
 !
 address-family ipv4 unicast
`)
	for i := 0; i < n; i += step {
		fmt.Fprintf(&out, "  network 10.%d.%d.%d/32 route-map FL-GROUP-1\n", 16+i>>16, i>>8&255, i&255)
	}
	out.WriteString("  neighbor 10.0.1.1 activate\n  neighbor 10.0.1.1 route-map FL-IN-NONE in\n  neighbor 10.0.1.1 route-map FL-OUT-1 out\n" +
		" exit-address-family\nexit\nend\n")
	return out.Bytes()
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func timed(do func()) time.Duration {
	began := time.Now()
	do()
	return time.Since(began)
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

func ratio(ours, theirs []time.Duration) float64 {
	return float64(median(ours)) / float64(median(theirs))
}

func report(b *testing.B, what string, times []time.Duration) {
	b.ReportMetric(float64(median(times).Microseconds())/1000, what+"-ms")
}
