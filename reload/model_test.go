package reload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/frr"
)

// model behaves as FRR does for the statements that render writes, and is stricter where the order of a change matters: it
// refuses what uses an object that is not there, what removes one that is in use, and what takes back a statement that
// does not stand.
type model struct {
	running Tree
	// lose makes Apply forget this many of the next statements, as a loaded machine can (FRR issue 15799).
	lose int
	// killedAt makes one Apply end after so many lines, as a vtysh that is killed does; 0 makes none.
	killedAt int
	// hangs makes each Apply fail although all of it is taken, as a vtysh does that is killed while it waits for another daemon.
	hangs bool
	// alone counts the times that other daemons were passed by.
	alone int
	// noProfiles makes it take no profile of BFD, without a word, as vtysh does where bfdd is not running.
	noProfiles bool
	// broken makes both methods fail, as an FRR does that is not running.
	broken error
	// asked counts the networks that were asked for.
	asked int
	// scripts are those that were applied, the one that is being applied last.
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

func (m *model) ApplyAlone(ctx context.Context, script []byte) error {
	m.alone++
	err := m.Apply(ctx, script)
	if m.hangs && errors.Is(err, frr.ErrVtysh) {
		return nil
	}
	return err
}

func (m *model) Apply(_ context.Context, script []byte) error {
	if m.broken != nil {
		return m.broken
	}
	m.scripts = append(m.scripts, string(script))
	var refused frr.ApplyError
	root := &Statement{Children: m.running}
	path := []*Statement{root}
	number := 0
	for line := range bytes.Lines(script) {
		if number++; m.killedAt > 0 && number > m.killedAt {
			m.killedAt = 0
			return context.DeadlineExceeded
		}
		text := strings.TrimSpace(string(line))
		switch {
		case text == "exit" || text == "exit-address-family":
			// That of a context that was refused ends none.
			path = path[:max(len(path)-1, 1)]
			continue
		case m.noProfiles && (text == "bfd" || strings.HasPrefix(path[len(path)-1].Text, "bfd") || strings.HasPrefix(path[len(path)-1].Text, "profile ")):
			// Nobody is there who keeps it.
			if opens(text) {
				path = append(path, &Statement{Text: text})
			}
			continue
		case m.lose > 0 && len(path) > 1 && !opens(text):
			m.lose--
			continue
		}
		in, err := m.statement(path, text)
		if err != nil {
			refused.Refusals = append(refused.Refusals, frr.Refusal{Line: number, Statement: frr.Mask(text), Message: err.Error()})
		}
		if in != nil {
			path = append(path, in)
		}
		m.running = root.Children
	}
	if len(refused.Refusals) > 0 {
		return &refused
	}
	if m.hangs {
		return frr.ErrVtysh
	}
	return nil
}

func opens(text string) bool { return opensContext(&Statement{Text: text}) }

// statement does one line in the context that path ends in, and gives the context that it opens.
func (m *model) statement(path []*Statement, text string) (*Statement, error) {
	context := path[len(path)-1]
	if strings.Contains(text, "nonsense") {
		return nil, errors.New("% Unknown command")
	}
	if undo, ok := strings.CutPrefix(text, "no "); ok && !stands(context, text) {
		return nil, m.undo(path, undo)
	}
	if remove(context, "no "+text) == nil {
		return nil, nil
	}
	if err := m.usable(path, text); err != nil {
		return nil, err
	}
	if isDistance(text) {
		m.share(path[2].Text, text)
		return nil, nil
	}
	s := &Statement{Text: canonical(text)}
	if len(path) == 1 && isList(s) {
		e := entryOf(text)
		for _, o := range context.Children {
			other := entryOf(o.Text)
			switch {
			case other.list == e.list && other.sort != e.sort:
				return nil, errors.New("% a list of another sort has that name")
			case other == e && topKey(o) != topKey(s):
				// It says nothing.
				return nil, nil
			}
		}
	}
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

// stands reports whether a statement that begins with "no" is one of those that are written so, and not the end of another.
func stands(context *Statement, text string) bool {
	undone := &Statement{Text: strings.TrimPrefix(text, "no ")}
	return (strings.HasPrefix(text, "no bgp ") || strings.Contains(text, " send-community")) &&
		!slices.ContainsFunc(context.Children, func(s *Statement) bool { return childKey(s) == childKey(undone) })
}

// share gives every router a distance, as FRR shows it.
func (m *model) share(family, text string) {
	for _, router := range m.running {
		if !isRouter(router) {
			continue
		}
		at := slices.IndexFunc(router.Children, func(s *Statement) bool { return s.Text == family })
		if at < 0 {
			at = len(router.Children)
			router.Children = append(router.Children, &Statement{Text: family})
		}
		into := router.Children[at]
		if !slices.ContainsFunc(into.Children, func(s *Statement) bool { return s.Text == text }) {
			into.Children = append(into.Children, &Statement{Text: text})
		}
	}
}

// unshare takes a distance from every router.
func (m *model) unshare(family, text string) error {
	err := errors.New("% there is no such distance")
	for _, router := range m.running {
		for _, s := range router.Children {
			if s.Text == family && remove(s, text) == nil {
				err = nil
			}
		}
	}
	return err
}

// usable reports what a statement needs that is not there.
func (m *model) usable(path []*Statement, text string) error {
	words := strings.Fields(text)
	router := path[min(1, len(path)-1)]
	exists := func(n string) bool {
		return slices.ContainsFunc(router.Children, func(s *Statement) bool { return makes(s.Text) != "" && neighborOf(s.Text) == n })
	}
	if n := neighborOf(strings.TrimPrefix(text, "no ")); n != "" && makes(text) == "" && !exists(n) {
		return errors.New("% Specify remote-as or peer-group commands first")
	}
	if i := slices.Index(words, peerGroup); i > 0 && i+1 < len(words) && !exists(words[i+1]) {
		return errors.New("% Configure the peer-group first")
	}
	if i := slices.Index(words, "route-map"); i > 0 && i+1 < len(words) && !strings.HasPrefix(text, delayTimers) && !m.defines("route-map "+words[i+1]+" ") {
		return errors.New("% that route-map is not there")
	}
	if rest, ok := strings.CutPrefix(text, "table-map "); ok && !m.defines("route-map "+rest+" ") {
		return errors.New("% that route-map is not there")
	}
	if words[0] == "neighbor" && len(words) == 5 && words[2] == "bfd" && !m.noProfiles && !m.uses("profile "+words[4]+" ") {
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

// entries counts the statements at the top that begin with these words.
func (m *model) entries(words string) int {
	n := 0
	for _, s := range m.running {
		if strings.HasPrefix(s.Text, words) {
			n++
		}
	}
	return n
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
	case len(path) == 1 && words[0] == "route-map" && m.entries("route-map "+words[1]+" ") > 1:
		return remove(context, text)
	case len(path) == 1 && words[0] == "route-map" && len(words) == 4 && !m.comes(text) && (m.uses(" route-map "+words[1]+" ") || m.uses("table-map "+words[1]+" ")):
		return errors.New("% that route-map is in use")
	case len(path) == 1 && listWords(text) > 0 && len(words) >= listWords(text) && m.matches(words[listWords(text)-3]) && !m.hasMore(text) && !m.comes(text):
		return errors.New("% that list is in use")
	case words[0] == "profile" && m.uses(" bfd profile "+words[1]+" "):
		return errors.New("% that profile is in use")
	case len(path) == 1 || words[0] == "profile":
		return remove(context, text)
	case words[0] == "neighbor" && len(words) == 2:
		return m.undoNeighbor(path, words[1])
	case words[0] == "neighbor" && len(words) == 3 && words[2] == peerGroup:
		if m.uses(" " + peerGroup + " " + words[1] + " ") {
			return errors.New("% that group has members")
		}
		return m.undoNeighbor(path, words[1])
	case isDistance(text):
		return m.unshare(context.Text, text)
	case slices.Contains(oneOfEntry, text):
		text += " "
	case slices.ContainsFunc(oneOfEntry, func(words string) bool { return strings.HasPrefix(text, words+" ") }):
		return errors.New("% Unknown command")
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

// comes reports whether the script that is being applied brings the object back that text is an entry of, with other words.
func (m *model) comes(text string) bool {
	s, object := &Statement{Text: text}, entryOf(text).list
	for line := range strings.Lines(m.scripts[len(m.scripts)-1]) {
		o := &Statement{Text: strings.TrimRight(line, "\n")}
		if isList(s) && isList(o) && entryOf(o.Text).list == object || isRouteMap(s) && topKey(o) == topKey(s) {
			return true
		}
	}
	return false
}

// hasMore reports whether a list has another entry than text.
func (m *model) hasMore(text string) bool {
	return slices.ContainsFunc(m.running, func(s *Statement) bool {
		return s.Text != text && isList(s) && entryOf(s.Text).list == entryOf(text).list
	})
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
