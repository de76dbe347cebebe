package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// workspace is a workspace volume and what it is made of.
type workspace struct {
	name       string
	mode       sandbox.WorkspaceMode
	base       string // name of the base volume
	copyOf     string // name of the workspace whose changes lie between the base and this one's
	repository string
	commit     string
	imageID    string // of the image that its helpers run
	fill       string // random: says which volume of this name it is
	labels     sandbox.Labels
	begin      guestproto.Usage // of a copy: what it took when it was whole
}

// EnsureWorkspace makes a volume hold a checkout of exactly one commit. A volume that is complete is left as it is,
// with whatever a task has done to it; one that is not was left by a killed step, and is dropped and made again.
func (r *Runner) EnsureWorkspace(ctx context.Context, spec sandbox.WorkspaceSpec) error {
	if err := spec.Validate(); err != nil {
		return err
	}
	defer r.locks.lock("volume " + spec.Volume)()
	w := workspace{
		name: spec.Volume, base: baseName(spec.Repository, spec.Commit), repository: spec.Repository, commit: spec.Commit,
		fill: rand.Text(), labels: spec.Labels,
	}
	var whole bool
	var imageID string
	var unknown error
	err := atonce.Do(
		func() (err error) { whole, err = r.isWhole(ctx, w); return err },
		func() error { imageID, unknown = r.imageID(ctx, spec.Image); return nil }, // of a whole one nobody needs it
	)
	if whole || err != nil {
		return err
	}
	if unknown != nil {
		return unknown
	}
	w.imageID = imageID
	if w.mode, _, err = r.workspaceMode(ctx, w.imageID); err != nil {
		return err
	}
	base, release, err := r.holdBase(ctx, w, spec.Bundle)
	if err != nil {
		return err
	}
	defer release()
	return r.makeWorkspace(ctx, w, base)
}

