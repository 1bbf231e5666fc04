package render

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

const (
	before = "before-"
	after  = "after-"
)

//go:generate go run ../hack/templatereference

// Overlay reads the templates of base as New does, and over them an operator's own, which are texts by file name. One that
// has the name of a template of base takes its place; before-NAME and after-NAME stand before and after it, and get the same
// data. Any other name is an error, and so is a template in one file that takes the name of another's. The error joins those
// of all files.
func Overlay(base fs.FS, own map[string]string) (*Renderer, error) {
	r, err := New(base)
	if err != nil {
		return nil, err
	}
	stanzas := stanzasOf(r.templates)
	trees := map[string]*parse.Tree{}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if !slices.Contains(stanzas, stanzaOf(name)) {
			errs = append(errs, fmt.Errorf("template %s has nothing to take the place of: name it %s, or one of these with %s or %s in front",
				name, strings.Join(stanzas, ", "), before, after))
			continue
		}
		parsed, err := template.New(name).Funcs(functions()).Parse(own[name])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, t := range parsed.Templates() {
			if t.Name() != name && (trees[t.Name()] != nil || slices.Contains(stanzas, stanzaOf(t.Name()))) {
				errs = append(errs, fmt.Errorf("template %s defines %q, which is another template's name: choose a name of its own", name, t.Name()))
			}
			trees[t.Name()] = t.Tree
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("parse templates: %w", err)
	}
	return r, r.lay(trees, stanzas)
}

// lay puts the operator's templates into r: first each under its own name, then what stands before and after a stanza into
// that stanza.
func (r *Renderer) lay(trees map[string]*parse.Tree, stanzas []string) error {
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		// AddParseTree keeps the old template where the new one is empty, and empty is how a stanza is left out.
		if t := r.templates.Lookup(name); t != nil {
			t.Tree = trees[name]
			continue
		}
		if _, err := r.templates.AddParseTree(name, trees[name]); err != nil {
			return fmt.Errorf("parse template %s: %w", name, err)
		}
	}
	for _, stanza := range stanzas {
		var around [2][]parse.Node
		for i, place := range []string{before, after} {
			if trees[place+stanza] == nil {
				continue
			}
			// The line break ends a last line that has none.
			call, err := template.New(stanza).Parse("\n{{ template \"" + place + stanza + "\" . }}\n")
			if err != nil {
				return fmt.Errorf("call template %s%s: %w", place, stanza, err)
			}
			around[i] = call.Root.Nodes
		}
		root := r.templates.Lookup(stanza).Root
		root.Nodes = slices.Concat(around[0], root.Nodes, around[1])
	}
	return nil
}

// stanzasOf lists the templates that can be overridden, sorted.
func stanzasOf(t *template.Template) []string {
	var names []string
	for _, one := range t.Templates() {
		names = append(names, one.Name())
	}
	slices.Sort(names)
	return names
}

// stanzaOf is the template that a file of this name overrides or adds to.
func stanzaOf(name string) string {
	for _, place := range []string{before, after} {
		if stanza, found := strings.CutPrefix(name, place); found {
			return stanza
		}
	}
	return name
}
