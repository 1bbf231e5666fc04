// Package bmp is a station of the BGP Monitoring Protocol: routers connect and tell what they have received of each neighbor
// (RFC 7854), what they send (RFC 8671), and what they use (RFC 9069). It keeps their tables within bounds, whoever sends
// whatever, and tells of the sessions that it is asked to watch what the router at the other end has received of us: its
// Adj-RIB-In before its policy is our Adj-RIB-Out as it arrived.
package bmp
