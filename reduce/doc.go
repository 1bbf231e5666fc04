// Package reduce turns what the cluster holds into what this node should announce: a Snapshot, the configuration and a
// node's name give a route.Speaker, with every wish that was not followed and why. It is pure: it reads no clock, file or
// network, and the same input in any order gives the same output.
package reduce
