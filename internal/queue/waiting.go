package queue

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// Shared is the queue whose jobs any process takes.
const Shared = river.QueueDefault

// Wait is how long the oldest job of a queue that could run has waited for a worker.
type Wait struct {
	Queue  string
	Jobs   int
	Oldest time.Duration
}

var waitsSQL = map[Dialect]string{
	SQLite: `SELECT queue, COUNT(*), CAST((julianday('now') - julianday(MIN(scheduled_at))) * 86400000 AS INTEGER) FROM river_job
		WHERE state = 'available' AND julianday(scheduled_at) <= julianday('now') GROUP BY queue ORDER BY queue`,
	Postgres: `SELECT queue, COUNT(*), CAST(EXTRACT(EPOCH FROM now() - MIN(scheduled_at)) * 1000 AS BIGINT) FROM river_job
		WHERE state = 'available' AND scheduled_at <= now() GROUP BY queue ORDER BY queue`,
}

// Waits tells of every queue that has jobs whose time has come, by the database's clock.
func Waits(ctx context.Context, db *sql.DB, d Dialect) (waits []Wait, err error) {
	rows, err := db.QueryContext(ctx, waitsSQL[d])
	if err != nil {
		return nil, fmt.Errorf("look how long jobs wait: %w", err)
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	for rows.Next() {
		var w Wait
		var milliseconds int64
		if err := rows.Scan(&w.Queue, &w.Jobs, &milliseconds); err != nil {
			return nil, fmt.Errorf("look how long jobs wait: %w", err)
		}
		w.Oldest = time.Duration(max(milliseconds, 0)) * time.Millisecond
		waits = append(waits, w)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("look how long jobs wait: %w", err)
	}
	return waits, nil
}

// Free is how many more jobs this process could work now.
func (q *Queue) Free() int {
	q.running.mu.Lock()
	defer q.running.mu.Unlock()
	return max(q.options.Workers-len(q.running.ids), 0)
}
