package present

import (
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

func checksView(said string, states ...task.ExaminationState) ChecksView {
	v := ChecksView{Task: "abcdefghijkl", Revision: 2, Digest: "sha256:4444", Page: "https://cf.example/tasks/abcdefghijkl"}
	for i, s := range states {
		v.Checks = append(v.Checks, CheckView{
			Examination: task.Examination{Name: "tests", State: s, Attempt: 1, Summary: said, StartedAt: noon, FinishedAt: noon.Add(3 * time.Second)},
			Required:    i == 0, Output: said,
		})
	}
	return v
}

func TestTheRunOfTheChecksPassesOnlyWhenAllHave(t *testing.T) {
	t.Parallel()
	const passed, failed, runs = task.ExaminationPassed, task.ExaminationFailed, task.ExaminationRunning
	for _, row := range []struct {
		states []task.ExaminationState // the first is required
		want   forge.CheckStatus
		shown  bool // the comment
	}{
		{[]task.ExaminationState{passed, passed}, forge.CheckSuccess, true},
		{[]task.ExaminationState{passed, failed}, forge.CheckNeutral, true},
		{[]task.ExaminationState{failed, passed}, forge.CheckFailure, true},
		{[]task.ExaminationState{task.ExaminationBroken, passed}, forge.CheckFailure, true},
		{[]task.ExaminationState{task.ExaminationCancelled, passed}, forge.CheckFailure, true},
		{[]task.ExaminationState{"odd", passed}, forge.CheckPending, false},
		{[]task.ExaminationState{runs, passed}, forge.CheckPending, false},
		{[]task.ExaminationState{failed, runs}, forge.CheckFailure, true},
		{[]task.ExaminationState{passed, task.ExaminationQueued}, forge.CheckPending, false},
	} {
		v := checksView("said", row.states...)
		run := ChecksRun(v)
		if _, shown := ChecksComment(v); run.Status != row.want || shown != row.shown || run.Name != forge.ChecksRun {
			t.Errorf("%v: %s (%s), comment %v", row.states, run.Status, run.Title, shown)
		}
	}
}

func TestAnApprovalThatWaitsForChecksIsToldSo(t *testing.T) {
	t.Parallel()
	waits := policy.Decision{Reason: policy.All("the review approves this proposal", policy.Yes("the pull request is open"),
		policy.No(`required check "tests" is running`))}
	both := policy.Decision{Reason: policy.All("the review approves this proposal", policy.No("1 of 2 approvals"), policy.No(`required check "tests" is running`))}
	for text, want := range map[string]string{
		ApprovalCounted(forge.User{Login: "rita"}, waits): "counts, and waits:", ApprovalCounted(forge.User{Login: "rita"}, both): "others are missing",
		GateCounting(countedTask(), waits, nil).Title: "waiting for required checks", GateCounting(countedTask(), both, nil).Title: "Waiting for more approvals",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}

func TestThreat38WhatChecksPrintIsInert(t *testing.T) {
	t.Parallel()
	for _, s := range hostile {
		v := checksView(s, task.ExaminationFailed)
		v.Checks[0].Name = s
		for _, text := range []string{ChecksRun(v).Summary, ExaminedAgain(task.Check, []string{s}, []string{s})} {
			if found := effect(text); found != "" {
				t.Errorf("%q has an effect: %s\n%s", s, found, text)
			}
			if strings.ContainsRune(text, 0x1b) {
				t.Errorf("%q: an ESC byte", s)
			}
		}
	}
}
