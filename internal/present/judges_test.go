package present

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/hostiletest"
	"github.com/coderflow/coderflow/internal/judge"
	"github.com/coderflow/coderflow/internal/task"
)

func judgeView(name, result string, s task.ExaminationState, summary string) JudgeView {
	return JudgeView{Examination: task.Examination{
		ID: "abcdefghijkl", Kind: task.Judge, Name: name, State: s, Revision: 1, Summary: summary, Result: json.RawMessage(result), Model: "m",
	}}
}

// Threat 38: whatever a verdict says, in the comment, over the review and on a line, is text.
func TestThreat38WhatJudgesSayIsInert(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		v := JudgesView{Task: "abcdefghijkl", Revision: 1, Raises: []string{s}, Judges: []JudgeView{
			judgeView("careful", hostiletest.Verdict(s, "a.go"), task.ExaminationPassed, s),
			judgeView(s, `{"problem":"x"}`, task.ExaminationBroken, s),
		}}
		texts := []string{Judges(v), JudgesCheck(v).Summary}
		for _, j := range v.Judges {
			texts = append(texts, strings.TrimPrefix(JudgeReview(j), JudgeMarker(j.Examination)))
			for _, r := range JudgeRemarks(j, func(judge.Finding) (string, int, bool) { return "p", 1, true }) {
				texts = append(texts, r.Body)
			}
		}
		if len(texts) != 5 {
			t.Fatalf("%q: %d texts", s, len(texts))
		}
		for i, markdown := range texts {
			if problem := effect(markdown); problem != "" {
				t.Errorf("%q in text %d: %s\n%s", s, i, problem, markdown)
			}
		}
	}
}

// The comment stays below what a forge takes, whatever judges write.
func TestTheComparisonOfJudgesIsBounded(t *testing.T) {
	t.Parallel()
	v := JudgesView{Task: "abcdefghijkl", Revision: 1}
	for range 8 {
		long := judge.Verdict{Summary: strings.Repeat("@", judge.MaxSummary), Recommendation: judge.Approve, Findings: []judge.Finding{}}
		for range judge.MaxFindings {
			long.Findings = append(long.Findings, judge.Finding{Path: "a.go", Severity: judge.Minor, Title: strings.Repeat("`", judge.MaxTitle), Text: strings.Repeat("\u202e", judge.MaxText)})
		}
		text, err := json.Marshal(long)
		if err != nil {
			t.Fatal(err)
		}
		v.Judges = append(v.Judges, judgeView("j", string(text), task.ExaminationPassed, ""))
	}
	if body := Judges(v); len(body) > 65_000 || !strings.Contains(body, "judges show") {
		t.Errorf("the comment has %d bytes", len(body))
	}
}

func TestTheRunOfTheJudgesIsNeverAYesOrNo(t *testing.T) {
	t.Parallel()
	for _, recommendation := range []string{"approve", "reject"} {
		verdict := strings.Replace(hostiletest.Verdict("x", "a.go"), `"approve"`, `"`+recommendation+`"`, 1)
		v := JudgesView{Judges: []JudgeView{judgeView("a", verdict, task.ExaminationPassed, ""), judgeView("b", "", task.ExaminationBroken, "no valid verdict")}}
		if run := JudgesCheck(v); run.Status != forge.CheckNeutral || run.Name != forge.JudgesRun || !strings.HasPrefix(run.Title, "1 of 2 judges answered") {
			t.Errorf("%s: %+v", recommendation, run)
		}
		v.Judges = append(v.Judges, judgeView("c", "", task.ExaminationRunning, ""))
		if run := JudgesCheck(v); run.Status != forge.CheckPending {
			t.Errorf("while one reads: %+v", run)
		}
	}
}
