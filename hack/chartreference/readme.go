package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// head stands above the values.
//
//go:embed head.md
var head string

// readmeOf gives the README of a chart with these values.
func readmeOf(values []byte, s schema) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(values, &doc); err != nil {
		return nil, err
	}
	r := readme{}
	r.out.WriteString(head)
	r.keys("", doc.Content[0], s)
	return r.out.Bytes(), errors.Join(r.errs...)
}

// readme collects the rows and what is missing from them.
type readme struct {
	out  bytes.Buffer
	errs []error
}

// keys writes a row for each key of a mapping at path, and for those inside of it where the schema knows them all.
func (r *readme) keys(path string, n *yaml.Node, s schema) {
	properties, _ := s["properties"].(schema)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		here := strings.TrimPrefix(path+"."+key.Value, ".")
		inner, known := properties[key.Value].(schema)
		if !known {
			r.errs = append(r.errs, fmt.Errorf("line %d: the schema has no %s", key.Line, here))
		}
		nested := inner["additionalProperties"] == false && value.Kind == yaml.MappingNode
		standard := ""
		if !nested {
			standard = "`" + flow(value) + "`"
		}
		meaning := comment(key)
		if meaning == "" {
			r.errs = append(r.errs, fmt.Errorf("line %d: %s has no comment", key.Line, here))
		}
		fmt.Fprintf(&r.out, "| `%s` | %s | %s |\n", here, standard, meaning)
		if nested {
			r.keys(here, value, inner)
		}
	}
}

// comment gives what stands above a key, as one line.
func comment(key *yaml.Node) string {
	var words []string
	for line := range strings.Lines(key.HeadComment) {
		words = append(words, strings.Fields(strings.TrimPrefix(line, "#"))...)
	}
	return strings.ReplaceAll(strings.Join(words, " "), "|", `\|`)
}

// flow writes a value in one line.
func flow(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		var entries []string
		for i := 0; i+1 < len(n.Content); i += 2 {
			entries = append(entries, n.Content[i].Value+": "+flow(n.Content[i+1]))
		}
		return "{" + strings.Join(entries, ", ") + "}"
	case yaml.SequenceNode:
		var entries []string
		for _, entry := range n.Content {
			entries = append(entries, flow(entry))
		}
		return "[" + strings.Join(entries, ", ") + "]"
	default:
		if n.Style&yaml.DoubleQuotedStyle != 0 {
			return `"` + n.Value + `"`
		}
		return n.Value
	}
}
