package queue

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

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
type Inserter struct{ dialect Dialect }

// NewInserter prepares to enqueue in databases of a kind.
func NewInserter(d Dialect) (*Inserter, error) {
	if _, known := waitingSQL[d]; !known {
		return nil, fmt.Errorf("no job queue for database dialect %q", d)
	}
	return &Inserter{dialect: d}, nil
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
	var needed []row
	for n, j := range jobs {
		if j.Kind == "" || j.Key == "" {
			return fmt.Errorf("enqueue job %q of %q: kind and key are needed", j.Kind, j.Key)
		}
		if n > 0 && jobs[n-1].Kind == j.Kind && jobs[n-1].Key == j.Key && jobs[n-1].Queue == j.Queue {
			continue // the one before starts no later, and waits itself or need not
		}
		r, waiting, err := i.prepare(ctx, tx, j)
		if err != nil {
			return fmt.Errorf("enqueue job %s of %s: %w", j.Kind, j.Key, err)
		}
		if !waiting {
			needed = append(needed, r)
		}
	}
	return i.insert(ctx, tx, needed)
}

// row is a job as River stores it.
type row struct {
	queue, args string
	at          any
}

// prepare reports whether a job that is already waiting makes j needless.
func (i *Inserter) prepare(ctx context.Context, tx *sql.Tx, j Job) (r row, waiting bool, err error) {
	at := j.RunAt
	if at.IsZero() {
		at = time.Now()
	}
	// The coarser of River's two precisions, so that equal times stay equal.
	at = at.UTC().Truncate(time.Millisecond)
	j.Queue = cmp.Or(j.Queue, Anybody)
	args, err := json.Marshal(step{Job: j.Kind, Key: j.Key})
	if err != nil {
		return r, false, fmt.Errorf("encode: %w", err)
	}
	if !j.New {
		waiting, err = i.waiting(ctx, tx, j, at)
	}
	return row{j.Queue, string(args), riverTime(i.dialect, at)}, waiting, err
}

// insertTogether bounds the rows of one statement.
const insertTogether = 100

// insert writes jobs as River's clients in other languages do, many in one statement: a database counts statements
// more than rows, and River's own takes one for each job on SQLite.
//
// A delayed job is "available" too: workers look at scheduled_at anyway. In state "scheduled" it would first wait for
// River's scheduler, which looks every 5 s and runs in one elected process only.
func (i *Inserter) insert(ctx context.Context, tx *sql.Tx, jobs []row) error {
	for some := range slices.Chunk(jobs, insertTogether) {
		var statement strings.Builder
		statement.WriteString("INSERT INTO river_job (state, kind, max_attempts, queue, args, scheduled_at, created_at) VALUES ")
		var values []any
		for n, r := range some {
			if n > 0 {
				statement.WriteString(", ")
			}
			fmt.Fprintf(&statement, "('available', 'step', %d, $%d, $%d, $%d, $%d)", riverAttempts, 4*n+1, 4*n+2, 4*n+3, 4*n+4)
			values = append(values, r.queue, r.args, r.at, riverTime(i.dialect, time.Now().UTC()))
		}
		if _, err := tx.ExecContext(ctx, statement.String(), values...); err != nil {
			return fmt.Errorf("enqueue %d jobs: %w", len(some), err)
		}
	}
	return nil
}

// waitingSQL finds a job that makes another one needless. On PostgreSQL it
// locks the row: a worker that fetches skips locked rows, so that the job found
// cannot start before this transaction is visible; if a worker was faster, the
// row no longer matches. On SQLite the transaction excludes every other writer.
//
// Without [Indexes] SQLite would read the arguments of everything that waits, for each job that is enqueued.
var waitingSQL = map[Dialect]string{
	SQLite: `SELECT id FROM river_job WHERE kind = 'step' AND state IN ('available', 'scheduled')
		AND json_extract(args, '$.job') = ? AND json_extract(args, '$.key') = ? AND queue = ? AND scheduled_at <= ? LIMIT 1`,
	Postgres: `SELECT id FROM river_job WHERE kind = 'step' AND state IN ('available', 'scheduled')
		AND args @> jsonb_build_object('job', $1::text, 'key', $2::text) AND queue = $3 AND scheduled_at <= $4 LIMIT 1 FOR UPDATE`,
}

// Indexes are statements that make what this package asks of River's tables cheap however many jobs wait. They are
// run after River's own migrations, and change nothing where they ran before. (PostgreSQL has River's index of
// arguments.)
func Indexes(d Dialect) []string {
	if d != SQLite {
		return nil
	}
	return []string{`CREATE INDEX IF NOT EXISTS coderflow_job_waiting ON river_job (json_extract(args, '$.key'), json_extract(args, '$.job'))
		WHERE kind = 'step' AND state IN ('available', 'scheduled')`}
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

// riverTime is t, in UTC and whole milliseconds, as River stores it. River's SQLite times are text, which only
// compares rightly in this one format (riversqlite, timeString).
func riverTime(d Dialect, t time.Time) any {
	if d == SQLite {
		return t.Format("2006-01-02 15:04:05.999")
	}
	return t
}
