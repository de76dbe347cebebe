package approval_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// checked is a world in which the check "tests" is required.
func checked(states ...task.ExaminationState) *world {
	w := newWorld()
	env := w.policy.Environments["staging"]
	env.Checks = []policy.RequiredCheck{{Name: "tests", Definition: "sha256:def"}}
	w.policy.Environments["staging"] = env
	for i, s := range states {
		w.ran(i+1, s)
	}
	return w
}

func (w *world) ran(attempt int, s task.ExaminationState) {
	w.examinations = append(w.examinations, task.Examination{
		ID: task.NewExaminationID(), Task: w.task.ID, Revision: 1, Kind: task.Check, Name: "tests", Digest: w.proposal.Digest,
		Definition: "sha256:def", Attempt: attempt, State: s,
	})
}

// An approval counts and waits while a required check may still pass, and is refused for
// good once it has ended otherwise.
func TestARequiredCheckMustHavePassed(t *testing.T) {
	t.Parallel()
	const passed, failed = task.ExaminationPassed, task.ExaminationFailed
	for name, row := range map[string]struct {
		w       *world
		change  func(*world)
		allowed bool
		waiting bool
		says    string
	}{
		"passed":       {w: checked(passed), allowed: true},
		"never ran":    {w: checked(), waiting: true, says: `required check "tests" has not run`},
		"queued":       {w: checked(task.ExaminationQueued), waiting: true, says: "is queued"},
		"running":      {w: checked(task.ExaminationRunning), waiting: true, says: "is running"},
		"failed":       {w: checked(failed), says: "failed; once `/coderflow check tests` has passed"},
		"broken":       {w: checked(task.ExaminationBroken), says: "could not be run"},
		"cancelled":    {w: checked(task.ExaminationCancelled), says: "was cancelled"},
		"unknown":      {w: checked("odd"), waiting: true, says: "is odd"},
		"runs again":   {w: checked(failed, task.ExaminationRunning), waiting: true, says: "is running"},
		"passed again": {w: checked(failed, passed), allowed: true},
		"failed again": {w: checked(passed, failed), says: "failed"},
		"passed on another revision": {w: checked(passed), waiting: true, says: "has not run",
			change: func(w *world) { w.examinations[0].Digest = "sha256:other" }},
		"passed as it was defined before": {w: checked(passed), waiting: true, says: "is defined otherwise",
			change: func(w *world) { w.examinations[0].Definition = "sha256:old" }},
		"a judge of the name passed": {w: checked(passed), waiting: true, says: "has not run",
			change: func(w *world) { w.examinations[0].Kind = task.Judge }},
		"failed, and others are missing too": {w: checked(failed), says: "failed",
			change: func(w *world) { w.gateOf(func(g *policy.Gate) { g.Approvals = 2 }) }},
		"runs, and others are missing too": {w: checked(task.ExaminationRunning), waiting: true, says: "1 of 2 approvals",
			change: func(w *world) { w.gateOf(func(g *policy.Gate) { g.Approvals = 2 }) }},
		"one passed, another runs": {w: checked(passed), waiting: true, says: `"lint" has not run`,
			change: func(w *world) { w.requires("lint") }},
		"one failed, another runs": {w: checked(failed), says: "failed", change: func(w *world) { w.requires("lint") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if row.change != nil {
				row.change(row.w)
			}
			_, err := row.w.gate().Record(t.Context(), row.w.task.ID, "10")
			refused := (*approval.RefusedError)(nil)
			switch {
			case row.allowed:
				if err != nil {
					t.Error(err)
				}
			case !errors.As(err, &refused) || refused.Waiting != row.waiting:
				t.Errorf("%v, waiting %v", err, refused)
			case !strings.Contains(refused.Decision.Reason.String(), row.says):
				t.Errorf("it does not say %q:\n%s", row.says, refused.Decision.Reason)
			}
		})
	}
}

func (w *world) requires(name string) {
	env := w.policy.Environments["staging"]
	env.Checks = append(env.Checks, policy.RequiredCheck{Name: name, Definition: "sha256:" + name})
	w.policy.Environments["staging"] = env
}

// Between the approval and its landing, whatever a required check depends on may change.
// What has landed is deployed without asking again: a check could not run on it any more.
func TestAnApprovalIsRedeemedOnlyWhileItsChecksStand(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*world){
		"its definition was changed":      func(w *world) { w.examinations[0].Definition = "sha256:old" },
		"it was run again and failed":     func(w *world) { w.ran(2, task.ExaminationFailed) },
		"it runs again":                   func(w *world) { w.ran(2, task.ExaminationRunning) },
		"another check is required now":   func(w *world) { w.requires("lint") },
		"its result is not there":         func(w *world) { w.examinations = nil },
		"the check is of another version": func(w *world) { w.examinations[0].Digest = "sha256:other" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := checked(task.ExaminationPassed)
			r := recorded(t, w)
			if _, err := w.redeem(t, r, policy.ToLand); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			change(w)
			refused := (*approval.RefusedError)(nil)
			if g, err := w.redeem(t, r, policy.ToLand); !errors.As(err, &refused) || refused.Waiting || g.Check() == nil {
				t.Errorf("granted: %v", err)
			}
			w.lands()
			if _, err := w.redeem(t, r, policy.ToDeploy); err != nil {
				t.Errorf("what has landed cannot be deployed: %v", err)
			}
		})
	}
}

// What is recorded of an approval is what it was decided by, whatever is asked for meanwhile.
func TestAnApprovalSaysWhatTheGateReadOfItsExaminations(t *testing.T) {
	t.Parallel()
	w := checked(task.ExaminationFailed, task.ExaminationPassed)
	w.said(kind)
	other := w.examinations[1]
	other.Digest, other.Name = "sha256:other", "other"
	w.examinations = append(w.examinations, other)
	g := w.gate()
	g.Forge = asking{w}
	r, err := g.Record(t.Context(), w.task.ID, "10")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Examined) != 2 || r.Examined[0].ID != w.examinations[1].ID || r.Examined[0].State != task.ExaminationPassed || r.Examined[1].Kind != task.Judge {
		t.Errorf("it was decided by %+v", r.Examined)
	}
}

// asking is a forge at which somebody asks for another attempt while the gate reads it.
type asking struct{ *world }

func (a asking) PullRequest(ctx context.Context, ref forge.RepositoryRef, number int) (forge.PullRequest, error) {
	a.ran(3, task.ExaminationQueued)
	return a.world.PullRequest(ctx, ref, number)
}
