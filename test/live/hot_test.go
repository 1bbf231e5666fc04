package live_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// ends gives the oldest and the newest version of those that are tested.
func ends(t *testing.T) []lab.Version {
	t.Helper()
	all := lab.Versions(t)
	if len(all) == 1 {
		return all
	}
	return []lab.Version{all[0], all[len(all)-1]}
}

// each runs a test on both versions, with an FRR beside the agent and with the agent's own.
func each(t *testing.T, f func(t *testing.T, v lab.Version, embedded bool)) {
	for _, v := range ends(t) {
		for _, embedded := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/embedded=%t", v.Name, embedded), func(t *testing.T) {
				t.Parallel()
				f(t, v, embedded)
			})
		}
	}
}

// TestEdits changes the neighbors and their values in the running agent's configuration.
func TestEdits(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := newSite(t, v, embedded)
		tor := fmt.Sprintf(torLine, "")
		s.edit(spineLine + tor)
		s.start()
		s.settle()

		mark := s.mark()
		s.edit(spineLine)
		s.tor.Eventually(20*time.Second, "tor's session ends", func() error {
			if n, err := s.session(s.tor); err != nil || n.State == "Established" {
				return fmt.Errorf("it is %s, %w", n.State, err)
			}
			return nil
		})
		s.says(mark, "this change resets the session with 10.0.1.254 of router bgp 65000 (no neighbor)", "configuration applied")
		s.undisturbed("neighbor removed")

		s.edit(spineLine + tor)
		s.announced(s.tor)
		s.undisturbed("neighbor added")

		before := s.resets(s.tor)
		mark = s.mark()
		s.edit(spineLine + fmt.Sprintf(torLine, ", keepaliveTime: 2s, description: rack 1"))
		s.says(mark, "configuration applied")
		if after := s.resets(s.tor); after != before || strings.Contains(s.agent.Output()[mark:], "resets the session") {
			t.Errorf("times and a description reset the session: %d resets, before %d", after, before)
		}
		s.undisturbed("times edited")

		mark = s.mark()
		s.edit(spineLine + strings.Replace(tor, "65001", "65009", 1))
		s.says(mark, "this change resets the session with 10.0.1.254 of router bgp 65000 (neighbor remote-as)", "configuration applied")
		s.tor.Load("no router bgp 65001\n" + farConf(65009, 1))
		s.announced(s.tor)
		s.undisturbed("AS number edited")

		mark = s.mark()
		s.edit("# a comment\n" + spineLine + strings.Replace(tor, "65001", "65009", 1))
		s.undisturbed("comment added")
		if out := s.agent.Output()[mark:]; strings.Contains(out, "level=error") {
			t.Errorf("the agent says\n%s", out)
		}
	})
}

// mistakes are broken files of config's own tests, in the place of the agent's.
func mistakes(t *testing.T) map[string]string {
	t.Helper()
	names := []string{
		"address-mapped", "asn-missing", "asn-text", "duplicate-key", "families-unknown", "holdtime-range", "keepalive-longer",
		"name-duplicate", "port-range", "routerid-ipv6", "root-list", "merge-key",
	}
	found := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("../../config/testdata", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		found[name] = string(text)
	}
	return found
}

// TestMistakes gives the running agent one broken file after another: each is told with its line, and changes nothing.
func TestMistakes(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := newSite(t, v, embedded)
		good := spineLine + fmt.Sprintf(torLine, "")
		s.edit(good)
		s.start()
		s.settle()
		before := s.resets(s.tor)
		for name, text := range mistakes(t) {
			config, advice := parts(t, text)
			mark := s.mark()
			s.write("config.yaml", config)
			s.says(mark, "keeping the last good configuration", "config.yaml:"+advice)
			s.silent(name)
		}
		mark := s.mark()
		s.edit(good)
		s.says(mark, "configuration applied")
		if after := s.resets(s.tor); after != before {
			t.Errorf("tor's session had %d resets, and has %d", before, after)
		}
		s.announced(s.tor)
		s.silent("mended")
	})
}

