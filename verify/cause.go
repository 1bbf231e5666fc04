package verify

import "strconv"

// Cause is why a route is missing. Its zero value means that this was not found out.
type Cause uint8

// The causes, in the order in which a route meets them.
const (
	// UnknownCause is the zero value.
	UnknownCause Cause = iota
	// NeighborUnknown means that FRR has no such neighbor.
	NeighborUnknown
	// ShutDown means that somebody has shut the neighbor down in FRR.
	ShutDown
	// SessionDown means that the session is not established.
	SessionDown
	// FamilyNotSpoken means that the two have not agreed on the address family.
	FamilyNotSpoken
	// PolicyMissing means that FRR exchanges nothing with an eBGP neighbor that has no policy (RFC 8212).
	PolicyMissing
	// NotInTable means that bgpd does not hold the route.
	NotInTable
	// HeldByRestart means that bgpd defers its routes until its neighbors have told theirs, after a restart (RFC 4724).
	HeldByRestart
	// NotSelected means that bgpd holds it, and has not chosen it, or chose another way to the same prefix.
	NotSelected
	// FilteredOut means that bgpd uses the route and does not tell this neighbor: the outbound policy does not let it pass.
	FilteredOut
	// WaitingForBgpd means that bgpd has told it by its own book-keeping, and has not written it.
	WaitingForBgpd
	// NotTaken means that bgpd has written it, and that the neighbor's TCP takes nothing.
	NotTaken
	// LostOnTheWay means that bgpd counts it as told and has nothing left to write, and no witness has seen it.
	LostOnTheWay
	causeCount
)

var causeTexts = [causeCount]string{
	"not found out",
	"FRR has no such neighbor: look whether the last configuration was applied (fairlead status)",
	"the neighbor is shut down in FRR: undo that (no neighbor ... shutdown), Fairlead does not ask for it",
	"the session is down: see fairlead neighbor for FRR's reason",
	"the neighbor did not agree on the address family: let both sides activate it",
	"FRR exchanges nothing with an eBGP neighbor without a policy (RFC 8212): the route-maps of the neighbor are gone, apply again",
	"bgpd does not hold the route: its network statement was removed or refused, see fairlead diff",
	"bgpd waits for its neighbors' routes after a restart (RFC 4724) and tells nothing until then: wait for select-defer-time",
	"bgpd uses another way to this prefix, or none: see show bgp PREFIX",
	"bgpd uses the route and the outbound policy does not let it pass: see fairlead diff for what was changed by hand",
	"bgpd has messages that are not written yet: it is busy, wait",
	"the neighbor's TCP takes nothing: the neighbor has stopped reading, or the path drops packets",
	"bgpd counts the route as told, and it was not seen: report it, with the output of fairlead verify -o json",
}

// String says the cause and what to do.
func (c Cause) String() string {
	if c < causeCount {
		return causeTexts[c]
	}
	return "cause " + strconv.Itoa(int(c))
}

// MarshalText gives what String gives.
func (c Cause) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Facts are what FRR says of one missing route and of its session. The zero value is that of a neighbor that FRR does not
// know.
type Facts struct {
	// Neighbor means that FRR has the neighbor, AdminDown that it is shut down, Established that routes are exchanged.
	Neighbor, AdminDown, Established bool
	// Family means that the address family was agreed on, PolicyMissing that RFC 8212 forbids to exchange anything.
	Family, PolicyMissing bool
	// InTable means that bgpd holds the route as one of its own, Selected that it is the best way to the prefix.
	InTable, Selected bool
	// Restarting means that bgpd may still defer the selection of routes after a restart: 10.7 counts that time down though it
	// has selected.
	Restarting bool
	// Claimed means that FRR counts it among the advertised routes.
	Claimed bool
	// Queued counts the messages to this neighbor that are not written.
	Queued int
	// Blocked means that the neighbor's TCP takes nothing, which a witness of the wire says and not FRR.
	Blocked bool
}

// Why is why a route is missing: the first step on its way that it has not taken.
func Why(f Facts) Cause {
	switch {
	case !f.Neighbor:
		return NeighborUnknown
	case f.AdminDown:
		return ShutDown
	case !f.Established:
		return SessionDown
	case !f.Family:
		return FamilyNotSpoken
	case f.PolicyMissing:
		return PolicyMissing
	case !f.InTable:
		return NotInTable
	case !f.Selected && f.Restarting:
		return HeldByRestart
	case !f.Selected:
		return NotSelected
	case !f.Claimed:
		return FilteredOut
	case f.Blocked:
		return NotTaken
	case f.Queued > 0:
		return WaitingForBgpd
	default:
		return LostOnTheWay
	}
}
