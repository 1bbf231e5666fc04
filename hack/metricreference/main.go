// Command metricreference writes docs/reference/metrics.md from what package status says of its metrics.
//
//	metricreference FILE
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"github.com/fairlead/fairlead/status"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: metricreference FILE")
		os.Exit(2)
	}
	if err := os.WriteFile(os.Args[1], generate(status.Metrics()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "metricreference:", err)
		os.Exit(1)
	}
}

const head = `# Metrics reference

<!-- Written by go generate from status/metrics.go; change the metrics there, not this file. -->

What ` + "`/metrics`" + ` tells. [Status](../status.md) shows it at work. Beside these stand those of Go's runtime (` + "`go_*`" + `) and of the
process (` + "`process_*`" + `).

All that an agent tells comes from one state: metrics of one scrape, ` + "`/readyz`" + ` and ` + "`fairlead status`" + ` never contradict each other. A
counter begins at 0 when the agent starts. What counts objects and routes tells of the last pass. No object has a series of
its own.
`

// generate gives the page.
func generate(metrics []status.Metric) []byte {
	var out bytes.Buffer
	out.WriteString(head)
	for _, m := range metrics {
		fmt.Fprintf(&out, "\n## `%s`\n\n%s\n\n- Type: %s\n", m.Name, m.Help, m.Type)
		for _, label := range m.Labels {
			fmt.Fprintf(&out, "- Label `%s`: %s\n", label.Name, strings.TrimSuffix(label.Help, "."))
		}
	}
	return out.Bytes()
}
