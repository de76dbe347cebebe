package judge

import (
	"strings"

	"github.com/coderflow/coderflow/internal/agent/activity"
)

// Answer finds what an agent said last in its output, which comes in pieces. It needs little
// memory, however long the output is.
type Answer struct {
	parser *activity.Parser
	plain  bool
	said   string
	lines  []byte // the end of an output without structure
}

// NewAnswer reads an output of the format. An output without structure ends with the verdict:
// in its last line, or in a fence.
func NewAnswer(format activity.Format) *Answer {
	return &Answer{parser: activity.NewParser(format), plain: format == activity.Text || format == ""}
}

// Feed takes the next piece, which may end anywhere.
func (a *Answer) Feed(piece []byte) {
	if !a.plain {
		a.take(a.parser.Feed(piece))
		return
	}
	const most = 2 * MaxVerdict
	a.lines = append(a.lines, piece[max(0, len(piece)-most):]...)
	if len(a.lines) > most {
		a.lines = append(a.lines[:0], a.lines[len(a.lines)-most:]...)
	}
}

func (a *Answer) take(events []activity.Event) {
	for _, e := range events {
		if e.Kind == activity.Message || e.Kind == activity.End && !e.Failed && e.Text != "" {
			a.said = e.Text
		}
	}
}

// Text is what the agent said last; call it once, after everything was fed.
func (a *Answer) Text() string {
	if !a.plain {
		a.take(a.parser.Close())
		return a.said
	}
	text := strings.TrimSpace(string(a.lines))
	if body, fenced := strings.CutSuffix(text, "\n```"); fenced {
		if at := strings.LastIndex("\n"+body, "\n```"); at >= 0 {
			return text[at:]
		}
	}
	return strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:])
}
