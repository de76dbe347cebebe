package engine

import (
	"context"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/task"
)

// auditRun writes an entry about a run, in the run's own environment. It says
// everything that a history has to answer, so that the log does without the record:
// who, what, with which parameters, from which approval. decision is under what it
// was permitted; it may be nil.
func (e *Engine) auditRun(ctx context.Context, tx Tx, run *deploy.Run, actor string, action audit.Action, decision *policy.Decision) error {
	detail := map[string]any{
		"deployment": run.ID, "environment": run.Environment, "profile": run.Profile, "profileVersion": run.ProfileVersion,
		"trigger": run.Trigger, "requestedBy": run.RequestedBy.Subject, "approval": run.ApprovalID, "armedBy": run.ArmedBy.Subject,
		"repository": run.Repository.Key(), "commit": run.Commit, "covers": run.Covers, "parameters": run.Parameters,
		"state": run.State,
	}
	if run.Reason != "" {
		detail["reason"] = run.Reason
	}
	if run.Detail != "" {
		detail["detail"] = run.Detail
	}
	if len(run.Reach.Hosts) > 0 {
		detail["reach"] = run.Reach
	}
	if !run.Pipeline.IsZero() {
		p := run.Pipeline
		detail["pipeline"] = map[string]any{
			"host": p.Host, "project": p.Project, "pipeline": p.Name, "repository": run.PipelineRequest().Repository, "ref": p.Ref,
			"run": p.ID, "url": p.URL, "result": p.Result,
		}
	} else if run.State.Ended() && run.State != deploy.Withheld {
		detail["exitCode"] = run.ExitCode
	}
	if decision != nil {
		detail["decision"] = decision
	}
	entry, err := audit.New(e.Now(), actor, action, detail)
	if err != nil {
		return err
	}
	entry.Task, entry.Environment = string(run.Task), run.Environment
	return tx.Audit(ctx, entry)
}

// saveRun writes the progress of a run with its audit entry.
func (e *Engine) saveRun(ctx context.Context, run *deploy.Run, action audit.Action, decision *policy.Decision) error {
	return e.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.SaveRun(ctx, *run); err != nil {
			return err
		}
		return e.auditRun(ctx, tx, run, audit.System, action, decision)
	})
}

// notArmed is the record of what an approval would have armed: withheld from the
// start, so that everybody sees it and why.
func notArmed(r approval.Record, n int, not approval.Arming, t task.Task, at time.Time) deploy.Run {
	return deploy.Run{
		ID: deploy.RunID(r.ID, len(r.Armed)+n), Task: r.Task, ApprovalID: r.ID, Environment: not.Environment, Profile: not.Profile,
		Trigger: not.By(), RequestedBy: r.Approver, Covers: deploy.CoversLanded, ArmedAs: len(r.Armed) + n,
		ProfileVersion: not.Version, Parameters: not.Parameters, Repository: r.Repository, Commit: t.LandedCommit,
		ArmedBy: r.Approver, State: deploy.Withheld, Detail: "not armed: " + not.Why, CreatedAt: at.UTC(), FinishedAt: at.UTC(),
	}
}
