package live_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fairlead/fairlead/test/lab"
	"github.com/fairlead/fairlead/test/site"
)

// TestRoutesBeforeEndOfRIB starts bgpd again from its file: it tells its routes before the End-of-RIB, after which a neighbor
// drops what it has kept of before (RFC 4724, section 4.2).
func TestRoutesBeforeEndOfRIB(t *testing.T) {
	for _, v := range lab.Versions(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s := site.New(t, v, true)
			s.Edit(fmt.Sprintf(site.ToRLine, ", gracefulRestart: true"))
			s.Start()
			s.Announced(s.ToR)
			s.ToR.Load("log stdout debugging\n")
			if out, err := s.ToR.Vtysh(t.Context(), "debug bgp updates in"); err != nil {
				t.Fatal(out, err)
			}
			says := s.ToR.Process("bgpd").Output
			for range 3 {
				s.Kill("bgpd")
				begin := len(says())
				var before string
				s.ToR.Eventually(30*time.Second, "the End-of-RIB has come", func() (err error) {
					var came bool
					if before, _, came = strings.Cut(says()[begin:], "rcvd End-of-RIB for IPv4 Unicast"); !came {
						err = errors.New("it has not")
					}
					return err
				})
				if !strings.Contains(before, "rcvd 10.16.0.0/16") {
					t.Errorf("the End-of-RIB came before the route: the router says:\n%s", before)
				}
				s.Announced(s.ToR)
			}
		})
	}
}
