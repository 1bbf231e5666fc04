package watch

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// outcome is a file as text is read, without a file system.
func outcome(text []byte, old *file) *file {
	v := &version{name: "a.yaml", old: old}
	for _, p := range splitDocuments(text) {
		v.docs = append(v.docs, splitList(p))
	}
	for _, d := range v.docs {
		for i := range d.parts {
			v.parsePart(d, i)
		}
	}
	return v.finish()
}

// FuzzParse: whatever a file holds, reading it gives objects and problems; the same once more and from the cache; and a
// list gives what it gives when it is not cut.
func FuzzParse(f *testing.F) {
	cases, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(cases) == 0 {
		f.Fatal("no cases", err)
	}
	for _, path := range cases {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		first := outcome(text, nil)
		got := func(f *file) string {
			snapshot, problems := merge([]*file{f})
			return tell(t, snapshot, problems)
		}
		want := got(first)
		if diff := cmp.Diff(want, got(outcome(text, nil))); diff != "" {
			t.Errorf("parsed again (-first +second):\n%s", diff)
		}
		if len(first.objects) == 0 || len(first.problems) == 0 {
			// With problems and objects the second reading may keep what the first has.
			if diff := cmp.Diff(want, got(outcome(text, first))); diff != "" {
				t.Errorf("parsed with a cache (-without +with):\n%s", diff)
			}
		}
		for _, p := range splitDocuments(text) {
			d := splitList(p)
			if len(d.parts) == 1 && d.parts[0].form == document {
				continue
			}
			whole := parse(p)
			cut := outcome(p.text, nil)
			if whole.broken {
				if len(cut.objects) > 0 {
					t.Errorf("cut it gives %d objects, whole it is broken: %v", len(cut.objects), whole.issues)
				}
				continue
			}
			var objects int
			for _, o := range whole.objects {
				if o.value != nil {
					objects++
				}
			}
			if objects != len(cut.objects) || len(whole.issues) != len(cut.problems) {
				t.Errorf("cut it gives %d objects and %v, whole %d and %v", len(cut.objects), cut.problems, objects, whole.issues)
			}
		}
	})
}
