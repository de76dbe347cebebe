package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/console"
)

// Times of a page that is followed. It ends by itself, and the browser asks again from
// where it was, so that nothing is held for ever.
const (
	followLife  = 10 * time.Minute
	followWrite = 20 * time.Second // a browser that takes nothing for so long is gone
	followBeat  = 15 * time.Second // something is said so often, for proxies
	followPiece = 64 << 10         // bytes of a log in one event
)

// events writes server-sent events. Every event has its own time to be written: the
// server's limit is of a whole answer.
type events struct {
	c  *call
	rc *http.ResponseController
}

// newEvents begins the answer.
func newEvents(c *call) *events {
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	c.Response().WriteHeader(http.StatusOK)
	return &events{c, http.NewResponseController(c.Response())}
}

// send writes one event. An id is where the browser goes on after a loss.
func (e *events) send(name, id string, data []byte) error {
	var out bytes.Buffer
	if id != "" {
		out.WriteString("id: " + id + "\n")
	}
	out.WriteString("event: " + name + "\n")
	for line := range bytes.SplitSeq(bytes.TrimSuffix(data, []byte("\n")), []byte("\n")) {
		out.WriteString("data: ")
		out.Write(line)
		out.WriteByte('\n')
	}
	out.WriteByte('\n')
	return e.write(out.Bytes())
}

// beat says nothing, so that everybody between knows that the answer goes on.
func (e *events) beat() error { return e.write([]byte(":\n\n")) }

func (e *events) write(data []byte) error {
	err := e.rc.SetWriteDeadline(time.Now().Add(followWrite))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("set the time to write: %w", err)
	}
	if _, err := e.c.Response().Write(data); err != nil {
		return fmt.Errorf("write an event: %w", err)
	}
	return e.rc.Flush()
}

// followed is what a page follows.
type followed interface {
	// look reads it again.
	look() error
	// stream is its log, and whether nothing more is written to it.
	stream() (name string, over bool)
	// ended tells that nothing of it changes any more.
	ended() bool
	// mark is what the rest of the page depends on, in short.
	mark() string
	// seen tells whether the viewer may see it, by the rules as they were read last.
	seen() bool
}

// still tells whether the viewer is still signed in and may still see what is followed:
// they are asked before anything is given out.
func (f *follower) still() (bool, error) {
	c := f.c
	k, ok, err := c.s.session(c.Context)
	if err != nil || !ok || k.ID != c.token.ID {
		return false, err
	}
	if c.rules, err = c.s.API.Policies.Policy(c.Request().Context()); err != nil {
		return false, fmt.Errorf("read the rules in force: %w", err)
	}
	return f.what.seen(), nil
}

// follower is one browser that follows a task, an examination or a deployment.
type follower struct {
	*events
	what     followed
	show     string // "log" or "activity"
	at       int64  // byte of the log
	terminal console.Terminal
	parser   *activity.Parser // of a task's agent; nil: there is none
	was      string           // what the rest of the page shows
	said     time.Time
}

// follow sends what is written, as it comes, and that the rest of the page changed. It
// ends with what is followed.
func (c *call) follow(what followed, parser *activity.Parser) error {
	if from := c.Request().Header.Get("Last-Event-ID"); from != "" {
		c.query.Set("from", from)
	} else if from := c.QueryParam("from"); from != "" {
		c.query.Set("from", from)
	}
	at, err := c.number("from", 0, 0, 1<<50)
	if err != nil {
		return err
	}
	free, ok := c.s.viewers.take(c.user.Subject.String())
	if !ok {
		return tooMany(10*time.Second, "too many pages that are followed at the same time")
	}
	defer free()
	f := &follower{events: newEvents(c), what: what, show: c.QueryParam("show"), at: at, parser: parser, was: what.mark(), said: time.Now()}
	if err := f.beat(); err != nil {
		return err
	}
	return f.run(c.Request().Context())
}

func (f *follower) run(ctx context.Context) error {
	life := time.NewTimer(followLife)
	defer life.Stop()
	tick := time.NewTicker(f.c.s.limits.FollowPoll)
	defer tick.Stop()
	for {
		if over, err := f.step(); err != nil || over {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-stopping(ctx): // the browser asks again, of the next server
			return nil
		case <-life.C:
			return nil
		case <-tick.C:
		}
	}
}

// step sends what is new. The answer has begun, so that an error ends it and is for
// the log alone.
func (f *follower) step() (over bool, err error) {
	if err := f.what.look(); err != nil {
		return true, err
	}
	ended, now := f.what.ended(), f.what.mark()
	lines, next, err := f.news()
	if err != nil {
		return true, err
	}
	if len(lines) == 0 && now == f.was && !ended && time.Since(f.said) < followBeat {
		return false, nil
	}
	if may, err := f.still(); err != nil || !may {
		return true, err
	}
	f.said = time.Now()
	if err := f.tell(lines, next); err != nil {
		return true, err
	}
	if now != f.was {
		f.was = now
		if err := f.send("changed", "", nil); err != nil {
			return true, err
		}
	}
	if ended && len(lines) == 0 {
		return true, f.send("end", "", nil)
	}
	return false, f.beat()
}

// news reads whole lines of the log that were not sent yet.
func (f *follower) news() (lines []byte, next int64, err error) {
	if f.show != "log" && (f.show != "activity" || f.parser == nil) {
		return nil, f.at, nil
	}
	stream, over := f.what.stream()
	lines, err = f.c.s.API.Tasks.ReadLog(f.c.Request().Context(), stream, f.at, followPiece)
	if err != nil {
		return nil, 0, err
	}
	if end := bytes.LastIndexByte(lines, '\n') + 1; end > 0 {
		lines = lines[:end]
	} else if !over && len(lines) < followPiece {
		lines = nil // a line that goes on
	}
	return lines, f.at + int64(len(lines)), nil
}

func (f *follower) tell(lines []byte, next int64) error {
	if len(lines) == 0 {
		return nil
	}
	var html []byte
	if f.show == "log" {
		html = []byte(f.terminal.Lines(lines))
	} else {
		events := f.parser.Feed(lines)
		if _, over := f.what.stream(); over {
			events = append(events, f.parser.Close()...)
		}
		html = []byte(console.Events(events))
	}
	f.at = next
	if len(html) == 0 {
		return nil
	}
	return f.send(f.show, strconv.FormatInt(next, 10), html)
}
