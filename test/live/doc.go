// Package live tests the running agent between real routers: what its operator edits while sessions carry traffic.
package live
