package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
)

// watchPipeline follows the run of a pipeline to its end.
func (e *Engine) watchPipeline(ctx context.Context, w *work, run *deploy.Run) error {
	if err := e.mirrorDeployment(ctx, w, run); err != nil {
		e.Logger.WarnContext(ctx, "the forge cannot be told of the deployment, which goes on", "deployment", run.ID, "error", err)
	}
	if e.Deployer.Pipelines == nil {
		return e.lostPipeline(ctx, w, run, deploy.ErrNoPipelines)
	}
	now, err := e.Deployer.Pipelines.State(ctx, run.PipelineRequest(), run.Pipeline.ID)
	if errors.Is(err, forge.ErrNotFound) {
		run.State, run.FinishedAt = deploy.Unknown, e.Now().UTC()
		run.Detail = "the pipeline's run was deleted before its end was seen, or CoderFlow's account may not see it any more"
		return e.endRun(ctx, w, run)
	}
	if err != nil {
		return e.lostPipeline(ctx, w, run, err)
	}
	if err := e.pipelineSeen(ctx, run, now); err != nil {
		return err
	}
	if err := e.keepPipelineOutput(ctx, w, run, now.Ended()); err != nil {
		return err
	}
	switch {
	case now.Ended():
		return e.pipelineEnded(ctx, w, run, now)
	case run.Stopped.Why == "" && otherCommit(run, now) != "":
		return e.stopPipeline(ctx, run, otherCommit(run, now))
	case run.Stopped.Why == "" && e.Now().After(overdueAt(run)):
		return e.stopPipeline(ctx, run, "it took longer than its profile permits, since "+run.StartedAt.Format(time.RFC3339))
	case run.Stopped.Why == "":
		return nil
	case e.Now().After(run.Stopped.At.Add(pipelineCancel)):
		run.State, run.FinishedAt = deploy.Unknown, e.Now().UTC()
		run.Detail = fmt.Sprintf("%s: the pipeline's run was cancelled, and has not ended %s later. Look at it: %s", run.Stopped.Why, pipelineCancel, run.Pipeline.URL)
		return e.endRun(ctx, w, run)
	case !now.Cancelling: // the order was given, it may not have been carried out
		return e.cancelPipeline(ctx, run)
	}
	return nil
}

// pipelineSeen stores what the service says of the run, where that is new.
func (e *Engine) pipelineSeen(ctx context.Context, run *deploy.Run, now forge.PipelineRun) error {
	before := run.Pipeline
	see(run, now)
	if run.Pipeline == before || now.Ended() {
		return nil
	}
	if err := e.Store.InTx(ctx, func(tx Tx) error { return tx.SaveRun(ctx, *run) }); err != nil {
		return fmt.Errorf("save deployment %s: %w", run.ID, err)
	}
	return nil
}

// overdueAt is when the run has taken longer than its profile permitted when it was asked.
func overdueAt(run *deploy.Run) time.Time { return run.StartedAt.Add(run.Pipeline.Timeout) }

// pipelineEnded takes the end of the run for what it is.
func (e *Engine) pipelineEnded(ctx context.Context, w *work, run *deploy.Run, now forge.PipelineRun) error {
	e.Failpoint(DeploymentExited)
	trip := e.tripped(ctx, run.Task, run.ID)
	tripped := errors.As(trip, new(*CanaryError))
	if trip != nil && !tripped {
		return trip
	}
	run.State, run.FinishedAt = deploy.Failed, now.FinishedAt
	if run.FinishedAt.IsZero() {
		run.FinishedAt = e.Now().UTC()
	}
	other := otherCommit(run, now)
	stopped := cmp.Or(run.Stopped.Why, other)
	switch now.Result {
	case forge.PipelineSucceeded:
		if run.State, run.Detail = deploy.Succeeded, ""; stopped != "" {
			run.Detail = stopped + ": the pipeline's run had succeeded before it was cancelled"
		}
		if other != "" || tripped { // which is no success
			run.State = deploy.Failed
		}
	case forge.PipelineCancelled:
		run.Detail = "somebody cancelled the pipeline's run"
		if stopped != "" {
			run.Detail = stopped + ": the pipeline's run was cancelled"
		}
	case forge.PipelinePartly:
		run.Detail = "the pipeline's run succeeded in part only: something failed that it goes on after"
	case forge.PipelineFailed:
		run.Detail = "the pipeline's run failed"
		if stopped != "" {
			run.Detail = stopped + "; the pipeline's run failed"
		}
	default:
		run.State, run.Detail = deploy.Unknown, "the service does not say how the pipeline's run ended"
	}
	return e.endRun(ctx, w, run)
}

// otherCommit says that the run takes another commit than the approved one, or "".
func otherCommit(run *deploy.Run, now forge.PipelineRun) string {
	if now.Commit == "" || now.Commit == run.Commit {
		return ""
	}
	return fmt.Sprintf("the pipeline took commit %.12s instead of %.12s", now.Commit, run.Commit)
}

// stopPipeline orders the run to be cancelled, and cancels it. The order is recorded
// first, once, whoever gives it.
func (e *Engine) stopPipeline(ctx context.Context, run *deploy.Run, why string) error {
	if run.Stopped.Why == "" {
		stop := deploy.Stop{Why: why, At: e.Now().UTC()}
		err := e.Store.InTx(ctx, func(tx Tx) error {
			first, err := tx.StopRun(ctx, run.ID, stop)
			if err != nil || !first {
				return err
			}
			ordered := *run
			ordered.Detail = why
			return e.auditRun(ctx, tx, &ordered, audit.System, audit.DeployCancel, nil)
		})
		if err != nil {
			return fmt.Errorf("record that deployment %s is cancelled: %w", run.ID, err)
		}
		run.Stopped = stop
		e.Failpoint(PipelineStopped)
	}
	return e.cancelPipeline(ctx, run)
}

// cancelPipeline carries the order out. It does no harm to do so again.
func (e *Engine) cancelPipeline(ctx context.Context, run *deploy.Run) error {
	if run.Pipeline.ID == "" { // whoever finds it cancels it
		return nil
	}
	err := e.Deployer.Pipelines.Cancel(ctx, run.Pipeline.Pipeline.Ref(), run.Pipeline.ID)
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return fmt.Errorf("cancel the run of pipeline %s: %w", run.Pipeline.Pipeline.Ref(), err)
	}
	return nil
}
