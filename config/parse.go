package config

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Parse reads one YAML document, checks it and fills in the defaults. It reads nothing but data: file is the name to put
// into errors, and Neighbor.Password stays empty. Its error is an Errors with every mistake, and then the Config is zero.
//
// A null value is the same as no key, and an empty text is the same as no text. Anchors and aliases are followed; merge
// keys are not. A file with a thousand mistakes, or a hundred thousand values, is not read to its end, and one
// more mistake says so.
func Parse(file string, data []byte) (Config, error) {
	root, failure := document(data)
	if failure != nil {
		failure.File = file
		return Config{}, Errors{*failure}
	}
	c, d := check(file, root)
	if len(d.errs) > 0 {
		d.errs.sort()
		return Config{}, d.errs
	}
	c.setDefaults()
	return c, nil
}

// check decodes and validates a document; what mistakes it has, the decoder knows.
func check(file string, root *yaml.Node) (Config, *decoder) {
	c := preset()
	d := newDecoder(file)
	if root != nil {
		d.decode("", root, reflect.ValueOf(&c).Elem(), "")
	}
	if !d.failed[""] && !d.stopped {
		d.validate(&c)
	}
	return c, d
}

// document gives the value of the only YAML document in data, or nil where there is none.
func document(data []byte) (*yaml.Node, *Error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxError(data, err)
	}
	if err := dec.Decode(&second); err == nil {
		return nil, &Error{Line: max(second.Line, 1), Message: "a second document begins here: write one document, without --- between its keys"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxError(data, err)
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil, nil
	}
	return doc.Content[0], nil
}

// syntaxError gives the line that the YAML parser names in its message, which reads "yaml: line 3: did not find ...".
func syntaxError(data []byte, err error) *Error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if number, message, ok := strings.Cut(strings.TrimPrefix(text, "line "), ": "); ok {
		if n, err := strconv.Atoi(number); err == nil {
			line, text = n, message
			if countsFromZero(message) {
				line++
			}
		}
	} else if name, ok := strings.CutPrefix(text, "unknown anchor '"); ok {
		name, _, _ = strings.Cut(name, "'")
		before, _, _ := bytes.Cut(data, []byte("*"+name))
		line += bytes.Count(before, []byte("\n"))
	}
	lines := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
	line = max(min(line, len(lines)), 1)
	message := "not valid YAML: " + strings.Join(strings.Fields(text), " ")
	if bytes.HasPrefix(bytes.TrimLeft(lines[line-1], " "), []byte("\t")) {
		message += ": indent with spaces, not with tabs"
	}
	return &Error{Line: line, Message: message}
}

// countsFromZero reports whether a message of the YAML library comes from its parser, which counts lines from 0; its
// scanner counts them from 1.
func countsFromZero(message string) bool {
	return slices.ContainsFunc([]string{
		"did not find expected ',' or ",
		"did not find expected '-' indicator",
		"did not find expected <",
		"did not find expected key",
		"did not find expected node content",
		"found duplicate %",
		"found incompatible YAML document",
		"found undefined tag handle",
	}, func(prefix string) bool { return strings.HasPrefix(message, prefix) })
}
