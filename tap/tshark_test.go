package tap

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/route"
)

// decoded is what tshark makes of what the node has sent to a neighbor: the table at the end, the UPDATEs, and the prefixes in
// them.
type decoded struct {
	table                         map[string]string
	updates, announced, withdrawn int
}

// tshark decodes a capture, for each neighbor.
func tshark(t *testing.T, file string) map[netip.Addr]*decoded {
	t.Helper()
	// It would guess how long AS numbers are.
	cmd := exec.CommandContext(t.Context(), "tshark", "-r", file, "-T", "pdml", "-J", "bgp",
		"-o", "tcp.reassemble_out_of_order:TRUE", "-o", "bgp.asn_len:4 octet")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("tshark: %v", err)
	}
	reader := pdml{t: t, neighbors: make(map[netip.Addr]*decoded)}
	for lines := bufio.NewReaderSize(out, 1<<20); ; {
		line, err := lines.ReadString('\n')
		reader.line(line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("read what tshark says: %v", err)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("tshark: %v: %s", err, complaints.String())
	}
	reader.end()
	return reader.neighbors
}

// pdml reads tshark's XML, of which each element has a line. A true parser of XML takes more time than all else.
type pdml struct {
	t         *testing.T
	neighbors map[netip.Addr]*decoded
	// to is who gets the packet.
	to *decoded
	// attributes are those of the message that is being read. MP_REACH_NLRI comes before other attributes of its prefixes, so those
	// wait for the end of the message.
	attributes *Attributes
	announced  []pathKey
	bits       int
	path       uint32
}

func (p *pdml) number(s string) uint32 {
	n, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		p.t.Fatalf("tshark: %v", err)
	}
	return uint32(n)
}

// prefix takes a prefix whose path ID and length came before it.
func (p *pdml) prefix(s string) pathKey {
	id := pathKey{prefix: netip.PrefixFrom(netip.MustParseAddr(s), p.bits), path: p.path}
	p.path = 0
	return id
}

// end is that of a message.
func (p *pdml) end() {
	for _, id := range p.announced {
		slices.Sort(p.attributes.Others)
		r := Route{Prefix: id.prefix, PathID: id.path, Attributes: p.attributes}
		p.to.table[r.name()] = r.whole()
		p.to.announced++
	}
	p.announced, p.attributes, p.path = nil, &Attributes{}, 0
}

// quoted is what a line has between a text and the next quotation mark.
func quoted(line, before string) string {
	_, rest, _ := strings.Cut(line, before)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

func (p *pdml) line(line string) {
	a := p.attributes
	show := quoted(line, ` show="`)
	switch quoted(line, ` name="`) {
	case "ip", "ipv6":
		p.end()
		neighbor := netip.MustParseAddr(quoted(line, ", Dst: "))
		if p.neighbors[neighbor] == nil {
			p.neighbors[neighbor] = &decoded{table: make(map[string]string)}
		}
		p.to = p.neighbors[neighbor]
	case "bgp.type":
		p.end()
		switch show {
		case "1":
			clear(p.to.table)
		case "2":
			p.to.updates++
		}
	case "bgp.update.path_attribute.type_code":
		switch kind := uint8(p.number(show)); kind {
		case 1, 2, 3, 4, 5, 8, 14, 15, 32:
		default:
			a.Others = append(a.Others, kind)
		}
	case "bgp.update.path_attribute.origin":
		a.Origin = uint8(p.number(show))
	case "bgp.update.path_attribute.as_path_segment.as4":
		a.ASPath = append(a.ASPath, route.ASN(p.number(show)))
	case "bgp.update.path_attribute.multi_exit_disc":
		a.MED = p.number(show)
	case "bgp.update.path_attribute.local_pref":
		a.LocalPreference = p.number(show)
	case "bgp.update.path_attribute.next_hop", "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6":
		a.NextHop = netip.MustParseAddr(show)
	case "bgp.update.path_attribute.mp_reach_nlri.next_hop.ipv6.link_local":
		a.LinkLocal = netip.MustParseAddr(show)
	case "bgp.update.path_attribute.community_as":
		a.Communities = append(a.Communities, route.Community(p.number(show)<<16))
	case "bgp.update.path_attribute.community_value":
		a.Communities[len(a.Communities)-1] |= route.Community(p.number(show))
	case "bgp.large_communities.ga":
		a.LargeCommunities = append(a.LargeCommunities, route.LargeCommunity{GlobalAdministrator: p.number(show)})
	case "bgp.large_communities.ldp1":
		a.LargeCommunities[len(a.LargeCommunities)-1].LocalData1 = p.number(show)
	case "bgp.large_communities.ldp2":
		a.LargeCommunities[len(a.LargeCommunities)-1].LocalData2 = p.number(show)
	case "bgp.nlri_path_id":
		p.path = p.number(show)
	case "bgp.prefix_length":
		p.bits = int(p.number(show))
	case "bgp.withdrawn_prefix", "bgp.mp_unreach_nlri_ipv4_prefix", "bgp.mp_unreach_nlri_ipv6_prefix":
		gone := p.prefix(show)
		delete(p.to.table, Route{Prefix: gone.prefix, PathID: gone.path}.name())
		p.to.withdrawn++
	case "bgp.nlri_prefix", "bgp.mp_reach_nlri_ipv4_prefix", "bgp.mp_reach_nlri_ipv6_prefix":
		p.announced = append(p.announced, p.prefix(show))
	}
}
