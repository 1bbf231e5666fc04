package chart

import (
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// TestRightsAreNarrow looks at what a list of verbs and resources does not show: that what gives away others' secrets is for single objects,
// and where a right holds.
func TestRightsAreNarrow(t *testing.T) {
	t.Parallel()
	const secrets = `
config:
  asn: 65000
  neighbors:
  - {address: 10.32.32.1, asn: 65030, passwordSecretRef: {name: own}}
  - {address: 10.32.32.2, asn: 65030, passwordSecretRef: {name: theirs, namespace: infra}}
`
	const role = "Role infra/fairlead:fairlead-passwords"
	for name, values := range map[string]string{"usual": secrets, "gateway": "config: {asn: 65000, natGateway: gw1}\n", "without events": secrets + "  events: false\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen := map[string]bool{}
			for key, o := range rendered(t, values) {
				if o.GetKind() != "Role" && o.GetKind() != "ClusterRole" {
					continue
				}
				for _, r := range read[[]rbacv1.PolicyRule](t, o, "rules") {
					for _, resource := range r.Resources {
						seen[resource] = true
						if all := len(r.ResourceNames) == 0; all && slices.Contains([]string{"secrets", "customresourcedefinitions"}, resource) {
							t.Errorf("%s: all %s", key, resource)
						}
						if o.GetKind() == "ClusterRole" && slices.Contains([]string{"secrets", "leases"}, resource) {
							t.Errorf("%s: %s of all namespaces", key, resource)
						}
						if resource == "leases" && key != "Role fairlead" {
							t.Errorf("%s: leases of another namespace", key)
						}
						if slices.Contains(r.ResourceNames, "theirs") != (key == role) || key == role && len(r.ResourceNames) != 1 {
							t.Errorf("%s: the %s %v", key, resource, r.ResourceNames)
						}
						if slices.Contains(slices.Concat(r.Verbs, r.Resources, r.APIGroups), "*") {
							t.Errorf("%s: %+v", key, r)
						}
					}
				}
			}
			if seen["leases"] != (name != "without events") || seen["secrets"] != (name != "gateway") {
				t.Errorf("there are rights to %v", seen)
			}
		})
	}
}