// parts gives the configuration of a test case of config, and its first mistake, from the line on, as a log quotes it.
func parts(t *testing.T, text string) (config, advice string) {
	t.Helper()
	_, rest, ok := strings.Cut(text, "-- config.yaml --\n")
	config, errors, ok2 := strings.Cut(rest, "-- errors --\n")
	if !ok || !ok2 {
		t.Fatalf("a case of another form:\n%s", text)
	}
	first, _, _ := strings.Cut(errors, "\n")
	_, advice, _ = strings.Cut(first, ":")
	return config, strings.Trim(fmt.Sprintf("%q", advice), `"`)
}

// TestConfigMap has the configuration in a folder that is mounted as Kubernetes does.
func TestConfigMap(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := newSite(t, v, embedded)
		put := func(version, text string) {
			s.write(version+"/config.yaml", text)
			if err := os.Symlink(version, s.path("..data_tmp")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(s.path("..data_tmp"), s.path("..data")); err != nil {
				t.Fatal(err)
			}
		}
		put("..1", s.config(spineLine))
		if err := os.Symlink("..data/config.yaml", s.path("config.yaml")); err != nil {
			t.Fatal(err)
		}
		s.start()
		s.announced(s.spine)
		put("..2", s.config(spineLine+fmt.Sprintf(torLine, "")))
		s.settle()
		put("..3", s.config(spineLine+"  - nonsense\n"))
		if err := os.RemoveAll(s.path("..2")); err != nil {
			t.Fatal(err)
		}
		s.says(0, "keeping the last good configuration", "config.yaml:")
		s.silent("swapped to a mistake")
	})
}

// TestTemplates breaks and mends a template of the operator's own while the agent runs.
func TestTemplates(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := newSite(t, v, embedded)
		s.write("templates/README.md", "mine\n")
		s.edit(spineLine+fmt.Sprintf(torLine, ""), "templatesDir: templates\n")
		s.start()
		s.settle()
		before := s.resets(s.tor)
		for name, c := range map[string]struct{ file, text, says string }{
			"unknown name": {"neighbour.tmpl", "x", "template neighbour.tmpl has nothing to take the place of"},
			"syntax":       {"after-neighbor.tmpl", "\n{{ if .ID }}", "after-neighbor.tmpl:2: unexpected EOF"},
			"field":        {"after-neighbor.tmpl", "\n\n neighbor {{ .Adress }} shutdown\n", "after-neighbor.tmpl:3"},
			"foreign":      {"after-router.tmpl", "ip route 10.9.0.0/16 blackhole\n", "ip route 10.9.0.0/16 blackhole"},
			"refused":      {"after-neighbor.tmpl", " neighbor {{ .ID }} banana\n", "banana"},
		} {
			mark := s.mark()
			s.write("templates/"+c.file, c.text)
			s.says(mark, "keeping the last good configuration", c.says)
			s.silent(name)
			mark = s.mark()
			if err := os.Remove(s.path("templates/" + c.file)); err != nil {
				t.Fatal(err)
			}
			s.says(mark, "configuration applied")
			s.silent(name + ", mended")
		}
		mark := s.mark()
		s.write("templates/after-neighbor.tmpl", `{{ if eq .ID "10.0.1.254" }} neighbor {{ .ID }} description by hand{{ end }}`)
		s.says(mark, "configuration applied")
		if out := s.run("render"); !strings.Contains(out, " neighbor 10.0.1.254 description by hand\n") {
			t.Errorf("render prints\n%s", out)
		}
		if out := s.run("diff"); out != "" {
			t.Errorf("diff prints\n%s", out)
		}
		s.silent("raw statement")
		if after := s.resets(s.tor); after != before {
			t.Errorf("tor's session had %d resets, and has %d", before, after)
		}
	})
}
