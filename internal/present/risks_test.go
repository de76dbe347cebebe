package present

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/task"
)

func atRiskItself(p task.Proposal) func(int) (string, int, bool) {
	return func(i int) (string, int, bool) { return p.Risks[i].Path, max(p.Risks[i].Line, 1), true }
}

func TestAnnotationsHaveTheMostDangerousFirst(t *testing.T) {
	t.Parallel()
	p := sampleProposal()
	var got []string
	for _, a := range Annotations(p, atRiskItself(p)) {
		got = append(got, fmt.Sprintf("%s %s %s:%d %q", a.Level, a.Title, a.Path, a.Line, a.Message))
	}
	want := []string{
		`failure destructive-sql (sql-drop-table) db/7.sql:2 "db/7.sql:2: it drops a table with all of its rows\nDROP TABLE USERS | ` + "`x`" + `\nand 3 more like it in this file"`,
		`failure weaker-protection (tf-protection-removed) main.tf:3 "main.tf:3 (removed): a protection against being destroyed is taken away\nprevent_destroy = true"`,
		`failure hidden-characters calc.go:12 "calc.go:12: the line contains U+202E"`,
		`warning workflow .github/workflows/ci.yml:1 ".github/workflows/ci.yml: it steers what CI or a developer's tools run"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// What cannot be shown in a check is counted in its summary and stands in the
// description.
func TestAnnotationsAreBoundedAndCountsComplete(t *testing.T) {
	t.Parallel()
	v := sampleReview()
	v.Proposal.Risks = []task.Risk{{Name: "binary", Path: "b", Why: "w"}}
	for i := range 300 {
		v.Proposal.Risks = append(v.Proposal.Risks, task.Risk{Name: "destructive-sql", Path: fmt.Sprintf("%d.sql", i), Line: 1, Why: "w", More: 1})
	}
	if got := Annotations(v.Proposal, atRiskItself(v.Proposal)); len(got) != MaxAnnotations || got[99].Level != forge.AnnotationFailure {
		t.Errorf("%d annotations", len(got))
	}
	for _, text := range []string{RiskSummary(v.Proposal), PullRequestBody(v)[0]} {
		if !strings.Contains(text, "601 risks") || !strings.Contains(text, "`destructive-sql` 600, `binary` 1") {
			t.Errorf("the counts are not complete: %.500s", text)
		}
	}
	if RiskSummary(task.Proposal{}) != "" {
		t.Error("no risk is said to be one")
	}
}

func TestThreat39AnnotationsShowNoControlCharacters(t *testing.T) {
	t.Parallel()
	s := "a\x1b[2J\u202e\n@octocat"
	p := task.Proposal{Risks: []task.Risk{{Name: s, Rule: s, Path: s, Line: 1, Why: s, Excerpt: strings.Repeat(s, 1000)}}}
	a := Annotations(p, func(int) (string, int, bool) { return "x", 1, true })[0]
	if strings.ContainsAny(a.Title+strings.ReplaceAll(a.Message, "\n", ""), "\x1b\u202e\n") || len(a.Message) > 10_000 || len(a.Title) > 300 {
		t.Errorf("%q %q", a.Title, a.Message)
	}
}
