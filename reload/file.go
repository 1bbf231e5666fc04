package reload

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// File is the frr.conf that FRR starts with. What it holds is remembered for as long as its stat says that nobody else wrote it:
// one route more then costs the writing, and no reading.
type File struct {
	// Path is where it is; "" keeps no file.
	Path string
	// Write replaces the file atomically, readable by FRR and not by everybody: it holds passwords.
	Write func(path string, data []byte) error

	// written is the stat of the file as it was left, or nil; then it holds wanted with others.
	written fs.FileInfo
	wanted  []byte
	others  others
}

// save makes the file hold wanted, and the statements that others wrote into it as they are: beside what is ours, and inside of it
// where they are declared foreign.
func (f *File) save(wanted []byte, declared Foreign) error {
	if f.Path == "" {
		return nil
	}
	unchanged, err := f.look()
	if err != nil || unchanged && bytes.Equal(wanted, f.wanted) && declared.Equal(f.others.declared) {
		return err
	}
	routers := routersOf(wanted)
	if !unchanged || !f.others.serve(declared, routers) {
		existing, err := os.ReadFile(f.Path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		f.others = othersOf(existing, declared, routers)
		if bytes.Equal(f.others.merge(wanted), existing) {
			f.remember(wanted, int64(len(existing)))
			return nil
		}
	}
	merged := f.others.merge(wanted)
	f.written = nil
	if err := f.Write(f.Path, merged); err != nil {
		return err
	}
	f.remember(wanted, int64(len(merged)))
	return nil
}

// look reports whether the file is still the one that was written last.
func (f *File) look() (bool, error) {
	now, err := os.Stat(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil || f.written == nil {
		return false, err
	}
	return os.SameFile(now, f.written) && now.ModTime().Equal(f.written.ModTime()) && now.Size() == f.written.Size(), nil
}

// remember notes that the file holds wanted, if it has that size: somebody may have been faster.
func (f *File) remember(wanted []byte, size int64) {
	if info, err := os.Stat(f.Path); err == nil && info.Size() == size {
		f.written, f.wanted = info, wanted
	}
}

// Kept reports whether a file holds a state to go on with: a router that Fairlead has written, with what it says to whom. A
// file in the form that FRR or Fairlead gives it is meant, where what belongs to a router is indented.
func Kept(conf []byte) bool {
	return slices.ContainsFunc(Parse(conf), func(s *Statement) bool { return isRouter(s) && s.usesOurs() })
}

// foreignHeading begins the part of frr.conf that is not ours.
const foreignHeading = "! Not Fairlead's: kept as it was found.\n"

// others are the statements of a file that are not ours, each as it was written, for a configuration that has some routers. Comments,
// FRR's profile of defaults and the end of the file are none.
type others struct {
	declared Foreign
	routers  map[string]bool
	// guests are those inside of our routers, which are declared foreign; behind are all others.
	guests map[string]guests
	behind []byte
}

// serve reports whether others are what they are for a configuration of those routers too.
func (o others) serve(declared Foreign, routers map[string]bool) bool {
	return declared.Equal(o.declared) && maps.Equal(routers, o.routers)
}

// merge gives wanted with others in their contexts, and behind it.
func (o others) merge(wanted []byte) []byte {
	wanted = withGuests(wanted, o.guests)
	if len(o.behind) == 0 {
		return wanted
	}
	body := bytes.TrimSuffix(wanted, []byte("end\n"))
	return bytes.Join([][]byte{body, []byte(foreignHeading), o.behind, []byte("!\nend\n")}, nil)
}

// othersOf finds the others in a file, for a configuration that has routers.
func othersOf(existing []byte, declared Foreign, routers map[string]bool) others {
	var foreign bytes.Buffer
	guests := map[string]guests{}
	var block []string
	// flat says that the lines of a router or a route-map are not indented, as people may write them, and inFamily that the last
	// of them is in an address family, which "exit" ends.
	flat, inFamily := false, false
	keep := func() {
		if flat || slices.ContainsFunc(block, byTab) {
			block = indent(block)
		}
		for _, line := range foreignLines(block, declared, routers, guests) {
			fmt.Fprintln(&foreign, line)
		}
		block, flat, inFamily = nil, false, false
	}
	for line := range bytes.Lines(existing) {
		text := strings.TrimRight(string(line), " \t\r\n")
		bare := strings.TrimLeft(text, " \t")
		if bare == "" || bare[0] == '!' || bare[0] == '#' || text == "end" || strings.HasPrefix(text, "frr defaults ") {
			continue
		}
		indented := bare != text
		if len(block) == 1 {
			flat = !indented && opensFlat(block[0])
		}
		inside := indented || strings.HasPrefix(text, "exit") || flat && insideFlat(text)
		switch {
		case inside && len(block) == 0:
			// It belongs to nothing.
			continue
		case !inside:
			keep()
		}
		block = append(block, text)
		switch {
		case isFamily(&Statement{Text: text}):
			inFamily = flat
		case text == "exit" && inFamily, text == "exit-address-family":
			inFamily = false
		case text == "exit":
			keep()
		}
	}
	keep()
	for _, key := range slices.Sorted(maps.Keys(guests)) {
		if g := guests[key]; !routers[key] || g.empty() {
			if !g.empty() {
				for _, line := range g.alone() {
					fmt.Fprintln(&foreign, line)
				}
			}
			delete(guests, key)
		}
	}
	return others{declared: declared, routers: routers, guests: guests, behind: foreign.Bytes()}
}

// byTab reports whether a line is indented by a tab.
func byTab(line string) bool {
	tab := strings.IndexByte(line, '\t')
	return tab >= 0 && strings.TrimLeft(line[:tab], " ") == ""
}

// foreignLines gives the lines of one statement with its context that stand behind what is ours, but for those in a router of ours:
// they are added to its guests.
func foreignLines(block []string, declared Foreign, wanted map[string]bool, inside map[string]guests) []string {
	if len(block) == 0 || !isRouter(&Statement{Text: block[0]}) {
		return notOurs(block)
	}
	key := topKey(&Statement{Text: block[0]})
	rules := declared.in(key)
	if rules.whole || !wanted[key] && notOurs(block) != nil {
		return block
	}
	// A router may be written in several pieces.
	g := inside[key]
	g.read(block, rules)
	inside[key] = g
	return nil
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

// opensFlat reports whether a line begins a router or a route-map.
func opensFlat(line string) bool {
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
