package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// startExamination fills the workspaces and starts the container. The result tree comes
// from git, in a volume that no agent ever had: what it left beside its change, or wrote
// after it was collected, is not there.
func (e *Engine) startExamination(ctx context.Context, kind examiner, o *examined, d wantedExamination, x task.Examination) error {
	spec, err := e.examinationSpec(ctx, kind, o, d, &x)
	var container sandbox.Container
	if err == nil {
		container, err = e.Sandbox.Start(ctx, spec)
	} else {
		spec.Image = o.env.Agent.Image // which fills workspaces
	}
	if why := whyNotStarted(err, spec); why != "" {
		x.Summary = why
		return e.breakExamination(ctx, kind, o, x)
	}
	if err != nil {
		return fmt.Errorf("start the container: %w", err)
	}
	x.State, x.StartedAt, x.Node = task.ExaminationRunning, e.Now().UTC(), e.Node
	x.Container, x.Image = container.Name, container.ImageID
	return e.Store.InTx(ctx, func(tx Tx) error { return tx.SaveExamination(ctx, x) })
}

// examinationSpec fills the workspaces of an examination and says what its container is.
func (e *Engine) examinationSpec(ctx context.Context, kind examiner, o *examined, d wantedExamination, x *task.Examination) (sandbox.Spec, error) {
	if err := e.bring(ctx, &o.t, o.t.Requester, o.p); err != nil {
		return sandbox.Spec{}, err
	}
	commit, err := e.Git.ResultCommit(ctx, resultOf(o.p))
	if err != nil {
		return sandbox.Spec{}, fmt.Errorf("read the result tree: %w", err)
	}
	labels := labelsOf(*x)
	if d.purpose != "" {
		labels.Purpose = d.purpose
	}
	volumes := map[string]string{x.ContainerName(): commit}
	if d.base {
		volumes[x.ContainerName()+baseSuffix] = o.p.BaseCommit
	}
	for volume, commit := range volumes {
		err := e.workspace(ctx, o.p.Repository, sandbox.WorkspaceSpec{
			Volume: volume, Commit: commit, Image: o.env.Agent.Image, Labels: labels,
		})
		if err != nil {
			return sandbox.Spec{}, err
		}
	}
	spec, err := kind.spec(ctx, *o, x)
	if err != nil {
		return spec, err
	}
	spec.Name, spec.Labels, spec.Network, spec.Runtime, spec.Limits = x.ContainerName(), labels, sandbox.NetworkNone, o.env.Sandbox.Runtime, d.limits
	spec.Workspace = sandbox.Workspace{Volume: x.ContainerName(), ReadOnly: d.base}
	if d.base {
		spec.Base = x.ContainerName() + baseSuffix
	}
	return spec, nil
}

const baseSuffix = "-base"

func labelsOf(x task.Examination) sandbox.Labels {
	return sandbox.Labels{Task: x.ID, Purpose: string(x.Kind)}
}

// whyNotStarted says what an admin has to mend, or "" if it may be tried again.
func whyNotStarted(err error, spec sandbox.Spec) string {
	problem, unusable, config := (*sandbox.FieldError)(nil), (*UnusableError)(nil), (*agent.ConfigError)(nil)
	switch {
	case errors.As(err, &unusable):
		return "it cannot be used: " + unusable.Why
	case errors.As(err, &config):
		return err.Error()
	case errors.Is(err, sandbox.ErrImageMissing):
		return fmt.Sprintf("the image %q is not on this Docker engine; an admin has to build or pull it", spec.Image)
	case errors.Is(err, sandbox.ErrRuntimeMissing):
		return fmt.Sprintf("the runtime %q is not one of this Docker engine's; `coderflow doctor` lists them", spec.Runtime)
	case errors.Is(err, sandbox.ErrImageUnsuitable):
		return fmt.Sprintf("the image %q cannot be used for a sandbox: it declares volumes", spec.Image)
	case errors.Is(err, sandbox.ErrSpecMismatch):
		return "its container was made under another definition"
	case errors.As(err, &problem):
		return problem.Error()
	}
	return ""
}

func (e *Engine) outputOfExamination(o *examined, x task.Examination) outputOf {
	return outputOf{x.ContainerName(), x.LogStream(), o.t.Environment, false}
}

// watchExamination looks at a running container and takes its end for what it is.
func (e *Engine) watchExamination(ctx context.Context, kind examiner, o *examined, x task.Examination) error {
	output := e.outputOfExamination(o, x)
	if err := e.keepLog(ctx, output, false); err != nil {
		return e.stopTrippedExamination(ctx, kind, o, x, err)
	}
	status, err := e.Sandbox.Inspect(ctx, x.ContainerName())
	if err != nil {
		return fmt.Errorf("inspect the container: %w", err)
	}
	switch status.State {
	case sandbox.StateGone:
		x.Summary = "its container is gone: somebody removed it"
		return e.breakExamination(ctx, kind, o, x)
	case sandbox.StateCreated, sandbox.StateRunning:
		return e.examinationRuns(ctx, kind, o, x, status)
	}
	if err := e.keepLog(ctx, output, true); err != nil {
		return e.stopTrippedExamination(ctx, kind, o, x, err)
	}
	return e.examinationExited(ctx, kind, o, x, status)
}

