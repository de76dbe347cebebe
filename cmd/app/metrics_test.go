package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/coderflow/coderflow/internal/engine"
	"github.com/coderflow/coderflow/internal/sandbox/docker"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// documented is a row of docs/metrics.md.
type documented struct {
	kind   string
	labels []string
}

var codeWord = regexp.MustCompile("`([a-z_]+)`")

func documentedFigures(t *testing.T) map[string]documented {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]documented{}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) != 8 || !strings.HasPrefix(cells[1], " `coderflow_") {
			continue
		}
		var labels []string
		for _, word := range codeWord.FindAllStringSubmatch(cells[3], -1) {
			labels = append(labels, word[1])
		}
		slices.Sort(labels)
		rows[strings.Trim(cells[1], " `")] = documented{strings.TrimSpace(cells[2]), labels}
	}
	return rows
}

// described are all figures of our own that a server has, with their labels, whether
// anything was counted yet or not.
func described(t *testing.T) map[string][]string {
	t.Helper()
	db := storetest.Open(t, storetest.SQLiteOptions(t))
	f := newFigures(db, (*docker.Runner)(nil), slog.New(slog.DiscardHandler))
	f.registry.MustRegister(freezeFigures{engine.NewFreezes(db, time.Now)})
	all := make(chan *prometheus.Desc, 1000)
	f.registry.Describe(all)
	close(all)
	shape := regexp.MustCompile(`fqName: "(coderflow_[a-z_]+)".*constLabels: \{(.*?)\}, variableLabels: \{(.*?)\}`)
	found := map[string][]string{}
	for d := range all {
		parts := shape.FindStringSubmatch(d.String())
		if parts == nil {
			continue
		}
		labels := strings.FieldsFunc(parts[3], func(r rune) bool { return r == ',' })
		if name, _, constant := strings.Cut(parts[2], "="); constant {
			labels = append(labels, name)
		}
		slices.Sort(labels)
		found[parts[1]] = labels
	}
	return found
}

func TestDocsListEveryFigureWithItsLabels(t *testing.T) {
	t.Parallel()
	rows, has := documentedFigures(t), described(t)
	for name, labels := range has {
		if row, told := rows[name]; !told || !slices.Equal(row.labels, labels) {
			t.Errorf("docs/metrics.md: %s has labels %q; the row (there is one: %t) says %q", name, labels, told, row.labels)
		}
	}
	for name := range rows {
		if _, known := has[name]; !known {
			t.Errorf("docs/metrics.md has a row %s, and the server no such figure", name)
		}
	}
	if len(has) < 40 {
		t.Errorf("only %d figures were found", len(has))
	}
}

// figuresAreWell holds what a server that did its work shows to the documentation, and to
// what Prometheus' own linter finds.
func figuresAreWell(t *testing.T, shown string) map[string]*dto.MetricFamily {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(shown)).Lint()
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "coderflow_") { // the others are of libraries
			t.Errorf("promlint: %s: %s", p.Metric, p.Text)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(shown))
	if err != nil {
		t.Fatal(err)
	}
	rows := documentedFigures(t)
	for name, family := range families {
		row, told := rows[name]
		if !told && slices.ContainsFunc([]string{"go_", "process_"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		if kind := strings.ToLower(family.GetType().String()); !told || row.kind != kind {
			t.Errorf("docs/metrics.md: %s is a %s; the row (there is one: %t) says %q", name, kind, told, row.kind)
		}
	}
	return families
}

// total adds up the values, or the counts of a histogram, of those that have all labels
// ("name=value").
func total(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	sum := 0.0
	for _, m := range families[name].GetMetric() {
		has := map[string]bool{}
		for _, l := range m.GetLabel() {
			has[fmt.Sprintf("%s=%s", l.GetName(), l.GetValue())] = true
		}
		if slices.ContainsFunc(labels, func(l string) bool { return !has[l] }) {
			continue
		}
		sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
	}
	return sum
}

// labelValues are all values of labels of figures of our own.
func labelValues(families map[string]*dto.MetricFamily) []string {
	values := map[string]bool{}
	for name, family := range families {
		if !strings.HasPrefix(name, "coderflow_") {
			continue
		}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				values[l.GetValue()] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(values))
}

// without: none of the words is in the text.
func without(t *testing.T, what string, text []byte, words ...string) {
	t.Helper()
	for _, word := range words {
		if word != "" && bytes.Contains(text, []byte(word)) {
			t.Errorf("%s has %q in it", what, word)
		}
	}
}
