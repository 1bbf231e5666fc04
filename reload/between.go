package reload

import (
	"bytes"
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Between parses two configurations as Parse does, and leaves networks out of both that stand in both. Diff says the same
// of the two trees as of the whole ones, and what it costs no longer grows with the routes, of which a change touches few:
// two texts are compared at the speed of memory, and only where they differ is something made of them.
//
// In neither may a network stand twice in one address family; FRR holds none twice.
func Between(running, wanted []byte) (Tree, Tree) {
	a, old := parse(running, true)
	b, now := parse(wanted, true)
	for _, n := range old {
		i := slices.IndexFunc(now, n.sameContext)
		if i < 0 {
			n.insert(statements(n.lines))
			continue
		}
		goes, comes := apart(n.lines, now[i].lines)
		n.insert(goes)
		now[i].insert(comes)
		now = slices.Delete(now, i, i+1)
	}
	for _, n := range now {
		n.insert(statements(n.lines))
	}
	return a, b
}

// networks are those of an address family that follow one another in a configuration: lines, which stand at one place among
// the statements of the family.
type networks struct {
	router, family *Statement
	at             int
	lines          []byte
}

// networkLine begins a line with a network of an address family, as FRR and render write it.
const networkLine = "  network "

// networkLines gives the lines with networks that config begins with.
func networkLines(config []byte) []byte {
	n := 0
	for begins(config[n:], networkLine) {
		n += len(firstLine(config[n:]))
	}
	return config[:n]
}

// begins reports whether config begins with text.
func begins(config []byte, text string) bool {
	return len(config) >= len(text) && string(config[:len(text)]) == text
}

// sameContext reports whether two are networks of the same address family.
func (n networks) sameContext(other networks) bool {
	return n.router.Text == other.router.Text && n.family.Text == other.family.Text
}

// insert puts networks where they stood.
func (n networks) insert(networks Tree) {
	n.family.Children = slices.Insert(n.family.Children, n.at, networks...)
}

// statements gives the statements of lines that are all in one context and open none.
func statements(lines []byte) Tree {
	var t Tree
	for line := range bytes.Lines(lines) {
		t = append(t, &Statement{Text: canonical(string(bytes.TrimSpace(line)))})
	}
	return t
}

// apart gives the networks that only one of two has, in their order. Both are sorted by prefix, as FRR and render sort them; of
// what an operator's template writes in another order, both may keep some that both have, which costs time and nothing else.
func apart(old, now []byte) (goes, comes Tree) {
	shared := Tree(nil)
	for len(old) > 0 && len(now) > 0 {
		same := sharedLines(old, now)
		if len(shared) == 0 {
			shared = firstOfOurs(old[:same])
		}
		if old, now = old[same:], now[same:]; len(old) == 0 || len(now) == 0 {
			break
		}
		a, b := firstLine(old), firstLine(now)
		order := 0
		switch {
		case begins(now[len(b):], string(a)):
			order = 1
		case begins(old[len(a):], string(b)):
			order = -1
		default:
			order = comparePrefixes(a, b)
		}
		if order <= 0 {
			goes, old = append(goes, statements(a)...), old[len(a):]
		}
		if order >= 0 {
			comes, now = append(comes, statements(b)...), now[len(b):]
		}
	}
	goes, comes = append(goes, statements(old)...), append(comes, statements(now)...)
	// An instance of a VRF is known as ours by a group of ours: one that uses it stays in both.
	return append(shared, goes...), append(shared, comes...)
}

// firstOfOurs gives the first of lines that uses a group of ours.
func firstOfOurs(lines []byte) Tree {
	at := bytes.Index(lines, []byte(" route-map "+namespace))
	if at < 0 {
		return nil
	}
	return statements(firstLine(lines[bytes.LastIndexByte(lines[:at], '\n')+1:]))
}

// stride is how much is compared at once: the price of finding the place where it differs.
const stride = 4096

// sharedLines gives the length of the whole lines that both begin with.
func sharedLines(a, b []byte) int {
	n := 0
	for n+stride <= min(len(a), len(b)) && bytes.Equal(a[n:n+stride], b[n:n+stride]) {
		n += stride
	}
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return bytes.LastIndexByte(a[:n], '\n') + 1
}

// firstLine gives the first line with its end.
func firstLine(lines []byte) []byte {
	return lines[:cmp.Or(bytes.IndexByte(lines, '\n')+1, len(lines))]
}

// comparePrefixes gives the order in which FRR and render write two lines with networks.
func comparePrefixes(a, b []byte) int {
	p, errP := netip.ParsePrefix(strings.Fields(string(a) + " ?")[1])
	q, errQ := netip.ParsePrefix(strings.Fields(string(b) + " ?")[1])
	if errP != nil || errQ != nil {
		return bytes.Compare(a, b)
	}
	return p.Compare(q)
}
