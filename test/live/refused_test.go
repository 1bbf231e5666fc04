package live_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// TestRefusedRoute has FRR refuse the route of one pod, by a template that writes nonsense for it. The others come and go as ever,
// the pod is named, and FRR is not given the same again and again.
func TestRefusedRoute(t *testing.T) {
	template, err := templates.FS.ReadFile("address-family.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	const network = "route-map {{ .RouteMap }}\n"
	broken := strings.Replace(string(template), network, `route-map {{ .RouteMap }}{{ if eq (print .Prefix) "10.16.9.9/32" }} banana{{ end }}`+"\n", 1)
	if broken == string(template) {
		t.Fatal("the template has no network to break")
	}
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			s.Write("templates/address-family.tmpl", broken)
			s.Edit(site.SpineLine+fmt.Sprintf(site.ToRLine, ""), "templatesDir: templates\n")
			s.Start()
			s.Settle()
			has := func(want ...string) {
				t.Helper()
				lab.Eventually(t, 20*time.Second, fmt.Sprintf("tor has %v", want), func() error {
					routes := s.ToR.Routes(route.IPv4Unicast)
					for _, prefix := range want {
						if len(routes[netip.MustParsePrefix(prefix)]) != 1 {
							return fmt.Errorf("tor has %v; the agent says:\n%s", routes, s.Agent.Output())
						}
					}
					if len(routes) != 1+len(want) {
						return fmt.Errorf("tor has %v", routes)
					}
					return nil
				})
			}
			mark := s.Mark()
			s.Write("manifests/pods.yaml", site.Pod("bad", "10.16.9.9")+site.Pod("good", "10.16.0.5"))
			s.Says(mark, "network 10.16.9.9/32", "banana", "Unknown command", "all else is applied", "asked for by Pod default/bad")
			has("10.16.0.5/32")
			s.Undisturbed("one route is refused")
			s.Write("manifests/pods.yaml", site.Pod("bad", "10.16.9.9")+site.Pod("good", "10.16.0.5")+site.Pod("other", "10.16.0.6"))
			has("10.16.0.5/32", "10.16.0.6/32")
			s.Undisturbed("another comes beside it")
			s.Write("manifests/pods.yaml", site.Pod("bad", "10.16.9.9")+site.Pod("other", "10.16.0.6"))
			has("10.16.0.6/32")

			// It does not hold up new settings of something else.
			mark = s.Mark()
			s.Edit(site.SpineLine+fmt.Sprintf(site.ToRLine, ", description: mine"), "templatesDir: templates\n")
			s.Says(mark, "configuration applied")

			// Mended, it comes too.
			if err := os.Remove(s.Path("templates/address-family.tmpl")); err != nil {
				t.Fatal(err)
			}
			has("10.16.0.6/32", "10.16.9.9/32")
			if got := strings.Count(s.Agent.Output(), "banana"); got > 8 {
				t.Errorf("the refusal is told %d times:\n%s", got, s.Agent.Output())
			}
			if _, err := s.Session(s.Spine); err != nil || s.Resets(s.Spine) != 0 {
				t.Errorf("spine's session was reset, %v", err)
			}
		})
	}
}
