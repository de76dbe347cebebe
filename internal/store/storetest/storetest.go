// Package storetest gives tests a real database: an SQLite file or a PostgreSQL
// server of their own.
package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/store"
)

// EmptySQLite names a fresh database file that does not exist yet.
func EmptySQLite(t testing.TB) store.Options {
	t.Helper()
	return store.Options{DSN: "sqlite", Path: filepath.Join(t.TempDir(), "coderflow.db")}
}

// SQLiteOptions names a fresh, migrated database file.
func SQLiteOptions(t testing.TB) store.Options {
	t.Helper()
	template, err := sqliteTemplate()
	if err != nil {
		t.Fatalf("make the template of the test databases: %v", err)
	}
	o := EmptySQLite(t)
	if err := os.WriteFile(o.Path, template, 0o600); err != nil {
		t.Fatalf("make the test database: %v", err)
	}
	return o
}

// sqliteTemplate is the content of a migrated database file.
var sqliteTemplate = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "coderflow-sqlite-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "template.db")
	if err := migrate(store.Options{DSN: "sqlite", Path: path}); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

// migrate makes the schema and closes the database, which leaves all of SQLite's
// in the one file.
func migrate(o store.Options) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := store.Open(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}

// SQLite opens a fresh, migrated database file and closes it when the test ends.
func SQLite(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, SQLiteOptions(t))
}

// Postgres opens a fresh, migrated PostgreSQL database on the server that all
// tests of the binary share.
func Postgres(t testing.TB) *store.Store {
	t.Helper()
	return Open(t, PostgresOptions(t))
}

// Open opens and migrates a database and closes it when the test ends.
func Open(t testing.TB, o store.Options) *store.Store {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s, err := store.Open(ctx, o)
	if err != nil {
		t.Fatalf("open the test database: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the test database: %v", err)
		}
	})
	if err := s.Migrate(ctx); err != nil {
		t.Fatalf("migrate the test database: %v", err)
	}
	return s
}

// Each runs a test on SQLite and on PostgreSQL, in parallel.
func Each(t *testing.T, test func(t *testing.T, s *store.Store)) {
	t.Helper()
	EachOptions(t, func(t *testing.T, o store.Options) { test(t, Open(t, o)) })
}

// EachOptions is [Each] for tests that open the migrated database themselves.
func EachOptions(t *testing.T, test func(t *testing.T, o store.Options)) {
	t.Helper()
	each(t, SQLiteOptions, PostgresOptions, test)
}

// EachEmpty is [EachOptions] with databases without a schema.
func EachEmpty(t *testing.T, test func(t *testing.T, o store.Options)) {
	t.Helper()
	each(t, EmptySQLite, EmptyPostgres, test)
}

func each(t *testing.T, sqlite, postgres func(testing.TB) store.Options, test func(*testing.T, store.Options)) {
	t.Helper()
	for name, options := range map[string]func(testing.TB) store.Options{"sqlite": sqlite, "postgres": postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options(t))
		})
	}
}
