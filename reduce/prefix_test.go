package reduce

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHostPrefix(t *testing.T) {
	tests := []struct {
		in, want, wantErr string
	}{
		{in: "10.16.0.5", want: "10.16.0.5/32"},
		{in: " 10.16.0.5 ", want: "10.16.0.5/32"},
		{in: "fd00:10:16::5", want: "fd00:10:16::5/128"},
		// A mask names the pod's network; the route is the pod's.
		{in: "10.16.0.5/16", want: "10.16.0.5/32"},
		{in: "fd00::5/64", want: "fd00::5/128"},
		{in: "::ffff:10.16.0.5", want: "10.16.0.5/32"},
		{in: "", wantErr: `"" is not an IP address`},
		{in: "10.16.0", wantErr: "is not an IP address"},
		{in: "10.16.0.5/33", wantErr: "is not an IP address"},
		{in: "10.16.0.5/x", wantErr: "is not an IP address"},
		{in: "10.16.0.5/", wantErr: "is not an IP address"},
		{in: "fe80::1%eth0", wantErr: "is not an IP address"},
		{in: "10.16.0.5\n network 0.0.0.0/0", wantErr: "is not an IP address"},
		{in: "0.0.0.0", wantErr: "unspecified"},
		{in: "0.1.2.3", wantErr: "unspecified"},
		{in: "::", wantErr: "unspecified"},
		{in: "127.0.0.1", wantErr: "loopback"},
		{in: "::1", wantErr: "loopback"},
		{in: "224.0.0.1", wantErr: "multicast"},
		{in: "ff02::1", wantErr: "multicast"},
		{in: "169.254.1.1", wantErr: "link-local"},
		{in: "fe80::1", wantErr: "link-local"},
		{in: "255.255.255.255", wantErr: "reserved"},
		{in: "::a00:1", wantErr: "IPv4-compatible"},
		{in: "::10.0.0.1", wantErr: "IPv4-compatible"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := hostPrefix(tt.in)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Fatalf("got %v, %v; want an error with %q", got, err, tt.wantErr)
				}
				return
			}
			if err != nil || got.String() != tt.want {
				t.Errorf("got %v, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func TestCIDRs(t *testing.T) {
	tests := []struct {
		in   string
		want []string
		bad  int
	}{
		{in: "10.16.0.0/16", want: []string{"10.16.0.0/16"}},
		{in: "10.16.0.0/16,fd00:10:16::/64", want: []string{"10.16.0.0/16", "fd00:10:16::/64"}},
		{in: "10.16.0.0/16, fd00:10:16::/64", want: []string{"10.16.0.0/16", "fd00:10:16::/64"}},
		{in: "10.16.0.1/16", want: []string{"10.16.0.0/16"}},
		{in: "10.16.0.0/16,nonsense", want: []string{"10.16.0.0/16"}, bad: 1},
		{in: "10.16.0.0", bad: 1},
		{in: "", bad: 1},
		{in: ",", bad: 2},
		{in: "0.0.0.0/0", bad: 1},
		{in: "::/0", bad: 1},
		{in: "::ffff:10.16.0.0/112", bad: 1},
		{in: "127.0.0.0/8,224.0.0.0/4,fe80::/10,169.254.0.0/16", bad: 4},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			good, bad := cidrs(tt.in)
			if diff := cmp.Diff(tt.want, texts(good)); diff != "" {
				t.Errorf("prefixes (-want +got):\n%s", diff)
			}
			if len(bad) != tt.bad {
				t.Errorf("errors %v, want %d", bad, tt.bad)
			}
		})
	}
}

func texts(prefixes []netip.Prefix) []string {
	var out []string
	for _, p := range prefixes {
		out = append(out, p.String())
	}
	return out
}

func FuzzCIDRs(f *testing.F) {
	for _, s := range []string{"10.16.0.0/16, fd00::/64", "10.16.0.1/16", "0.0.0.0/0", ",", "::ffff:1.2.3.4/120", "1.2.3.0/24\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, block string) {
		good, _ := cidrs(block)
		for _, p := range good {
			if p != p.Masked() || !p.IsValid() || p.Bits() == 0 || p.Addr().Zone() != "" || p.Addr().Is4In6() {
				t.Errorf("%q gives %s, which is no clean prefix", block, p)
			}
			if announceable(p.Addr()) != nil {
				t.Errorf("%q gives %s, which means nothing elsewhere", block, p)
			}
		}
	})
}

func FuzzHostPrefix(f *testing.F) {
	for _, s := range []string{"10.16.0.5", "10.16.0.5/16", "fd00::5/64", "fe80::1%eth0", "::ffff:1.2.3.4", "1.2.3.4/032"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := hostPrefix(text)
		if err != nil {
			return
		}
		if !p.IsSingleIP() || p.Addr().Zone() != "" || p.Addr().Is4In6() {
			t.Errorf("%q gives %s, which is not one host", text, p)
		}
		// What is announced is what was written.
		bare, _, _ := strings.Cut(strings.TrimSpace(text), "/")
		if got := netip.MustParseAddr(bare).Unmap(); got != p.Addr() {
			t.Errorf("%q gives %s", text, fmt.Sprint(p))
		}
	})
}
