// Package proof proves that the agent tells what neighbors were really sent: whatever is changed behind its back is found, by
// the right witness and with the right verdict, and nothing else is.
package proof
