package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/coderflow/coderflow/internal/audit"
	"github.com/coderflow/coderflow/internal/queue"
	"github.com/coderflow/coderflow/internal/task"
)

// Tx is one transaction. It is good for one goroutine and ends with the
// function that [Store.InTx] gave it to.
type Tx struct {
	tx       bun.Tx
	dialect  queue.Dialect
	now      func() time.Time
	deadline time.Time
	entries  []audit.Entry
	moves    bool // a task or an approval is written
	jobs     []queue.Job
}

// InTx runs f in one transaction: commit if it returns nil, otherwise nothing
// happened. f uses only the Tx for the database; another method of the store
// would wait for f to end. An error of the commit itself may leave open whether
// it happened: look before doing it again.
//
// Jobs and audit entries are written at the end: all transactions lock rows
// first, jobs next and the log last, so that they cannot wait for each other in
// a circle.
func (s *Store) InTx(ctx context.Context, f func(*Tx) error) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing
	deadline, _ := ctx.Deadline()
	t := &Tx{tx: tx, dialect: s.dialect, now: s.now, deadline: deadline}
	if err := f(t); err != nil {
		return err
	}
	if err := t.adviceAlone(); err != nil {
		return err
	}
	if len(t.jobs) > 0 {
		if err := t.address(ctx); err != nil {
			return err
		}
		if err := s.jobs.Insert(ctx, tx.Tx, t.jobs...); err != nil {
			return err
		}
	}
	if err := t.writeAudit(ctx); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	s.wake.Ring(t.ready()...)
	return nil
}

// ready are the queues that got jobs whose time has come.
func (t *Tx) ready() (queues []string) {
	for _, j := range t.jobs {
		if !j.RunAt.After(time.Now()) {
			queues = append(queues, cmp.Or(j.Queue, queue.Anybody))
		}
	}
	return queues
}

// Enqueue adds a job that exists once the transaction is committed.
func (t *Tx) Enqueue(_ context.Context, j queue.Job) error {
	if j.Kind == "" || j.Key == "" {
		return fmt.Errorf("enqueue job %q of %q: kind and key are needed", j.Kind, j.Key)
	}
	t.jobs = append(t.jobs, j)
	return nil
}

// executor is a bun statement without rows, scanner one with rows.
type executor interface {
	Exec(ctx context.Context, dest ...any) (sql.Result, error)
}

type scanner interface {
	Scan(ctx context.Context, dest ...any) error
}

// exec runs a statement under the transaction's deadline, which the caller's
// context need not have, and returns how many rows it changed.
func (t *Tx) exec(ctx context.Context, statement executor) (int64, error) {
	ctx, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	result, err := statement.Exec(ctx)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// bind runs a statement with its values beside it. bun writes values into the
// statement, which for megabytes of bytes is slow to parse.
func (t *Tx) bind(ctx context.Context, statement map[queue.Dialect]string, values ...any) error {
	ctx, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	_, err := t.tx.Tx.ExecContext(ctx, statement[t.dialect], values...)
	return err
}

// scan runs a query under the transaction's deadline.
func (t *Tx) scan(ctx context.Context, query scanner, dest ...any) error {
	ctx, cancel := context.WithDeadline(ctx, t.deadline)
	defer cancel()
	return found(query.Scan(ctx, dest...))
}

// fetch runs a query outside of transactions.
func (s *Store) fetch(ctx context.Context, query scanner, dest ...any) error {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	return found(query.Scan(ctx, dest...))
}

// found translates the absence of a row into the domain's word.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return task.ErrNotFound
	}
	return err
}
