package render

import (
	"bytes"
	"fmt"
	"io/fs"
	"text/template"

	"github.com/Masterminds/sprig/v3"

	"github.com/fairlead/fairlead/route"
)

// Renderer renders frr.conf with one set of templates. It is safe for concurrent use.
type Renderer struct {
	templates *template.Template
}

// entry is the template that puts the others together.
const entry = "frr.conf.tmpl"

// New reads the templates of fsys, all files *.tmpl in its root.
func New(fsys fs.FS) (*Renderer, error) {
	t, err := template.New(entry).Funcs(functions()).Option("missingkey=error").ParseFS(fsys, "*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	if t.Lookup(entry) == nil || t.Lookup(entry).Tree == nil {
		return nil, fmt.Errorf("parse templates: there is no %s", entry)
	}
	return &Renderer{templates: t}, nil
}

// Render gives frr.conf for s. The same s gives the same bytes; what is added to s adds lines and changes no other.
func (r *Renderer) Render(s route.Speaker) ([]byte, error) {
	doc, err := document(s, sha)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := r.templates.ExecuteTemplate(&out, entry, doc); err != nil {
		return nil, fmt.Errorf("render frr.conf: %w", err)
	}
	return tidy(out.Bytes()), nil
}

// tidy drops the lines that say nothing to FRR, so that a template can be laid out for its reader, and ends the file, once and
// behind all that any template writes. It reuses the memory of conf.
func tidy(conf []byte) []byte {
	const end = "end"
	kept := conf[:0]
	for line := range bytes.Lines(conf) {
		if text := bytes.TrimRight(line, "\n"); len(bytes.TrimSpace(text)) > 0 && string(text) != end {
			kept = append(append(kept, text...), '\n')
		}
	}
	return append(kept, end+"\n"...)
}

// functions are sprig's, less all that reads the machine, the clock, the network or a source of randomness: a template
// gives the same text everywhere and always.
func functions() template.FuncMap {
	all := sprig.TxtFuncMap()
	allowed := template.FuncMap{}
	for _, name := range []string{
		"add", "add1", "coalesce", "compact", "concat", "contains", "default", "dict", "div", "empty", "fail", "first",
		"get", "has", "hasKey", "hasPrefix", "hasSuffix", "indent", "int", "int64", "join", "keys", "last", "list",
		"lower", "max", "min", "mod", "mul", "nindent", "replace", "sortAlpha", "splitList", "sub", "ternary", "toString",
		"trim", "trimPrefix", "trimSuffix", "trunc", "uniq", "until", "upper", "values",
	} {
		allowed[name] = all[name]
	}
	return allowed
}
