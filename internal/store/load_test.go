package store_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/coderflow/coderflow/internal/backup"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// saved writes a backup of a database. change, if not nil, changes each row first.
func saved(t *testing.T, s *store.Store, change func(table string, row []any) []any) []byte {
	t.Helper()
	var file bytes.Buffer
	err := s.Snapshot(t.Context(), func(x *store.Snapshot) error {
		w, err := backup.NewWriter(&file, backup.Header{Program: "test", Schema: x.Schema, Database: string(s.Dialect()), Tables: x.Tables, LeftOut: x.LeftOut})
		if err != nil {
			return err
		}
		for range x.Tables {
			_, err := w.Table(func(table backup.Table, yield func([]any) error) error {
				return x.Rows(t.Context(), table, func(row []any) error {
					if change != nil {
						row = change(table.Name, row)
					}
					return yield(row)
				})
			})
			if err != nil {
				return err
			}
		}
		_, err = w.Close(backup.Log{}, func(string) ([]byte, error) { return nil, nil })
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// sink loads a backup's rows.
type sink struct {
	t *testing.T
	l *store.Loader
}

func (k sink) Begin(h backup.Header) error { return k.l.Begin(k.t.Context(), h.Schema, h.Tables) }
func (k sink) Rows(table backup.Table, rows [][]any) error {
	return k.l.Rows(k.t.Context(), table.Name, rows)
}
func (sink) Keys([]byte) error                            { return nil }
func (sink) Mirror(string, []backup.Ref, io.Reader) error { return nil }

func load(t *testing.T, s *store.Store, file []byte) error {
	return s.Load(t.Context(), func(l *store.Loader) error {
		_, err := backup.Read(bytes.NewReader(file), sink{t, l})
		return err
	}, func(*store.Loaded) error { return nil })
}

func opened(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// empties are the two kinds of databases without a schema.
var empties = map[string]func(testing.TB) store.Options{"sqlite": storetest.EmptySQLite, "postgres": storetest.EmptyPostgres}

// Every table, every column, from each database into each.
func TestABackupComesBackInBothDatabases(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, from *store.Store) {
		logged(t, from, 40)
		want := seed(t, from, "audit", "audit_hashes")
		file := saved(t, from, nil)
		for name, empty := range empties {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				into := opened(t, empty(t))
				if err := load(t, into, file); err != nil {
					t.Fatal(err)
				}
				if got := everything(t, into); !reflect.DeepEqual(got, want) {
					for table := range want {
						if !reflect.DeepEqual(got[table], want[table]) {
							t.Errorf("%s:\n%v\nwas:\n%v", table, got[table], want[table])
						}
					}
				}
				if err := into.Migrate(t.Context()); err != nil {
					t.Fatal(err)
				}
				if r := verified(t, into); len(r.Findings) > 0 || r.Entries != 40 {
					t.Errorf("the audit log: %+v", r)
				}
				insertTask(t, into, newTask()) // its number goes on
				logged(t, into, 20)
				if err := load(t, into, file); !errors.Is(err, store.ErrNotEmpty) {
					t.Errorf("a database with something in it was filled: %v", err)
				}
			})
		}
	})
}

