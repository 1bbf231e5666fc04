package live_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// breakBFDD has bfdd end at its start, until the function that it gives is called. The agent is to be embedded, and not to have
// started yet.
func breakBFDD(t *testing.T, s *site.Site) (mend func()) {
	t.Helper()
	programs := s.Version.Programs(t)
	programs.Break("bfdd")
	s.Write("mode", "frr: {mode: embedded, pathspace: "+s.Node.Name+", paths: {daemons: "+programs.Dir+"}}\n")
	return func() { programs.Mend("bfdd") }
}

// TestDaemonThatCannotStart asks for BFD where bfdd ends at its start: that configuration is refused, and all else goes
// on, before and after.
func TestDaemonThatCannotStart(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, true)
			mend := breakBFDD(t, s)
			plain, bfd := site.SpineLine+fmt.Sprintf(site.ToRLine, ""), site.SpineLine+fmt.Sprintf(site.ToRLine, ", bfd: {receiveInterval: 200}")
			s.Edit(plain)
			s.Start()
			s.Settle()
			before, bgpd := s.Resets(s.ToR), s.BGPD()

			mark := s.Mark()
			s.Edit(bfd)
			s.Says(mark, "daemon ended, starting it again")
			s.Announce("10.16.0.1")
			if out := s.Agent.Output()[mark:]; strings.Contains(out, "keeping the last good") {
				t.Errorf("the pod was announced only when BFD was given up:\n%s", out)
			}
			s.Says(mark, "keeping the last good configuration", "start bfdd, which this configuration needs", "Address already in use")
			s.Announce("10.16.0.2")
			mark = s.Mark()
			s.Edit(bfd, "communities: [65000:1]\n")
			s.Says(mark, "keeping the last good configuration")
			mark = s.Mark()
			s.Edit(plain)
			s.Says(mark, "configuration applied")
			s.Announce("10.16.0.3")
			if slices.Contains(s.Daemons(), "bfdd") || strings.Contains(s.Agent.Output()[mark:], "bfdd") {
				t.Errorf("bfdd is still tried; there run %v, and the agent says\n%s", s.Daemons(), s.Agent.Output()[mark:])
			}
			s.Standing(s.ToR, before, "BFD refused")
			s.Undisturbed("BFD refused")

			mend()
			s.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 bfd\nexit\n")
			s.Edit(bfd)
			s.ToR.Eventually(20*time.Second, "BFD is up", func() error { return site.BFDUp(s.ToR) })
			s.Standing(s.ToR, before, "BFD at last")
			s.Undisturbed("BFD at last")
			if now := s.BGPD(); now != bgpd {
				t.Errorf("bgpd was process %s, and is %s", bgpd, now)
			}
		})
	}
}

// TestWithoutBFDD has routes change while bfdd, which the configuration in force needs, does not run.
func TestWithoutBFDD(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := site.New(t, v, embedded)
		back := func() { s.Near.StartDaemon("bfdd") }
		if embedded {
			// It does not run from the start.
			back = breakBFDD(t, s)
		}
		s.Edit(site.SpineLine + fmt.Sprintf(site.ToRLine, ", bfd: {receiveInterval: 200}"))
		// FRR starts no session that it watches and whose BFD is down, on either side.
		watch := func() { s.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 bfd\nexit\n") }
		if embedded {
			s.Start()
			s.Announced(s.ToR)
			s.Counter = s.Spine.CountUpdates(site.SpineAddress)
		} else {
			watch()
			back()
			s.Start()
			s.Settle()
			s.ToR.Eventually(20*time.Second, "BFD is up", func() error { return site.BFDUp(s.ToR) })
			s.Near.Process("bfdd").Kill()
		}
		s.Announced(s.Spine)
		s.Announce("10.16.0.1")
		s.Says(0, "bfdd is not running: sessions are held without BFD")
		back()
		s.Announce("10.16.0.2")
		lab.Eventually(t, 45*time.Second, "bfdd has its profile", func() error {
			command := s.Node.Command(t.Context(), v, "vtysh", "-N", s.Node.Name, "-d", "bfdd", "-c", "show running-config")
			if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "receive-interval 200") {
				return fmt.Errorf("%w\n%s", err, out)
			}
			return nil
		})
		if embedded {
			watch()
		}
		s.ToR.Eventually(20*time.Second, "BFD is up", func() error { return site.BFDUp(s.ToR) })
		s.Undisturbed("bfdd away and back")
	})
}

