package live_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/frr"
	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// feeds waits until the node's FRR has this to say of BMP, each line once, sorted out of what it runs.
func feeds(t *testing.T, s *site.Site, want ...string) {
	t.Helper()
	lab.Eventually(t, 30*time.Second, "FRR feeds the right station", func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := s.Node.Command(ctx, s.Version, "vtysh", "-N", s.Node.Name, "-d", "bgpd", "-c", "show running-config").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		var got []string
		for line := range strings.Lines(string(out)) {
			if text := strings.TrimSpace(line); strings.HasPrefix(text, "bmp ") {
				got = append(got, text)
			}
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			return fmt.Errorf("it says %q, want %q; the agent says\n%s", got, want, s.Agent.Output())
		}
		return nil
	})
}

// TestFeed has FRR feed the station or not while the agent runs, and the neighbors notice nothing. The agent's own bgpd has its
// module each time that it starts.
func TestFeed(t *testing.T) {
	each(t, func(t *testing.T, v lab.Version, embedded bool) {
		s := site.New(t, v, embedded, lab.WithArgs("bgpd", "-M", frr.BMP))
		neighbors := site.SpineLine + fmt.Sprintf(site.ToRLine, "")
		station := []string{"bmp targets FL-STATION", "bmp connect 127.0.0.1 port 11019 min-retry 1000 max-retry 10000"}
		byDefault := station
		if !embedded {
			byDefault = nil
		}
		s.Edit(neighbors)
		s.Start()
		s.Settle()
		feeds(t, s, byDefault...)
		for _, feed := range []bool{false, true} {
			s.Edit(neighbors, fmt.Sprintf("verify: {bmp: {feed: %t}}\n", feed))
			if feed {
				feeds(t, s, station...)
			} else {
				feeds(t, s)
			}
			if out := s.Run("diff"); out != "" {
				t.Errorf("feed %t: a difference is left:\n%s", feed, out)
			}
			s.Silent(fmt.Sprintf("feed %t", feed))
		}
		mark := s.Mark()
		s.Edit(neighbors, "verify: {bmp: {feed: true, listen: '127.0.0.1:11020'}}\n")
		s.Says(mark, "a change of verify takes effect when the agent starts again")
		feeds(t, s, station...)
		if !embedded {
			return
		}
		mark = s.Mark()
		s.Kill("bgpd")
		s.Says(mark, "daemon ended", "daemon answers")
		feeds(t, s, station...)
		s.Announced(s.ToR)
	})
}

// TestUnfed: an FRR without the module announces as ever, and the log says what to do.
func TestUnfed(t *testing.T) {
	for _, v := range ends(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, false)
			s.Edit(site.SpineLine+fmt.Sprintf(site.ToRLine, ""), "verify: {bmp: {feed: true}}\n")
			s.Start()
			s.Announced(s.ToR)
			s.Announced(s.Spine)
			s.Says(0, "bgpd runs without its BMP module", "start it with -M bmp")
			feeds(t, s)
			if out := s.Run("diff"); out != "" {
				t.Errorf("a difference is left:\n%s", out)
			}
		})
	}
}
