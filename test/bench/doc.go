// Package bench holds Fairlead's reload against what it replaces, on real FRRs, and fails where it misses its bars.
package bench
