package pairs

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/reduce"
	"github.com/fairlead/fairlead/render"
	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/templates"
)

// fact is one thing that a user has written: a key of the agent's file, a route, or a statement of the operator's own. A key
// that begins with + is none of the file, but of the speaker that it becomes.
type fact struct {
	// of is what the fact is about, and name which of these: "neighbor" and "10.0.1.1".
	of, name string
	// key and value are as the file has them, in YAML's flow style.
	key, value string
}

// The kinds of facts.
const (
	ofTop      = "top"
	ofRouter   = "router"
	ofNeighbor = "neighbor"
	ofRoute    = "route"
	ofStanza   = "stanza"
)

// site is all that makes one frr.conf: facts, sorted, one for each kind, name and key.
type site []fact

func compareFacts(a, b fact) int {
	return cmp.Or(cmp.Compare(a.of, b.of), cmp.Compare(a.name, b.name), cmp.Compare(a.key, b.key))
}

// with gives s with one more fact, or another value of one.
func (s site) with(f fact) site {
	i, found := slices.BinarySearchFunc(s, f, compareFacts)
	if !found {
		return slices.Insert(slices.Clone(s), i, f)
	}
	s = slices.Clone(s)
	s[i] = f
	return s
}

// without gives s without the facts that gone says.
func (s site) without(gone func(fact) bool) site { return slices.DeleteFunc(slices.Clone(s), gone) }

// names gives what s knows of one kind.
func (s site) names(of string) []string {
	var names []string
	for _, f := range s {
		if f.of == of {
			names = append(names, f.name)
		}
	}
	return slices.Compact(names)
}

// yaml gives the agent's file.
func (s site) yaml() string {
	keys := map[string][]string{}
	for _, f := range s {
		if f.of != ofRoute && f.of != ofStanza && !strings.HasPrefix(f.key, "+") {
			keys[f.of+f.name] = append(keys[f.of+f.name], f.key+": "+f.value)
		}
	}
	var out strings.Builder
	for _, line := range keys[ofTop] {
		fmt.Fprintln(&out, line)
	}
	for of, list := range map[string]string{ofRouter: "routers", ofNeighbor: "neighbors"} {
		var items []string
		for _, name := range s.names(of) {
			items = append(items, "  - {"+strings.Join(keys[of+name], ", ")+"}\n")
		}
		if len(items) > 0 {
			fmt.Fprintf(&out, "%s:\n%s", list, strings.Join(items, ""))
		}
	}
	return out.String()
}

// String gives the site for people.
func (s site) String() string {
	var out strings.Builder
	out.WriteString(s.yaml())
	for _, f := range s {
		if f.of == ofRoute || f.of == ofStanza || strings.HasPrefix(f.key, "+") {
			fmt.Fprintf(&out, "# %s %s %s: %s\n", f.of, f.name, f.key, strings.TrimSpace(f.value))
		}
	}
	return out.String()
}

