package store_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
)

// A database of every version there ever was, with a row in each of its tables, comes
// up to this one, and every row says what it said.
func TestEveryVersionMigratesUpWithItsRows(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, first store.Options) {
		versions, err := opened(t, first).Versions()
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range versions[:len(versions)-1] {
			t.Run(fmt.Sprint(version), func(t *testing.T) {
				t.Parallel()
				s := atVersion(t, alike(first)(t), version)
				before := seed(t, s)
				if err := s.MigrateTo(t.Context(), versions[len(versions)-1]); err != nil { // River's own tables are River's
					t.Fatal(err)
				}
				after := everything(t, s)
				for table, rows := range before {
					for i, row := range rows {
						for column, want := range row {
							if got := after[table][i][column]; !reflect.DeepEqual(got, want) {
								t.Errorf("%s.%s is %v, was %v", table, column, got, want)
							}
						}
					}
					if len(rows) != 1 || len(after[table]) != 1 {
						t.Errorf("%s had %d rows and has %d", table, len(rows), len(after[table]))
					}
				}
				found, known, err := s.SchemaVersion(t.Context())
				if err != nil || found != known || known != versions[len(versions)-1] {
					t.Errorf("version %d of %d, %v", found, known, err)
				}
				if brought, err := store.KnownSchema(); err != nil || brought != known {
					t.Errorf("the program says that it brings version %d, and brings %d: %v", brought, known, err)
				}
				insertTask(t, s, newTask())
			})
		}
	})
}

// Backups are restored by later programs: of every version, into both databases.
func TestABackupOfAnEarlierVersionIsMigratedUp(t *testing.T) {
	t.Parallel()
	storetest.EachEmpty(t, func(t *testing.T, first store.Options) {
		versions, err := opened(t, first).Versions()
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []int{versions[0], versions[len(versions)/2], versions[len(versions)-2]} {
			from := atVersion(t, alike(first)(t), version)
			before := seed(t, from)
			into := opened(t, otherThan(first)(t))
			if err := load(t, into, saved(t, from, nil)); err != nil {
				t.Errorf("version %d: %v", version, err)
				continue
			}
			if err := into.Migrate(t.Context()); err != nil {
				t.Errorf("version %d: %v", version, err)
			}
			if after := everything(t, into); len(after["tasks"]) != 1 || after["tasks"][0]["snapshot"] != before["tasks"][0]["snapshot"] {
				t.Errorf("version %d: %v", version, after["tasks"])
			}
		}
	})
}

// Nobody knows what a database looks like that has a later step without an earlier
// one, or a step that was never released, so nothing is done to it.
func TestADatabaseWithAHoleInItsVersionsIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		do      string
		unknown bool
	}{
		"missing": {"DELETE FROM schema_versions WHERE version = 7", false},
		"unknown": {"INSERT INTO schema_versions (version, applied_at) VALUES (0, '2026-01-01T00:00:00.000000Z')", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, s *store.Store) {
				found, _, err := s.SchemaVersion(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if _, err := s.DB().ExecContext(t.Context(), c.do); err != nil {
					t.Fatal(err)
				}
				var hole *store.SchemaHoleError
				if err := s.Migrate(t.Context()); !errors.As(err, &hole) || hole.Unknown != c.unknown || hole.Newest != found {
					t.Errorf("Migrate ended with: %v", err)
				}
				if err := s.Snapshot(t.Context(), func(*store.Snapshot) error { return nil }); !errors.As(err, &hole) {
					t.Errorf("a backup ended with: %v", err)
				}
			})
		})
	}
}

// Both databases have the same steps, each with a number of its own, and the same
// tables and columns after them.
func TestBothDatabasesHaveTheSameSteps(t *testing.T) {
	t.Parallel()
	one, other := storetest.SQLite(t), storetest.Postgres(t)
	first, err := one.Versions()
	second, err2 := other.Versions()
	if errors.Join(err, err2) != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("%v, %v: %v, %v", first, second, err, err2)
	}
	has := map[queue.Dialect]map[string]bool{}
	for _, s := range []*store.Store{one, other} {
		has[s.Dialect()] = map[string]bool{}
		for _, table := range tablesOf(t, s) {
			for _, c := range table.Columns {
				has[s.Dialect()][fmt.Sprint(table.Name, ".", c.Name, " ", c.Kind)] = true
			}
		}
	}
	if !reflect.DeepEqual(has[queue.SQLite], has[queue.Postgres]) {
		t.Errorf("SQLite has %v\nPostgreSQL has %v", has[queue.SQLite], has[queue.Postgres])
	}
}

// What a backup has is a decision for every table: a new one is in every backup, whole,
// and must hold no secret that is not sealed. What must not be in one goes into
// notBackedUp, with the reason.
func TestWhichTablesABackupHasIsDecided(t *testing.T) {
	t.Parallel()
	decided := []string{
		"approvals", "audit", "audit_checkpoints", "audit_hashes", "audit_keys", "audit_published", "canary_trips", "cursors", "deliveries", "deploy_runs",
		"deploy_runs_removed", "evidence_differences", "evidence_looks", "examinations", "feedback", "freezes", "judge_measures", "log_chunks", "log_streams", "manifests", "memberships", "merges", "model_requests", "people_tokens",
		"proposal_pack_chunks", "proposal_packs", "proposals", "receipts", "revisions", "secrets", "tasks", "tokens",
	}
	is := map[string]bool{}
	for _, name := range decided {
		is[name] = true
	}
	for _, table := range tablesOf(t, storetest.SQLite(t)) {
		if !is[table.Name] {
			t.Errorf("the table %s is new: does a backup have it? Does it hold a secret that is not sealed?", table.Name)
		}
		delete(is, table.Name)
	}
	if len(is) > 0 {
		t.Errorf("a backup does not have %v", is)
	}
}

// alike makes an empty database of the same kind, otherThan one of the other.
func alike(o store.Options) func(testing.TB) store.Options {
	if o.DSN == "sqlite" {
		return storetest.EmptySQLite
	}
	return storetest.EmptyPostgres
}

func otherThan(o store.Options) func(testing.TB) store.Options {
	if o.DSN == "sqlite" {
		return storetest.EmptyPostgres
	}
	return storetest.EmptySQLite
}
