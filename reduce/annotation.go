package reduce

import (
	"fmt"
	"strings"
)

// The annotations that ask for an announcement. Fairlead's own wins where both stand.
const (
	annotationFairlead = "fairlead.io/bgp"
	annotationKubeOVN  = "ovn.kubernetes.io/bgp"
)

// Kube-OVN writes a pod's address and subnet under these suffixes, once for each network that the pod has; what stands
// before is the network's provider ("ovn", "net1.default.ovn"). They say where a pod is, and ask for nothing.
const (
	SuffixAddress = ".kubernetes.io/ip_address"
	SuffixSubnet  = ".kubernetes.io/logical_switch"
)

// KeepAnnotation reports whether reduce reads the annotation with this key, so that sources need keep no other.
func KeepAnnotation(key string) bool {
	return key == annotationFairlead || key == annotationKubeOVN ||
		strings.HasSuffix(key, SuffixAddress) || strings.HasSuffix(key, SuffixSubnet)
}

// policy is what an object's annotation asks for.
type policy uint8

const (
	// unset: the object says nothing, and may inherit.
	unset policy = iota
	// never: it is not announced, whatever it belongs to.
	never
	// cluster: every speaker announces it.
	cluster
	// local: only the speaker on its own node does.
	local
)

// policyOf reads the annotation of one object. An empty value says nothing, as if the annotation were absent. A value that
// nobody knows is an error, and policy never: a misspelt wish announces nothing.
//
//	true, yes, cluster   cluster
//	local                local
//	false, no            never
//	"" or absent         unset
func policyOf(annotations map[string]string) (policy, error) {
	key, value := Annotation(annotations)
	switch value {
	case "":
		return unset, nil
	case "true", "yes", "cluster":
		return cluster, nil
	case "local":
		return local, nil
	case "false", "no":
		return never, nil
	default:
		return never, remedied(fmt.Errorf("annotation %s is %s: write true (or yes, cluster), local, false or no", key, quote(value)),
			"write true (or yes, cluster), local, false or no into annotation "+key)
	}
}

// Annotation gives the annotation of an object that counts, as it was written; two empty texts mean that the object says nothing.
func Annotation(annotations map[string]string) (key, value string) {
	for _, key := range [...]string{annotationFairlead, annotationKubeOVN} {
		if value := annotations[key]; value != "" {
			return key, value
		}
	}
	return "", ""
}

// quote prints what a user of the cluster wrote: safe for a terminal and a log, and not longer than a line.
func quote(s string) string {
	const limit = 64
	if len(s) > limit {
		return fmt.Sprintf("%q...", s[:limit])
	}
	return fmt.Sprintf("%q", s)
}
