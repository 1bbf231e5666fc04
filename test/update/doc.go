// Package update holds tests of what a change is to a neighbor: exactly the UPDATEs that it needs, and the resets, withdrawals
// and nothing else that reload foretold, counted on the neighbor's side.
package update
