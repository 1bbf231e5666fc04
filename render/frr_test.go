package render_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/reload"
	"github.com/fairlead/fairlead/test/lab"
)

// Each golden is what FRR itself would write: daemons that start from it hold exactly its statements in their
// running-config, and frr-reload.py finds nothing to add or delete.
func TestGoldensOnFRR(t *testing.T) {
	for _, version := range lab.Versions(t) {
		t.Run(version.Name, func(t *testing.T) {
			for name := range cases() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					conf, err := os.ReadFile(filepath.Join("testdata", name+".conf"))
					if err != nil {
						t.Fatal(err)
					}
					router := lab.NewNamespace(t, "golden").StartFRR(t, version, string(conf), lab.WithDaemons("bfdd"), lab.WithArgs("bgpd", "-M", "bmp"))
					if diff := cmp.Diff(statements(conf), statements([]byte(router.RunningConfig()))); diff != "" {
						t.Errorf("running-config is not the file (-file +running):\n%s", diff)
					}
					if deleted, added := router.ReloadDelta(string(conf)); len(deleted)+len(added) > 0 {
						t.Errorf("frr-reload.py --test would delete\n\t%s\nand add\n\t%s",
							strings.Join(deleted, "\n\t"), strings.Join(added, "\n\t"))
					}
				})
			}
		})
	}
}

// statements gives every statement of a configuration with the contexts that it stands in, in FRR's order within each
// context. The lines that FRR writes by itself are left out: its version, the host's name and what zebra says of
// forwarding, which no file of ours holds. The top of a configuration has no order: FRR 8 and 10 differ in it.
func statements(conf []byte) map[string][]string {
	found := make(map[string][]string)
	var walk func(context string, t reload.Tree)
	walk = func(context string, t reload.Tree) {
		for _, s := range t {
			if context == "" {
				if !writtenByFRR(s.Text) {
					found[s.Text] = []string{}
				}
			} else {
				found[context] = append(found[context], s.Text)
			}
			walk(strings.TrimPrefix(context+" / "+s.Text, " / "), s.Children)
		}
	}
	walk("", reload.Parse(conf))
	return found
}

func writtenByFRR(statement string) bool {
	switch statement {
	case "no ip forwarding", "no ipv6 forwarding", "service integrated-vtysh-config":
		return true
	}
	return strings.HasPrefix(statement, "frr version ") || strings.HasPrefix(statement, "hostname ")
}
