package live_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// TestPassword changes a password on both sides while the agent runs, ours first and theirs first. The session must be back
// soon after the second of the two, and no password may be seen anywhere. How soon is held to the letter with FAIRLEAD_SOAK; where all
// tests run at once it may take three times as long.
func TestPassword(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		within := 15 * time.Second
		if os.Getenv("FAIRLEAD_SOAK") != "" {
			within = 5 * time.Second
		}
		passwords := []string{"hunter2-the-first", "hunter2-the-second", "hunter2-the-third"}
		s := site.New(t, v, embedded)
		far := func(password string) {
			s.ToR.Load("router bgp 65001\n neighbor 10.0.1.1 password " + password + "\nexit\n")
		}
		var seen strings.Builder
		look := func() {
			for _, line := range s.Processes() {
				fmt.Fprintln(&seen, line)
			}
			for _, verb := range []string{"plan", "diff", "render"} {
				fmt.Fprintln(&seen, s.Run(verb))
			}
		}
		s.Write("tor.password", passwords[0]+"\n")
		s.Edit(site.SpineLine+fmt.Sprintf(site.ToRLine, ", passwordFile: tor.password"), "logging: {level: debug}\n")
		far(passwords[0])
		s.Start()
		s.Settle()
		look()
		back := func(since time.Time, what string) {
			t.Helper()
			s.ToR.Eventually(30*time.Second, "the session is back", func() error {
				if n, err := s.Session(s.ToR); err != nil || n.State != "Established" || !n.MD5 {
					return fmt.Errorf("it is %s, %w", n.State, err)
				}
				return nil
			})
			took := time.Since(since)
			t.Logf("%s: the session was back after %s", what, took.Round(10*time.Millisecond))
			if took > within {
				t.Errorf("%s: the session was back after %s, want %s", what, took, within)
			}
		}

		mark := s.Mark()
		s.Write("tor.password", passwords[1])
		s.Says(mark, "(neighbor password)", "configuration applied")
		look()
		far(passwords[1])
		back(time.Now(), "ours first")
		s.Undisturbed("ours first")

		far(passwords[2])
		began := time.Now()
		s.Write("tor.password", passwords[2])
		back(began, "theirs first")
		s.Undisturbed("theirs first")

		mark = s.Mark()
		s.Write("tor.password", passwords[1]+"\n"+passwords[2])
		s.Says(mark, "keeping the last good configuration", "has more than one line")
		s.Undisturbed("broken")
		s.Write("tor.password", passwords[2])
		s.Says(mark, "configuration applied")
		look()
		seen.WriteString(s.Agent.Output())
		for _, password := range passwords {
			if at := strings.Index(seen.String(), password); at >= 0 {
				t.Errorf("%s is told in: %.200s", password, seen.String()[max(at-100, 0):])
			}
		}
	})
}
