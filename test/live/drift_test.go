package live_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// look sets keys under frr, beside those that say where FRR is.
func look(t *testing.T, s *site.Site, more string) {
	t.Helper()
	s.Write("mode", "frr: {mode: external, pathspace: "+s.Node.Name+", "+more+"}\nstatus: {socket: "+s.Inside("agent.sock")+"}\n")
}

// audit has the agent make an audit, and gives what it prints and whether it found changes by hand.
func audit(t *testing.T, s *site.Site, more ...string) (page string, drift bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	args := slices.Concat(s.Command("audit"), []string{"--socket", s.Inside("agent.sock")}, more)
	out, err := s.Node.Command(ctx, s.Version, args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(string(out), "somebody changed FRR by hand")) {
		t.Fatalf("audit: %v\n%s", err, out)
	}
	return string(out), err != nil
}

// clean checks that FRR holds what the agent made it.
func clean(t *testing.T, s *site.Site, what string) {
	t.Helper()
	if page, drift := audit(t, s); drift {
		t.Errorf("%s: an audit finds\n%s", what, page)
	}
}

// find gives what a pattern's group finds in the node's running configuration.
func find(t *testing.T, s *site.Site, pattern string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(s.Near.RunningConfig())
	if found == nil {
		t.Fatalf("no %s in\n%s", pattern, s.Near.RunningConfig())
	}
	return found[1]
}

