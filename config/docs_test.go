package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestDocsBlocks parses every example that stands in the guides.
func TestDocsBlocks(t *testing.T) {
	for _, page := range []string{"configuration.md", "audit.md", "proof.md", "restarts.md", "ipv6.md"} {
		text, err := os.ReadFile("../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		blocks := strings.Split(string(text), "```yaml\n")[1:]
		if len(blocks) == 0 {
			t.Fatalf("%s has no example", page)
		}
		for _, block := range blocks {
			example, _, _ := strings.Cut(block, "```")
			if _, err := Parse("example", []byte(example)); err != nil {
				t.Errorf("%v in\n%s", err, example)
			}
		}
	}
}

// TestDocsExamples parses each file of the examples, and looks for it in the page that explains them.
func TestDocsExamples(t *testing.T) {
	page, err := os.ReadFile("../docs/fabrics.md")
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("../docs/examples/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(name, data)
		if err != nil {
			t.Error(err)
		} else if len(c.Neighbors) == 0 {
			t.Errorf("%s has no neighbor", name)
		}
		if link := "(examples/" + filepath.Base(name) + ")"; !strings.Contains(string(page), link) {
			t.Errorf("docs/fabrics.md does not link to %s", link)
		}
	}
}

// TestFieldExamples decodes the example that each field's tag gives, which the reference shows.
func TestFieldExamples(t *testing.T) {
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		for _, f := range fieldsOf(typ) {
			here, example := join(path, f.Tag.Get("yaml")), f.Tag.Get("example")
			var doc yaml.Node
			if err := yaml.Unmarshal([]byte(example), &doc); err != nil || example == "" {
				t.Errorf("the example of %s is %q: %v", here, example, err)
				continue
			}
			d, value := newDecoder("example"), reflect.New(f.Type)
			d.decode(here, doc.Content[0], value.Elem(), f.Tag)
			if len(d.errs) > 0 || value.Elem().IsZero() {
				t.Errorf("the example of %s is %q: %v", here, example, d.errs)
			}
			inner := f.Type
			if inner.Kind() == reflect.Slice {
				here, inner = here+"[]", inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner.PkgPath() == typ.PkgPath() {
				check(here, inner)
			}
		}
	}
	check("", reflect.TypeFor[Config]())
}
