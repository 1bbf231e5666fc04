package live_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
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
		s := site.New(t, v, embedded)
		tor := fmt.Sprintf(site.ToRLine, "")
		s.Edit(site.SpineLine + tor)
		s.Start()
		s.Settle()

		mark := s.Mark()
		s.Edit(site.SpineLine)
		s.ToR.Eventually(20*time.Second, "tor's session ends", func() error {
			if n, err := s.Session(s.ToR); err != nil || n.State == "Established" {
				return fmt.Errorf("it is %s, %w", n.State, err)
			}
			return nil
		})
		s.Says(mark, "this change resets the session with 10.0.1.254 of router bgp 65000 (no neighbor)", "configuration applied")
		s.Undisturbed("neighbor removed")

		s.Edit(site.SpineLine + tor)
		s.Announced(s.ToR)
		s.Undisturbed("neighbor added")

		before := s.Resets(s.ToR)
		mark = s.Mark()
		s.Edit(site.SpineLine + fmt.Sprintf(site.ToRLine, ", keepaliveTime: 2s, description: rack 1"))
		s.Says(mark, "configuration applied")
		if after := s.Resets(s.ToR); after != before || strings.Contains(s.Agent.Output()[mark:], "resets the session") {
			t.Errorf("times and a description reset the session: %d resets, before %d", after, before)
		}
		s.Undisturbed("times edited")

		mark = s.Mark()
		s.Edit(site.SpineLine + strings.Replace(tor, "65001", "65009", 1))
		s.Says(mark, "this change resets the session with 10.0.1.254 of router bgp 65000 (neighbor remote-as)", "configuration applied")
		s.ToR.Load("no router bgp 65001\n" + site.FarConf(65009, 1))
		s.Announced(s.ToR)
		s.Undisturbed("AS number edited")

		mark = s.Mark()
		s.Edit("# a comment\n" + site.SpineLine + strings.Replace(tor, "65001", "65009", 1))
		s.Undisturbed("comment added")
		if out := s.Agent.Output()[mark:]; strings.Contains(out, "level=error") {
			t.Errorf("the agent says\n%s", out)
		}
	})
}

// mistakes are broken files of config's own tests, in the place of the agent's: a dozen, or all of them in the long form.
func mistakes(t *testing.T) map[string]string {
	t.Helper()
	names := []string{
		"address-mapped", "asn-missing", "asn-text", "duplicate-key", "families-unknown", "holdtime-range", "keepalive-longer",
		"name-duplicate", "port-range", "routerid-ipv6", "root-list", "merge-key",
	}
	const cases = "../../config/testdata"
	if os.Getenv("FAIRLEAD_SOAK") != "" {
		paths, err := filepath.Glob(cases + "/*.txtar")
		if err != nil {
			t.Fatal(err)
		}
		names = nil
		for _, path := range paths {
			names = append(names, strings.TrimSuffix(filepath.Base(path), ".txtar"))
		}
	}
	found := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(cases, name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "\n-- errors --\n") {
			found[name] = string(text)
		}
	}
	t.Logf("%d broken files", len(found))
	return found
}

// TestMistakes gives the running agent one broken file after another: each is told with its line, and changes nothing.
func TestMistakes(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := site.New(t, v, embedded)
		good := site.SpineLine + fmt.Sprintf(site.ToRLine, "")
		s.Edit(good)
		s.Start()
		s.Settle()
		before := s.Resets(s.ToR)
		for name, text := range mistakes(t) {
			config, advice := parts(t, text)
			mark := s.Mark()
			s.Write("config.yaml", config)
			s.Says(mark, "keeping the last good configuration", "config.yaml:"+advice)
			s.Silent(name)
		}
		mark := s.Mark()
		s.Edit(good)
		s.Says(mark, "configuration applied")
		if after := s.Resets(s.ToR); after != before {
			t.Errorf("tor's session had %d resets, and has %d", before, after)
		}
		s.Announced(s.ToR)
		s.Silent("mended")
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
		s := site.New(t, v, embedded)
		put := func(version, text string) {
			s.Write(version+"/config.yaml", text)
			if err := os.Symlink(version, s.Path("..data_tmp")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(s.Path("..data_tmp"), s.Path("..data")); err != nil {
				t.Fatal(err)
			}
		}
		put("..1", s.Config(site.SpineLine))
		if err := os.Symlink("..data/config.yaml", s.Path("config.yaml")); err != nil {
			t.Fatal(err)
		}
		s.Start()
		s.Announced(s.Spine)
		put("..2", s.Config(site.SpineLine+fmt.Sprintf(site.ToRLine, "")))
		s.Settle()
		put("..3", s.Config(site.SpineLine+"  - nonsense\n"))
		if err := os.RemoveAll(s.Path("..2")); err != nil {
			t.Fatal(err)
		}
		s.Says(0, "keeping the last good configuration", "config.yaml:")
		s.Silent("swapped to a mistake")
	})
}

// TestTemplates breaks and mends a template of the operator's own while the agent runs.
func TestTemplates(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := site.New(t, v, embedded)
		s.Write("templates/README.md", "mine\n")
		s.Edit(site.SpineLine+fmt.Sprintf(site.ToRLine, ""), "templatesDir: templates\n")
		s.Start()
		s.Settle()
		before := s.Resets(s.ToR)
		for name, c := range map[string]struct{ file, text, says string }{
			"unknown name": {"neighbour.tmpl", "x", "template neighbour.tmpl has nothing to take the place of"},
			"syntax":       {"after-neighbor.tmpl", "\n{{ if .ID }}", "after-neighbor.tmpl:2: unexpected EOF"},
			"field":        {"after-neighbor.tmpl", "\n\n neighbor {{ .Adress }} shutdown\n", "after-neighbor.tmpl:3"},
			"foreign":      {"after-router.tmpl", "ip route 10.9.0.0/16 blackhole\n", "ip route 10.9.0.0/16 blackhole"},
			"refused":      {"after-neighbor.tmpl", " neighbor {{ .ID }} banana\n", "banana"},
		} {
			mark := s.Mark()
			s.Write("templates/"+c.file, c.text)
			s.Says(mark, "keeping the last good configuration", c.says)
			s.Silent(name)
			mark = s.Mark()
			if err := os.Remove(s.Path("templates/" + c.file)); err != nil {
				t.Fatal(err)
			}
			s.Says(mark, "configuration applied")
			s.Silent(name + ", mended")
		}
		mark := s.Mark()
		s.Write("templates/after-neighbor.tmpl", `{{ if eq .ID "10.0.1.254" }} neighbor {{ .ID }} description by hand{{ end }}`)
		s.Says(mark, "configuration applied")
		if out := s.Run("render"); !strings.Contains(out, " neighbor 10.0.1.254 description by hand\n") {
			t.Errorf("render prints\n%s", out)
		}
		if out := s.Run("diff"); out != "" {
			t.Errorf("diff prints\n%s", out)
		}
		s.Silent("raw statement")
		if after := s.Resets(s.ToR); after != before {
			t.Errorf("tor's session had %d resets, and has %d", before, after)
		}
	})
}
