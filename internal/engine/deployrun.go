package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/gitops"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/policy"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// newRun records an armed deployment. A profile that is gone or changed since
// the approval is withheld at its turn, in words, so the record is made anyhow.
func newRun(t task.Task, r approval.Record, n int, armed approval.Arming, set *manifest.Set, at time.Time) deploy.Run {
	p, _ := set.Profile(armed.Environment, armed.Profile)
	return deploy.NewRun(r, n, t.LandedCommit, p, at)
}

// deployRun takes one run one step on. A container is started at most once:
// it is created, then recorded, then started (see deploy.Created).
func (e *Engine) deployRun(ctx context.Context, w *work, run *deploy.Run) error {
	switch run.State {
	case deploy.Pending:
		return e.createRun(ctx, w, run)
	case deploy.Created:
		if !run.Pipeline.IsZero() {
			return e.findPipeline(ctx, w, run)
		}
		return e.startRun(ctx, w, run)
	case deploy.Running:
		if !run.Pipeline.IsZero() {
			return e.watchPipeline(ctx, w, run)
		}
		return e.watchRun(ctx, w, run)
	}
	return nil
}

// mayDeploy reads the forge again and returns the grant for exactly this run, under
// which it may go on, or withholds it.
func (e *Engine) mayDeploy(ctx context.Context, w *work, run *deploy.Run) (approval.Grant, bool, error) {
	missing := e.bringNewest(ctx, w) // before the gate is asked: it may take a while
	grant, err := e.Gate.RedeemDeployment(ctx, run.ApprovalID, run.Deployment())
	if refused := (*approval.RefusedError)(nil); errors.As(err, &refused) {
		return grant, false, e.withhold(ctx, w, run, refused.Decision.Reason.Refusals()...)
	}
	if err != nil {
		return grant, false, fmt.Errorf("redeem approval %s: %w", run.ApprovalID, err)
	}
	if missing != nil {
		return grant, false, missing
	}
	commit, err := e.Git.Commit(ctx, grant)
	if err != nil {
		return grant, false, fmt.Errorf("make the commit again: %w", err)
	}
	if commit != w.t.LandedCommit || run.Covers != deploy.CoversMerge && commit != run.Commit {
		return grant, false, e.withhold(ctx, w, run, "the commit to deploy is not the one that the approval made")
	}
	return grant, true, nil
}

func (e *Engine) withhold(ctx context.Context, w *work, run *deploy.Run, why ...string) error {
	run.State, run.FinishedAt, run.Detail = deploy.Withheld, e.Now().UTC(), ""
	for i, reason := range why {
		if i > 0 {
			run.Detail += "; "
		}
		run.Detail += reason
	}
	return e.endRun(ctx, w, run)
}

func (e *Engine) prepareRun(ctx context.Context, w *work, run *deploy.Run) error {
	profile, why, err := e.pinnedProfile(ctx, run)
	if err != nil {
		return err
	}
	if why != "" {
		return e.withhold(ctx, w, run, why)
	}
	if profile.Pipeline != nil {
		return e.askPipeline(ctx, w, run, profile)
	}
	grant, ok, err := e.mayDeploy(ctx, w, run)
	if err != nil || !ok {
		return err
	}
	secrets, err := e.deploySecrets(ctx, run.Environment, profile)
	if missing := (*MissingSecretError)(nil); errors.As(err, &missing) {
		return e.withhold(ctx, w, run, missing.Error())
	}
	if err != nil {
		return err
	}
	err = e.deployWorkspace(ctx, w, run, profile)
	if errors.Is(err, errNotOnBranch) {
		return e.withhold(ctx, w, run, fmt.Sprintf("commit %.12s is not on branch %s any more", run.Commit, w.t.BaseBranch))
	}
	if err != nil {
		return err
	}
	way, err := e.openWay(ctx, run, profile)
	if err != nil {
		return err
	}
	e.Failpoint(DeploymentPrepared)
	container, err := e.Deployer.Create(ctx, grant, *run, profile, secrets, way)
	if errors.Is(err, sandbox.ErrImageMissing) {
		run.State, run.Detail, run.FinishedAt = deploy.Failed, "the profile's image is not on this Docker engine", e.Now().UTC()
		return e.endRun(ctx, w, run)
	}
	if err != nil {
		return fmt.Errorf("create the deployment's container: %w", err)
	}
	e.Failpoint(DeploymentCreated)
	run.State, run.Container, run.Script = deploy.Created, container.Name, profile.Script
	decision := grant.Decision()
	return e.saveRun(ctx, run, audit.DeployIntent, &decision)
}

// pinnedProfile is the profile as it was armed or asked for, or why it is not that
// any more.
func (e *Engine) pinnedProfile(ctx context.Context, run *deploy.Run) (p deploy.Profile, why string, err error) {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return p, "", fmt.Errorf("read the manifests: %w", err)
	}
	p, known := set.Profile(run.Environment, run.Profile)
	switch {
	case !known:
		return p, "the profile was removed since " + run.Since(), nil
	case p.Digest() != run.ProfileVersion:
		return p, "the profile was changed since " + run.Since(), nil
	}
	return p, "", nil
}

