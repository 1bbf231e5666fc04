package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/test/docs"
)

// eip is an object that a page speaks of.
const eip = `apiVersion: kubeovn.io/v1
kind: IptablesEIP
metadata: {name: eip1}
spec: {natGwDp: gw}
`

// looks does what an operator does to see how all fares: helm test, the plugin, and each other command of kubectl that a page shows.
func (s *suite) looks() {
	out, err := s.r.tryHelm("", "test", "fairlead", "--logs")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, n := range s.c.Nodes {
		if !strings.Contains(out, n.Address.String()+" all is well") {
			s.t.Errorf("helm test says of %s:\n%s", n.Name, out)
		}
	}
	s.c.API.Apply(s.t, eip)
	dir, operands := s.shell(), s.operands()
	sample := regexp.QuoteMeta(s.addresses["node1-sample"])
	says := map[string][]string{
		"kubectl fairlead -n fairlead status": {
			`(?m)^node1 .* True +True +1 of 1 +0\s*$`, `(?m)^node2 .* True +True +1 of 1 +0\s*$`, `(?m)^node2 +10\.32\.32\.254 +tor1 .* Established `,
		},
		"kubectl fairlead -n fairlead neighbor":                                   {`(?m)^node1 +10\.32\.32\.254 +tor1 .* Established `, `(?m)^node2 +10\.32\.32\.254 +tor1 .* Established `},
		"kubectl fairlead -n fairlead neighbor 10.32.32.254 adj-out":              {`node1 .*` + sample, `node2 .*` + sample},
		"kubectl fairlead -n fairlead verify --wait 30s":                          {`(?m)^node1 `, `(?m)^node2 `},
		"kubectl fairlead -n fairlead explain pod/default/sample":                 {`(?m)^node1 +ok +wire +every neighbor was told`, `(?m)^node2 +ok +wire +every neighbor was told`, sample},
		"kubectl -n fairlead exec ds/fairlead-frr -- vtysh -c 'show bgp summary'": {`10\.32\.32\.254 `},
		"kubectl -n fairlead exec ds/fairlead-frr -- vtysh -c 'show ip bgp'":      {sample},
	}
	typed := map[string]bool{}
	for _, c := range docs.Commands(s.t, repository, "kubectl") {
		// Pages repeat each other.
		if typed[c.Line] {
			continue
		}
		typed[c.Line] = true
		out, err := s.types(dir, c, operands)
		if err != nil {
			s.t.Errorf("%s: %v", c.At, err)
		}
		for _, want := range says[c.Line] {
			if !regexp.MustCompile(want).MatchString(out) {
				s.t.Errorf("%s: %s says nothing of %s:\n%s", c.At, c.Line, want, out)
			}
		}
		delete(says, c.Line)
	}
	for line := range says {
		s.t.Errorf("no page shows %s", line)
	}
	s.asksForJSON(dir)
}

// asksForJSON asks the plugin as a program does.
func (s *suite) asksForJSON(dir string) {
	s.t.Helper()
	out, err := s.sh(dir, "kubectl fairlead -n fairlead status -o json")
	var replies []struct{ Node, Pod, Error, Fault string }
	if err == nil {
		err = json.Unmarshal([]byte(out), &replies)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range replies {
		if r.Error+r.Fault != "" {
			s.t.Errorf("%s: %s%s", r.Node, r.Error, r.Fault)
		}
		_, got[r.Node], _ = strings.Cut(r.Pod, "/")
	}
	for node, pod := range s.r.pods() {
		if name, _, _ := strings.Cut(pod, " "); got[node] != name {
			s.t.Errorf("of %s answers %q and not %s", node, got[node], name)
		}
	}
}

// shell makes a folder with kubectl, the plugin that `make image` has built too, and the files that commands of the documentation read.
func (s *suite) shell() string {
	s.t.Helper()
	dir := s.t.TempDir()
	plugin, err := filepath.Abs(repository + "/bin/kubectl-fairlead")
	if err == nil {
		err = os.Symlink(plugin, dir+"/kubectl-fairlead")
	}
	for name, text := range map[string]string{"kubectl": "#!/bin/sh\nexec " + s.c.binary + " kubectl \"$@\"\n", "password.txt": "secret"} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755)
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return dir
}

// operands puts what there is in this cluster in the place of what the documentation writes for it.
func (s *suite) operands() *strings.Replacer {
	s.t.Helper()
	nameOf := func(selector string) string {
		name, _, _ := strings.Cut(s.r.podsOf(selector)["node1"], " ")
		return name
	}
	return strings.NewReplacer("NAMESPACE", namespace, "POD", nameOf(selector), "fairlead-frr-x7k2p", nameOf(frrSelector),
		"pod sample", "pod node1-sample", "pod/default/sample", "pod/default/node1-sample")
}

// types runs a command of the documentation in a shell: as it is where it only looks, and else up to the API server, which says whether
// it would do it. Of one that a sentence names, kubectl says whether there is such a command.
func (s *suite) types(dir string, c docs.Command, operands *strings.Replacer) (string, error) {
	s.t.Helper()
	line := operands.Replace(c.Line)
	if !c.Typed {
		out, err := s.sh(dir, line+" --help")
		if err == nil && strings.Contains(out, "kubectl controls the Kubernetes cluster manager") {
			err = fmt.Errorf("%s: there is no such command", line)
		}
		return out, err
	}
	verb := c.Args[0]
	if verb == "-n" {
		verb = c.Args[2]
	}
	changes := slices.Contains([]string{"annotate", "create", "delete", "label"}, verb)
	if changes {
		line += " --dry-run=server"
	}
	if verb == "annotate" || verb == "label" {
		line += " --overwrite"
	}
	out, err := s.sh(dir, line)
	if err != nil && verb == "create" && strings.Contains(err.Error(), "(AlreadyExists)") {
		return out, nil
	}
	if err == nil && changes && !strings.Contains(out, "(server dry run)") {
		err = fmt.Errorf("%s: it was done: %s", line, out)
	}
	return out, err
}

// sh runs a line in a shell and returns what it prints. No plugin of this machine's own is found.
func (s *suite) sh(dir, line string) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, "sh", "-c", line)
	command.Dir = dir
	command.Env = append(os.Environ(), "PATH="+dir+":/usr/bin:/bin", "HOME="+dir, "KUBECONFIG="+s.c.Kubeconfig())
	var complaint strings.Builder
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s%s", line, err, out, complaint.String())
	}
	return string(out), err
}

// flushes takes what FRR would have installed out of a node that has no FRR any more, by the commands that a page shows.
func (s *suite) flushes(n *Node) {
	s.t.Helper()
	for _, route := range [][]string{{"-4", "192.0.2.0/24"}, {"-6", "2001:db8:9::/64"}} {
		if err := n.host.run("ip", route[0], "route", "add", route[1], "dev", "lo", "proto", "bgp"); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, c := range docs.Commands(s.t, repository, "ip") {
		if !slices.Contains(c.Args, "flush") {
			continue
		}
		if err := n.host.run(strings.Fields(c.Line)...); err != nil {
			s.t.Errorf("%s: %v", c.At, err)
		}
	}
	for _, family := range []string{"-4", "-6"} {
		// It fails where it finds one.
		if err := n.host.run("sh", "-c", "! ip "+family+" route show proto bgp | grep ."); err != nil {
			s.t.Error(err)
		}
	}
}
