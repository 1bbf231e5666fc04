package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// TestLinks follows each link of the pages to a file of this repository, and to its heading. The index names every guide.
func TestLinks(t *testing.T) {
	const root = "../.."
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	guides, err := filepath.Glob(root + "/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob(root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	indexed := []string{filepath.Join(root, "docs/README.md")}
	for _, page := range slices.Concat(guides, more, []string{root + "/charts/fairlead/README.md"}) {
		for _, found := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			path, heading, _ := strings.Cut(found[1], "#")
			target := filepath.Join(filepath.Dir(page), path)
			if path == "" {
				target = page
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s: %v", page, found[1], err)
			} else if heading != "" && !slices.Contains(headings(read(t, target)), heading) {
				t.Errorf("%s links to %s, which has no such heading", page, found[1])
			}
			if page == root+"/docs/README.md" {
				indexed = append(indexed, target)
			}
		}
	}
	for _, page := range guides {
		if !slices.Contains(indexed, filepath.Clean(page)) {
			t.Errorf("docs/README.md does not link to %s", page)
		}
	}
}

func read(t *testing.T, page string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// headings gives the anchors of a page, as GitHub makes them.
func headings(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		if title, is := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); is && strings.HasPrefix(line, "#") {
			all = append(all, strings.Map(func(r rune) rune {
				switch {
				case r == ' ':
					return '-'
				case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
					return unicode.ToLower(r)
				default:
					return -1
				}
			}, strings.TrimSpace(title)))
		}
	}
	return all
}
