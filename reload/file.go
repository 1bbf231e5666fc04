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
	var in block
	for line := range bytes.Lines(existing) {
		text := strings.TrimRight(string(line), " \t\r\n")
		if text == "end" || strings.HasPrefix(text, "frr defaults ") || !in.keeps(text) {
			continue
		}
		fmt.Fprintln(&foreign, text)
	}
	if foreign.Len() == 0 {
		return wanted
	}
	body := bytes.TrimSuffix(wanted, []byte("end\n"))
	return bytes.Join([][]byte{body, []byte(foreignHeading), foreign.Bytes(), []byte("!\nend\n")}, nil)
}

// standsAtTop reports whether a line without indentation cannot be inside a router or a route-map.
func standsAtTop(text string) bool {
	for _, words := range []string{
		"access-list ", "bfd", "bgp as-path ", "bgp community-list ", "bgp extcommunity-list ", "bgp large-community-list ", "debug ",
		"enable ", "frr ", "hostname ", "interface ", "ip prefix-list ", "ip route ", "ipv6 prefix-list ", "ipv6 route ", "key chain ",
		"line ", "log ", "route-map ", "router ", "service ", "vrf ",
	} {
		if strings.HasPrefix(text, words) {
			return true
		}
	}
	return false
}

// block follows the lines of a frr.conf, which people may write without indentation, and knows which belong to a context
// of ours.
type block struct {
	// ours is set inside such a context; flat says that its lines are not indented, unknown until the first of them.
	ours, flat, unknown bool
}

// keeps takes the next line and reports whether it is a statement that is not ours.
func (b *block) keeps(text string) bool {
	bare := strings.TrimLeft(text, " \t")
	comment := bare == "" || bare[0] == '!' || bare[0] == '#'
	indented := bare != text
	if b.ours {
		switch {
		case bare == "exit" && !indented:
			b.ours = false
			return false
		case comment:
			return false
		}
		if b.unknown {
			b.flat, b.unknown = !indented, false
		}
		if indented || b.flat && !standsAtTop(bare) {
			return false
		}
		b.ours = false
	}
	if comment {
		return false
	}
	if s := (&Statement{Text: strings.Join(strings.Fields(text), " ")}); !indented && s.owned() {
		opens := isRouter(s) || isRouteMap(s)
		*b = block{ours: opens, unknown: opens}
		return false
	}
	return true
}
