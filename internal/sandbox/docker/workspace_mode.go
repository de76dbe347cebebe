package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/api/types/image"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// probeName is the workspace with which it is tried whether the engine can mount overlays.
const probeName = "overlay-probe"

// knownMode is the answer of the first trial. Errors of the engine are not remembered.
type knownMode struct {
	mode sandbox.WorkspaceMode
	why  string
}

// WorkspaceMode says how this runner makes workspaces and why. It tries it on the engine, once, with one of
// CoderFlow's own images; ErrImageMissing if there is none yet.
func (r *Runner) WorkspaceMode(ctx context.Context) (mode sandbox.WorkspaceMode, why string, err error) {
	if mode, why, known := r.configuredMode(); known {
		return mode, why, nil
	}
	list, err := r.engine.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return "", "", engineError(ctx, "listing images", err)
	}
	for _, found := range list {
		for _, tag := range found.RepoTags {
			if strings.HasPrefix(tag, "coderflow/sandbox:") {
				return r.workspaceMode(ctx, found.ID)
			}
		}
	}
	return "", "", fmt.Errorf("trying an overlay workspace: coderflow/sandbox: %w", sandbox.ErrImageMissing)
}

func (r *Runner) configuredMode() (mode sandbox.WorkspaceMode, why string, known bool) {
	switch r.workspaces {
	case workspacesOverlay, workspacesCopy:
		return sandbox.WorkspaceMode(r.workspaces), "configured", true
	}
	return "", "", false
}

// workspaceMode is as WorkspaceMode, with an image that has /workspace.
func (r *Runner) workspaceMode(ctx context.Context, imageID string) (sandbox.WorkspaceMode, string, error) {
	if mode, why, known := r.configuredMode(); known {
		return mode, why, nil
	}
	defer r.locks.lock("volume " + probeName)()
	if known := r.mode.Load(); known != nil {
		return known.mode, known.why, nil
	}
	known := &knownMode{sandbox.WorkspaceOverlay, "the engine mounts overlay volumes"}
	switch err := r.tryOverlay(ctx, imageID); {
	case ctx.Err() != nil, errors.Is(err, sandbox.ErrEngineUnavailable), errors.Is(err, sandbox.ErrNotFound):
		return "", "", fmt.Errorf("trying an overlay workspace: %w", err)
	case err != nil:
		known = &knownMode{sandbox.WorkspaceCopy, "the engine cannot mount overlay volumes: " + err.Error()}
		r.log.WarnContext(ctx, "workspaces are copies", "error", err)
	}
	r.mode.Store(known)
	return known.mode, known.why, nil
}

// tryOverlay makes a workspace over an empty base, and has the engine mount it and write to it.
func (r *Runner) tryOverlay(ctx context.Context, imageID string) error {
	w := workspace{
		name: probeName, mode: sandbox.WorkspaceOverlay, imageID: imageID, fill: rand.Text(),
		labels: sandbox.Labels{Purpose: "probe"},
	}
	base := workspace{name: probeName + ".base", imageID: imageID, fill: w.fill, labels: w.labels}
	if err := errors.Join(r.RemoveVolume(ctx, w.name), r.dropVolume(ctx, base.name)); err != nil {
		return err
	}
	made, err := r.createVolume(ctx, base.name, r.volumeLabels(base, base.name, sandbox.VolumeWork), nil)
	if err == nil {
		err = r.makeOverlay(ctx, w, made)
	}
	if err == nil {
		err = r.giveOwner(ctx, w, w.name)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), startTimeout)
	defer cancel()
	return errors.Join(err, r.RemoveVolume(ctx, w.name), r.dropVolume(ctx, base.name))
}
