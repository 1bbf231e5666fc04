package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/route"
)

func planCommand(o *options) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what this node should announce, to whom, and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := tableOrJSON(output); err != nil {
				return err
			}
			_, result, err := offline(cmd.Context(), o, false)
			if err != nil {
				return err
			}
			if output == "json" {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(planOf(result))
			}
			return printPlan(cmd.OutOrStdout(), planOf(result))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "table", "table or json")
	return cmd
}

// plan is the contract of `plan -o json`: fields may be added, none changes its meaning, no list is ever null.
type plan struct {
	Node      string           `json:"node"`
	Routers   []planRouter     `json:"routers"`
	Neighbors []planNeighbor   `json:"neighbors"`
	Skipped   []reduce.Skipped `json:"skipped"`
	Warnings  []reduce.Warning `json:"warnings"`
}

type planRouter struct {
	Name      string    `json:"name"`
	ASN       route.ASN `json:"asn"`
	RouterID  string    `json:"routerID"`
	ClusterID string    `json:"clusterID"`
}

// planNeighbor is one session; its times are in seconds.
type planNeighbor struct {
	Router               string         `json:"router"`
	Name                 string         `json:"name"`
	Description          string         `json:"description"`
	Address              string         `json:"address"`
	Interface            string         `json:"interface"`
	Port                 uint16         `json:"port"`
	RemoteAS             route.RemoteAS `json:"remoteAS"`
	LocalAS              route.ASN      `json:"localAS"`
	Source               string         `json:"source"`
	Passive              bool           `json:"passive"`
	EBGPMultihop         uint8          `json:"ebgpMultihop"`
	TTLSecurityHops      uint8          `json:"ttlSecurityHops"`
	HoldTime             int64          `json:"holdTime"`
	KeepaliveTime        int64          `json:"keepaliveTime"`
	ConnectTime          int64          `json:"connectTime"`
	GracefulRestart      bool           `json:"gracefulRestart"`
	BFD                  bool           `json:"bfd"`
	Password             bool           `json:"password"`
	RouteReflectorClient bool           `json:"routeReflectorClient"`
	NextHop              string         `json:"nextHop"`
	ExtendedNextHop      bool           `json:"extendedNextHop"`
	Receive              bool           `json:"receive"`
	Transit              bool           `json:"transit"`
	MaximumPrefix        uint32         `json:"maximumPrefix"`
	MaximumPrefixOut     uint32         `json:"maximumPrefixOut"`
	AllowASIn            uint8          `json:"allowASIn"`
	Families             []route.Family `json:"families"`
	From                 []route.Object `json:"from"`
	AdjRIBOut            []planRoute    `json:"adjRIBOut"`
}

// planRoute is one route as the neighbor receives it; its nextHop "" is the session's own address.
type planRoute struct {
	Prefix           netip.Prefix           `json:"prefix"`
	NextHop          string                 `json:"nextHop"`
	LocalPreference  *uint32                `json:"localPreference"`
	MED              uint32                 `json:"med"`
	ASPath           []route.ASN            `json:"asPath"`
	Communities      []route.Community      `json:"communities"`
	LargeCommunities []route.LargeCommunity `json:"largeCommunities"`
	From             []route.Object         `json:"from"`
}

func planOf(r reduce.Result) plan {
	p := plan{
		Node:      r.Speaker.Node,
		Routers:   []planRouter{},
		Neighbors: []planNeighbor{},
		Skipped:   list(r.Skipped),
		Warnings:  list(r.Warnings),
	}
	for _, router := range r.Speaker.Routers {
		p.Routers = append(p.Routers, planRouter{
			Name:      router.Name,
			ASN:       router.ASN,
			RouterID:  router.RouterID.String(),
			ClusterID: address(router.ClusterID),
		})
		for _, n := range router.Neighbors {
			p.Neighbors = append(p.Neighbors, planNeighborOf(router, n))
		}
	}
	return p
}

