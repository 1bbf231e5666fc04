package watch

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead/fairlead/route"
)

// maxSize is the largest file that is read, in bytes.
const maxSize = 64 << 20

// young is the age, at reading, below which a file's times do not tell its next version apart: clocks of file systems
// tick in some milliseconds. Such a file is read again on the next occasion.
const young = 50 * time.Millisecond

// Endings of problems: what is done about them.
const (
	keepsFile   = "; keeping the content of the last good version"
	keepsObject = "; keeping its last good version"
	leavesFile  = "; nothing of this file is used"
	leaves      = "; it is left out"
)

// file is what one file of the folder contributes. It is never changed once made; a new version of the file gives a new one.
type file struct {
	name string
	// info tells this version of the file from others; nil means that it is to be read again in any case.
	info fs.FileInfo
	// objects are what counts: those of this version, or of the last good one.
	objects  []object
	problems []Problem
	// cache has the pieces of this version, so that the next version parses only those that are new.
	cache map[cacheKey]*parsed
}

// cacheKey is all that the result of parse depends on, the text by its hash.
type cacheKey struct {
	text [sha256.Size]byte
	form form
	base typeMeta
}

func (p piece) cacheKey() cacheKey {
	return cacheKey{text: sha256.Sum256(p.text), form: p.form, base: p.base}
}

// version is a version of a file on its way to become a file: read, then split, then parsed.
type version struct {
	name string
	old  *file // the version before; nil where there is none
	info fs.FileInfo
	docs []*doc
	// done is the outcome where nothing is to be parsed.
	done *file
}

// doc is one document of a file. A list is parsed in parts, its items, or else whole.
type doc struct {
	whole   piece
	parts   []piece
	results []*parsed // for each part
	keys    []cacheKey
}

// load reads and splits a file, unless it is still as it was. It returns nil where there is no such file.
func load(path, name string, old *file) *version {
	v := &version{name: name, old: old}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); err != nil {
			return nil
		}
		v.keep(nil, "is a link that leads nowhere")
		return v
	}
	switch {
	case err != nil:
		v.keep(nil, err.Error())
		return v
	case !info.Mode().IsRegular():
		return nil
	case old != nil && old.info != nil && sameVersion(old.info, info):
		v.done = old
		return v
	case info.Size() > maxSize:
		v.keep(info, fmt.Sprintf("is larger than %d MiB", maxSize>>20))
		return v
	}
	text, info, err := readWhole(path)
	if err != nil {
		v.keep(nil, err.Error())
		return v
	}
	if time.Since(info.ModTime()) > young {
		v.info = info
	}
	if len(text) == 0 && old != nil && len(old.objects) > 0 {
		v.keep(v.info, "is empty: delete the file to withdraw what it holds")
		return v
	}
	for _, p := range splitDocuments(text) {
		v.docs = append(v.docs, splitList(p))
	}
	return v
}

// sameVersion reports whether nothing was written between two looks at a file, nor another file put in its place.
func sameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// readWhole reads a file of which nothing is written meanwhile.
func readWhole(path string) ([]byte, fs.FileInfo, error) {
	const attempts = 3
	for range attempts {
		text, before, after, err := read(path)
		if err != nil {
			return nil, nil, err
		}
		if sameVersion(before, after) && int64(len(text)) == after.Size() {
			return text, after, nil
		}
	}
	return nil, nil, errors.New("is being written")
}

// read reads a file, with what the file system says of it before and after.
func read(path string) (text []byte, before, after fs.FileInfo, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = f.Close() }()
	if before, err = f.Stat(); err != nil {
		return nil, nil, nil, err
	}
	// One byte more than the size tells a file that grew.
	text = make([]byte, min(before.Size(), maxSize)+1)
	n, err := io.ReadFull(f, text)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, nil, nil, err
	}
	after, err = f.Stat()
	return text[:n], before, after, err
}

// keep settles v with the objects of the version before, and says why.
func (v *version) keep(info fs.FileInfo, what string) {
	v.done = &file{name: v.name, info: info}
	v.keepObjects(v.done)
	v.done.problems = []Problem{{File: v.name, What: what + v.kept()}}
	if v.old != nil {
		v.done.cache = v.old.cache
	}
}

func (v *version) keepObjects(f *file) {
	if v.old != nil {
		f.objects = v.old.objects
	}
}

// kept says what becomes of a file that cannot be used.
func (v *version) kept() string {
	if v.old != nil && len(v.old.objects) > 0 {
		return keepsFile
	}
	return leavesFile
}

