package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/task"
)

type tasksLogsCmd struct {
	taskFlags
	Follow bool `short:"f" help:"Go on until the container has ended."`
}

// Help implements kong.HelpProvider.
func (tasksLogsCmd) Help() string {
	return `What a terminal would act on is shown as escapes. With -f a broken connection is taken up again where it broke,
for up to ten minutes; at the end of the output the exit status is 0, however the task ended.

Examples:

  coderflow tasks logs zzp6hr35kqtq
  coderflow tasks logs -f zzp6hr35kqtq`
}

// Run prints a task's output with control characters made visible.
func (c tasksLogsCmd) Run(ctx context.Context, s streams) error {
	reader := logReader{
		follow: c.Follow, out: s.out, sleep: sleep,
		warn: func(text string) { fmt.Fprintln(s.err, "coderflow:", visible(text)) },
	}
	_, err := askTask(ctx, c.whereFlags, s, c.Task,
		func(l local, t task.Task) (done struct{}, err error) {
			return done, reader.run(ctx, func(from int64) (client.LogPiece, error) { return l.logPiece(ctx, t.ID, from) })
		},
		func(server *client.Client) (done struct{}, err error) {
			return done, reader.run(ctx, func(from int64) (client.LogPiece, error) { return server.Log(ctx, c.Task, from, c.Follow) })
		})
	return err
}

// sleep waits, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// Times of a follower.
const (
	idle      = time.Second // between two looks that found nothing
	firstWait = time.Second // after a failure; it doubles
	longWait  = 20 * time.Second
	patience  = 10 * time.Minute // of failures in a row
)

// logReader prints a log piece by piece.
type logReader struct {
	follow bool
	out    io.Writer
	warn   func(string)
	sleep  func(context.Context, time.Duration) error
}

// run prints what read gives from a byte on, until the end.
func (r logReader) run(ctx context.Context, read func(from int64) (client.LogPiece, error)) error {
	var next int64
	for {
		piece, err := r.again(ctx, func() (client.LogPiece, error) { return read(next) })
		if err != nil {
			return err
		}
		if _, err := io.WriteString(r.out, visible(piece.Text)); err != nil {
			return err
		}
		stuck := piece.Next == next
		next = piece.Next
		switch {
		case piece.End, stuck && !r.follow:
			return nil
		case stuck:
			if err := r.sleep(ctx, idle); err != nil {
				return err
			}
		}
	}
}

// again reads until it works, if it is to be followed and may work later.
func (r logReader) again(ctx context.Context, read func() (client.LogPiece, error)) (client.LogPiece, error) {
	var waited time.Duration
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		piece, err := read()
		asked, temporary := client.Temporary(err)
		if err == nil || !temporary || !r.follow || ctx.Err() != nil {
			return piece, err
		}
		if waited >= patience {
			return piece, errors.Join(fmt.Errorf("given up after %s", waited), err)
		}
		if waited == 0 {
			r.warn("trying again: " + err.Error())
		}
		wait = max(wait, asked)
		waited += wait
		if err := r.sleep(ctx, wait); err != nil {
			return piece, err
		}
	}
}
