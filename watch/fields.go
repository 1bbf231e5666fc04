package watch

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// get finds a field. A field that is absent or null gives nil. Merge keys ("<<") count as YAML 1.1 has them: what a
// mapping says itself goes first, then the earlier of what it merges.
func (r *reader) get(s section, key string) *yaml.Node {
	if s.node == nil {
		return nil
	}
	var found *yaml.Node
	for i := 0; i+1 < len(s.node.Content); i += 2 {
		if k := deref(s.node.Content[i]); k.Kind == yaml.ScalarNode && k.Value == key && k.Tag != "!!merge" {
			if found != nil {
				r.fail(k.Line, s.at(key)+" stands twice")
			}
			found = deref(s.node.Content[i+1])
		}
	}
	if found == nil {
		for _, merged := range merges(s.node) {
			if found = r.get(section{merged, s.path}, key); found != nil {
				break
			}
		}
	}
	if found == nil || isNull(found) {
		return nil
	}
	return found
}

// merges are the mappings that a mapping merges, the earlier first.
func merges(n *yaml.Node) []*yaml.Node {
	var sources []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		value := deref(n.Content[i+1])
		of := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			of = value.Content
		}
		for _, source := range of {
			if source = deref(source); source.Kind == yaml.MappingNode {
				sources = append(sources, source)
			}
		}
	}
	return sources
}

// section reads a field that is a mapping; an absent one gives an empty section.
func (r *reader) section(s section, key string) section {
	n := r.get(s, key)
	if n != nil && n.Kind != yaml.MappingNode {
		r.fail(n.Line, s.at(key)+" is "+describe(n)+" where a mapping is wanted")
		n = nil
	}
	return section{n, s.at(key)}
}

// list reads a field that is a list.
func (r *reader) list(s section, key string) []*yaml.Node {
	n := r.get(s, key)
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.fail(n.Line, s.at(key)+" is "+describe(n)+" where a list is wanted")
		return nil
	}
	entries := slices.Clone(n.Content)
	for i := range entries {
		entries[i] = deref(entries[i])
	}
	return entries
}

// sections reads a field that is a list of mappings.
func (r *reader) sections(s section, key string) []section {
	var sections []section
	for i, n := range r.list(s, key) {
		path := fmt.Sprintf("%s[%d]", s.at(key), i)
		if n.Kind != yaml.MappingNode {
			r.fail(n.Line, path+" is "+describe(n)+" where a mapping is wanted")
			continue
		}
		sections = append(sections, section{n, path})
	}
	return sections
}

// text reads a field that is a string; an absent one gives "".
func (r *reader) text(s section, key string) string {
	n := r.get(s, key)
	if n == nil {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		r.fail(n.Line, s.at(key)+" is "+describe(n)+" where a string is wanted")
	}
	return n.Value
}

// scalar reads an entry as a string. A number or a word such as true, unquoted, is taken as it is written.
func (r *reader) scalar(n *yaml.Node, path string) string {
	if n.Kind != yaml.ScalarNode {
		r.fail(n.Line, path+" is "+describe(n)+" where a string is wanted")
		return ""
	}
	if isNull(n) {
		return ""
	}
	return n.Value
}

// bool reads a field that is true or false, in the words that YAML 1.1 has for them and unquoted; absent is false.
func (r *reader) bool(s section, key string) bool {
	n := r.get(s, key)
	if n == nil {
		return false
	}
	if n.Kind == yaml.ScalarNode && n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
		switch strings.ToLower(n.Value) {
		case "true", "yes", "on":
			return true
		case "false", "no", "off":
			return false
		}
	}
	r.fail(n.Line, s.at(key)+" is "+describe(n)+": write true or false")
	return false
}

// texts reads a field that maps strings to strings, but only the keys that keep accepts; a nil keep accepts all. It
// gives nil where none are left.
func (r *reader) texts(s section, key string, keep func(string) bool) map[string]string {
	fields := r.section(s, key)
	if fields.node == nil {
		return nil
	}
	var texts map[string]string
	from := append([]*yaml.Node{fields.node}, allMerges(fields.node)...)
	for i, n := range from {
		for j := 0; j+1 < len(n.Content); j += 2 {
			k := deref(n.Content[j])
			if k.Tag == "!!merge" || keep != nil && !keep(k.Value) {
				continue
			}
			if k.Kind != yaml.ScalarNode {
				r.fail(k.Line, fields.path+" has a key that is "+describe(k))
				continue
			}
			if _, twice := texts[k.Value]; twice {
				if i == 0 {
					r.fail(k.Line, fields.at(k.Value)+" stands twice")
				}
				continue
			}
			if texts == nil {
				texts = map[string]string{}
			}
			texts[pooled(k.Value)] = r.scalar(deref(n.Content[j+1]), fields.at(k.Value))
		}
	}
	return texts
}

// allMerges are the mappings that a mapping merges, and those that they merge in turn, the strongest first.
func allMerges(n *yaml.Node) []*yaml.Node {
	var all []*yaml.Node
	for _, source := range merges(n) {
		all = append(append(all, source), allMerges(source)...)
	}
	return all
}
