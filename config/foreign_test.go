package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestForeignRefusesWhatIsWritten declares each setting that render's own tests write into a router: none may be declared.
func TestForeignRefusesWhatIsWritten(t *testing.T) {
	files, err := filepath.Glob("../render/testdata/*.conf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no configurations: %v", err)
	}
	value := regexp.MustCompile(` [0-9][0-9.]*$`)
	seen := map[string]bool{}
	for _, name := range files {
		conf, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		const router = "router bgp 65000"
		context := ""
		for line := range strings.Lines(string(conf)) {
			text := strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(line, "router bgp "):
				context = router
				continue
			case !strings.HasPrefix(line, " "):
				context = ""
			case context != "" && strings.HasPrefix(text, "exit"):
				context = router
				continue
			case strings.HasPrefix(text, "address-family "):
				context = router + " / " + text
			}
			text = strings.TrimPrefix(text, "no ")
			if context == "" || text == "!" || slices.Contains([]string{"address-family", "neighbor", "network"}, strings.Fields(text)[0]) {
				continue
			}
			for _, text := range []string{text, value.ReplaceAllString(text, ""), strings.Fields(text)[0]} {
				declared := context + " / " + text
				if seen[declared] {
					continue
				}
				seen[declared] = true
				if _, err := Parse("config.yaml", []byte("asn: 65000\nfrr: {foreign: ['"+declared+"']}\n")); err == nil {
					t.Errorf("%s is written by Fairlead and may be declared foreign", declared)
				}
			}
			if strings.HasPrefix(text, "bmp targets ") {
				context = router + " / " + text
			}
		}
	}
	const fewest = 20
	if len(seen) < fewest {
		t.Errorf("only %d statements: the test sees nothing", len(seen))
	}
}
