package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"

	"github.com/coderflow/coderflow/internal/queue"
)

// Options say where the database is.
type Options struct {
	// DSN is "sqlite" or "postgres://…".
	DSN string
	// Path is SQLite's file; it and its directory's other users matter, so it is
	// created with mode 0600.
	Path string
	// Clock is the time for leases and timestamps; nil means time.Now.
	Clock  func() time.Time
	Logger *slog.Logger
	// Timeout bounds a transaction or a read as a whole, waiting included;
	// 0 means 10 s.
	Timeout time.Duration
}

// Store is the database.
type Store struct {
	dialect queue.Dialect
	write   *bun.DB
	read    *bun.DB // the same as write on PostgreSQL
	jobs    *queue.Inserter
	wake    *queue.Wake
	clock   func() time.Time
	logger  *slog.Logger
	timeout time.Duration
}

// Open connects to the database and proves that it answers. It changes nothing
// in it; [Store.Migrate] does.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{clock: o.Clock, logger: o.Logger, timeout: o.Timeout, wake: queue.NewWake()}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.timeout <= 0 {
		s.timeout = 10 * time.Second
	}
	if err := s.connect(o); err != nil {
		return nil, err
	}
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	for _, pool := range []*bun.DB{s.write, s.read} {
		// A query, as pgx's ping hides why it failed.
		if _, err := pool.ExecContext(ctx, "SELECT 1"); err != nil {
			return nil, errors.Join(fmt.Errorf("connect to the %s database: %w", s.dialect, err), s.Close())
		}
	}
	return s, nil
}

func (s *Store) connect(o Options) error {
	switch {
	case o.DSN == string(queue.SQLite):
		write, read, err := openSQLite(o.Path)
		if err != nil {
			return err
		}
		s.dialect = queue.SQLite
		s.write = bun.NewDB(write, sqlitedialect.New())
		s.read = bun.NewDB(read, sqlitedialect.New())
	case strings.HasPrefix(o.DSN, "postgres://"), strings.HasPrefix(o.DSN, "postgresql://"):
		pool, err := openPostgres(o.DSN)
		if err != nil {
			return err
		}
		s.dialect = queue.Postgres
		s.write = bun.NewDB(pool, pgdialect.New())
		s.read = s.write
	default:
		return errors.New(`the database must be "sqlite" or begin with "postgres://"`)
	}
	jobs, err := queue.NewInserter(s.dialect)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	s.jobs = jobs
	return nil
}

// Close closes the connections. A queue that uses [Store.DB] must have stopped.
func (s *Store) Close() error {
	err := s.write.Close()
	if s.read != s.write {
		err = errors.Join(err, s.read.Close())
	}
	if err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Dialect tells which kind of database this is.
func (s *Store) Dialect() queue.Dialect { return s.dialect }

// DB is the pool that writes, for the job queue.
func (s *Store) DB() *sql.DB { return s.write.DB }

// Wake is rung after every commit of this store that enqueued a job which is due.
func (s *Store) Wake() *queue.Wake { return s.wake }

// bounded gives ctx the store's deadline, unless its own is sooner.
func (s *Store) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}

func (s *Store) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }
