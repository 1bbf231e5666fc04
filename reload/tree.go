package reload

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
)

// Tree is a configuration as FRR nests it: statements, and inside those that open a context, more statements.
type Tree []*Statement

// Statement is one line, without its indentation.
type Statement struct {
	Text     string
	Children Tree
	// shared says of a router that it holds foreign statements too, which are not among Children.
	shared bool
}

// Parse reads a configuration as FRR's running-config and render write it: what is indented deeper than a line belongs to
// it. Comments, separators and the words that close a context say nothing that the indentation does not, and are dropped. A
// context that is opened again goes on where it was left, as it does in FRR.
func Parse(config []byte) Tree {
	tree, _ := parse(config, false)
	return tree
}

// parse is Parse; where apart, it leaves out the first networks of each address family that follow one another, and gives
// them beside the tree.
func parse(config []byte, apart bool) (Tree, []networks) {
	root := &Statement{}
	type place struct {
		in   *Statement
		text string
	}
	contexts := map[place]*Statement{}
	// open[d] is the statement that a line of depth d belongs to.
	open := []*Statement{root}
	var found []networks
	whole := config
	for len(config) > 0 {
		if apart && len(open) > 2 && isFamily(open[2]) && begins(config, networkLine) {
			n := networks{router: open[1], family: open[2], at: len(open[2].Children)}
			if !slices.ContainsFunc(found, n.sameContext) {
				if n.lines = networkLines(config); begins(config[len(n.lines):], "   ") {
					// Something belongs to the last of them, which nobody writes.
					return Parse(whole), nil
				}
				found = append(found, n)
				config, open = config[len(n.lines):], open[:3]
				continue
			}
		}
		line, rest, _ := bytes.Cut(config, []byte("\n"))
		config = rest
		text := strings.TrimRight(string(line), " \t\r")
		bare := strings.TrimLeft(text, " ")
		if bare == "" || bare[0] == '!' || bare[0] == '#' || closes(bare) {
			continue
		}
		depth := min(len(text)-len(bare), len(open)-1)
		s := &Statement{Text: canonical(bare)}
		if opensContext(s) {
			at := place{open[depth], s.Text}
			if before := contexts[at]; before != nil {
				open = append(open[:depth+1], before)
				continue
			}
			contexts[at] = s
		}
		open[depth].Children = append(open[depth].Children, s)
		open = append(open[:depth+1], s)
	}
	return root.Children, found
}

// closes reports whether a line only ends a context, or is what vtysh prints before a configuration.
func closes(line string) bool {
	switch line {
	case "exit", "end", "Building configuration...", "Current configuration:":
		return true
	}
	// "exit-address-family", "exit-vni"
	return strings.HasPrefix(line, "exit-")
}

// canonical writes a statement the one way that stands for the several in which versions of FRR write it.
func canonical(text string) string {
	if strings.Contains(text, "::") {
		text = canonicalAddress(text)
	}
	// FRR 8 writes the greatest TTL out, FRR 10 does not.
	if neighbor, ok := strings.CutSuffix(text, " ebgp-multihop 255"); ok {
		return neighbor + " ebgp-multihop"
	}
	// FRR 8 has a name for the community 0:0.
	if communities, ok := strings.CutPrefix(text, "set community internet"); ok {
		return "set community 0:0" + communities
	}
	return text
}

// canonicalAddress writes the IPv6 address or prefix of a network or neighbor statement as netip does. FRR writes the end of
// some as IPv4: ::10.0.0.1.
func canonicalAddress(text string) string {
	keyword, rest, _ := strings.Cut(text, " ")
	if keyword != "network" && keyword != "neighbor" {
		return text
	}
	address, rest, more := strings.Cut(rest, " ")
	if prefix, err := netip.ParsePrefix(address); err == nil {
		address = prefix.String()
	} else if addr, err := netip.ParseAddr(address); err == nil {
		address = addr.String()
	}
	if !more {
		return keyword + " " + address
	}
	return keyword + " " + address + " " + rest
}

// text gives t as a configuration, which Parse reads as t again.
func (t Tree) text() []byte {
	var out bytes.Buffer
	t.write(&out, "")
	return out.Bytes()
}

func (t Tree) write(out *bytes.Buffer, indent string) {
	for _, s := range t {
		out.WriteString(indent + s.Text + "\n")
		if len(s.Children) == 0 && !isRouteMap(s) {
			continue
		}
		s.Children.write(out, indent+" ")
		if isFamily(s) {
			out.WriteString(indent + "exit-address-family\n")
		} else {
			out.WriteString(indent + "exit\n")
		}
	}
}

// Owned gives what Fairlead owns of t.
func (t Tree) Owned() Tree {
	var owned Tree
	for _, s := range t {
		switch {
		case s.Text == "bfd":
			// Its profiles stand for themselves: those of others stand beside ours.
			owned = append(owned, s.Children.Owned()...)
		case s.owned():
			owned = append(owned, s)
		}
	}
	return owned
}

// owned reports whether a statement at the top of a configuration is ours.
func (s *Statement) owned() bool {
	words := strings.Fields(s.Text)
	switch {
	case len(words) >= 3 && words[0] == "router" && words[1] == "bgp":
		return len(words) == 3 || words[3] == "view" || s.usesOurs()
	case isDelay(s):
		return true
	case len(words) >= 2 && (words[0] == "route-map" || words[0] == "profile"):
		return strings.HasPrefix(words[1], namespace)
	}
	if n := listWords(s.Text); n > 0 && len(words) >= n {
		// "NAME seq NUMBER" ends the words that say which entry it is.
		return strings.HasPrefix(words[n-3], namespace)
	}
	return false
}

// usesOurs reports whether a statement inside s names an object of ours. That is how an instance of a VRF is known as ours:
// the operator can have others.
func (s *Statement) usesOurs() bool {
	return slices.ContainsFunc(s.Children, func(c *Statement) bool {
		return strings.Contains(c.Text, " route-map "+namespace) || c.usesOurs()
	})
}

// namespace begins the name of every FRR object that is ours and needs one.
const namespace = "FL-"
