// Package watch is the edge where the cluster comes in: its API, or a folder of manifests, gives the reduce.Snapshot of the
// objects in it, and word whenever the Snapshot changed. An event carries no data, it says "look again".
package watch
