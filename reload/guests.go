package reload

import (
	"bytes"
	"slices"
	"strings"
)

// guests are the lines of one router in a file that are declared foreign, as they were written.
type guests struct {
	// statement is the router's own.
	statement string
	// settings are those that a router's foreign statements rest on when it goes (skeleton).
	settings []string
	router   []string
	families []guestFamily
}

// guestFamily are those of one address family.
type guestFamily struct {
	name  string
	lines []string
}

func (g guests) empty() bool { return len(g.router)+len(g.families) == 0 }

// read adds the foreign lines of a router, of which block has one line after the other, indented.
func (g *guests) read(block []string, rules declared) {
	g.statement = block[0]
	// nested says that the line that is kept has others inside of it. Both depths are how far that line and the address family are
	// indented.
	family, kept, nested, depth, familyDepth := "", false, false, 0, 0
	for _, line := range block[1:] {
		text := strings.TrimLeft(line, " \t")
		indent := len(line) - len(text)
		switch {
		case kept && indent > depth:
			nested = true
		case kept && nested && indent == depth && (text == "exit" || strings.HasPrefix(text, "exit-")):
			// It ends what was inside of the one before.
			nested = false
		case closes(text):
			if indent <= familyDepth {
				family = ""
			}
			kept = false
			continue
		case isFamily(&Statement{Text: text}):
			family, kept, familyDepth = canonicalTyped(text), false, indent
			continue
		default:
			if indent <= familyDepth {
				family = ""
			}
			kept, nested, depth = rules.covers(family, canonicalTyped(text)), false, indent
			// People indent as they like; vtysh does not care, but Parse does.
			if line = " " + text; family != "" {
				line = "  " + text
			}
		}
		switch {
		case kept:
			g.add(family, line)
		case family == "" && neighborOf(strings.TrimPrefix(text, "no ")) == "":
			g.settings = append(g.settings, line)
		}
	}
}

func (g *guests) add(family, line string) {
	if family == "" {
		g.router = append(g.router, line)
		return
	}
	at := slices.IndexFunc(g.families, func(f guestFamily) bool { return f.name == family })
	if at < 0 {
		at = len(g.families)
		g.families = append(g.families, guestFamily{name: family})
	}
	g.families[at].lines = append(g.families[at].lines, line)
}

// alone gives the lines of a router that is not ours any more, and what is in it is not.
func (g guests) alone() []string {
	lines := slices.Concat([]string{g.statement}, g.settings, g.router)
	for _, f := range g.families {
		lines = append(lines, f.whole()...)
	}
	return append(lines, "exit")
}

func (f guestFamily) whole() []string {
	return slices.Concat([]string{" " + f.name}, f.lines, []string{" exit-address-family"})
}

// routersOf gives the routers of a configuration by their identity (topKey).
func routersOf(conf []byte) map[string]bool {
	routers := map[string]bool{}
	for line := range bytes.Lines(conf) {
		if begins(line, "router bgp ") {
			routers[topKey(&Statement{Text: strings.TrimRight(string(line), " \n")})] = true
		}
	}
	return routers
}

// withGuests puts the foreign lines into the routers of a configuration: behind the settings of a router, at the end of an
// address family, or with a family of their own.
func withGuests(conf []byte, all map[string]guests) []byte {
	if len(all) == 0 {
		return conf
	}
	var out bytes.Buffer
	put := func(lines []string) {
		for _, line := range lines {
			out.WriteString(line)
			out.WriteByte('\n')
		}
	}
	var g guests
	family := ""
	for line := range bytes.Lines(conf) {
		text := strings.TrimRight(string(line), " \n")
		bare := strings.TrimLeft(text, " ")
		depth := len(text) - len(bare)
		if family != "" && depth < 2 {
			// The family ends here.
			at := slices.IndexFunc(g.families, func(f guestFamily) bool { return f.name == family })
			if family = ""; at >= 0 {
				put(g.families[at].lines)
				g.families = slices.Delete(slices.Clone(g.families), at, at+1)
			}
		}
		if depth == 1 && (bare == "!" || isFamily(&Statement{Text: bare})) || depth == 0 {
			put(g.router)
			g.router = nil
		}
		if depth == 0 {
			for _, f := range g.families {
				put(f.whole())
			}
			g = guests{}
		}
		switch s := (&Statement{Text: bare}); {
		case depth == 0 && isRouter(s):
			g = all[topKey(s)]
		case depth == 1 && isFamily(s):
			family = bare
		}
		out.Write(line)
	}
	return out.Bytes()
}

// indent gives the lines of a router or a route-map, which are not indented as FRR indents them, as FRR does. Those of another
// statement stay as they are.
func indent(block []string) []string {
	if !opensFlat(block[0]) {
		return block
	}
	lines := []string{block[0]}
	inFamily := false
	for i, line := range block[1:] {
		text := strings.TrimLeft(line, " \t")
		switch {
		case text == "exit" && i == len(block)-2:
			lines = append(lines, text)
			continue
		case text == "exit":
			// More of the block follows, so it can only have ended an address family.
			if inFamily {
				lines = append(lines, " exit-address-family")
			}
			inFamily = false
			continue
		case text == "exit-address-family" || isFamily(&Statement{Text: text}):
			inFamily = isFamily(&Statement{Text: text})
			lines = append(lines, " "+text)
			continue
		case inFamily:
			text = " " + text
		}
		lines = append(lines, " "+text)
	}
	return lines
}