// TestListenLast has a neighbor connect to us from now on: bgpd starts again for it when all else is known to be good.
func TestListenLast(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, true)
			plain, passive := site.SpineLine+fmt.Sprintf(site.ToRLine, ""), site.SpineLine+fmt.Sprintf(site.ToRLine, ", passive: true")
			s.Write("templates/README.md", "mine\n")
			const own = "templatesDir: templates\n"
			s.Edit(plain, own)
			s.Start()
			s.Settle()
			bgpd := s.BGPD()

			before := s.Resets(s.ToR)
			release := s.Node.Occupy(t, "tcp", 179)
			mark := s.Mark()
			s.Edit(passive, own)
			s.Says(mark, "keeping the last good configuration", "have bgpd listen, which passive needs: bind: address already in use")
			s.Standing(s.ToR, before, "port taken")
			s.Silent("port taken")
			release()

			mark = s.Mark()
			s.Write("templates/after-neighbor.tmpl", " neighbor {{ .ID }} banana\n")
			s.Says(mark, "keeping the last good configuration", "banana")
			s.Silent("statement refused")
			if now := s.BGPD(); now != bgpd {
				t.Errorf("bgpd was process %s, and is %s", bgpd, now)
			}

			mark = s.Mark()
			if err := os.Remove(s.Path("templates/after-neighbor.tmpl")); err != nil {
				t.Fatal(err)
			}
			s.Says(mark, "configuration applied")
			rest := s.Agent.Output()[mark:]
			for _, text := range []string{
				"this change resets the session with 10.0.1.254 of router bgp 65000 (neighbor passive)",
				"this change resets the session with 10.0.1.254 of router bgp 65000 (bgpd starts again)",
				"this change resets the session with 10.0.2.254 of router bgp 65000 (bgpd starts again)",
				"starting it again for other arguments",
				"configuration applied",
			} {
				_, after, found := strings.Cut(rest, text)
				if !found {
					t.Errorf("the agent does not say, in this order, %q:\n%s", text, s.Agent.Output()[mark:])
					break
				}
				rest = after
			}
			if !s.Listens() {
				t.Error("bgpd does not listen")
			}
			s.Announced(s.ToR)
			s.Announced(s.Spine)
			s.Announce("10.16.0.1")
		})
	}
}

// TestMistakeAtStart starts the agent with a broken file: the last good state stands, and the next good file applies.
func TestMistakeAtStart(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := site.New(t, v, embedded)
		if !embedded {
			s.Near.StartDaemon("bfdd")
		}
		s.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 bfd\nexit\n")
		tor := fmt.Sprintf(site.ToRLine, ", bfd: {receiveInterval: 200}%s")
		good := site.SpineLine + fmt.Sprintf(tor, "")
		if embedded {
			good = site.SpineLine + fmt.Sprintf(tor, ", passive: true")
		}
		broken := s.Config(good + "  - [nonsense\n")

		// The first start has no last good state.
		s.Write("config.yaml", broken)
		s.Start()
		select {
		case <-s.Agent.Done():
		case <-time.After(20 * time.Second):
			t.Fatalf("with nothing to keep, the agent runs on:\n%s", s.Agent.Output())
		}
		var exit *exec.ExitError
		if err := s.Agent.Wait(); !errors.As(err, &exit) || !strings.Contains(s.Agent.Output(), "config.yaml:7: not valid YAML") {
			t.Errorf("with nothing to keep, the agent ends with %v:\n%s", err, s.Agent.Output())
		}

		s.Edit(good)
		s.Start()
		s.Settle()
		s.ToR.Eventually(20*time.Second, "BFD is up", func() error { return site.BFDUp(s.ToR) })
		lab.Eventually(t, 20*time.Second, "the last good state is kept", func() error {
			conf, err := os.ReadFile(v.Path("etc/frr", s.Node.Name, "frr.conf"))
			if err == nil && !strings.Contains(string(conf), "10.0.1.254 bfd profile") {
				err = fmt.Errorf("it is\n%s", conf)
			}
			return err
		})
		s.Agent.Stop()
		// Somebody's own statement stays where it is.
		path := v.Path("etc/frr", s.Node.Name, "frr.conf")
		conf, err := os.ReadFile(path)
		if err == nil {
			conf = append(conf, "ip prefix-list MINE seq 5 permit 10.9.0.0/16\n"...)
			err = os.WriteFile(path, conf, 0o640)
		}
		if err != nil {
			t.Fatal(err)
		}

		// A template that parses can still be wrong.
		s.Write("templates/after-neighbor.tmpl", "{{ .Adress }}")
		s.Edit(good, "templatesDir: templates\n")
		s.Start()
		s.Says(0, "keeping the last good configuration", "after-neighbor.tmpl:1")
		s.Announced(s.ToR)
		s.Announced(s.Spine)

		s.Agent.Stop()
		s.Write("config.yaml", broken)
		s.Start()
		s.Says(0, "keeping the last good configuration", "config.yaml:7: not valid YAML")
		s.Announced(s.ToR)
		s.Announced(s.Spine)
		s.ToR.Eventually(20*time.Second, "BFD is up", func() error { return site.BFDUp(s.ToR) })
		if embedded && (!s.Listens() || !slices.Contains(s.Daemons(), "bfdd")) {
			t.Errorf("bgpd listens: %t, and there run %v", s.Listens(), s.Daemons())
		}
		if !embedded {
			s.Silent("started with a mistake")
		}
		s.Counter = nil
		s.Settle()
		if now, err := os.ReadFile(path); err != nil || string(now) != string(conf) {
			t.Errorf("frr.conf was\n%s\nand is\n%s\n%v", conf, now, err)
		}
		spine, tors := s.Resets(s.Spine), s.Resets(s.ToR)

		mark := s.Mark()
		s.Edit("  - {name: 3}\n" + good)
		s.Says(mark, "keeping the last good configuration", "config.yaml:5")
		mark = s.Mark()
		s.Edit(good)
		s.Says(mark, "configuration applied")
		s.Announce("10.16.0.1")
		s.Standing(s.ToR, tors, "mended")
		s.Standing(s.Spine, spine, "mended")
		if out := s.Run("diff"); out != "" {
			t.Errorf("diff prints\n%s", out)
		}
		endAgent(t, s)
	})
}
