// Package status is the agent's account of itself: one immutable State behind a pointer, replaced whole by whoever has news,
// and told as Prometheus metrics, as health for the kubelet, and as JSON or a page of text over a local socket. All of them
// read the same State, so they never contradict each other.
package status

//go:generate go run ../hack/metricreference ../docs/reference/metrics.md