// splitList makes a doc of a document, with a part for each item where it is a list that can be cut.
func splitList(p piece) *doc {
	d := &doc{whole: p}
	items, ok := listItems(p)
	if !ok {
		items = []piece{p}
	}
	d.parts = items
	d.results, d.keys = make([]*parsed, len(items)), make([]cacheKey, len(items))
	return d
}

// listItems cuts a list into its items, if p is one and can be cut.
func listItems(p piece) (items []piece, ok bool) {
	var envelope []byte
	var itemsLine int
	var roots []*yaml.Node
	var err error
	json := looksLikeJSON(p.text)
	if json {
		if items, envelope, ok = splitJSONList(p); !ok {
			return nil, false
		}
		roots, err = jsonNodes(envelope)
	} else {
		if items, envelope, itemsLine, ok = splitYAMLList(p); !ok {
			return nil, false
		}
		roots, err = yamlNodes(envelope)
	}
	if err != nil || len(roots) != 1 || roots[0].Kind != yaml.MappingNode {
		return nil, false
	}
	r := &reader{}
	root := section{node: roots[0]}
	base, isList := r.typeMeta(root).item()
	if !isList || !envelopeHasItems(roots[0], json, itemsLine) || len(r.issues) > 0 {
		return nil, false
	}
	for i := range items {
		items[i].base = base
	}
	return items, true
}

// envelopeHasItems reports whether the items were cut out where the envelope has its one items key: in JSON it has an
// empty array now, in YAML nothing, on the line of the cut.
func envelopeHasItems(root *yaml.Node, json bool, line int) bool {
	seen := 0
	right := false
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if key.Value != "items" {
			continue
		}
		seen++
		if json {
			right = value.Kind == yaml.SequenceNode && len(value.Content) == 0
		} else {
			right = isNull(value) && value.Value == "" && key.Line == line
		}
	}
	return seen == 1 && right
}

// parsePart parses part i, or takes what the version before has for the same text. It may run beside other parts.
func (v *version) parsePart(d *doc, i int) {
	d.keys[i] = d.parts[i].cacheKey()
	if v.old != nil {
		if known := v.old.cache[d.keys[i]]; known != nil {
			d.results[i] = known
			return
		}
	}
	d.results[i] = parse(d.parts[i])
}

// finish makes the file, once all parts are parsed.
func (v *version) finish() *file {
	f := &file{name: v.name, info: v.info, cache: map[cacheKey]*parsed{}}
	isBroken := func(p *parsed) bool { return p.broken }
	good := true
	for _, d := range v.docs {
		for i, p := range d.results {
			f.cache[d.keys[i]] = p
		}
		if len(d.parts) > 0 && d.parts[0].form != document && slices.ContainsFunc(d.results, isBroken) {
			// The cut may be what is wrong. If not, a part knows better than the whole on which line the mistake is.
			w := &doc{whole: d.whole, parts: []piece{d.whole}, results: make([]*parsed, 1), keys: make([]cacheKey, 1)}
			v.parsePart(w, 0)
			f.cache[w.keys[0]] = w.results[0]
			if !w.results[0].broken {
				*d = *w
			}
		}
		good = good && !slices.ContainsFunc(d.results, isBroken)
	}
	if !good {
		v.keepObjects(f)
	}
	var before map[route.Object]object // what the version before has, made when it is needed
	for _, d := range v.docs {
		for i, p := range d.results {
			offset := d.parts[i].line - 1
			if !good {
				if p.broken {
					f.problems = append(f.problems, Problem{v.name, offset + p.issues[0].line, p.issues[0].what + v.kept()})
				}
				continue
			}
			for _, o := range p.objects {
				if o.value == nil {
					if before == nil {
						before = v.objectsBefore()
					}
					o.value = before[o.key].value
				}
				if o.value != nil {
					o.line += offset
					f.objects = append(f.objects, o)
				}
			}
			for _, issue := range p.issues {
				what := issue.what
				if issue.bad && before[issue.key].value != nil {
					what += keepsObject
				} else if issue.bad {
					what += leaves
				}
				f.problems = append(f.problems, Problem{v.name, offset + issue.line, what})
			}
		}
	}
	return f
}

// objectsBefore are the objects of the version before.
func (v *version) objectsBefore() map[route.Object]object {
	before := map[route.Object]object{}
	if v.old != nil {
		for _, o := range v.old.objects {
			before[o.key] = o
		}
	}
	return before
}
