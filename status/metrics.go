package status

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead/fairlead/reduce"
)

// Metric is what one name in /metrics means.
type Metric struct {
	// Name begins with fairlead_ and ends with the unit, where there is one.
	Name string
	// Type is a word of Prometheus: counter, gauge or histogram.
	Type string
	// Help says what the value is.
	Help string
	// Labels are in the order in which read gives their values; nil means none.
	Labels []Label
	// read gives each value that a State has for it. The labels' values must be different each time.
	read func(s *State, to sink)
}

// Label is a label of a metric, and what its values are.
type Label struct{ Name, Help string }

// sink takes one value of a counter or gauge, or one histogram, with the values of the labels.
type sink struct {
	value     func(value float64, labels ...string)
	histogram func(h Histogram, labels ...string)
}

const (
	counter   = "counter"
	gauge     = "gauge"
	histogram = "histogram"
)

var (
	routerLabel   = Label{"router", "name of the BGP instance; empty for the default one"}
	neighborLabel = Label{"neighbor", "address of the neighbor, or interface of an unnumbered session"}
	familyLabel   = Label{"family", "`ipv4-unicast` or `ipv6-unicast`"}
	kindLabel     = Label{"kind", "kind of the object, such as `Pod`"}
	sourceLabel   = Label{"source", "name of the source, such as `pods`"}
)

// Metrics gives what /metrics tells of a State, in the order of the reference. Those of Go's runtime and of the process come
// beside them.
func Metrics() []Metric { return metrics[:] }