// What a hostile file says is no type, no reference and no row that the schema does
// not permit, and a file that is refused leaves nothing.
func TestAHostileBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	from := storetest.SQLite(t)
	logged(t, from, 20)
	seed(t, from, "audit", "audit_hashes")
	at := map[string]int{}
	for _, table := range tablesOf(t, from) {
		for i, c := range table.Columns {
			at[table.Name+"."+c.Name] = i
		}
	}
	set := func(column string, value any) func(string, []any) []any {
		return func(table string, row []any) []any {
			if strings.HasPrefix(column, table+".") {
				row[at[column]] = value
			}
			return row
		}
	}
	for name, change := range map[string]func(string, []any) []any{
		"a time that is none":    set("tasks.created_at", "yesterday"),
		"another form of a time": set("tasks.created_at", "2026-02-03T04:05:06Z"),
		"a truth value of 2":     set("tasks.cancel_requested", int64(2)),
		"no reference":           set("proposals.task", "nobody"),
		"a null":                 set("tasks.state", nil),
		"a NUL":                  set("tasks.failure", "\x00"),
		"a hole in the log":      set("audit.seq", int64(7)),
		"a short hash":           set("audit_hashes.hash", []byte("short")),
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			file := saved(t, from, change)
			for _, empty := range empties {
				into := opened(t, empty(t))
				if err := load(t, into, file); err == nil {
					t.Errorf("%s: it was taken", into.Dialect())
				}
				if err := into.Snapshot(t.Context(), func(*store.Snapshot) error { return nil }); !errors.Is(err, store.ErrNoSchema) {
					t.Errorf("%s: something is left: %v", into.Dialect(), err)
				}
			}
		})
	}
}

func TestABackupOfAnotherSchemaIsRefused(t *testing.T) {
	t.Parallel()
	from := storetest.SQLite(t)
	tables := tablesOf(t, from)
	found, _, err := from.SchemaVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	renamed := append([]backup.Table{}, tables...)
	renamed[0].Name = "sqlite_master"
	wider := append([]backup.Table{}, tables...)
	wider[0].Columns = append([]backup.Column{{Name: "extra", Kind: backup.Text}}, wider[0].Columns...)
	for name, c := range map[string]struct {
		schema int
		tables []backup.Table
	}{
		"newer": {9999, tables}, "never": {17_000 % 9000, tables}, "fewer tables": {found, tables[1:]}, "another table": {found, renamed},
		"another column": {found, wider}, "twice": {found, append([]backup.Table{tables[1]}, tables[1:]...)},
	} {
		into := opened(t, storetest.EmptySQLite(t))
		err := into.Load(t.Context(), func(l *store.Loader) error { return l.Begin(t.Context(), c.schema, c.tables) }, func(*store.Loaded) error { return nil })
		if err == nil {
			t.Errorf("%s: it was taken", name)
		}
		if newer := (*store.NewerSchemaError)(nil); name == "newer" && !errors.As(err, &newer) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A writer goes on while the snapshot is read, and what it writes is not in it.
func TestASnapshotIsOneMoment(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		logged(t, s, 20)
		err := s.Snapshot(t.Context(), func(x *store.Snapshot) error {
			insertTask(t, s, newTask())
			logged(t, s, 20)
			size, root, _, err := x.Audit(t.Context())
			if err != nil || size != 20 || root.String() == "" {
				t.Errorf("%d %v", size, err)
			}
			for _, table := range x.Tables {
				n := 0
				err := x.Rows(t.Context(), table, func([]any) error { n++; return nil })
				if want := map[string]int{"audit": 20, "audit_hashes": 38}[table.Name]; err != nil || n != want {
					t.Errorf("%s has %d rows, not %d: %v", table.Name, n, want, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// The name of a column is how a backup from SQLite tells that it holds a time.
func TestColumnsOfTimesAreToldByTheirNames(t *testing.T) {
	t.Parallel()
	s := storetest.Postgres(t)
	rows, err := s.DB().QueryContext(t.Context(), `SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
		WHERE table_schema = current_schema() AND table_name NOT LIKE 'river%'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // Err tells
	for rows.Next() {
		var table, column, is string
		if err := rows.Scan(&table, &column, &is); err != nil {
			t.Fatal(err)
		}
		if (is == "timestamp with time zone") != store.IsTime(column) {
			t.Errorf("%s.%s has the type %s: a time is named at, …_at or …_until, and nothing else is", table, column, is)
		}
	}
	if err := errors.Join(rows.Err(), s.Ping(t.Context())); err != nil || s.Dialect() != queue.Postgres {
		t.Error(err)
	}
}
