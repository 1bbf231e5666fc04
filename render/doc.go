// Package render turns a route.Speaker into frr.conf. It is pure, and it owns the names of all FRR objects that are ours:
//
//	FL-GROUP-hash    route-map: a set of attributes and audiences; "network P route-map FL-GROUP-hash" is all of a route
//	FL-TO-hash       large-community-list: the marker of one audience
//	FL-OUT-hash      route-map: what one audience is told; permits its marker, takes all markers away
//	FL-MARKERS-asn   large-community-list: all markers of the routers of one AS
//	FL-IN-NONE       route-map: nothing is accepted
//
// A name is a hash of what the object holds, so an object never changes under its name, and none is numbered by its place
// among others. That is what keeps one more route to one UPDATE: FRR sends an outbound route-map's whole table again
// whenever the map changes, and after renumbering it withdraws and announces.
//
// A marker is a large community ASN:4242:n (RFC 8092), n a hash of the audience. It lives inside bgpd only. No value is
// written that is FRR's default, because running-config hides those, and a difference that never ends would be left.
package render
