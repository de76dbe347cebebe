package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/coderflow/coderflow/internal/agent"
	"github.com/coderflow/coderflow/internal/agent/activity"
	"github.com/coderflow/coderflow/internal/task"
)

// feedBytes is how much of an agent's activity people are shown at the forge.
const feedBytes = tailBytes

// logPiece is how much output is read at once.
const logPiece = 256 << 10

// account is what an agent's output says, for people. All of it is the agent's word.
type account struct {
	summary string
	outcome activity.Outcome
	feed    string // the end of what it did, one line an event
}

// account reads the stored output of a task's container.
func (e *Engine) account(ctx context.Context, t *task.Task) (account, error) {
	preset, _, _ := strings.Cut(t.Run.Agent, " ")
	p, err := agent.Lookup(preset)
	if err != nil || p.Output == activity.Text {
		tail, err := e.logTailFrom(ctx, "task/"+string(t.ID), t.Run.LogFrom)
		return account{feed: tail}, err
	}
	parser, tail, feed := activity.NewParser(p.Output), &activity.Tail{}, &lastBytes{most: feedBytes}
	take := func(events []activity.Event) {
		tail.Add(events...)
		for _, event := range events {
			feed.add(event.Line())
		}
	}
	for offset := t.Run.LogFrom; ; {
		piece, err := e.Store.ReadLog(ctx, "task/"+string(t.ID), offset, logPiece)
		if err != nil {
			return account{}, fmt.Errorf("read the output: %w", err)
		}
		if len(piece) == 0 {
			break
		}
		offset += int64(len(piece))
		take(parser.Feed(piece))
	}
	take(parser.Close())
	return account{summary: tail.Summary(), outcome: tail.Outcome(), feed: feed.String()}, nil
}

// lastBytes keeps whole lines at the end of a text.
type lastBytes struct {
	most  int
	lines []string
	size  int
}

func (l *lastBytes) add(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	l.lines = append(l.lines, line)
	l.size += len(line) + 1
	drop := 0
	for l.size > l.most && drop < len(l.lines)-1 {
		l.size -= len(l.lines[drop]) + 1
		drop++
	}
	l.lines = append(l.lines[:0], l.lines[drop:]...)
}

// String returns what is kept.
func (l *lastBytes) String() string { return strings.Join(l.lines, "\n") }
