package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// stopMargin is added to the container's own bounds before it is stopped from outside.
const stopMargin = 10 * time.Second

// watch looks at the running container: it keeps its output, enforces the
// deadline from outside, and takes its end for what it is.
func (e *Engine) watch(ctx context.Context, w *work) error {
	if err := e.tripped(ctx, w.t.ID, ""); err != nil {
		return e.stopTripped(ctx, w, err)
	}
	output := outputOf{w.t.Run.Container, "task/" + string(w.t.ID), w.t.Environment, false}
	status, err := e.Sandbox.Inspect(ctx, w.t.Run.Container)
	if err != nil {
		return fmt.Errorf("inspect the container: %w", err)
	}
	if err := e.keepLogFrom(ctx, output, w.t.Run.LogFrom, status.State == sandbox.StateExited); err != nil {
		return e.stopTripped(ctx, w, err)
	}
	switch status.State {
	case sandbox.StateRunning, sandbox.StateCreated:
		return e.stillRunning(ctx, w, status)
	case sandbox.StateGone:
		return failed(nil, "the container is gone: somebody removed it")
	}
	if err := e.closeModels(ctx, w.t.ID); err != nil { // what was under way there is judged
		return err
	}
	if err := e.tripped(ctx, w.t.ID, ""); err != nil {
		return e.stopTripped(ctx, w, err)
	}
	e.Failpoint(OutputKept)
	w.t.Run.ExitCode, w.t.Run.Reason = status.ExitCode, string(status.Reason)
	w.t.Run.StartedAt, w.t.Run.FinishedAt, w.t.Run.Truncated = status.StartedAt, status.FinishedAt, status.Truncated
	if err := e.stopped(ctx, &w.t); err != nil {
		if stop := (*failure)(nil); errors.As(err, &stop) {
			return e.runEnded(ctx, w, status, stop.to, stop.why)
		}
		return err
	}
	why, err := e.whyFailed(ctx, &w.t, status)
	if err != nil {
		return err
	}
	if why != "" && w.t.Revising() {
		return e.revisionFell(ctx, w, why, func(tx Tx) error { return e.auditEnd(ctx, tx, w, status) })
	}
	if why != "" {
		return e.runEnded(ctx, w, status, task.Failed, why)
	}
	return e.runEnded(ctx, w, status, task.Collecting, "")
}

// whyFailed says for people why a run that ended brings no proposal; empty if it
// may. An exit status of 0 is no proof of work: what the agent reported last and
// what the gateway refused belong to it.
func (e *Engine) whyFailed(ctx context.Context, t *task.Task, status sandbox.Status) (string, error) {
	told, err := e.account(ctx, t)
	if err != nil {
		return "", err
	}
	var why []string
	if status.Reason != sandbox.ReasonOK {
		why = append(why, status.Reason.Explain(), status.Detail)
	}
	if told.outcome.Verdict == activity.Failed {
		why = append(why, "The agent reported an error: "+activity.Brief(told.outcome.Reason))
	}
	if len(why) == 0 {
		return "", nil
	}
	refusals, err := e.Store.ModelRefusals(ctx, t.ID)
	if err != nil {
		return "", err
	}
	for _, r := range refusals[:min(len(refusals), maxWhyRefusals)] {
		why = append(why, fmt.Sprintf("The gateway refused %s (%d times): %s", r.What, r.Count, r.Why))
	}
	return strings.TrimSpace(strings.Join(slices.DeleteFunc(why, func(s string) bool { return s == "" }), "\n")), nil
}

const maxWhyRefusals = 3

func (e *Engine) runEnded(ctx context.Context, w *work, status sandbox.Status, to task.State, why string) error {
	w.t.Failure = why
	return e.move(ctx, w, to, func(tx Tx) error { return e.auditEnd(ctx, tx, w, status) })
}

func (e *Engine) auditEnd(ctx context.Context, tx Tx, w *work, status sandbox.Status) error {
	return e.audit(ctx, tx, &w.t, audit.System, audit.ContainerEnded, map[string]any{
		"container": status.Name, "reason": status.Reason, "exitCode": status.ExitCode, "truncated": status.Truncated,
	})
}