func planNeighborOf(router route.Router, n route.Neighbor) planNeighbor {
	p := planNeighbor{
		Router:               router.Name,
		Name:                 n.Name,
		Description:          n.Description,
		Address:              address(n.Address),
		Interface:            n.Interface,
		Port:                 n.Port,
		RemoteAS:             n.RemoteAS,
		LocalAS:              cmp.Or(n.LocalAS, router.ASN),
		Source:               address(n.Source),
		Passive:              n.Passive,
		EBGPMultihop:         n.EBGPMultihop,
		TTLSecurityHops:      n.TTLSecurityHops,
		HoldTime:             int64(n.HoldTime / time.Second),
		KeepaliveTime:        int64(n.KeepaliveTime / time.Second),
		ConnectTime:          int64(n.ConnectTime / time.Second),
		GracefulRestart:      n.GracefulRestart,
		BFD:                  n.BFD.On,
		Password:             n.Password != "",
		RouteReflectorClient: n.RouteReflectorClient,
		NextHop:              nextHop(n.NextHop),
		ExtendedNextHop:      n.ExtendedNextHop,
		Receive:              !n.Receive.Nothing(),
		Transit:              len(n.Transit) > 0,
		MaximumPrefix:        n.MaximumPrefix,
		MaximumPrefixOut:     n.MaximumPrefixOut,
		AllowASIn:            n.AllowASIn,
		Families:             list(n.Families),
		From:                 list(n.From),
		AdjRIBOut:            []planRoute{},
	}
	for _, a := range router.AdjRIBOut(n) {
		pr := planRoute{
			Prefix:           a.Prefix,
			NextHop:          address(a.NextHop),
			MED:              a.MED,
			ASPath:           list(a.ASPath),
			Communities:      list(a.Communities),
			LargeCommunities: list(a.LargeCommunities),
			From:             list(a.From),
		}
		if a.LocalPreference != 0 {
			pr.LocalPreference = &a.LocalPreference
		}
		p.AdjRIBOut = append(p.AdjRIBOut, pr)
	}
	return p
}

// address gives a as text, and "" for the zero Addr.
func address(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

// nextHop gives "self", "unchanged", the addresses that are set, joined by a comma, or "" for the session's own.
func nextHop(h route.NextHop) string {
	switch {
	case h.Self:
		return "self"
	case h.Unchanged:
		return "unchanged"
	}
	var addresses []string
	for _, a := range []netip.Addr{h.IPv4, h.IPv6} {
		if a.IsValid() {
			addresses = append(addresses, a.String())
		}
	}
	return strings.Join(addresses, ",")
}

// list gives s, and an empty list where it is nil.
func list[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// printPlan prints p as tables: the routers, and for each neighbor what it is told.
func printPlan(out io.Writer, p plan) error {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for _, r := range p.Routers {
		fmt.Fprintf(w, "node %s%s, AS %d, router ID %s\n", p.Node, in(r.Name), r.ASN, r.RouterID)
	}
	for _, n := range p.Neighbors {
		fmt.Fprintf(w, "\nneighbor %s%s, AS %s (%s): %d routes\n",
			cmp.Or(n.Address, n.Interface), in(n.Router), n.RemoteAS, joined(n.Families), len(n.AdjRIBOut))
		if len(n.AdjRIBOut) > 0 {
			fmt.Fprintln(w, "  PREFIX\tAS PATH\tMED\tCOMMUNITIES\tFROM")
		}
		for _, r := range n.AdjRIBOut {
			communities := strings.TrimSpace(joined(r.Communities) + " " + joined(r.LargeCommunities))
			fmt.Fprintf(w, "  %s\t%s\t%d\t%s\t%s\n", r.Prefix, joined(r.ASPath), r.MED, communities, joinedWith(", ", r.From))
		}
	}
	if len(p.Neighbors) == 0 {
		fmt.Fprintln(w, "\nno neighbor: neighbors is empty, or no nodeSelector in it matches the labels of this node")
	}
	table := func(heading string, rows []reduce.Skipped) {
		if len(rows) > 0 {
			fmt.Fprintf(w, "\n%s\n  OBJECT\tREASON\n", heading)
		}
		for _, s := range rows {
			fmt.Fprintf(w, "  %s\t%s\n", s.Object, s.Reason)
		}
	}
	table("skipped", p.Skipped)
	table("announced, but look at", p.Warnings)
	return w.Flush()
}

// in says of which router something is; of the default one that needs no word.
func in(router string) string {
	if router == "" {
		return ""
	}
	return " in router " + router
}

func joined[T any](values []T) string { return joinedWith(" ", values) }

func joinedWith[T any](separator string, values []T) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = fmt.Sprint(v)
	}
	return strings.Join(texts, separator)
}
