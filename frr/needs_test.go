package frr_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/frr"
)

// TestCapable asks in processes that were left fewer capabilities: this test runs itself with a word in its environment.
func TestCapable(t *testing.T) {
	const word = "FAIRLEAD_TEST_CAPABLE"
	if os.Getenv(word) != "" {
		capable, err := frr.Capable()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("capable=%t", capable)
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can give capabilities away")
	}
	for name, c := range map[string]struct{ bounding, want string }{
		"all":                   {"+all", "capable=true"},
		"a container's default": {"-all,+chown,+dac_override,+fowner,+setgid,+setuid,+net_bind_service,+net_raw,+kill", "capable=false"},
		"all but SYS_ADMIN":     {"-sys_admin", "capable=false"},
		"none":                  {"-all", "capable=false"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "setpriv", "--bounding-set="+c.bounding, os.Args[0], "-test.run=^TestCapable$", "-test.v")
			cmd.Env = append(cmd.Environ(), word+"=1")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), c.want) {
				t.Errorf("%s, %v", cmp.Diff(c.want, string(out)), err)
			}
		})
	}
}

func TestNeedsDaemons(t *testing.T) {
	for _, c := range []struct {
		needs frr.Needs
		want  []string
	}{
		{frr.Needs{}, []string{"bgpd"}},
		{frr.Needs{Listen: true, Zebra: true}, []string{"bgpd"}},
		{frr.Needs{BFD: true}, []string{"bfdd", "bgpd"}},
	} {
		if diff := cmp.Diff(c.want, c.needs.Daemons()); diff != "" {
			t.Errorf("%+v (-want +got)\n%s", c.needs, diff)
		}
	}
}

func TestNeedsOf(t *testing.T) {
	const router = "router bgp 65000\n neighbor 10.0.0.1 remote-as 65001\n"
	for name, c := range map[string]struct {
		conf string
		want frr.Needs
	}{
		"empty":            {"", frr.Needs{}},
		"sessions":         {router + " neighbor 10.0.0.1 timers 3 9\nexit\n", frr.Needs{}},
		"a view":           {"router bgp 65000 view bfd\n neighbor 10.0.0.1 remote-as 65001\nexit\n", frr.Needs{}},
		"words elsewhere":  {router + " neighbor 10.0.0.1 description passive bfd interface\nexit\nroute-map passive permit 10\n description neighbor x bfd\n", frr.Needs{}},
		"passive":          {router + " neighbor 10.0.0.1 passive\nexit\n", frr.Needs{Listen: true}},
		"BFD":              {router + " neighbor 10.0.0.1 bfd\nexit\n", frr.Needs{BFD: true, Zebra: true}},
		"BFD profile":      {router + " neighbor 10.0.0.1 bfd profile FL-BFD-a\nexit\n", frr.Needs{BFD: true, Zebra: true}},
		"profile alone":    {"bfd\n profile FL-BFD-a\n exit\nexit\n" + router, frr.Needs{BFD: true, Zebra: true}},
		"unnumbered":       {"router bgp 65000\n neighbor eth0 interface remote-as 65001\n", frr.Needs{Zebra: true}},
		"VRF":              {"router bgp 65000 vrf red\n", frr.Needs{Zebra: true}},
		"routes installed": {router + " address-family ipv4 unicast\n  table-map FL-TABLE-a\n exit-address-family\n", frr.Needs{Zebra: true}},
		"half a line":      {router + " neighbor 10.0.0.1\n\n", frr.Needs{}},
		"all of another":   {"router bgp 1\n!\nrouter bgp 2 view b\n neighbor fd00::1 passive\n neighbor fd00::1 bfd\n", frr.Needs{Listen: true, BFD: true, Zebra: true}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, frr.NeedsOf([]byte(c.conf))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
