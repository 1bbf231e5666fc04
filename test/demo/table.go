package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/route"
)

// table is tor's BGP table, of both families.
type table map[netip.Prefix]entry

// entry is a prefix of the table. Version is tor's count of changes when this prefix last changed.
type entry struct {
	Prefix  netip.Prefix `json:"prefix"`
	Version uint64       `json:"version"`
	Paths   []path       `json:"paths"`
}

// path is one way to a prefix.
type path struct {
	Peer struct {
		ID netip.Addr `json:"peerId"`
	} `json:"peer"`
	BestPath struct {
		Overall bool `json:"overall"`
	} `json:"bestpath"`
	Multipath  bool `json:"multipath"`
	LastUpdate struct {
		Epoch int64 `json:"epoch"`
	} `json:"lastUpdate"`
}

// String lists the neighbors that packets to the prefix may take, sorted.
func (e entry) String() string {
	var from []string
	for _, p := range e.Paths {
		text := p.Peer.ID.String()
		if !p.BestPath.Overall && !p.Multipath {
			text += " (unused)"
		}
		from = append(from, text)
	}
	slices.Sort(from)
	return strings.Join(from, " and ")
}

// age tells when the entry and its paths last changed.
func (e entry) age() string {
	text := fmt.Sprintf("version %d", e.Version)
	for _, p := range e.Paths {
		text += fmt.Sprintf(", from %s at %s", p.Peer.ID, clock(p.LastUpdate.Epoch))
	}
	return text
}

// wanted is what a table should hold: each prefix, and the neighbors as entry.String lists them.
type wanted map[netip.Prefix]string

// differs is nil where t holds what is wanted and nothing else.
func (t table) differs(want wanted) error {
	found := make(wanted, len(t))
	for prefix, e := range t {
		found[prefix] = e.String()
	}
	if maps.Equal(want, found) {
		return nil
	}
	return fmt.Errorf("the table of tor differs\nwanted:\n%sfound:\n%s", want, found)
}

// String gives a line for each prefix.
func (w wanted) String() string {
	if len(w) == 0 {
		return "  nothing\n"
	}
	var b strings.Builder
	for _, prefix := range slices.SortedFunc(maps.Keys(w), route.ComparePrefixes) {
		fmt.Fprintf(&b, "  %s from %s\n", prefix, w[prefix])
	}
	return b.String()
}

// table reads tor's whole table.
func (s *scene) table(ctx context.Context) (table, error) {
	out, err := s.tor.Vtysh(ctx, "show bgp ipv4 unicast json", "show bgp ipv6 unicast json")
	if err != nil {
		return nil, err
	}
	lists, err := decode[struct {
		Routes map[netip.Prefix]json.RawMessage `json:"routes"`
	}](out)
	if err != nil {
		return nil, fmt.Errorf("read table of tor: %w", err)
	}
	var prefixes []netip.Prefix
	for _, list := range lists {
		prefixes = slices.AppendSeq(prefixes, maps.Keys(list.Routes))
	}
	return s.entries(ctx, prefixes)
}

// entries reads some prefixes of tor's table, in one run of vtysh. One that is not in the table is not in the result.
func (s *scene) entries(ctx context.Context, prefixes []netip.Prefix) (table, error) {
	if len(prefixes) == 0 {
		return table{}, nil
	}
	var commands []string
	for _, prefix := range prefixes {
		commands = append(commands, fmt.Sprintf("show bgp %s unicast %s json", family(prefix.Addr()), prefix))
	}
	out, err := s.tor.Vtysh(ctx, commands...)
	if err != nil {
		return nil, err
	}
	entries, err := decode[entry](out)
	if err != nil {
		return nil, fmt.Errorf("read routes of tor: %w", err)
	}
	return newTable(entries), nil
}

// newTable leaves out the empty objects that FRR prints for what it does not have.
func newTable(entries []entry) table {
	t := table{}
	for _, e := range entries {
		if len(e.Paths) > 0 {
			t[e.Prefix] = e
		}
	}
	return t
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// session is a neighbor as tor's summary tells of it.
type session struct {
	State string `json:"state"`
	// Since is the second at which the session came up, by the clock's time, and Count how often it did.
	Since int64 `json:"peerUptimeEstablishedEpoch"`
	Count int   `json:"connectionsEstablished"`
}

// sessions reads tor's summary.
func (s *scene) sessions(ctx context.Context) (map[netip.Addr]session, error) {
	out, err := s.tor.Vtysh(ctx, "show bgp ipv4 unicast summary json", "show bgp ipv6 unicast summary json")
	if err != nil {
		return nil, err
	}
	summaries, err := decode[struct {
		Peers map[netip.Addr]session `json:"peers"`
	}](out)
	if err != nil {
		return nil, fmt.Errorf("read sessions of tor: %w", err)
	}
	all := map[netip.Addr]session{}
	for _, summary := range summaries {
		maps.Copy(all, summary.Peers)
	}
	return all, nil
}

// decode reads the JSON values that several commands printed one after the other.
func decode[T any](text string) ([]T, error) {
	var values []T
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var value T
		err := d.Decode(&value)
		if errors.Is(err, io.EOF) {
			return values, nil
		}
		if err != nil {
			return nil, fmt.Errorf("decode %q: %w", text, err)
		}
		values = append(values, value)
	}
}
