package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

const observability = "../../manifests/observability/"

// rule is an alert as Prometheus reads it.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alertRules(t *testing.T) (rules []rule) {
	t.Helper()
	text, err := os.ReadFile(observability + "alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules
}

// Parts of an expression. Prometheus' own parser would bring all of Prometheus into go.mod;
// what goes wrong when figures change are names and labels.
var (
	series   = regexp.MustCompile(`\b((?:coderflow|go|process)_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	grouping = regexp.MustCompile(`\bby \(([^)]*)\)`)
)

// asksWell: an expression asks for figures that a server has, and by labels that they
// have. It returns what the figures are called.
func asksWell(t *testing.T, has map[string][]string, where, expression string) (asked []string) {
	t.Helper()
	known := []string{"instance", "job"} // the collector's own
	for _, found := range series.FindAllStringSubmatch(expression, -1) {
		name := found[1]
		asked = append(asked, name)
		of, ours := labelsOf(has, name)
		if !ours {
			t.Errorf("%s asks for %s, which no server shows", where, name)
		}
		for _, label := range matcher.FindAllStringSubmatch(found[2], -1) {
			if !slices.Contains(append(slices.Clone(of), "instance", "job"), label[1]) {
				t.Errorf("%s asks for the label %s, which %s has not", where, label[1], name)
			}
		}
		known = append(known, of...)
	}
	for _, by := range grouping.FindAllStringSubmatch(expression, -1) {
		for label := range strings.SplitSeq(by[1], ", ") {
			if !slices.Contains(known, label) {
				t.Errorf("%s groups by %s, which nothing in it has", where, label)
			}
		}
	}
	if len(asked) == 0 || strings.Count(expression, "(") != strings.Count(expression, ")") {
		t.Errorf("%s asks for nothing, or its brackets do not match: %s", where, expression)
	}
	return asked
}

// labelsOf are the labels of a series, whose name may be one of a histogram's.
func labelsOf(has map[string][]string, name string) (of []string, known bool) {
	if of, known = has[name]; known {
		return of, true
	}
	if strings.HasPrefix(name, "go_sql_") {
		return []string{"db_name"}, true
	}
	for _, end := range []string{"_bucket", "_count", "_sum"} {
		if of, cut := strings.CutSuffix(name, end); cut && has[of] != nil {
			return append(slices.Clone(has[of]), "le"), true
		}
	}
	return nil, strings.HasPrefix(name, "process_")
}

var (
	templated = regexp.MustCompile(`\{\{ *\$labels\.([a-z_]+) *\}\}`)
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

func TestAlertRulesAskForFiguresThatThereAre(t *testing.T) {
	t.Parallel()
	has, seen := described(t), map[string]bool{}
	for _, r := range alertRules(t) {
		asksWell(t, has, r.Alert, r.Expr)
		if !strings.HasPrefix(r.Alert, "CoderFlow") || seen[r.Alert] {
			t.Errorf("the name %q is there twice, or not CoderFlow's", r.Alert)
		}
		seen[r.Alert] = true
		if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" {
			t.Errorf("%s says too little: %+v", r.Alert, r)
		}
		for _, name := range templated.FindAllStringSubmatch(r.Annotations["summary"], -1) {
			if !regexp.MustCompile(`by \([a-z_, ]*\b` + name[1] + `\b`).MatchString(r.Expr) {
				t.Errorf("%s speaks of the label %s, which is not in what it asks", r.Alert, name[1])
			}
		}
		hasPlace(t, r.Alert, r.Annotations["runbook"])
	}
	if len(seen) < 15 {
		t.Errorf("only %d rules were found", len(seen))
	}
}

// hasPlace: a runbook is a page of the documentation, and the heading in it is there.
func hasPlace(t *testing.T, alert, runbook string) {
	t.Helper()
	page, anchor, _ := strings.Cut(runbook, "#")
	text, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil || !strings.HasPrefix(page, "docs/") {
		t.Errorf("%s: the runbook %q is no page: %v", alert, runbook, err)
		return
	}
	for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
		words := strings.ToLower(strings.Map(func(r rune) rune {
			if strings.ContainsRune("?,.`'", r) {
				return -1
			}
			return r
		}, h[1]))
		if strings.ReplaceAll(words, " ", "-") == anchor {
			return
		}
	}
	if anchor != "" {
		t.Errorf("%s: %s has no heading %q", alert, page, anchor)
	}
}

func TestDashboardAsksForFiguresThatThereAre(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(observability + "grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	has, ids, asked := described(t), map[int]bool{}, 0
	for _, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %d %q is there twice, or has no place: %+v", p.ID, p.Title, p.GridPos)
		}
		ids[p.ID] = true
		for _, target := range p.Targets {
			asked += len(asksWell(t, has, p.Title, target.Expr))
		}
	}
	if asked < 25 {
		t.Errorf("only %d figures are asked for", asked)
	}
}
