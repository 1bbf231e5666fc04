package watch

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Problem is something in the folder that could not be used as it stands, and what is done about it.
type Problem struct {
	// File is the file's name within the folder; "" means the folder itself.
	File string
	// Line counts from 1; 0 means the whole file.
	Line int
	// What says what is wrong, and what is kept where something is.
	What string
}

// String gives "pods.yaml:12: what", "pods.yaml: what", or what alone where it is the folder that has the problem.
func (p Problem) String() string {
	switch {
	case p.File == "":
		return p.What
	case p.Line == 0:
		return p.File + ": " + p.What
	default:
		return p.File + ":" + strconv.Itoa(p.Line) + ": " + p.What
	}
}

// sortProblems orders problems by file, line and text.
func sortProblems(problems []Problem) {
	slices.SortFunc(problems, func(a, b Problem) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.What, b.What))
	})
}
