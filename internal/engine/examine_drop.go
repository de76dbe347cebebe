package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// cancelExamination stops one that is of no use any more.
func (e *Engine) cancelExamination(ctx context.Context, kind examiner, o *examined, x task.Examination, why string) error {
	if err := e.Sandbox.Stop(ctx, x.ContainerName()); err != nil && !errors.Is(err, sandbox.ErrNotFound) {
		return fmt.Errorf("stop %s %q: %w", x.Kind, x.Name, err)
	}
	x.State, x.Summary = task.ExaminationCancelled, why
	return e.endExamination(ctx, kind, o, x, false)
}

// dropExaminations ends what has not ended. It is done again until it worked: whatever
// a step missed, [Engine.Sweep] finds.
func (e *Engine) dropExaminations(ctx context.Context, t *task.Task, why string) error {
	all, err := e.Store.Examinations(ctx, t.ID)
	if err != nil {
		return err
	}
	o := &examined{t: *t, all: all}
	var errs []error
	for _, x := range all {
		for _, kind := range e.examiners() {
			if x.Kind == kind.kind() && !x.State.Ended() {
				errs = append(errs, e.cancelExamination(ctx, kind, o, x, why))
			}
		}
	}
	return errors.Join(errs...)
}

// toWatch lists tasks with examinations that have not ended.
func (e *Engine) toWatch(ctx context.Context) ([]task.ID, error) {
	open, err := e.Store.OpenExaminations(ctx)
	if err != nil {
		return nil, err
	}
	var ids []task.ID
	for _, x := range open {
		if !slices.Contains(ids, x.Task) {
			ids = append(ids, x.Task)
		}
	}
	return ids, nil
}

// unexamined ends the examinations of a task that waits for no approval any more.
func (e *Engine) unexamined(ctx context.Context, w *work) error {
	if w.t.State == task.Proposed {
		return nil
	}
	return e.dropExaminations(ctx, &w.t, fmt.Sprintf("the task is %s", w.t.State))
}

// examinationChanged has the task of an examination's container looked at.
func (e *Engine) examinationChanged(ctx context.Context, id string) error {
	x, err := e.Store.Examination(ctx, id)
	if errors.Is(err, task.ErrNotFound) {
		return nil // another installation's
	}
	if err != nil {
		return err
	}
	return e.enqueue(ctx, []queue.Job{{Kind: queue.Advance, Key: string(x.Task)}})
}

// reopenExamination gives one that goes on after a thaw what it had before.
func (e *Engine) reopenExamination(ctx context.Context, id string) error {
	x, err := e.Store.Examination(ctx, id)
	if err != nil {
		return err
	}
	t, err := e.Store.Task(ctx, x.Task)
	if err != nil {
		return err
	}
	o, err := e.toExamine(ctx, &t)
	if err != nil {
		return err
	}
	for _, kind := range e.examiners() {
		if kind.kind() == x.Kind {
			return kind.looked(ctx, o, &x)
		}
	}
	return nil
}
