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
