package queue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// Dialect is the kind of database that holds the jobs.
type Dialect string

// The databases that River and the store both know.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// Driver returns River's driver for the database, for its migrations.
func Driver(db *sql.DB, d Dialect) (riverdriver.Driver[*sql.Tx], error) {
	switch d {
	case SQLite:
		return riversqlite.New(db), nil
	case Postgres:
		return riverdatabasesql.New(db), nil
	}
	return nil, fmt.Errorf("no job queue for database dialect %q", d)
}

// step is River's view of a [Job]. There is one River kind for all of ours, so
// that a process never fails to insert a job that only another one can work.
type step struct {
	Job Kind   `json:"job"`
	Key string `json:"key"`
}

// Kind implements river.JobArgs.
func (step) Kind() string { return "step" }

// riverAttempts is more than any Options.MaxAttempts: the worker gives up and
// tells, where River's rescuer would discard a job in silence.
const riverAttempts = 10_000

// Inserter enqueues jobs inside the caller's transaction.
type Inserter struct {
	client  *river.Client[*sql.Tx]
	dialect Dialect
}

// NewInserter prepares to enqueue. db is used for nothing but its kind: every
// job goes through the transaction given to [Inserter.Insert].
func NewInserter(db *sql.DB, d Dialect) (*Inserter, error) {
	driver, err := Driver(db, d)
	if err != nil {
		return nil, err
	}
	client, err := river.NewClient(driver, &river.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, fmt.Errorf("prepare to enqueue jobs: %w", err)
	}
	return &Inserter{client: client, dialect: d}, nil
}

// Insert enqueues jobs in tx: they exist if and only if tx commits.
//
// A job that is already waiting in its queue and will start no later is not enqueued twice,
// so that sweeps and repeated hints cannot pile up jobs. A job that already
// runs does not count: it may have looked before tx changed anything.
func (i *Inserter) Insert(ctx context.Context, tx *sql.Tx, jobs ...Job) error {
	// One order for everybody, so that two transactions never wait for each other.
	jobs = slices.SortedFunc(slices.Values(jobs), func(a, b Job) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Queue, b.Queue), a.RunAt.Compare(b.RunAt))
	})
	for _, j := range jobs {
		if j.Kind == "" || j.Key == "" {
			return fmt.Errorf("enqueue job %q of %q: kind and key are needed", j.Kind, j.Key)
		}
		if err := i.insert(ctx, tx, j); err != nil {
			return fmt.Errorf("enqueue job %s of %s: %w", j.Kind, j.Key, err)
		}
	}
	return nil
}

func (i *Inserter) insert(ctx context.Context, tx *sql.Tx, j Job) error {
	at := j.RunAt
	if at.IsZero() {
		at = time.Now()
	}
	// The coarser of River's two precisions, so that equal times stay equal.
	at = at.UTC().Truncate(time.Millisecond)
	j.Queue = cmp.Or(j.Queue, Anybody)
	waiting, err := i.waiting(ctx, tx, j, at)
	if err != nil || waiting {
		return err
	}
	inserted, err := i.client.InsertTx(ctx, tx, step{Job: j.Kind, Key: j.Key}, &river.InsertOpts{
		Queue: j.Queue, ScheduledAt: at, MaxAttempts: riverAttempts,
	})
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return i.makeAvailable(ctx, tx, inserted.Job.ID)
}

// waitingSQL finds a job that makes another one needless. On PostgreSQL it
// locks the row: a worker that fetches skips locked rows, so that the job found
// cannot start before this transaction is visible; if a worker was faster, the
// row no longer matches. On SQLite the transaction excludes every other writer.
var waitingSQL = map[Dialect]string{
	SQLite: `SELECT id FROM river_job WHERE kind = 'step' AND state IN ('available', 'scheduled')
		AND json_extract(args, '$.job') = ? AND json_extract(args, '$.key') = ? AND queue = ? AND scheduled_at <= ? LIMIT 1`,
	Postgres: `SELECT id FROM river_job WHERE kind = 'step' AND state IN ('available', 'scheduled')
		AND args @> jsonb_build_object('job', $1::text, 'key', $2::text) AND queue = $3 AND scheduled_at <= $4 LIMIT 1 FOR UPDATE`,
}

func (i *Inserter) waiting(ctx context.Context, tx *sql.Tx, j Job, by time.Time) (bool, error) {
	var id int64
	err := tx.QueryRowContext(ctx, waitingSQL[i.dialect], string(j.Kind), j.Key, j.Queue, riverTime(i.dialect, by)).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for a waiting job: %w", err)
	}
	return true, nil
}

var availableSQL = map[Dialect]string{
	SQLite:   `UPDATE river_job SET state = 'available' WHERE id = ? AND state = 'scheduled'`,
	Postgres: `UPDATE river_job SET state = 'available' WHERE id = $1 AND state = 'scheduled'`,
}

// makeAvailable lets workers find a delayed job by themselves: they look at
// scheduled_at anyway. In state "scheduled" it would first wait for River's
// scheduler, which looks every 5 s and runs in one elected process only.
func (i *Inserter) makeAvailable(ctx context.Context, tx *sql.Tx, id int64) error {
	if _, err := tx.ExecContext(ctx, availableSQL[i.dialect], id); err != nil {
		return fmt.Errorf("make the job available: %w", err)
	}
	return nil
}

// riverTime is t, in UTC and whole milliseconds, as River stores it. River's SQLite times are text, which only
// compares rightly in this one format (riversqlite, timeString).
func riverTime(d Dialect, t time.Time) any {
	if d == SQLite {
		return t.Format("2006-01-02 15:04:05.999")
	}
	return t
}
