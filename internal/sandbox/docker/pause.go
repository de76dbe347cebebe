package docker

import (
	"context"

	cerrdefs "github.com/containerd/errdefs"
)

// Pause stops every process of a container where it is, without their noticing. One
// that is paused, has ended or does not exist is fine.
func (r *Runner) Pause(ctx context.Context, name string) error {
	return r.toggle(ctx, "pausing", name, true, r.engine.ContainerPause)
}

// Unpause lets a container go on that was paused. One that is not is fine.
func (r *Runner) Unpause(ctx context.Context, name string) error {
	return r.toggle(ctx, "unpausing", name, false, r.engine.ContainerUnpause)
}

// toggle does what is to be done, and where the engine refuses looks whether it is so
// already: engines say that with different statuses.
func (r *Runner) toggle(caller context.Context, doing, name string, paused bool, do func(context.Context, string) error) error {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	err := do(ctx, r.engineName(name))
	if err == nil || cerrdefs.IsNotFound(err) {
		return nil
	}
	if found, inspectErr := r.inspect(caller, name); inspectErr == nil && (!found.State.Running || found.State.Paused == paused) {
		return nil
	}
	return engineError(caller, doing+" container "+name, err)
}
