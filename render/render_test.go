package render_test

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
)

var update = flag.Bool("update", false, "write the goldens anew")

func renderer(t testing.TB, fsys fs.FS) *render.Renderer {
	t.Helper()
	r, err := render.New(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rendered(t testing.TB, s route.Speaker) string {
	t.Helper()
	conf, err := renderer(t, templates.FS).Render(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(conf)
}

func TestGolden(t *testing.T) {
	for name, speaker := range cases() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".conf")
			got := rendered(t, speaker)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("frr.conf (-want +got), write it anew with -update:\n%s", diff)
			}
		})
	}
	files, err := filepath.Glob("testdata/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, ok := cases()[strings.TrimSuffix(filepath.Base(f), ".conf")]; !ok {
			t.Errorf("%s belongs to no case", f)
		}
	}
}

// One more route is one more line, wherever it sorts, and every other line stays where it is.
func TestInsertion(t *testing.T) {
	base := oneSwitch()
	before := strings.Split(rendered(t, one(base)), "\n")
	for _, prefix := range []string{"1.0.0.0/24", "10.16.0.3/32", "192.0.2.0/24", "fd00::1/128", "fdff::1/128"} {
		added := oneSwitch()
		at := 0
		for at < len(added.Routes) && route.ComparePrefixes(added.Routes[at].Prefix, netip.MustParsePrefix(prefix)) < 0 {
			at++
		}
		more := routes(route.Attributes{}, prefix)
		added.Routes = append(append(append([]route.Route{}, added.Routes[:at]...), more...), added.Routes[at:]...)
		after := strings.Split(rendered(t, one(added)), "\n")
		var extra []string
		i := 0
		for _, line := range after {
			if i < len(before) && before[i] == line {
				i++
				continue
			}
			extra = append(extra, line)
		}
		if i != len(before) || len(extra) != 1 || !strings.Contains(extra[0], prefix) {
			t.Errorf("%s: new lines %q, and %d of %d old lines kept in place", prefix, extra, i, len(before))
		}
	}
}

// A new group leaves every other object as it was: nothing is numbered by its place.
func TestNewGroupChangesNoOtherObject(t *testing.T) {
	objects := func(conf string) map[string]string {
		found := make(map[string]string)
		name := ""
		for line := range strings.Lines(conf) {
			if strings.HasPrefix(line, "route-map ") || strings.HasPrefix(line, "bgp large-community-list ") {
				name = strings.TrimSpace(line)
			}
			if strings.HasPrefix(line, "router ") {
				break
			}
			found[name] += line
		}
		return found
	}
	small := one(oneSwitch())
	large := one(oneSwitch())
	for i := range 50 {
		prefix := fmt.Sprintf("10.200.0.%d/32", i)
		large.Routers[0].Routes = append(large.Routers[0].Routes, routes(route.Attributes{MED: uint32(i + 1)}, prefix)...)
	}
	after := objects(rendered(t, large))
	for name, text := range objects(rendered(t, small)) {
		if after[name] != text {
			t.Errorf("%s was\n%s\nand is\n%s", name, text, after[name])
		}
	}
}

func TestRefused(t *testing.T) {
	password := func(p string) route.Speaker {
		return one(route.Router{Neighbors: []route.Neighbor{
			neighbor("10.0.1.1", route.RemoteASN(65001), func(n *route.Neighbor) { n.Password = route.Secret(p) }),
		}})
	}
	tests := map[string]struct {
		speaker route.Speaker
		want    string
	}{
		"password of two lines":   {password("hunter2\n network 0.0.0.0/0"), "without spaces"},
		"password with a space":   {password("hunter2 x"), "without spaces"},
		"password not in ASCII":   {password("hunter2é"), "visible ASCII"},
		"password too long":       {password(strings.Repeat("hunter2", 12)), "at most 80"},
		"router ID missing":       {route.Speaker{Routers: []route.Router{{ASN: 1}}}, "router ID"},
		"view that is no word":    {one(route.Router{Name: "a\nb"}), "the name of a view"},
		"neighbor without remote": {one(route.Router{Neighbors: []route.Neighbor{neighbor("10.0.1.1", route.RemoteAS{})}}), "no remote AS"},
		"neighbor with a zone":    {one(route.Router{Neighbors: []route.Neighbor{neighbor("fe80::1%a", route.External)}}), "no usable address"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := renderer(t, templates.FS).Render(tt.speaker)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

// A template can reach neither the machine nor the clock, so the same speaker always gives the same bytes.
func TestTemplatesAreHermetic(t *testing.T) {
	for _, function := range []string{"env", "expandenv", "now", "date", "randAlpha", "uuidv4", "getHostByName", "genPrivateKey", "osBase"} {
		fsys := fstest.MapFS{"frr.conf.tmpl": {Data: []byte("{{ " + function + " }}")}}
		if _, err := render.New(fsys); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("function %q not defined", function)) {
			t.Errorf("a template may call %s: %v", function, err)
		}
	}
	if _, err := render.New(fstest.MapFS{"other.tmpl": {Data: []byte("x")}}); err == nil {
		t.Error("templates without frr.conf.tmpl are taken")
	}
}

func TestSameBytes(t *testing.T) {
	r := renderer(t, templates.FS)
	for name, speaker := range cases() {
		first, err := r.Render(speaker)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			again, err := r.Render(speaker)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(first, again) {
				t.Fatalf("%s: the same speaker gives other bytes", name)
			}
		}
	}
}
