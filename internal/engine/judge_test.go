package engine

import (
	"testing"

	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// Threats 44 and 48: an approval by several falls as a whole. No review that was
// counted for it waits for another one afterwards.
func TestThreat44EveryReviewOfAnApprovalFallsWithIt(t *testing.T) {
	t.Parallel()
	all := []task.Judgement{{Review: "1", Counted: true}, {Review: "2"}, {Review: "3", Counted: true, Told: true}}
	all = completed(judged(all, task.Judgement{Review: "4", Allowed: true}))
	for _, j := range all {
		if j.Counted || j.Allowed != (j.Review != "2") {
			t.Errorf("approved: %+v", j)
		}
	}
	fallen := task.Task{Judged: voided(all, policy.Decision{Reason: policy.No("a role was taken away")})}
	for _, j := range fallen.Judged {
		if j.Allowed || j.Counted || j.Told || !fallen.Settled(j.Review) {
			t.Errorf("fallen: %+v", j)
		}
	}
}

func TestAReviewIsJudgedInItsPlace(t *testing.T) {
	t.Parallel()
	before := []task.Judgement{{Review: "1", Counted: true}, {Review: "2", Counted: true}}
	after := judged(before, task.Judgement{Review: "1"})
	if len(after) != 2 || after[0].Counted || !before[0].Counted {
		t.Errorf("before %+v, after %+v", before, after)
	}
	state := task.Task{Judged: after}
	if got := state.Counted(); len(got) != 1 || got[0] != "2" || state.Settled("2") || !state.Settled("1") || state.Settled("3") {
		t.Errorf("counted %v", got)
	}
}
