package reload

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// File is the frr.conf that FRR starts with.
type File struct {
	// Path is where it is; "" keeps no file.
	Path string
	// Write replaces the file atomically, readable by FRR and not by everybody: it holds passwords.
	Write func(path string, data []byte) error
}

// save makes the file hold wanted, and the statements that others wrote into it as they are.
func (f File) save(wanted []byte) error {
	if f.Path == "" {
		return nil
	}
	existing, err := os.ReadFile(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	merged := merge(wanted, existing)
	if bytes.Equal(merged, existing) {
		return nil
	}
	return f.Write(f.Path, merged)
}

// foreignHeading begins the part of frr.conf that is not ours.
const foreignHeading = "! Not Fairlead's: kept as it was found.\n"

// merge gives wanted with the statements of existing behind it that are not ours, each as it was written. Comments, FRR's
// profile of defaults and the end of the file are not kept.
func merge(wanted, existing []byte) []byte {
	var foreign bytes.Buffer
	var block []string
	// flat says that the lines of a router or a route-map are not indented, as people may write them.
	flat := false
	keep := func() {
		for _, line := range notOurs(block) {
			fmt.Fprintln(&foreign, line)
		}
		block, flat = nil, false
	}
	for line := range bytes.Lines(existing) {
		text := strings.TrimRight(string(line), " \t\r\n")
		bare := strings.TrimLeft(text, " \t")
		if bare == "" || bare[0] == '!' || bare[0] == '#' || text == "end" || strings.HasPrefix(text, "frr defaults ") {
			continue
		}
		indented := bare != text
		if len(block) == 1 {
			flat = !indented && opensContext(block[0])
		}
		inside := indented || strings.HasPrefix(text, "exit") || flat && insideFlat(text)
		switch {
		case inside && len(block) == 0:
			// It belongs to nothing.
			continue
		case !inside:
			keep()
		}
		if block = append(block, text); text == "exit" {
			keep()
		}
	}
	keep()
	if foreign.Len() == 0 {
		return wanted
	}
	body := bytes.TrimSuffix(wanted, []byte("end\n"))
	return bytes.Join([][]byte{body, []byte(foreignHeading), foreign.Bytes(), []byte("!\nend\n")}, nil)
}

// notOurs gives the lines of one statement with its context that are not ours: all or none, but for bfd, where the profiles
// of others stand beside ours.
func notOurs(block []string) []string {
	if len(block) == 0 || len(Parse([]byte(strings.Join(block, "\n"))).Owned()) == 0 {
		return block
	}
	if block[0] != "bfd" {
		return nil
	}
	var kept []string
	inside, ours := false, false
	for _, line := range block {
		profile, begins := strings.CutPrefix(line, " profile ")
		if begins {
			ours = strings.HasPrefix(profile, namespace)
		}
		if !ours && line != " !" {
			kept = append(kept, line)
			inside = inside || strings.HasPrefix(line, " ")
		}
		ours = ours && line != " exit"
	}
	if !inside {
		return nil
	}
	return kept
}

// opensContext reports whether a line begins a router or a route-map.
func opensContext(line string) bool {
	s := &Statement{Text: line}
	return isRouter(s) || isRouteMap(s)
}

// insideFlat reports whether a line without indentation can only be inside a router or a route-map.
func insideFlat(text string) bool {
	for _, words := range []string{
		"address-family ", "aggregate-address ", "bgp ", "call ", "continue", "description ", "distance ", "match ", "maximum-paths ",
		"neighbor ", "network ", "no bgp ", "no neighbor ", "on-match ", "redistribute ", "set ", "table-map ", "timers ",
	} {
		if strings.HasPrefix(text, words) {
			return !strings.Contains(text, "-list ") && !strings.HasPrefix(text, "bgp as-path ") || strings.HasPrefix(text, "match ")
		}
	}
	return false
}
