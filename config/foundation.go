package config

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// foundation are the keys that an agent must know before any other: it reads them once, when it starts.
var foundation = []string{"frr", "kubernetes", "natGateway", "status", "events", "logging", "verify"}

// declaring are the keys that tell which statements are Fairlead's, so that none of them is taken for a foreign one.
var declaring = []string{"asn", "routers", "neighbors"}

// Foundation reads the keys alone that an agent reads once, when it starts: frr, kubernetes, natGateway, status, events, and
// logging and verify too, out of a file that Parse may refuse. The Config that it gives is zero but for them. It reports false where the
// file does not say which FRR is meant, and where its objects come from: where it has a mistake in one of the first three, or
// no key at all. A mistake in one of the others counts as if it were not there, and so does one in frr.audit and frr.foreign: what
// is wrong in these is left out, with what Parse would refuse of the latter for the routers and neighbors that can be read. What
// stands elsewhere does not matter, even where it is no YAML: the lines of these keys are read then, each from its beginning at
// the left margin to the next line that begins there.
func Foundation(data []byte) (Config, bool) {
	root, failure := document(data)
	if failure != nil {
		if root, failure = document(linesOf(data, foundation)); failure != nil {
			return Config{}, false
		}
	}
	if root == nil || root.Kind != yaml.MappingNode {
		return Config{}, false
	}
	keys := only(root, foundation)
	all := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: root.Line, Content: slices.Concat(keys.Content, declarers(data, root))}
	c, d := check("", all)
	if d.stopped {
		c, d = check("", keys)
	}
	if d.stopped || d.spoiled["kubernetes"] || d.spoiled["natGateway"] || slices.ContainsFunc(d.errs, saysWhichFRR) {
		return Config{}, false
	}
	left := preset()
	if d.spoiled["logging"] {
		c.Logging = left.Logging
	}
	if d.spoiled["status"] {
		c.Status = left.Status
	}
	if d.spoiled["events"] {
		c.Events = left.Events
	}
	if d.spoiled["verify"] {
		c.Verify = left.Verify
		c.Verify.BMP.Feed = c.FRR.Ours()
	}
	var foreign []Foreign
	for i, f := range c.FRR.Foreign {
		if !d.spoiled["frr.foreign"+index(i)] {
			foreign = append(foreign, f)
		}
	}
	c.FRR.Foreign = foreign
	c = Config{
		FRR: c.FRR, Kubernetes: c.Kubernetes, NATGateway: c.NATGateway, Status: c.Status, Events: c.Events, Logging: c.Logging, Verify: c.Verify,
	}
	c.setDefaults()
	return c, true
}

// saysWhichFRR reports whether a mistake is in what says which FRR is meant, and not in how it is looked after.
func saysWhichFRR(e Error) bool {
	in := func(key string) bool {
		rest, is := strings.CutPrefix(e.Path, key)
		return is && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return in("frr") && !in("frr.audit") && !in("frr.foreign")
}

// only gives a mapping with those of the keys that root has.
func only(root *yaml.Node, keys []string) *yaml.Node {
	some := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: root.Line}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if slices.Contains(keys, root.Content[i].Value) {
			some.Content = append(some.Content, root.Content[i], root.Content[i+1])
		}
	}
	return some
}

// declarers gives the keys of declaring, and their values: out of root, or each out of its own lines where it is not there.
func declarers(data []byte, root *yaml.Node) []*yaml.Node {
	var content []*yaml.Node
	for _, key := range declaring {
		found := only(root, []string{key})
		if len(found.Content) == 0 {
			if alone, failure := document(linesOf(data, []string{key})); failure == nil && alone != nil && alone.Kind == yaml.MappingNode {
				found = alone
			}
		}
		content = append(content, found.Content...)
	}
	return content
}

// linesOf gives the lines that belong to the keys.
func linesOf(data []byte, keys []string) []byte {
	var lines []byte
	ours := false
	for line := range bytes.Lines(data) {
		// A list may stand at the margin of its key; a comment says nothing.
		if !bytes.ContainsAny(line[:1], " \t\r\n#-") || bytes.HasPrefix(line, []byte("---")) {
			key, _, _ := bytes.Cut(line, []byte(":"))
			ours = slices.Contains(keys, string(bytes.Trim(key, "\"' ")))
		}
		if ours {
			lines = append(lines, line...)
		}
	}
	return lines
}
