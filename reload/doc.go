// Package reload makes a running FRR hold a wanted configuration: the difference between the two, applied in one vtysh
// run, read back and compared, undone where FRR refuses it, and kept in frr.conf once it holds.
//
// Fairlead owns what it renders: the default router bgp and its views, and the objects whose names begin with FL-. All
// else in an FRR is foreign: it is neither removed nor changed, and frr.conf keeps it.
package reload
