package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/manifest"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/task"
)

// runsAtOnce bounds how many records one look removes; the next one goes on.
const runsAtOnce = 100

// deployments removes the oldest runs beyond what each environment keeps: the
// record, its output, and what is left of its container. What the audit log says of
// them stays. An environment that was removed keeps as many as one that does not say.
// Runs that have not ended are never removed, nor the newest success of
// each profile.
func (r *retirement) deployments(ctx context.Context) error {
	names, err := r.engine.Store.RunEnvironments(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		keep := manifest.DefaultKeep // where the environment was removed
		if environment, declared := r.set.Environments[name]; declared {
			keep = environment.Deployments.Keep
		}
		if keep < 1 { // manifests that an earlier version stored have the default
			continue
		}
		surplus, err := r.engine.Store.SurplusRuns(ctx, name, keep, runsAtOnce)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		removed := 0
		for i := range surplus {
			if err := r.removeRun(ctx, &surplus[i]); err != nil {
				errs = append(errs, err)
				continue
			}
			removed++
		}
		if removed > 0 {
			r.engine.Logger.InfoContext(ctx, "old deployments removed", "environment", name, "count", removed, "keep", keep)
		}
	}
	return errors.Join(errs...)
}

func (r *retirement) removeRun(ctx context.Context, run *deploy.Run) error {
	storage := r.engine.Storage
	err := errors.Join(storage.Remove(ctx, run.ContainerName()), storage.RemoveVolume(ctx, run.VolumeName()))
	if errors.Is(err, sandbox.ErrInUse) {
		return nil // somebody looks into it just now
	}
	if err != nil {
		return fmt.Errorf("remove what is left of deployment %s: %w", run.ID, err)
	}
	r.engine.Failpoint(RunGone)
	return r.engine.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.RemoveRun(ctx, *run); err != nil {
			return err
		}
		return r.engine.auditRun(ctx, tx, run, audit.System, audit.DeployRemoved, nil)
	})
}

// runChanged has the task of a deployment looked at.
func (e *Engine) runChanged(ctx context.Context, id string) error {
	run, err := e.Store.Deployment(ctx, id)
	if errors.Is(err, task.ErrNotFound) {
		return nil // another installation's
	}
	if err != nil {
		return err
	}
	return e.enqueue(ctx, []queue.Job{{Kind: queue.Advance, Key: string(run.Task)}})
}