// A neighbor, router or source has its own series; an object never has, because there may be any number of them.
var metrics = [...]Metric{
	{
		Name: "fairlead_build_info", Type: gauge,
		Help:   "Always 1; the labels say which build this is.",
		Labels: []Label{{"version", "version of Fairlead"}, {"goversion", "version of Go that built it"}, {"node", "name of the node"}},
		read:   func(s *State, to sink) { to.value(1, s.Version, runtime.Version(), s.Node) },
	},
	{
		Name: "fairlead_condition", Type: gauge,
		Help:   "1 where the condition is True, 0 where it is False or Unknown. True is well for each of them.",
		Labels: []Label{{"type", "`Ready`, `SourcesSynced`, `SourcesHealthy`, `ConfigurationCurrent`, `Applied`, `Untouched` or `Proven`"}},
		read: func(s *State, to sink) {
			for _, c := range s.Conditions {
				to.value(truth(c.Status == True), string(c.Type))
			}
		},
	},
	{
		Name: "fairlead_last_move_timestamp_seconds", Type: gauge,
		Help: "When the loop that acts last did something, in Unix time. It moves at least twice a minute.",
		read: func(s *State, to sink) { to.value(epoch(s.Loop.Moved)) },
	},
	{
		Name: "fairlead_configuration_info", Type: gauge,
		Help:   "Always 1, once a configuration is in force; the label tells one version from another.",
		Labels: []Label{{"digest", "digest of the operator's files, the same on each node that has the same ones"}},
		read: func(s *State, to sink) {
			if s.Configuration.File != "" {
				to.value(1, s.Configuration.Digest)
			}
		},
	},
	{
		Name: "fairlead_configuration_timestamp_seconds", Type: gauge,
		Help: "When the configuration that is in force came into force, in Unix time; 0 before the first one.",
		read: func(s *State, to sink) { to.value(epoch(s.Configuration.Since)) },
	},
	{
		Name: "fairlead_source_synced", Type: gauge,
		Help:   "1 once the source was read whole, 0 before.",
		Labels: []Label{sourceLabel},
		read:   sources(func(s Source) float64 { return truth(s.Synced) }),
	},
	{
		Name: "fairlead_source_healthy", Type: gauge,
		Help:   "0 where the source has a problem, such as that it may not be read, else 1. What was last known of it stays announced.",
		Labels: []Label{sourceLabel},
		read:   sources(func(s Source) float64 { return truth(s.Problem == "") }),
	},
	{
		Name: "fairlead_source_objects", Type: gauge,
		Help:   "Objects that the source holds now.",
		Labels: []Label{sourceLabel},
		read:   sources(func(s Source) float64 { return float64(s.Objects) }),
	},
	{
		Name: "fairlead_source_watch_restarts_total", Type: counter,
		Help:   "How often the source began to watch again. Watches end every few minutes without anything being wrong.",
		Labels: []Label{sourceLabel},
		read:   sources(func(s Source) float64 { return float64(s.WatchRestarts) }),
	},
	{
		Name: "fairlead_passes_total", Type: counter,
		Help:   "Passes from the cluster's objects to FRR.",
		Labels: []Label{{"outcome", "`changed` (FRR was changed), `unchanged` (it held all already), `waiting` (for the cluster's objects, or for FRR's daemons to start), `failed`"}},
		read: func(s *State, to sink) {
			to.value(float64(s.Passes.Changed), string(Changed))
			to.value(float64(s.Passes.Unchanged), string(Unchanged))
			to.value(float64(s.Passes.Waiting), string(Waiting))
			to.value(float64(s.Passes.Failed), string(Failed))
		},
	},
	{
		Name: "fairlead_pass_duration_seconds", Type: histogram,
		Help: "How long a whole pass took.",
		read: func(s *State, to sink) { to.histogram(s.Passes.Duration) },
	},
	{
		Name: "fairlead_stage_duration_seconds", Type: histogram,
		Help:   "How long one stage of a pass took.",
		Labels: []Label{{"stage", "`reduce`, `render` or `apply`"}},
		read: func(s *State, to sink) {
			for _, timing := range s.Stages {
				to.histogram(timing.Histogram, string(timing.Stage))
			}
		},
	},
	{
		Name: "fairlead_objects", Type: gauge,
		Help:   "Objects that the last pass was given.",
		Labels: []Label{kindLabel},
		read: func(s *State, to sink) {
			for _, c := range s.Objects {
				to.value(float64(c.Count), c.Kind)
			}
		},
	},
	{
		Name: "fairlead_skipped_objects", Type: gauge,
		Help:   "Wishes that the last pass did not follow. `fairlead status -o json` has each object with its reason.",
		Labels: []Label{kindLabel},
		read:   func(s *State, to sink) { countKinds(s.Skipped, to) },
	},
	{
		Name: "fairlead_warned_objects", Type: gauge,
		Help:   "Wishes that the last pass followed although they look like a mistake.",
		Labels: []Label{kindLabel},
		read:   func(s *State, to sink) { countKinds(s.Warnings, to) },
	},
	{
		Name: "fairlead_routes", Type: gauge,
		Help:   "Routes that the instance should originate.",
		Labels: []Label{routerLabel, familyLabel},
		read: func(s *State, to sink) {
			for _, r := range s.Routers {
				r.Routes.tell(to, r.Name)
			}
		},
	},
	{
		Name: "fairlead_neighbor_info", Type: gauge,
		Help:   "Always 1, for each session that this node should hold.",
		Labels: []Label{routerLabel, neighborLabel, {"name", "what the configuration calls the neighbor"}, {"remote_as", "AS number, `external` or `internal`"}},
		read: func(s *State, to sink) {
			for _, n := range s.Neighbors {
				to.value(1, n.Router, n.ID(), n.Name, n.RemoteAS.String())
			}
		},
	},
	{
		Name: "fairlead_neighbor_routes", Type: gauge,
		Help:   "Routes of our own that the neighbor should be told.",
		Labels: []Label{routerLabel, neighborLabel, familyLabel},
		read: func(s *State, to sink) {
			for _, n := range s.Neighbors {
				n.Routes.tell(to, n.Router, n.ID())
			}
		},
	},
	{
		Name: "fairlead_applies_total", Type: counter,
		Help:   "Times that FRR was made to hold what it should.",
		Labels: []Label{{"result", "`changed`, `unchanged` or `failed` (and rolled back)"}},
		read: func(s *State, to sink) {
			to.value(float64(s.Applies.Changed), "changed")
			to.value(float64(s.Applies.Unchanged), "unchanged")
			to.value(float64(s.Applies.Failed), "failed")
		},
	},
	{
		Name: "fairlead_applied_lines_total", Type: counter,
		Help: "Lines of configuration that FRR was given and took.",
		read: func(s *State, to sink) { to.value(float64(s.Applies.Lines)) },
	},
	{
		Name: "fairlead_session_resets_total", Type: counter,
		Help: "Sessions that a change of the configuration took down.",
		read: func(s *State, to sink) { to.value(float64(s.Applies.Resets)) },
	},
	{
		Name: "fairlead_last_change_timestamp_seconds", Type: gauge,
		Help: "When FRR was last changed, in Unix time; 0 where it was not yet.",
		read: func(s *State, to sink) { to.value(epoch(s.Applies.Last.Time)) },
	},
	{
		Name: "fairlead_last_change_lines", Type: gauge,
		Help: "Lines of configuration of that change.",
		read: func(s *State, to sink) { to.value(float64(s.Applies.Last.Lines)) },
	},
	{
		Name: "fairlead_frr_audits_total", Type: counter,
		Help: "Times that FRR's whole configuration was compared with what Fairlead made it.",
		read: func(s *State, to sink) { to.value(float64(s.Audit.Count)) },
	},
	{
		Name: "fairlead_frr_last_audit_timestamp_seconds", Type: gauge,
		Help: "When that was last done, in Unix time; 0 where it was not yet.",
		read: func(s *State, to sink) { to.value(epoch(s.Audit.Time)) },
	},
	{
		Name: "fairlead_frr_drift_statements", Type: gauge,
		Help: "Statements of FRR that the last audit found changed by somebody's hand. `fairlead audit` has each.",
		Labels: []Label{
			{"kind", "`missing`, `added` or `changed`"},
			{"owner", "`fairlead` (what it wrote, or set on what it wrote), or `unowned` (somebody else's, not declared in frr.foreign)"},
		},
		read: func(s *State, to sink) {
			for _, c := range s.Audit.Counts {
				to.value(float64(c.Count), string(c.Kind), string(c.Owner))
			}
		},
	},
	{
		Name: "fairlead_session_established", Type: gauge,
		Help:   "1 where FRR holds the session established, else 0.",
		Labels: []Label{routerLabel, neighborLabel},
		read:   sessions(func(s *Session) float64 { return truth(s.State == "Established") }),
	},
	{
		Name: "fairlead_adj_rib_out_routes", Type: gauge,
		Help: "Routes of the neighbor by what was found out of them. `fairlead verify` has each that drifts.",
		Labels: []Label{
			routerLabel, neighborLabel,
			{"verdict", "`announced`, `transit` (passed on, as allowed), `pending`, `missing`, `mismatch`, `unexpected` or `not-comparable`"},
			{"witness", "who says so: `tap` (the packets), `bmp` (the neighbor itself), `bmp loc-rib` (it uses the route), `frr` (its own word) or `none`"},
		},
		read: func(s *State, to sink) {
			for i := range s.Proof.Sessions {
				s.Proof.Sessions[i].tell(to)
			}
		},
	},
	{
		Name: "fairlead_last_proof_timestamp_seconds", Type: gauge,
		Help:   "When a change was last seen to arrive on its way to the neighbor, in Unix time; 0 where none was.",
		Labels: []Label{routerLabel, neighborLabel},
		read:   sessions(func(s *Session) float64 { return epoch(s.Proof.LastProof) }),
	},
	{
		Name: "fairlead_unacknowledged_changes", Type: gauge,
		Help:   "Changes that were sent to the neighbor and that its TCP has not acknowledged.",
		Labels: []Label{routerLabel, neighborLabel},
		read:   sessions(func(s *Session) float64 { return float64(s.Proof.Unacknowledged) }),
	},
	{
		Name: "fairlead_neighbor_blocked", Type: gauge,
		Help:   "1 where the neighbor's TCP takes nothing though something waits, else 0.",
		Labels: []Label{routerLabel, neighborLabel},
		read:   sessions(func(s *Session) float64 { return truth(!s.Proof.Blocked.IsZero()) }),
	},
	{
		Name: "fairlead_proof_duration_seconds", Type: histogram,
		Help: "From the decision to announce or change a route to its first being seen on the wire, or by the neighbor itself.",
		read: func(s *State, to sink) { to.histogram(s.Proof.Taken) },
	},
	{
		Name: "fairlead_witness_missing", Type: gauge,
		Help:   "1 for each witness that cannot be had. `fairlead verify` says why.",
		Labels: []Label{{"witness", "`tap` or `bmp`"}},
		read: func(s *State, to sink) {
			for _, b := range s.Proof.Blind {
				to.value(1, b.Witness.String())
			}
		},
	},
	{
		Name: "fairlead_events_total", Type: counter,
		Help:   "Events for Kubernetes about its objects.",
		Labels: []Label{{"result", "`told`, or `dropped` because the API server did not take them"}},
		read: func(s *State, to sink) {
			to.value(float64(s.Events.Told), "told")
			to.value(float64(s.Events.Dropped), "dropped")
		},
	},
}

