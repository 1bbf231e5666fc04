package reduce

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

// Reducer gives for one Snapshot after another what Reduce gives for each, and looks only at the pods that differ from those of
// the last: a source gives the others by the same pointers. The zero value is ready. One goroutine at a time may use it.
type Reducer struct {
	// last is what the last pass found of pods; spare is memory that the next may use for it.
	last, spare found
	// asked is memory for a pass's own.
	asked []asked
}

// Reduce is Reduce of the next Snapshot.
func (r *Reducer) Reduce(s Snapshot, c config.Config, node string) (Result, error) {
	p := pass{config: c, node: node, secrets: s.Secrets, attributes: attributesOf(c), last: &r.last, now: &r.spare}
	p.asked = r.asked[:0]
	result, err := p.reduce(s)
	r.asked = p.asked
	if p.looked {
		r.last, r.spare = r.spare, r.last
	}
	return result, err
}

// basis is all, beside a pod, that decides what is found of it.
type basis struct {
	node     string
	scope    config.Scope
	announce config.Announce
	subnets  []*Subnet
}

func (b basis) equal(other basis) bool {
	return b.node == other.node && b.scope == other.scope && reflect.DeepEqual(b.announce, other.announce) && slices.Equal(b.subnets, other.subnets)
}

// findings are what a pass finds, in no order.
type findings struct {
	// asked are the prefixes to announce; several objects may ask for one, and one may ask for it twice.
	asked    []asked
	skipped  []Skipped
	warnings []Warning
	own      []route.Object
}

// asked is a prefix and the object that asks for it.
type asked struct {
	prefix netip.Prefix
	from   route.Object
}

// extent is how much there is of each of the findings.
type extent struct{ asked, skipped, warnings, own int }

func (f *findings) extent() extent {
	return extent{len(f.asked), len(f.skipped), len(f.warnings), len(f.own)}
}

// add adds what other has from one extent to another.
func (f *findings) add(other *findings, from, to extent) {
	f.asked = append(f.asked, other.asked[from.asked:to.asked]...)
	f.skipped = append(f.skipped, other.skipped[from.skipped:to.skipped]...)
	f.warnings = append(f.warnings, other.warnings[from.warnings:to.warnings]...)
	f.own = append(f.own, other.own[from.own:to.own]...)
}

// found is what a pass found of pods.
type found struct {
	findings
	basis basis
	pods  []*Pod
	// ends are the extents of the findings after each of the pods.
	ends []extent
}

// pods adds what is found of pods. Where a pod is the last pass's, so is what is found of it.
func (p *pass) pods(all []*Pod, subnets []*Subnet) {
	last, now := p.last, p.now
	p.looked = true
	now.reset(basis{p.node, p.config.Kubernetes.Scope, p.config.Announce, subnets})
	if !now.basis.equal(last.basis) {
		last.reset(now.basis)
	}
	others := p.findings
	p.findings = now.findings
	i, start := 0, extent{}
	for _, pod := range all {
		// Pods are sorted: these are gone, or the one before took their place. Were they not, more would be looked at.
		for i < len(last.pods) && last.pods[i] != pod && last.pods[i].before(pod) {
			start = last.ends[i]
			i++
		}
		if i < len(last.pods) && last.pods[i] == pod {
			p.add(&last.findings, start, last.ends[i])
			start = last.ends[i]
			i++
		} else {
			p.consider(pod)
		}
		now.ends = append(now.ends, p.extent())
	}
	now.findings, p.findings, now.pods = p.findings, others, all
	p.add(&now.findings, extent{}, now.extent())
}

// reset forgets all, and keeps the memory for it.
func (f *found) reset(b basis) {
	f.findings = findings{f.asked[:0], f.skipped[:0], f.warnings[:0], f.own[:0]}
	f.basis, f.pods, f.ends = b, nil, f.ends[:0]
}

// before reports whether p comes before other in a Snapshot.
func (p *Pod) before(other *Pod) bool {
	return cmp.Or(cmp.Compare(p.Namespace, other.Namespace), cmp.Compare(p.Name, other.Name)) < 0
}
