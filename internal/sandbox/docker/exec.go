package docker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Terminal is what a person sits at.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	TTY      bool // Out is a terminal in raw mode; Err is not used then
	// Sizes yields the terminal's size whenever it changes; may be nil.
	Sizes <-chan TerminalSize
	Term  string // the kind of terminal, as in TERM
}

// TerminalSize is in characters.
type TerminalSize struct{ Height, Width uint }

// Exec runs argv in a running container, with that container's user, capabilities and seccomp profile, and returns
// its exit status.
func (r *Runner) Exec(ctx context.Context, name string, argv []string, t Terminal) (int, error) {
	made, err := r.engine.ContainerExecCreate(ctx, r.engineName(name), container.ExecOptions{
		User: taskUser, Tty: t.TTY, AttachStdin: true, AttachStdout: true, AttachStderr: true,
		Env: execEnvironment(t), WorkingDir: guestproto.Workspace, Cmd: argv,
	})
	if err != nil {
		return 0, engineError(ctx, "preparing a shell in container "+name, err)
	}
	conn, err := r.engine.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: t.TTY})
	if err != nil {
		return 0, engineError(ctx, "starting a shell in container "+name, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	go func() {
		if _, err := io.Copy(conn.Conn, t.In); err == nil {
			_ = conn.CloseWrite()
		}
	}()
	done := make(chan struct{})
	defer close(done)
	go r.resize(ctx, made.ID, t.Sizes, done)
	if t.TTY {
		_, err = io.Copy(t.Out, conn.Reader)
	} else {
		_, err = stdcopy.StdCopy(t.Out, t.Err, conn.Reader)
	}
	if err != nil {
		return 0, engineError(ctx, "talking to the shell in container "+name, err)
	}
	return r.execStatus(ctx, made.ID)
}

func execEnvironment(t Terminal) []string {
	if !t.TTY || t.Term == "" {
		return nil
	}
	return []string{"TERM=" + t.Term}
}

// execStatus waits for the engine to notice the end: the stream ends a moment before.
func (r *Runner) execStatus(caller context.Context, id string) (int, error) {
	ctx, cancel := context.WithTimeout(caller, callTimeout)
	defer cancel()
	for {
		found, err := r.engine.ContainerExecInspect(ctx, id)
		if err != nil {
			return 0, engineError(caller, "asking how the shell ended", err)
		}
		if !found.Running {
			return found.ExitCode, nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, fmt.Errorf("the shell's end: %w: %w", sandbox.ErrEngineUnavailable, err)
		}
	}
}

// resize passes on the terminal's size. One that the engine does not take costs a crooked line, not the session.
func (r *Runner) resize(ctx context.Context, id string, sizes <-chan TerminalSize, done <-chan struct{}) {
	for {
		select {
		case size, more := <-sizes:
			if !more {
				return
			}
			_ = r.engine.ContainerExecResize(ctx, id, container.ResizeOptions{Height: size.Height, Width: size.Width})
		case <-done:
			return
		}
	}
}
