// Command templatereference writes docs/reference/templates.md: what data each template of frr.conf gets, from the types that
// render declares. go generate runs it in the folder of render.
package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	types     = "data.go"
	templates = "../templates"
	target    = "../docs/reference/templates.md"
	root      = "frr.conf.tmpl"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "templatereference:", err)
		os.Exit(1)
	}
}

func run() error {
	page, err := generate(types, templates)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return fmt.Errorf("write reference: %w", err)
	}
	if err := os.WriteFile(target, page, 0o644); err != nil {
		return fmt.Errorf("write reference: %w", err)
	}
	return nil
}

// generate gives the page for the types in a file and the templates in a folder.
func generate(types, templates string) ([]byte, error) {
	structs, order, err := readTypes(types)
	if err != nil {
		return nil, err
	}
	data, err := dataOf(structs, templates)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString("# The data of the templates\n\n<!-- Written by go generate from the types in render/data.go; change their comments, not this file. -->\n\n" +
		"How to override a template is told in [templates.md](../templates.md). Each template gets one value as `.`:\n\n| template | `.` is |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(data)) {
		fmt.Fprintf(&out, "| `%s` | [%s](#%s) |\n", name, data[name], strings.ToLower(data[name]))
	}
	for _, name := range order {
		structs[name].write(&out, name, structs)
	}
	return out.Bytes(), nil
}

// record is a struct type and what is said of it.
type record struct {
	doc    string
	fields []field
}

type field struct {
	name, typ, doc string
}

// element is the name of the type that a field holds, one or a list of it.
func (f field) element() string { return strings.TrimLeft(f.typ, "[]*") }

// readTypes gives the exported structs of a file, and their names in the order of the file.
func readTypes(types string) (map[string]record, []string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, types, nil, parser.ParseComments)
	if err != nil {
		return nil, nil, fmt.Errorf("read types: %w", err)
	}
	structs, order := map[string]record{}, []string{}
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok || gen.Tok != token.TYPE {
			continue
		}
		spec, ok := gen.Specs[0].(*ast.TypeSpec)
		if !ok {
			continue
		}
		body, ok := spec.Type.(*ast.StructType)
		if !ok || !spec.Name.IsExported() {
			continue
		}
		r := record{doc: oneLine(gen.Doc)}
		for _, f := range body.Fields.List {
			var typ bytes.Buffer
			if err := printer.Fprint(&typ, files, f.Type); err != nil {
				return nil, nil, fmt.Errorf("print type: %w", err)
			}
			for _, name := range f.Names {
				r.fields = append(r.fields, field{name.Name, typ.String(), oneLine(f.Doc)})
			}
		}
		structs[spec.Name.Name] = r
		order = append(order, spec.Name.Name)
	}
	return structs, order, nil
}

func oneLine(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }

var (
	// ranged is the start of a loop over a field, or of what is written where there is one, call the call of a template with the
	// value of these or with its own.
	ranged = regexp.MustCompile(`\{\{-? *(?:range|with) +(?:\$\w+ *:= *)?\.(\w+) *-?\}\}\s*$`)
	call   = regexp.MustCompile(`\{\{-? *template +"([^"]+)" +\. *-?\}\}`)
)

// dataOf finds out what each template gets, by following the calls from the one that gets the Document.
func dataOf(structs map[string]record, templates string) (map[string]string, error) {
	data := map[string]string{root: "Document"}
	for open := []string{root}; len(open) > 0; open = open[1:] {
		text, err := os.ReadFile(filepath.Join(templates, open[0]))
		if err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
		for _, at := range call.FindAllSubmatchIndex(text, -1) {
			name, typ := string(text[at[2]:at[3]]), data[open[0]]
			if loop := ranged.FindSubmatch(text[:at[0]]); loop != nil {
				i := slices.IndexFunc(structs[typ].fields, func(f field) bool { return f.name == string(loop[1]) })
				if i < 0 {
					return nil, fmt.Errorf("template %s: %s has no field %s", open[0], typ, loop[1])
				}
				typ = structs[typ].fields[i].element()
			}
			data[name], open = typ, append(open, name)
		}
	}
	all, err := filepath.Glob(filepath.Join(templates, "*.tmpl"))
	if err != nil {
		return nil, fmt.Errorf("list templates: %w", err)
	}
	for _, path := range all {
		if data[filepath.Base(path)] == "" {
			return nil, fmt.Errorf("template %s: nothing calls it in a way that is understood here", path)
		}
	}
	return data, nil
}

func (r record) write(out *bytes.Buffer, name string, structs map[string]record) {
	fmt.Fprintf(out, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", name, r.doc)
	for _, f := range r.fields {
		typ := "`" + f.typ + "`"
		if _, ours := structs[f.element()]; ours {
			typ = fmt.Sprintf("[%s](#%s)", typ, strings.ToLower(f.element()))
		}
		fmt.Fprintf(out, "| `.%s` | %s | %s |\n", f.name, typ, strings.ReplaceAll(f.doc, "|", `\|`))
	}
}
