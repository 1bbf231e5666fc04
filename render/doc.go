// Package render turns a route.Speaker into frr.conf. It is pure, and it owns the names of all FRR objects that are ours:
//
//	FL-GROUP-hash    route-map: a set of attributes and audiences; "network P route-map FL-GROUP-hash" is all of a route
//	FL-TO-hash       large-community-list: the markers of what is told, for FL-OUT of the same hash
//	FL-PASS-hash     large-community-list: those of what is passed on, where what we originate gets a scope and it does not
//	FL-OUT-hash      route-map: what is told; permits those markers, sets next hops, takes all markers away
//	FL-MARKERS-asns  large-community-list: all markers of the routers of these AS numbers
//	FL-IN-NONE       route-map: nothing is accepted
//	FL-IN-hash       route-map: what is accepted; takes all markers away and adds that of the neighbor
//	FL-OWN-hash      as-path access-list: what AS numbers of ours have originated, which FL-IN refuses
//	FL-PL-hash       prefix-list: the ranges that FL-IN permits
//	FL-INSTALL-hash  route-map and large-community-list: what zebra installs of what is accepted (FRR: table-map)
//	FL-BFD-hash      BFD profile: a set of timers
//	FL-STATION       bmp targets: the BMP station of the node, in each router
//
// FL-IN ends in a deny of its own: after "on-match next" FRR permits what no later entry matches.
//
// A name is a hash of what the object holds, so an object never changes under its name, and none is numbered by its place
// among others. That is what keeps one more route to one UPDATE: FRR sends an outbound route-map's whole table again
// whenever the map changes, and after renumbering it withdraws and announces.
//
// A marker is a large community ASN:4242:n (RFC 8092), n a hash of the audience, or of the neighbor that a route came from. It lives inside bgpd only. No value is
// written that is FRR's default, because running-config hides those, and a difference that never ends would be left.
package render
