// Package storetest gives tests a real database: an SQLite file or a PostgreSQL
// server of their own.
package storetest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/store"
)

// SQLiteOptions names a fresh, empty database file.
func SQLiteOptions(t testing.TB) store.Options {
	t.Helper()
	return store.Options{DSN: "sqlite", Path: filepath.Join(t.TempDir(), "coderflow.db")}
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

// EachOptions is [Each] for tests that open the empty database themselves.
func EachOptions(t *testing.T, test func(t *testing.T, o store.Options)) {
	t.Helper()
	databases := map[string]func(testing.TB) store.Options{"sqlite": SQLiteOptions, "postgres": PostgresOptions}
	for name, options := range databases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, options(t))
		})
	}
}