// stillRunning stops a container that was cancelled, outlived its deadline, or
// whose environment an admin removed. One that was created but never started belongs to a step that was killed.
func (e *Engine) stillRunning(ctx context.Context, w *work, status sandbox.Status) error {
	env, err := e.environment(ctx, &w.t)
	if removed := (*failure)(nil); errors.As(err, &removed) {
		if stop := e.Sandbox.Stop(ctx, w.t.Run.Container); stop != nil {
			return fmt.Errorf("stop the container of a removed environment: %w", stop)
		}
		return err
	}
	if err != nil {
		return err
	}
	if err := e.unpaused(ctx, status); err != nil {
		return err
	}
	overdue := !status.StartedAt.IsZero() && e.Now().After(status.StartedAt.Add(env.Limits.Sandbox().Longest()+stopMargin))
	if overdue { // the time of freezes does not count
		stood, err := e.stoodStill(ctx, status.Name, status.StartedAt, w.t.Environment)
		if err != nil {
			return err
		}
		overdue = e.Now().After(status.StartedAt.Add(env.Limits.Sandbox().Longest() + stopMargin + stood))
	}
	if !wanted(&w.t) || overdue {
		if err := e.Sandbox.Stop(ctx, w.t.Run.Container); err != nil {
			return fmt.Errorf("stop the container: %w", err)
		}
		return e.again(ctx, &w.t, 0)
	}
	// A server that restarted opens the way out again; a changed environment changes it.
	if _, err := e.openModels(ctx, &w.t, env); err != nil {
		e.Logger.WarnContext(ctx, "the agent cannot reach its model", "task", w.t.ID, "error", err)
	}
	if wire, err := e.Secrets.Tripwire(ctx, w.t.Environment); wire != nil && err == nil {
		return e.again(ctx, &w.t, canaryPace)
	}
	return nil
}

// outputOf is where output comes from and goes to, and whose secrets it may have.
type outputOf struct {
	container, stream, environment string
	// tripped says that a canary is known to be in it: it is kept all the same.
	tripped bool
}

// keepLog moves output from the container to the store, redacted. What is stored
// already is skipped by its offset, so nothing is stored twice; redaction leaves
// offsets alone. complete says that the container has ended. Where a canary is in
// the output, nothing is stored and the error is a *CanaryError.
func (e *Engine) keepLog(ctx context.Context, from outputOf, complete bool) error {
	return e.keepLogFrom(ctx, from, 0, complete)
}

// keepLogFrom does so for a container whose output begins at that byte of the stream.
func (e *Engine) keepLogFrom(ctx context.Context, from outputOf, begins int64, complete bool) error {
	offset, err := e.Store.LogSize(ctx, from.stream)
	if err != nil {
		return fmt.Errorf("read how much output is kept: %w", err)
	}
	var output bytes.Buffer
	next, err := e.Sandbox.Logs(ctx, from.container, sandbox.LogOptions{Offset: offset - begins}, &output)
	if errors.Is(err, sandbox.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the output: %w", err)
	}
	if next <= offset-begins {
		return nil
	}
	if !from.tripped {
		if err := e.canaryIn(ctx, from.environment, offset, output.Bytes()); err != nil {
			return err
		}
	}
	clean, err := e.redact(ctx, from.environment, output.Bytes(), complete)
	if err != nil || len(clean) == 0 {
		return err
	}
	if err := e.Store.AppendLog(ctx, from.stream, offset, clean); err != nil {
		return fmt.Errorf("keep the output: %w", err)
	}
	return nil
}

// ContainerChanged has the task or deployment behind a container looked at. A
// resync means that events may be missing: then everything is.
func (e *Engine) ContainerChanged(ctx context.Context, event sandbox.Event) error {
	if event.Kind == sandbox.EventResync {
		return e.Sweep(ctx)
	}
	id, isTask := strings.CutPrefix(event.Name, containerPrefix)
	id, _, _ = strings.Cut(id, roundMark)
	if run, isRun := strings.CutPrefix(event.Name, deploy.ContainerPrefix); isRun {
		return e.runChanged(ctx, run)
	}
	if exam, isExam := strings.CutPrefix(event.Name, task.ExaminationPrefix); isExam {
		return e.examinationChanged(ctx, exam)
	}
	if _, err := task.ParseID(id); !isTask || err != nil {
		return nil //nolint:nilerr // a helper
	}
	return e.Store.InTx(ctx, func(tx Tx) error {
		return tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: id})
	})
}