// sources reads one number of each source.
func sources(read func(Source) float64) func(*State, sink) {
	return func(s *State, to sink) {
		for _, source := range s.Sources {
			to.value(read(source), source.Name)
		}
	}
}

// sessions reads one number of each session.
func sessions(read func(*Session) float64) func(*State, sink) {
	return func(s *State, to sink) {
		for i := range s.Proof.Sessions {
			session := &s.Proof.Sessions[i]
			to.value(read(session), session.Router, session.Neighbor)
		}
	}
}

// tell tells how many routes share a verdict and a witness, whatever their proof.
func (s *Session) tell(to sink) {
	type key struct{ verdict, witness string }
	sums := map[key]int{}
	for _, c := range s.Proof.Counts {
		sums[key{c.Kind.String(), c.Witness.String()}] += c.Routes
	}
	for k, n := range sums {
		to.value(float64(n), s.Router, s.Neighbor, k.verdict, k.witness)
	}
}

// tell tells the counts of either family.
func (r Routes) tell(to sink, labels ...string) {
	to.value(float64(r.IPv4), append(labels, "ipv4-unicast")...)
	to.value(float64(r.IPv6), append(labels, "ipv6-unicast")...)
}

// countKinds counts wishes by the kind of their object. They are sorted by it.
func countKinds(wishes []reduce.Skipped, to sink) {
	for start := 0; start < len(wishes); {
		kind, end := wishes[start].Object.Kind, start
		for end < len(wishes) && wishes[end].Object.Kind == kind {
			end++
		}
		to.value(float64(end-start), kind)
		start = end
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// epoch gives seconds since 1970, and 0 for the zero time.
func epoch(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// collector tells Prometheus of the State that a Board has at the moment of a scrape.
type collector struct {
	board *Board
	// descs are those of metrics, in the same order.
	descs [len(metrics)]*prometheus.Desc
}

func newCollector(b *Board) *collector {
	c := &collector{board: b}
	for i, m := range metrics {
		names := make([]string, len(m.Labels))
		for j, label := range m.Labels {
			names[j] = label.Name
		}
		c.descs[i] = prometheus.NewDesc(m.Name, m.Help, names, nil)
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		out <- d
	}
}

// Collect implements prometheus.Collector. One State answers all of a scrape.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.board.State()
	for i, m := range metrics {
		desc, kind := c.descs[i], prometheus.GaugeValue
		if m.Type == counter {
			kind = prometheus.CounterValue
		}
		send := func(metric prometheus.Metric, err error) {
			if err != nil {
				metric = prometheus.NewInvalidMetric(desc, err)
			}
			out <- metric
		}
		m.read(s, sink{
			value: func(value float64, labels ...string) {
				send(prometheus.NewConstMetric(desc, kind, value, labels...))
			},
			histogram: func(h Histogram, labels ...string) {
				send(prometheus.NewConstHistogram(desc, h.Count, h.Sum, h.cumulative(), labels...))
			},
		})
	}
}
