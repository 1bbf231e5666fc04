package config

import "reflect"

// inherit gives each neighbor what neighborDefaults says and the neighbor does not, key by key. A key of the neighbor wins
// even where it says false or 0.
func (d *decoder) inherit(c *Config) {
	defaults := reflect.ValueOf(c.NeighborDefaults)
	for i := range c.Neighbors {
		at := "neighbors" + index(i)
		if d.failed[at] {
			continue
		}
		session := reflect.ValueOf(&c.Neighbors[i].Session).Elem()
		for _, f := range fieldsOf(defaults.Type()) {
			from, to := join("neighborDefaults", f.Tag.Get("yaml")), join(at, f.Tag.Get("yaml"))
			if !d.given[from] || d.given[to] {
				continue
			}
			session.FieldByIndex(f.Index).Set(defaults.FieldByIndex(f.Index))
			d.given[to], d.spoiled[to], d.failed[to] = true, d.spoiled[from], d.failed[from]
			d.inherited[to] = d.line(from)
		}
	}
}
