package docs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

const page = "# Page\n\nSay `fairlead status`, not `status` or `fairlead`; see `fairlead verify --wait 30s`.\n\n" +
	"    fairlead plan --node 'node1'     # what for\n    the fairlead status\n    helm install fairlead charts/fairlead\n" +
	"    kubectl -n NS exec POD -- fairlead explain pod/a/b\n    kubectl fairlead status\n\n" +
	"```yaml\n    fairlead not this\n```\n```sh\nfairlead run\n```\n"

func TestCommands(t *testing.T) {
	for program, want := range map[string]string{
		"fairlead":         "p:3 status; p:3 verify --wait 30s; p:5 plan --node node1; p:8 explain pod/a/b; p:15 run",
		"kubectl fairlead": "p:9 status",
		"helm":             "p:7 install fairlead charts/fairlead",
	} {
		var got []string
		for _, c := range commandsOf("p", page, program) {
			got = append(got, c.At+" "+strings.Join(c.Args, " "))
		}
		if diff := cmp.Diff(want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", program, diff)
		}
	}
}

// TestLine: a command keeps its quotes and loses its remark, and in a sentence it is not one to type.
func TestLine(t *testing.T) {
	want := []Command{
		{At: "p:1", Line: "vtysh -c 'show bgp'", Args: []string{"-c", "show", "bgp"}},
		{At: "p:2", Line: "vtysh -c 'show ip bgp'", Args: []string{"-c", "show", "ip", "bgp"}, Typed: true},
		{At: "p:3", Line: "vtysh -c", Args: []string{"-c"}, Named: true},
	}
	got := commandsOf("p", "Say `vtysh -c 'show bgp'`.\n    vtysh -c 'show ip bgp'   # all of it\nIt is `vtysh -c`.\n", "vtysh")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTakes(t *testing.T) {
	tree := func() *cobra.Command {
		root := &cobra.Command{Use: "fairlead"}
		root.PersistentFlags().String("config", "", "")
		verify := &cobra.Command{Use: "verify", Args: cobra.MaximumNArgs(1), Run: func(*cobra.Command, []string) {}}
		verify.Flags().Duration("wait", 0, "")
		root.AddCommand(verify)
		return root
	}
	for args, want := range map[string]string{
		"verify":                        "",
		"verify 10.0.1.1 --wait 5s":     "",
		"--config c.yaml verify":        "",
		"verify --help":                 "help",
		"verify --wait long":            "invalid argument",
		"verify --until 5s":             "unknown flag",
		"verify 10.0.1.1 10.0.1.2":      "accepts at most 1",
		"prove":                         "unknown command",
		"--config verify":               "no such command",
		"verify --config c.yaml --wait": "needs an argument",
	} {
		err := takes(tree(), strings.Fields(args), false)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
