package docker

import (
	"context"
	"testing"

	"github.com/docker/docker/api/types/container"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// CreateForTest creates the container of spec after change has taken defences away, and does not start it. Start
// then adopts it. Tests use it to show that an attack works where its defence is missing: a probe that fails
// everywhere proves nothing.
func (r *Runner) CreateForTest(t testing.TB, ctx context.Context, spec sandbox.Spec, change func(*container.Config, *container.HostConfig)) { //nolint:revive // t comes first in what a test calls
	t.Helper()
	spec.Limits = spec.Limits.WithDefaults()
	imageID, err := r.imageID(ctx, spec.Image)
	if err != nil {
		t.Fatal(err)
	}
	w, err := r.openWorkspace(ctx, spec.Workspace.Volume)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.writeSpecInputs(ctx, spec, imageID, w); err != nil {
		t.Fatal(err)
	}
	config, host := r.taskContainer(spec, imageID, w)
	change(config, host)
	if _, err := r.engine.ContainerCreate(ctx, config, host, nil, nil, r.engineName(spec.Name)); err != nil {
		t.Fatalf("creating container %s: %v", spec.Name, err)
	}
}

// WriteInputsForTest does what Start does before it creates the container.
func (r *Runner) WriteInputsForTest(ctx context.Context, spec sandbox.Spec) error {
	spec.Limits = spec.Limits.WithDefaults()
	imageID, err := r.imageID(ctx, spec.Image)
	if err != nil {
		return err
	}
	return r.restoreInputs(ctx, spec, sandbox.Container{ImageID: imageID, Digest: spec.Digest(imageID)})
}

// MarkerPathForTest is where it is written that a volume is complete.
func (r *Runner) MarkerPathForTest(volume string) string { return r.markerPath(volume) }

// BaseNameForTest is the name of a base volume.
func BaseNameForTest(repository, commit string) string { return baseName(repository, commit) }

// BreakOverlaysForTest makes the engine refuse every overlay, as one does that cannot mount them.
func (r *Runner) BreakOverlaysForTest() { r.overlayOptions = "no_such_option=on" }
