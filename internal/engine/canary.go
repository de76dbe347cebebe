package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/deploy"
	"github.com/coderflow/coderflow/internal/sandbox"
	"github.com/coderflow/coderflow/internal/secret"
	"github.com/coderflow/coderflow/internal/task"
)

// A canary is a decoy among the secrets: nobody has a reason to use it. Where one
// appears, the container is stopped, and nothing more of it goes anywhere.

// CanaryError says that a canary appeared, before anything of what has it was
// stored or shown.
type CanaryError struct{ Trip secret.Trip }

// Error implements error.
func (e *CanaryError) Error() string { return e.Trip.String() }

// canaryPace is how often the output of a container is looked at that could say a
// canary.
const canaryPace = 2 * time.Second

// canaryIn looks for canaries in a piece of output that begins at the offset.
func (e *Engine) canaryIn(ctx context.Context, environment string, offset int64, output []byte) error {
	wire, err := e.Secrets.Tripwire(ctx, environment)
	if err != nil {
		return fmt.Errorf("read the canaries of environment %s: %w", environment, err)
	}
	watcher := wire.Watch()
	_, _ = watcher.Write(output)
	if name, end, found := watcher.Found(); found {
		return &CanaryError{secret.Trip{
			Environment: environment, Canary: name, Place: secret.InOutput, Where: fmt.Sprintf("byte %d", offset+end),
		}}
	}
	return nil
}

// tripped fails with a *CanaryError if a canary is known to have appeared: in the
// task's own container, or in that of a deployment.
func (e *Engine) tripped(ctx context.Context, id task.ID, deployment string) error {
	trips, err := e.Store.Trips(ctx, id)
	if err != nil {
		return err
	}
	for _, trip := range trips {
		if trip.Deployment == deployment {
			return &CanaryError{trip}
		}
	}
	return nil
}

// recordTrip writes down that a canary appeared, once.
func (e *Engine) recordTrip(ctx context.Context, t *task.Task, trip secret.Trip) error {
	trip.Task, trip.At = string(t.ID), e.Now()
	err := e.Store.InTx(ctx, func(tx Tx) error {
		fresh, err := tx.InsertTrip(ctx, trip)
		if err != nil || !fresh {
			return err
		}
		return e.audit(ctx, tx, t, audit.System, audit.CanaryTripped, TripDetail(trip))
	})
	if err != nil {
		return fmt.Errorf("record that %s: %w", trip, err)
	}
	e.Logger.WarnContext(ctx, "a canary appeared", "task", t.ID, "deployment", trip.Deployment, "canary", trip.Canary, "place", trip.Place, "where", trip.Where)
	return nil
}

// TripDetail is what the audit log says of a canary that appeared; never its value.
func TripDetail(trip secret.Trip) map[string]any {
	detail := map[string]any{"canary": trip.Canary, "of": trip.Environment, "place": trip.Place, "where": trip.Where}
	if trip.Deployment != "" {
		detail["deployment"] = trip.Deployment
	}
	return detail
}

// stopTripped ends a task whose container said a canary, or tried to send it. Any
// other error is returned as it is. What the container printed is kept, redacted,
// for whoever looks into it.
func (e *Engine) stopTripped(ctx context.Context, w *work, err error) error {
	var canary *CanaryError
	if !errors.As(err, &canary) {
		return err
	}
	if err := e.recordTrip(ctx, &w.t, canary.Trip); err != nil {
		return err
	}
	if err := e.closeModels(ctx, w.t.ID); err != nil {
		return err
	}
	if err := e.Sandbox.Stop(ctx, w.t.Run.Container); err != nil {
		return fmt.Errorf("stop the container that has a canary: %w", err)
	}
	e.Failpoint(CanaryStopped)
	if err := e.keepLogFrom(ctx, outputOf{w.t.Run.Container, "task/" + string(w.t.ID), w.t.Environment, true}, w.t.Run.LogFrom, true); err != nil {
		return err
	}
	status, err := e.Sandbox.Inspect(ctx, w.t.Run.Container)
	if err != nil {
		return fmt.Errorf("inspect the container: %w", err)
	}
	if status.State != sandbox.StateGone {
		w.t.Run.ExitCode, w.t.Run.Reason, w.t.Run.Truncated = status.ExitCode, "canary", status.Truncated
		w.t.Run.StartedAt, w.t.Run.FinishedAt = status.StartedAt, status.FinishedAt
	}
	return e.runEnded(ctx, w, status, task.Failed, stopped(canary.Trip))
}

func stopped(trip secret.Trip) string {
	return trip.String() + ": the container was stopped, and nothing of what it did is used"
}

// changeTripped refuses a change that has a canary in it.
func (e *Engine) changeTripped(ctx context.Context, w *work, environment string, canary *CanaryError) error {
	canary.Trip.Environment = environment
	if err := e.recordTrip(ctx, &w.t, canary.Trip); err != nil {
		return err
	}
	return &failure{to: task.Refused, why: canary.Trip.String() + ": nothing of the change was stored", final: true}
}

// stopTrippedRun ends a deployment whose container said a canary, or tried to send
// it. Any other error is returned as it is.
func (e *Engine) stopTrippedRun(ctx context.Context, w *work, run *deploy.Run, err error) error {
	var canary *CanaryError
	if !errors.As(err, &canary) {
		return err
	}
	canary.Trip.Deployment = run.ID
	if err := e.recordTrip(ctx, &w.t, canary.Trip); err != nil {
		return err
	}
	if err := e.Sandbox.Stop(ctx, run.Container); err != nil {
		return fmt.Errorf("stop the deployment that has a canary: %w", err)
	}
	if err := e.keepLog(ctx, outputOf{run.Container, "deploy/" + run.ID, run.Environment, true}, true); err != nil {
		return err
	}
	status, err := e.Deployer.Status(ctx, *run)
	if err != nil {
		return fmt.Errorf("inspect the deployment's container: %w", err)
	}
	run.State, run.Detail, run.FinishedAt = deploy.Failed, canary.Trip.String()+": the container was stopped", e.Now().UTC()
	if status.State == sandbox.StateExited {
		run.ExitCode, run.StartedAt, run.FinishedAt = status.ExitCode, status.StartedAt, status.FinishedAt
	}
	return e.endRun(ctx, w, run)
}
