package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
)

// A password opens the session that needs it, a wrong one keeps that session down and nothing else, and neither is to be
// seen anywhere but in frr.conf.
func TestPassword(t *testing.T) {
	eachVersion(t, func(t *testing.T, v lab.Version) {
		const right, wrong = "right-Kq7", "wrong-Zx9"
		n, speaker, tor := external(t, v, strings.Replace(torConfig,
			" neighbor 10.0.1.2 timers connect 1\n", " neighbor 10.0.1.2 timers connect 1\n neighbor 10.0.1.2 password "+right+"\n", 1))
		seen := watchArguments(t, right, wrong)
		n.configure("external", strings.Replace(oneToR, "asn: 65001,", "asn: 65001, passwordFile: tor.password,", 1))
		password := filepath.Join(n.dir, "tor.password")
		n.replace(password, wrong+"\n")
		want := sample(n)
		n.start()
		// The other session, without a password, is up; the one with the wrong password is configured and stays down.
		told(t, tor, "fd00:10:16::/64", "fd00:10:16::5/128")
		if !strings.Contains(speaker.RunningConfig(), "neighbor 10.0.1.1 password "+wrong) {
			t.Error("the speaker has no password")
		}
		holds(t, 3*time.Second, "the session stays down", func() error {
			if up(t, tor, nodeV4) == nil {
				return errors.New("it is established")
			}
			return nil
		})
		n.mustRun()
		first := n.agent
		first.Stop()

		n.replace(password, right+"\n")
		printed := n.fairlead("diff") + n.fairlead("plan") + n.fairlead("plan", "-o", "json") + n.fairlead("render")
		if !strings.Contains(printed, "neighbor 10.0.1.1 password ***") {
			t.Errorf("diff and render do not say that the password changes:\n%s", printed)
		}
		n.start()
		told(t, tor, want...)
		n.write("more.yaml", pod("more", "10.16.0.6"))
		told(t, tor, append(want, "10.16.0.6/32")...)
		n.agent.Stop()

		for _, secret := range []string{right, wrong} {
			if strings.Contains(first.Output()+n.agent.Output(), secret) {
				t.Errorf("the agent's log holds the password %s", secret)
			}
			if strings.Contains(printed, secret) {
				t.Errorf("diff, plan or render prints the password %s", secret)
			}
		}
		for _, line := range seen() {
			t.Errorf("a command line holds a password: %q", line)
		}
		conf := filepath.Join(speaker.EtcDir, "frr.conf")
		info, err := os.Stat(conf)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode&^0o640 != 0 {
			t.Errorf("frr.conf has mode %o, want 0640 or tighter", mode)
		}
		if data, err := os.ReadFile(conf); err != nil || !bytes.Contains(data, []byte(right)) {
			t.Errorf("frr.conf does not hold the password (%v)", err)
		}
	})
}

// watchArguments looks at the command lines of all processes until the function that it returns is called, which gives
// those that held one of the secrets.
func watchArguments(t *testing.T, secrets ...string) (stop func() []string) {
	t.Helper()
	end, found := make(chan struct{}), make(chan []string, 1)
	go func() {
		var lines []string
		looks := 0
		// A short-lived vtysh lives some ten times as long as this.
		tick := time.NewTicker(3 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-end:
				if looks == 0 {
					lines = append(lines, "nobody looked")
				}
				found <- lines
				return
			case <-tick.C:
			}
			looks++
			paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
			if err != nil {
				lines = append(lines, err.Error())
			}
			for _, path := range paths {
				line, err := os.ReadFile(path)
				if err != nil {
					continue // it has ended
				}
				for _, secret := range secrets {
					if bytes.Contains(line, []byte(secret)) {
						lines = append(lines, string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})))
					}
				}
			}
		}
	}()
	var result []string
	done := false
	stop = func() []string {
		if !done {
			done = true
			close(end)
			result = <-found
		}
		return result
	}
	t.Cleanup(func() { stop() })
	return stop
}
