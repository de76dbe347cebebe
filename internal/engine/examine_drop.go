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

// cancelExamination stops one that is of no use any more. What it printed until then is
// kept, and judged as it would have been.
func (e *Engine) cancelExamination(ctx context.Context, kind examiner, o *examined, x task.Examination, why string) error {
	if err := e.Sandbox.Stop(ctx, x.ContainerName()); err != nil && !errors.Is(err, sandbox.ErrNotFound) {
		return fmt.Errorf("stop %s %q: %w", x.Kind, x.Name, err)
	}
	if err := e.keepLog(ctx, e.outputOfExamination(o, x), true); err != nil {
		return e.stopTrippedExamination(ctx, kind, o, x, err)
	}
	x.State, x.Summary = task.ExaminationCancelled, why
	return e.endExamination(ctx, kind, o, x, false)
}

// clearExamination removes the container and the workspaces of one that has ended, whose
// output is kept: nobody reads them again, and a proposal can wait for long. Done again it
// does nothing; what it could not remove, [Engine.Retire] does.
func (e *Engine) clearExamination(ctx context.Context, x task.Examination) {
	name := x.ContainerName()
	err := e.Storage.Remove(ctx, name)
	if err == nil {
		err = errors.Join(e.Storage.RemoveVolume(ctx, name), e.Storage.RemoveVolume(ctx, name+baseSuffix))
	}
	if err != nil {
		e.Logger.WarnContext(ctx, "what is left of an examination is removed later", "examination", x.ID, "error", err)
	}
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

// sweepExaminations looks at what runs on this node, without reading the forge: a check
// can take long, and the forge bounds how often it may be asked. It returns the tasks that
// have something to do: one of theirs ended, or waits and there is room.
func (e *Engine) sweepExaminations(ctx context.Context) ([]task.ID, error) {
	open, err := e.Store.OpenExaminations(ctx)
	if err != nil {
		return nil, err
	}
	var watched, todo []task.ID
	running := 0
	for _, x := range open {
		if x.State == task.ExaminationRunning && x.Node == e.Node {
			running++
			watched = append(watched, x.Task)
		}
	}
	for _, x := range open {
		if x.State == task.ExaminationQueued && running < e.MaxExaminations {
			todo = append(todo, x.Task)
		}
	}
	slices.Sort(watched)
	for _, id := range slices.Compact(watched) {
		done, err := e.watchOpen(ctx, id)
		if busy := (*queue.AgainError)(nil); err != nil && !errors.As(err, &busy) {
			e.Logger.WarnContext(ctx, "examinations cannot be looked at", "task", id, "error", err)
			done = true // as a step of the task, which is tried again
		}
		if done {
			todo = append(todo, id)
		}
	}
	slices.Sort(todo)
	return slices.Compact(todo), nil
}

// watchOpen looks at the running examinations of a task and tells whether it needs a step.
func (e *Engine) watchOpen(ctx context.Context, id task.ID) (todo bool, err error) {
	err = e.withTask(ctx, id, func(ctx context.Context, w *work) error {
		o, err := e.toExamine(ctx, &w.t)
		if todo = err != nil || w.t.State != task.Proposed; todo {
			return nil
		}
		for _, x := range o.all {
			if x.State != task.ExaminationRunning {
				continue
			}
			kind := e.examinerOf(x.Kind)
			if unwanted(x, o.p, kind.wanted(o.env)) != "" {
				todo = true
				continue
			}
			if err := e.watchExamination(ctx, kind, &o, x); err != nil {
				return err
			}
			now, err := e.Store.Examination(ctx, x.ID)
			todo = todo || err != nil || now.State.Ended()
		}
		return nil
	})
	return todo, err
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
	if errors.Is(err, task.ErrNotFound) || err == nil && x.State.Ended() {
		return nil // another installation's, or removed
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
	return e.examinerOf(x.Kind).looked(ctx, o, &x)
}
