package docker

import (
	"context"
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// Create makes the container of spec without starting it, once. A container of that name that is there already is
// adopted in whatever state it is; ErrSpecMismatch if it was made from another spec. With StartCreated it is for
// runs that may happen at most once: the caller records the container before it is started.
func (r *Runner) Create(ctx context.Context, spec sandbox.Spec) (sandbox.Container, error) {
	spec.Limits = spec.Limits.WithDefaults()
	if err := spec.Validate(); err != nil {
		return sandbox.Container{}, err
	}
	found, err := r.inspect(ctx, spec.Name)
	adopted := err == nil
	if errors.Is(err, sandbox.ErrNotFound) {
		if err = r.create(ctx, spec); err != nil && !cerrdefs.IsConflict(err) {
			return sandbox.Container{}, err
		}
		found, err = r.inspect(ctx, spec.Name)
	}
	if err != nil {
		return sandbox.Container{}, err
	}
	result := sandbox.Container{
		Name: spec.Name, ID: found.ID, ImageID: found.Image, Digest: spec.Digest(found.Image), Adopted: adopted,
	}
	if found.Config.Labels[labelInstance] != r.instance || found.Config.Labels[labelSpec] != result.Digest {
		return sandbox.Container{}, fmt.Errorf("container %s: %w", spec.Name, sandbox.ErrSpecMismatch)
	}
	return result, nil
}

// StartCreated starts a container that was created and never started, and leaves any other alone.
func (r *Runner) StartCreated(ctx context.Context, name string) error {
	found, err := r.inspect(ctx, name)
	if err != nil {
		return err
	}
	if found.State.Status != container.StateCreated {
		return nil
	}
	return r.startContainer(ctx, found.ID)
}
