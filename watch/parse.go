package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead/fairlead/route"
)

// parsed is what a piece holds. Its lines are those of the piece, from 1, so that it stays true when the piece moves.
type parsed struct {
	// objects are those of the known kinds, in their order.
	objects []object
	issues  []issue
	// broken means that the text could not be read: there are no objects, and the issues say why.
	broken bool
}

// object is one object, or the place of one that could not be used.
type object struct {
	// key is the zero Object where a bad object does not even say who it is.
	key  route.Object
	line int
	// value is a pointer to one of reduce's structs; nil means bad.
	value any
}

// issue is a Problem within a piece.
type issue struct {
	line int
	what string
	// bad means that the object with this key cannot be used, for this reason.
	bad bool
	key route.Object
}

// maxDepth bounds how deep JSON may nest; the YAML parser has the same bound of its own.
const maxDepth = 10_000

// parse reads a piece. It depends on nothing but the piece and keeps no part of its text.
func parse(p piece) *parsed {
	roots, err := nodes(p)
	if err != nil {
		return broken(errorLine(p, err), message(err))
	}
	out := &parsed{}
	for _, root := range roots {
		if mayHaveAliases(p) {
			if err := checkAliases(root); err != nil {
				return broken(root.Line, err.Error())
			}
		}
		if root = deref(root); isNull(root) && p.form == document {
			continue
		}
		if p.form == yamlItem {
			if root.Kind != yaml.SequenceNode || len(root.Content) != 1 {
				return broken(root.Line, "is not one entry of a list")
			}
			root = deref(root.Content[0])
		} else if root.Kind != yaml.MappingNode && p.form == document {
			return broken(root.Line, "is "+describe(root)+": write objects with apiVersion and kind")
		}
		decode(out, root, p.base, p.form != document)
	}
	return out
}

func broken(line int, what string) *parsed {
	return &parsed{broken: true, issues: []issue{{line: max(line, 1), what: what}}}
}

// nodes gives the roots of a piece's documents. What begins with a brace is JSON if it reads as JSON, and else YAML,
// whose flow style looks alike.
func nodes(p piece) ([]*yaml.Node, error) {
	if p.form == jsonItem {
		roots, err := jsonNodes(p.text)
		if err == nil && len(roots) != 1 {
			err = errors.New("is not one element of a list")
		}
		return roots, err
	}
	if p.form == document && looksLikeJSON(p.text) {
		if roots, err := jsonNodes(p.text); err == nil {
			return roots, nil
		}
	}
	return yamlNodes(p.text)
}

// looksLikeJSON reports whether a document, its marker aside, begins with a brace.
func looksLikeJSON(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimLeft(withoutMarker(text), " \t\r\n"), []byte("{"))
}

func withoutMarker(text []byte) []byte {
	if isMarker(text, "---") {
		return text[len("---"):]
	}
	return text
}

// yamlNodes parses all documents of text: the split has left one, but YAML has rarer line breaks than "\n".
func yamlNodes(text []byte) ([]*yaml.Node, error) {
	var roots []*yaml.Node
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return nil, err
		}
		if len(doc.Content) > 0 {
			roots = append(roots, doc.Content[0])
		}
	}
}

// jsonNodes parses JSON values that follow one another, into the same tree that YAML gives.
func jsonNodes(text []byte) ([]*yaml.Node, error) {
	text = withoutMarker(text)
	r := jsonReader{text: text, decoder: json.NewDecoder(bytes.NewReader(text)), line: 1}
	r.decoder.UseNumber()
	var roots []*yaml.Node
	for {
		root, err := r.value(0)
		if errors.Is(err, io.EOF) {
			return roots, nil
		}
		if err != nil {
			return nil, err
		}
		roots = append(roots, root)
	}
}

// jsonReader builds YAML nodes from JSON tokens and counts their lines, which encoding/json does not.
type jsonReader struct {
	text    []byte
	decoder *json.Decoder
	offset  int // up to which line is counted
	line    int
}

// value reads the next value. It gives io.EOF, unwrapped, only where none begins.
func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("is nested deeper than %d", maxDepth)
	}
	token, err := r.decoder.Token()
	if err != nil {
		if depth > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	end := int(r.decoder.InputOffset())
	r.line += bytes.Count(r.text[r.offset:end], []byte("\n"))
	r.offset = end
	n := &yaml.Node{Kind: yaml.ScalarNode, Line: r.line}
	switch t := token.(type) {
	case string:
		n.Tag, n.Value, n.Style = "!!str", t, yaml.DoubleQuotedStyle
	case json.Number:
		n.Tag, n.Value = "!!int", t.String()
	case bool:
		n.Tag, n.Value = "!!bool", strconv.FormatBool(t)
	case nil:
		n.Tag, n.Value = "!!null", "null"
	case json.Delim:
		n.Kind = yaml.SequenceNode
		if t == '{' {
			n.Kind = yaml.MappingNode
		}
		for r.decoder.More() {
			child, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
		if _, err := r.decoder.Token(); err != nil { // the closing bracket
			return nil, err
		}
	}
	return n, nil
}

// message is the parser's own text without its prefix and its line, which is of the piece and often a line off.
func message(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, found := strings.CutPrefix(text, "line "); found {
		if _, what, found := strings.Cut(rest, ": "); found {
			return what
		}
	}
	return text
}

// searchLimit is the size of text, in bytes, up to which errorLine parses again to find a line.
const searchLimit = 1 << 20

// errorLine finds the line of a piece that a syntax error is on. The YAML parser names the line on which the surrounding
// mapping began, one less, or none; so the line taken is the first with which the text before it fails in the same way.
func errorLine(p piece, err error) int {
	if p.form == jsonItem || len(p.text) > searchLimit {
		return 1
	}
	want := message(err)
	var ends []int
	for at := 0; at < len(p.text); {
		at = nextLine(p.text, at)
		ends = append(ends, at)
	}
	return 1 + sort.Search(len(ends)-1, func(i int) bool {
		_, err := yamlNodes(p.text[:ends[i]])
		return err != nil && message(err) == want
	})
}

// mayHaveAliases reports whether the piece's text has what every alias begins with.
func mayHaveAliases(p piece) bool { return p.form != jsonItem && bytes.IndexByte(p.text, '*') >= 0 }

// checkAliases refuses a document whose aliases reach themselves, or make it grow to more than ten times its size once it
// is large: what walks the tree afterwards follows them without looking.
func checkAliases(root *yaml.Node) error {
	const allowed, factor = 100_000, 10
	sizes := map[*yaml.Node]int{} // of anchored nodes, with aliases followed; 0 while a node is being measured
	own := 0
	var measure func(n *yaml.Node) (int, error)
	measure = func(n *yaml.Node) (int, error) {
		if n.Kind == yaml.AliasNode {
			own++
			if size := sizes[n.Alias]; size > 0 {
				return size, nil
			}
			return 0, fmt.Errorf("alias *%s is part of what it stands for", n.Value)
		}
		own++
		size := 1
		for _, child := range n.Content {
			s, err := measure(child)
			if err != nil {
				return 0, err
			}
			// The sum stays far from an overflow: what is too large grows no more.
			size = min(size+s, 1<<40)
		}
		if n.Anchor != "" {
			sizes[n] = size
		}
		return size, nil
	}
	size, err := measure(root)
	if err == nil && size > allowed && size > factor*own {
		err = errors.New("aliases make it grow to more than ten times its size: write it out")
	}
	return err
}

// deref follows an alias.
func deref(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// describe says what a node is, for a message.
func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	default:
		return strconv.Quote(n.Value)
	}
}
