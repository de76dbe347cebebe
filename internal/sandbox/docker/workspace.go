package docker

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// marker says that a volume was filled completely. It lies on the host, where no container reaches it, and names
// the volume by a random label, so that it never speaks for another volume of the same name.
type marker struct {
	Fill   string `json:"fill"`
	Commit string `json:"commit"`
}

// EnsureWorkspace makes a volume hold a checkout of exactly one commit. A volume that is complete is left as it is,
// with whatever a task has done to it; one that is not was left by a killed step, and is dropped and filled again.
func (r *Runner) EnsureWorkspace(ctx context.Context, spec sandbox.WorkspaceSpec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	defer r.locks.lock("volume " + spec.Volume)()
	found, err := r.inspectVolume(ctx, spec.Volume)
	switch {
	case errors.Is(err, sandbox.ErrNotFound):
	case err != nil:
		return err
	default:
		if mark, ok := r.marker(spec.Volume); ok && mark.Fill == found.Labels[labelFill] {
			if mark.Commit != spec.Commit {
				return fmt.Errorf("volume %s begins with commit %s: %w", spec.Volume, mark.Commit, sandbox.ErrSpecMismatch)
			}
			return nil
		}
		if err := r.RemoveVolume(ctx, spec.Volume); err != nil {
			return err
		}
	}
	return r.fillWorkspace(ctx, spec)
}

func checkoutName(volume string) string { return "checkout-" + volume }

func collectName(volume string) string { return "collect-" + volume }

func (r *Runner) fillWorkspace(ctx context.Context, spec sandbox.WorkspaceSpec) error {
	imageID, err := r.imageID(ctx, spec.Image)
	if err != nil {
		return err
	}
	fill := rand.Text()
	if err := r.createVolume(ctx, spec, fill); err != nil {
		return err
	}
	name := checkoutName(spec.Volume)
	in, err := newInputs(guestproto.CheckoutSpec{Commit: spec.Commit})
	if err != nil {
		return err
	}
	in.add(guestproto.BundlePath, []byte{'\n'}, 0o444) // its mount point
	mounts := []mount.Mount{
		readOnlyBind(spec.Bundle, guestproto.BundlePath), volumeMount(r.engineName(spec.Volume), false, true),
	}
	labels := r.labels(name, spec.Labels)
	config, host := hardenedConfig(imageID, "checkout", nil, labels), r.hardenedHost(helperLimits(), mounts)
	id, err := r.createHelper(ctx, name, in, config, host)
	if err != nil {
		return err
	}
	if err := r.runHelper(ctx, name, id, sandbox.ErrCheckoutFailed); err != nil {
		return errors.Join(fmt.Errorf("filling volume %s: %w", spec.Volume, err), r.removeHelper(ctx, name))
	}
	if err := r.removeHelper(ctx, name); err != nil {
		return err
	}
	return r.writeMarker(spec.Volume, marker{Fill: fill, Commit: spec.Commit})
}

func (r *Runner) createVolume(caller context.Context, spec sandbox.WorkspaceSpec, fill string) error {
	labels := r.labels(spec.Volume, spec.Labels)
	labels[labelFill] = fill
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	made, err := r.engine.VolumeCreate(ctx, volume.CreateOptions{
		Name: r.engineName(spec.Volume), Driver: "local", Labels: labels,
	})
	if err == nil && made.Labels[labelFill] != fill {
		// The engine returns a volume that another process has made meanwhile.
		return fmt.Errorf("volume %s: %w", spec.Volume, sandbox.ErrInUse)
	}
	return engineError(caller, "creating volume "+spec.Volume, err)
}

func (r *Runner) inspectVolume(caller context.Context, name string) (volume.Volume, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	found, err := r.engine.VolumeInspect(ctx, r.engineName(name))
	return found, engineError(caller, "inspecting volume "+name, err)
}

// RemoveVolume removes a workspace with all that is in it, and the helper containers that a killed step left on it.
// One that does not exist is fine; ErrInUse while another container, even an ended one, has it.
func (r *Runner) RemoveVolume(caller context.Context, name string) error {
	for _, helper := range []string{checkoutName(name), collectName(name)} {
		if err := r.Remove(caller, helper); err != nil {
			return err
		}
	}
	if err := os.Remove(r.markerPath(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("removing the mark of volume %s: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(caller, startTimeout)
	defer cancel()
	err := r.engine.VolumeRemove(ctx, r.engineName(name), false)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil
	case cerrdefs.IsConflict(err):
		return fmt.Errorf("removing volume %s: %w: %w", name, sandbox.ErrInUse, err)
	}
	return engineError(caller, "removing volume "+name, err)
}

func (r *Runner) markerPath(volume string) string {
	return filepath.Join(r.dataDir, "sandbox", "workspaces", volume+".json")
}

func (r *Runner) marker(volume string) (marker, bool) {
	text, err := os.ReadFile(r.markerPath(volume))
	if err != nil {
		return marker{}, false
	}
	var mark marker
	if err := json.Unmarshal(text, &mark); err != nil {
		return marker{}, false
	}
	return mark, mark.Fill != ""
}

func (r *Runner) writeMarker(volume string, mark marker) error {
	if _, err := r.directory("workspaces"); err != nil {
		return err
	}
	text, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("encoding the mark of volume %s: %w", volume, err)
	}
	if err := writeFile(r.markerPath(volume), text, 0o600); err != nil {
		return fmt.Errorf("marking volume %s as complete: %w", volume, err)
	}
	return nil
}
