package docker

import (
	"context"
	"errors"
	"fmt"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// stopPatience is how long pid 1 has to end everything after TERM. It takes three seconds of grace and three of
// cleanup at most (cmd/guest); with KILL after it, nothing is left ten seconds after Stop was called.
const stopPatience = 8 * time.Second

// Stop ends a container: TERM to its pid 1, which ends everything else and cleans up, then KILL. A container that
// has ended or does not exist is fine.
func (r *Runner) Stop(ctx context.Context, name string) error {
	if err := r.signal(ctx, name, "SIGTERM"); err != nil {
		return err
	}
	ended, err := r.endsWithin(ctx, name, stopPatience)
	if err != nil || ended {
		return err
	}
	if err := r.signal(ctx, name, "SIGKILL"); err != nil {
		return err
	}
	if ended, err = r.endsWithin(ctx, name, callTimeout); err == nil && !ended {
		err = fmt.Errorf("container %s still runs after KILL: %w", name, sandbox.ErrEngineUnavailable)
	}
	return err
}

func (r *Runner) signal(caller context.Context, name, signal string) error {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	err := r.engine.ContainerKill(ctx, r.engineName(name), signal)
	if cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) {
		return nil // gone, or not running
	}
	return engineError(caller, "sending "+signal+" to container "+name, err)
}

// endsWithin waits for the container to stop running.
func (r *Runner) endsWithin(caller context.Context, name string, patience time.Duration) (bool, error) {
	ctx, cancel := context.WithTimeout(caller, patience)
	defer cancel()
	err := r.wait(ctx, name)
	switch {
	case err == nil, errors.Is(err, sandbox.ErrNotFound):
		return true, nil
	case ctx.Err() != nil && caller.Err() == nil:
		return false, nil
	}
	return false, err
}

// Wait returns when the container no longer runs, with its status.
func (r *Runner) Wait(ctx context.Context, name string) (sandbox.Status, error) {
	if err := r.wait(ctx, name); err != nil && !errors.Is(err, sandbox.ErrNotFound) {
		return sandbox.Status{}, err
	}
	return r.Inspect(ctx, name)
}

func (r *Runner) wait(ctx context.Context, name string) error {
	ended, failed := r.engine.ContainerWait(ctx, r.engineName(name), container.WaitConditionNotRunning)
	select {
	case <-ended:
		return nil
	case err := <-failed:
		return engineError(ctx, "waiting for container "+name, err)
	}
}

// Remove removes a container, running or not, with its inputs. The workspace stays. One that does not exist is fine.
func (r *Runner) Remove(caller context.Context, name string) error {
	if err := r.removeContainer(caller, name); err != nil {
		return err
	}
	if err := r.removeCopies(caller, name); err != nil {
		return err
	}
	if err := r.ForgetSecrets(name); err != nil {
		return err
	}
	if err := removeTree(r.inputsRoot(name)); err != nil {
		return fmt.Errorf("removing the inputs of container %s: %w", name, err)
	}
	return nil
}

// removeContainer removes the container alone.
func (r *Runner) removeContainer(caller context.Context, name string) error {
	ctx, cancel := context.WithTimeout(caller, startTimeout)
	defer cancel()
	err := r.engine.ContainerRemove(ctx, r.engineName(name), container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
		return engineError(caller, "removing container "+name, err)
	}
	if cerrdefs.IsConflict(err) {
		// Its removal is under way.
		if err := r.awaitRemoval(ctx, name); err != nil {
			return engineError(caller, "removing container "+name, err)
		}
	}
	return nil
}

func (r *Runner) awaitRemoval(ctx context.Context, name string) error {
	for {
		_, err := r.engine.ContainerInspect(ctx, r.engineName(name))
		if cerrdefs.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}
