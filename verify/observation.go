package verify

import (
	"net/netip"
	"strconv"
	"time"
)

// Session names one session of this node.
type Session struct {
	// Router is its BGP instance, "" for the default one (route.Router.Name).
	Router string `json:"router"`
	// Neighbor is how FRR names the neighbor (route.Neighbor.ID): its address, or the interface of an unnumbered one.
	Neighbor string `json:"neighbor"`
}

// Witness is who observed what a neighbor was told.
type Witness uint8

// The witnesses, the weakest first.
const (
	// NoWitness is the zero value: nobody can tell.
	NoWitness Witness = iota
	// Claim is FRR's own book-keeping from before the wire (show bgp ... advertised-routes). It stands in where no other
	// witness sees the whole.
	Claim
	// Wire is what was captured on its way to the neighbor, and the neighbor's TCP acknowledgments.
	Wire
	// Received is the neighbor's Adj-RIB-In before its policy, by its own BMP feed (RFC 7854). Where Wire sees the whole it adds
	// proof, and no drift of its own.
	Received
	// LocRIB is the neighbor's table of the routes it uses, by its own BMP feed (RFC 9069). It can say that a route is used,
	// never that one is missing: another way to the same prefix may be better.
	LocRIB
	witnessCount
)

var witnessNames = [witnessCount]string{"none", "frr", "tap", "bmp", "bmp loc-rib"}

// String gives "none", "frr", "tap", "bmp" or "bmp loc-rib".
func (w Witness) String() string {
	if w < witnessCount {
		return witnessNames[w]
	}
	return "witness " + strconv.Itoa(int(w))
}

// MarshalText gives what String gives.
func (w Witness) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// Limits says what a verdict of this witness leaves open; "" where it leaves nothing.
func (w Witness) Limits() string {
	switch w {
	case Claim:
		return "FRR's own book-keeping from before the wire: it tells nothing of communities, nor of the next hop where that is the " +
			"session's own, takes for granted that our AS is prepended, and is as old as its last poll"
	case Wire:
		return "what left this node, and what the neighbor's TCP took: not whether its BGP read and kept it"
	case Received:
		return "what the neighbor tells of itself: an FRR leaves out what its inbound policy denies (8.4), or its withdrawal (10.3)"
	case LocRIB:
		return "which routes the neighbor uses: not which it received and does not use"
	default:
		return ""
	}
}

// Proof is how far a route is proven to have come.
type Proof uint8

// The proofs, each stronger than the one before.
const (
	// Unproven is the zero value.
	Unproven Proof = iota
	// Claimed means that FRR says so.
	Claimed
	// Sent means that it was seen on the wire.
	Sent
	// Acknowledged means that the neighbor's TCP has taken it.
	Acknowledged
	// InAdjRIBIn means that the neighbor's BGP has received it.
	InAdjRIBIn
	// Best means that the neighbor uses it.
	Best
	proofCount
)

var proofNames = [proofCount]string{"unproven", "claimed", "sent", "acknowledged", "received", "best"}

// String gives "unproven", "claimed", "sent", "acknowledged", "received" or "best".
func (p Proof) String() string {
	if p < proofCount {
		return proofNames[p]
	}
	return "proof " + strconv.Itoa(int(p))
}

// MarshalText gives what String gives.
func (p Proof) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// State is what a witness knows of a session.
type State uint8

// The states of a witness's knowledge.
const (
	// Unknown is the zero value: the witness sees nothing, or has missed something and cannot trust what it has. What it had
	// observed is kept for when it can.
	Unknown State = iota
	// Down means that the session is not established. What was observed of it is forgotten.
	Down
	// Learning means that the session has begun and its first table is not complete: what was observed is true, and what was
	// not may be on its way.
	Learning
	// Whole means that what was observed is all there is.
	Whole
)

// String gives "unknown", "down", "learning" or "whole".
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Down:
		return "down"
	case Learning:
		return "learning"
	case Whole:
		return "whole"
	default:
		return "state " + strconv.Itoa(int(s))
	}
}

// MarshalText gives what String gives.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Observation is what one witness tells of one session: its state from now on, and what has changed.
type Observation struct {
	Session Session
	Witness Witness
	// At is when it was observed: of a claim, when FRR was asked.
	At time.Time
	// State is that after the changes.
	State State
	// Snapshot means that Changes are the whole table: what is not in them is gone.
	Snapshot bool
	// Changes are in their order where one prefix is in them twice. With ADD-PATH (RFC 7911) the witness gives one path of each
	// prefix.
	Changes []Change
	// Acknowledged is up to which Change.Sequence the neighbor's TCP has acknowledged; only Wire says so.
	Acknowledged uint64
	// Blocked is since when the neighbor's TCP window is closed; the zero Time where it is open. Only Wire says so.
	Blocked time.Time
}

// Change is what a witness saw become of one prefix.
type Change struct {
	Prefix netip.Prefix
	// Attributes are those that it was announced with; nil means that it was withdrawn.
	Attributes *Attributes
	// Sequence is the place in what was sent over this session, and grows from 1; 0 where the witness does not follow
	// acknowledgments. After Down it begins anew.
	Sequence uint64
}
