package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// runPace is how often a run that is under way is looked at, for its output.
const runPace = time.Second

// maxTried bounds how long a run is tried that cannot be prepared.
const maxTried = 24 * time.Hour

// How long after a run that could not be prepared, or waits in the queue itself,
// another task is looked at: at first, and at most.
const (
	wakePause    = 5 * time.Second
	maxWakePause = time.Minute
)

// deploy takes the runs of a task that is deploying as far as they go now. Those
// that wait for the merge do not keep the task from being done.
func (e *Engine) deploy(ctx context.Context, w *work) error {
	open, err := e.advanceRuns(ctx, w)
	if err != nil || open > 0 {
		return err
	}
	return e.move(ctx, w, task.Done, nil)
}

// deployLater takes the runs of a task that is done: requested ones, and those that
// waited for the merge. The task stays done.
func (e *Engine) deployLater(ctx context.Context, w *work) error {
	_, err := e.advanceRuns(ctx, w)
	return err
}

// advanceRuns takes every run of the task as far as it goes now and counts those
// that have not ended, without those that wait for the merge. A run that fails to go
// on does not hold up the others. What one review armed begins in the order of its
// words: one that has not ended, also because it waits for its turn or could not be
// prepared, holds up those after it. A run that is under way holds up whatever the
// approval armed after it.
func (e *Engine) advanceRuns(ctx context.Context, w *work) (open int, err error) {
	runs, err := e.Store.DeployRuns(ctx, w.t.ID)
	if err != nil {
		return 0, fmt.Errorf("read the deployments: %w", err)
	}
	var errs []error
	var pace time.Duration // 0: none is under way
	var inOrder bool
	heldUp := map[string]bool{} // approvals
	for i := range runs {
		run := &runs[i]
		switch {
		case run.State.Ended():
			errs = append(errs, e.mirrorDeployment(ctx, w, run))
			continue
		case run.State == deploy.Armed:
			continue
		case inOrder && run.Trigger != deploy.ByRequest, run.Trigger == deploy.ByReview && heldUp[run.ApprovalID]:
			open++
			continue
		}
		errs = append(errs, e.advanceRun(ctx, w, run))
		if run.State.Ended() {
			continue
		}
		open++
		heldUp[run.ApprovalID] = heldUp[run.ApprovalID] || run.Trigger == deploy.ByReview
		if run.State == deploy.Created || run.State == deploy.Running {
			pace = sooner(pace, paceOf(run))
			inOrder = inOrder || run.Trigger != deploy.ByRequest
		}
	}
	if pace > 0 {
		errs = append(errs, e.again(ctx, &w.t, pace))
	}
	return open, errors.Join(errs...)
}

// paceOf is how often a run is looked at that is under way.
func paceOf(run *deploy.Run) time.Duration {
	if !run.Pipeline.IsZero() {
		return pipelinePace
	}
	return runPace
}

// sooner is the shorter one of two times, of which the first may be none.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// advanceRun takes one run as far as it goes now. Where its environment is frozen it
// stays as it is; the task may be of another one.
func (e *Engine) advanceRun(ctx context.Context, w *work, run *deploy.Run) error {
	held, leave, err := e.Freezes.Hold(ctx, run.Environment)
	defer leave()
	if err == nil {
		err = e.takeRunOn(held, w, run)
	}
	if frozenBy(held, err) != nil && ctx.Err() == nil {
		e.Logger.DebugContext(ctx, "a deployment is held up by a freeze", "deployment", run.ID, "environment", run.Environment, "why", err)
		return nil
	}
	return err
}

func (e *Engine) takeRunOn(ctx context.Context, w *work, run *deploy.Run) error {
	for {
		before := run.State
		stored := *run
		if err := e.deployRun(ctx, w, run); err != nil {
			*run = stored // what was only meant to be written
			return fmt.Errorf("deployment %s: %w", run.ID, err)
		}
		if run.State == before || run.State.Ended() {
			return nil
		}
	}
}

// takeTurn reports whether the run may begin. If not, whoever holds it up has it
// looked at again: the end of a run wakes those that wait.
func (e *Engine) takeTurn(ctx context.Context, run *deploy.Run) (bool, error) {
	if !run.ClaimedAt.IsZero() {
		return true, nil
	}
	var turn deploy.Turn
	err := e.Store.InTx(ctx, func(tx Tx) (err error) {
		if turn, err = tx.ClaimTurn(ctx, run.ID); err != nil || !turn.Queued {
			return err
		}
		if turn.Task == run.Task { // it is being looked at
			return nil
		}
		// The one before it may have been forgotten. It may as well wait for this
		// task, so not at once.
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(turn.Task), RunAt: e.Now().Add(wakePause)})
	})
	if err != nil {
		return false, err
	}
	run.Detail = turn.String()
	if turn.Own {
		run.ClaimedAt = e.Now()
	}
	return turn.Own, nil
}

