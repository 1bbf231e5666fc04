package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// model behaves as FRR does for the statements that render writes, and is stricter where the order of a change matters: it
// refuses what uses an object that is not there, what removes one that is in use, and what takes back a statement that
// does not stand.
type model struct {
	running Tree
	// lose makes Apply forget this many of the next statements, as a loaded machine can (FRR issue 15799).
	lose int
	// broken makes both methods fail, as an FRR does that is not running.
	broken error
	// scripts are those that were applied.
	scripts []string
}

func (m *model) RunningConfig(context.Context) ([]byte, error) {
	if m.broken != nil {
		return nil, m.broken
	}
	return []byte("Building configuration...\n\nCurrent configuration:\n!\nfrr version 99\n" + write(m.running, "")), nil
}

// write prints a tree as FRR prints its running configuration.
func write(t Tree, indent string) string {
	var out strings.Builder
	for _, s := range t {
		fmt.Fprintf(&out, "%s%s\n%s", indent, s.Text, write(s.Children, indent+" "))
		if indent == "" || isProfile(s) {
			out.WriteString(indent + "exit\n" + indent + "!\n")
		}
	}
	return out.String()
}

func (m *model) Apply(_ context.Context, script []byte) error {
	if m.broken != nil {
		return m.broken
	}
	m.scripts = append(m.scripts, string(script))
	var errs []error
	root := &Statement{Children: m.running}
	path := []*Statement{root}
	number := 0
	for line := range bytes.Lines(script) {
		number++
		text := strings.TrimSpace(string(line))
		switch {
		case text == "exit" || text == "exit-address-family":
			path = path[:len(path)-1]
			continue
		case m.lose > 0 && len(path) > 1 && !opens(text):
			m.lose--
			continue
		}
		in, err := m.statement(path, text)
		if err != nil {
			errs = append(errs, fmt.Errorf("line %d: %s: %w", number, text, err))
		}
		if in != nil {
			path = append(path, in)
		}
		m.running = root.Children
	}
	return errors.Join(errs...)
}

func opens(text string) bool {
	return text == "bfd" || strings.HasPrefix(text, "profile ") || strings.HasPrefix(text, "router bgp ") || strings.HasPrefix(text, "route-map ") || strings.HasPrefix(text, "address-family ")
}

// statement does one line in the context that path ends in, and gives the context that it opens.
func (m *model) statement(path []*Statement, text string) (*Statement, error) {
	context := path[len(path)-1]
	if strings.Contains(text, "nonsense") {
		return nil, errors.New("% Unknown command")
	}
	if undo, ok := strings.CutPrefix(text, "no "); ok && !stands(text) {
		return nil, m.undo(path, undo)
	}
	if !stands(text) && strings.HasPrefix(text, "bgp default ") || strings.HasPrefix(text, "bgp network ") {
		return nil, remove(context, "no "+text)
	}
	if err := m.usable(path, text); err != nil {
		return nil, err
	}
	s := &Statement{Text: canonical(text)}
	key := childKey
	if len(path) == 1 {
		key = topKey
	}
	i := slices.IndexFunc(context.Children, func(o *Statement) bool { return key(o) == key(s) })
	switch {
	case i < 0:
		context.Children = append(context.Children, s)
	case opens(text):
		if context.Children[i].Text != s.Text {
			return nil, errors.New("% it stands with other words")
		}
		s = context.Children[i]
	default:
		context.Children[i] = s
	}
	if opens(text) {
		return s, nil
	}
	return nil, nil
}

// stands reports whether a statement that begins with "no" is one that render writes, and not the end of another.
func stands(text string) bool {
	return text == "no bgp default ipv4-unicast" || text == "no bgp network import-check"
}