// isWhole reports whether the workspace is there, whole and as wanted. What is there and not whole is dropped.
func (r *Runner) isWhole(ctx context.Context, want workspace) (bool, error) {
	found, err := r.inspectVolume(ctx, want.name)
	if errors.Is(err, sandbox.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	mark, ok := r.marker(want.name)
	if !ok || mark.Fill != found.Labels[labelFill] {
		return false, r.RemoveVolume(ctx, want.name)
	}
	there := workspaceOf(want.name, found)
	if mark.Commit != want.commit || there.base != want.base || there.copyOf != want.copyOf {
		return false, fmt.Errorf("volume %s begins with commit %s: %w", want.name, mark.Commit, sandbox.ErrSpecMismatch)
	}
	return true, r.checkLayers(ctx, there)
}

// makeWorkspace makes a workspace over a base that is held, and marks it as whole.
func (r *Runner) makeWorkspace(ctx context.Context, w workspace, base volume.Volume) error {
	fill := r.makeOverlay
	if w.mode == sandbox.WorkspaceCopy {
		fill = r.makeCopy
	}
	err := fill(ctx, w, base)
	if errors.Is(err, errStale) {
		if err := r.RemoveVolume(ctx, w.name); err != nil {
			return err
		}
		err = fill(ctx, w, base)
	}
	if err != nil {
		return fmt.Errorf("making workspace %s: %w", w.name, err)
	}
	mark, _ := r.marker(w.base)
	if err := r.writeMarker(w.name, marker{Fill: w.fill, Commit: w.commit, Usage: mark.Usage}); err != nil {
		return err
	}
	return r.touchBase(w.base)
}

// openWorkspace finds a workspace with all its layers.
func (r *Runner) openWorkspace(ctx context.Context, name string) (workspace, error) {
	found, err := r.inspectVolume(ctx, name)
	if err != nil {
		return workspace{}, err
	}
	w := workspaceOf(name, found)
	if kind := sandbox.VolumeKind(found.Labels[labelKind]); kind != sandbox.VolumeWorkspace {
		return workspace{}, fmt.Errorf("volume %s is no workspace but %q: %w", name, kind, sandbox.ErrNotFound)
	}
	if mark, ok := r.marker(name); ok && mark.Fill == w.fill {
		w.begin = mark.Usage
	}
	return w, r.checkLayers(ctx, w)
}

func workspaceOf(name string, found volume.Volume) workspace {
	labels := found.Labels
	return workspace{
		name: name, mode: sandbox.WorkspaceMode(labels[labelMode]), base: labels[labelBase], copyOf: labels[labelCopyOf],
		repository: labels[labelRepository], commit: labels[labelCommit], imageID: labels[labelImage],
		fill: labels[labelFill], labels: sandbox.Labels{Task: labels[labelTask], Purpose: labels[labelPurpose]},
	}
}

// checkLayers looks for what a workspace lies on. The engine would make a missing layer anew, empty, or say nothing
// more than that a directory does not exist.
func (r *Runner) checkLayers(ctx context.Context, w workspace) error {
	layers := []string{w.base}
	if w.mode == sandbox.WorkspaceOverlay {
		layers = append(layers, changesName(w.name), workName(w.name))
	}
	if w.copyOf != "" && w.mode == sandbox.WorkspaceOverlay {
		layers = append(layers, changesName(w.copyOf))
	}
	var looks []func() error
	for _, layer := range layers {
		looks = append(looks, func() error {
			_, err := r.inspectVolume(ctx, layer)
			if errors.Is(err, sandbox.ErrNotFound) {
				return fmt.Errorf("workspace %s lies on volume %s: %w", w.name, r.engineName(layer), sandbox.ErrBaseMissing)
			}
			return err
		})
	}
	return atonce.Do(looks...)
}

// mounts are the workspace at its place and, where the task may write, what it has written so far.
func (r *Runner) workspaceMounts(w workspace, readOnly bool) []mount.Mount {
	mounts := []mount.Mount{volumeMount(r.engineName(w.name), readOnly, false)}
	if w.mode == sandbox.WorkspaceOverlay && !readOnly {
		mounts = append(mounts, layerMount(r.engineName(changesName(w.name)), guestproto.ChangesDir))
	}
	return mounts
}

// quota is what pid 1 holds a task to that may write.
func (r *Runner) quota(w workspace, spec sandbox.Spec) *guestproto.Quota {
	if spec.Workspace.ReadOnly {
		return nil
	}
	quota := &guestproto.Quota{
		Root:  guestproto.ChangesDir,
		Limit: guestproto.Usage{Bytes: spec.Limits.Workspace, Files: spec.Limits.WorkspaceFiles},
		Floor: r.floor,
	}
	if w.mode != sandbox.WorkspaceOverlay {
		quota.Root = guestproto.Workspace
		quota.Limit.Bytes += w.begin.Bytes
		quota.Limit.Files += w.begin.Files
	}
	return quota
}

// RemoveVolume removes a workspace with all that is in it, and the helper containers that a killed step left on it.
// One that does not exist is fine; ErrInUse while another container, even an ended one, or a copy has it. Its base
// stays.
func (r *Runner) RemoveVolume(caller context.Context, name string) error {
	found, err := r.inspectVolume(caller, name)
	if err != nil && !errors.Is(err, sandbox.ErrNotFound) {
		return err
	}
	if kind := sandbox.VolumeKind(found.Labels[labelKind]); kind != "" && kind != sandbox.VolumeWorkspace {
		return fmt.Errorf("removing volume %s: it is %q of something else: %w", name, kind, sandbox.ErrInUse)
	}
	if s := r.standbys.take(name); s != nil {
		s.end()
	}
	for _, helper := range helpersOf(name) {
		if err := r.Remove(caller, helper); err != nil {
			return err
		}
	}
	copies, err := r.volumesWith(caller, labelCopyOf, name)
	if err != nil {
		return err
	}
	if len(copies) > 0 {
		return fmt.Errorf("removing volume %s: %s lies on it: %w", name, copies[0].Name, sandbox.ErrInUse)
	}
	// The workspace first: whether it is in use decides. A mark never speaks for another volume of its name.
	for _, volume := range []string{name, changesName(name), workName(name)} {
		if err := r.dropVolume(caller, volume); err != nil {
			return err
		}
	}
	if err := r.removeMarker(name); err != nil {
		return err
	}
	if base := found.Labels[labelBase]; base != "" {
		return r.touchBase(base)
	}
	return nil
}

// dropVolume removes one volume of the engine. One that does not exist is fine.
func (r *Runner) dropVolume(caller context.Context, name string) error {
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

// errStale says that a volume of this name is there already: a killed step's, or another process is making it.
var errStale = fmt.Errorf("a volume of this name appeared: %w", sandbox.ErrInUse)

// createVolume makes a volume and reports where it lies on the engine's machine.
func (r *Runner) createVolume(caller context.Context, name string, labels, options map[string]string) (volume.Volume, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	made, err := r.engine.VolumeCreate(ctx, volume.CreateOptions{
		Name: r.engineName(name), Driver: "local", Labels: labels, DriverOpts: options,
	})
	switch {
	case cerrdefs.IsConflict(err):
		return made, fmt.Errorf("volume %s: %w", name, errStale) // it is there with other options
	case err != nil:
		return made, engineError(caller, "creating volume "+name, err)
	case made.Labels[labelFill] != labels[labelFill]:
		// The engine returns the one that is there.
		return made, fmt.Errorf("volume %s: %w", name, errStale)
	}
	return made, nil
}

func (r *Runner) inspectVolume(caller context.Context, name string) (volume.Volume, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	found, err := r.engine.VolumeInspect(ctx, r.engineName(name))
	return found, engineError(caller, "inspecting volume "+name, err)
}

// volumesWith lists this installation's volumes that have a label with this value.
func (r *Runner) volumesWith(caller context.Context, label, value string) ([]*volume.Volume, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	filter := r.mine()
	filter.Add("label", label+"="+value)
	found, err := r.engine.VolumeList(ctx, volume.ListOptions{Filters: filter})
	return found.Volumes, engineError(caller, "listing volumes", err)
}

// runningOn reports whether a running container has the volume.
func (r *Runner) runningOn(caller context.Context, name string) (bool, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	found, err := r.engine.ContainerList(ctx, container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("volume", r.engineName(name)), filters.Arg("status", "running"))})
	return len(found) > 0, engineError(caller, "listing the containers of volume "+name, err)
}