// deployWorkspace checks the commit out. A merge is fetched first; the forge may show
// it a moment after it reported it.
func (e *Engine) deployWorkspace(ctx context.Context, w *work, run *deploy.Run, profile deploy.Profile) error {
	for attempt := 1; ; attempt++ {
		err := e.fetchMerge(ctx, w, run)
		if err == nil {
			err = e.workspace(ctx, run.Repository, sandbox.WorkspaceSpec{
				Volume: run.VolumeName(), Commit: run.Commit, Image: e.Deployer.ImageFor(profile),
				Labels: sandbox.Labels{Task: run.ID, Purpose: "deploy"},
			})
		}
		if run.Covers != deploy.CoversMerge || !errors.Is(err, gitops.ErrObjectMissing) && !errors.Is(err, errNotOnBranch) {
			return err
		}
		if attempt == fetchAttempts {
			return errNotOnBranch
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(fetchPause):
		}
	}
}

// How often, and how far apart, a merge is looked for that the forge reported.
const (
	fetchAttempts = 4
	fetchPause    = 2 * time.Second
)

func (e *Engine) startRun(ctx context.Context, w *work, run *deploy.Run) error {
	status, err := e.Deployer.Status(ctx, *run)
	if err != nil {
		return fmt.Errorf("inspect the deployment's container: %w", err)
	}
	var permitted *policy.Decision // nil: it was started before
	switch status.State {
	case sandbox.StateGone:
		run.State, run.FinishedAt = deploy.Unknown, e.Now().UTC()
		run.Detail = "its container is gone; whether it ran cannot be learnt, so it is not started again"
		return e.endRun(ctx, w, run)
	case sandbox.StateCreated:
		if e.Now().After(run.ClaimedAt.Add(maxCreated)) {
			run.State, run.FinishedAt = deploy.Failed, e.Now().UTC()
			run.Detail = fmt.Sprintf("it could not be started within %s of its turn; it never ran", maxCreated)
			return e.endRun(ctx, w, run)
		}
		grant, ok, err := e.mayDeploy(ctx, w, run)
		if err != nil || !ok {
			return err
		}
		decision := grant.Decision()
		permitted = &decision
		if err := e.mirrorDeployment(ctx, w, run); err != nil {
			return err
		}
		if err := e.keepWay(ctx, run); err != nil {
			return err
		}
		if err := e.Freezes.Unfrozen(ctx, w.t.Environment, run.Environment); err != nil {
			return err
		}
		if err := e.Deployer.Start(ctx, grant, *run); err != nil {
			return fmt.Errorf("start the deployment: %w", err)
		}
		e.Failpoint(DeploymentStarted)
	}
	run.State, run.StartedAt = deploy.Running, e.Now().UTC()
	return e.saveRun(ctx, run, audit.DeployStarted, permitted)
}

func (e *Engine) watchRun(ctx context.Context, w *work, run *deploy.Run) error {
	if err := e.tripped(ctx, run.Task, run.ID); err != nil {
		return e.stopTrippedRun(ctx, w, run, err)
	}
	if err := e.keepWay(ctx, run); err != nil {
		e.Logger.WarnContext(ctx, "a deployment cannot reach its hosts", "deployment", run.ID, "error", err)
	}
	output := outputOf{run.Container, "deploy/" + run.ID, run.Environment, false}
	if err := e.keepLog(ctx, output, false); err != nil {
		return e.stopTrippedRun(ctx, w, run, err)
	}
	status, err := e.Deployer.Status(ctx, *run)
	if err != nil {
		return fmt.Errorf("inspect the deployment's container: %w", err)
	}
	if err := e.unpaused(ctx, status); err != nil {
		return err
	}
	switch status.State {
	case sandbox.StateGone:
		run.State, run.FinishedAt = deploy.Unknown, e.Now().UTC()
		run.Detail = "its container was removed before its exit was seen"
		return e.endRun(ctx, w, run)
	case sandbox.StateExited:
		if err := e.keepLog(ctx, output, true); err != nil {
			return e.stopTrippedRun(ctx, w, run, err)
		}
		if err := e.wayEnded(ctx, run); err != nil {
			return e.stopTrippedRun(ctx, w, run, err)
		}
		return e.runExited(ctx, w, run, status)
	}
	return nil
}

func (e *Engine) runExited(ctx context.Context, w *work, run *deploy.Run, status sandbox.Status) error {
	e.Failpoint(DeploymentExited)
	run.ExitCode, run.StartedAt, run.FinishedAt = status.ExitCode, status.StartedAt, status.FinishedAt
	switch status.Reason {
	case sandbox.ReasonOK:
		run.State = deploy.Succeeded
	case sandbox.ReasonEngineLost:
		run.State, run.Detail = deploy.Unknown, status.Reason.Explain()
	default:
		run.State, run.Detail = deploy.Failed, status.Reason.Explain()
	}
	return e.endRun(ctx, w, run)
}

func (e *Engine) endRun(ctx context.Context, w *work, run *deploy.Run) error {
	if err := e.closeWay(ctx, run); err != nil {
		return err
	}
	if err := e.Sandbox.ForgetSecrets(run.ContainerName()); err != nil {
		return err
	}
	// The task is written too: what belongs to it is kept from now on as long as
	// its environment says.
	err := e.save(ctx, w, func(*task.Task) {}, func(tx Tx) error {
		if err := tx.SaveRun(ctx, *run); err != nil {
			return err
		}
		if err := e.auditRun(ctx, tx, run, audit.System, audit.DeployEnded, nil); err != nil {
			return err
		}
		return e.wakeWaiting(ctx, tx, run)
	})
	if err != nil {
		return err
	}
	e.Failpoint(DeploymentEnded)
	e.Observer.DeploymentEnded(ctx, *run)
	return e.mirrorDeployment(ctx, w, run)
}

// maxCreated bounds how long a run holds its turn without being started.
const maxCreated = time.Hour
