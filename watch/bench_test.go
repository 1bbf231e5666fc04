package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
)

// podText is a small annotated pod, as a YAML document.
func podText(i int, address string) string {
	return fmt.Sprintf(`---
apiVersion: v1
kind: Pod
metadata:
  name: pod-%05d
  namespace: default
  annotations:
    ovn.kubernetes.io/bgp: "true"
    ovn.kubernetes.io/ip_address: %s
    ovn.kubernetes.io/logical_switch: ovn-default
spec:
  nodeName: node%d
status:
  phase: Running
  podIPs:
  - ip: %s
`, i, address, i%10, address)
}

// writePods writes n pods into a number of files.
func writePods(tb testing.TB, dir string, n, files int) {
	tb.Helper()
	for f := range files {
		var text strings.Builder
		for i := f * n / files; i < (f+1)*n/files; i++ {
			text.WriteString(podText(i, fmt.Sprintf("10.%d.%d.%d", 16+i/65536, i/256%256, i%256)))
		}
		writeFile(tb, filepath.Join(dir, fmt.Sprintf("pods-%05d.yaml", f)), text.String())
	}
}

func BenchmarkReadFolder(b *testing.B) {
	for _, size := range []struct{ pods, files int }{{100, 1}, {10_000, 1}, {10_000, 100}, {10_000, 10_000}} {
		b.Run(fmt.Sprintf("pods=%d/files=%d", size.pods, size.files), func(b *testing.B) {
			dir := b.TempDir()
			writePods(b, dir, size.pods, size.files)
			b.ReportAllocs()
			for b.Loop() {
				snapshot, problems, err := ReadFolder(dir)
				if err != nil || len(problems) > 0 || len(snapshot.Pods) != size.pods {
					b.Fatal(len(snapshot.Pods), problems, err)
				}
			}
		})
	}
}

// BenchmarkRescan edits one annotation in a file of many pods.
func BenchmarkRescan(b *testing.B) {
	for _, list := range []bool{false, true} {
		for _, n := range []int{100, 10_000} {
			b.Run(fmt.Sprintf("list=%t/pods=%d", list, n), func(b *testing.B) {
				dir := b.TempDir()
				writePods(b, dir, n, 1)
				path := filepath.Join(dir, "pods-00000.yaml")
				text, err := os.ReadFile(path)
				if err != nil {
					b.Fatal(err)
				}
				whole := string(text)
				if list {
					whole = asList(whole)
				}
				log := logrus.New()
				log.SetLevel(logrus.ErrorLevel)
				writeFile(b, path, whole)
				folder, err := OpenFolder(dir, log)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					b.StopTimer()
					writeFile(b, path, strings.Replace(whole, `bgp: "true"`, fmt.Sprintf(`bgp: "%d"`, i), 1))
					b.StartTimer()
					if !folder.rescan() {
						b.Fatal("the edit was not noticed")
					}
				}
			})
		}
	}
}

// asList makes a List, as kubectl prints it, of documents.
func asList(documents string) string {
	var list strings.Builder
	list.WriteString("apiVersion: v1\nitems:\n")
	for _, doc := range strings.Split(documents, "---\n")[1:] {
		list.WriteString("- " + strings.TrimSuffix(strings.ReplaceAll(doc, "\n", "\n  "), "  "))
	}
	list.WriteString("kind: List\nmetadata:\n  resourceVersion: \"\"\n")
	return list.String()
}

// writeFile makes or replaces a file at once, as editors do: half a file, read on a busy machine, would be another one.
func writeFile(tb testing.TB, path, text string) {
	tb.Helper()
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	writeInPlace(tb, hidden, text)
	if err := os.Rename(hidden, path); err != nil {
		tb.Fatal(err)
	}
}

// writeInPlace empties a file and then writes it, so that it can be seen half done.
func writeInPlace(tb testing.TB, path, text string) {
	tb.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}
