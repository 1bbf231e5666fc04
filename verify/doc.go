// Package verify compares what each neighbor should be told with what it was really told: the Adj-RIB-Out that was intended
// (RFC 4271, section 3.2) with the one that witnesses observed, prefix by prefix and attribute by attribute.
//
// There is one Comparer for each session. It is given changes, of what is intended and of what is observed, and one changed
// route costs one comparison; its Report says for each route how far it is proven, or what is wrong with it, and which
// witness says so. The package is pure: it reads no clock, and knows no witness but by what it observed.
package verify