// examinationRuns sees to one that goes on: it is stopped when it outlived its deadline,
// the time of freezes apart.
func (e *Engine) examinationRuns(ctx context.Context, kind examiner, o *examined, x task.Examination, status sandbox.Status) error {
	if err := e.unpaused(ctx, status); err != nil {
		return err
	}
	d, _ := wantedBy(kind.wanted(o.env), x)
	deadline := x.StartedAt.Add(d.limits.Longest() + stopMargin)
	if e.Now().After(deadline) {
		stood, err := e.stoodStill(ctx, x.ContainerName(), x.StartedAt, o.t.Environment)
		if err != nil {
			return err
		}
		if e.Now().After(deadline.Add(stood)) {
			if err := e.Sandbox.Stop(ctx, x.ContainerName()); err != nil {
				return fmt.Errorf("stop the container: %w", err)
			}
			return e.again(ctx, &o.t, 0)
		}
	}
	if err := kind.looked(ctx, *o, &x); err != nil {
		e.Logger.WarnContext(ctx, "an examination runs without what it was given", "examination", x.ID, "error", err)
	}
	return nil // its end is an event, and the sweep looks
}

func (e *Engine) examinationExited(ctx context.Context, kind examiner, o *examined, x task.Examination, status sandbox.Status) error {
	x.ExitCode, x.Reason, x.Truncated = status.ExitCode, string(status.Reason), status.Truncated
	if !status.StartedAt.IsZero() {
		x.StartedAt, x.FinishedAt = status.StartedAt.UTC(), status.FinishedAt.UTC()
	}
	size, err := e.Store.LogSize(ctx, x.LogStream())
	if err != nil {
		return fmt.Errorf("read how much output is kept: %w", err)
	}
	output, err := e.Store.ReadLog(ctx, x.LogStream(), max(0, size-endOutput), endOutput)
	if err != nil {
		return fmt.Errorf("read the output: %w", err)
	}
	again, err := kind.ended(ctx, *o, &x, examinationEnd{status: status, output: output})
	if err != nil {
		return err
	}
	return e.endExamination(ctx, kind, o, x, again)
}

// endExamination writes the end, once, with what is to follow it. The output is kept
// already: the container goes.
func (e *Engine) endExamination(ctx context.Context, kind examiner, o *examined, x task.Examination, again bool) error {
	if err := kind.closed(ctx, x); err != nil {
		return err
	}
	if x.FinishedAt.IsZero() {
		x.FinishedAt = e.Now().UTC()
	}
	waiting, err := e.waitingForRoom(ctx, x.Task)
	if err != nil {
		return err
	}
	_, ended := kind.actions()
	err = e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.SaveExamination(ctx, x); err != nil {
			return err
		}
		if err := e.audit(ctx, tx, &o.t, x.RequestedBy, ended, examinationDetail(x)); err != nil {
			return err
		}
		if again && !x.Retried(o.all) {
			next := x
			next.ID, next.Attempt, next.State, next.CreatedAt = task.NewExaminationID(), x.Attempt+1, task.ExaminationQueued, e.Now().UTC()
			next = fresh(next)
			if err := e.askExamination(ctx, tx, kind, &o.t, next); err != nil {
				return err
			}
		}
		for _, id := range waiting {
			if err := tx.Enqueue(ctx, queue.Job{Kind: queue.Advance, Key: string(id)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	e.Logger.InfoContext(ctx, "examination ended", "task", x.Task, "kind", x.Kind, "name", x.Name, "state", x.State)
	e.Observer.ExaminationEnded(ctx, x)
	e.clearExamination(ctx, x)
	return nil
}

// fresh is an examination without anything that a run of it told.
func fresh(x task.Examination) task.Examination {
	return task.Examination{
		ID: x.ID, Task: x.Task, Revision: x.Revision, Digest: x.Digest, Kind: x.Kind, Name: x.Name, Environment: x.Environment,
		Attempt: x.Attempt, Definition: x.Definition, State: x.State, Agent: x.Agent, Model: x.Model,
		RequestedBy: x.RequestedBy, PolicyVersion: x.PolicyVersion, CreatedAt: x.CreatedAt,
	}
}

// wokenAtOnce is how many tasks are looked at when there is room for one examination more.
const wokenAtOnce = 5

// waitingForRoom are other tasks, oldest first, whose examinations wait.
func (e *Engine) waitingForRoom(ctx context.Context, but task.ID) ([]task.ID, error) {
	open, err := e.Store.OpenExaminations(ctx)
	if err != nil {
		return nil, err
	}
	var ids []task.ID
	for _, x := range open {
		if x.State == task.ExaminationQueued && x.Task != but && !slices.Contains(ids, x.Task) && len(ids) < wokenAtOnce {
			ids = append(ids, x.Task)
		}
	}
	return ids, nil
}

// breakExamination ends one of which nothing can be learnt. Its summary says why.
func (e *Engine) breakExamination(ctx context.Context, kind examiner, o *examined, x task.Examination) error {
	x.State = task.ExaminationBroken
	return e.endExamination(ctx, kind, o, x, false)
}

// stopTrippedExamination ends one that said a canary. Any other error is returned as it is.
func (e *Engine) stopTrippedExamination(ctx context.Context, kind examiner, o *examined, x task.Examination, err error) error {
	var canary *CanaryError
	if !errors.As(err, &canary) {
		return err
	}
	canary.Trip.Deployment = x.ID // its own container, not the agent's
	if err := e.recordTrip(ctx, &o.t, canary.Trip); err != nil {
		return err
	}
	if err := e.Sandbox.Stop(ctx, x.ContainerName()); err != nil {
		return fmt.Errorf("stop the examination that has a canary: %w", err)
	}
	output := e.outputOfExamination(o, x)
	output.tripped = true
	if err := e.keepLog(ctx, output, true); err != nil {
		return err
	}
	x.Summary, x.Reason = stopped(canary.Trip), "canary"
	return e.breakExamination(ctx, kind, o, x)
}