// conf gives frr.conf as the agent renders it; an error means that it would not.
func (s site) conf() (string, error) {
	c, err := config.Parse("config.yaml", []byte(s.yaml()))
	if err != nil {
		return "", err
	}
	node := &reduce.Node{Meta: reduce.Meta{Name: "node1"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.1.2")}}
	result, err := reduce.Reduce(reduce.Snapshot{Nodes: []*reduce.Node{node}}, c, "node1")
	if err != nil {
		return "", err
	}
	if len(result.Skipped) > 0 {
		return "", fmt.Errorf("skipped: %v", result.Skipped)
	}
	if err := s.complete(result.Speaker.Routers); err != nil {
		return "", err
	}
	if err := s.groups(); err != nil {
		return "", err
	}
	files, err := s.files()
	if err != nil {
		return "", err
	}
	r, err := render.Overlay(templates.FS, files)
	if err != nil {
		return "", err
	}
	conf, err := r.Render(result.Speaker)
	return string(conf), err
}

// groups checks that the peer groups exist that the operator's statements name.
func (s site) groups() error {
	for _, group := range peerGroups() {
		exists := slices.ContainsFunc(s, func(f fact) bool { return f.name == beforeNeighbor && f.key == group })
		for _, f := range s {
			if !exists && f.of == ofStanza && (strings.Contains(f.value, " neighbor "+group+" ") || strings.Contains(f.value, " peer-group "+group+"\n")) {
				return fmt.Errorf("there is no peer group %s for %s", group, f.value)
			}
		}
	}
	return nil
}

// complete gives the routers what the agent's file does not say: passwords, audiences and routes, each with attributes of its
// own.
func (s site) complete(routers []route.Router) error {
	for i := range routers {
		r := &routers[i]
		for j := range r.Neighbors {
			n := &r.Neighbors[j]
			for _, f := range s {
				switch {
				case f.of != ofNeighbor || f.name != n.ID():
				case f.key == "+password":
					n.Password = route.Secret(f.value)
				case f.key == "+audience":
					n.Audience = route.Audience(f.value)
				}
			}
		}
		for _, f := range s {
			if f.of != ofRoute {
				continue
			}
			one, only, err := parseRoute(f)
			if err != nil {
				return err
			}
			if only == "" || only == "default" && r.Name == "" || only == r.Name {
				r.Routes = append(r.Routes, one)
			}
		}
		slices.SortFunc(r.Routes, func(a, b route.Route) int { return route.ComparePrefixes(a.Prefix, b.Prefix) })
	}
	return nil
}

// parseRoute reads "localPreference=5 med=7 communities=65000:1,no-peer large=1:2:3 to=tors only=mesh". Where no audience is
// named, everyone is told.
func parseRoute(f fact) (one route.Route, only string, err error) {
	one.To = []route.Audience{route.Everyone}
	if one.Prefix, err = netip.ParsePrefix(f.name); err != nil {
		return one, "", err
	}
	for _, word := range strings.Fields(f.value) {
		key, value, _ := strings.Cut(word, "=")
		values := strings.Split(value, ",")
		switch key {
		case "localPreference":
			_, err = fmt.Sscan(value, &one.Attributes.LocalPreference)
		case "med":
			_, err = fmt.Sscan(value, &one.Attributes.MED)
		case "communities":
			one.Attributes.Communities = make([]route.Community, len(values))
			for i, v := range values {
				err = cmp.Or(err, one.Attributes.Communities[i].UnmarshalText([]byte(v)))
			}
			slices.Sort(one.Attributes.Communities)
		case "large":
			one.Attributes.LargeCommunities = make([]route.LargeCommunity, len(values))
			for i, v := range values {
				err = cmp.Or(err, one.Attributes.LargeCommunities[i].UnmarshalText([]byte(v)))
			}
		case "to":
			one.To = nil
			for _, v := range values {
				one.To = append(one.To, route.Audience(v))
			}
			slices.Sort(one.To)
		case "only":
			only = value
		default:
			err = fmt.Errorf("route %s has %q", f.name, word)
		}
		if err != nil {
			return one, "", err
		}
	}
	return one, only, nil
}

// files gives the operator's templates. A stanza's name is its file; one inside an address family can also be part of an
// override of that template.
func (s site) files() (map[string]string, error) {
	files := map[string]string{}
	for _, f := range s {
		if f.of == ofStanza {
			files[f.name] += f.value + "\n"
		}
	}
	if inside, ok := files[insideFamily]; ok {
		base, err := fs.ReadFile(templates.FS, "address-family.tmpl")
		if err != nil {
			return nil, err
		}
		const end = " exit-address-family"
		files["address-family.tmpl"] = strings.Replace(string(base), end, inside+end, 1)
		delete(files, insideFamily)
	}
	return maps.Clone(files), nil
}

// beforeNeighbor is the template in which peer groups are made.
const beforeNeighbor = "before-neighbor.tmpl"

func peerGroups() []string { return []string{"PG1", "PG2"} }

// insideFamily is what the stanzas are called that an override of address-family.tmpl holds.
const insideFamily = "(inside address-family.tmpl)"
