package docker

import (
	"context"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/coderflow/coderflow/internal/guestproto"
	"github.com/coderflow/coderflow/internal/sandbox"
)

// Bounds of a call that does not follow: as a whole, and how long the engine may send nothing. A busy engine was seen to
// keep such a call open until the container had ended, and whoever reads the output holds the task meanwhile.
const (
	logTimeout = 2 * time.Minute
	logSilence = 20 * time.Second
)

// Logs copies what setup, command and cleanup wrote into sink, and returns the offset to go on from. pid 1 has cut
// the output at its limit (Status.Truncated); the bytes are the agent's and are hostile.
func (r *Runner) Logs(caller context.Context, name string, options sandbox.LogOptions, sink io.Writer) (int64, error) {
	ctx, cancel := context.WithCancel(caller)
	heard := func() {}
	if !options.Follow {
		ctx, cancel = context.WithTimeout(caller, logTimeout)
		silence := time.AfterFunc(logSilence, cancel)
		defer silence.Stop()
		heard = func() { silence.Reset(logSilence) }
	}
	defer cancel()
	stream, err := r.engine.ContainerLogs(ctx, r.engineName(name), container.LogsOptions{
		ShowStdout: true, Follow: options.Follow,
	})
	if err != nil {
		return options.Offset, engineError(caller, "reading the log of container "+name, err)
	}
	defer stream.Close()
	out := &joining{skip: options.Offset, to: sink, heard: heard}
	_, err = stdcopy.StdCopy(out, io.Discard, stream)
	return options.Offset + out.passed, engineError(caller, "reading the log of container "+name, err)
}

// joining turns pid 1's pieces into output again, drops the first bytes, and counts what it passes on.
type joining struct {
	joiner guestproto.Joiner
	skip   int64
	passed int64
	to     io.Writer
	heard  func()
	buffer []byte
}

func (j *joining) Write(log []byte) (int, error) {
	j.heard()
	j.buffer = j.joiner.Join(j.buffer[:0], log)
	dropped := min(j.skip, int64(len(j.buffer)))
	j.skip -= dropped
	if int(dropped) == len(j.buffer) {
		return len(log), nil
	}
	n, err := j.to.Write(j.buffer[dropped:])
	j.passed += int64(n)
	return len(log), err
}
