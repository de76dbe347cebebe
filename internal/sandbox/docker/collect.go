package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Collect reads what differs between the base tree and a workspace, in a container that has the volume read-only,
// no network, and no capability but that to read files whatever their mode. Nothing of the workspace runs there,
// and nothing of it touches the host's file system. No container of the task may run any more.
func (r *Runner) Collect(ctx context.Context, spec sandbox.CollectSpec) (sandbox.Collection, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	if _, err := r.inspectVolume(ctx, spec.Volume); err != nil {
		return nil, err
	}
	imageID, err := r.imageID(ctx, spec.Image)
	if err != nil {
		return nil, err
	}
	name := collectName(spec.Volume)
	in, err := newInputs(guestproto.CollectSpec{Limits: spec.Limits})
	if err != nil {
		return nil, err
	}
	in.files[filepath.Base(guestproto.ManifestPath)] = input{spec.Base, 0o444}
	config, host := r.collectContainer(name, imageID, spec)
	id, err := r.createHelper(ctx, name, in, config, host)
	if err != nil {
		return nil, err
	}
	running, err := r.openCollection(ctx, name, id, spec.Limits)
	if err != nil {
		return nil, errors.Join(err, r.removeHelper(ctx, name))
	}
	return running, nil
}

// collectContainer is the whole create call of a collector.
func (r *Runner) collectContainer(name, imageID string, spec sandbox.CollectSpec) (*container.Config, *container.HostConfig) {
	mounts := []mount.Mount{volumeMount(r.engineName(spec.Volume), true, false)}
	config := hardenedConfig(imageID, "collect", nil, r.labels(name, spec.Labels))
	// Root with one capability: a file of mode 000 is part of the result too.
	config.User = "0:0"
	config.AttachStdout, config.AttachStderr = true, true
	host := r.hardenedHost(helperLimits(), mounts)
	host.CapAdd = []string{"DAC_READ_SEARCH"}
	// The collection goes over the attached stream only.
	host.LogConfig = container.LogConfig{Type: "none"}
	return config, host
}

// collection is the stream of a running collector.
type collection struct {
	runner *Runner
	name   string
	reader *guestproto.Reader
	pipe   *io.PipeReader
	conn   types.HijackedResponse
	said   *capped
	done   chan struct{}   // the stream has been copied
	ctx    context.Context //nolint:containedctx // the lifetime of the stream, not of a call
	cancel context.CancelFunc
	unhook func() bool
}

func (r *Runner) openCollection(caller context.Context, name, id string, limits guestproto.Limits) (*collection, error) {
	ctx, cancel := context.WithTimeout(caller, helperTime)
	conn, err := r.engine.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		cancel()
		return nil, engineError(caller, "attaching to the collector", err)
	}
	if err := r.startContainer(ctx, id); err != nil {
		conn.Close()
		cancel()
		return nil, err
	}
	reader, writer := io.Pipe()
	c := &collection{
		runner: r, name: name, reader: guestproto.NewReader(reader, limits), pipe: reader, conn: conn,
		said: &capped{left: 4 << 10}, done: make(chan struct{}), ctx: ctx, cancel: cancel,
		// Closing the connection is what ends a read of it.
		unhook: context.AfterFunc(ctx, conn.Close),
	}
	go func() {
		defer close(c.done)
		_, err := stdcopy.StdCopy(writer, c.said, conn.Reader)
		writer.CloseWithError(err)
	}()
	return c, nil
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

// Close ends the collector and removes it.
func (c *collection) Close() error {
	c.unhook()
	c.cancel()
	c.conn.Close()
	_ = c.pipe.Close()
	<-c.done
	return c.runner.removeHelper(c.ctx, c.name)
}
