package main

import (
	"context"
	"io"
	"time"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/client"
)

type auditExportCmd struct {
	whereFlags
	auditFilterFlags
	Format string `help:"jsonl: the lines that are hashed; csv: for a spreadsheet." enum:"jsonl,csv" default:"jsonl"`
}

// Help implements kong.HelpProvider.
func (auditExportCmd) Help() string {
	return `A line of the JSON form is exactly what the tree has: SHA-256 over a zero byte and the line, without its end, is the
leaf (RFC 6962); GET /audit/proof?entry=NUMBER proves it. At a server these are the entries that you may see.

Examples:

  coderflow audit export > audit.jsonl
  coderflow audit export --format csv --since 2026-01-01 --until 2026-02-01 > january.csv
  coderflow audit export --environment production --action approval.*,push.*,deployment.*`
}

// Run prints the entries.
func (c auditExportCmd) Run(ctx context.Context, s streams) error {
	filter, err := c.filter(time.Now())
	if err != nil {
		return err
	}
	out := s.out
	if isTerminal(out) {
		out = inertWriter{out}
	}
	_, err = ask(ctx, c.whereFlags, s,
		func(l local) (done struct{}, err error) { return done, l.export(ctx, filter, c.Format, out) },
		func(server *client.Client) (done struct{}, err error) {
			return done, server.AuditExport(ctx, filter, c.Format, out)
		})
	return err
}

func (l local) export(ctx context.Context, f client.AuditFilter, format string, w io.Writer) error {
	if format == "csv" {
		if err := audit.WriteTable(w, true); err != nil {
			return err
		}
	}
	return l.eachEntry(ctx, f, func(e audit.Entry) (bool, error) {
		if format == "csv" {
			return true, audit.WriteTable(w, false, e)
		}
		return true, audit.WriteLines(w, e)
	})
}

// inertWriter writes what others wrote to a terminal, which it does not act on.
type inertWriter struct{ to io.Writer }

// Write implements io.Writer. It is given whole lines.
func (w inertWriter) Write(p []byte) (int, error) {
	_, err := io.WriteString(w.to, visible(string(p)))
	return len(p), err
}
