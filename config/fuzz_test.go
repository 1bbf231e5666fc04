package config

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
)

// FuzzParse checks what every Config that Parse gives must fulfil, and every error.
func FuzzParse(f *testing.F) {
	for _, name := range cases(f) {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file(f, archive, "config.yaml"))
	}
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("config.yaml", data)
		if err != nil {
			checkErrors(t, data, err)
			return
		}
		if c.ASN == 0 {
			t.Error("asn is 0")
		}
		names, addresses := map[string]bool{}, map[netip.Addr]bool{}
		for i, n := range c.Neighbors {
			switch {
			case n.HoldTime < n.KeepaliveTime || n.KeepaliveTime < time.Second || n.HoldTime > 65535*time.Second:
				t.Errorf("neighbors[%d] has hold time %s and keepalive time %s", i, n.HoldTime, n.KeepaliveTime)
			case n.HoldTime%time.Second != 0 || n.KeepaliveTime%time.Second != 0 || n.ConnectTime%time.Second != 0:
				t.Errorf("neighbors[%d] has a time that is not in whole seconds", i)
			case !n.Address.IsValid() || n.Address.Zone() != "" || n.Address.Is4In6() || addresses[n.Address] && n.NodeSelector.Everywhere():
				t.Errorf("neighbors[%d] has the address %s", i, n.Address)
			case n.Name == "" || names[n.Name]:
				t.Errorf("neighbors[%d] has the name %q", i, n.Name)
			case n.Port == 0 || n.ASN.IsZero() || n.EBGPMultihop == 1:
				t.Errorf("neighbors[%d] has port %d, AS %s, multihop %d", i, n.Port, n.ASN, n.EBGPMultihop)
			case n.EBGPMultihop > 0 && n.ASN.IsInternal(c.ASN):
				t.Errorf("neighbors[%d] is iBGP with multihop %d", i, n.EBGPMultihop)
			case len(n.Families) == 0 || !slices.IsSorted(n.Families) || len(slices.Compact(slices.Clone(n.Families))) != len(n.Families):
				t.Errorf("neighbors[%d] has the families %v", i, n.Families)
			}
			names[n.Name], addresses[n.Address] = true, true
		}
		for i, p := range c.Announce.AllowedPrefixes {
			if !p.IsValid() || p != p.Masked() {
				t.Errorf("allowedPrefixes[%d] is %s", i, p)
			}
		}
	})
}

func checkErrors(t *testing.T, data []byte, err error) {
	t.Helper()
	var all Errors
	if !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("Parse gives %T, want Errors", err)
	}
	// A carriage return alone, NEL, LS and PS break lines in YAML too.
	lines := len(data) + 1
	for i, e := range all {
		if e.Line < 1 || e.Line > lines {
			t.Errorf("error %d is on line %d of at most %d", i, e.Line, lines)
		}
		if e.Message == "" || strings.ContainsAny(e.Error(), "\r\n") {
			t.Errorf("error %d is not one line: %q", i, e.Error())
		}
		if i > 0 && all[i-1].Line > e.Line {
			t.Errorf("error %d is on line %d, after one on line %d", i, e.Line, all[i-1].Line)
		}
	}
}
