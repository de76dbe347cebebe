package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/coderflow/coderflow/internal/store"
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
