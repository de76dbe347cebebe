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
		tail, err := e.logTail(ctx, "task/"+string(t.ID))
		return account{feed: tail}, err
	}
	parser, tail, feed := activity.NewParser(p.Output), &activity.Tail{}, &lastBytes{most: feedBytes}
	take := func(events []activity.Event) {
		tail.Add(events...)
		for _, event := range events {
			feed.add(feedLine(event))
		}
	}
	for offset := int64(0); ; {
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

// feedLine is one event in a line or a few; empty for what is only noise here.
func feedLine(e activity.Event) string {
	switch e.Kind {
	case activity.ToolUse:
		return "▸ " + e.Tool + ": " + brief(e.Text)
	case activity.Result:
		if e.Failed {
			return "  ✗ " + brief(e.Text)
		}
		return "  " + brief(e.Text)
	case activity.Problem:
		return "✗ " + brief(e.Text)
	case activity.Message, activity.Output:
		return brief(e.Text)
	}
	return ""
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

// Bounds of one event in the feed.
const (
	briefBytes = 600
	briefLines = 8
)

// brief shortens a text of an event, between characters and at whole lines.
func brief(text string) string {
	text = strings.TrimSpace(text)
	lines := strings.SplitAfterN(text, "\n", briefLines+1)
	short := strings.Join(lines[:min(len(lines), briefLines)], "")
	if len(short) > briefBytes {
		short = strings.ToValidUTF8(short[:briefBytes], "")
	}
	if len(short) < len(text) {
		return strings.TrimSpace(short) + " […]"
	}
	return text
}
