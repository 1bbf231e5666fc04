// Package templates holds the templates that make up frr.conf, one file for each stanza. Package render says what data
// each of them gets.
package templates

import "embed"

// FS holds the stanzas; frr.conf.tmpl is the one that puts them together.
//
//go:embed *.tmpl
var FS embed.FS
