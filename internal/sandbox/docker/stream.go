package docker

import (
	"context"
	"io"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// stream is the standard output of a running helper container.
type stream struct {
	runner *Runner
	name   string
	pipe   *io.PipeReader
	conn   types.HijackedResponse
	said   *capped         // on standard error
	done   chan struct{}   // all has been copied
	ctx    context.Context //nolint:containedctx // the lifetime of the stream, not of a call
	cancel context.CancelFunc
	unhook func() bool
}

// openStream attaches to a helper that was created and starts it.
func (r *Runner) openStream(caller context.Context, name, id string) (*stream, error) {
	ctx, cancel := context.WithTimeout(caller, helperTime)
	conn, err := r.engine.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		cancel()
		return nil, engineError(caller, "attaching to the helper", err)
	}
	if err := r.startContainer(ctx, id); err != nil {
		conn.Close()
		cancel()
		return nil, err
	}
	reader, writer := io.Pipe()
	s := &stream{
		runner: r, name: name, pipe: reader, conn: conn, said: &capped{left: 4 << 10}, done: make(chan struct{}),
		ctx: ctx, cancel: cancel,
		// Closing the connection is what ends a read of it.
		unhook: context.AfterFunc(ctx, conn.Close),
	}
	go func() {
		defer close(s.done)
		_, err := stdcopy.StdCopy(writer, s.said, conn.Reader)
		writer.CloseWithError(err)
	}()
	return s, nil
}

// Read returns io.EOF at the end of the output, whether the helper was done or not.
func (s *stream) Read(p []byte) (int, error) { return s.pipe.Read(p) }

// Close ends the helper and removes it.
func (s *stream) Close() error {
	s.unhook()
	s.cancel()
	s.conn.Close()
	_ = s.pipe.Close()
	<-s.done
	return s.runner.removeHelper(s.ctx, s.name)
}
