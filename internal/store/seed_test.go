package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
)

// seeded are values that a schema's own rules ask for, by column, or by table and column.
var seeded = map[string]any{
	"audit_hashes.position": int64(0), "audit_hashes.hash": []byte(strings.Repeat("h", 32)),
	"tasks.number": int64(77), // not the next one of the counter
	"audit.detail": "{}", "secrets.context": "deploy", "canary_trips.place": "output", "sign_ins.kind": "device",
}

// seed puts one row into every table that a backup has, by the schema that is there:
// references hold because all keys are alike. It returns what the tables have then.
func seed(t *testing.T, s *store.Store, but ...string) map[string][]map[string]any {
	t.Helper()
	for _, table := range tablesOf(t, s) {
		if slices.Contains(but, table.Name) {
			continue
		}
		names, marks, values := []string{}, []string{}, []any{}
		for _, c := range table.Columns {
			names, values = append(names, `"`+c.Name+`"`), append(values, seedValue(s, table.Name, c))
			marks = append(marks, fmt.Sprintf("$%d", len(values)))
		}
		overriding := ""
		if s.Dialect() == queue.Postgres {
			overriding = " OVERRIDING SYSTEM VALUE"
		}
		statement := fmt.Sprintf("INSERT INTO %s (%s)%s VALUES (%s)", table.Name, strings.Join(names, ", "), overriding, strings.Join(marks, ", "))
		if _, err := s.DB().ExecContext(t.Context(), statement, values...); err != nil {
			t.Fatalf("seed %s: %v", table.Name, err)
		}
	}
	return everything(t, s)
}

func seedValue(s *store.Store, table string, c backup.Column) any {
	for _, key := range []string{table + "." + c.Name, c.Name} {
		if value, is := seeded[key]; is {
			return value
		}
	}
	switch {
	case store.IsTime(c.Name) && s.Dialect() == queue.Postgres:
		return time.Date(2026, 2, 3, 4, 5, 6, 7000, time.UTC)
	case store.IsTime(c.Name):
		return "2026-02-03T04:05:06.000007Z"
	case c.Kind == backup.Int:
		return int64(1)
	case c.Kind == backup.Bytes:
		return []byte{0, 1, 254, 255, '\n'}
	}
	return "it's \"ü\"\n\\u0000 <&> \u2028"
}

func tablesOf(t *testing.T, s *store.Store) (tables []backup.Table) {
	t.Helper()
	err := s.Snapshot(t.Context(), func(x *store.Snapshot) error {
		tables = x.Tables
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tables
}

// everything is every row that a backup has, by table.
func everything(t *testing.T, s *store.Store) map[string][]map[string]any {
	t.Helper()
	all := map[string][]map[string]any{}
	err := s.Snapshot(t.Context(), func(x *store.Snapshot) error {
		for _, table := range x.Tables {
			all[table.Name] = []map[string]any{}
			err := x.Rows(t.Context(), table, func(row []any) error {
				named := map[string]any{}
				for i, c := range table.Columns {
					named[c.Name] = row[i]
				}
				all[table.Name] = append(all[table.Name], named)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// atVersion opens an empty database and makes the tables of a version.
func atVersion(t *testing.T, o store.Options, version int) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.MigrateTo(context.Background(), version); err != nil {
		t.Fatalf("version %d: %v", version, err)
	}
	return s
}
