// Package explain says why something is announced, or why not: from a question, what the agent knew and did in its last pass, and
// what neighbors were really told, it gives the steps from object to wire, and where they stop what to do. It is pure: it reads
// no clock, file or network.
package explain
