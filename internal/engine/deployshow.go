package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/forge"
)

// mirrorPatience is how long a run that has its turn waits for the forge to show it
// before it starts all the same.
const mirrorPatience = 5 * time.Minute

// mirrorDeployment shows the run at the forge, whatever triggered it. The forge's
// deployment is found again by the run's id, so that a lost response makes no second
// one. Which environments are production is left to the forge, which knows its own.
//
// The forge's deployments are a view; the record is the audit log. So a forge that
// refuses to show a run (a permission of the App that is missing, a commit or a name
// that it does not take) does not decide about it: it is said in the server's log,
// and the run goes on. A forge that is out of order is waited for, but not for ever.
func (e *Engine) mirrorDeployment(ctx context.Context, w *work, run *deploy.Run) error {
	state, shown := shownAs(run)
	if !shown || run.Shown == run.State {
		return nil
	}
	err := e.showRun(ctx, run, state)
	refused := (*forge.RefusedError)(nil)
	late := run.State == deploy.Created && e.Now().After(run.ClaimedAt.Add(mirrorPatience))
	switch {
	case err == nil:
	case errors.Is(err, forge.ErrForbidden), errors.Is(err, forge.ErrNotFound), errors.As(err, &refused):
		e.Logger.WarnContext(ctx, "the forge does not show the deployment", "task", w.t.ID, "deployment", run.ID, "error", err)
	case late:
		e.Logger.WarnContext(ctx, "the forge cannot be told of the deployment, which starts all the same", "task", w.t.ID, "deployment", run.ID, "error", err)
		return nil
	default:
		return err
	}
	run.Shown = run.State
	if err := e.Store.InTx(ctx, func(tx Tx) error { return tx.SaveRun(ctx, *run) }); err != nil {
		return fmt.Errorf("save deployment %s: %w", run.ID, err)
	}
	return nil
}

// shownAs is the forge's word for the state of a run; false: it is not shown.
func shownAs(run *deploy.Run) (forge.DeploymentState, bool) {
	switch run.State {
	case deploy.Created, deploy.Running:
		return forge.DeploymentInProgress, true
	case deploy.Succeeded:
		return forge.DeploymentSuccess, true
	case deploy.Failed:
		return forge.DeploymentFailure, true
	case deploy.Unknown:
		return forge.DeploymentError, true
	case deploy.Withheld:
		return forge.DeploymentError, run.ForgeID != "" // it was in progress there already
	}
	return "", false
}

func (e *Engine) showRun(ctx context.Context, run *deploy.Run, state forge.DeploymentState) error {
	if run.ForgeID == "" {
		d, err := e.Forge.EnsureDeployment(ctx, run.Repository, forge.Deployment{
			Commit: run.Commit, Environment: run.Environment, Task: run.ID, Description: "CoderFlow profile " + run.Profile,
		})
		if err != nil {
			return fmt.Errorf("show the deployment at the forge: %w", err)
		}
		e.Failpoint(DeploymentMirrored)
		run.ForgeID = d.ID
	}
	description := fmt.Sprintf("profile %s: %s", run.Profile, run.State)
	if err := e.Forge.SetDeploymentState(ctx, run.Repository, run.ForgeID, state, description, e.PublicURL); err != nil {
		return fmt.Errorf("update the deployment at the forge: %w", err)
	}
	return nil
}