// createRun makes the container of a run whose turn it is. One that cannot be
// prepared lets others go first, so that it does not hold up its environment, and is
// tried again for a day at most, unless it is certain that time mends nothing.
func (e *Engine) createRun(ctx context.Context, w *work, run *deploy.Run) error {
	own, err := e.takeTurn(ctx, run)
	if err != nil || !own {
		return err
	}
	e.Failpoint(TurnTaken)
	before := *run
	err = e.prepareRun(ctx, w, run)
	if err == nil || ctx.Err() != nil || frozenBy(ctx, err) != nil {
		return err
	}
	if len(run.Reach.Hosts) > 0 {
		err = errors.Join(err, e.Ways.CloseRun(ctx, *run)) // it is opened again the next time
	}
	*run = before // what was only meant to be written
	unusable := (*CredentialError)(nil)
	switch {
	case errors.Is(err, forge.ErrNotFound):
		return e.withhold(ctx, w, run, "the forge does not show the repository or the pull request any more: "+lastWords(err))
	case errors.As(err, &unusable):
		return e.withhold(ctx, w, run, unusable.Error())
	case !run.TriedAt.IsZero() && e.Now().After(run.TriedAt.Add(maxTried)):
		run.State, run.FinishedAt = deploy.Failed, e.Now().UTC()
		run.Detail = fmt.Sprintf("it could not be prepared for %s; it never ran. The last error: %s", maxTried, lastWords(err))
		return e.endRun(ctx, w, run)
	}
	e.giveUpTurn(ctx, run, err)
	return err
}

// lastWords is an error as one line for people.
func lastWords(err error) string {
	const most = 500
	s := strings.Join(strings.Fields(strings.ToValidUTF8(err.Error(), "�")), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}

// giveUpTurn lets others go first after a run could not be prepared. If that fails
// too, the run goes on with its turn when it is looked at again. Its own task is not
// woken, because the job of it is retried, ever more seldom; others are, with a pause
// that grows, because they may be such runs too.
func (e *Engine) giveUpTurn(ctx context.Context, run *deploy.Run, why error) {
	now := e.Now()
	pause := wakePause
	if !run.TriedAt.IsZero() {
		pause = min(max(now.Sub(run.TriedAt)/10, wakePause), maxWakePause)
	}
	err := e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.ReleaseTurn(ctx, run.ID, "it could not be prepared and is tried again: "+lastWords(why)); err != nil {
			return err
		}
		return e.wakeOthers(ctx, tx, run, run.Task, now.Add(pause))
	})
	if err != nil {
		e.Logger.WarnContext(ctx, "turn not given up, the run goes on with it", "deployment", run.ID, "error", err)
		return
	}
	run.ClaimedAt = time.Time{}
}

// wakeWaiting has everybody looked at who may begin now.
func (e *Engine) wakeWaiting(ctx context.Context, tx Tx, run *deploy.Run) error {
	return e.wakeOthers(ctx, tx, run, "", time.Time{})
}

// wakeOthers has everybody but one task looked at who waits for the run's environment.
func (e *Engine) wakeOthers(ctx context.Context, tx Tx, run *deploy.Run, but task.ID, at time.Time) error {
	waiting, err := tx.Waiting(ctx, run.Environment)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		if id == but {
			continue
		}
		if err := tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(id), RunAt: at}); err != nil {
			return err
		}
	}
	return nil
}

// insertArmed records what an approval armed, and what it did not arm, as runs.
func (e *Engine) insertArmed(ctx context.Context, tx Tx, w *work, record approval.Record, set *manifest.Set) error {
	merge := false
	for i, armed := range record.Armed {
		merge = merge || armed.By() == approval.OnMerge
		if _, err := tx.InsertRun(ctx, newRun(w.t, record, i, armed, set, e.Now())); err != nil {
			return err
		}
	}
	for i, not := range record.NotArmed {
		run := notArmed(record, i, not, w.t, e.Now())
		if _, err := tx.InsertRun(ctx, run); err != nil {
			return err
		}
		if err := e.auditRun(ctx, tx, &run, audit.System, audit.DeployRefused, nil); err != nil {
			return err
		}
	}
	if !merge {
		return nil
	}
	// The merge may have been told before there was anybody to wait for it.
	return tx.Enqueue(ctx, queue.Job{Kind: queue.Merge, Key: string(w.t.ID)})
}
