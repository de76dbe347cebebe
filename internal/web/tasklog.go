package web

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/coderflow/coderflow/internal/task"
)

// Bytes of a log in one answer.
const (
	logPiece    = 64 << 10
	maxLogPiece = 1 << 20
)

// writtenLog answers with a piece of what the task's or the deployment's container
// wrote. With follow it waits for a while until there is one.
func writtenLog(c *call) error {
	offset, err := c.number("offset", 0, 0, 1<<50)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", logPiece, utf8.UTFMax, maxLogPiece)
	if err != nil {
		return err
	}
	follow, err := c.flag("follow")
	if err != nil {
		return err
	}
	data, end, err := c.readLog(offset, int(limit))
	if err == nil && follow && len(data) == 0 && !end {
		data, end, err = c.awaitLog(offset, int(limit))
	}
	if err != nil {
		return err
	}
	h := c.Response().Header()
	h.Set("X-Log-Offset", strconv.FormatInt(offset, 10))
	h.Set("X-Log-Next-Offset", strconv.FormatInt(offset+int64(len(data)), 10))
	h.Set("X-Log-End", strconv.FormatBool(end))
	return c.Blob(http.StatusOK, "text/plain; charset=utf-8", inert(data))
}

// readLog reads a piece that ends with a whole character. end is set where the
// stream ends and nothing more will come.
func (c *call) readLog(offset int64, limit int) (data []byte, end bool, err error) {
	stream, over := c.stream()
	data, err = c.s.API.Tasks.ReadLog(c.Request().Context(), stream, offset, limit)
	if err != nil {
		return nil, false, err
	}
	if over && len(data) < limit {
		return data, true, nil
	}
	return whole(data), false, nil
}

// stream is the log that the row is about, and whether nothing more is written to
// it: as of when task or deployment were read, which is before the log is.
func (c *call) stream() (name string, over bool) {
	if c.row.on == onDeployment {
		return "deploy/" + c.run.ID, c.run.State.Ended()
	}
	if c.exam.ID != "" {
		return c.exam.LogStream(), c.exam.State.Ended()
	}
	return "task/" + string(c.task.ID), !mayWrite(c.task.State)
}

// look reads task or deployment again.
func (c *call) look() (err error) {
	ctx := c.Request().Context()
	if c.row.on == onDeployment {
		c.run, err = c.s.API.Deployments.Deployment(ctx, c.run.ID)
		return err
	}
	if c.exam.ID != "" {
		return c.readExamination()
	}
	c.task, err = c.s.API.Tasks.Task(ctx, c.task.ID)
	return err
}

// mayWrite reports whether the task's container may still write in the state.
func mayWrite(s task.State) bool {
	return s == task.Queued || s == task.Preparing || s == task.Running || s == task.Collecting
}

// whole leaves out the bytes of a character that is not complete.
func whole(data []byte) []byte {
	for back := 1; back < utf8.UTFMax && back <= len(data); back++ {
		start := len(data) - back
		if utf8.RuneStart(data[start]) {
			if utf8.FullRune(data[start:]) {
				return data
			}
			return data[:start]
		}
	}
	return data
}

// awaitLog looks until there is something, nothing can come any more, or the
// time is over. The rules are asked again before anything is given out: the
// caller's right may have gone meanwhile.
func (c *call) awaitLog(offset int64, limit int) (data []byte, end bool, err error) {
	free, ok := c.s.followers.take(c.user.Subject.String())
	if !ok {
		return nil, false, tooMany(c.s.limits.Follow, "too many requests that follow a log at the same time")
	}
	defer free()
	ctx := c.Request().Context()
	timeout := time.NewTimer(c.s.limits.Follow)
	defer timeout.Stop()
	tick := time.NewTicker(c.s.limits.FollowPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done(): // nobody is there any more
			return nil, false, nil
		case <-stopping(ctx): // the caller asks again, of the next server
			return nil, false, nil
		case <-timeout.C:
			return nil, false, c.again()
		case <-tick.C:
		}
		if err := c.look(); err != nil {
			return nil, false, err
		}
		data, end, err = c.readLog(offset, limit)
		if err != nil {
			return nil, false, err
		}
		if len(data) > 0 || end {
			return data, end, c.again()
		}
	}
}

// again lets the request through a second time.
func (c *call) again() error {
	if err := c.s.authenticate(c); err != nil {
		return err
	}
	return c.permit()
}

// inert shows as escapes what a terminal or a reader would take for something
// else: control, bidirectional and invisible characters.
func inert(data []byte) []byte {
	var out strings.Builder
	out.Grow(len(data))
	for _, r := range string(data) {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			out.WriteRune(r)
			continue
		}
		code := strconv.FormatInt(int64(r), 16)
		out.WriteString(`\u` + strings.Repeat("0", max(0, 4-len(code))) + code)
	}
	return []byte(out.String())
}

// stopKey is under which a request's context tells that the server stops.
type stopKey struct{}

func withStop(ctx context.Context, stop <-chan struct{}) context.Context {
	return context.WithValue(ctx, stopKey{}, stop)
}

// stopping is closed when the server stops: then nobody waits any longer. It is
// nil, which blocks for ever, where nobody said.
func stopping(ctx context.Context) <-chan struct{} {
	stop, _ := ctx.Value(stopKey{}).(<-chan struct{})
	return stop
}
