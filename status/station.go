package status

import (
	"net/netip"
	"slices"
	"time"
)

// Feed is a router that feeds the agent's BMP station, or that did, or was refused.
type Feed struct {
	// Source is where it connected from, and Name what it calls itself (RFC 7854, section 4.4).
	Source netip.AddrPort `json:"source"`
	Name   string         `json:"name"`
	// Open is whether it is connected, Since when it connected, and Last when its last message came, zero where none did.
	Open  bool      `json:"open"`
	Since time.Time `json:"since"`
	Last  time.Time `json:"last,omitzero"`
	// Error is why it was refused or its connection has ended, and Times how often that happened in a row. Of one that is connected
	// it is what is wrong with the first of its peers that is not well; "" means nothing.
	Error string `json:"error"`
	Times int    `json:"times"`
	// Messages is how many came, Peers of how many peers it tells, and Routes of how many routes, over all tables.
	Messages uint64 `json:"messages"`
	Peers    int    `json:"peers"`
	Routes   int    `json:"routes"`
}

// Fed says which routers feed the station. The slice belongs to the Board from then on.
func (b *Board) Fed(feeds []Feed) {
	if slices.Equal(feeds, b.State().Station) {
		return
	}
	b.publish(time.Now(), func(next *State) { next.Station = list(feeds) })
}

// station lists who feeds the station.
func (p *page) station(feeds []Feed) {
	if len(feeds) == 0 {
		return
	}
	p.section("routers that feed the BMP station\n  SOURCE\tNAME\tSTATE\tFOR\tMESSAGES\tPEERS\tROUTES\tPROBLEM")
	for i, f := range feeds {
		if i == maxRows {
			p.line("  ... and %d more: -o json has all", len(feeds)-maxRows)
			return
		}
		state, since := "open", p.ago(f.Since)
		if !f.Open {
			state, since = "closed", ""
		}
		p.line("  %s\t%s\t%s\t%s\t%d\t%d\t%d\t%s", f.Source, oneLine(f.Name), state, since, f.Messages, f.Peers, f.Routes, oneLine(f.Error))
	}
}
