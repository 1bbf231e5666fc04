package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/fairlead/fairlead/status"
)

// TestAlerts holds the alerts of the chart to those of the guide, which a test of package status reads, and looks for those of drift,
// of a session that is down, of an apply that failed, of sources that are not read and of an agent that is silent.
func TestAlerts(t *testing.T) {
	t.Parallel()
	text := file(t, dir+"/files/alerts.yaml")
	if !strings.Contains(file(t, root+"/docs/status.md"), "```yaml\n"+text+"```") {
		t.Error("docs/status.md has other alerts than charts/fairlead/files/alerts.yaml")
	}
	var rules struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr, For string
				Annotations      map[string]string
			}
		}
	}
	if err := yaml.UnmarshalStrict([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			names = append(names, r.Alert)
			// Of one who does not answer Prometheus itself tells.
			if !strings.Contains(r.Expr, `up{job=~".*fairlead.*-metrics"}`) {
				metricsIn(t, r.Alert, r.Expr)
			}
			if r.Annotations["summary"] == "" {
				t.Errorf("%s has no summary", r.Alert)
			}
		}
	}
	for _, want := range []string{"FairleadDrift", "FairleadSessionDown", "FairleadApplyFailed", "FairleadNotSynced", "FairleadAgentSilent"} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no alert %s", want)
		}
	}

	rule := rendered(t, "config: {asn: 65000}\nmetrics: {prometheusRule: {enabled: true, labels: {release: prometheus}}}\n")["PrometheusRule fairlead"]
	got, err := json.Marshal(read[map[string]any](t, rule, "spec"))
	if err != nil {
		t.Fatal(err)
	}
	want, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) || rule.GetLabels()["release"] != "prometheus" {
		t.Errorf("the PrometheusRule is %s\nwant %s", got, want)
	}
}

// TestAlertsFire has Prometheus' own tool read the alerts and run their unit tests, of which each alert has one where it fires.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	rules, err := filepath.Abs(dir + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := file(t, "testdata/alerts-unit.yaml")
	tests := filepath.Join(t.TempDir(), "alerts.yaml")
	if err := os.WriteFile(tests, []byte(strings.Replace(text, "RULES", rules, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", rules)
	promtool(t, "test", "rules", tests)

	for _, match := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(file(t, rules), -1) {
		if !strings.Contains(text, "- alertname: "+match[1]+"\n") || !strings.Contains(text, "{alertname: "+match[1]+",") {
			t.Errorf("%s has no test where it fires and where it does not", match[1])
		}
	}
}

// promtool runs the one that hack/setup --test has prepared.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	cache := os.Getenv("FAIRLEAD_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(base, "fairlead")
	}
	path := filepath.Join(cache, "promtool", "promtool")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("tests with promtool: %v: prepare it with hack/setup --test", err)
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestDashboard looks for metrics that the dashboard asks for and that do not exist.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct{ List []struct{ Query string } }
	}
	text := read[map[string]string](t, rendered(t, "config: {asn: 65000}\nmetrics: {dashboard: {enabled: true}}\n")["ConfigMap fairlead-dashboard"], "data")
	if err := json.Unmarshal([]byte(text["fairlead.json"]), &dashboard); err != nil {
		t.Fatal(err)
	}
	if len(dashboard.Panels) == 0 {
		t.Error("the dashboard has no panel")
	}
	// What Grafana puts in the place of its variables is no matter: promtool reads the queries as rules.
	variables := strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*")
	var records []map[string]string
	for _, p := range dashboard.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("%s asks for nothing", p.Title)
		}
		for _, target := range p.Targets {
			metricsIn(t, p.Title, target.Expr)
			records = append(records, map[string]string{"record": fmt.Sprintf("panel_%d", len(records)), "expr": variables.Replace(target.Expr)})
		}
	}
	queries, err := yaml.Marshal(map[string]any{"groups": []map[string]any{{"name": "dashboard", "rules": records}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "queries.yaml")
	if err := os.WriteFile(path, queries, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
	metricsIn(t, "the choice of nodes", dashboard.Templating.List[1].Query)
}

// metricsIn looks for each metric, and each label of one, that a query names.
func metricsIn(t *testing.T, where, query string) {
	t.Helper()
	named := regexp.MustCompile(`(fairlead_\w+)(\{[^}]*\})?`).FindAllStringSubmatch(query, -1)
	if len(named) == 0 {
		t.Errorf("%s: %s names no metric", where, query)
	}
	for _, match := range named {
		name := strings.TrimSuffix(match[1], "_bucket")
		i := slices.IndexFunc(status.Metrics(), func(m status.Metric) bool { return m.Name == name })
		if i < 0 {
			t.Errorf("%s: there is no metric %s", where, match[1])
			continue
		}
		for _, label := range regexp.MustCompile(`(\w+)=~?"`).FindAllStringSubmatch(match[2], -1) {
			known := slices.ContainsFunc(status.Metrics()[i].Labels, func(l status.Label) bool { return l.Name == label[1] })
			// That of the one who was asked is Prometheus' own.
			if !known && label[1] != "instance" {
				t.Errorf("%s: %s has no label %s", where, name, label[1])
			}
		}
	}
}

func file(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// matches are the files of a pattern, at least one.
func matches(t *testing.T, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatalf("no file matches %s: %v", pattern, err)
	}
	return names
}