// usable reports what a statement needs that is not there.
func (m *model) usable(path []*Statement, text string) error {
	words := strings.Fields(text)
	router := path[min(1, len(path)-1)]
	if n := neighborOf(text); n != "" && !isRemoteAS(text) && !slices.ContainsFunc(router.Children, func(s *Statement) bool {
		return isRemoteAS(s.Text) && neighborOf(s.Text) == n
	}) {
		return errors.New("% Specify remote-as or peer-group commands first")
	}
	if i := slices.Index(words, "route-map"); i > 0 && !m.defines("route-map "+words[i+1]+" ") {
		return errors.New("% that route-map is not there")
	}
	if rest, ok := strings.CutPrefix(text, "table-map "); ok && !m.defines("route-map "+rest+" ") {
		return errors.New("% that route-map is not there")
	}
	if words[0] == "neighbor" && words[2] == "bfd" && len(words) == 5 && !m.uses("profile "+words[4]+" ") {
		return errors.New("% that profile is not there")
	}
	for _, use := range uses {
		if rest, ok := strings.CutPrefix(text, use); ok && !m.defines(" "+strings.Fields(rest)[0]+" seq") {
			return errors.New("% that list is not there")
		}
	}
	return nil
}

// uses are the statements of a route-map that name a list.
var uses = []string{
	"match large-community ", "set large-comm-list ", "match as-path ", "match ip address prefix-list ", "match ipv6 address prefix-list ",
}

func (m *model) defines(words string) bool {
	return slices.ContainsFunc(m.running, func(s *Statement) bool { return strings.Contains(s.Text, words) })
}

func (m *model) uses(words string) bool {
	var walk func(t Tree) bool
	walk = func(t Tree) bool {
		return slices.ContainsFunc(t, func(s *Statement) bool { return strings.Contains(s.Text+" ", words) || walk(s.Children) })
	}
	return slices.ContainsFunc(m.running, func(s *Statement) bool { return walk(s.Children) })
}

// matches reports whether a route-map uses the list of that name.
func (m *model) matches(list string) bool {
	return slices.ContainsFunc(uses, func(use string) bool { return m.uses(use + list + " ") })
}

// undo takes a statement back.
func (m *model) undo(path []*Statement, text string) error {
	context := path[len(path)-1]
	words := strings.Fields(text)
	switch {
	case len(path) == 1 && words[0] == "router":
		if err := remove(context, text); err == nil {
			return nil
		}
		return remove(context, strings.Replace(text, " vrf ", " view ", 1))
	case len(path) == 1 && words[0] == "route-map" && (m.uses(" route-map "+words[1]+" ") || m.uses("table-map "+words[1]+" ")):
		return errors.New("% that route-map is in use")
	case len(path) == 1 && listWords(text) > 0 && m.matches(words[listWords(text)-3]):
		return errors.New("% that list is in use")
	case words[0] == "profile" && m.uses(" bfd profile "+words[1]+" "):
		return errors.New("% that profile is in use")
	case len(path) == 1 || words[0] == "profile":
		return remove(context, text)
	case words[0] == "neighbor" && len(words) == 2:
		return m.undoNeighbor(path, words[1])
	}
	// A value behind a single-valued statement need not be named.
	s := &Statement{Text: text}
	i := slices.IndexFunc(context.Children, func(o *Statement) bool { return childKey(o) == childKey(s) })
	if i < 0 {
		return errors.New("% there is no such statement")
	}
	context.Children = slices.Delete(slices.Clone(context.Children), i, i+1)
	return nil
}

func (m *model) undoNeighbor(path []*Statement, address string) error {
	mine := func(s *Statement) bool { return neighborOf(s.Text) == address }
	router := path[1]
	if !slices.ContainsFunc(router.Children, mine) {
		return errors.New("% there is no such neighbor")
	}
	router.Children = slices.DeleteFunc(slices.Clone(router.Children), mine)
	for _, s := range router.Children {
		if isFamily(s) {
			s.Children = slices.DeleteFunc(slices.Clone(s.Children), mine)
		}
	}
	router.Children = slices.DeleteFunc(router.Children, func(s *Statement) bool { return isFamily(s) && len(s.Children) == 0 })
	return nil
}

func remove(context *Statement, text string) error {
	i := slices.IndexFunc(context.Children, func(o *Statement) bool { return o.Text == text })
	if i < 0 {
		return errors.New("% there is no such statement")
	}
	context.Children = slices.Delete(slices.Clone(context.Children), i, i+1)
	return nil
}
