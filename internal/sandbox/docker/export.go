package docker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/coderflow/coderflow/internal/sandbox"
)

// Export writes a workspace or a base to w as an uncompressed tar archive, repository included. It is read in a
// container like that of Collect, and nothing of it touches the host's file system; names and contents are the
// task's and hostile. An archive is complete only if there was no error. A volume must not be exported twice at the
// same time.
func (r *Runner) Export(ctx context.Context, volume string, w io.Writer) error {
	found, err := r.inspectVolume(ctx, volume)
	if err != nil {
		return err
	}
	from := workspaceOf(volume, found)
	if from.mode != "" {
		if err := r.checkLayers(ctx, from); err != nil {
			return err
		}
	}
	if from.imageID, err = r.imageID(ctx, from.imageID); err != nil {
		return err
	}
	name := exportName(volume)
	in, err := newInputs(struct{}{})
	if err != nil {
		return err
	}
	config, host := r.readingContainer(name, from.imageID, "export", from.labels,
		[]mount.Mount{volumeMount(r.engineName(volume), true, false)})
	id, err := r.createHelper(ctx, name, in, config, host)
	if err != nil {
		return err
	}
	stream, err := r.openStream(ctx, name, id)
	if err != nil {
		return errors.Join(err, r.removeHelper(ctx, name))
	}
	return errors.Join(r.copyExport(ctx, stream, w), stream.Close())
}

// copyExport passes the archive on. A helper that failed has cut it.
func (r *Runner) copyExport(ctx context.Context, stream *stream, w io.Writer) error {
	if _, err := io.Copy(w, stream); err != nil {
		return fmt.Errorf("exporting: %w", errors.Join(context.Cause(stream.ctx), err))
	}
	if _, err := r.endsWithin(ctx, stream.name, callTimeout); err != nil {
		return err
	}
	found, err := r.inspect(ctx, stream.name)
	if err != nil {
		return err
	}
	if found.State.Running || found.State.ExitCode != 0 {
		return fmt.Errorf("%w: status %d: %q", sandbox.ErrCollectFailed, found.State.ExitCode, stream.said.Bytes())
	}
	return nil
}

// readingContainer is the whole create call of a helper that reads a workspace: root, with the one capability to
// read what its owner has closed, and with nothing writable. Its output goes over the attached stream only.
func (r *Runner) readingContainer(name, imageID, command string, labels sandbox.Labels, mounts []mount.Mount) (*container.Config, *container.HostConfig) {
	config := hardenedConfig(imageID, command, nil, r.labels(name, labels))
	config.User = "0:0"
	config.AttachStdout, config.AttachStderr = true, true
	host := r.hardenedHost(helperLimits(), mounts)
	host.CapAdd = []string{"DAC_READ_SEARCH"}
	host.LogConfig = container.LogConfig{Type: "none"}
	return config, host
}

// CopyWorkspace makes a throwaway workspace that begins with what another one holds now. The other one must not be
// written to meanwhile: ErrInUse while a container that has it runs. It cannot be removed as long as there are copies.
func (r *Runner) CopyWorkspace(ctx context.Context, from, to string, labels sandbox.Labels) error {
	if err := sandbox.ValidateVolume("to", to); err != nil {
		return err
	}
	defer r.locks.lock("volume " + to)()
	source, err := r.openWorkspace(ctx, from)
	if err != nil {
		return err
	}
	if source.copyOf != "" {
		return fmt.Errorf("copying workspace %s: it is a copy itself: %w", from, sandbox.ErrInUse)
	}
	running, err := r.runningOn(ctx, from)
	if err != nil {
		return err
	}
	if running {
		return fmt.Errorf("copying workspace %s: %w", from, sandbox.ErrInUse)
	}
	w := source
	w.name, w.copyOf, w.fill, w.labels = to, from, rand.Text(), labels
	if whole, err := r.isWhole(ctx, w); whole || err != nil {
		return err
	}
	release, err := r.lockBase(ctx, w.base, shared)
	if err != nil {
		return err
	}
	defer release()
	base, err := r.inspectVolume(ctx, w.base)
	if err != nil {
		return err
	}
	return r.makeWorkspace(ctx, w, base)
}
