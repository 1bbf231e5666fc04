// Command configreference writes docs/reference/configuration.md from the types of package config: their field tags, read
// by reflection, and their fields' comments, read from the source.
//
//	configreference FOLDER FILE
//
// FOLDER is that of package config, FILE what to write. A key without a meaning, a default, an example or the FRR statement
// that it becomes ("-" where there is none) is an error.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: configreference FOLDER FILE")
		os.Exit(2)
	}
	text, err := generate(os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], text, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "configreference:", err)
		os.Exit(1)
	}
}

// generate gives the page for the types whose source lies in folder.
func generate(folder string) ([]byte, error) {
	comments, err := readComments(folder)
	if err != nil {
		return nil, fmt.Errorf("read comments of %s: %w", folder, err)
	}
	p := page{comments: comments}
	p.out.WriteString(head)
	p.keys("", reflect.TypeFor[config.Config]())
	return p.out.Bytes(), errors.Join(p.errs...)
}

const head = `# Configuration reference

<!-- Written by go generate from the types in config/; change their comments and tags, not this file. -->

Every key of the configuration file. [The guide](../configuration.md) shows them at work.

- ` + "`[]`" + ` stands for any entry of a list. What stands under ` + "`neighbors[]`" + ` from ` + "`port`" + ` on may stand under ` + "`neighborDefaults`" + ` too.
- A **duration** is written ` + "`90s`" + ` or ` + "`1m30s`" + `, or as a plain number of seconds; only whole seconds are possible.
- **FRR** names the statement that the key becomes. X is the neighbor's address, or its interface.
`

// readComments gives the comment of each field of each struct in folder, by "Type.Field".
func readComments(folder string) (map[string]string, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			fields, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			for _, field := range fields.Fields.List {
				for _, ident := range field.Names {
					comments[spec.Name.Name+"."+ident.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
				}
			}
			return true
		})
	}
	return comments, nil
}

// page collects the text and what is missing from it.
type page struct {
	comments map[string]string
	out      bytes.Buffer
	errs     []error
}

// keys writes the keys of struct type t, which stands at path.
func (p *page) keys(path string, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("yaml")
		if name == "" || name == "-" || f.Anonymous {
			continue
		}
		key := strings.TrimPrefix(path+"."+name, ".")
		owner := t
		if len(f.Index) > 1 {
			owner = t.Field(f.Index[0]).Type
		}
		p.key(key, name, owner, f)

		inner := f.Type
		if inner.Kind() == reflect.Slice {
			key, inner = key+"[]", inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner.PkgPath() == t.PkgPath() && inner != reflect.TypeFor[config.Session]() {
			p.keys(key, inner)
		}
	}
}

// key writes one key.
func (p *page) key(key, name string, owner reflect.Type, f reflect.StructField) {
	text := p.comments[owner.Name()+"."+f.Name]
	meaning, standard := split(text)
	example, statement, value := f.Tag.Get("example"), f.Tag.Get("frr"), valueOf(f)
	for what, given := range map[string]string{"meaning": meaning, "default": standard, "example": example, "frr": statement, "value": value} {
		if given == "" {
			p.errs = append(p.errs, fmt.Errorf("%s.%s (%s) has no %s", owner.Name(), f.Name, key, what))
		}
	}
	if statement == "-" {
		statement = "none of its own"
	} else {
		statement = "`" + statement + "`"
	}
	fmt.Fprintf(&p.out, "\n## `%s`\n\n%s\n\n- Value: %s\n- Default: %s\n- Example: `%s: %s`\n- FRR: %s\n",
		key, plain(meaning, owner, f.Name), value, plain(standard, owner, ""), name, example, statement)
}

// split takes the default off the comment of a field.
func split(text string) (meaning, standard string) {
	if before, after, ok := strings.Cut(text, "Default: "); ok {
		return strings.TrimSpace(before), strings.TrimSuffix(after, ".")
	}
	if before, after, ok := strings.Cut(text, "Required"); ok {
		return strings.TrimSpace(before), "none, the key is required" + strings.TrimSuffix(after, ".")
	}
	return text, ""
}

// plain puts keys in the place of the Go names in a comment: its first word always, and any other that is a field of owner,
// unless it is all capitals and so may be a word of its own, such as FRR.
func plain(text string, owner reflect.Type, first string) string {
	keys := map[string]string{}
	for _, t := range []reflect.Type{reflect.TypeFor[config.Neighbor](), owner} {
		for _, f := range reflect.VisibleFields(t) {
			keys[f.Name] = f.Tag.Get("yaml")
		}
	}
	if rest, ok := strings.CutPrefix(text, first+" "); first != "" && ok {
		return "`" + keys[first] + "` " + plain(rest, owner, "")
	}
	return regexp.MustCompile(`\b[A-Z]\w*[a-z]\w*\b`).ReplaceAllStringFunc(text, func(word string) string {
		if key := keys[word]; key != "" && key != "-" && word != "IPv4" && word != "IPv6" {
			return "`" + key + "`"
		}
		return word
	})
}

// valueOf says what may be written after the key of f.
func valueOf(f reflect.StructField) string {
	if value := f.Tag.Get("value"); value != "" {
		return strings.ReplaceAll(value, "'", "`")
	}
	if values := f.Tag.Get("enum"); values != "" {
		return "`" + strings.ReplaceAll(values, ",", "`, `") + "`"
	}
	low, high, _ := strings.Cut(f.Tag.Get("range"), "-")
	switch f.Type {
	case reflect.TypeFor[time.Duration]():
		return fmt.Sprintf("duration, %s to %s", low, high)
	case reflect.TypeFor[route.ASN]():
		return "AS number, `4200000001` or `64086.59905`"
	case reflect.TypeFor[route.RemoteAS]():
		return "AS number, `external`, `internal`"
	case reflect.TypeFor[netip.Addr]():
		return "IPv4 or IPv6 address"
	case reflect.TypeFor[netip.Prefix]():
		return "prefix"
	case reflect.TypeFor[[]netip.Prefix]():
		return "list of prefixes"
	}
	switch f.Type.Kind() {
	case reflect.Bool:
		return "`true`, `false`"
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return strings.TrimSpace(fmt.Sprintf("%s to %s %s", low, high, f.Tag.Get("unit")))
	case reflect.Slice:
		return "list of mappings"
	case reflect.Struct:
		return "mapping"
	default:
		return "text"
	}
}
