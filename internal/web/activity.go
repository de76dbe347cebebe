package web

import (
	"bytes"
	"net/http"

	"github.com/coderflow/coderflow/internal/agent/activity"
)

// Bytes of a log that one page of activity is read from, and the longest line
// that is waited for; a longer one is shown in parts.
const (
	activityPiece = 256 << 10
	maxEventLine  = 4 << 20
)

type activityView struct {
	Items []activity.Event `json:"items"`
	Next  int64            `json:"next"` // byte of the log
	End   bool             `json:"end"`
}

// taskActivity gives what the agent printed as events: its own word. A page ends
// with a whole line.
func taskActivity(c *call) error {
	offset, err := c.number("offset", 0, 0, 1<<50)
	if err != nil {
		return err
	}
	limit, err := c.number("limit", activityPiece, 1, maxLogPiece)
	if err != nil {
		return err
	}
	lines, end, err := c.readLines(offset, int(limit))
	if err != nil {
		return err
	}
	parser := activity.NewParser(c.s.API.Format(c.task))
	events := append(parser.Feed(lines), parser.Close()...)
	return c.JSON(http.StatusOK, activityView{
		Items: collect(events, func(e activity.Event) activity.Event { return e }), Next: offset + int64(len(lines)), End: end,
	})
}

// readLines reads whole lines, at least one if there is one. Where the log ends
// for good what is left counts as a line.
func (c *call) readLines(offset int64, limit int) (lines []byte, end bool, err error) {
	for len(lines) < maxEventLine {
		piece, last, err := c.readLog(offset+int64(len(lines)), limit)
		if err != nil {
			return nil, false, err
		}
		if lines = append(lines, piece...); last {
			return lines, true, nil
		}
		if i := bytes.LastIndexByte(lines, '\n'); i >= 0 {
			return lines[:i+1], false, nil
		}
		if len(piece) == 0 {
			return nil, false, nil
		}
		limit = maxLogPiece
	}
	return lines, false, nil
}