// TestByHand has somebody change FRR by hand in all ways that he would: an audit tells each with its owner, and then it is put
// right, or left, as configured; no session is reset that his own hand did not touch.
func TestByHand(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			neighbors := site.SpineLine + fmt.Sprintf(site.ToRLine, ", receive: {prefixes: [{prefix: 10.40.0.0/16}]}")
			look(t, s, "audit: {interval: 1h}")
			s.Edit(neighbors)
			s.Start()
			s.Announced(s.ToR)
			s.Announced(s.Spine)
			s.Announce("10.16.0.5")
			s.Near.Grown()
			clean(t, s, "at first")

			group, list := find(t, s, `network 10.16.0.5/32 route-map (\S+)`), find(t, s, `ip prefix-list (\S+) seq 5 permit 10.40`)
			in, before := find(t, s, `neighbor 10.0.1.254 route-map (\S+) in`), s.Resets(s.ToR)
			s.Near.Load(`
router bgp 65000
 neighbor 10.0.1.254 timers 5 15
 neighbor 192.0.2.1 remote-as 65099
 neighbor 192.0.2.1 password hunter2
 address-family ipv4 unicast
  network 10.9.9.0/24
  no network 10.16.0.5/32
  no neighbor 10.0.1.254 route-map ` + in + ` in
 exit-address-family
exit
route-map ` + group + ` permit 10
 set metric 7
exit
no ip prefix-list ` + list + ` seq 5 permit 10.40.0.0/16
ip prefix-list ` + list + ` seq 5 permit 10.41.0.0/16
route-map MINE permit 10
exit
`)
			page, drift := audit(t, s)
			const family = "router bgp 65000 / address-family ipv4 unicast / "
			for _, want := range []string{
				`changed +fairlead +router bgp 65000 / neighbor 10\.0\.1\.254 timers 3 9 +neighbor 10\.0\.1\.254 timers 5 15 +Config neighbors\[1\]`,
				`added +unowned +router bgp 65000 / neighbor 192\.0\.2\.1 remote-as 65099\n`,
				`added +unowned +router bgp 65000 / neighbor 192\.0\.2\.1 password \*\*\*\n`,
				`added +unowned +` + family + `network 10\.9\.9\.0/24\n`,
				`missing +fairlead +` + family + `network 10\.16\.0\.5/32 route-map ` + group + ` +Pod default/pod-10\.16\.0\.5\n`,
				`missing +fairlead +` + family + `neighbor 10\.0\.1\.254 route-map ` + in + ` in +Config neighbors\[1\]\n`,
				`added +fairlead +route-map ` + group + ` permit 10 / set metric 7\n`,
				`changed +fairlead +ip prefix-list ` + list + ` seq 5 permit 10\.40\.0\.0/16 +ip prefix-list ` + list + ` seq 5 permit 10\.41\.0\.0/16\n`,
			} {
				if !drift || !regexp.MustCompile(want).MatchString(page) {
					t.Errorf("the audit does not tell %s:\n%s", want, page)
				}
			}
			if strings.Contains(page, "MINE") || strings.Contains(page+s.Agent.Output(), "hunter2") {
				t.Errorf("the audit tells what it should not:\n%s", page)
			}
			s.Says(0, "somebody changed FRR by hand, putting it right: missing "+family+"network 10.16.0.5/32")
			clean(t, s, "put right")
			s.Standing(s.ToR, before, "put right")
			s.Standing(s.Spine, 0, "put right")
			if !strings.Contains(s.Near.RunningConfig(), "route-map MINE permit 10") {
				t.Error("somebody's own route-map is gone")
			}

			// What a hand takes down comes back.
			s.Near.Load("router bgp 65000\n no neighbor 10.0.1.254\nexit\n")
			if page, drift := audit(t, s, "-o", "json"); !drift || strings.Count(page, `"missing"`) < 3 {
				t.Errorf("without the neighbor an audit finds\n%s", page)
			}
			s.Announced(s.ToR)
			clean(t, s, "the neighbor is back")

			// Left as it is, told once, while all else goes on.
			look(t, s, "audit: {interval: 5s, drift: report}")
			mark := s.Mark()
			s.Edit(neighbors)
			s.Says(mark, "configuration applied")
			mark = s.Mark()
			s.Near.Load("router bgp 65000\n neighbor 10.0.1.254 shutdown\n address-family ipv4 unicast\n  network 10.9.9.0/24\n exit-address-family\nexit\n")
			const shut = "added router bgp 65000 / neighbor 10.0.1.254 shutdown (fairlead)"
			s.Says(mark, "somebody changed FRR by hand, leaving it (frr.audit.drift): "+shut, "network 10.9.9.0/24 (unowned)")
			s.Announce("10.16.0.6")
			s.Announce("10.16.0.7")
			if _, drift := audit(t, s); !drift {
				t.Error("what was left is no longer told")
			}
			conf := s.Near.RunningConfig()
			if !strings.Contains(conf, " neighbor 10.0.1.254 shutdown\n") || !strings.Contains(conf, "  network 10.9.9.0/24\n") {
				t.Errorf("what was to be left is put right:\n%s", conf)
			}
			if out := s.Agent.Output()[mark:]; strings.Count(out, shut) != 1 {
				t.Errorf("it is told more than once:\n%s", out)
			}
			if state := ask(t, s, "status"); !strings.Contains(state, "ChangedByHand") {
				t.Errorf("the status does not tell:\n%s", state)
			}

			// Healed again by the clock.
			look(t, s, "audit: {interval: 5s}")
			s.Edit(neighbors)
			s.ToR.Eventually(30*time.Second, "the neighbor is no longer shut", func() error {
				if got := s.ToR.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.16.0.7/32")]; len(got) != 1 {
					return fmt.Errorf("the agent says\n%s", s.Agent.Output()[mark:])
				}
				return nil
			})
			clean(t, s, "at last")
			s.Standing(s.Spine, 0, "at last")
		})
	}
}

// ask asks the agent's socket.
func ask(t *testing.T, s *site.Site, verb string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := s.Node.Command(ctx, s.Version, append(s.Command(verb), "--socket", s.Inside("agent.sock"))...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", verb, err, out)
	}
	return string(out)
}

// own gives the lines of somebody's own in a configuration, behind their contexts.
func own(conf string) []string {
	var found []string
	context := ""
	for line := range strings.Lines(conf) {
		line = strings.TrimSuffix(line, "\n")
		switch text := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "router ") || strings.HasPrefix(line, "route-map "):
			context = line
		case strings.HasPrefix(text, "address-family "):
			context = "router bgp 65000 /" + line
		case strings.Contains(line, "10.0.1.254") || strings.Contains(line, "10.9.") || strings.Contains(line, "bestpath"):
			found = append(found, context+" / "+line)
		}
	}
	slices.Sort(found)
	return found
}

