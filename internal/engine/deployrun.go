package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/approval"
	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
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
		return e.startRun(ctx, w, run)
	case deploy.Running:
		return e.watchRun(ctx, w, run)
	}
	return nil
}

// mayDeploy reads the forge again and returns the grant under which run may go
// on, or withholds it.
func (e *Engine) mayDeploy(ctx context.Context, w *work, run *deploy.Run) (approval.Grant, bool, error) {
	grant, err := e.Gate.Redeem(ctx, run.ApprovalID, policy.ToDeploy)
	if refused := (*approval.RefusedError)(nil); errors.As(err, &refused) {
		return grant, false, e.withhold(ctx, w, run, refused.Decision.Reason.Refusals()...)
	}
	if err != nil {
		return grant, false, fmt.Errorf("redeem approval %s: %w", run.ApprovalID, err)
	}
	commit, err := e.Git.Commit(ctx, grant)
	if err != nil {
		return grant, false, fmt.Errorf("make the commit again: %w", err)
	}
	if commit != run.Commit {
		return grant, false, e.withhold(ctx, w, run, "the commit to deploy is not the one that the approval made")
	}
	return grant, true, nil
}

func (e *Engine) withhold(ctx context.Context, w *work, run *deploy.Run, why ...string) error {
	run.State, run.FinishedAt = deploy.Withheld, e.Now().UTC()
	for i, reason := range why {
		if i > 0 {
			run.Detail += "; "
		}
		run.Detail += reason
	}
	return e.endRun(ctx, w, run)
}

func (e *Engine) createRun(ctx context.Context, w *work, run *deploy.Run) error {
	set, err := e.Manifests.Manifests(ctx)
	if err != nil {
		return fmt.Errorf("read the manifests: %w", err)
	}
	profile, ok := set.Profile(run.Environment, run.Profile)
	if !ok {
		return e.withhold(ctx, w, run, "the profile was removed since the approval")
	}
	if profile.Digest() != run.ProfileVersion {
		return e.withhold(ctx, w, run, "the profile was changed since the approval")
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
	err = e.workspace(ctx, run.Repository, sandbox.WorkspaceSpec{
		Volume: run.VolumeName(), Commit: run.Commit, Image: e.Deployer.ImageFor(profile),
		Labels: sandbox.Labels{Task: run.ID, Purpose: "deploy"},
	})
	if err != nil {
		return err
	}
	container, err := e.Deployer.Create(ctx, grant, *run, profile, secrets)
	if errors.Is(err, sandbox.ErrImageMissing) {
		run.State, run.Detail, run.FinishedAt = deploy.Failed, "the profile's image is not on this Docker engine", e.Now().UTC()
		return e.endRun(ctx, w, run)
	}
	if err != nil {
		return fmt.Errorf("create the deployment's container: %w", err)
	}
	e.Failpoint("deployment-created")
	run.State, run.Container, run.Script = deploy.Created, container.Name, profile.Script
	return e.saveRun(ctx, w, run, audit.DeployIntent)
}

func (e *Engine) startRun(ctx context.Context, w *work, run *deploy.Run) error {
	status, err := e.Deployer.Status(ctx, *run)
	if err != nil {
		return fmt.Errorf("inspect the deployment's container: %w", err)
	}
	switch status.State {
	case sandbox.StateGone:
		run.State, run.FinishedAt = deploy.Unknown, e.Now().UTC()
		run.Detail = "its container is gone; whether it ran cannot be learnt, so it is not started again"
		return e.endRun(ctx, w, run)
	case sandbox.StateCreated:
		grant, ok, err := e.mayDeploy(ctx, w, run)
		if err != nil || !ok {
			return err
		}
		if err := e.mirrorDeployment(ctx, w, run); err != nil {
			return err
		}
		if err := e.Deployer.Start(ctx, grant, *run); err != nil {
			return fmt.Errorf("start the deployment: %w", err)
		}
		e.Failpoint("deployment-started")
	}
	run.State, run.StartedAt = deploy.Running, e.Now().UTC()
	return e.saveRun(ctx, w, run, audit.DeployStarted)
}

func (e *Engine) watchRun(ctx context.Context, w *work, run *deploy.Run) error {
	if err := e.tripped(ctx, run.Task, run.ID); err != nil {
		return e.stopTrippedRun(ctx, w, run, err)
	}
	output := outputOf{run.Container, "deploy/" + run.ID, run.Environment, false}
	if err := e.keepLog(ctx, output, false); err != nil {
		return e.stopTrippedRun(ctx, w, run, err)
	}
	status, err := e.Deployer.Status(ctx, *run)
	if err != nil {
		return fmt.Errorf("inspect the deployment's container: %w", err)
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
		return e.runExited(ctx, w, run, status)
	}
	return nil
}

func (e *Engine) runExited(ctx context.Context, w *work, run *deploy.Run, status sandbox.Status) error {
	e.Failpoint("deployment-exited")
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
	if err := e.Sandbox.ForgetSecrets(run.ContainerName()); err != nil {
		return err
	}
	if err := e.saveRun(ctx, w, run, audit.DeployEnded); err != nil {
		return err
	}
	return e.mirrorDeployment(ctx, w, run)
}

// mirrorDeployment shows the run at the forge. The forge's deployment is found
// again by the run's id, so that a lost response makes no second one.
func (e *Engine) mirrorDeployment(ctx context.Context, w *work, run *deploy.Run) error {
	states := map[deploy.RunState]forge.DeploymentState{
		deploy.Created: forge.DeploymentInProgress, deploy.Running: forge.DeploymentInProgress,
		deploy.Succeeded: forge.DeploymentSuccess, deploy.Failed: forge.DeploymentFailure, deploy.Unknown: forge.DeploymentError,
	}
	state, shown := states[run.State]
	if run.State == deploy.Withheld && run.ForgeID != "" { // it was in progress there already
		state, shown = forge.DeploymentError, true
	}
	if !shown || run.Shown == run.State {
		return nil
	}
	if run.ForgeID == "" {
		d, err := e.Forge.EnsureDeployment(ctx, run.Repository, forge.Deployment{
			Commit: run.Commit, Environment: run.Environment, Task: run.ID, Description: "CoderFlow profile " + run.Profile,
		})
		if err != nil {
			return fmt.Errorf("show the deployment at the forge: %w", err)
		}
		run.ForgeID = d.ID
	}
	description := fmt.Sprintf("profile %s: %s", run.Profile, run.State)
	if err := e.Forge.SetDeploymentState(ctx, run.Repository, run.ForgeID, state, description, e.PublicURL); err != nil {
		return fmt.Errorf("update the deployment at the forge: %w", err)
	}
	run.Shown = run.State
	if err := e.Store.InTx(ctx, func(tx Tx) error { return tx.SaveRun(ctx, *run) }); err != nil {
		return fmt.Errorf("save deployment %s: %w", run.ID, err)
	}
	return nil
}
