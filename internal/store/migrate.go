package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/riverqueue/river/rivermigrate"

	"github.com/coderflow/coderflow/internal/queue"
)

//go:embed migrations
var migrations embed.FS

// NewerSchemaError is a database that a newer version of CoderFlow migrated.
// Working on it could break what the newer version relies on.
type NewerSchemaError struct {
	Schema       string // "coderflow" or "river"
	Known, Found int
}

// Error implements error.
func (e *NewerSchemaError) Error() string {
	return fmt.Sprintf("the database has %s schema version %d, but this program knows only versions up to %d: a newer coderflow migrated it. "+
		"Start that one again, or restore the backup from before the upgrade with this one; nothing was changed", e.Schema, e.Found, e.Known)
}

// migrateTimeout bounds a migration, waiting for another process's included.
const migrateTimeout = 15 * time.Minute

// Migrate brings the schema, CoderFlow's and River's, up to what this program
// needs. Several processes may call it at once; a database that is up to date
// is left alone. It fails with *NewerSchemaError, and changes nothing, if the
// database is ahead.
func (s *Store) Migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	var err error
	if s.dialect == queue.SQLite {
		err = s.migrateSQLite(ctx)
	} else {
		err = s.migratePostgres(ctx)
	}
	if err != nil {
		return fmt.Errorf("migrate the %s database: %w", s.dialect, err)
	}
	return s.plantTree(ctx)
}

// migrateSQLite relies on each step being one transaction, which keeps others
// out. River looks before its transactions begin, so that of two processes one
// may find a step already made; it looks again.
func (s *Store) migrateSQLite(ctx context.Context) error {
	if err := inTx(ctx, s.write.DB, func(tx *sql.Tx) error { return s.migrateOwn(ctx, tx) }); err != nil {
		return err
	}
	var err error
	for range 10 {
		if err = s.migrateRiver(ctx, s.write.DB); err == nil || ctx.Err() != nil {
			break
		}
		if errors.As(err, new(*NewerSchemaError)) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, index := range queue.Indexes(s.dialect) {
		if err == nil {
			_, err = s.write.ExecContext(ctx, index)
		}
	}
	return err
}

// migrationLock is the key of the advisory lock under which PostgreSQL databases
// are migrated. Its value means nothing.
const migrationLock = 0x636f6465_6d696772

// migratePostgres cannot use one transaction: PostgreSQL does not let one use a
// value that it added to an enumeration, which River's migrations do. So an
// advisory lock of the session keeps others out, and a migration that was
// interrupted goes on where it stopped.
func (s *Store) migratePostgres(ctx context.Context) error {
	session, err := s.write.DB.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	// Closing for good, not into the pool, ends the lock and the settings.
	defer func() { _ = session.Raw(func(any) error { return driver.ErrBadConn }) }()
	prepare := fmt.Sprintf("SET statement_timeout = 0; SET lock_timeout = '5min'; SELECT pg_advisory_lock(%d)", int64(migrationLock))
	if _, err := session.ExecContext(ctx, prepare); err != nil {
		return fmt.Errorf("wait for other processes: %w", err)
	}
	if err := inTx(ctx, session, func(tx *sql.Tx) error { return s.migrateOwn(ctx, tx) }); err != nil {
		return err
	}
	return s.migrateRiver(ctx, session)
}

type beginner interface {
	BeginTx(ctx context.Context, o *sql.TxOptions) (*sql.Tx, error)
}

func inTx(ctx context.Context, db beginner, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func (s *Store) migrateOwn(ctx context.Context, tx *sql.Tx) error {
	return s.migrateTo(ctx, tx, math.MaxInt)
}

// migrateTo applies what is missing up to a version.
func (s *Store) migrateTo(ctx context.Context, tx *sql.Tx, version int) error {
	if _, err := tx.ExecContext(ctx, schemaVersionsSQL[s.dialect]); err != nil {
		return fmt.Errorf("make the table of versions: %w", err)
	}
	known, err := knownMigrations(s.dialect)
	if err != nil {
		return err
	}
	applied, err := appliedVersions(ctx, tx)
	if err != nil {
		return err
	}
	missing, err := pending(known, applied)
	if err != nil {
		return err
	}
	for _, m := range missing {
		if m.version > version {
			break
		}
		if err := s.apply(ctx, tx, m); err != nil {
			return fmt.Errorf("%s: %w", m.file, err)
		}
	}
	return nil
}

var schemaVersionsSQL = map[queue.Dialect]string{
	queue.SQLite:   "CREATE TABLE IF NOT EXISTS schema_versions (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL) STRICT",
	queue.Postgres: "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)",
}

func (s *Store) apply(ctx context.Context, tx *sql.Tx, m migration) error {
	statements, err := migrations.ReadFile(m.file)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, string(statements)); err != nil {
		return err
	}
	s.logger.InfoContext(ctx, "migrated the database", "version", m.version)
	_, err = tx.ExecContext(ctx, fmt.Sprintf("INSERT INTO schema_versions (version, applied_at) VALUES (%d, '%s')",
		m.version, s.now().Format(instantFormat)))
	return err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// migrateRiver brings the job queue's tables up to date and fails if they are
// newer than this program's River; a migration up leaves such tables alone.
func (s *Store) migrateRiver(ctx context.Context, db querier) error {
	driver, err := queue.Driver(s.write.DB, s.dialect)
	if err != nil {
		return err
	}
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("prepare the job queue's tables: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("the job queue's tables: %w", err)
	}
	var found int
	err = db.QueryRowContext(ctx, "SELECT MAX(version) FROM river_migration WHERE line = 'main'").Scan(&found)
	if err != nil {
		return fmt.Errorf("read the version of the job queue's tables: %w", err)
	}
	all := migrator.AllVersions()
	if known := all[len(all)-1].Version; found > known {
		return &NewerSchemaError{Schema: "river", Known: known, Found: found}
	}
	return nil
}
