package docker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"
)

// pipes are the input and output of a program in a container.
type pipes struct {
	*io.PipeReader
	io.Writer
	said  *capped
	close func()
	done  chan struct{}
}

// Close ends the connection, and with its input the program.
func (p *pipes) Close() error {
	p.close()
	return p.PipeReader.Close()
}

// saidText is what the program said last, once its output has ended.
func (p *pipes) saidText() string {
	select {
	case <-p.done:
	case <-time.After(time.Second):
		return ""
	}
	if p.said.Len() == 0 {
		return ""
	}
	return fmt.Sprintf(": %.300q", p.said.Bytes())
}

// execPipes runs a program in a running container with that container's confinement.
func (r *Runner) execPipes(caller context.Context, name string, argv []string) (*pipes, error) {
	made, err := r.engine.ContainerExecCreate(caller, r.engineName(name), container.ExecOptions{
		User: taskUser, AttachStdin: true, AttachStdout: true, AttachStderr: true, WorkingDir: "/", Cmd: argv,
	})
	if err != nil {
		return nil, engineError(caller, "preparing a program in container "+name, err)
	}
	conn, err := r.engine.ContainerExecAttach(caller, made.ID, container.ExecAttachOptions{})
	if err != nil {
		return nil, engineError(caller, "starting a program in container "+name, err)
	}
	reader, writer := io.Pipe()
	p := &pipes{reader, conn.Conn, &capped{left: 4 << 10}, conn.Close, make(chan struct{})}
	go func() {
		defer close(p.done)
		_, err := stdcopy.StdCopy(writer, p.said, conn.Reader)
		writer.CloseWithError(err)
	}()
	return p, nil
}
