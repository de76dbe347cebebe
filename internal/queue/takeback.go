package queue

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// takeBackSQL makes the jobs that this node's former process ran available
// again. The attempt that was cut off counts, so that a job that kills its
// process every time is given up.
var takeBackSQL = map[Dialect]string{
	SQLite: `UPDATE river_job SET state = 'available' WHERE kind = 'step' AND state = 'running'
		AND json_extract(attempted_by, '$[#-1]') = ?`,
	Postgres: `UPDATE river_job SET state = 'available' WHERE kind = 'step' AND state = 'running'
		AND attempted_by[array_upper(attempted_by, 1)] = $1`,
}

// resignSQL ends the former process's term as River's leader, which would
// otherwise hold up the scheduler for 15 s.
var resignSQL = map[Dialect]string{
	SQLite:   `DELETE FROM river_leader WHERE leader_id = ?`,
	Postgres: `DELETE FROM river_leader WHERE leader_id = $1`,
}

const takeBackTimeout = 10 * time.Second

// takeBack relies on the promise of Options.Node: whatever runs under this name
// in the database died with the former process.
func (q *Queue) takeBack(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, takeBackTimeout)
	defer cancel()
	result, err := q.options.DB.ExecContext(ctx, takeBackSQL[q.options.Dialect], q.options.Node)
	if err != nil {
		return fmt.Errorf("make running jobs available: %w", err)
	}
	if n, err := result.RowsAffected(); err == nil && n > 0 {
		q.logger.InfoContext(ctx, "took back jobs of the former process", "jobs", n)
	}
	if _, err := q.options.DB.ExecContext(ctx, resignSQL[q.options.Dialect], q.options.Node); err != nil {
		return fmt.Errorf("end the former leadership: %w", err)
	}
	return nil
}

// rehomeSQL gives the jobs of a node to every worker.
var rehomeSQL = map[Dialect]string{
	SQLite:   `UPDATE river_job SET queue = ? WHERE queue = ? AND state IN ('available', 'scheduled', 'retryable', 'running')`,
	Postgres: `UPDATE river_job SET queue = $1 WHERE queue = $2 AND state IN ('available', 'scheduled', 'retryable', 'running')`,
}

// Rehome gives the jobs of a node that is taken for dead to the others, in the caller's
// transaction: those that waited for it, and those that it ran. One that it still runs,
// because it lives after all, is run beside it; leases and epochs fence the two.
func Rehome(ctx context.Context, tx *sql.Tx, d Dialect, node string) error {
	if _, err := tx.ExecContext(ctx, takeBackSQL[d], node); err != nil {
		return fmt.Errorf("make the running jobs of node %s available: %w", node, err)
	}
	if _, err := tx.ExecContext(ctx, rehomeSQL[d], Workers, NodeQueue(node)); err != nil {
		return fmt.Errorf("give the jobs of node %s to others: %w", node, err)
	}
	return nil
}
