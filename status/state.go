package status

import (
	"net/netip"
	"time"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

// State is all that an agent tells about itself at one moment. It and all it holds are never changed once published, so any
// goroutine may read it; the Board makes the next one, which shares what did not change. It holds no password. Encoded as
// JSON it is the contract of `status -o json`: fields may be added, none changes its meaning, no list is ever null, and a
// time that has not come yet is left out.
type State struct {
	// Node is the name of the Kubernetes node.
	Node string `json:"node"`
	// Version is that of the agent.
	Version string `json:"version"`
	// Started is when the agent began.
	Started time.Time `json:"started"`
	// Conditions are the few things that must be so for all to be well, in a fixed order, Ready first.
	Conditions []Condition `json:"conditions"`
	// Loop says whether the one loop that acts still moves.
	Loop Loop `json:"loop"`
	// Configuration is what the operator wrote, and whether the latest version of it is in force.
	Configuration Configuration `json:"configuration"`
	// Sources are where the cluster's objects come from, in the order in which the agent names them.
	Sources []Source `json:"sources"`
	// Objects count what the last pass was given, by kind.
	Objects []Count `json:"objects"`
	// Routers and Neighbors are what the last pass wanted, in the order of its Speaker.
	Routers   []Router   `json:"routers"`
	Neighbors []Neighbor `json:"neighbors"`
	// Skipped are the wishes that the last pass did not follow, and Warnings those that it did although they look like a
	// mistake, both sorted.
	Skipped  []reduce.Skipped `json:"skipped"`
	Warnings []reduce.Warning `json:"warnings"`
	// Passes count the passes and say how the last one ended.
	Passes Passes `json:"passes"`
	// Stages time the stages of a pass.
	Stages [len(stages)]Timing `json:"stages"`
	// Applies count what was done to FRR.
	Applies Applies `json:"applies"`
	// Audit says what was found when FRR's whole configuration was last compared with what Fairlead made it.
	Audit Audit `json:"audit"`
	// Proof is what was found out of what neighbors were really sent.
	Proof Proof `json:"proof"`
	// Station are the routers that feed the BMP station, by source, and after them the last that did or were refused.
	Station []Feed `json:"station"`
	// Events count what Kubernetes was told.
	Events Events `json:"events"`
}

// Loop says where the loop is that makes the passes.
type Loop struct {
	// Busy is whether a pass is under way.
	Busy bool `json:"busy"`
	// Stage is that of the pass that is under way; "" before its first, and between passes.
	Stage Stage `json:"stage"`
	// Moved is when the loop last began a pass, went on to a stage, ended a pass, or found that it has none to make.
	Moved time.Time `json:"moved"`
	// Bound is how long the loop may go without moving before it counts as stuck, in seconds.
	Bound float64 `json:"boundSeconds"`
}

// Configuration is the version of the operator's files that is in force, and what is wrong with the latest one.
type Configuration struct {
	// File is the path of the configuration; "" means that none has been taken yet.
	File string `json:"file"`
	// Digest tells one version from another, and is the same on each node that has the same one.
	Digest string `json:"digest"`
	// Since is when that version came into force.
	Since time.Time `json:"since,omitzero"`
	// Broken says why the latest version is not in force; "" means that it is, or says the same as the one that is.
	Broken string `json:"broken"`
	// BrokenSince is when Broken was first so.
	BrokenSince time.Time `json:"brokenSince,omitzero"`
}

// Source is one kind of object that the agent follows, or the folder that all of them come from.
type Source struct {
	// Name is unique among the sources: "pods", "manifests".
	Name string `json:"name"`
	// Synced is whether it was read whole once. What it held then, and has heard since, counts whatever happens later.
	Synced bool `json:"synced"`
	// Objects is how many objects it holds.
	Objects int `json:"objects"`
	// WatchRestarts counts how often it began to watch again, as it does every few minutes without anything being wrong.
	WatchRestarts uint64 `json:"watchRestarts"`
	// Problem is what is wrong with it now, such as that it may not be read; "" means nothing.
	Problem string `json:"problem"`
	// Since is when Problem began; it is zero without one.
	Since time.Time `json:"since,omitzero"`
}

// Count is how many objects there are of one kind.
type Count struct {
	Kind  string `json:"kind"`
	Count int    `json:"count"`
}

// Routes count routes by family.
type Routes struct {
	IPv4 int `json:"ipv4-unicast"`
	IPv6 int `json:"ipv6-unicast"`
}

// Router is one BGP instance as the last pass wanted it.
type Router struct {
	// Name is "" for the default instance.
	Name string    `json:"name"`
	ASN  route.ASN `json:"asn"`
	// RouterID is its BGP Identifier.
	RouterID netip.Addr `json:"routerID"`
	// Routes are those it should originate.
	Routes Routes `json:"routes"`
}

// Neighbor is one session as the last pass wanted it.
type Neighbor struct {
	// Router is the name of the instance that holds it; "" is the default one.
	Router string `json:"router"`
	// Name is what the configuration calls it.
	Name string `json:"name"`
	// Address is the neighbor's, or the zero Addr where Interface names an unnumbered session.
	Address   netip.Addr     `json:"address"`
	Interface string         `json:"interface"`
	RemoteAS  route.RemoteAS `json:"remoteAS"`
	Families  []route.Family `json:"families"`
	// Routes are those that it should be told of what its router originates.
	Routes Routes `json:"routes"`
}

// ID is how FRR names the session: the address, or the interface of an unnumbered one.
func (n Neighbor) ID() string {
	if n.Interface != "" {
		return n.Interface
	}
	return n.Address.String()
}

// Stage is a step of a pass.
type Stage string

// The stages, in the order in which a pass goes through them. Where new settings turn out not to do, one pass goes through
// them twice.
const (
	Reduce Stage = "reduce"
	Render Stage = "render"
	Apply  Stage = "apply"
)

var stages = [...]Stage{Reduce, Render, Apply}

// Timing says how long one stage took.
type Timing struct {
	Stage Stage `json:"stage"`
	Histogram
}

// Outcome is how a pass ended.
type Outcome string

// The outcomes of a pass.
const (
	// Changed means that FRR holds what it should, and did not before.
	Changed Outcome = "changed"
	// Unchanged means that FRR held what it should already.
	Unchanged Outcome = "unchanged"
	// Waiting means that nothing could be done yet: what for is said by a Wait.
	Waiting Outcome = "waiting"
	// Failed means an error; the pass is made again.
	Failed Outcome = "failed"
)

// Wait is what a pass waits for. It is made again when that is there.
type Wait string

// The waits.
const (
	// ForSources means that the cluster's objects are not known well enough to say what to announce.
	ForSources Wait = "sources"
	// ForFRR means that FRR's daemons are starting.
	ForFRR Wait = "frr"
)

// Passes count passes by outcome.
type Passes struct {
	Changed   uint64 `json:"changed"`
	Unchanged uint64 `json:"unchanged"`
	Waiting   uint64 `json:"waiting"`
	Failed    uint64 `json:"failed"`
	// Outcome is that of the last pass; "" means that none has ended yet.
	Outcome Outcome `json:"lastOutcome"`
	// Wait is what the last pass waited for; "" where its outcome is another.
	Wait Wait `json:"lastWait"`
	// Error is what the last pass failed with; "" where it did not.
	Error string `json:"lastError"`
	// Ended is when the last pass did.
	Ended time.Time `json:"lastEnded,omitzero"`
	// Duration says how long whole passes took.
	Duration Histogram `json:"duration"`
}

// Applies count what was done to FRR.
type Applies struct {
	// Changed, Unchanged and Failed count the applies by how they ended. One that failed was rolled back.
	Changed   uint64 `json:"changed"`
	Unchanged uint64 `json:"unchanged"`
	Failed    uint64 `json:"failed"`
	// Lines and Resets add up those of all changes.
	Lines  uint64 `json:"lines"`
	Resets uint64 `json:"resets"`
	// Last is the last change.
	Last Change `json:"lastChange"`
	// Error is that of the last apply that failed, though others may have gone well since; "" means that none did.
	Error string `json:"lastError"`
	// Erred is when that was.
	Erred time.Time `json:"lastErrorTime,omitzero"`
}

// Change is one change of what FRR holds. The zero Change means that there was none yet.
type Change struct {
	Time time.Time `json:"time,omitzero"`
	// Lines is how many lines vtysh was given.
	Lines int `json:"lines"`
	// Resets is how many sessions it took down.
	Resets int `json:"resets"`
}

// Events count the Events that are written to Kubernetes.
type Events struct {
	// Told is how many were written, Dropped how many were given up because the API server did not take them.
	Told    uint64 `json:"told"`
	Dropped uint64 `json:"dropped"`
}
