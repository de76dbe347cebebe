package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// runPace is how often a run that is under way is looked at, for its output.
const runPace = time.Second

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
// words: a run that is under way holds up those after it.
func (e *Engine) advanceRuns(ctx context.Context, w *work) (open int, err error) {
	runs, err := e.Store.DeployRuns(ctx, w.t.ID)
	if err != nil {
		return 0, fmt.Errorf("read the deployments: %w", err)
	}
	var errs []error
	var underWay, inOrder bool
	for i := range runs {
		run := &runs[i]
		switch {
		case run.State.Ended():
			errs = append(errs, e.mirrorDeployment(ctx, w, run))
			continue
		case run.State == deploy.Armed:
			continue
		case inOrder && run.Trigger != deploy.ByRequest:
			open++
			continue
		}
		errs = append(errs, e.advanceRun(ctx, w, run))
		if run.State.Ended() {
			continue
		}
		open++
		if run.State == deploy.Created || run.State == deploy.Running {
			underWay = true
			inOrder = inOrder || run.Trigger != deploy.ByRequest
		}
	}
	if underWay {
		errs = append(errs, e.again(ctx, &w.t, runPace))
	}
	return open, errors.Join(errs...)
}

// advanceRun takes one run as far as it goes now.
func (e *Engine) advanceRun(ctx context.Context, w *work, run *deploy.Run) error {
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
		// The one before it may have been forgotten: it is looked at first.
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(turn.Task)})
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

// giveUpTurn lets others go first after a run could not be prepared. If that fails
// too, the run goes on with its turn when it is looked at again.
func (e *Engine) giveUpTurn(ctx context.Context, run *deploy.Run) {
	if ctx.Err() != nil {
		return
	}
	err := e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.ReleaseTurn(ctx, run.ID); err != nil {
			return err
		}
		return e.wakeWaiting(ctx, tx, run)
	})
	if err != nil {
		e.Logger.WarnContext(ctx, "turn not given up, the run goes on with it", "deployment", run.ID, "error", err)
		return
	}
	run.ClaimedAt = time.Time{}
}

// wakeWaiting has everybody looked at who may begin now.
func (e *Engine) wakeWaiting(ctx context.Context, tx Tx, run *deploy.Run) error {
	waiting, err := tx.Waiting(ctx, run.Environment)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		if err := tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(id)}); err != nil {
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
