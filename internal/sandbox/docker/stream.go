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

// openStream attaches to a helper that was created and starts it. It ends with caller, or when it took too long.
func (r *Runner) openStream(caller context.Context, name, id string) (*stream, error) {
	s, err := r.attach(caller, name, id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err == nil {
		s.follow(caller)
	}
	return s, err
}

// attach is openStream for a helper that nobody waits for yet.
func (r *Runner) attach(caller context.Context, name, id string, options container.AttachOptions) (*stream, error) {
	ctx, cancel := context.WithTimeout(caller, startTimeout)
	defer cancel()
	conn, err := r.engine.ContainerAttach(ctx, id, options)
	if err != nil {
		return nil, engineError(caller, "attaching to the helper", err)
	}
	if err := r.startContainer(ctx, id); err != nil {
		conn.Close()
		return nil, err
	}
	reader, writer := io.Pipe()
	s := &stream{
		runner: r, name: name, pipe: reader, conn: conn, said: &capped{left: 4 << 10}, done: make(chan struct{}),
		ctx: context.WithoutCancel(caller), cancel: func() {}, unhook: func() bool { return true },
	}
	go func() {
		defer close(s.done)
		_, err := stdcopy.StdCopy(writer, s.said, conn.Reader)
		writer.CloseWithError(err)
	}()
	return s, nil
}

// follow has the stream end with caller, or when it took too long.
func (s *stream) follow(caller context.Context) {
	s.ctx, s.cancel = context.WithTimeout(caller, helperTime)
	s.unhook = context.AfterFunc(s.ctx, s.conn.Close) // which is what ends a read of it
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
