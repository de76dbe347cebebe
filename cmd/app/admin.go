package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/coderflow/coderflow/internal/client"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/task"
)

// with opens the database of an installation, for a command beside the server.
func (f configFlag) with(ctx context.Context, use func(*store.Store) error) error {
	db, err := f.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(use(db), db.Close())
}

// open opens the database of an installation for a command beside the server.
func (f configFlag) open(ctx context.Context) (*store.Store, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	return openStore(ctx, cfg, slog.New(slog.DiscardHandler))
}

type migrateCmd struct{ configFlag }

// Run migrates the database.
func (c migrateCmd) Run(ctx context.Context, s streams) error {
	return c.with(ctx, func(*store.Store) error {
		_, err := fmt.Fprintln(s.out, "the database is at this version")
		return err
	})
}

type auditListCmd struct {
	whereFlags
	outputFlag
	Task        string `help:"Only entries of this task."`
	Environment string `help:"Only entries of this environment."`
}

// Help implements kong.HelpProvider.
func (auditListCmd) Help() string {
	return `Oldest entry first. -o json prints one entry a line, -o yaml one a document.

Examples:

  coderflow audit --environment staging
  coderflow audit --task zzp6hr35kqtq -o json`
}

// Run prints the audit log, oldest entry first.
func (c auditListCmd) Run(ctx context.Context, s streams) error {
	if c.Task != "" {
		if _, err := task.ParseID(c.Task); err != nil {
			return usage("--task: %w", err)
		}
	}
	filter := client.AuditFilter{Task: c.Task, Environment: c.Environment}
	show := func(e client.AuditEntry) error {
		line := fmt.Sprintf("%d\t%s\t%s\t%s\t%s\t%s", e.Number, e.At.UTC().Format(time.RFC3339), e.Actor, e.Action, e.Task, e.Detail)
		return c.printEach(s, e, line)
	}
	_, err := ask(ctx, c.whereFlags, s,
		func(l local) (done struct{}, err error) { return done, l.audit(ctx, filter, show) },
		func(server *client.Client) (done struct{}, err error) { return done, server.Audit(ctx, filter, show) })
	return err
}

func (l local) audit(ctx context.Context, f client.AuditFilter, show func(client.AuditEntry) error) error {
	filter := store.AuditFilter{Task: f.Task, Environment: f.Environment, Limit: 500}
	for {
		entries, err := l.AuditEntries(ctx, filter)
		if err != nil || len(entries) == 0 {
			return err
		}
		for _, e := range entries {
			filter.AfterSeq = e.Seq
			err := show(client.AuditEntry{
				Number: e.Seq, At: e.At.UTC(), Actor: e.Actor, Action: string(e.Action), Task: e.Task, Environment: e.Environment, Detail: e.Detail,
			})
			if err != nil {
				return err
			}
		}
	}
}
