package watch

import (
	"bytes"
	"unicode/utf8"
)

// piece is a part of a file's text that is parsed on its own, so that one edit costs one small parse.
type piece struct {
	text []byte
	// line is the line of the file on which text begins, from 1.
	line int
	form form
	// base is what an item of a list has where it names no apiVersion and kind of its own: those of the list.
	base typeMeta
}

// form says how a piece's text is to be read.
type form uint8

const (
	document form = iota // one YAML document, or JSON values one after another
	yamlItem             // a YAML sequence with a single entry, which is an object
	jsonItem             // one JSON value, which is an object
)

// typeMeta says what an object is.
type typeMeta struct{ apiVersion, kind string }

// splitDocuments cuts a file at YAML's document markers, which nothing can hide: "---" or "..." at the start of a line
// ends even a quoted or a block scalar (YAML 1.2, section 9.1.2). A document keeps its own marker and the directives
// before it. Documents with nothing in them are left out.
func splitDocuments(text []byte) []piece {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var pieces []piece
	start, startLine := 0, 1
	content := false // whether something stands in text[start:] that a document needs
	opened := false  // whether text[start:] has its marker
	cut := func(end, line int) {
		if content {
			pieces = append(pieces, piece{text: text[start:end], line: startLine})
		}
		start, startLine, content, opened = end, line, false, false
	}
	line := 1
	for at := 0; at < len(text); line++ {
		end := nextLine(text, at)
		l := text[at:end]
		switch {
		case isMarker(l, "---"):
			if content && (opened || !onlyDirectives(text[start:at])) {
				cut(at, line)
			}
			opened = true
			content = content || !isBlank(l[len("---"):])
		case isMarker(l, "..."):
			cut(end, line+1)
		case !content && !isBlank(l):
			content = true
		}
		at = end
	}
	cut(len(text), line)
	return pieces
}

// nextLine is where the line after that at offset at begins.
func nextLine(text []byte, at int) int {
	if i := bytes.IndexByte(text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(text)
}

// isMarker reports whether a line begins with a document marker: alone, or with white space behind it.
func isMarker(line []byte, marker string) bool {
	return bytes.HasPrefix(line, []byte(marker)) &&
		(len(line) == len(marker) || bytes.IndexByte([]byte(" \t\r\n"), line[len(marker)]) >= 0)
}

// isBlank reports whether there is nothing but white space and a comment.
func isBlank(line []byte) bool {
	line = bytes.TrimLeft(line, " \t\r\n")
	return len(line) == 0 || line[0] == '#'
}

// isText reports whether text has only the characters that YAML allows (YAML 1.2, section 5.1).
func isText(text []byte) bool {
	return utf8.Valid(text) && !bytes.ContainsFunc(text, func(r rune) bool {
		return r < ' ' && r != '\t' && r != '\n' && r != '\r' || 0x7f <= r && r < 0xa0 && r != 0x85 || r == 0xfffe || r == 0xffff
	})
}

// onlyDirectives reports whether all lines are blank, comments or directives such as "%YAML 1.2".
func onlyDirectives(text []byte) bool {
	for at := 0; at < len(text); {
		end := nextLine(text, at)
		if l := text[at:end]; l[0] != '%' && !isBlank(l) {
			return false
		}
		at = end
	}
	return true
}

// splitYAMLList cuts a document whose items stand in a block sequence under a top-level "items:" into those items and
// the rest, the envelope, with itemsLine the line of "items:" within both. It goes by indentation alone and can be wrong
// about what it sees, but never unnoticed: whatever reaches over a cut (a quoted scalar, a flow collection, an alias)
// leaves a part that does not parse or an envelope whose items key is elsewhere; then the caller parses the document
// whole. Text that YAML forbids even in a comment is not cut: a comment between two items would be in neither.
func splitYAMLList(doc piece) (items []piece, envelope []byte, itemsLine int, ok bool) {
	at, line := 0, 1
	for ; ; line++ {
		if at >= len(doc.text) {
			return nil, nil, 0, false
		}
		end := nextLine(doc.text, at)
		l := doc.text[at:end]
		at = end
		if rest, found := bytes.CutPrefix(l, []byte("items:")); found && isBlank(rest) {
			break
		}
	}
	if !isText(doc.text) {
		return nil, nil, 0, false
	}
	head, itemsLine := doc.text[:at], line
	indent, start, startLine := -1, at, line+1
	cut := func(end int) {
		if indent >= 0 {
			items = append(items, piece{text: doc.text[start:end], line: doc.line + startLine - 1, form: yamlItem})
		}
	}
	for at < len(doc.text) {
		line++
		end := nextLine(doc.text, at)
		l := doc.text[at:end]
		if !isBlank(l) {
			spaces := len(l) - len(bytes.TrimLeft(l, " "))
			entry := isEntry(l[spaces:])
			if entry && (indent < 0 || spaces == indent) {
				cut(at)
				indent, start, startLine = spaces, at, line
			} else if indent < 0 || spaces <= indent {
				break
			}
		}
		at = end
	}
	cut(at)
	return items, bytes.Join([][]byte{head, doc.text[at:]}, nil), itemsLine, indent >= 0
}

// isEntry reports whether a line, its indentation taken away, begins an entry of a block sequence.
func isEntry(line []byte) bool {
	return line[0] == '-' && (len(line) == 1 || bytes.IndexByte([]byte(" \r\n"), line[1]) >= 0)
}

// splitJSONList does for JSON what splitYAMLList does for YAML: it cuts the elements of the top-level "items" out. It
// takes the text to be JSON; where it is not, an element or the envelope does not parse.
func splitJSONList(doc piece) (items []piece, envelope []byte, ok bool) {
	text := doc.text
	line := doc.line
	depth := 0
	inItems := false
	var key []byte           // the last string that ended at depth 1
	var open, shut int       // where the array's brackets are
	start, startLine := 0, 0 // the element that is being read
	cut := func(end int) {
		items = append(items, piece{text: text[start:end], line: startLine, form: jsonItem})
		start, startLine = end+1, line
	}
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '\n':
			line++
		case '"':
			end := stringEnd(text, at)
			if depth == 1 {
				key = text[at:end]
			}
			at = end - 1
		case '{', '[':
			depth++
			if depth == 2 && text[at] == '[' && open == 0 && string(key) == `"items"` {
				inItems, open, start, startLine = true, at, at+1, line
			}
		case '}', ']':
			depth--
			if inItems && depth == 1 {
				cut(at)
				inItems, shut = false, at
			}
		case ',':
			if inItems && depth == 2 {
				cut(at)
			}
			if depth == 1 {
				key = nil
			}
		}
	}
	if shut == 0 {
		return nil, nil, false
	}
	if len(items) == 1 && len(bytes.TrimSpace(items[0].text)) == 0 {
		items = nil
	}
	return items, bytes.Join([][]byte{text[:open+1], text[shut:]}, nil), true
}

// stringEnd is the offset behind the JSON string that begins at offset at.
func stringEnd(text []byte, at int) int {
	for at++; at < len(text); at++ {
		switch text[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(text)
}
