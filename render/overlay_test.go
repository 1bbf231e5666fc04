package render_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
)

// base are templates in the shape of Fairlead's own, short enough to read.
var base = fstest.MapFS{
	"frr.conf.tmpl": {Data: []byte("frr defaults traditional\n{{ range .Routers }}{{ template \"router.tmpl\" . }}{{ end }}end\n")},
	"router.tmpl":   {Data: []byte("router bgp {{ .ASN }}\n{{ range .Neighbors }}{{ template \"neighbor.tmpl\" . }}{{ end }}exit\n")},
	"neighbor.tmpl": {Data: []byte(" neighbor {{ .ID }} remote-as {{ .RemoteAS }}\n")},
}

func pairOfNeighbors() route.Speaker {
	neighbor := func(address string) route.Neighbor {
		return route.Neighbor{Address: netip.MustParseAddr(address), Port: 179, RemoteAS: route.RemoteASN(65001), Audience: route.Everyone}
	}
	return route.Speaker{Node: "node1", Routers: []route.Router{{
		ASN: 65000, RouterID: netip.MustParseAddr("10.0.0.1"),
		Neighbors: []route.Neighbor{neighbor("192.0.2.1"), neighbor("192.0.2.2")},
	}}}
}

func TestOverlay(t *testing.T) {
	const plain = `frr defaults traditional
router bgp 65000
 neighbor 192.0.2.1 remote-as 65001
 neighbor 192.0.2.2 remote-as 65001
exit
end
`
	replaced := func(old, new string) string { return strings.ReplaceAll(plain, old, new) }
	tests := []struct {
		name string
		own  map[string]string
		want string
		// fails is what the error of Overlay or of Render says; "" means none.
		fails []string
	}{
		{name: "nothing", want: plain},
		{
			name: "override", own: map[string]string{"neighbor.tmpl": " neighbor {{ .ID }} remote-as external\n"},
			want: replaced("remote-as 65001", "remote-as external"),
		},
		{
			name: "before and after", own: map[string]string{
				"before-neighbor.tmpl": " ! {{ .ID }}", "after-neighbor.tmpl": " neighbor {{ .ID }} maximum-prefix 10",
				"before-frr.conf.tmpl": "! mine", "after-router.tmpl": "! {{ .ASN }}", "after-frr.conf.tmpl": "! last",
			},
			want: `! mine
frr defaults traditional
router bgp 65000
 ! 192.0.2.1
 neighbor 192.0.2.1 remote-as 65001
 neighbor 192.0.2.1 maximum-prefix 10
 ! 192.0.2.2
 neighbor 192.0.2.2 remote-as 65001
 neighbor 192.0.2.2 maximum-prefix 10
exit
! 65000
! last
end
`,
		},
		{
			name: "around an override", own: map[string]string{"neighbor.tmpl": " two", "before-neighbor.tmpl": " one", "after-neighbor.tmpl": " three"},
			want: "frr defaults traditional\nrouter bgp 65000\n one\n two\n three\n one\n two\n three\nexit\nend\n",
		},
		{
			name: "the file ends once, behind all", own: map[string]string{"frr.conf.tmpl": "frr defaults traditional\nend", "after-frr.conf.tmpl": "! mine"},
			want: "frr defaults traditional\n! mine\nend\n",
		},
		{
			name: "an empty override leaves the stanza out", own: map[string]string{"neighbor.tmpl": ""},
			want: "frr defaults traditional\nrouter bgp 65000\nexit\nend\n",
		},
		{
			name: "a helper of its own",
			own:  map[string]string{"neighbor.tmpl": `{{ define "as" }}{{ . | toString | upper }}{{ end }} neighbor {{ .ID }} remote-as {{ template "as" .RemoteAS }}` + "\n"},
			want: plain,
		},
		{
			name: "unknown names", own: map[string]string{"neighbour.tmpl": "x", "before-after.tmpl": "x"},
			fails: []string{"template neighbour.tmpl has nothing", "template before-after.tmpl has nothing", "frr.conf.tmpl, neighbor.tmpl, router.tmpl"},
		},
		{
			name: "syntax", own: map[string]string{"neighbor.tmpl": "\n\n{{ if .ID }}", "before-router.tmpl": "{{ env \"HOME\" }}"},
			fails: []string{"neighbor.tmpl:3", "unexpected EOF", `before-router.tmpl:1: function "env" not defined`},
		},
		{
			name: "field", own: map[string]string{"after-neighbor.tmpl": " ! one\n neighbor {{ .Adress }}\n"},
			fails: []string{"after-neighbor.tmpl:2", ".Adress", "can't evaluate field Adress"},
		},
		{
			name: "no such template", own: map[string]string{"neighbor.tmpl": "\n{{ template \"lost\" . }}"},
			fails: []string{"neighbor.tmpl:2", `template "lost" not defined`},
		},
		{
			name: "fail", own: map[string]string{"neighbor.tmpl": `{{ fail "no session wanted" }}`},
			fails: []string{"neighbor.tmpl:1", "no session wanted"},
		},
		{
			name:  "another's name",
			own:   map[string]string{"neighbor.tmpl": `{{ define "router.tmpl" }}x{{ end }}`, "router.tmpl": `{{ define "a" }}{{ end }}`, "after-router.tmpl": `{{ define "a" }}{{ end }}`},
			fails: []string{`template neighbor.tmpl defines "router.tmpl"`, `template router.tmpl defines "a"`},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []byte
			r, err := render.Overlay(base, tt.own)
			if err == nil {
				got, err = r.Render(pairOfNeighbors())
			}
			if (err != nil) != (tt.fails != nil) {
				t.Fatalf("got error %v", err)
			}
			for _, text := range tt.fails {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the error does not say %q: %v", text, err)
				}
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("frr.conf (-want +got)\n%s", diff)
			}
		})
	}
}
