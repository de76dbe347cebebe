package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/backup"
)

// tellProgress tells on standard error what a long command is at.
type tellProgress struct {
	to   io.Writer
	last time.Time
}

// progressPace is how often a part that takes long says how far it is.
const progressPace = 5 * time.Second

func newTellProgress(to io.Writer) *tellProgress { return &tellProgress{to: to, last: time.Now()} }

func (p *tellProgress) line(format string, args ...any) {
	p.last = time.Now()
	fmt.Fprintf(p.to, format+"\n", args...)
}

// sofar tells how many rows of a table were handled, now and then.
func (p *tellProgress) sofar(table string, rows int64) {
	if time.Since(p.last) >= progressPace {
		p.line("%-20s %d rows so far", table, rows)
	}
}

func (p *tellProgress) done(sum backup.Sum) {
	if sum.Rows > 0 {
		p.line("%-20s %d rows, %d bytes", sum.Name, sum.Rows, sum.Bytes)
	}
}

func (p *tellProgress) counting(table string, yield func([]any) error) func([]any) error {
	n := int64(0)
	return func(row []any) error {
		n++
		p.sofar(table, n)
		return yield(row)
	}
}

// within reads as long as the context lasts.
func within(ctx context.Context, r io.Reader) io.Reader { return contextReader{ctx, r} }

type contextReader struct {
	ctx context.Context //nolint:containedctx // io.Reader has none; it lives for one command
	r   io.Reader
}

// Read implements io.Reader.
func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
