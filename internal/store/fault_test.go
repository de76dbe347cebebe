package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/store"
	"github.com/coderflow/coderflow/internal/store/storetest"
	"github.com/coderflow/coderflow/internal/task"
)

// within fails the test if f takes longer.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > limit {
		t.Errorf("%s took %s, more than %s", what, took, limit)
	}
}

// short is the store's deadline in these tests, and patience what a call may
// take with it on a busy machine.
const (
	short    = 2 * time.Second
	patience = 12 * time.Second
)

func insertOne(t *testing.T, s *store.Store) error {
	t.Helper()
	return try(t, s, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.InsertTask(ctx, newTask())
		return err
	})
}

func TestFault19ALockedSQLiteFileMakesErrorsAndWorksAgainAfterwards(t *testing.T) {
	t.Parallel()
	o := storetest.SQLiteOptions(t)
	o.Timeout = short
	s := storetest.Open(t, o)
	if err := insertOne(t, s); err != nil {
		t.Fatal(err)
	}
	unlock := lockSQLite(t, o.Path)

	within(t, patience, "a ping of a locked file", func() {
		if err := s.Ping(t.Context()); err == nil {
			t.Error("the store says it can write")
		}
	})
	within(t, patience, "a transaction on a locked file", func() {
		if err := insertOne(t, s); err == nil {
			t.Error("a transaction was committed")
		}
	})
	within(t, patience, "a read beside the lock", func() {
		if open, err := s.OpenTasks(t.Context()); err != nil || len(open) != 1 {
			t.Errorf("readers wait for a writer: %d tasks, %v", len(open), err)
		}
	})
	unlock()
	if err := errors.Join(s.Ping(t.Context()), insertOne(t, s)); err != nil {
		t.Errorf("after the lock was released: %v", err)
	}
}

// lockSQLite is another program that writes and does not end.
func lockSQLite(t *testing.T, path string) (unlock func()) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	session, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.ExecContext(t.Context(), "BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		if _, err := session.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
	}
}

func TestReadersDoNotWaitForATransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		v := insertTask(t, s, newTask())
		inTx(t, s, func(ctx context.Context, tx *store.Tx) error {
			v.State = task.Preparing
			if err := tx.SaveTask(ctx, &v); err != nil {
				return err
			}
			within(t, patience, "a read beside a transaction", func() {
				if got, err := s.Task(ctx, v.ID); err != nil || got.State != task.Queued {
					t.Errorf("read %s, %v", got.State, err)
				}
			})
			return nil
		})
	})
}

func TestFault19ALockedPostgresTableMakesErrorsAndWorksAgainAfterwards(t *testing.T) {
	t.Parallel()
	o := storetest.PostgresOptions(t)
	o.Timeout = short
	s := storetest.Open(t, o)
	tx, err := s.DB().BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "LOCK TABLE tasks, heartbeats IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	within(t, patience, "calls on locked tables", func() {
		_, errRead := s.OpenTasks(t.Context())
		if errWrite, errPing := insertOne(t, s), s.Ping(t.Context()); errRead == nil || errWrite == nil || errPing == nil {
			t.Errorf("no errors: %v, %v, %v", errRead, errWrite, errPing)
		}
	})
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Ping(t.Context()), insertOne(t, s)); err != nil {
		t.Errorf("after the lock was released: %v", err)
	}
}

func TestFault19And30PostgresDiesAndComesBack(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	o := server.Database(t)
	o.Timeout = short
	s := storetest.Open(t, o)
	before := insertTask(t, s, newTask())

	if err := server.Stop(); err != nil { // at once, as with the power
		t.Fatal(err)
	}
	for range 3 {
		within(t, patience, "calls on a dead server", func() {
			_, errRead := s.Task(t.Context(), before.ID)
			if errWrite, errPing := insertOne(t, s), s.Ping(t.Context()); errRead == nil || errWrite == nil || errPing == nil {
				t.Errorf("no errors: %v, %v, %v", errRead, errWrite, errPing)
			}
			if errors.Is(errRead, task.ErrNotFound) {
				t.Error("a dead server was taken for a missing task")
			}
		})
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Ping(t.Context()), insertOne(t, s)); err != nil {
		t.Errorf("after the server came back: %v", err)
	}
	if _, err := s.Task(t.Context(), before.ID); err != nil {
		t.Errorf("what was acknowledged is gone: %v", err)
	}
}

func TestFault20ADatabaseThatDiesInATransactionLeavesNothingOfIt(t *testing.T) {
	t.Parallel()
	server := storetest.NewServer(t)
	s := storetest.Open(t, server.Database(t))
	err := try(t, s, func(ctx context.Context, tx *store.Tx) error {
		if err := writeTask(ctx, tx, "half"); err != nil {
			return err
		}
		return server.Stop()
	})
	if err == nil {
		t.Fatal("the commit succeeded on a dead server")
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, s, "half"); got != (presence{}) {
		t.Errorf("left behind: %+v", got)
	}
}

// A server that accepts connections and never answers is worse than a dead one.
func TestFault19AServerThatNeverAnswersMakesAnError(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	within(t, patience, "opening", func() {
		_, err := store.Open(t.Context(), store.Options{
			DSN: "postgres://u:p@" + listener.Addr().String() + "/db?sslmode=disable", Timeout: short,
		})
		if err == nil {
			t.Error("opened")
		}
	})
}

// A power cut cannot be had in a test; these are the settings that make the
// database wait for the disk before it acknowledges.
func TestFault30CommitsWaitForTheDisk(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, s *store.Store) {
		settings := map[string]string{"PRAGMA synchronous": "2", "PRAGMA journal_mode": "wal", "PRAGMA foreign_keys": "1"}
		if s.Dialect() == queue.Postgres {
			settings = map[string]string{"SHOW synchronous_commit": "on", "SHOW standard_conforming_strings": "on"}
		}
		for question, want := range settings {
			var got string
			if err := s.DB().QueryRowContext(t.Context(), question).Scan(&got); err != nil || got != want {
				t.Errorf("%s: %q, %v; want %q", question, got, err, want)
			}
		}
	})
}

func TestTheSQLiteFileIsItsOwnersAlone(t *testing.T) {
	t.Parallel()
	o := storetest.SQLiteOptions(t)
	o.Path += " with?odd%20characters#in it"
	s := storetest.Open(t, o)
	if err := insertOne(t, s); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(o.Path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", info.Name(), mode)
		}
	}
}

func TestAWrongAddressIsAnErrorWithoutThePassword(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"", "mysql://u:hunter2@h/db", "postgres://u:hunter2@%zz", "postgres://u:hunter2@127.0.0.1:1/db"} {
		_, err := store.Open(t.Context(), store.Options{DSN: dsn, Timeout: short})
		if err == nil {
			t.Errorf("%q was opened", dsn)
			continue
		}
		if text := err.Error(); len(text) > 500 || strings.Contains(text, "hunter2") {
			t.Errorf("%q: %s", dsn, text)
		}
	}
	if _, err := store.Open(t.Context(), store.Options{DSN: "sqlite", Path: t.TempDir() + "/missing/db"}); err == nil {
		t.Error("a file in a missing directory was opened")
	}
}
