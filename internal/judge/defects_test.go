package judge_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/judge"
)

// Each defect does to its example what it says.
func TestTheCatalogueMakesWhatItSays(t *testing.T) {
	t.Parallel()
	for _, d := range judge.Defects() {
		if made := regexp.MustCompile(d.Find).ReplaceAllString(d.Before, d.Replace); made != d.After || d.Before == d.After {
			t.Errorf("%s makes %q of %q, not %q", d.Name, made, d.Before, d.After)
		}
		if !slices.Contains(judge.Aspects(), judge.Aspect(d.Category)) {
			t.Errorf("%s is of the category %q", d.Name, d.Category)
		}
	}
}

func TestOneLineOfTheChangeGetsADefect(t *testing.T) {
	t.Parallel()
	text := "package a\n\nfunc f(a, b int) bool {\n\tif a == b {\n\t\treturn true\n\t}\n\treturn a == 1\n}\n"
	for _, added := range [][]int{{4}, {5}, {4, 5, 7, 99, 0}} {
		s, ok := judge.Seed("a.go", []byte(text), added, "x")
		again, _ := judge.Seed("a.go", []byte(text), added, "x")
		if !ok || string(s.Text) != string(again.Text) || !slices.Contains(added, s.Line) {
			t.Fatalf("%v: %+v", added, s)
		}
		before, after := strings.Split(text, "\n"), strings.Split(string(s.Text), "\n")
		for i := range before {
			if (before[i] != after[i]) != (i+1 == s.Line) {
				t.Errorf("%v: line %d: %q → %q", added, i+1, before[i], after[i])
			}
		}
	}
	if s, ok := judge.Seed("a.go", []byte(text), []int{1, 2}, "x"); ok {
		t.Errorf("nothing fits, and yet %+v", s)
	}
	gone, ok := judge.Seed("a.go", []byte("a\n\tdefer f.Close()\nb"), []int{2}, "x")
	if !ok || string(gone.Text) != "a\nb" || gone.Line != 2 {
		t.Errorf("%+v", gone)
	}
}

func TestRecallAndAlarmsAreCounted(t *testing.T) {
	t.Parallel()
	finding := func(line int, s judge.Severity) *judge.Verdict {
		return &judge.Verdict{Recommendation: judge.Approve, Findings: []judge.Finding{{Path: "a.go", Line: line, Severity: s}}}
	}
	for _, row := range []struct {
		v    *judge.Verdict
		want bool
	}{{finding(10, judge.Minor), true}, {finding(13, judge.Major), true}, {finding(0, judge.Major), true}, {finding(14, judge.Critical), false}, {finding(10, judge.Note), false}} {
		if got := row.v.Finds("a.go", 10); got != row.want || row.v.Finds("b.go", 10) {
			t.Errorf("%+v: %v", row.v.Findings, got)
		}
	}
	var m judge.Measured
	m.Count("security", finding(1, judge.Major), true)
	m.Count("security", finding(1, judge.Major), false)
	m.Count("", finding(1, judge.Minor), false)
	m.Count("", finding(1, judge.Major), false)
	m.Count("", &judge.Verdict{Recommendation: judge.Revise}, false)
	m.Count("", nil, false)
	if m.Seeded != 2 || m.Found != 1 || m.Clean != 3 || m.Alarms != 2 || m.Broken != 1 || m.ByCategory["security"] != (judge.Tally{Seeded: 2, Found: 1}) {
		t.Errorf("%+v", m)
	}
}
