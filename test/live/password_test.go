package live_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// TestPassword changes a password on both sides while the agent runs, ours first and theirs first. The session must be back
// soon after the second of the two, and no password may be seen anywhere.
func TestPassword(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		const within = 5 * time.Second
		passwords := []string{"hunter2-the-first", "hunter2-the-second", "hunter2-the-third"}
		s := newSite(t, v, embedded)
		far := func(password string) {
			s.tor.Load("router bgp 65001\n neighbor 10.0.1.1 password " + password + "\nexit\n")
		}
		var seen strings.Builder
		look := func() {
			for _, line := range s.processes() {
				fmt.Fprintln(&seen, line)
			}
			for _, verb := range []string{"plan", "diff", "render"} {
				fmt.Fprintln(&seen, s.run(verb))
			}
		}
		s.write("tor.password", passwords[0]+"\n")
		s.edit(spineLine+fmt.Sprintf(torLine, ", passwordFile: tor.password"), "logging: {level: debug}\n")
		far(passwords[0])
		s.start()
		s.settle()
		look()
		back := func(since time.Time, what string) {
			t.Helper()
			s.tor.Eventually(30*time.Second, "the session is back", func() error {
				if n, err := s.session(s.tor); err != nil || n.State != "Established" || !n.MD5 {
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

		mark := s.mark()
		s.write("tor.password", passwords[1])
		s.says(mark, "(neighbor password)", "configuration applied")
		look()
		far(passwords[1])
		back(time.Now(), "ours first")
		s.undisturbed("ours first")

		far(passwords[2])
		began := time.Now()
		s.write("tor.password", passwords[2])
		back(began, "theirs first")
		s.undisturbed("theirs first")

		mark = s.mark()
		s.write("tor.password", passwords[1]+"\n"+passwords[2])
		s.says(mark, "keeping the last good configuration", "has more than one line")
		s.undisturbed("broken")
		s.write("tor.password", passwords[2])
		s.says(mark, "configuration applied")
		look()
		seen.WriteString(s.agent.Output())
		for _, password := range passwords {
			if at := strings.Index(seen.String(), password); at >= 0 {
				t.Errorf("%s is told in: %.200s", password, seen.String()[max(at-100, 0):])
			}
		}
	})
}
