package main

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// speaker is the pod of one agent.
type speaker struct {
	node, namespace, pod string
	// problem is why it cannot be asked; "" means that it can.
	problem string
}

// speakersOf gives the agents among pods, sorted by node: those with the container, of the wanted nodes, where any are wanted. Each
// wanted node that has none is in the result too, with that problem.
func speakersOf(pods []corev1.Pod, container string, wanted []string) []speaker {
	all, leaving := []speaker{}, []speaker{}
	has := map[string]bool{}
	for i := range pods {
		p := &pods[i]
		named := func(c corev1.Container) bool { return c.Name == container }
		// What has ended answers nothing, and a DaemonSet has made another.
		ended := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		if ended || !slices.ContainsFunc(p.Spec.Containers, named) || len(wanted) > 0 && !slices.Contains(wanted, p.Spec.NodeName) {
			continue
		}
		s := speaker{node: p.Spec.NodeName, namespace: p.Namespace, pod: p.Name, problem: unable(p, container)}
		if s.node == "" {
			s.node = "none"
		}
		if p.DeletionTimestamp != nil {
			leaving = append(leaving, s)
			continue
		}
		has[s.node] = true
		all = append(all, s)
	}
	// While a pod is replaced, the next one speaks for its node.
	for _, s := range leaving {
		if !has[s.node] {
			has[s.node] = true
			all = append(all, s)
		}
	}
	for _, node := range wanted {
		if !has[node] {
			has[node] = true
			all = append(all, speaker{node: node, problem: "no agent runs on this node: look whether it has the chart's nodeSelector as labels"})
		}
	}
	slices.SortFunc(all, func(a, b speaker) int {
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(a.namespace, b.namespace), cmp.Compare(a.pod, b.pod))
	})
	return all
}

// unable says why the container of a pod cannot be asked; "" where it can.
func unable(p *corev1.Pod, container string) string {
	for _, c := range p.Status.ContainerStatuses {
		if c.Name != container {
			continue
		}
		switch {
		case c.State.Waiting != nil:
			return "its container is waiting: " + cmp.Or(c.State.Waiting.Reason, "no reason is given")
		case c.State.Terminated != nil:
			return "its container has ended: " + cmp.Or(c.State.Terminated.Reason, "no reason is given")
		}
	}
	if p.Status.Phase != corev1.PodRunning {
		return "its pod is " + cmp.Or(string(p.Status.Phase), "not started")
	}
	return ""
}
