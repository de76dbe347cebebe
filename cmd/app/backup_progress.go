package main

import (
	"context"
	"fmt"
	"io"
	"strings"
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

func (m madeBackup) print(out io.Writer, path string, keys bool) error {
	rows := int64(0)
	for _, sum := range m.Manifest.Tables {
		rows += sum.Rows
	}
	text := &strings.Builder{}
	fmt.Fprintf(text, "backup       %s\nid           %s\nsize         %d bytes\nschema       %d (%s)\nrows         %d\naudit        %d entries, root %s\n",
		path, m.ID, m.Size, m.Header.Schema, m.Header.Database, rows, m.Manifest.Log.Entries, m.Manifest.Log.Root)
	if m.Signer != "" {
		fmt.Fprintf(text, "signed by    %s\n", m.Signer)
	}
	for _, mirror := range m.Manifest.Mirrors {
		fmt.Fprintf(text, "git          %s: %d refs, %d bytes\n", mirror.Name, mirror.Rows, mirror.Bytes)
	}
	if keys {
		fmt.Fprintf(text, "keys         sealed to %s\n", strings.Join(m.Manifest.Keys.Recipients, ", "))
	}
	for _, left := range m.Header.LeftOut {
		fmt.Fprintf(text, "not in it    %s: %s\n", left.What, left.Why)
	}
	_, err := io.WriteString(out, text.String())
	return err
}
