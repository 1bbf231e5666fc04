// Package prove finds out what each neighbor was really sent. It asks the witnesses about each session that this node should
// hold: the packets (tap), the neighbors' own BMP feeds (bmp), and FRR's word (frr). What they observe, and what is
// intended, it gives to one verify.Comparer for each session, whose verdicts it hands on.
//
// Nothing that is announced waits for it, and it changes nothing: the most that it does to FRR is to have a table sent again.
package prove
