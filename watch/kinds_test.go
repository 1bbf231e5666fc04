package watch

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/route"
)

// TestFolderEveryKind changes an object of each kind, and then writes it anew as it is.
func TestFolderEveryKind(t *testing.T) {
	tests := []struct{ kind, before, after string }{
		{"Pod", "{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Pending}}", "{apiVersion: v1, kind: Pod, metadata: {name: a}, status: {phase: Running}}"},
		{"Service", "{apiVersion: v1, kind: Service, metadata: {name: a}}", "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: 10.96.0.1}}"},
		{"Node", "{apiVersion: v1, kind: Node, metadata: {name: a}}", "{apiVersion: v1, kind: Node, metadata: {name: a, labels: {b: c}}}"},
		{"Subnet", "{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: a}}", "{apiVersion: kubeovn.io/v1, kind: Subnet, metadata: {name: a}, spec: {cidrBlock: 10.16.0.0/16}}"},
		{"IptablesEIP", "{apiVersion: kubeovn.io/v1, kind: IptablesEIP, metadata: {name: a}}", "{apiVersion: kubeovn.io/v1, kind: IptablesEIP, metadata: {name: a}, status: {ready: true}}"},
		{"VpcNatGateway", "{apiVersion: kubeovn.io/v1, kind: VpcNatGateway, metadata: {name: a}}", "{apiVersion: kubeovn.io/v1, kind: VpcNatGateway, metadata: {name: a}, status: {workload: {nodes: [b]}}}"},
		{"Secret", "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {b: swordfish}}", "{apiVersion: v1, kind: Secret, metadata: {name: a}, stringData: {b: swordtail}}"},
	}
	for _, tt := range tests {
		t.Run(tt.kind, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "a.yaml")
			writeFile(t, path, tt.before)
			f, err := OpenFolder(dir, silent())
			if err != nil {
				t.Fatal(err)
			}
			if len(f.Problems()) > 0 {
				t.Fatal(f.Problems())
			}
			writeFile(t, path, tt.after)
			if !f.rescan() {
				t.Error("a change of the object is no change of the folder")
			}
			writeFile(t, path, "# again\n"+tt.after)
			if f.rescan() {
				t.Error("a comment is a change of the folder")
			}
			writeFile(t, path, "---\n")
			if !f.rescan() {
				t.Error("an object that is gone is no change of the folder")
			}
		})
	}
}

// TestSecretValues looks at what no golden can show.
func TestSecretValues(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.yaml"), `apiVersion: v1
kind: Secret
metadata: {name: bgp}
data:
  encoded: c3dvcmRmaXNo
  folded: |
    c3dvcmRm
    aXNo
  both: b3RoZXI=
  empty:
  binary: "/w=="
stringData: {both: swordfish, number: 0123}
`)
	s, problems, err := ReadFolder(dir)
	if err != nil || len(problems) > 0 || len(s.Secrets) != 1 {
		t.Fatal(s, problems, err)
	}
	want := map[string]route.Secret{"encoded": "swordfish", "folded": "swordfish", "both": "swordfish", "number": "0123", "empty": "", "binary": "\xff"}
	reveal := cmp.Transformer("reveal", route.Secret.Reveal)
	if diff := cmp.Diff(want, s.Secrets[0].Data, reveal); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
