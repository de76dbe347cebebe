package docker

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"github.com/coderflow/coderflow/internal/atonce"
	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Collect reads what differs between the base tree and a workspace, in a container that has both read-only, no
// network, and no capability but that to read files whatever their mode. Nothing of the workspace runs there, and
// nothing of it touches the host's file system. No container of the task may run any more.
//
// The base tree is the base volume's, which no task has ever written to. Of an overlay workspace only the directories
// that its upper layer has are looked at.
func (r *Runner) Collect(ctx context.Context, spec sandbox.CollectSpec) (sandbox.Collection, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if c := r.goOn(ctx, spec); c != nil {
		return c, nil
	}
	id, err := r.createCollector(ctx, spec, false)
	if err != nil {
		return nil, err
	}
	name := collectName(spec.Volume)
	stream, err := r.openStream(ctx, name, id)
	if err != nil {
		return nil, errors.Join(err, r.removeHelper(ctx, name))
	}
	return &collection{stream: stream, reader: guestproto.NewReader(stream, spec.Limits)}, nil
}

// createCollector makes a collector of the workspace, which begins when it is started, or waits for a word.
func (r *Runner) createCollector(ctx context.Context, spec sandbox.CollectSpec, wait bool) (id string, err error) {
	var imageID string
	var w workspace
	err = atonce.Do(
		func() (err error) { w, err = r.openWorkspace(ctx, spec.Volume); return err },
		func() (err error) { imageID, err = r.imageID(ctx, spec.Image); return err },
	)
	if err != nil {
		return "", err
	}
	in, err := newInputs(guestproto.CollectSpec{Limits: spec.Limits, Changes: w.onlyChanges(), Wait: wait})
	if err != nil {
		return "", err
	}
	name := collectName(spec.Volume)
	config, host := r.collectContainer(name, imageID, spec, w, wait)
	return r.createHelper(ctx, name, in, config, host)
}

// onlyChanges reports whether the upper layer has everything that differs from the base. That of a throwaway copy has
// not: the changes of its origin lie below it.
func (w workspace) onlyChanges() bool { return w.mode == sandbox.WorkspaceOverlay && w.copyOf == "" }

// collectContainer is the whole create call of a collector. One that waits is told on its standard input, which ends
// with the connection.
func (r *Runner) collectContainer(name, imageID string, spec sandbox.CollectSpec, w workspace, wait bool) (*container.Config, *container.HostConfig) {
	mounts := []mount.Mount{
		volumeMount(r.engineName(w.name), true, false), layerMount(r.engineName(w.base), guestproto.BaseDir),
	}
	if w.onlyChanges() {
		mounts = append(mounts, layerMount(r.engineName(changesName(w.name)), guestproto.ChangesDir))
	}
	config, host := r.readingContainer(name, imageID, "collect", spec.Labels, mounts)
	config.AttachStdin, config.OpenStdin, config.StdinOnce = wait, wait, wait
	return config, host
}

// collection is the stream of a running collector.
type collection struct {
	*stream
	reader *guestproto.Reader
}

// Next returns the next record, or io.EOF when the collection is complete.
func (c *collection) Next() (guestproto.Record, error) {
	record, err := c.reader.Next()
	if err == nil || errors.Is(err, io.EOF) {
		return record, err
	}
	if c.ctx.Err() != nil {
		return record, fmt.Errorf("collecting: %w", context.Cause(c.ctx))
	}
	if errors.Is(err, guestproto.ErrTruncated) {
		// The stream ended, so that what the helper said is complete.
		<-c.done
		return record, fmt.Errorf("%w: %w: %q", sandbox.ErrCollectFailed, err, c.said.Bytes())
	}
	return record, err
}
