// Package report tells Kubernetes what this node's speaker does: what it is given after each apply becomes Events on the
// objects concerned, each once while it stands, at a bounded rate, and from one speaker where several say the same. What a neighbor
// of this node is not told as intended is told so too, by this speaker alone.
package report