// TestForeign holds a session of somebody's own in the router of the agent, which changes all around it: his statements stay as
// they are, in FRR and in frr.conf, and so does his session, beyond the agent's own end.
func TestForeign(t *testing.T) {
	const guest = `router bgp 65000
 bgp bestpath as-path multipath-relax
 neighbor 10.0.1.254 remote-as 65001
 neighbor 10.0.1.254 timers 3 9
 neighbor 10.0.1.254 timers connect 1
 !
 address-family ipv4 unicast
  network 10.9.9.0/24
  aggregate-address 10.9.0.0/16
  neighbor 10.0.1.254 activate
  neighbor 10.0.1.254 route-map MINE in
  neighbor 10.0.1.254 route-map MINE out
 exit-address-family
exit
!
`
	changes := 6
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		changes = 100
	}
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			file := v.Path("etc/frr", s.Node.Name, "frr.conf")
			if err := os.WriteFile(file, []byte(guest), 0o640); err != nil {
				t.Fatal(err)
			}
			look(t, s, `audit: {interval: 5s}, foreign: ["router bgp 65000 / neighbor 10.0.1.254", "router bgp 65000 / bgp bestpath",
  "router bgp 65000 / address-family ipv4 unicast / network 10.9.9.0/24", "router bgp 65000 / address-family ipv4 unicast / aggregate-address"]`)
			s.Edit(site.SpineLine)
			s.Agent = s.Node.Start(t, v, append(s.Command("run"), "--withdraw-on-exit")...)
			s.Announced(s.Spine)
			s.Near.Load("route-map MINE permit 10\nexit\n" + guest)
			told := func(when string) {
				t.Helper()
				s.ToR.Eventually(30*time.Second, when+", tor has somebody's route", func() error {
					if got := s.ToR.Routes(route.IPv4Unicast)[netip.MustParsePrefix("10.9.9.0/24")]; len(got) != 1 {
						return fmt.Errorf("paths %v; the agent says:\n%s", got, s.Agent.Output())
					}
					return nil
				})
			}
			told("at first")
			inFRR, before := own(s.Near.RunningConfig()), s.Resets(s.ToR)
			conf, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			inFile := own(string(conf))
			if len(inFRR) < 9 || len(inFile) != 9 {
				t.Fatalf("somebody's own is\n%q in FRR and\n%q in the file:\n%s", inFRR, inFile, conf)
			}
			check := func(when string) {
				t.Helper()
				if diff := cmp.Diff(inFRR, own(s.Near.RunningConfig())); diff != "" {
					t.Fatalf("%s, in FRR (-want +got):\n%s", when, diff)
				}
				conf, err := os.ReadFile(file)
				if diff := cmp.Diff(inFile, own(string(conf))); diff != "" || err != nil {
					t.Fatalf("%s, in the file (-want +got):\n%s%v", when, diff, err)
				}
				s.Standing(s.ToR, before, when)
			}
			for i := range changes {
				switch i % 3 {
				case 0:
					mark := s.Mark()
					s.Edit(site.SpineLine, fmt.Sprintf("communities: [65000:%d]\n", i+1))
					s.Says(mark, "configuration applied")
				case 1:
					s.Announce(fmt.Sprintf("10.16.1.%d", i))
				default:
					mark := s.Mark()
					s.Edit(site.SpineLine + "  - {name: other, address: 10.0.2.99, asn: 65003}\n")
					s.Says(mark, "configuration applied")
				}
				check(fmt.Sprintf("after change %d", i))
			}
			page, drift := audit(t, s)
			if drift || !regexp.MustCompile(`added +foreign +router bgp 65000 / neighbor 10\.0\.1\.254 remote-as 65001`).MatchString(page) {
				t.Errorf("an audit finds\n%s", page)
			}
			if out := s.Agent.Output(); strings.Contains(out, "by hand") {
				t.Errorf("what is foreign is taken for a change by hand:\n%s", out)
			}
			lab.Eventually(t, 20*time.Second, "diff would change nothing", func() error {
				if out := s.Run("diff"); out != "" {
					return errors.New(out)
				}
				return nil
			})

			s.Agent.Stop()
			s.Spine.Eventually(20*time.Second, "spine's session ends", func() error {
				if n, err := s.Session(s.Spine); err != nil || n.State == "Established" {
					return fmt.Errorf("it is %s, %w; the agent says\n%s", n.State, err, s.Agent.Output())
				}
				return nil
			})
			check("after the agent's end")
			told("after the agent's end")
		})
	}
}
