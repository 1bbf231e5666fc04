package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead/fairlead/route"
	"github.com/fairlead/fairlead/test/kube"
	"github.com/fairlead/fairlead/verify"
)

// TestDriftsOnAPIServer has routes drift and recover, and finds that on the pod, and of many on the node, of the one speaker whose
// session it is.
func TestDriftsOnAPIServer(t *testing.T) {
	t.Parallel()
	c := kube.Shared(t)
	ns, config := c.Namespace(t), c.Config()
	node := fmt.Sprintf("apiVersion: v1\nkind: Node\nmetadata: {name: %s-node}\n", ns)
	c.Apply(t, node)
	t.Cleanup(func() { c.Delete(t, node) })
	all := pods(t, c, ns, 12)
	told := func(drifts int) []Session {
		s := session("10.0.1.254")
		s.Routes = all.Routes
		for _, r := range all.Routes[:drifts] {
			s.Report.Open = append(s.Report.Open, verify.Verdict{
				Prefix: r.Prefix, Kind: verify.Missing, Witness: verify.Wire, Wanted: &verify.Attributes{}, Cause: verify.FilteredOut,
			})
		}
		s.Report.Counts = []verify.Count{{Kind: verify.Missing, Witness: verify.Wire, Routes: drifts}}
		return []Session{s}
	}
	one, two := speak(t, config, ns, ns+"-node", quick()), speak(t, config, ns, "node2", quick())
	awaitSpeakers(t, 2, one, two)
	first := all.Routes[0].From[0]
	expect := func(namespace string, o route.Object, want string) {
		t.Helper()
		var found corev1.Event
		await(t, want, func() bool {
			events := eventsIn(t, config, namespace, "involvedObject.kind="+o.Kind+",involvedObject.name="+o.Name)
			i := slices.IndexFunc(events, func(e corev1.Event) bool { return strings.HasPrefix(e.Type+" "+e.Reason+" "+e.Message, want) })
			if i < 0 {
				return false
			}
			found = events[i]
			return true
		})
		if found.InvolvedObject.UID != uid(t, one, o) || found.Source.Host != ns+"-node" || found.Count != 1 {
			t.Errorf("the Event is of UID %q by %q, told %d times", found.InvolvedObject.UID, found.Source.Host, found.Count)
		}
	}
	who := "neighbor 10.0.1.254 on node " + ns + "-node"
	one.Proven(told(1))
	expect(ns, first, "Warning Drifted "+who+" is not told as intended: 10.16.0.0/32 missing by tap: bgpd uses the route")
	one.Proven(told(12))
	host := route.Object{Kind: "Node", Name: ns + "-node"}
	expect(metav1.NamespaceDefault, host, "Warning Drifted "+who+" is not told as intended: 12 routes (fairlead verify), the first: 10.16.0.0/32 missing")
	one.Proven(told(0))
	expect(ns, first, "Normal Proven "+who+" is told as intended again")
	expect(metav1.NamespaceDefault, host, "Normal Proven "+who+" is told as intended again")
	if events := eventsIn(t, config, ns, ""); len(events) != 2 {
		t.Errorf("%d Events on pods, want the two of the first one", len(events))
	}
}
