package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// maxNodes bounds how many values are decoded, maxErrors how many mistakes are told, and maxText how long one value may be.
// Thousands of neighbors need less; a few lines of aliases inside aliases can ask for more than there is memory. 4096 is
// PATH_MAX of Linux.
const (
	maxNodes  = 100_000
	maxErrors = 1000
	maxText   = 4096
)

// decoder turns YAML nodes into Go values after the types' field tags, and collects every mistake on the way.
type decoder struct {
	file string
	errs Errors
	// lines has the line of every key, by its path; given has the paths of those with a value, failed those with a mistake,
	// and spoiled those with a mistake in them or in a key below them.
	lines                  map[string]int
	given, failed, spoiled map[string]bool
	// inherited has the paths of what a neighbor has from neighborDefaults, with the line there.
	inherited map[string]int
	// nodes counts the values; stopped means that there are too many of them or of mistakes, and that the rest was not read.
	nodes   int
	stopped bool
}

func newDecoder(file string) *decoder {
	return &decoder{
		file: file, lines: map[string]int{}, given: map[string]bool{}, failed: map[string]bool{}, spoiled: map[string]bool{},
		inherited: map[string]int{},
	}
}

// fail notes a mistake in the key at path.
func (d *decoder) fail(path string, line int, format string, args ...any) {
	d.failed[path] = true
	for at := path; at != ""; at = parent(at) {
		d.spoiled[at] = true
	}
	d.errs = append(d.errs, Error{File: d.file, Line: line, Path: path, Message: fmt.Sprintf(format, args...)})
}

// decode reads n into v. tag is that of the field that v stands in.
func (d *decoder) decode(path string, n *yaml.Node, v reflect.Value, tag reflect.StructTag) {
	n = target(n)
	if !d.spend(path, n) || !d.plain(path, n) {
		return
	}
	switch p := v.Addr().Interface().(type) {
	case *NodeSelector:
		d.decodeNodeSelector(path, n, p)
		return
	case *map[string]string:
		d.decodeLabels(path, n, p)
		return
	case *BFD:
		d.decodeBFD(path, n, p)
		return
	case *NextHop:
		d.decodeNextHop(path, n, p)
		return
	case *Receive:
		d.decodeReceive(path, n, p)
		return
	case *SecretRef:
		d.decodeSecretRef(path, n, p)
		return
	}
	if _, leaf := v.Addr().Interface().(encoding.TextUnmarshaler); !leaf {
		switch v.Kind() {
		case reflect.Struct:
			d.decodeStruct(path, n, v)
			return
		case reflect.Slice:
			d.decodeSlice(path, n, v, tag)
			return
		}
	}
	if n.Kind != yaml.ScalarNode {
		d.fail(path, n.Line, "is %s: write a single value", describe(n))
		return
	}
	if err := decodeScalar(n, v, tag); err != nil {
		d.fail(path, n.Line, "%v", err)
	}
}

// spend counts one more value, and reports whether there may be as many.
func (d *decoder) spend(path string, n *yaml.Node) bool {
	d.nodes++
	switch {
	case d.stopped:
	case d.nodes > maxNodes:
		d.stopped = true
		d.fail(path, n.Line, "there are more than %d values up to here, aliases counted as often as they are used: write fewer", maxNodes)
	case len(d.errs) >= maxErrors:
		d.stopped = true
		d.fail(path, n.Line, "the rest is not read: correct the %d mistakes up to here first", len(d.errs))
	}
	return !d.stopped
}

// target follows an alias. An anchor cannot stand on an alias, so one step is enough.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// plain reports whether n has one of the types that every YAML file has and a bearable length, and notes it where it has
// not.
func (d *decoder) plain(path string, n *yaml.Node) bool {
	if len(n.Value) > maxText {
		d.fail(path, n.Line, "is %d bytes long: write at most %d", len(n.Value), maxText)
		return false
	}
	switch n.ShortTag() {
	case "!!str", "!!int", "!!float", "!!bool", "!!null", "!!timestamp", "!!map", "!!seq", "!!merge":
		return true
	default:
		d.fail(path, n.Line, "has the YAML tag %s: take the tag out", quote(n.ShortTag()))
		return false
	}
}

// decodeStruct reads a mapping into a struct. What stands under an unknown key is not looked at, nor printed: it may be a
// password.
func (d *decoder) decodeStruct(path string, n *yaml.Node, v reflect.Value) {
	fields := fieldsOf(v.Type())
	if n.Kind != yaml.MappingNode {
		d.fail(path, n.Line, "is %s: write a mapping with keys such as %s", describe(n), fields[0].Tag.Get("yaml"))
		return
	}
	d.pairs(path, n, func(key string, line int, value *yaml.Node) {
		child := join(path, key)
		i := slices.IndexFunc(fields, func(f reflect.StructField) bool { return f.Tag.Get("yaml") == key })
		if i < 0 {
			d.fail(child, line, "%s", unknownKey(key, v.Type()))
			return
		}
		d.lines[child] = line
		if isNull(value) {
			return
		}
		d.given[child] = true
		d.decode(child, value, v.FieldByIndex(fields[i].Index), fields[i].Tag)
	})
}

// pairs calls f for each key of the mapping n, and notes the keys that are given twice or are no text.
func (d *decoder) pairs(path string, n *yaml.Node, f func(key string, line int, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		node, value := n.Content[i], n.Content[i+1]
		key := target(node)
		if !d.spend(path, key) {
			return
		}
		if key.Kind != yaml.ScalarNode {
			d.fail(path, node.Line, "has a key that is %s: write a key that is a text", describe(key))
			continue
		}
		if key.ShortTag() == "!!merge" {
			d.fail(join(path, key.Value), node.Line, "merge keys are not read: write the keys themselves")
			continue
		}
		if first, ok := seen[key.Value]; ok {
			d.fail(join(path, key.Value), node.Line, "duplicate key, given on line %d already: keep one of the two", first)
			continue
		}
		seen[key.Value] = node.Line
		f(key.Value, node.Line, value)
	}
}

// decodeSlice reads a list.
func (d *decoder) decodeSlice(path string, n *yaml.Node, v reflect.Value, tag reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		advice := "write each entry on a line of its own, after a dash"
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && v.Type().Elem().Kind() != reflect.Struct {
			advice = "write [" + quote(n.Value) + "]"
		}
		d.fail(path, n.Line, "is %s, not a list: %s", describe(n), advice)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for i, item := range n.Content {
		child := path + "[" + strconv.Itoa(i) + "]"
		d.lines[child] = item.Line
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		if isNull(item) {
			d.fail(child, item.Line, "is empty: write a value after the dash, or take the entry out")
			continue
		}
		d.decode(child, item, v.Index(i), tag)
	}
}
