package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a configuration file.
type Error struct {
	// File is the name that Parse was given.
	File string
	// Line counts from 1.
	Line int
	// Path names the key, such as neighbors[0].holdTime; it is "" where the mistake belongs to no key.
	Path string
	// Message says what is wrong and what to write instead, on one line.
	Message string
}

// Error gives "FILE:LINE: PATH: MESSAGE".
func (e Error) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s: %s", e.File, e.Line, e.Path, e.Message)
}

// Errors are all the mistakes in one file, sorted by line. Both Errors and Error can be had from it with errors.As.
type Errors []Error

// Error gives one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives each mistake as an error of its own.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, one := range e {
		errs[i] = one
	}
	return errs
}

// sort puts the mistakes in the order of their lines; those of one line keep the order in which they were found.
func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b Error) int { return cmp.Compare(a.Line, b.Line) })
}
