package config

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

const docs = "../docs/configuration.md"

// TestDocsExamples parses every example of the documentation.
func TestDocsExamples(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) == 0 {
		t.Fatal("the documentation has no example")
	}
	for _, block := range blocks {
		example, _, _ := strings.Cut(block, "```")
		if _, err := Parse("example", []byte(example)); err != nil {
			t.Errorf("%v in\n%s", err, example)
		}
	}
}

// TestDocsKeys looks for a row of every key in the documentation, with its range or its values.
func TestDocsKeys(t *testing.T) {
	text, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	var check func(path string, typ reflect.Type)
	check = func(path string, typ reflect.Type) {
		for _, f := range fieldsOf(typ) {
			here, inner := join(path, f.Tag.Get("yaml")), f.Type
			if inner.Kind() == reflect.Slice && inner.Elem().PkgPath() == typ.PkgPath() {
				here, inner = here+"[]", inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner.PkgPath() == typ.PkgPath() && inner != reflect.TypeFor[NodeSelector]() {
				check(here, inner)
				continue
			}
			row := rowOf(string(text), here)
			if row == "" {
				t.Errorf("%s has no row for %s", docs, here)
				continue
			}
			if bounds := f.Tag.Get("range"); !strings.Contains(row, strings.Replace(bounds, "-", " to ", 1)) {
				t.Errorf("the row of %s does not say %s", here, bounds)
			}
			if values := f.Tag.Get("enum"); values != "" && !strings.Contains(row, "`"+strings.ReplaceAll(values, ",", "`, `")+"`") {
				t.Errorf("the row of %s does not say %s", here, values)
			}
		}
	}
	check("", reflect.TypeFor[Config]())
}

func rowOf(text, key string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "| `"+key+"` |") {
			return line
		}
	}
	return ""
}
